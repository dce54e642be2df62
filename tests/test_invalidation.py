"""The sender of invalidations, against a receiver on a real port that is as strict as a router."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipelines.invalidation import Routers, invalidate_forever
from store.driver import DriverName
from store.store import Store
from tests.conftest import KEY_ENCRYPTION
from tests.listening import listening, until
from tests.running import PATIENCE_SECONDS, environment, usergraph
from tests.subgraph import Clock, Subgraph
from tests.test_faults import Fail, fail

pytestmark = pytest.mark.own_database

__all__ = ["fail"]  # a fixture

KEY = "a shared key"
DELAY_SECONDS = 0.05
MARGIN_SECONDS = 3.0
"""For a busy machine and the answers of subgraph and router."""
WHOLE = {"kind": "subgraph", "subgraph": "users"}
ENTITIES = """query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { bio } } }"""


class Router:
    """A router's invalidation endpoint, and its cache of entities, filed under their tags.

    Checks what GraphOS Router checks and more; anything out of form is kept in `wrong`.
    """

    def __init__(self) -> None:
        self.key = KEY
        self.status = 202
        self.requests: list[list[Any]] = []
        self.asked = 0
        self.refused = 0
        self.wrong: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.app = Starlette(
            routes=[Route("/invalidation", self._invalidate, methods=["POST"])],
            exception_handlers={404: self._lost, 405: self._lost},
        )
        self._entries: dict[str, tuple[frozenset[str], Any]] = {}

    @property
    def told(self) -> list[str]:
        """Every tag that was told, in order; `*` for the whole subgraph."""
        entries = [entry for request in self.requests for entry in request]
        return [entry.get("cache_tag", "*") for entry in entries]

    async def entity(self, subgraph: Subgraph, **key: str) -> Any:
        """An entity from the cache, else from the subgraph: then it is kept if it may be."""
        name = json.dumps(key)
        if name not in self._entries:
            representation = {"__typename": "User", **key}
            answer = await subgraph.post(ENTITIES, r=[representation])
            assert answer.headers["cache-control"] == "max-age=60, public"
            body = answer.json()
            tags = frozenset(body["extensions"]["apolloEntityCacheTags"][0])
            self._entries[name] = tags, body["data"]["_entities"][0]
        return self._entries[name][1]

    async def _invalidate(self, request: Request) -> Response:
        self.asked += 1
        await self.answering.wait()
        if self.status != 202:
            self.refused += 1
            return JSONResponse({"errors": [{"message": "not now"}]}, self.status)
        if request.headers.get("authorization") != self.key:
            self.refused += 1
            return JSONResponse({"errors": [{"message": "Invalid authorization header"}]}, 401)
        if request.headers.get("content-type") != "application/json":
            self.wrong.append(f"content type {request.headers.get('content-type')}")
        entries = json.loads(await request.body())
        self.requests.append(entries)
        if not isinstance(entries, list) or not entries:
            self.wrong.append(f"not a list with entries: {entries}")
        for entry in entries:
            tag = entry.get("cache_tag")
            if entry not in (
                {"kind": "cache_tag", "subgraphs": ["users"], "cache_tag": tag},
                WHOLE,
            ):
                self.wrong.append(f"entry {entry}")
            self._entries = {
                name: (tags, value)
                for name, (tags, value) in self._entries.items()
                if entry != WHOLE and tag not in tags
            }
        return JSONResponse({"count": len(entries)}, 202)

    async def _lost(self, request: Request, _: Exception) -> Response:
        self.wrong.append(f"{request.method} {request.url.path}")
        return Response(status_code=404)


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    router = Router()
    yield router
    assert router.wrong == []


@pytest.fixture
async def url(router: Router) -> AsyncIterator[str]:
    """Where the router listens."""
    async with listening(router.app) as address:
        yield f"http://{address}/invalidation"


@pytest.fixture
async def tagged(store: Store, subgraph: Subgraph, clock: Clock) -> Subgraph:
    """The subgraph with cache tags."""
    settings = subgraph.settings.model_copy(update={"cache_tags": True})
    return Subgraph(settings, store, clock)


@pytest.fixture
async def elsewhere(
    tagged: Subgraph, mongodb_uri: str, driver: DriverName
) -> AsyncIterator[Subgraph]:
    """The subgraph in another process, as far as the database can tell."""
    store = Store.connect(
        mongodb_uri, tagged.store._database.name, driver=driver, encryption=KEY_ENCRYPTION
    )
    yield Subgraph(tagged.settings, store, tagged.clock)
    await store.close()


@asynccontextmanager
async def sending(store: Store, *urls: str, key: str = KEY) -> AsyncIterator[None]:
    """A sender in this process."""
    routers = Routers(urls=urls, key=key, subgraph="users", delay_seconds=DELAY_SECONDS)
    task = asyncio.create_task(invalidate_forever(store, routers))
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_kept(store: Store) -> None:
    """Waits until the sender's place is in the database."""
    async with asyncio.timeout(10):
        while await store.history.progress("invalidation:users") is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def touch(subgraph: Subgraph, user_id: str) -> None:
    """A new revision, without the time that a mutation takes."""
    assert await subgraph.store.users.collection.update({"_id": user_id}, {"$inc": {"rev": 1}})


