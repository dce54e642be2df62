"""GraphQL over WebSocket: `graphql-transport-ws`, for subscriptions."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import orjson
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonJsonMessageReceived, WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UnsetType

from execution.cache import Found
from resolvers.request import Request, Viewer
from schema.federation import FederatedSchema
from server.budgets import Budget
from server.callers import PURPOSE_HEADER, Caller, Callers, address_of, checked_purpose
from server.documents import Documents, checked_document
from server.errors import RequestError
from server.identity import seconds_until
from server.operations import Operations, error_body
from server.requests import Parameters, parameters_from

INIT_TIMEOUT = timedelta(seconds=3)
MAX_SUBSCRIPTIONS = 20
IDENTIFIED = ("subscribe", "complete")
EXPIRED = 4403
TRY_AGAIN_LATER = 1013
FLOODED = 4429
BURST_SECONDS = 2
MAX_REASON_BYTES = 123
"""RFC 6455, section 5.5: a control frame holds 125 bytes, two of which are the code."""


@dataclass
class Connection(Request):
    """A connection; each of its operations gets a request of its own (`FederatedSchema.stream`)."""

    socket: WebSocket | None = None
    connection_params: dict[str, Any] = field(default_factory=dict)
    expiry: asyncio.TimerHandle | None = None
    is_router: bool = False
    refusal: tuple[int, str] = (4403, "Forbidden")
    """What a connection that is not taken closes with."""


class Rate:
    """Lets so many messages through in a second, and those of two seconds at once."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = self._most = per_second * BURST_SECONDS
        self._as_of = time.monotonic()

    def allows(self) -> bool:
        """Whether one more may come now."""
        now = time.monotonic()
        since, self._as_of = now - self._as_of, now
        self._left = min(self._most, self._left + since * self._per_second) - 1
        return self._left >= 0


class StrictAdapter(ASGIWebSocketAdapter):
    """Lets only messages of the protocol's shape through; others close with 4400.

    Too many of them close with 4429. An operation that is named gets its text here.
    """

    _is_acknowledged = False

    def __init__(self, view: Any, request: WebSocket, response: WebSocket) -> None:
        super().__init__(view, request, response)
        self._rate = Rate(view.messages_per_second)

    async def iter_json(
        self, *, ignore_parsing_errors: bool = False
    ) -> AsyncGenerator[object, None]:
        """Messages as they come."""
        async for message in super().iter_json(ignore_parsing_errors=ignore_parsing_errors):
            if not self._rate.allows():
                await self.close(FLOODED, "Too many messages")
                return
            if not isinstance(message, dict) or not isinstance(message.get("type"), str):
                raise NonJsonMessageReceived
            if message["type"] in IDENTIFIED and not isinstance(message.get("id"), str):
                raise NonJsonMessageReceived
            if message["type"] == "complete":
                self._release(message)
            if message["type"] != "subscribe":
                yield message
            elif not self._is_acknowledged:
                yield {**message, "payload": {"query": ""}}  # it will close with 4401
            elif (payload := await self._operation(message)) is not None:
                yield {**message, "payload": payload}

    async def send_json(self, message: Mapping[str, Any]) -> None:
        """Sends a message, unless the client is gone; its errors have a code."""
        self._is_acknowledged = self._is_acknowledged or message["type"] == "connection_ack"
        if message["type"] in ("complete", "error"):
            self._release(message)
        for error in message["payload"] if message["type"] == "error" else ():
            # The one error that is not made here: too many operations at a time.
            error.setdefault("extensions", {"code": "TOO_MANY_OPERATIONS"})
        await self._send(message)

    async def close(self, code: int, reason: str) -> None:
        """Closes the connection, unless the client did."""
        if (code, reason) == (4403, "Forbidden"):  # Strawberry's words for every rejection
            code, reason = self._connection.refusal
        with suppress(WebSocketDisconnect, WebSocketDisconnected):
            # A reason may quote what the client sent, and a close frame carries little.
            await super().close(code, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))

    async def _send(self, message: Mapping[str, Any]) -> None:
        with suppress(WebSocketDisconnect, WebSocketDisconnected):
            await super().send_json(message)

    @property
    def _connection(self) -> Connection:
        connection: Connection = self.ws.scope["state"]["connection"]
        return connection

    async def _operation(self, message: Mapping[str, Any]) -> dict[str, Any] | None:
        """What to carry out; nothing when it was refused."""
        view = cast(WebSocketEndpoint, self.view)
        try:
            parameters = parameters_from(message.get("payload"))
        except RequestError as error:
            raise NonJsonMessageReceived from error
        try:
            text = view.documents.text_of(parameters)
            found = checked_document(view.schema, text, parameters.name)
            self._take(view, message["id"], found, parameters)
        except RequestError as error:
            errors = error_body(error)["errors"]
            await self._send({"id": message["id"], "type": "error", "payload": errors})
            return None
        return {
            "query": text,
            "variables": parameters.variables,
            "operationName": parameters.name,
        }

    def _take(
        self, view: "WebSocketEndpoint", key: str, found: Found, parameters: Parameters
    ) -> None:
        """Takes from a budget, until the operation ends. Raises: RequestError."""
        if key in self._budgets:  # in use: the connection will close with 4409
            return
        connection = self._connection
        caller = Caller(connection.viewer, address_of(self.ws), is_router=connection.is_router)
        budget = view.operations.admit(found, parameters, caller)
        budget.__enter__()
        self._budgets[key] = budget

    def _release(self, message: Mapping[str, Any]) -> None:
        budget = self._budgets.pop(message.get("id", ""), None)
        if budget is not None:
            budget.__exit__(None, None, None)

    @property
    def _budgets(self) -> dict[str, Budget]:
        """The budgets of this connection's operations, by their ids."""
        taken: dict[str, Budget] = self.ws.scope["state"]["budgets"]
        return taken


