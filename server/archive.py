"""The archive of the signed-in person: everything that is kept of them, as lines of JSON.

The first line says whose it is and when it was made, each further one is an entry, and the last
one counts them and has the SHA-256 of all lines before it, so that nobody takes half for a whole.
"""

import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pipelines.archive import archive_of
from server.callers import Callers
from server.errors import RequestError
from server.http import answer_safely
from server.requests import Accepted
from store.store import Store

PATH = "/archive"
SCOPE = "me:archive:read"
FORMAT = "usergraph-archive/1"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Disposition": 'attachment; filename="archive.ndjson"',
    "X-Content-Type-Options": "nosniff",
}


class ArchiveEndpoint:
    """Gives people what is kept of them."""

    def __init__(self, store: Store, callers: Callers, now: Callable[[], datetime]) -> None:
        self._store = store
        self._callers = callers
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        response = await answer_safely(Request(scope, receive), self._answer)
        await response(scope, receive, send)

    async def _answer(self, request: Request, _: Accepted) -> Response:
        if request.method != "GET":
            raise RequestError(405, "METHOD_NOT_ALLOWED", "Send GET.", {"Allow": "GET"})
        viewer = (await self._callers.of(request)).viewer
        if viewer is None:
            message = "Sign in: send a bearer token in the Authorization header."
            raise RequestError(401, "UNAUTHENTICATED", message, {"WWW-Authenticate": "Bearer"})
        if viewer.user_id is None or SCOPE not in viewer.scopes:
            raise RequestError(403, "FORBIDDEN", f"It takes a person's token with {SCOPE!r}.")
        lines = archive_lines(self._store, viewer.user_id, self._now())
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=HEADERS)


async def archive_lines(store: Store, user_id: str, now: datetime) -> AsyncIterator[bytes]:
    """The archive of a user, line by line. Raises: StoreFault."""
    digest, entries = hashlib.sha256(), 0
    first = {"archive": FORMAT, "userId": user_id, "at": now.isoformat()}
    yield _line(first, digest)
    async for entry in archive_of(store, user_id):
        entries += 1
        yield _line({"kind": entry.kind, "value": entry.value}, digest)
    yield orjson.dumps({"entries": entries, "sha256": digest.hexdigest()}) + b"\n"


def _line(value: object, digest: "hashlib._Hash") -> bytes:
    line = orjson.dumps(value) + b"\n"
    digest.update(line)
    return line
