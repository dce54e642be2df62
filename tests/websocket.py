"""A client of `graphql-transport-ws`, whose connection can be torn as well as closed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect


class Socket:
    """An open connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, **message: Any) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        await self._connection.send(text)

    async def receive(self) -> Any:
        return json.loads(await asyncio.wait_for(self._connection.recv(), 20))

    async def subscribe(self, key: str, query: str, **variables: Any) -> None:
        await self.send(id=key, type="subscribe", payload={"query": query, "variables": variables})

    async def change(self) -> Any:
        """What the next message says of a profile that changed."""
        message = await self.receive()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]["profileChanged"]

    async def refusal(self) -> Any:
        """The extensions of the one error that the next message tells."""
        message = await self.receive()
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        [error] = errors
        return error["extensions"]

    def stop_reading(self) -> None:
        """Takes nothing more from the system, until `read_on`."""
        self._connection.transport.pause_reading()

    def read_on(self) -> None:
        self._connection.transport.resume_reading()

    def tear(self) -> None:
        """Cuts the connection without a word to the server."""
        self._connection.transport.abort()


@contextlib.asynccontextmanager
async def opened(
    address: str, token: str | None = None, *, purpose: object = None, **options: Any
) -> AsyncIterator[Socket]:
    """A connection with this token, and purpose; options are those of `websockets`."""
    protocols: Any = ["graphql-transport-ws"]
    async with connect(address, subprotocols=protocols, **options) as connection:
        socket = Socket(connection)
        payload: dict[str, Any] = {"Authorization": f"Bearer {token}"} if token else {}
        if purpose is not None:
            payload["X-Data-Purpose"] = purpose
        await socket.send(type="connection_init", payload=payload)
        assert await socket.receive() == {"type": "connection_ack"}
        yield socket
