"""A client that sends bytes, whatever they are, and reads what HTTP comes back."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> Any:
        """The code of its one error."""
        [error] = json.loads(self.body)["errors"]
        return error["extensions"]["code"]


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Sends, as far as the server lets it."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def answer(self) -> Answer:
        """The next answer, which has a length."""
        async with asyncio.timeout(20):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in fields}
            body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(head[0].split()[1]), headers, body)

    async def ask(self, query: str) -> Any:
        """What a query is answered."""
        await self.send(post({"query": query}))
        return json.loads((await self.answer()).body)

    async def rest(self) -> bytes:
        """What comes until the server closes the connection."""
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                return await self._reader.read()
            return b""

    def tear(self) -> None:
        """Goes away without a word."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Client]:
    """A connection to `HOST:PORT`."""
    host, _, port = address.rpartition(":")
    client = Client(*await asyncio.open_connection(host, int(port)))
    try:
        yield client
    finally:
        client.tear()


def post(body: Mapping[str, Any], *more: str) -> bytes:
    """A request with this JSON and these header lines."""
    content = json.dumps(body).encode()
    return head(*more, f"content-length: {len(content)}") + content


def head(*lines: str, start: str = "POST /graphql HTTP/1.1") -> bytes:
    """The head of a request of JSON."""
    every = (start, "host: subgraph", "content-type: application/json", *lines)
    return "\r\n".join((*every, "", "")).encode()
