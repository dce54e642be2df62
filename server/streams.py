"""Streams of results over HTTP: server-sent events and multipart, with heartbeats and an end.

Source: GraphQL over Server-Sent Events protocol (graphql-sse), distinct connections mode; Apollo's
multipart HTTP protocol for subscriptions, `subscriptionSpec=1.0`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from math import inf
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from schema.caching import NO_STORE
from server.identity import seconds_until
from server.operations import Body
from server.requests import EVENT_STREAM
from store.driver import stop

HEADERS = {**NO_STORE, "X-Accel-Buffering": "no"}
EVENT_STREAM_TYPE = f"{EVENT_STREAM}; charset=utf-8"
MULTIPART_TYPE = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
EXPIRED: Body = {
    "errors": [{"message": "The token expired.", "extensions": {"code": "UNAUTHENTICATED"}}]
}

# Gateways split events at an empty line of bare line feeds; some do not know CRLF.
HEARTBEAT_EVENT = b":\n\n"
PART = b"\r\ncontent-type: application/json\r\n\r\n%s\r\n--graphql"


class Streams:
    """The streams that are open in this process."""

    def __init__(self, *, heartbeat_seconds: float) -> None:
        self.heartbeat_seconds = heartbeat_seconds
        self._closing = asyncio.Event()

    def answer(
        self, results: AsyncGenerator[Body, None], media_type: str, expires_at: datetime | None
    ) -> Response:
        """Results as an answer that goes on until they end, the client leaves or a token expires.

        The next result is asked for once the one before was taken, so that nothing piles up here.
        """
        paced = with_heartbeats(results, self.heartbeat_seconds, expires_at)
        if media_type == EVENT_STREAM:
            return self.send(_events(paced), EVENT_STREAM_TYPE)
        return self.send(_parts(paced), MULTIPART_TYPE)

    def send(self, chunks: AsyncGenerator[bytes, None], content_type: str) -> Response:
        """Chunks as an answer that goes on until they end or the client leaves."""
        return _StreamResponse(chunks, content_type, self._closing)

    def close(self) -> None:
        """Ends every stream, so that its client connects again, elsewhere or later."""
        self._closing.set()


async def with_heartbeats(
    results: AsyncGenerator[Body, None], interval_seconds: float, expires_at: datetime | None
) -> AsyncGenerator[Body | None, None]:
    """Results as they come, and None whenever none came for the interval.

    At `expires_at` one more result tells so, and then it ends.
    """
    pending: asyncio.Future[Body] | None = None
    try:
        while True:
            pending = pending or asyncio.ensure_future(anext(results))
            remaining = seconds_until(expires_at) if expires_at else inf
            await asyncio.wait({pending}, timeout=min(interval_seconds, remaining))
            if pending.done():
                try:
                    result = pending.result()
                except StopAsyncIteration:
                    return
                pending = None
                yield result
            elif remaining <= interval_seconds:
                yield EXPIRED
                return
            else:
                yield None
    finally:
        if pending is not None:
            await stop(pending)
            await asyncio.gather(pending, return_exceptions=True)  # nobody wants it any more
        await results.aclose()


def event(name: str, data: Any = None) -> bytes:
    """A server-sent event; `data` becomes JSON."""
    text = b"" if data is None else b" " + orjson.dumps(data)
    return b"event: %s\ndata:%s\n\n" % (name.encode(), text)


async def _events(results: AsyncGenerator[Body | None, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(results):
        yield HEARTBEAT_EVENT  # some browsers wait for the first byte
        async for result in results:
            yield HEARTBEAT_EVENT if result is None else event("next", result)
        yield event("complete")


async def _parts(results: AsyncGenerator[Body | None, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(results):
        # Each part ends with the next boundary, so that a client knows at once that it is whole.
        yield b"--graphql" + PART % b"{}"
        async for result in results:
            yield PART % (b"{}" if result is None else orjson.dumps({"payload": result}))
        yield b"--\r\n"


class _StreamResponse(Response):
    """Sends chunks while the client listens, and closes their source whatever happens.

    Starlette's own leaves that to the garbage collector when a client goes away.
    """

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], content_type: str, closing: asyncio.Event
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers({**HEADERS, "Content-Type": content_type})
        del self.headers["content-length"]
        self._chunks = chunks
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.create_task(self._send(send))
        ends = (
            asyncio.create_task(_disconnected(receive)),
            asyncio.create_task(self._closing.wait()),
        )
        try:
            await asyncio.wait({sending, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, *ends):
                task.cancel()
            outcomes = await asyncio.gather(sending, *ends, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        async with aclosing(self._chunks):
            async for chunk in self._chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