async def rename(subgraph: Subgraph, viewer: str, handle: str) -> None:
    mutation = "mutation ($h: String!) { changeHandle(input: {handle: $h}) { errors { code } } }"
    assert await subgraph.data(mutation, viewer, h=handle) == {"changeHandle": {"errors": []}}


async def test_a_changed_profile_is_not_served_stale(
    tagged: Subgraph, elsewhere: Subgraph, router: Router, url: str
) -> None:
    ada, ben = await tagged.register("ada.berg"), await tagged.register("ben.ek")
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        slowest = 0.0
        for n in range(10):
            assert (await router.entity(tagged, id=ada)) is not None
            assert (await router.entity(tagged, handle="ada.berg")) is not None
            assert await router.entity(tagged, id=ben) == {"bio": None}
            await elsewhere.update(ada, str(n))
            began = time.monotonic()
            for key in ({"id": ada}, {"handle": "ada.berg"}):
                while await router.entity(tagged, **key) != {"bio": str(n)}:
                    await asyncio.sleep(0.002)
                    assert time.monotonic() - began < DELAY_SECONDS + MARGIN_SECONDS
            slowest = max(slowest, time.monotonic() - began)
    assert router.told == ["*"] + 10 * [f"user:{ada}"]
    print(f"\nslowest of 10 changes: {slowest * 1000:.0f} ms with a delay of {DELAY_SECONDS} s")


async def test_nobodys_handle_is_told_when_somebody_takes_it(
    tagged: Subgraph, elsewhere: Subgraph, router: Router, url: str
) -> None:
    ada = await tagged.register("ada.berg")
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        for handle in ("ben.ek", "ada.lind"):
            assert await router.entity(tagged, handle=handle) is None
        ben = await elsewhere.register("ben.ek")
        await until(lambda: f"user:{ben}" in router.told)
        await rename(elsewhere, ada, "ada.lind")
        await until(lambda: len(router.told) == 5)
        for handle in ("ben.ek", "ada.lind"):
            assert await router.entity(tagged, handle=handle) == {"bio": None}
    assert router.told == ["*", f"user:{ben}", "handle:ben.ek", f"user:{ada}", "handle:ada.lind"]


async def test_counts_tell_nothing_and_a_deleted_user_does(
    tagged: Subgraph, router: Router, url: str
) -> None:
    ada, ben = await tagged.register("ada.berg"), await tagged.register("ben.ek")
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        await tagged.follow(ben, ada)
        await tagged.store.users.collection.delete({"_id": ben})
        await until(lambda: len(router.told) > 1)
    assert router.told == ["*", f"user:{ben}"]


@pytest.mark.one_driver
async def test_a_thousand_changes_of_ten_users_are_few_tags(
    tagged: Subgraph, router: Router, url: str
) -> None:
    users = [await tagged.register(f"user{n}") for n in range(10)]
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        router.status = 503
        for _ in range(100):
            await asyncio.gather(*(touch(tagged, user) for user in users))
        router.status = 202
        await tagged.update(users[0], "last")
        await until(lambda: len(router.told) > 10)
    told = Counter(router.told)
    assert set(told) == {"*", *(f"user:{user}" for user in users)}
    assert max(told.values()) <= 3
    assert len(router.requests) <= 4


