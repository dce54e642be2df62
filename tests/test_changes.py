"""The subscription: changes arrive over WebSocket, whichever process made them."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from resolvers.changes import ProfileChange, profile_changed
from resolvers.request import Request
from server.websocket import BURST_SECONDS, MAX_SUBSCRIPTIONS
from store.driver import DriverName
from store.errors import StoreFault
from store.ids import new_id
from store.revisions import KEPT_FOR
from store.store import Store
from tests.conftest import KEY_ENCRYPTION, Commands
from tests.listening import listening, until
from tests.subgraph import Subgraph
from tests.websocket import opened

pytestmark = pytest.mark.own_database

CHANGES = """subscription ($id: ID!, $sinceRev: Int) {
  profileChanged(id: $id, sinceRev: $sinceRev) {
    rev fields user { rev bio viewerRelation { isSelf } }
  }
}"""


@pytest.fixture
async def address(subgraph: Subgraph) -> AsyncIterator[str]:
    """The subgraph on a real port."""
    async with listening(subgraph.app) as address:
        yield f"ws://{address}/graphql"
        await subgraph.store.changes.close()


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


def following(
    subgraph: Subgraph, user_id: str, since_rev: int | None
) -> AsyncGenerator[ProfileChange, None]:
    """What an anonymous viewer would be told, without a connection in between."""
    request = Request(viewer=None, store=subgraph.store, now=subgraph.clock)
    return profile_changed(request, user_id, since_rev)


def without_streams(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the change feed meet a server without change streams."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise StoreFault("40573: The $changeStream stage is only supported on replica sets")

    monkeypatch.setattr(store.changes._collection, "watch", refuse)
    monkeypatch.setattr("store.changes.RETRY_SECONDS", 0.05)


async def revise(subgraph: Subgraph, viewer: str, until_rev: int) -> None:
    """Changes the user once for each revision up to this one, which is the bio too."""
    user = await subgraph.store.users.by_id(viewer)
    assert user is not None
    for rev in range(user.rev + 1, until_rev + 1):
        await subgraph.update(viewer, str(rev))


async def test_a_change_arrives(subgraph: Subgraph, address: str) -> None:
    ada = await subgraph.register("ada.berg")
    async with opened(address, subgraph.token(ada)) as socket:
        await socket.subscribe("1", CHANGES, id=ada)
        await subgraph.until_watched(ada)
        await subgraph.update(ada, "one")
        message = await socket.receive()
        assert message == {
            "id": "1",
            "type": "next",
            "payload": {
                "data": {
                    "profileChanged": {
                        "rev": 2,
                        "fields": ["bio"],
                        "user": {"rev": 2, "bio": "one", "viewerRelation": {"isSelf": True}},
                    }
                }
            },
        }
        await subgraph.update(ada, "two")
        assert (await socket.change())["rev"] == 3


async def test_a_change_by_another_process_arrives(
    subgraph: Subgraph, address: str, mongodb_uri: str, driver: DriverName, store: Store
) -> None:
    ada = await subgraph.register("ada.berg")
    elsewhere = Subgraph(
        subgraph.settings,
        Store.connect(mongodb_uri, store._database.name, driver=driver, encryption=KEY_ENCRYPTION),
        subgraph.clock,
    )
    async with opened(address) as socket:
        await socket.subscribe("1", CHANGES, id=ada)
        await subgraph.until_watched(ada)
        await elsewhere.update(ada, "from elsewhere")
        assert await socket.change() == {
            "rev": 2,
            "fields": ["bio"],
            "user": {"rev": 2, "bio": "from elsewhere", "viewerRelation": None},
        }
    await elsewhere.http.aclose()
    await elsewhere.store.close()


async def test_counts_and_other_users_are_no_change(subgraph: Subgraph, address: str) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    async with opened(address) as socket:
        await socket.subscribe("1", CHANGES, id=ada)
        await subgraph.until_watched(ada)
        await subgraph.follow(ben, ada)
        await subgraph.update(ben, "other")
        await subgraph.update(ada, "mine")
        assert (await socket.change())["user"]["bio"] == "mine"


async def test_without_change_streams_the_watched_users_are_read(
    subgraph: Subgraph, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_streams(subgraph.store, monkeypatch)
    ada = await subgraph.register("ada.berg")
    async with opened(address) as socket:
        await socket.subscribe("1", CHANGES, id=ada)
        await subgraph.until_watched(ada)
        await subgraph.update(ada, "one")
        assert (await socket.change())["rev"] == 2


async def test_a_slow_reader_gets_the_newest_revision_and_all_that_changed(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada.berg")
    changes = following(subgraph, ada, None)
    waiting = asyncio.ensure_future(anext(changes))
    await subgraph.until_watched(ada)
    await subgraph.update(ada, "one")
    change = await waiting
    assert (change.rev, sorted(change.fields)) == (2, ["bio"])
    await subgraph.update(ada, "two", pronouns="she/her")
    await subgraph.update(ada, "two", locale="sv-SE")
    for rev in range(5, 60):  # more than travel with the user
        await subgraph.update(ada, str(rev))
    change = await anext(changes)
    assert (change.rev, sorted(change.fields)) == (59, ["bio", "locale", "pronouns"])
    assert change.user.bio == "59"
    await changes.aclose()
    await subgraph.store.changes.close()


async def test_what_was_missed_comes_first_and_each_revision_once(
    subgraph: Subgraph, address: str
) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada", locale="sv-SE")
    await revise(subgraph, ada, 70)
    async with opened(address, subgraph.token(ada)) as socket:
        await socket.subscribe("1", CHANGES, id=ada, sinceRev=0)
        change = await socket.change()
        assert change["fields"] == ["displayName", "handle", "private.locale"]
        assert change["user"]["bio"] == "70"
        changes = [change] + [await socket.change() for _ in range(69)]
        assert [change["rev"] for change in changes] == list(range(1, 71))
        await revise(subgraph, ada, 73)
        assert [(await socket.change())["rev"] for _ in range(3)] == [71, 72, 73]


async def test_nothing_comes_twice_where_live_begins(subgraph: Subgraph, address: str) -> None:
    ada = await subgraph.register("ada.berg")
    await revise(subgraph, ada, 5)
    async with opened(address) as socket:
        await socket.subscribe("1", CHANGES, id=ada, sinceRev=5)
        await subgraph.until_watched(ada)
        await revise(subgraph, ada, 6)
        assert (await socket.change())["rev"] == 6


async def test_only_fields_that_the_viewer_may_see_are_named(
    subgraph: Subgraph, address: str
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await subgraph.update(ada, "one", locale="sv-SE", timeZone="Europe/Stockholm")
    await subgraph.update(ada, "one", locale="pt-BR")
    rename = """mutation { changeHandle(input: {handle: "ada"}) { errors { code } } }"""
    assert await subgraph.data(rename, ada) == {"changeHandle": {"errors": []}}
    own = ["private.formerHandles", "private.handleChangedAt"]
    expected = {
        ada: [["bio", "private.locale", "private.timeZone"], ["private.locale"], ["handle", *own]],
        ben: [["bio"], [], ["handle"]],
    }
    for viewer, fields in expected.items():
        async with opened(address, subgraph.token(viewer)) as socket:
            await socket.subscribe("1", CHANGES, id=ada, sinceRev=1)
            assert [(await socket.change())["fields"] for _ in fields] == fields
    await subgraph.set_status(ada, "SUSPENDED")
    async with opened(address, subgraph.token(ben)) as socket:
        await socket.subscribe("1", CHANGES, id=ada, sinceRev=3)
        user = {"rev": 4, "bio": None, "viewerRelation": None}
        assert await socket.change() == {"rev": 4, "fields": [], "user": user}


@pytest.mark.parametrize("since_rev", [-1, 4, 2**31 - 1])
async def test_one_cannot_go_on_from_a_revision_that_never_was(
    subgraph: Subgraph, address: str, since_rev: int
) -> None:
    ada = await subgraph.register("ada.berg")
    await revise(subgraph, ada, 3)
    async with opened(address) as socket:
        await socket.subscribe("1", CHANGES, id=ada, sinceRev=since_rev)
        assert await socket.refusal() == {
            "code": "BAD_USER_INPUT",
            "argument": ["sinceRev"],
            "rule": "SINCE_REV",
        }


async def test_a_gap_is_told_with_the_place_to_go_on_from(subgraph: Subgraph, address: str) -> None:
    ada = await subgraph.register("ada.berg")
    await revise(subgraph, ada, 100)
    archive = subgraph.store.revisions.collection
    assert await archive.delete({"rev": 32})  # as if it had expired before the one with 1 to 16
    gone = {"code": "REVISIONS_GONE", "argument": ["sinceRev"]}
    async with opened(address) as socket:
        await socket.subscribe("1", CHANGES, id=ada, sinceRev=14)
        assert [(await socket.change())["rev"] for _ in range(2)] == [15, 16]
        assert await socket.refusal() == {**gone, "oldestSinceRev": 32}
        assert await socket.receive() == {"id": "1", "type": "complete"}
        await socket.subscribe("2", CHANGES, id=ada, sinceRev=32)
        assert (await socket.change())["rev"] == 33
    for rev in (48, 64, 80, 96):
        assert await archive.delete({"rev": rev})
    async with opened(address) as socket:
        await socket.subscribe("1", CHANGES, id=ada, sinceRev=20)
        assert await socket.refusal() == {**gone, "oldestSinceRev": 68}


async def test_every_sixteenth_change_takes_one_command_more(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "2")
    await revise(subgraph, ada, 16)
    commands.taken()
    await subgraph.update(ada, "17")
    assert commands.taken() == ["find", "find", "insert", "update"]
    for rev in range(18, 33):
        await subgraph.update(ada, str(rev))
    assert commands.taken() == ["find"] * 30 + ["update"] * 15
    await subgraph.update(ada, "33")
    assert commands.taken() == ["find", "find", "insert", "update"]
    rows = await subgraph.store.revisions.collection.find({}, sort="rev")
    kept = [[event["rev"] for event in row["revisions"]] for row in rows]
    assert kept == [list(range(1, 17)), list(range(17, 33))]
    events = [event for row in rows for event in row["revisions"]]
    assert events[16]["fields"] == ["bio"]
    assert {row["expiresAt"] - row["revisions"][-1]["at"] for row in rows} == {KEPT_FOR}


@pytest.mark.parametrize("death", ["before the archive", "after the archive", "after the update"])
async def test_a_crash_while_archiving_loses_nothing(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    ada = await subgraph.register("ada.berg")
    await revise(subgraph, ada, 16)
    store = subgraph.store
    early = death == "before the archive"
    dying, method = (store.revisions, "insert") if early else (store.users, "update")
    real = getattr(dying.collection, method)

    async def die(*arguments: Any) -> Any:
        if death == "after the update":
            await real(*arguments)
        raise StoreFault("the process is gone")

    monkeypatch.setattr(dying.collection, method, die)
    lost = 'mutation { updateProfile(input: {bio: "x"}) { user { id } } }'
    answer = await subgraph.ask(lost, ada)
    assert answer["data"] == {"updateProfile": None}
    monkeypatch.setattr(dying.collection, method, real)
    await revise(subgraph, ada, 80)
    changes = following(subgraph, ada, 0)
    assert [(await anext(changes)).rev for _ in range(80)] == list(range(1, 81))
    await changes.aclose()
    await store.changes.close()


async def test_racing_writers_archive_every_revision_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    for _ in range(12):
        await asyncio.gather(*(subgraph.update(ada, new_id()) for _ in range(6)))
    rows = await subgraph.store.revisions.collection.find({}, sort="rev")
    revs = [event["rev"] for row in rows for event in row["revisions"]]
    assert revs == list(range(1, 65))
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert (user.rev, user.archived_rev) == (73, 64)


async def test_a_change_is_read_once_for_all_who_watch(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    readers = [following(subgraph, ada, 1) for _ in range(200)]
    watchers = subgraph.store.changes._watchers
    for rev in (2, 3):
        waiting = [asyncio.ensure_future(anext(reader)) for reader in readers]
        await until(lambda: sum(watcher._newest for watcher in watchers.get(ada, ())) >= 200)
        commands.taken()
        await subgraph.update(ada, str(rev))
        changes = await asyncio.gather(*waiting)
        assert {(change.rev, change.user.bio) for change in changes} == {(rev, str(rev))}
    # The mutation finds and updates; the change stream may have asked for more meanwhile.
    names = [name for name in commands.taken() if name != "getMore"]
    assert names == ["find", "find", "find", "update"]
    for reader in readers:
        await reader.aclose()
    assert watchers == {}
    await subgraph.store.changes.close()


@pytest.mark.parametrize("absent", ["unknown", "blocked", "malformed"])
async def test_whom_one_may_not_see_cannot_be_watched(
    subgraph: Subgraph, address: str, absent: str
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await subgraph.block(ada, ben)
    user_id = {"unknown": new_id(), "blocked": ada, "malformed": "x"}[absent]
    async with opened(address, subgraph.token(ben)) as socket:
        await socket.subscribe("1", CHANGES, id=user_id, sinceRev=1)
        code = "BAD_USER_INPUT" if absent == "malformed" else "NOT_FOUND"
        assert (await socket.refusal())["code"] == code


async def test_a_block_ends_the_subscription_with_the_next_change(
    subgraph: Subgraph, address: str
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    async with opened(address, subgraph.token(ben)) as socket:
        await socket.subscribe("1", CHANGES, id=ada)
        await subgraph.until_watched(ada)
        await subgraph.block(ada, ben)
        await subgraph.update(ada, "secret")
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
        '{"type": "complete"}',
        '{"type": "complete", "id": {}}',
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
            await subgraph.update(ada, bio)
            await socket.send(id=key, type="subscribe", payload=payload)
            message = await socket.receive()
            assert message["payload"]["data"] == {"viewer": {"user": {"bio": bio}}}
            assert await socket.receive() == {"id": key, "type": "complete"}


async def test_writers_of_one_process_take_turns(subgraph: Subgraph, commands: Commands) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "first")
    commands.taken()
    await asyncio.gather(*(subgraph.update(ada, str(number)) for number in range(10)))
    assert commands.taken() == ["find"] * 20 + ["update"] * 10


@pytest.mark.parametrize("kind", ["garbage type", "id that comes again"])
async def test_a_long_reason_is_cut_to_what_a_close_frame_carries(
    address: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    long = "ä" * 5000
    payload = {"query": CHANGES, "variables": {"id": new_id()}}
    twice = [json.dumps({"type": "subscribe", "id": long, "payload": payload})] * 2
    frames = [json.dumps({"type": long})] if kind == "garbage type" else twice
    code, reason = await closure(address, None, *frames)
    assert code == (4400 if kind == "garbage type" else 4409)
    assert 100 < len(reason.encode()) <= 123
    assert caplog.records == []


async def test_a_flood_of_messages_closes_the_connection(address: str) -> None:
    frames = ['{"type": "ping"}'] * 200
    assert await closure(address, None, *frames) == (4429, "Too many messages")


async def test_a_burst_of_messages_is_taken(address: str) -> None:
    async with opened(address) as socket:
        for _ in range(60):
            await socket.send(type="ping")
        assert [await socket.receive() for _ in range(60)] == [{"type": "pong"}] * 60


async def test_a_thousand_subscriptions_on_one_connection_are_twenty(
    subgraph: Subgraph, address: str
) -> None:
    ada = await subgraph.register("ada.berg")
    answered, code = [], 0
    try:
        async with opened(address) as socket:
            for number in range(1000):
                await socket.subscribe(str(number), CHANGES, id=ada)
            while True:
                answered.append(await socket.receive())
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else 0
    assert code == 4429
    refusals = {
        message["id"]: message["payload"][0]["extensions"]["code"]
        for message in answered
        if message["type"] == "error"
    }
    allowed = BURST_SECONDS * subgraph.settings.ws_messages_per_second - 1  # connection_init is one
    assert set(refusals.values()) == {"TOO_MANY_OPERATIONS"}
    assert min(map(int, refusals)) == MAX_SUBSCRIPTIONS
    assert len(refusals) >= allowed - MAX_SUBSCRIPTIONS
    await until(lambda: not subgraph.store.changes.watched)


async def test_who_does_not_begin_is_not_waited_for(address: str) -> None:
    protocols: Any = ["graphql-transport-ws"]
    async with connect(address, subprotocols=protocols) as socket:
        began = time.monotonic()
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, time.monotonic() - began < 4) == (4408, True)


async def test_a_connection_has_the_id_of_its_request(address: str) -> None:
    protocols: Any = ["graphql-transport-ws"]
    headers = {"X-Request-Id": "from.the-router"}
    async with connect(address, subprotocols=protocols, additional_headers=headers) as socket:
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] == "from.the-router"