class WebSocketEndpoint(GraphQL[Connection, None]):
    """Verifies the token of `connection_init` once, then runs operations until it expires."""

    websocket_adapter_class = StrictAdapter

    def __init__(
        self,
        schema: FederatedSchema,
        documents: Documents,
        callers: Callers,
        make_request: Callable[[Viewer | None], Request],
        operations: Operations,
        *,
        messages_per_second: float,
        allowed_origins: Sequence[str] = (),
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=INIT_TIMEOUT,
            max_subscriptions_per_connection=MAX_SUBSCRIPTIONS,
            allowed_origins=allowed_origins,
        )
        self.schema: FederatedSchema = schema
        self.documents = documents
        self.operations = operations
        self.messages_per_second = messages_per_second
        self._callers = callers
        self._make_request = make_request

    def decode_json(self, data: str | bytes) -> object:
        """JSON that can be written again: no NaN, no half of a surrogate pair, no deep nesting."""
        return orjson.loads(data)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection to its end; one of another site's page is refused with 403."""
        budgets: dict[str, Budget] = {}
        scope["state"] = {"budgets": budgets}
        try:
            await super().__call__(scope, receive, send)
        finally:
            for budget in budgets.values():
                budget.__exit__(None, None, None)
            connection: Connection | None = scope["state"].get("connection")
            if connection and connection.expiry:
                connection.expiry.cancel()

    async def get_context(
        self, request: HTTPRequest | WebSocket, response: Response | WebSocket
    ) -> Connection:
        """A connection of nobody yet."""
        assert isinstance(response, WebSocket)
        made = self._make_request(None)
        connection = Connection(
            viewer=None,
            store=made.store,
            now=made.now,
            policy=made.policy,
            audit=made.audit,
            socket=response,
        )
        request.state.connection = connection
        return connection

    async def on_ws_connect(self, context: Connection) -> UnsetType:
        """Takes the token from `{"Authorization": "Bearer ..."}`; a wrong one closes with 4403.

        So does a wrong `x-data-purpose`, which may be beside it.
        """
        params = {name.lower(): value for name, value in context.connection_params.items()}
        authorization = params.get("authorization")
        if authorization is not None and not isinstance(authorization, str):
            raise ConnectionRejectionError
        assert context.socket is not None
        try:
            purpose = params.get(PURPOSE_HEADER)
            purpose = checked_purpose(purpose) if PURPOSE_HEADER in params else None
            caller = await self._callers.with_token(context.socket, authorization, purpose)
        except RequestError as error:
            if error.status == 503:
                context.refusal = (TRY_AGAIN_LATER, str(error))
            raise ConnectionRejectionError from error
        context.viewer, context.purpose = caller.viewer, caller.purpose
        context.is_router = caller.is_router
        if context.viewer is not None:
            context.expiry = asyncio.get_running_loop().call_later(
                seconds_until(context.viewer.expires_at), _close_expired, context
            )
        return UnsetType()


def _close_expired(connection: Connection) -> None:
    assert connection.socket is not None
    closing = asyncio.ensure_future(connection.socket.close(EXPIRED, "The token expired"))
    # The client may be closing at the same moment.
    closing.add_done_callback(lambda done: done.cancelled() or done.exception())
