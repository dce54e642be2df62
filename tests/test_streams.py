"""Subscriptions over HTTP: server-sent events, multipart, and one connection for many."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
from graphql import GraphQLError

from schema.federation import FederatedSchema
from schema.roots import build_schema
from server.event_stream import MAX_OPERATIONS
from server.settings import Settings
from server.streams import with_heartbeats
from store.records import User
from store.store import Store
from tests.listening import listening, until
from tests.subgraph import Clock, Subgraph

pytestmark = [pytest.mark.one_driver, pytest.mark.own_database]

CHANGES = "subscription ($id: ID!) { profileChanged(id: $id) { rev } }"
EVENTS = "text/event-stream"
PARTS = "multipart/mixed;subscriptionSpec=1.0, application/json"
MESSAGES = {EVENTS: "\n\n", PARTS: "--graphql"}


@pytest.fixture
async def subgraph(settings: Settings, store: Store, clock: Clock) -> AsyncIterator[Subgraph]:
    """The subgraph, with quick heartbeats."""
    quick = settings.model_copy(update={"heartbeat_seconds": 0.2})
    subgraph = Subgraph(quick, store, clock)
    async with subgraph.http:
        yield subgraph


@asynccontextmanager
async def connected(subgraph: Subgraph) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the subgraph on a real port."""
    async with listening(subgraph.app) as address:
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as client:
            yield client
        await subgraph.store.changes.close()


@pytest.fixture
async def client(subgraph: Subgraph) -> AsyncIterator[httpx.AsyncClient]:
    async with connected(subgraph) as client:
        yield client


class Stream:
    """Messages of an answer as they come, without heartbeats."""

    def __init__(self, response: httpx.Response, separator: str) -> None:
        self.response = response
        self.heartbeats = 0
        self._chunks = response.aiter_text()
        self._separator = separator
        self._rest = ""

    async def next(self) -> str:
        """The next message that says something."""
        while True:
            while self._separator not in self._rest:
                self._rest += await asyncio.wait_for(anext(self._chunks), 10)
            message, _, self._rest = self._rest.partition(self._separator)
            _, _, part = message.partition("\r\n\r\n")
            if message == ":" or part.strip() == "{}":
                self.heartbeats += 1
            elif message.strip():
                return message

    async def result(self) -> Any:
        """The next result."""
        message = await self.next()
        if message.startswith("event: next\ndata: "):
            return json.loads(message.removeprefix("event: next\ndata: "))
        return json.loads(message.partition("\r\n\r\n")[2])["payload"]


@asynccontextmanager
async def opened(
    client: httpx.AsyncClient,
    accept: str,
    query: str = CHANGES,
    token: str | None = None,
    **variables: Any,
) -> AsyncIterator[Stream]:
    headers = {"accept": accept, **({"authorization": f"Bearer {token}"} if token else {})}
    body = {"query": query, "variables": variables}
    async with client.stream("POST", "/graphql", json=body, headers=headers) as response:
        yield Stream(response, MESSAGES[accept])


@pytest.mark.parametrize("accept", MESSAGES)
async def test_changes_and_heartbeats_come_through_a_stream(
    subgraph: Subgraph, client: httpx.AsyncClient, accept: str
) -> None:
    ada = await subgraph.register("ada.berg")
    async with opened(client, accept, id=ada) as stream:
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"] == (
            "text/event-stream; charset=utf-8"
            if accept == EVENTS
            else 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
        )
        await subgraph.until_watched(ada)
        await subgraph.update(ada, "one")
        assert await stream.result() == {"data": {"profileChanged": {"rev": 2}}}
        seen = stream.heartbeats
        waiting = asyncio.create_task(stream.result())
        await until(lambda: stream.heartbeats > seen + 1)
        await subgraph.update(ada, "two")
        assert await waiting == {"data": {"profileChanged": {"rev": 3}}}
    await subgraph.until_unwatched()


