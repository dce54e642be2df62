"""What was acknowledged outlives kill -9, of the server and of the engine; for real."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest
from httpx import AsyncClient, HTTPError

from pipelines.repair import repair
from store.records import Document
from store.store import Store
from tests.conftest import DRIVERS
from tests.running import RunningServer

pytestmark = pytest.mark.skipif(
    "USERGRAPH_MONGODB_URI" in os.environ,
    reason="USERGRAPH_MONGODB_URI is set: somebody else's database is not ours to kill",
)

WRITES = 1000
CLIENTS = 8
SERVER, ENGINE = "server", "engine"
DEATHS = [SERVER, ENGINE, SERVER, ENGINE]

REGISTER = """mutation ($input: RegisterUserInput!) {
  payload: registerUser(input: $input) { user { id } errors { code } }
}"""
UPDATE = """mutation ($input: UpdateProfileInput!) {
  payload: updateProfile(input: $input) { errors { code } }
}"""
RENAME = """mutation ($input: ChangeHandleInput!) {
  payload: changeHandle(input: $input) { errors { code } }
}"""
FOLLOW = """mutation ($input: FollowInput!) {
  payload: follow(input: $input) { errors { code } }
}"""
USERS = """query ($ids: [ID!]!) { users(ids: $ids) {
  id handle bio following(first: 100) { edges { node { id } } }
} }"""


class Lost(Exception):
    """A request without an acknowledgement: what it asked for may be there or not."""


@dataclass
class Wishes:
    """The acknowledged values, oldest first, and those asked for after the last of them."""

    acknowledged: list[str]
    later: list[str] = field(default_factory=list)

    def ask(self, value: str) -> None:
        """Notes what is about to be asked for."""
        self.later.append(value)

    def acknowledge(self) -> None:
        """The newest wish came true, and none before it can any more."""
        self.acknowledged.append(self.later[-1])
        self.later.clear()

    def refuse(self) -> None:
        """The newest wish did not come true."""
        self.later.pop()

    @property
    def possible(self) -> list[str]:
        """What may be there now."""
        return [self.acknowledged[-1], *self.later]


@dataclass
class Person:
    """A registered user and what the one client that writes it asked for."""

    id: str
    handle: Wishes
    bio: Wishes = field(default_factory=lambda: Wishes([""]))
    follows: set[str] = field(default_factory=set)


class Load:
    """Clients that write all at once until enough is acknowledged, and then see a death."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.acknowledged = 0
        self.refused: Counter[str] = Counter()
        self.people: list[list[Person]] = [[] for _ in range(CLIENTS)]
        self.random = Random("durability")
        self.token = cache(server.token)

    @property
    def everybody(self) -> list[Person]:
        return [person for people in self.people for person in people]

    async def run(self, until: int, die: Callable[[], None]) -> None:
        """Writes until so many writes are acknowledged, then calls `die` amid the others."""
        self.until, self.die = until, die
        async with AsyncClient(timeout=20) as http:

            async def client(people: list[Person]) -> None:
                while self.acknowledged < until:
                    try:
                        await self._write(http, people)
                    except Lost:
                        assert self.acknowledged >= until, "lost a request although nobody died"
                        return

            await asyncio.gather(*(client(people) for people in self.people))

    async def _write(self, http: AsyncClient, people: list[Person]) -> None:
        act = self.random.choices(
            [self._register, self._update, self._rename, self._follow], [30, 35, 15, 20]
        )[0]
        if act == self._register or not people:
            await self._register(http, people)
        else:
            await act(http, people)

    async def _register(self, http: AsyncClient, people: list[Person]) -> None:
        handle = self._contested_handle()
        payload = await self._ask(http, None, REGISTER, handle=handle)
        if payload["errors"] == []:
            people.append(Person(payload["user"]["id"], Wishes([handle])))

    async def _update(self, http: AsyncClient, people: list[Person]) -> None:
        person = self.random.choice(people)
        bio = f"after {self.acknowledged} writes"
        person.bio.ask(bio)
        payload = await self._ask(http, person.id, UPDATE, bio=bio)
        assert payload == {"errors": []}
        person.bio.acknowledge()

    async def _rename(self, http: AsyncClient, people: list[Person]) -> None:
        person = self.random.choice(people)
        handle = self._contested_handle()
        person.handle.ask(handle)
        payload = await self._ask(http, person.id, RENAME, handle=handle)
        if payload["errors"] == []:
            person.handle.acknowledge()
        else:
            person.handle.refuse()

    async def _follow(self, http: AsyncClient, people: list[Person]) -> None:
        person = self.random.choice(people)
        others = [other.id for other in self.everybody if other is not person]
        if others:
            target = self.random.choice(others)
            payload = await self._ask(http, person.id, FOLLOW, userId=target)
            assert payload == {"errors": []}
            person.follows.add(target)

    def _contested_handle(self) -> str:
        """The handle that all clients want just now."""
        return f"name{self.acknowledged // 2}"

    async def _ask(self, http: AsyncClient, user_id: str | None, query: str, **wish: str) -> Any:
        body = {"query": query, "variables": {"input": wish}}
        headers = {"Authorization": f"Bearer {self.token(user_id)}"}
        try:
            answer = await http.post(self.server.address, json=body, headers=headers)
        except HTTPError as error:
            raise Lost from error
        if "errors" in answer.json():
            raise Lost(answer.text)
        payload = answer.json()["data"]["payload"]
        if payload["errors"] == []:
            self.acknowledged += 1
            if self.acknowledged == self.until:
                self.die()
        self.refused.update(error["code"] for error in payload["errors"])
        return payload


