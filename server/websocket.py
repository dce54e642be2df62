"""GraphQL over WebSocket: `graphql-transport-ws`, for subscriptions."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import NonJsonMessageReceived
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UnsetType

from resolvers.request import Request, Viewer
from schema.federation import FederatedSchema
from server.identity import Identity, InvalidToken

INIT_TIMEOUT = timedelta(seconds=3)
MAX_SUBSCRIPTIONS = 20
EXPIRED = 4403


@dataclass
class Connection(Request):
    """A connection; each of its operations gets a request of its own (`FederatedSchema.stream`)."""

    socket: WebSocket | None = None
    connection_params: dict[str, Any] = field(default_factory=dict)
    expiry: asyncio.TimerHandle | None = None


class StrictAdapter(ASGIWebSocketAdapter):
    """Lets only messages of the protocol's shape through; others close with 4400."""

    async def iter_json(
        self, *, ignore_parsing_errors: bool = False
    ) -> AsyncGenerator[object, None]:
        """Messages as they come."""
        try:
            async for message in super().iter_json(ignore_parsing_errors=ignore_parsing_errors):
                if not _is_message(message):
                    raise NonJsonMessageReceived
                yield message
        except RecursionError as error:
            raise NonJsonMessageReceived from error


class WebSocketEndpoint(GraphQL[Connection, None]):
    """Verifies the token of `connection_init` once, then runs operations until it expires."""

    websocket_adapter_class = StrictAdapter

    def __init__(
        self,
        schema: FederatedSchema,
        identity: Identity,
        make_request: Callable[[Viewer | None], Request],
    ) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL],
            connection_init_wait_timeout=INIT_TIMEOUT,
            max_subscriptions_per_connection=MAX_SUBSCRIPTIONS,
        )
        self._identity = identity
        self._make_request = make_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection to its end."""
        scope["state"] = {}
        try:
            await super().__call__(scope, receive, send)
        finally:
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
            viewer=None, store=made.store, now=made.now, policy=made.policy, socket=response
        )
        request.state.connection = connection
        return connection

    async def on_ws_connect(self, context: Connection) -> UnsetType:
        """Takes the token from `{"Authorization": "Bearer ..."}`; a wrong one closes with 4403."""
        params = {name.lower(): value for name, value in context.connection_params.items()}
        authorization = params.get("authorization")
        if authorization is not None and not isinstance(authorization, str):
            raise ConnectionRejectionError
        try:
            context.viewer = self._identity.viewer(authorization)
        except InvalidToken as error:
            raise ConnectionRejectionError from error
        if context.viewer is not None:
            remaining = context.viewer.expires_at - datetime.now(UTC)
            context.expiry = asyncio.get_running_loop().call_later(
                max(0.0, remaining.total_seconds()), _close_expired, context
            )
        return UnsetType()


def _is_message(message: object) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    if message["type"] != "subscribe":
        return True
    payload = message.get("payload")
    return (
        isinstance(message.get("id"), str)
        and isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )


def _close_expired(connection: Connection) -> None:
    assert connection.socket is not None
    closing = asyncio.ensure_future(connection.socket.close(EXPIRED, "The token expired"))
    # The client may be closing at the same moment.
    closing.add_done_callback(lambda done: done.cancelled() or done.exception())
