"""The subscription: changes arrive over WebSocket, whichever process made them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from store.driver import DriverName
from store.errors import StoreFault
from store.ids import new_id
from store.store import Store
from tests.listening import listening, until
from tests.subgraph import Subgraph

CHANGES = (
    "subscription ($id: ID!) { profileChanged(id: $id) { rev bio viewerRelation { isSelf } } }"
)


@pytest.fixture
async def address(subgraph: Subgraph) -> AsyncIterator[str]:
    """The subgraph on a real port."""
    async with listening(subgraph.app) as address:
        yield f"ws://{address}/graphql"
        await subgraph.store.changes.close()


class Socket:
    """A client of `graphql-transport-ws`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, **message: Any) -> None:
        await self.send_text(json.dumps(message))

    async def send_text(self, text: str) -> None:
        await self._connection.send(text)

    async def receive(self) -> Any:
        return json.loads(await asyncio.wait_for(self._connection.recv(), 10))

    async def subscribe(self, key: str, user_id: str) -> None:
        payload = {"query": CHANGES, "variables": {"id": user_id}}
        await self.send(id=key, type="subscribe", payload=payload)


@contextlib.asynccontextmanager
async def opened(address: str, token: str | None = None) -> AsyncIterator[Socket]:
    async with connect(address, subprotocols=["graphql-transport-ws"]) as connection:  # type: ignore[list-item]
        socket = Socket(connection)
        payload = {"Authorization": f"Bearer {token}"} if token else {}
        await socket.send(type="connection_init", payload=payload)
        assert await socket.receive() == {"type": "connection_ack"}
        yield socket


async def closure(address: str, token: str | None, *texts: str) -> tuple[int, str]:
    """How the server ends a connection on which these texts were sent."""
    close = None
    try:
        async with opened(address, token) as socket:
            for text in texts:
                await socket.send_text(text)
            while True:
                await socket.receive()
    except ConnectionClosed as closed:
        close = closed.rcvd
    assert close is not None
    return close.code, close.reason


async def until_watched(store: Store, user_id: str) -> None:
    """Waits until the change feed listens for the user."""
    await until(lambda: user_id in store.changes._watchers and store.changes._ready.is_set())


async def update(subgraph: Subgraph, viewer: str, bio: str) -> None:
    mutation = """mutation ($bio: String!) {
      updateProfile(input: {bio: $bio}) { errors { code } } }"""
    assert await subgraph.data(mutation, viewer, bio=bio) == {"updateProfile": {"errors": []}}


async def test_a_change_arrives(subgraph: Subgraph, address: str) -> None:
    ada = await subgraph.register("ada.berg")
    async with opened(address, subgraph.token(ada)) as socket:
        await socket.subscribe("1", ada)
        await until_watched(subgraph.store, ada)
        await update(subgraph, ada, "one")
        message = await socket.receive()
        assert message == {
            "id": "1",
            "type": "next",
            "payload": {
                "data": {
                    "profileChanged": {"rev": 2, "bio": "one", "viewerRelation": {"isSelf": True}}
                }
            },
        }
        await update(subgraph, ada, "two")
        assert (await socket.receive())["payload"]["data"]["profileChanged"]["rev"] == 3


async def test_a_change_by_another_process_arrives(
    subgraph: Subgraph, address: str, mongodb_uri: str, driver: DriverName, store: Store
) -> None:
    ada = await subgraph.register("ada.berg")
    elsewhere = Subgraph(
        subgraph.settings,
        Store.connect(mongodb_uri, store._database.name, driver=driver),
        subgraph.clock,
    )
    async with opened(address) as socket:
        await socket.subscribe("1", ada)
        await until_watched(subgraph.store, ada)
        await update(elsewhere, ada, "from elsewhere")
        message = await socket.receive()
        assert message["payload"]["data"]["profileChanged"] == {
            "rev": 2,
            "bio": "from elsewhere",
            "viewerRelation": None,
        }
    await elsewhere.http.aclose()
    await elsewhere.store.close()


