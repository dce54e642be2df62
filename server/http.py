"""GraphQL over HTTP: one operation per request, every answer GraphQL JSON, every error coded.

Source: GraphQL over HTTP, working draft. Strawberry executes; this reads requests and writes
answers.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from schema import tracing
from schema.caching import NO_STORE
from server.callback import ACCEPTED, PROTOCOL_HEADER, Callbacks
from server.callers import Caller, Callers
from server.deadlines import Deadlines
from server.disconnects import Presence
from server.errors import RequestError, masked_fault
from server.exchanges import note_code
from server.operations import (
    READS,
    READS_AND_WRITES,
    SUBSCRIPTIONS,
    Body,
    Operations,
    body_of,
    error_body,
    is_request_error,
)
from server.origins import check_site
from server.requests import (
    EVENT_STREAM,
    GRAPHQL_JSON,
    JSON,
    MULTIPART,
    Accepted,
    Parameters,
    accepted,
    parameters_of,
)
from server.streams import Streams

METHODS = ("GET", "HEAD", "POST")


class GraphQLEndpoint:
    """The endpoint for operations of every type."""

    def __init__(
        self,
        operations: Operations,
        callers: Callers,
        streams: Streams,
        callbacks: Callbacks,
        deadlines: Deadlines,
        *,
        max_body_bytes: int,
    ) -> None:
        self._operations = operations
        self._callers = callers
        self._streams = streams
        self._callbacks = callbacks
        self._deadlines = deadlines
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; never fails for anything a client can send."""
        request = Request(scope, receive)
        response = await answer_safely(request, self._answer)
        await response(scope, receive, send)

    async def _answer(self, request: Request, wanted: Accepted) -> Response:
        if request.method not in METHODS:
            allow = {"Allow": ", ".join(METHODS)}
            raise RequestError(405, "METHOD_NOT_ALLOWED", "Send operations by POST or GET.", allow)
        if request.method == "HEAD":  # a stream would hold the connection without a word
            wanted = replace(wanted, stream=None, callback=False)
        if wanted.single is None and wanted.stream is None:
            raise _not_acceptable("An answer", JSON, GRAPHQL_JSON)
        due = self._deadlines.of(request)
        caller = await self._callers.of(request)
        parameters = await parameters_of(request, self._max_body_bytes)
        allowed = READS_AND_WRITES if request.method == "POST" else READS
        traced = request.headers.get(tracing.HEADER) == tracing.FORMAT
        if wanted.single is None:
            return await self._stream(parameters, caller, wanted, allowed | SUBSCRIPTIONS)
        try:
            result, headers = await self._operations.execute(
                parameters,
                caller,
                allowed,
                traced=traced,
                due=due,
                presence=Presence(request.scope),
            )
        except InvalidOperationTypeError as error:
            if error.operation_type is not OperationType.SUBSCRIPTION:
                message = "Send mutations by POST."
                raise RequestError(405, "METHOD_NOT_ALLOWED", message, {"Allow": "POST"}) from None
            return await self._stream(parameters, caller, wanted, SUBSCRIPTIONS)
        if result.errors:
            note_code((result.errors[0].extensions or {}).get("code"))
        failed = wanted.single == GRAPHQL_JSON and is_request_error(result)
        return json_response(body_of(result), 400 if failed else 200, wanted.single, headers)

    async def _stream(
        self,
        parameters: Parameters,
        caller: Caller,
        wanted: Accepted,
        allowed: frozenset[OperationType],
    ) -> Response:
        if wanted.callback and allowed == SUBSCRIPTIONS:
            async with self._callbacks.open(parameters.extensions.get("subscription")) as callback:
                results = self._operations.follow(parameters, caller, allowed)
                self._callbacks.run(callback, results, expires_at=caller.expires_at)
            return json_response(ACCEPTED, 200, JSON, PROTOCOL_HEADER)
        if wanted.stream is None:
            multipart = f"{MULTIPART};subscriptionSpec=1.0"
            raise _not_acceptable("A subscription", EVENT_STREAM, multipart)
        results = self._operations.follow(parameters, caller, allowed)
        return self._streams.answer(results, wanted.stream, caller.expires_at)


async def answer_safely(
    request: Request, answer: Callable[[Request, Accepted], Awaitable[Response]]
) -> Response:
    """What `answer` gives, or the error that it raises as an answer."""
    # GraphOS Router adds a header Accept of its own to that of the client.
    wanted = accepted(", ".join(request.headers.getlist("accept")))
    media_type = wanted.single or JSON
    try:
        check_site(request)
        return await answer(request, wanted)
    except RequestError as error:
        note_code(error.code)
        return json_response(error_body(error), error.status, media_type, error.headers)
    except ClientDisconnect:
        return Response(status_code=499)
    except Exception:
        fault = masked_fault()
        note_code(fault.code)
        return json_response(error_body(fault), fault.status, media_type)


def json_response(
    body: Body, status: int, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A body as an answer; nobody keeps it unless the headers say so."""
    return Response(
        orjson.dumps(body),
        status,
        {**NO_STORE, **(headers or {})},
        f"{media_type}; charset=utf-8",
    )


def _not_acceptable(what: str, *offered: str) -> RequestError:
    message = f"{what} comes as {' or '.join(offered)}: name one in the header Accept."
    return RequestError(406, "NOT_ACCEPTABLE", message)
