"""The address at which gateways reach the subgraph of a test, and what comes in there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    REMOVE,
    FieldNode,
    OperationDefinitionNode,
    Visitor,
    parse,
    print_ast,
    strip_ignored_characters,
    visit,
)
from starlette.datastructures import QueryParams
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Received:
    """A request over HTTP with its parameters, or a WebSocket connection with its messages."""

    method: str
    headers: Mapping[str, str]
    bodies: list[Any] = field(default_factory=list)

    @property
    def body(self) -> Any:
        """The one body."""
        [body] = self.bodies
        return body

    @property
    def operation(self) -> str:
        """What is asked, without name, `__typename` and white space."""
        return bare(self.body["query"])


class Door:
    """Keeps its address while tests exchange what is behind; notes what comes in."""

    def __init__(self) -> None:
        self.address = ""
        self.app: ASGIApp = bad_gateway
        self.connections = 0
        self._received: list[Received] = []

    def taken(self) -> list[Received]:
        """What came since the last time."""
        received, self._received = self._received, []
        return received

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Notes the request and hands it on."""
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        received = Received(scope.get("method", "WEBSOCKET"), headers)
        if received.method == "GET":
            received.bodies.append(parameters_of(scope))
        self._received.append(received)
        text = bytearray()

        async def noting() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                received.bodies.append(json.loads(message["text"]))
            elif message["type"] == "http.request":
                text.extend(message["body"])
                if text and not message.get("more_body"):
                    received.bodies.append(json.loads(text))
                    text.clear()
            return message

        self.connections += 1
        try:
            await self.app(scope, noting, send)
        finally:
            self.connections -= 1


async def bad_gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """What a proxy says of a subgraph that is not there."""
    await PlainTextResponse("Bad Gateway", 502)(scope, receive, send)


def parameters_of(scope: Scope) -> dict[str, Any]:
    """What a GET request would say in a body."""
    parameters: dict[str, Any] = dict(QueryParams(scope["query_string"]))
    for name in ("variables", "extensions"):
        if name in parameters:
            parameters[name] = json.loads(parameters[name])
    return parameters


def bare(query: str) -> str:
    """An operation without what gateways add to it in their own ways."""
    return strip_ignored_characters(print_ast(visit(parse(query), Baring())))


def fields_of(query: str) -> set[str]:
    """The names of all fields that are asked for."""
    names = Names()
    visit(parse(query), names)
    return names.found


class Names(Visitor):
    """Collects the names of fields."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.found.add(node.name.value)


class Baring(Visitor):
    """Takes away `__typename` and the operation's name."""

    def enter_field(self, node: FieldNode, *_: Any) -> Any:
        return REMOVE if node.name.value == "__typename" else None

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> Any:
        return replace(node, name=None)