async def test_counts_and_other_users_are_no_change(subgraph: Subgraph, address: str) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    async with opened(address) as socket:
        await socket.subscribe("1", ada)
        await until_watched(subgraph.store, ada)
        await subgraph.follow(ben, ada)
        await update(subgraph, ben, "other")
        await update(subgraph, ada, "mine")
        assert (await socket.receive())["payload"]["data"]["profileChanged"]["bio"] == "mine"


async def test_without_change_streams_the_watched_users_are_read(
    subgraph: Subgraph, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise StoreFault("40573: The $changeStream stage is only supported on replica sets")

    monkeypatch.setattr(subgraph.store.changes._users, "watch", refuse)
    monkeypatch.setattr("store.changes.RETRY_SECONDS", 0.05)
    ada = await subgraph.register("ada.berg")
    async with opened(address) as socket:
        await socket.subscribe("1", ada)
        await until_watched(subgraph.store, ada)
        await update(subgraph, ada, "one")
        assert (await socket.receive())["payload"]["data"]["profileChanged"]["rev"] == 2


async def test_a_slow_reader_gets_the_newest_revision(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    async with subgraph.store.changes.watch(ada, since=1) as watcher:
        revisions = aiter(watcher)
        for rev in (2, 3, 4, 3):
            watcher.notify(rev)
        assert await anext(revisions) == 4
        watcher.notify(4)
        watcher.notify(5)
        assert await anext(revisions) == 5
    await subgraph.store.changes.close()


@pytest.mark.parametrize("absent", ["unknown", "blocked", "malformed"])
async def test_whom_one_may_not_see_cannot_be_watched(
    subgraph: Subgraph, address: str, absent: str
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await subgraph.block(ada, ben)
    user_id = {"unknown": new_id(), "blocked": ada, "malformed": "x"}[absent]
    async with opened(address, subgraph.token(ben)) as socket:
        await socket.subscribe("1", user_id)
        message = await socket.receive()
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        code = "BAD_USER_INPUT" if absent == "malformed" else "NOT_FOUND"
        assert errors[0]["extensions"]["code"] == code


async def test_a_block_ends_the_subscription_with_the_next_change(
    subgraph: Subgraph, address: str
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    async with opened(address, subgraph.token(ben)) as socket:
        await socket.subscribe("1", ada)
        await until_watched(subgraph.store, ada)
        await subgraph.block(ada, ben)
        await update(subgraph, ada, "secret")
        assert await socket.receive() == {"id": "1", "type": "complete"}


async def test_a_wrong_token_closes_the_connection(address: str) -> None:
    code, _ = await closure(address, "not.a.token")
    assert code == 4403


@pytest.mark.parametrize(
    "frame",
    [
        "null",
        "5",
        "[]",
        "[" * 5000,
        "{",
        "{}",
        '{"type": 5}',
        '{"type": "nope"}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ __typename }"}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}',
    ],
)
async def test_a_frame_that_is_no_message_closes_the_connection(
    address: str, frame: str, caplog: pytest.LogCaptureFixture
) -> None:
    code, _ = await closure(address, None, frame)
    assert code == 4400
    assert "Traceback" not in caplog.text


async def test_a_connection_ends_with_its_token(subgraph: Subgraph, address: str) -> None:
    ada = await subgraph.register("ada.berg")
    token = subgraph.token(ada, lifetime_seconds=1)
    assert await closure(address, token) == (4403, "The token expired")


async def test_queries_over_a_connection_read_anew_each_time(
    subgraph: Subgraph, address: str
) -> None:
    ada = await subgraph.register("ada.berg")
    payload = {"query": "{ viewer { user { bio } } }"}
    async with opened(address, subgraph.token(ada)) as socket:
        for key, bio in (("1", "one"), ("2", "two")):
            await update(subgraph, ada, bio)
            await socket.send(id=key, type="subscribe", payload=payload)
            message = await socket.receive()
            assert message["payload"]["data"] == {"viewer": {"user": {"bio": bio}}}
            assert await socket.receive() == {"id": key, "type": "complete"}
