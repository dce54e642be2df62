"""Connections: what is too much, too slow or ambiguous is refused, and nobody else waits for it."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from websockets.exceptions import ConnectionClosedError

from server.connections import Connection, Limits
from tests import websocket
from tests.listening import listening, until
from tests.raw import connected, head, post
from tests.subgraph import Subgraph

pytestmark = [pytest.mark.one_driver, pytest.mark.own_database]

TYPE = "{ __typename }"
ANSWER = {"data": {"__typename": "Query"}}
SECONDS = 0.3


@pytest.fixture
async def address(subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The subgraph on a real port, where everything has to come within `SECONDS`."""
    monkeypatch.setattr("server.requests.READ_SECONDS", SECONDS)
    async with listening(
        subgraph.app, Limits(silent_seconds=SECONDS, head_seconds=SECONDS)
    ) as address:
        yield address
        await subgraph.store.changes.close()


@pytest.fixture
async def patient(subgraph: Subgraph) -> AsyncIterator[str]:
    """The subgraph on a real port, with the limits that it has outside of tests."""
    async with listening(subgraph.app) as address:
        yield address


TOO_LARGE = {
    "5,000 headers": head(*(f"x-{number}: y" for number in range(5000))),
    "101 headers": head(*(f"x-{number}: y" for number in range(99))),
    "a long line": head(start=f"GET /graphql?query={'x' * 32_768} HTTP/1.1"),
    "a header of 33 kB": head(f"x: {'y' * 33_000}"),
    "a header of 20 MB": head(f"x: {'y' * 20_000_000}"),
    "a name without an end": head()[:-2] + b"x" * 20_000_000,
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_a_head_that_is_too_large_is_431(patient: str, name: str) -> None:
    async with connected(patient) as client:
        await client.send(TOO_LARGE[name])
        answer = await client.answer()
        assert (answer.status, answer.code) == (431, "HEADERS_TOO_LARGE")
        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""


async def test_a_head_just_within_the_limits_is_read(patient: str) -> None:
    names = [f"x-{number:02}" for number in range(97)]
    size = 32_768 - len(post({"query": TYPE})) - len(names) * 8 - 100
    lines = [f"{name}: {'y' * (size // len(names))}" for name in names]
    async with connected(patient) as client:
        for data in (post({"query": TYPE}, *lines[:95]), post({"query": TYPE}, *lines[:95])):
            for start in range(0, len(data), 5000):
                await client.send(data[start : start + 5000])
            assert (await client.answer()).status == 200


@pytest.mark.parametrize("sent", [b"P", head()[:-2], head()[:-2] + b"x-half: "])
async def test_a_head_that_does_not_end_is_408(address: str, sent: bytes) -> None:
    async with connected(address) as client:
        await client.send(sent)
        answer = await client.answer()
        assert (answer.status, answer.code) == (408, "REQUEST_TIMEOUT")
        assert await client.rest() == b""


async def test_a_head_that_drips_is_not_waited_for_longer(address: str) -> None:
    async with connected(address) as client, asyncio.TaskGroup() as group:

        async def drip() -> None:
            for byte in head(*(f"x-{number}: y" for number in range(50))):
                await client.send(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = group.create_task(drip())
        assert (await client.answer()).status == 408
        dripping.cancel()


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n\r\n"])
async def test_who_says_nothing_is_not_listened_to(address: str, sent: bytes) -> None:
    async with connected(address) as client:
        if sent:
            await client.send(sent)
        assert await client.rest() == b""


@pytest.mark.parametrize("sent", [b"", b"P", post({"query": TYPE})])
async def test_who_left_is_not_kept_for_a_timer(subgraph: Subgraph, sent: bytes) -> None:
    before = connections()
    async with listening(subgraph.app, Limits(silent_seconds=60, head_seconds=60)) as address:
        async with connected(address) as client:
            await client.send(sent)
            await until(lambda: connections() > before)
        await until(lambda: connections() == before)


def connections() -> int:
    """How many connections of servers are in memory."""
    gc.collect()
    return sum(type(each) is Connection for each in gc.get_objects())


@pytest.mark.parametrize("length", ["content-length: 100", "transfer-encoding: chunked"])
async def test_a_body_that_does_not_end_is_408(address: str, length: str) -> None:
    async with connected(address) as client:
        await client.send(head(length) + b'4\r\n{"q')
        answer = await client.answer()
        assert (answer.status, answer.code) == (408, "REQUEST_TIMEOUT")
        assert await client.rest() == b""


async def test_a_body_that_nobody_wants_is_not_waited_for(address: str) -> None:
    async with connected(address) as client:
        await client.send(head("content-length: 100", start="POST /health/live HTTP/1.1") + b"{")
        assert (await client.answer()).status == 405
        assert await client.rest() == b""


async def test_a_connection_stays_between_requests(address: str) -> None:
    async with connected(address) as client:
        assert await client.ask(TYPE) == ANSWER
        await asyncio.sleep(3 * SECONDS)
        assert await client.ask(TYPE) == ANSWER
        await client.send(post({"query": TYPE}) + post({"query": TYPE})[:-5])
        assert (await client.answer()).status == 200
        await client.send(post({"query": TYPE})[-5:])
        assert (await client.answer()).status == 200


async def test_a_web_socket_is_not_under_the_limits_of_requests(
    subgraph: Subgraph, address: str
) -> None:
    async with websocket.opened(f"ws://{address}/graphql") as socket:
        await asyncio.sleep(2 * SECONDS)
        await socket.subscribe("one", TYPE)
        assert (await socket.receive())["payload"] == ANSWER


@pytest.fixture
async def large(subgraph: Subgraph) -> str:
    """A query whose answer has 26 MB: no buffer of a system holds that much."""
    ada = await subgraph.register("ada.berg")
    update = "mutation ($bio: String!) { updateProfile(input: {bio: $bio}) { errors { code } } }"
    await subgraph.data(update, ada, bio="\U0001f600" * 300)
    ids = f'"{ada}" ' * 100
    fields = " ".join("a" * 200 + f"{n}: bio" for n in range(190))
    return f"{{ users(ids: [{ids}]) {{ {fields} }} }}"


@pytest.fixture
async def hurried(subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """The subgraph on a real port, whose answers have to be read at once."""
    monkeypatch.setattr("server.connections.UNREAD_SECONDS", SECONDS)
    async with listening(subgraph.app) as address:
        yield address


async def test_an_answer_that_nobody_reads_is_not_kept(hurried: str, large: str) -> None:
    async with connected(hurried) as client:
        await client.send(post({"query": large}))
        await asyncio.sleep(4 * SECONDS)
        assert len(await client.rest()) < 20_000_000
    async with connected(hurried) as client:
        assert len((await client.ask(large))["data"]["users"]) == 100


async def test_a_result_over_a_web_socket_that_nobody_reads_is_not_kept(
    hurried: str, large: str
) -> None:
    address = f"ws://{hurried}/graphql"
    async with websocket.opened(address, max_size=None, compression=None) as socket:
        socket.stop_reading()
        await socket.subscribe("one", large)
        await asyncio.sleep(4 * SECONDS)
        socket.read_on()
        with pytest.raises(ConnectionClosedError):
            await socket.receive()


async def test_trailers_are_not_headers(address: str) -> None:
    body = b'{"query":"{ __typename }"}'
    async with connected(address) as client:
        await client.send(head("transfer-encoding: chunked") + b"%x\r\n%b\r\n0\r\n" % (26, body))
        await client.send(b"authorization: Bearer nobody\r\n\r\n")
        assert (await client.answer()).status == 200
        await client.send(head("transfer-encoding: chunked") + b"%x\r\n%b\r\n0\r\n" % (26, body))
        await client.send(b"x: " + b"y" * 1_000_000)
        answer = await client.answer()
        assert (answer.status, answer.code) == (431, "HEADERS_TOO_LARGE")
        assert await client.rest() == b""


AMBIGUOUS: dict[str, tuple[str, ...]] = {
    "both lengths": ("content-length: 5", "transfer-encoding: chunked"),
    "two lengths": ("content-length: 5", "content-length: 6"),
    "a length with a sign": ("content-length: +5",),
    "chunked not last": ("transfer-encoding: chunked, identity",),
    "a space before the colon": ("transfer-encoding : chunked",),
    "a folded line": ("transfer-encoding:", " chunked"),
    "a bare carriage return": ("x: y\rz: 1",),
    "a NUL": ("x: y\0z",),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_an_ambiguous_message_is_refused(address: str, name: str) -> None:
    async with connected(address) as client:
        await client.send(head(*AMBIGUOUS[name]) + b"0\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.code) == (400, "BAD_REQUEST")
        assert await client.rest() == b""
