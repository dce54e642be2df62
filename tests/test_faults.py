"""A database that fails: what can be tried again is, the rest is a coded answer in time."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from store.driver import DriverName
from store.errors import StoreFault
from store.records import User
from store.store import Store
from tests.conftest import KEY_ENCRYPTION, Commands
from tests.subgraph import Subgraph

pytestmark = pytest.mark.own_database

Fail = Callable[..., Awaitable[None]]
BY_HANDLE = 'query { user(by: {handle: "ada.berg"}) { bio } }'
UPDATE = 'mutation { updateProfile(input: {bio: "new"}) { user { bio rev } errors { code } } }'


@pytest.fixture
async def fail(store: Store) -> AsyncIterator[Fail]:
    """Lets the next commands of a kind fail, `times` times."""
    admin: Any = store._database._client.admin

    async def arm(*commands: str, times: int = 1, **data: Any) -> None:
        await admin.command(
            "configureFailPoint",
            "failCommand",
            mode={"times": times},
            data={"failCommands": list(commands), **data},
        )

    try:
        await admin.command("configureFailPoint", "failCommand", mode="off")
    except Exception as error:
        pytest.skip(f"the server has no failpoints: {error}")
    yield arm
    await admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.mark.parametrize(
    "failure",
    [{"closeConnection": True}, {"errorCode": 11600}, {"errorCode": 10107}],
    ids=["connection lost", "shutting down", "not primary"],
)
async def test_a_passing_failure_is_not_noticed(
    subgraph: Subgraph, fail: Fail, failure: dict[str, Any]
) -> None:
    ada = await subgraph.register("ada.berg")
    await fail("find", **failure)
    assert await subgraph.data(BY_HANDLE) == {"user": {"bio": None}}
    # A server says with this label that the write may be sent again.
    label = {} if "closeConnection" in failure else {"errorLabels": ["RetryableWriteError"]}
    await fail("update", **failure, **label)
    data = await subgraph.data(UPDATE, ada)
    assert data == {"updateProfile": {"user": {"bio": "new", "rev": 2}, "errors": []}}


async def test_a_lasting_failure_is_coded_and_masked(subgraph: Subgraph, fail: Fail) -> None:
    await subgraph.register("ada.berg")
    await fail("find", times=10, errorCode=13, errmsg="secret host db-7")
    answer = await subgraph.post(BY_HANDLE)
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["path"] == ["user"]
    assert "db-7" not in answer.text


async def test_one_entity_that_fails_does_not_hide_what_went_wrong(
    subgraph: Subgraph, fail: Fail
) -> None:
    ada = await subgraph.register("ada.berg")
    await fail("find", times=10, errorCode=13)
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { id } } }"
    answer = await subgraph.ask(query, r=[{"__typename": "User", "id": ada}] * 2)
    assert answer["data"] == {"_entities": [None, None]}
    assert [error["path"] for error in answer["errors"]] == [["_entities", 0], ["_entities", 1]]


async def test_a_database_that_hangs_is_given_up_in_time(
    subgraph: Subgraph, fail: Fail, mongodb_uri: str, driver: DriverName
) -> None:
    await subgraph.register("ada.berg")
    hasty = Subgraph(
        subgraph.settings,
        Store.connect(
            mongodb_uri,
            subgraph.store._database.name,
            driver=driver,
            timeout_seconds=0.4,
            encryption=KEY_ENCRYPTION,
        ),
        subgraph.clock,
    )
    await hasty.data('{ user(by: {handle: "nobody"}) { id } }')
    await fail("find", times=3, blockConnection=True, blockTimeMS=4000)
    began = time.monotonic()
    [error] = (await hasty.ask(BY_HANDLE))["errors"]
    assert error["extensions"]["code"] == "TIMEOUT"
    assert time.monotonic() - began < 3
    await hasty.http.aclose()
    await hasty.store.close()


async def test_a_write_that_may_have_happened_is_finished_under_its_key(
    subgraph: Subgraph, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await subgraph.register("ada.berg")
    users = subgraph.store.users
    change = users.change

    async def answer_lost(*args: Any, **options: Any) -> User | None:
        await change(*args, **options)
        raise StoreFault("the answer never came")

    keyed = UPDATE.replace('bio: "new"', 'bio: "new", control: {idempotencyKey: "k", ifRev: 1}')
    monkeypatch.setattr(users, "change", answer_lost)
    answer = await subgraph.ask(keyed, ada)
    assert answer["data"] == {"updateProfile": None}
    monkeypatch.setattr(users, "change", change)
    commands.taken()
    data = await subgraph.data(keyed, ada)
    assert data == {"updateProfile": {"user": {"bio": "new", "rev": 2}, "errors": []}}