async def test_events_are_framed_with_bare_line_feeds(
    subgraph: Subgraph, client: httpx.AsyncClient
) -> None:
    headers = {"accept": EVENTS}
    answer = await client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert answer.text == (
        ':\n\nevent: next\ndata: {"data":{"__typename":"Query"}}\n\nevent: complete\ndata:\n\n'
    )


async def test_parts_end_with_the_boundary(subgraph: Subgraph, client: httpx.AsyncClient) -> None:
    headers = {"accept": "multipart/mixed;subscriptionSpec=1.0"}
    answer = await client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    part = "\r\ncontent-type: application/json\r\n\r\n"
    result = '{"payload":{"data":{"__typename":"Query"}}}'
    assert answer.text == f"--graphql{part}{{}}\r\n--graphql{part}{result}\r\n--graphql--\r\n"


@pytest.mark.parametrize("accept", MESSAGES)
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { profileChanged(id: "x") { rev } }', "BAD_USER_INPUT"),
    ],
)
async def test_an_error_comes_as_a_result(
    subgraph: Subgraph, client: httpx.AsyncClient, accept: str, query: str, code: str
) -> None:
    headers = {"accept": accept.partition(",")[0]}
    answer = await client.post("/graphql", json={"query": query}, headers=headers)
    assert answer.status_code == 200
    assert f'"code":"{code}"' in answer.text
    assert answer.text.endswith(("event: complete\ndata:\n\n", "--graphql--\r\n"))


@pytest.mark.parametrize("accept", MESSAGES)
async def test_a_document_that_is_wrong_is_looked_at_once(
    settings: Settings,
    store: Store,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    accept: str,
) -> None:
    looked_at: list[str | None] = []

    def check(self: Any, document: Any, name: str | None) -> list[GraphQLError]:
        looked_at.append(name)
        return []

    monkeypatch.setattr(FederatedSchema, "check", check)
    build_schema.cache_clear()
    subgraph = Subgraph(settings, store, clock)
    build_schema.cache_clear()
    body = {"query": "subscription Watch { nope }", "operationName": "Watch"}
    headers = {"accept": accept.partition(",")[0]}
    async with subgraph.http as http:
        answer = await http.post("/graphql", json=body, headers=headers)
    assert '"code":"GRAPHQL_VALIDATION_FAILED"' in answer.text
    assert looked_at == ["Watch"]


async def test_a_browser_subscribes_by_get_but_never_writes(
    subgraph: Subgraph, client: httpx.AsyncClient
) -> None:
    ada = await subgraph.register("ada.berg")
    query = {"query": CHANGES, "variables": json.dumps({"id": ada})}
    headers = {"accept": EVENTS}
    async with client.stream("GET", "/graphql", params=query, headers=headers) as response:
        stream = Stream(response, "\n\n")
        await subgraph.until_watched(ada)
        await subgraph.update(ada, "one")
        assert await stream.result() == {"data": {"profileChanged": {"rev": 2}}}
    headers["authorization"] = f"Bearer {subgraph.token(ada)}"
    for mutation in ('updateProfile(input: {bio: "x"}) { errors { code } }', "nope"):
        query = {"query": f"mutation {{ {mutation} }}"}
        answer = await client.get("/graphql", params=query, headers=headers)
        assert '"code":"METHOD_NOT_ALLOWED"' in answer.text
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.rev == 2


@pytest.mark.parametrize("accept", [EVENTS, PARTS, "application/json;callbackSpec=1.0"])
async def test_a_stream_has_no_head(client: httpx.AsyncClient, accept: str) -> None:
    query = {"query": CHANGES, "variables": '{"id": "x"}'}
    answer = await client.head("/graphql", params=query, headers={"accept": accept})
    assert answer.status_code == 406


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
async def test_only_a_subscription_may_take_long(
    settings: Settings,
    store: Store,
    clock: Clock,
    accept: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*_: object) -> list[User | None]:
        await asyncio.sleep(30)
        return [None]

    monkeypatch.setattr(store.users, "by_ids", never)
    hasty = settings.model_copy(update={"request_timeout_seconds": 0.05})
    query = '{ user(by: {id: "0000000000000000000000"}) { id } }'
    async with Subgraph(hasty, store, clock).http as http:
        answer = await http.post("/graphql", json={"query": query}, headers={"accept": accept})
    assert '"code":"TIMEOUT"' in answer.text


