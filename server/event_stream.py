"""One stream of events for many operations: graphql-sse, single connection mode.

A client reserves a stream (PUT), opens it (GET), sends operations beside it (POST, DELETE) and gets
all their results through it. A reservation lives in this process: with several processes, the
requests of one client have to reach the same one.

Source: GraphQL over Server-Sent Events protocol, single connection mode.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from schema.caching import NO_STORE
from server.callers import Callers
from server.errors import RequestError, bad_request
from server.http import answer_safely
from server.operations import READS_AND_WRITES, SUBSCRIPTIONS, Body, Operations
from server.requests import EVENT_STREAM, Accepted, Parameters, parameters_of
from server.streams import EVENT_STREAM_TYPE, HEARTBEAT_EVENT, Streams, event, with_heartbeats

TOKEN_HEADER = "x-graphql-event-stream-token"
MAX_RESERVATIONS = 1000
MAX_OPERATIONS = 20
MAX_ID_LENGTH = 100
OPEN_WITHIN_SECONDS = 30.0
METHODS = ("GET", "PUT", "POST", "DELETE")


class Reservation:
    """A stream that one client may open once, and the operations whose results it carries."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)
        self.is_open = False
        self._is_closed = False
        self._operations: dict[str, asyncio.Task[None]] = {}
        # One place: an operation goes on once its result was taken.
        self._events: asyncio.Queue[bytes] = asyncio.Queue(1)

    def start(self, operation_id: str, results: AsyncGenerator[Body | None, None]) -> None:
        """Carries the results of one more operation. Raises: RequestError."""
        if self._is_closed:  # while the request was still being read
            raise _not_reserved()
        if operation_id in self._operations:
            raise RequestError(409, "CONFLICT", "An operation of this id is going on.")
        if len(self._operations) >= MAX_OPERATIONS:
            message = f"Expected at most {MAX_OPERATIONS} operations at a time."
            raise RequestError(429, "TOO_MANY_OPERATIONS", message)
        self._operations[operation_id] = asyncio.create_task(self._carry(operation_id, results))

    def stop(self, operation_id: str) -> None:
        """Ends an operation, if it is still going on."""
        if operation_id in self._operations:
            self._operations.pop(operation_id).cancel()

    async def events(self, heartbeat_seconds: float) -> AsyncGenerator[bytes, None]:
        """Everything there is to send, for ever."""
        yield HEARTBEAT_EVENT
        while True:
            try:
                async with asyncio.timeout(heartbeat_seconds):
                    sent = await self._events.get()
            except TimeoutError:
                sent = HEARTBEAT_EVENT
            yield sent

    async def close(self) -> None:
        """Ends every operation; afterwards none can be started."""
        self._is_closed = True
        tasks = list(self._operations.values())
        self._operations.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, operation_id: str, results: AsyncGenerator[Body | None, None]) -> None:
        try:
            async for result in results:
                if result is not None:  # the stream has heartbeats of its own
                    await self._events.put(event("next", {"id": operation_id, "payload": result}))
            await self._events.put(event("complete", {"id": operation_id}))
        finally:
            await results.aclose()
            if self._operations.get(operation_id) is asyncio.current_task():
                del self._operations[operation_id]


class EventStreamEndpoint:
    """The endpoint for clients that want a single connection."""

    def __init__(
        self, operations: Operations, callers: Callers, streams: Streams, *, max_body_bytes: int
    ) -> None:
        self._operations = operations
        self._callers = callers
        self._streams = streams
        self._max_body_bytes = max_body_bytes
        self._reservations: dict[str, Reservation] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        response = await answer_safely(request, self._answer)
        await response(scope, receive, send)

    async def _answer(self, request: Request, wanted: Accepted) -> Response:
        if request.method == "PUT":
            return await self._reserve(request)
        if request.method not in METHODS:
            allow = {"Allow": ", ".join(METHODS)}
            raise RequestError(
                405, "METHOD_NOT_ALLOWED", "Expected PUT, GET, POST or DELETE.", allow
            )
        reservation = self._reservation(request)
        if request.method == "GET":
            return self._open(reservation, wanted)
        if request.method == "DELETE":
            reservation.stop(request.query_params.get("operationId", ""))
            return Response()
        caller = await self._callers.of(request)
        parameters = await parameters_of(request, self._max_body_bytes)
        operation_id = _operation_id(parameters)
        self._operations.check(parameters)
        results = self._operations.follow(parameters, caller, READS_AND_WRITES | SUBSCRIPTIONS)
        reservation.start(
            operation_id,
            with_heartbeats(results, self._streams.heartbeat_seconds, caller.expires_at),
        )
        return Response(status_code=202)

    async def _reserve(self, request: Request) -> Response:
        await self._callers.of(request)
        if len(self._reservations) >= MAX_RESERVATIONS:
            message = "Too many streams are reserved here."
            raise RequestError(503, "OVERLOADED", message, {"Retry-After": "5"})
        reservation = Reservation()
        self._reservations[reservation.token] = reservation
        asyncio.get_running_loop().call_later(OPEN_WITHIN_SECONDS, self._drop_unopened, reservation)
        return Response(reservation.token, 201, NO_STORE, "text/plain")

    def _reservation(self, request: Request) -> Reservation:
        token = request.headers.get(TOKEN_HEADER) or request.query_params.get("token", "")
        reservation = self._reservations.get(token)
        if reservation is None:
            raise _not_reserved()
        return reservation

    def _open(self, reservation: Reservation, wanted: Accepted) -> Response:
        if wanted.stream != EVENT_STREAM:
            raise RequestError(406, "NOT_ACCEPTABLE", f"A stream comes as {EVENT_STREAM}.")
        if reservation.is_open:
            raise RequestError(409, "CONFLICT", "The stream is open already.")
        reservation.is_open = True
        return self._streams.send(self._chunks(reservation), EVENT_STREAM_TYPE)

    async def _chunks(self, reservation: Reservation) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in reservation.events(self._streams.heartbeat_seconds):
                yield chunk
        finally:
            self._reservations.pop(reservation.token, None)
            await reservation.close()

    def _drop_unopened(self, reservation: Reservation) -> None:
        if not reservation.is_open:
            self._reservations.pop(reservation.token, None)
            ending = asyncio.ensure_future(reservation.close())
            ending.add_done_callback(lambda done: done.cancelled() or done.exception())


def _not_reserved() -> RequestError:
    return RequestError(404, "NOT_FOUND", "Nothing is reserved under this token.")


def _operation_id(parameters: Parameters) -> str:
    operation_id: Any = parameters.extensions.get("operationId")
    if not isinstance(operation_id, str) or not 0 < len(operation_id) <= MAX_ID_LENGTH:
        raise bad_request(f"Expected extensions.operationId of 1 to {MAX_ID_LENGTH} characters.")
    return operation_id
