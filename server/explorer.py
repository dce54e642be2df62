"""The explorer a browser opens at `/`: GraphiQL when its bundle was built, else a plain page."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike, stat_result
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from server.addresses import is_this_machine

PACKED_BUNDLE = Path(__file__).parent / "graphiql"
"""Where a wheel carries the bundle (hatch_build.py)."""

SOURCE_BUNDLE = Path(__file__).parent.parent / "explorer" / "dist"
BUNDLE = PACKED_BUNDLE if PACKED_BUNDLE.is_dir() else SOURCE_BUNDLE
PLAIN_PAGE = Path(__file__).parent / "plain_page"

# GraphiQL sets styles from its scripts; everything else comes from this origin, or not at all.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "worker-src 'self'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True, slots=True)
class Example:
    """An operation the explorer offers to run."""

    title: str
    query: str
    variables: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class OfferedToken:
    """A development token, so that the explorer can ask as somebody: as whom, to do what."""

    label: str
    permits: str
    token: str


@dataclass(frozen=True, slots=True)
class Session:
    """What the explorer opens with: where it asks, as whom it can, and which examples it offers.

    Labels of tokens are unique; the first token is the one it opens with.
    """

    endpoint: str
    tokens: Sequence[OfferedToken]
    examples: Sequence[Example]


def explorer_routes(session: Session, *, bundle: Path = BUNDLE) -> list[BaseRoute]:
    """Routes of the page, its session and its files; looks once for a built bundle, when called."""
    is_built = (bundle / "index.html").is_file()
    directory = bundle if is_built else PLAIN_PAGE
    shown = _session_json(session)
    without_tokens = {**shown, "tokens": []}

    async def page(request: Request) -> Response:
        return FileResponse(directory / "index.html", headers=_headers("no-cache"))

    async def session_json(request: Request) -> Response:
        # A website whose name is made to lead to this machine (DNS rebinding) learns no token.
        content = shown if names_this_machine(request) else without_tokens
        return JSONResponse(content, headers=_headers("no-store"))

    return [
        Route("/", page),
        Route("/explorer/session.json", session_json),
        _bundle_files(bundle) if is_built else _plain_files(),
    ]


def names_this_machine(request: Request) -> bool:
    """Whether the request names the server as somebody on this machine does."""
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return False
    return is_this_machine(host or "")


def _session_json(session: Session) -> dict[str, object]:
    return {
        "endpoint": session.endpoint,
        "tokens": [asdict(offered) for offered in session.tokens],
        "examples": [
            {
                "title": example.title,
                "query": example.query,
                "variables": None if example.variables is None else dict(example.variables),
            }
            for example in session.examples
        ],
    }


def _bundle_files(bundle: Path) -> Mount:
    # Vite names a file after its content, so a browser never has to ask for it again.
    files = _Files(bundle / "assets", "public, max-age=31536000, immutable")
    return Mount("/explorer/assets", files)


def _plain_files() -> Mount:
    return Mount("/explorer/plain", _Files(PLAIN_PAGE, "no-cache"))


def _headers(cache_control: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": cache_control,
    }


class _Files(StaticFiles):
    """Files of a page, answered with the headers of the page."""

    def __init__(self, directory: Path, cache_control: str) -> None:
        super().__init__(directory=directory)
        self._headers = _headers(cache_control)

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(self._headers)
        return response
