"""The engine contract: a server that answers one of these wrongly cannot hold users."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import IndexModel

from store.driver import Collection, Database, DriverName
from store.errors import DuplicateKey, HistoryLost

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
async def database(mongodb_uri: str, driver: DriverName) -> AsyncIterator[Database]:
    database = Database(mongodb_uri, f"usergraph_contract_{driver}", driver=driver)
    await database.drop()
    yield database
    await database.drop()
    await database.close()


@pytest.fixture
def things(database: Database) -> Collection:
    return database.collection("things")


async def test_an_id_is_unique(things: Collection) -> None:
    await things.insert({"_id": "a", "n": 1})
    with pytest.raises(DuplicateKey):
        await things.insert({"_id": "a", "n": 2})
    assert await things.find_one("a") == {"_id": "a", "n": 1}


async def test_of_many_inserts_at_once_one_wins(things: Collection) -> None:
    results = await asyncio.gather(
        *(things.insert({"_id": "a", "n": n}) for n in range(50)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, DuplicateKey) for result in results) == 49


async def test_a_guarded_update_happens_once(things: Collection) -> None:
    await things.insert({"_id": "a", "rev": 1})
    guarded = {"_id": "a", "rev": 1}, {"$set": {"rev": 2}, "$push": {"log": "x"}}
    results = await asyncio.gather(*(things.update(*guarded) for _ in range(50)))
    assert sorted(results) == [False] * 49 + [True]
    assert await things.find_one("a") == {"_id": "a", "rev": 2, "log": ["x"]}


async def test_an_array_can_guard_an_increment_and_stays_short(things: Collection) -> None:
    await things.insert({"_id": "a"})
    for operation in ("x", "x", "y", "z"):
        await things.update(
            {"_id": "a", "done": {"$ne": operation}},
            {"$inc": {"n": 1}, "$push": {"done": {"$each": [operation], "$slice": -2}}},
        )
    assert await things.find_one("a") == {"_id": "a", "n": 3, "done": ["y", "z"]}


async def test_an_upsert_meets_what_its_filter_excludes(things: Collection) -> None:
    row = {"_id": "a", "at": {"$lte": NOON}}, {"$set": {"at": NOON}}
    assert await things.update(*row, upsert=True)
    later = NOON + timedelta(hours=1)
    assert await things.update(
        {"_id": "a", "at": {"$lte": later}}, {"$set": {"at": later}}, upsert=True
    )
    with pytest.raises(DuplicateKey):
        await things.update(*row, upsert=True)
    assert await things.find_one("a") == {"_id": "a", "at": later}


async def test_many_inserts_pass_over_what_is_there(things: Collection) -> None:
    await things.insert({"_id": "b", "n": 0})
    await things.insert_new([{"_id": key, "n": 1} for key in "abc"])
    found = await things.find({}, sort="_id")
    assert [(document["_id"], document["n"]) for document in found] == [
        ("a", 1),
        ("b", 0),
        ("c", 1),
    ]


async def test_moments_are_compared_and_kept_to_the_millisecond(things: Collection) -> None:
    moments = [NOON + timedelta(milliseconds=n) for n in (-1, 0, 1)]
    await things.insert_new([{"_id": str(n), "at": at} for n, at in enumerate(moments)])
    found = await things.find({"at": {"$gte": NOON}}, sort="at")
    assert [document["at"] for document in found] == moments[1:]


async def test_a_sparse_index_finds_those_that_have_the_field(things: Collection) -> None:
    await things.ensure_indexes([IndexModel("pending", name="pending", sparse=True)])
    await things.insert_new([{"_id": "a", "pending": NOON}, {"_id": "b"}])
    found = await things.find({"pending": {"$lt": NOON + timedelta(seconds=1)}}, limit=10)
    assert [document["_id"] for document in found] == ["a"]
    await things.update({"_id": "a"}, {"$unset": {"pending": ""}})
    assert await things.find({"pending": {"$lt": NOON + timedelta(seconds=1)}}) == []


async def test_strings_are_ordered_by_their_bytes(things: Collection) -> None:
    keys = ["a", "a.b", "a_b", "ab", "a\x00", "å", "💥", "B"]
    await things.ensure_indexes([IndexModel("key", name="key")])
    await things.insert_new([{"_id": str(n), "key": key} for n, key in enumerate(keys)])
    found = await things.find({"key": {"$gte": "a", "$lt": "a\U0010ffff"}}, sort="key")
    assert [document["key"] for document in found] == ["a", "a\x00", "a.b", "a_b", "ab"]
    outside = await things.find({"key": {"$not": {"$gte": "a", "$lt": "a\U0010ffff"}}}, sort="key")
    assert [document["key"] for document in outside] == ["B", "å", "💥"]


async def test_a_lookup_takes_the_first_of_each(database: Database, things: Collection) -> None:
    owners = database.collection("owners")
    await things.ensure_indexes([IndexModel([("owner", 1), ("order", 1)], name="owner_order")])
    await owners.insert_new([{"_id": owner} for owner in "abc"])
    await things.insert_new(
        [{"_id": f"{owner}{n}", "owner": owner, "order": n} for owner in "ab" for n in (3, 1, 2)]
    )
    found = await owners.aggregate(
        [
            {"$match": {"_id": {"$in": ["a", "b", "c"]}}},
            {
                "$lookup": {
                    "from": "things",
                    "localField": "_id",
                    "foreignField": "owner",
                    "pipeline": [{"$sort": {"order": 1}}, {"$limit": 2}],
                    "as": "things",
                }
            },
        ]
    )
    assert {
        document["_id"]: [thing["order"] for thing in document["things"]] for document in found
    } == {
        "a": [1, 2],
        "b": [1, 2],
        "c": [],
    }


async def test_a_projection_leaves_fields_out(things: Collection) -> None:
    await things.insert({"_id": "a", "big": [1], "counts": {"n": 1, "operations": []}})
    assert await things.find({}, without=["big", "counts.operations"]) == [
        {"_id": "a", "counts": {"n": 1}}
    ]


async def test_indexes_are_ensured_again_and_again(things: Collection) -> None:
    expiring = IndexModel("at", name="at", expireAfterSeconds=0)
    for _ in range(2):
        await things.ensure_indexes([expiring])
    assert await things.index_names() == {"_id_", "at"}


async def test_a_change_stream_goes_on_behind_a_token(things: Collection) -> None:
    stream: Any
    await things.insert({"_id": "a", "n": 0})
    async with things.watch([], wait_seconds=0.1) as stream:
        begin = stream.resume_token
        await things.update({"_id": "a"}, {"$set": {"n": 1}})
        while (change := await stream.try_next()) is None:
            pass
        assert change["updateDescription"]["updatedFields"] == {"n": 1}
        token = stream.resume_token
    await things.update({"_id": "a"}, {"$set": {"n": 2}})
    await things.delete({"_id": "a"})
    for after, count in ((begin, 3), (token, 2)):
        async with things.watch([], wait_seconds=0.1, after=after) as stream:
            changes = [await stream.try_next() for _ in range(count)]
            assert changes[-1]["operationType"] == "delete"
            assert changes[-2]["updateDescription"]["updatedFields"] == {"n": 2}


async def test_a_token_that_means_nothing_is_refused(things: Collection) -> None:
    stream: Any
    with pytest.raises(HistoryLost):
        async with things.watch([], wait_seconds=0.1, after={"_data": "82ff"}) as stream:
            await stream.try_next()