@pytest.fixture(scope="module")
async def load(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Load]:
    """A thousand acknowledged writes with four deaths among them; the server runs again."""
    data_dir = tmp_path_factory.mktemp("durability")
    with RunningServer(
        data_dir,
        mongodb_driver=DRIVERS[0],
        mongodb_timeout_seconds="2",
        handle_change_interval_days="0",
    ) as server:
        load = Load(server)
        for round_, death in enumerate(DEATHS, start=1):
            die = server.kill if death == SERVER else server.kill_engine

            await load.run(WRITES * round_ // len(DEATHS), die)
            if death == SERVER:
                server.start()
            else:
                await until_ready(server)
        yield load


async def until_ready(server: RunningServer) -> None:
    """Waits until the server, which lives on, has an engine again."""
    health = server.address.replace("graphql", "health/")
    async with AsyncClient(timeout=20) as http:
        assert (await http.get(f"{health}live")).status_code == 200
        async with asyncio.timeout(20):
            while (await http.get(f"{health}ready")).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def ask(server: RunningServer, query: str, **variables: Any) -> Any:
    async with AsyncClient(timeout=20) as http:
        body = {"query": query, "variables": variables}
        headers = {"Authorization": f"Bearer {server.token(None)}"}
        answer = (await http.post(server.address, json=body, headers=headers)).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def test_the_load_was_what_it_should_be(load: Load) -> None:
    assert load.acknowledged >= WRITES
    assert set(load.refused) == {"HANDLE_TAKEN"}
    assert load.refused["HANDLE_TAKEN"] > 50


async def test_every_acknowledged_write_is_there(load: Load) -> None:
    everybody = load.everybody
    found: list[Document] = []
    for start in range(0, len(everybody), 10):
        ids = [person.id for person in everybody[start : start + 10]]
        found += (await ask(load.server, USERS, ids=ids))["users"]
    for person, user in zip(everybody, found, strict=True):
        assert user["id"] == person.id
        assert user["handle"] in person.handle.possible
        assert (user["bio"] or "") in person.bio.possible
        following = {edge["node"]["id"] for edge in user["following"]["edges"]}
        assert person.follows <= following


async def test_every_acknowledged_handle_leads_to_its_user(load: Load) -> None:
    owners = {
        handle: {"id": person.id}
        for person in load.everybody
        for handle in person.handle.acknowledged
    }
    fields = [f'{handle}: user(by: {{handle: "{handle}"}}) {{ id }}' for handle in owners]
    found: dict[str, Any] = {}
    for start in range(0, len(fields), 50):
        found |= await ask(load.server, f"{{ {' '.join(fields[start : start + 50])} }}")
    assert found == owners


@pytest.fixture
async def survivors(load: Load) -> AsyncIterator[Store]:
    """The database as the deaths left it, read past the server."""
    store = Store.connect(load.server.mongodb_uri, "usergraph")
    yield store
    await store.close()


async def test_no_handle_leads_to_two_users(load: Load, survivors: Store) -> None:
    rows = {row["_id"]: row["userId"] for row in await survivors.handles.collection.find({})}
    users = await survivors.users.collection.find({})
    claims = [
        (handle, user["_id"])
        for user in users
        for handle in (
            user.get("handle"),
            *(old["handle"] for old in user.get("formerHandles", ())),
        )
        if handle
    ]
    assert len({handle for handle, _ in claims}) == len(claims)
    assert {handle: rows.get(handle) for handle, _ in claims} == dict(claims)


async def test_repair_makes_both_lists_and_the_counts_agree(load: Load, survivors: Store) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    await repair(survivors, later)
    assert await repair(survivors, later) == 0
    follows = await survivors.follows.following.collection.find({})
    followers = await survivors.follows.followers.collection.find({})
    pairs = [(edge["source"], edge["target"]) for edge in follows]
    assert sorted(pairs) == sorted((edge["source"], edge["target"]) for edge in followers)
    assert not any("pending" in edge or "removing" in edge for edge in follows)
    following_counts = Counter(source for source, _ in pairs)
    follower_counts = Counter(target for _, target in pairs)
    # An erased sample user keeps its follows, but no counts.
    for user in await survivors.users.collection.find({"status.value": {"$ne": "ERASED"}}):
        assert user["counts"]["following"] == following_counts[user["_id"]]
        assert user["counts"]["followers"] == follower_counts[user["_id"]]
