"""The load generator: connections that each send a request as soon as the last was answered."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from bench.workload import Asked

FAILED = b'"message"'
"""No answer of the workload holds it, but every error does."""
SPARE = 1.3
"""How many more requests are made beforehand than the last turn's speed asks for."""
PATIENCE_SECONDS = 120.0


class WrongAnswer(Exception):
    """A server answered with something else than data."""


@dataclass
class Sample:
    """One turn: how many answers, in how long, for how much CPU of the server, and each delay."""

    answers: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    delays: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.answers / self.seconds

    @property
    def cpu_per_request(self) -> float:
        """CPU seconds of the server, user and system, for one request."""
        return self.cpu_seconds / self.answers


class Feed:
    """The requests of one shape for one server, dealt out to the connections in turn.

    A server that is asked again goes on where it was, so that what is new once is always new.
    """

    def __init__(self, requests: Iterator[Asked], tokens: Sequence[str]) -> None:
        self._requests = requests
        self._tokens = tokens
        self._dealt: list[deque[bytes]] = [deque() for _ in tokens]

    @property
    def connections(self) -> int:
        """How many connections there are: one for each person whose token it was given."""
        return len(self._dealt)

    def prepare(self, number: int) -> None:
        """Makes requests beforehand, until there are so many for all connections together."""
        while sum(map(len, self._dealt)) < number:
            self._deal()

    def take(self, connection: int) -> bytes:
        """The next request of a connection."""
        if not self._dealt[connection]:
            self._deal()
        return self._dealt[connection].popleft()

    def _deal(self) -> None:
        for requests, token in zip(self._dealt, self._tokens, strict=True):
            requests.append(http_request(next(self._requests), token))


def http_request(asked: Asked, token: str) -> bytes:
    """A request as it goes over the wire."""
    signed = f"Authorization: Bearer {token}\r\n" if asked.is_signed else ""
    head = (
        "POST /graphql HTTP/1.1\r\n"
        "Host: 127.0.0.1\r\n"
        "Content-Type: application/json\r\n"
        "Accept: application/json\r\n"
        f"{signed}"
        f"Content-Length: {len(asked.body)}\r\n\r\n"
    )
    return head.encode() + asked.body


class Connection(asyncio.Protocol):
    """One kept-alive connection; one request at a time, until `until` has come."""

    def __init__(
        self, take: Callable[[], bytes], sample: Sample, done: asyncio.Future[None]
    ) -> None:
        self._take = take
        self._sample = sample
        self._done = done
        self._until = 0.0
        self._sent_at = 0.0
        self._reply = Reply()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remembers where to write."""
        self._transport = transport

    def start(self, until: float) -> None:
        """Begins to ask."""
        self._until = until
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Counts an answer that is whole, and asks again."""
        if not self._reply.take(data):
            return
        now = time.perf_counter()
        reply = self._reply
        if reply.status != 200 or FAILED in reply.body:
            self._fail(f"{reply.status}: {bytes(reply.body[:500])!r}")
            return
        self._sample.answers += 1
        self._sample.delays.append(now - self._sent_at)
        if now < self._until:
            self._ask()
        elif not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails the turn, unless it is over."""
        self._fail(f"the connection was closed: {exc}")

    def close(self) -> None:
        """Closes it."""
        self._transport.close()

    def _ask(self) -> None:
        self._reply = Reply()
        request = self._take()
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _fail(self, reason: str) -> None:
        if not self._done.done():
            self._done.set_exception(WrongAnswer(reason))


class Reply:
    """An HTTP answer as it arrives, with a length or in chunks."""

    def __init__(self) -> None:
        self.status = 0
        self.body: bytes | bytearray = b""
        self._buffer = bytearray()
        self._length: int | None = None
        self._body_at = 0

    def take(self, data: bytes) -> bool:
        """Whether the answer is whole with this data."""
        buffer = self._buffer
        buffer += data
        if not self._body_at:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return False
            self._read_head(bytes(buffer[:end]).lower(), end + 4)
        if self._length is not None:
            if len(buffer) - self._body_at < self._length:
                return False
            self.body = buffer[self._body_at :]
            return True
        # One request is on its way at a time, so that nothing follows the last chunk.
        if not buffer.endswith(b"0\r\n\r\n"):
            return False
        self.body = b"".join(_chunks(buffer, self._body_at))
        return True

    def _read_head(self, head: bytes, body_at: int) -> None:
        self._body_at = body_at
        self.status = int(head[9:12])
        _, found, rest = head.partition(b"\r\ncontent-length:")
        if found:
            self._length = int(rest.partition(b"\r\n")[0])
        elif b"\r\ntransfer-encoding: chunked" not in head:
            raise WrongAnswer(f"an answer without a length: {head!r}")


def _chunks(buffer: bytearray, start: int) -> Iterator[bytearray]:
    while True:
        end = buffer.index(b"\r\n", start)
        length = int(bytes(buffer[start:end]).partition(b";")[0], 16)
        if not length:
            return
        yield buffer[end + 2 : end + 2 + length]
        start = end + length + 4


async def turn(port: int, pid: int, feed: Feed, seconds: float, before: Sample | None) -> Sample:
    """Asks a server for so long on all connections, and waits for the last answers.

    `before` is an earlier turn, whose speed tells how many requests to make beforehand. Raises:
    WrongAnswer.
    """
    if before is not None:
        feed.prepare(ceil(before.per_second * seconds * SPARE) + feed.connections)
    loop = asyncio.get_running_loop()
    sample = Sample()
    connections: list[Connection] = []
    done = [loop.create_future() for _ in range(feed.connections)]
    try:
        for number in range(feed.connections):
            connection = _connection(feed, number, sample, done[number])
            await loop.create_connection(lambda made=connection: made, "127.0.0.1", port)  # type: ignore[misc]
            connections.append(connection)
        started, spent = time.perf_counter(), cpu_seconds(pid)
        for connection in connections:
            connection.start(started + seconds)
        async with asyncio.timeout(seconds + PATIENCE_SECONDS):
            await asyncio.gather(*done)
        sample.cpu_seconds = cpu_seconds(pid) - spent
        sample.seconds = time.perf_counter() - started
    finally:
        for future in done:
            future.cancel()
        for connection in connections:
            connection.close()
    return sample


def _connection(
    feed: Feed, number: int, sample: Sample, done: "asyncio.Future[None]"
) -> Connection:
    return Connection(lambda: feed.take(number), sample, done)


async def ask(port: int, request: bytes) -> Any:
    """The JSON that a server answers. Raises: WrongAnswer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reply = Reply()
    try:
        writer.write(request)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not reply.take(data := await reader.read(65_536)):
                if not data:
                    raise WrongAnswer("the connection was closed")
    finally:
        writer.close()
    if reply.status != 200:
        raise WrongAnswer(f"{reply.status}: {bytes(reply.body[:500])!r}")
    return json.loads(bytes(reply.body))


def cpu_seconds(pid: int) -> float:
    """What a process has spent so far, all its threads, user and system together. Linux only."""
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3), as Linux makes it
