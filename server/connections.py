"""Connections: how much a client may send before it has sent a request, and how long that may take.

Source: RFC 9110, sections 15.5.9 (408) and 6.5.1 (trailers are not headers); RFC 6585, section 5
(431). What is ambiguous about a message's length is refused by httptools (RFC 9112, section 6.1).
"""

import asyncio
from math import inf
from typing import Any, Literal, NamedTuple, cast

import orjson
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from server.disconnects import client_left
from server.errors import RequestError, bad_request
from server.operations import error_body

LINGER_SECONDS = 1.0
"""How long more is read, and dropped, after a connection was refused."""
UNREAD_SECONDS = 10.0
"""In which a client has to read half of what waits for it, while that is much."""

Part = Literal["head", "body"]


class Limits(NamedTuple):
    """How much a head may hold, and how long a client may take; the request line counts as head."""

    header_bytes: int = 32_768
    headers: int = 100
    silent_seconds: float = 10.0
    """From the beginning of a connection to its first byte."""
    head_seconds: float = 5.0
    """From the first byte of a head to its end; an answered request's body has as long."""


class Unread(asyncio.Protocol):
    """A protocol that gives up a client who does not read what is sent.

    uvicorn only closes, and that waits until all was read, for ever.
    """

    transport: Any
    loop: asyncio.AbstractEventLoop
    _unread_timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Begins to watch whether the client reads: more waits for it than is usual."""
        super().pause_writing()
        self._wait_for_reading()

    def resume_writing(self) -> None:
        """Ends watching: nearly all was read."""
        super().resume_writing()
        self._stop_watching()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends watching."""
        super().connection_lost(exc)
        self._stop_watching()

    def _wait_for_reading(self, most: float = inf) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread > most:
            self.transport.abort()
            return
        self._unread_timer = self.loop.call_later(
            UNREAD_SECONDS, self._wait_for_reading, unread / 2
        )

    def _stop_watching(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None


class WebSocketConnection(Unread, WebSocketsSansIOProtocol):
    """uvicorn's protocol for WebSockets, that does not wait for who does not read."""


class Connection(Unread, HttpToolsProtocol):
    """uvicorn's protocol, with limits, that tells a request when its client goes away.

    Most messages come in one piece: then no timer is set. One runs while a message is incomplete
    after what came of it, and uvicorn's own between messages.
    """

    def __init__(self, *parts: Any, limits: Limits | None = None, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._limits = limits or Limits()
        self._part: Part | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timed: Part | None = None
        self._chunk_bytes = 0
        self._earlier_bytes = 0
        self._has_body = False
        self._is_upgraded = False
        self._is_refused = False
        self._refusal: RequestError | None = None
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first byte."""
        super().connection_made(transport)
        self._wait_for_a_message()

    def data_received(self, data: bytes) -> None:
        """Reads what came, and sees to it that the rest comes in time."""
        if self._is_refused:
            return
        before, self._chunk_bytes, self._has_body = self._part, len(data), False
        super().data_received(data)
        if self._part is not None:
            self._wait_for_the_rest(before)
        elif self.cycle is None or self.cycle.response_complete:
            self._wait_for_a_message()

    def on_message_begin(self) -> None:
        """Begins a head."""
        super().on_message_begin()
        self._part = "head"
        self._earlier_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keeps a header; a trailer would be put among them after they were looked at."""
        if self._part == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begins a body, unless the head is too large."""
        limits = self._limits
        if len(self.headers) > limits.headers or (
            self._earlier_bytes + self._chunk_bytes > limits.header_bytes
            and self._head_bytes() > limits.header_bytes
        ):
            self._refusal = _too_large(limits)
            raise self._refusal  # ends the parser, which lets uvicorn call send_400_response
        self._part = "body"
        self._earlier_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Passes on a piece of the body."""
        self._has_body = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends the message."""
        self._part = None
        self._stop_timer()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hands the connection over."""
        self._is_upgraded = True
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuses what the parser did not take, and closes."""
        self._refuse(self._refusal or bad_request(msg))

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives up what is done for the client."""
        super().connection_lost(exc)
        self._stop_timer()
        self._unset_keepalive_if_required()
        if self._running is not None and not self._running.response_complete:
            self._give_up(self._running)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    @property
    def _is_answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    @property
    def _is_closing(self) -> bool:
        return self._is_refused or self.transport.is_closing()

    def _may_answer(self) -> bool:
        """Whether nothing was answered yet to the last message; its request is given up then."""
        running = self._running
        if running is None or running.response_complete:
            return True
        if running.response_started or running is not self.cycle:
            return False
        self._give_up(running)
        return True

    def _give_up(self, cycle: RequestResponseCycle) -> None:
        cycle.disconnected = True  # uvicorn tells the one that was read last
        cycle.message_event.set()
        client_left(cast(dict[str, Any], cycle.scope))

    def _head_bytes(self) -> int:
        """The size of the head, but for the method and the version."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _wait_for_a_message(self) -> None:
        """Closes what stays idle; empty lines before a message are none."""
        if self._is_upgraded or self._is_closing or self.timeout_keep_alive_task:
            return
        seconds = self._limits.silent_seconds if self.cycle is None else self.timeout_keep_alive
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def _wait_for_the_rest(self, before: Part | None) -> None:
        if self._is_closing:
            return
        if before == self._part and not self._has_body:
            # Nothing but a head, or chunk extensions and trailers, which nobody is told.
            self._earlier_bytes += self._chunk_bytes
            if self._earlier_bytes > self._limits.header_bytes:
                self._refuse(_too_large(self._limits))
                return
        if self._timed != self._part:
            self._stop_timer()
            self._start_timer(self._part)

    def _start_timer(self, part: Part | None) -> None:
        self._timed = part
        self._timer = self.loop.call_later(self._limits.head_seconds, self._end_waiting)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._timed = None

    def _end_waiting(self) -> None:
        if self._is_answering:  # who answers sees to the body (`server/requests.py`)
            self._start_timer(self._timed)
            return
        self._timer = self._timed = None
        seconds = self._limits.head_seconds
        self._refuse(_late("headers", seconds) if self._part == "head" else None)

    def _refuse(self, error: RequestError | None) -> None:
        """Closes the connection, with a word where the client waits for one."""
        self._stop_timer()
        self._unset_keepalive_if_required()
        self._is_refused = True
        if error is None or not self._may_answer():
            self.transport.close()
            return
        self.transport.write(_answer(error))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # To close while more is coming would take the answer back (RFC 9112, section 9.6).
        self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _answer(error: RequestError) -> bytes:
    body = orjson.dumps(error_body(error))
    return (
        b"%bcontent-type: application/json; charset=utf-8\r\ncontent-length: %d\r\n"
        b"cache-control: no-store\r\nconnection: close\r\n\r\n%b"
    ) % (STATUS_LINE[error.status], len(body), body)


def _too_large(limits: Limits) -> RequestError:
    message = f"Expected at most {limits.headers} headers in at most {limits.header_bytes} bytes."
    return RequestError(431, "HEADERS_TOO_LARGE", message)


def _late(what: str, seconds: float) -> RequestError:
    return RequestError(408, "REQUEST_TIMEOUT", f"Expected the {what} within {seconds:g} seconds.")
