"""GraphQL over WebSocket: `graphql-transport-ws`, for subscriptions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.unset import UnsetType

from resolvers.request import Request, Viewer
from schema.federation import FederatedSchema
from server.identity import Identity, InvalidToken

INIT_TIMEOUT = timedelta(seconds=3)
MAX_SUBSCRIPTIONS = 20


@dataclass
class Connection(Request):
    """A connection; each of its operations gets a request of its own (`FederatedSchema.stream`)."""

    connection_params: dict[str, Any] = field(default_factory=dict)


class WebSocketEndpoint(GraphQL[Connection, None]):
    """Verifies the token of `connection_init` once, then runs operations of that viewer."""

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

    async def get_context(
        self, request: HTTPRequest | WebSocket, response: Response | WebSocket
    ) -> Connection:
        """A connection of nobody yet."""
        made = self._make_request(None)
        return Connection(viewer=None, store=made.store, now=made.now, policy=made.policy)

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
        return UnsetType()