async def test_what_a_router_missed_arrives_when_it_is_back(
    tagged: Subgraph, router: Router, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    users = [await tagged.register(f"user{n}") for n in range(5)]
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        router.status = 503
        for user in users:
            await tagged.update(user, "while it was away")
        await until(lambda: router.refused > 2)
        router.status = 202
        await until(lambda: len(router.told) == 6)
    assert sorted(router.told[1:]) == sorted(f"user:{user}" for user in users)
    complaints = [record for record in caplog.records if "answers 503" in str(record.__dict__)]
    assert len(complaints) == 1


async def test_a_router_that_cannot_be_reached_keeps_no_other_waiting(
    tagged: Subgraph, router: Router, url: str
) -> None:
    ada = await tagged.register("ada.berg")
    other = Router()
    async with listening(other.app) as address:
        gone = f"http://{address}/invalidation"
    async with sending(tagged.store, gone, url):
        await until(lambda: router.told == ["*"])
        await tagged.update(ada, "one")
        await until(lambda: router.told == ["*", f"user:{ada}"])
        assert await tagged.store.history.progress("invalidation:users") is None


async def test_a_router_that_does_not_answer_is_asked_again(
    tagged: Subgraph, router: Router, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.invalidation.ANSWER_SECONDS", 0.2)
    router.answering.clear()
    async with sending(tagged.store, url):
        await until(lambda: router.asked > 2)
        router.answering.set()
        await until(lambda: "*" in router.told)


async def test_a_refused_key_is_told_and_tried_again(
    tagged: Subgraph, router: Router, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    router.key = "another key"
    async with sending(tagged.store, url):
        await until(lambda: router.refused > 1)
        router.key = KEY
        await until(lambda: router.told == ["*"])
    [complaint] = [record for record in caplog.records if record.levelname == "ERROR"]
    failure = complaint.__dict__["failure"]
    assert failure == "answers 401; is USERGRAPH_INVALIDATION_KEY its shared_key?"
    assert KEY not in caplog.text


async def test_too_many_tags_are_told_as_the_whole(
    tagged: Subgraph, router: Router, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.invalidation.MAX_TAGS", 3)
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        router.status = 500
        users = [await tagged.register(f"user{n}") for n in range(5)]
        await until(lambda: router.refused > 1)
        router.status = 202
        await until(lambda: len(router.told) > 1)
        await tagged.update(users[0], "later")
        await until(lambda: len(router.told) > 2)
    assert router.told == ["*", "*", f"user:{users[0]}"]


async def test_many_tags_are_told_in_parts(
    tagged: Subgraph, router: Router, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.invalidation.TAGS_PER_REQUEST", 4)
    users = [await tagged.register(f"user{n}") for n in range(10)]
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        router.status = 500
        await asyncio.gather(*(tagged.update(user, "x") for user in users))
        await until(lambda: router.refused > 1)
        router.status = 202
        await until(lambda: len(router.told) == 11)
    assert sorted(router.told[1:]) == sorted(f"user:{user}" for user in users)
    assert max(len(request) for request in router.requests) <= 4


async def test_a_sender_goes_on_where_the_last_one_stopped(
    tagged: Subgraph, router: Router, url: str
) -> None:
    ada, ben = await tagged.register("ada.berg"), await tagged.register("ben.ek")
    async with sending(tagged.store, url):
        await until_kept(tagged.store)
    await tagged.update(ada, "while nobody was there")
    async with sending(tagged.store, url):
        await until(lambda: f"user:{ada}" in router.told)
        await tagged.update(ben, "later")
        await until(lambda: f"user:{ben}" in router.told)
    assert router.told == ["*", f"user:{ada}", f"user:{ben}"]


async def test_a_router_that_is_new_forgets_the_whole(
    tagged: Subgraph, router: Router, url: str
) -> None:
    ada = await tagged.register("ada.berg")
    async with sending(tagged.store, url):
        await until_kept(tagged.store)
    other = Router()
    async with listening(other.app) as address, sending(
        tagged.store, url, f"http://{address}/invalidation"
    ):  # fmt: skip
        await until(lambda: other.told == ["*"])
        await tagged.update(ada, "for both")
        await until(lambda: f"user:{ada}" in other.told and f"user:{ada}" in router.told)
    assert (router.told, other.told) == (["*", f"user:{ada}"], ["*", f"user:{ada}"])


async def test_a_place_that_the_database_forgot_is_told_as_the_whole(
    tagged: Subgraph, router: Router, url: str
) -> None:
    ada = await tagged.register("ada.berg")
    await tagged.store.history.keep_progress("invalidation:users", {"_data": "82ff"}, [url])
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        await tagged.update(ada, "afterwards")
        await until(lambda: len(router.told) > 1)
    assert router.told == ["*", f"user:{ada}"]


@pytest.mark.parametrize(
    ("code", "is_lost"), [(13, False), (286, True)], ids=["broken", "history lost"]
)
async def test_a_stream_that_breaks_is_taken_up_where_it_broke(
    tagged: Subgraph, router: Router, url: str, fail: Fail, code: int, is_lost: bool
) -> None:
    ada, ben = await tagged.register("ada.berg"), await tagged.register("ben.ek")
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        await tagged.update(ada, "before")
        await until(lambda: len(router.told) == 2)
        await fail("getMore", errorCode=code)
        await asyncio.gather(*(tagged.update(user, "meanwhile") for user in (ada, ben)))
        if is_lost:
            await until(lambda: Counter(router.told)["*"] == 2)
        else:
            await until(lambda: set(router.told[2:]) == {f"user:{ada}", f"user:{ben}"})
        count = len(router.told)
        await tagged.update(ben, "afterwards")
        await until(lambda: f"user:{ben}" in router.told[count:])
    assert Counter(router.told)["*"] == 1 + is_lost


async def test_a_dropped_collection_is_told_as_the_whole(
    tagged: Subgraph, router: Router, url: str
) -> None:
    await tagged.register("ada.berg")
    async with sending(tagged.store, url):
        await until(lambda: router.told == ["*"])
        await tagged.store.drop()
        await until(lambda: Counter(router.told)["*"] == 2)
        ben = await tagged.register("ben.ek")
        await until(lambda: f"user:{ben}" in router.told)


@contextmanager
def process(env: Mapping[str, str], log: Path) -> Iterator["subprocess.Popen[str]"]:
    """`usergraph invalidate` as a process of its own; killed at the end."""
    with log.open("a") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "invalidate"],
            env={**env, "PYTHONPATH": str(Path(__file__).parent.parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    assert running.stdout is not None
    try:
        assert running.stdout.readline().startswith("Telling changes to http://127.0.0.1:")
        yield running
    finally:
        running.kill()
        running.wait(PATIENCE_SECONDS)
        running.stdout.close()


@pytest.fixture
def env(
    tagged: Subgraph, url: str, mongodb_uri: str, driver: DriverName, tmp_path: Path
) -> dict[str, str]:
    """The environment of a sender."""
    return environment(
        tmp_path,
        mongodb_uri=mongodb_uri,
        mongodb_database=tagged.store._database.name,
        mongodb_driver=driver,
        invalidation_urls=url,
        invalidation_key=KEY,
        invalidation_delay_seconds=str(DELAY_SECONDS),
    )


@pytest.mark.one_driver
async def test_what_a_killed_sender_had_not_told_is_told_by_the_next(
    tagged: Subgraph, router: Router, env: dict[str, str], tmp_path: Path
) -> None:
    ada = await tagged.register("ada.berg")
    log = tmp_path / "log"
    with process(env, log):
        await until(lambda: router.told == ["*"])
        await until_kept(tagged.store)
        router.status = 503
        await tagged.update(ada, "seen and not told")
        await until(lambda: router.refused > 1)
    router.status = 202
    with process(env, log) as running:
        await until(lambda: len(router.told) > 1)
        assert router.told == ["*", f"user:{ada}"]
        running.terminate()
        assert await asyncio.to_thread(running.wait, PATIENCE_SECONDS) == 0
    text = log.read_text()
    assert "answers 503" in text
    assert "Traceback" not in text
    assert "HTTP Request" not in text
    assert KEY not in text


async def test_a_sender_that_does_not_know_whom_to_tell_says_so(env: dict[str, str]) -> None:
    del env["USERGRAPH_INVALIDATION_KEY"]
    done = await asyncio.to_thread(usergraph, "invalidate", env=env)
    assert done.returncode == 1
    assert done.stderr.startswith("Set USERGRAPH_INVALIDATION_URLS to the addresses")