async def test_who_does_not_take_a_stream_is_told(client: httpx.AsyncClient) -> None:
    answer = await client.post("/graphql", json={"query": CHANGES, "variables": {"id": "x"}})
    assert answer.status_code == 406
    assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_ACCEPTABLE"


@pytest.mark.parametrize("accept", MESSAGES)
async def test_a_stream_ends_with_its_token(
    subgraph: Subgraph, client: httpx.AsyncClient, accept: str
) -> None:
    ada = await subgraph.register("ada.berg")
    token = subgraph.token(ada, lifetime_seconds=1)
    async with opened(client, accept, token=token, id=ada) as stream:
        result = await stream.result()
        assert result["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        if accept == EVENTS:
            assert await stream.next() == "event: complete\ndata:"
    await subgraph.until_unwatched()


async def test_a_client_that_does_not_read_gets_the_newest_revision(
    settings: Settings, store: Store, clock: Clock
) -> None:
    large = {
        "max_document_characters": 1_000_000,
        "max_document_tokens": 10_000,
        "max_aliases": 1_000,
    }
    subgraph = Subgraph(settings.model_copy(update=large), store, clock)
    ada = await subgraph.register("ada.berg")
    # Results of almost a megabyte: together more than the buffers on the way hold.
    aliases = " ".join(f"{'a' * 900}{index}: __typename" for index in range(1000))
    query = f"subscription ($id: ID!) {{ profileChanged(id: $id) {{ rev {aliases} }} }}"
    async with (
        connected(subgraph) as client,
        opened(client, EVENTS, query, id=ada) as stream,
    ):
        await subgraph.until_watched(ada)
        for index in range(60):
            await subgraph.update(ada, f"bio {index}")
        revs: list[int] = []
        while not revs or revs[-1] < 61:
            revs.append((await stream.result())["data"]["profileChanged"]["rev"])
    assert revs == sorted(set(revs))
    assert len(revs) < 60


async def test_a_client_that_does_not_read_gets_every_revision_if_it_asked_for_that(
    subgraph: Subgraph, client: httpx.AsyncClient
) -> None:
    ada = await subgraph.register("ada.berg")
    query = "subscription ($id: ID!) { profileChanged(id: $id, sinceRev: 1) { rev } }"
    for index in range(40):
        await subgraph.update(ada, f"bio {index}")
    async with opened(client, EVENTS, query, id=ada) as stream:
        revs = [(await stream.result())["data"]["profileChanged"]["rev"] for _ in range(40)]
    assert revs == list(range(2, 42))


async def test_a_source_that_misses_a_cancellation_is_told_again() -> None:
    """As PyMongo does now and then."""

    async def results() -> AsyncGenerator[dict[str, Any], None]:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()
        yield {}

    stream = with_heartbeats(results(), 0.01, None)
    assert await anext(stream) is None
    async with asyncio.timeout(10):
        await stream.aclose()


class SingleConnection:
    """A client of the single connection mode."""

    def __init__(self, client: httpx.AsyncClient, token: str) -> None:
        self._client = client
        self.headers = {"x-graphql-event-stream-token": token}

    async def send(self, operation_id: object, query: str, **variables: Any) -> httpx.Response:
        extensions = {"operationId": operation_id}
        body = {"query": query, "variables": variables, "extensions": extensions}
        return await self._client.post("/graphql/stream", json=body, headers=self.headers)

    async def stop(self, operation_id: str) -> None:
        answer = await self._client.delete(
            "/graphql/stream", params={"operationId": operation_id}, headers=self.headers
        )
        assert answer.status_code == 200


@asynccontextmanager
async def single(client: httpx.AsyncClient) -> AsyncIterator[tuple[SingleConnection, Stream]]:
    reserved = await client.put("/graphql/stream")
    assert reserved.status_code == 201
    connection = SingleConnection(client, reserved.text)
    headers = {"accept": EVENTS, **connection.headers}
    async with client.stream("GET", "/graphql/stream", headers=headers) as response:
        yield connection, Stream(response, "\n\n")


async def test_many_operations_share_one_connection(
    subgraph: Subgraph, client: httpx.AsyncClient
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    async with single(client) as (connection, stream):
        for key, user_id in (("a", ada), ("b", ben)):
            assert (await connection.send(key, CHANGES, id=user_id)).status_code == 202
            await subgraph.until_watched(user_id)
        await subgraph.update(ben, "one")
        changed = {"data": {"profileChanged": {"rev": 2}}}
        assert await stream.result() == {"id": "b", "payload": changed}
        await connection.stop("b")
        await until(lambda: ben not in subgraph.store.changes.watched)
        await subgraph.update(ben, "two")
        await subgraph.update(ada, "one")
        assert await stream.result() == {"id": "a", "payload": changed}
        assert (await connection.send("q", "{ __typename }")).status_code == 202
        answered = {"data": {"__typename": "Query"}}
        assert await stream.result() == {"id": "q", "payload": answered}
        assert await stream.next() == 'event: complete\ndata: {"id":"q"}'
    await subgraph.until_unwatched()
    gone = await connection.send("x", "{ __typename }")
    assert gone.status_code == 404


async def test_an_operation_that_arrives_after_its_stream_ended_is_not_carried_out(
    subgraph: Subgraph, client: httpx.AsyncClient
) -> None:
    ada = await subgraph.register("ada.berg")
    ended = asyncio.Event()
    body = {"query": CHANGES, "variables": {"id": ada}, "extensions": {"operationId": "a"}}

    async def slowly() -> AsyncIterator[bytes]:
        text = json.dumps(body).encode()
        yield text[:10]
        await ended.wait()
        yield text[10:]

    async with single(client) as (connection, _):
        headers = {"content-type": "application/json", **connection.headers}
        sending = asyncio.create_task(
            client.post("/graphql/stream", content=slowly(), headers=headers)
        )
        await asyncio.sleep(0.1)
    gone = {"query": "{ __typename }", "extensions": {"operationId": "b"}}
    for _ in range(500):
        if (await client.post("/graphql/stream", json=gone, headers=headers)).status_code == 404:
            break
        await asyncio.sleep(0.01)
    ended.set()
    assert (await sending).status_code == 404
    assert not subgraph.store.changes._watchers


async def test_a_reserved_stream_is_opened_once(client: httpx.AsyncClient) -> None:
    async with single(client) as (connection, _):
        headers = {"accept": EVENTS, **connection.headers}
        again = await client.get("/graphql/stream", headers=headers)
        assert again.status_code == 409


async def test_a_connection_carries_so_many_operations(
    subgraph: Subgraph, client: httpx.AsyncClient
) -> None:
    ada = await subgraph.register("ada.berg")
    async with single(client) as (connection, _):
        statuses = [
            (await connection.send(f"{index}", CHANGES, id=ada)).status_code
            for index in range(MAX_OPERATIONS + 1)
        ]
        assert statuses == [202] * MAX_OPERATIONS + [429]
        assert (await connection.send("0", CHANGES, id=ada)).status_code == 409


async def test_a_document_that_is_none_is_refused_beside_the_connection(
    client: httpx.AsyncClient,
) -> None:
    async with single(client) as (connection, _):
        answer = await connection.send("1", "{")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"


@pytest.mark.parametrize("operation_id", [None, "", 5, [], "x" * 101])
async def test_an_operation_needs_an_id(client: httpx.AsyncClient, operation_id: object) -> None:
    async with single(client) as (connection, _):
        answer = await connection.send(operation_id, "{ __typename }")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
