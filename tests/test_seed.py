"""Sample data: repeatable, whatever is there already and wherever it was interrupted."""

from typing import Any

import pytest

from pipelines.seed import is_seeded, sample_follows, sample_id, sample_user, seed
from store.records import Status
from tests.subgraph import Subgraph


def silent(step: str, done: int, total: int) -> None:
    """Tells nobody."""


async def counts_agree(subgraph: Subgraph, users: int) -> bool:
    counts = await subgraph.store.follows.counts()
    found = await subgraph.store.users.by_ids([sample_id(index) for index in range(users)])
    return [user and (user.follower_count, user.following_count) for user in found] == [
        counts.get(sample_id(index), (0, 0)) for index in range(users)
    ]


async def test_samples_are_users_like_others(subgraph: Subgraph) -> None:
    await seed(subgraph.store, 120, silent)
    query = '{ user(by: {handle: "ada"}) { id displayName followers(first: 1) { edges { at } } } }'
    user = (await subgraph.data(query))["user"]
    assert user["id"] == sample_id(0)
    assert user["displayName"].startswith("Ada ")
    assert len(user["followers"]["edges"]) == 1
    assert {sample_user(index).status for index in range(120)} > {Status.ACTIVE, Status.ERASED}
    assert await counts_agree(subgraph, 120)


async def test_growing_adds_to_what_is_there(subgraph: Subgraph) -> None:
    await seed(subgraph.store, 40, silent)
    await seed(subgraph.store, 90, silent)
    assert await counts_agree(subgraph, 90)


async def test_an_interrupted_seed_is_noticed_and_finished(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    store = subgraph.store
    assert await is_seeded(store, 60) is False
    with monkeypatch.context() as patch:
        patch.setattr(store.follows, "insert_new", interrupted)
        with pytest.raises(KeyboardInterrupt):
            await seed(store, 60, silent)
    assert await is_seeded(store, 60) is False
    await seed(store, 60, silent)
    assert await is_seeded(store, 60) is True
    assert await counts_agree(subgraph, 60)


async def test_somebody_elses_data_are_left_alone(subgraph: Subgraph) -> None:
    await subgraph.register("ada.berg")
    assert await is_seeded(subgraph.store, 60) is True


async def test_a_handle_that_somebody_has_stays_theirs(subgraph: Subgraph) -> None:
    wanted = sample_user(5).handle
    assert wanted is not None
    real = await subgraph.register(wanted)
    await seed(subgraph.store, 10, silent)
    holders = await subgraph.store.users.collection.find({"handle": wanted})
    assert [holder["_id"] for holder in holders] == [real]
    sample = await subgraph.store.users.by_id(sample_id(5))
    assert sample is not None
    assert sample.handle is None


def test_samples_stay_the_same() -> None:
    assert sample_user(7) == sample_user(7)
    assert sample_follows(50) == sample_follows(50)
    assert len({sample_user(index).handle for index in range(2000)} - {None}) >= 1980
