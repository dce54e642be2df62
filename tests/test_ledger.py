"""The ledger of consents: complete whatever crashes, and whoever tampers is found."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.consents import problem_of_receipt, verify
from pipelines.repair import repair
from server.ledger import ledger_key_of
from server.settings import Settings
from store.chains import LedgerKey, next_entry
from store.driver import Collection
from store.errors import KeyUnavailable, LedgerBroken, StoreUnavailable
from store.records import Document
from store.store import Store
from tests.conftest import LEDGER_KEY, Commands
from tests.running import environment, usergraph
from tests.subgraph import Clock, Subgraph
from tests.test_consents import entries, record, rev_of, settings, states

pytestmark = pytest.mark.one_driver

__all__ = ["settings"]


class Crash(StoreUnavailable):
    """What a process that dies does not live to raise."""


@pytest.fixture
async def ada(subgraph: Subgraph) -> str:
    """A user with four answers."""
    ada = await subgraph.register("ada.berg")
    for granted, name, version in (
        *((True, "ads", "v2"), (True, "research", "v1")),
        *((False, "ads", "v2"), (True, "ads", "v2.1")),
    ):
        subgraph.clock.advance(seconds=1)
        payload = await record(subgraph, ada, granted, name, version)
        assert payload["errors"] == []
    return ada


async def problems(store: Store, user_id: str | None = None) -> list[str]:
    return (await verify(store, user_id)).problems


async def test_a_ledger_that_nobody_touched_is_whole(
    subgraph: Subgraph, ada: str, commands: Commands
) -> None:
    ben = await subgraph.register("ben.ek")
    await record(subgraph, ben)
    commands.taken()
    done = await verify(subgraph.store)
    assert (done.chains, done.entries, done.users, done.due, done.problems) == (2, 5, 2, 0, [])
    assert set(commands.taken()) == {"find"}
    done = await verify(subgraph.store, ada)
    assert (done.chains, done.entries, done.users, done.due, done.problems) == (1, 4, 1, 0, [])


FIELDS = (
    "subject seq purpose state version textHash at actor client receipt previous hash seal".split()
)


@pytest.mark.parametrize("seq", [1, 2, 4])
@pytest.mark.parametrize("field", FIELDS)
async def test_every_field_that_is_changed_is_found(
    subgraph: Subgraph, ada: str, field: str, seq: int
) -> None:
    ledger = subgraph.store.consents.collection
    chain = await entries(subgraph)
    others = {"seq": seq + 7, "at": chain[0]["at"] - timedelta(seconds=9)}
    other = others.get(field, f"{chain[seq - 1][field]}"[:-1] + "_")
    assert await ledger.update({"_id": chain[seq - 1]["_id"]}, {"$set": {field: other}})
    found = await problems(subgraph.store)
    assert any(problem.startswith(f"chain {LEDGER_KEY.subject(ada)}: entry") for problem in found)
    assert f"entry {seq}: " in found[0]
    assert (await problems(subgraph.store, ada))[0] == found[0]


@pytest.mark.parametrize("change", [{"$set": {"note": "x"}}, {"$unset": {"client": ""}}])
async def test_a_field_that_is_added_or_taken_away_is_found(
    subgraph: Subgraph, ada: str, change: dict[str, Any]
) -> None:
    chain = await entries(subgraph)
    assert await subgraph.store.consents.collection.update({"_id": chain[2]["_id"]}, change)
    [found] = await problems(subgraph.store)
    assert found.endswith("entry 3: fields are missing or added")


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ([1], "entry 1: it is missing, what comes instead is entry 2"),
        ([3], "entry 3: it is missing, what comes instead is entry 4"),
        ([4], "the chain ends with entry 3, the user with entry 4, or it is another"),
        ([2, 3, 4], "the chain ends with entry 1, the user with entry 4, or it is another"),
        ([1, 2, 3, 4], "the chain ends with entry 0, the user with entry 4, or it is another"),
    ],
)
async def test_entries_that_are_taken_away_are_found(
    subgraph: Subgraph, ada: str, gone: list[int], says: str
) -> None:
    for entry in await entries(subgraph):
        if entry["seq"] in gone:
            assert await subgraph.store.consents.collection.delete({"_id": entry["_id"]})
    [found] = await problems(subgraph.store)
    assert found.endswith(says)
    assert await problems(subgraph.store, ada) == [found]


async def put(ledger: Collection, entry: Document) -> None:
    await ledger.delete({"_id": entry["_id"]})
    await ledger.insert(entry)


async def test_entries_that_change_places_are_found(subgraph: Subgraph, ada: str) -> None:
    ledger = subgraph.store.consents.collection
    chain = await entries(subgraph)
    await put(ledger, {**chain[1], "_id": chain[2]["_id"]})
    await put(ledger, {**chain[2], "_id": chain[1]["_id"]})
    found = await problems(subgraph.store)
    assert found[0].endswith("entry 2: it is missing, what comes instead is entry 3")
    # And when they are numbered and linked anew, which needs no key.
    await put(ledger, {**chain[2], "_id": chain[1]["_id"], "seq": 2, "previous": chain[0]["hash"]})
    found = await problems(subgraph.store)
    assert found[0].endswith("entry 2: its hash is not that of its content")


async def test_a_chain_that_is_written_anew_without_the_key_is_found(
    subgraph: Subgraph, ada: str
) -> None:
    ledger = subgraph.store.consents.collection
    chain = await entries(subgraph)
    forger, head = LedgerKey(b"another key of thirty-two bytes!"), None
    for entry in chain:
        content = {name: entry[name] for name in FIELDS[2:9]}
        forged = next_entry(forger, ada, head, {**content, "state": "GRANTED"})
        # With the names that the true key gives, and the hashes right.
        forged |= {"subject": entry["subject"], "receipt": entry["receipt"], "_id": entry["_id"]}
        head = {"seq": entry["seq"], "hash": forged["hash"]}
        await put(ledger, forged)
    assert (await problems(subgraph.store))[0].endswith("its hash is not that of its content")


async def test_an_entry_with_a_right_hash_and_no_seal_is_found(
    subgraph: Subgraph, ada: str
) -> None:
    forger = LedgerKey(b"another key of thirty-two bytes!")
    last = (await entries(subgraph))[-1]
    content = {name: last[name] for name in FIELDS[2:9]}
    names = LEDGER_KEY.subject, LEDGER_KEY.receipt
    forger.subject, forger.receipt = names  # type: ignore[method-assign]
    await subgraph.store.consents.collection.insert(next_entry(forger, ada, last, content))
    found = await problems(subgraph.store)
    assert found[0].endswith("entry 5: its seal was not made with the key")
    assert found[1].endswith("the chain ends with entry 5, the user with entry 4, or it is another")


async def test_an_entry_of_another_chain_is_found(subgraph: Subgraph, ada: str) -> None:
    ben = await subgraph.register("ben.ek")
    await record(subgraph, ben)
    first = await subgraph.store.consents.chain(ben)
    other = {**first[0], "_id": f"{LEDGER_KEY.subject(ada)}:0000000005"}
    await subgraph.store.consents.collection.insert(other)
    found = await problems(subgraph.store)
    assert found[0].endswith("entry 5: it is missing, what comes instead is entry 1")


async def test_a_whole_chain_in_the_place_of_another_is_found(subgraph: Subgraph, ada: str) -> None:
    ben = await subgraph.register("ben.ek")
    await record(subgraph, ben)
    [first] = await subgraph.store.consents.chain(ben)
    for user_id in (ada, ben):  # nothing is left but the ledger
        await subgraph.store.users.collection.delete({"_id": user_id})
    for entry in await subgraph.store.consents.chain(ada):
        await subgraph.store.consents.collection.delete({"_id": entry["_id"]})
    other = {**first, "_id": f"{LEDGER_KEY.subject(ada)}:0000000001"}
    await subgraph.store.consents.collection.insert(other)
    [found] = await problems(subgraph.store)
    assert found.endswith("entry 1: it lies under another key than its own")


async def test_an_entry_of_another_history_is_found(subgraph: Subgraph, ada: str) -> None:
    second = (await entries(subgraph))[1]
    content = {name: second[name] for name in FIELDS[2:9]}
    other = next_entry(LEDGER_KEY, ada, {"seq": 1, "hash": "f" * 64}, content)
    await put(subgraph.store.consents.collection, other)
    found = await problems(subgraph.store)
    assert found[0].endswith("entry 2: it does not follow the one before")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"$set": {"consents.answers.0.state": "WITHDRAWN"}},
            "the answer about 'research' is not that of the ledger",
        ),
        ({"$unset": {"consents.answers": ""}}, "the answer about 'ads' is not that of the ledger"),
        (
            {"$set": {"consents.head.seq": 3}},
            "the chain ends with entry 4, the user with entry 3, or it is another",
        ),
        (
            {"$set": {"consents.head.hash": "0" * 64}},
            "the chain ends with entry 4, the user with entry 4, or it is another",
        ),
    ],
)
async def test_a_user_who_says_something_else_is_found(
    subgraph: Subgraph, ada: str, change: dict[str, Any], says: str
) -> None:
    assert await subgraph.store.users.collection.update({"_id": ada}, change)
    assert await problems(subgraph.store) == [f"user {ada}: {says}"]


async def test_an_old_answer_that_is_put_back_is_found(subgraph: Subgraph, ada: str) -> None:
    first = (await entries(subgraph))[0]
    names = ("purpose", "state", "version", "at", "receipt", "hash")
    old = {name: first[name] for name in names}
    put_back = {"$set": {"consents.answers.1": old}}
    assert await subgraph.store.users.collection.update({"_id": ada}, put_back)
    says = f"user {ada}: the answer about 'ads' is not that of the ledger"
    assert await problems(subgraph.store) == [says]


async def test_an_entry_that_is_due_and_forged_is_found(subgraph: Subgraph, ada: str) -> None:
    last = (await entries(subgraph))[-1]
    forger = LedgerKey(b"another key of thirty-two bytes!")
    forged = next_entry(forger, ada, last, {name: last[name] for name in FIELDS[2:9]})
    head = {"seq": 5, "hash": forged["hash"]}
    change = {"$set": {"consents.due": forged, "consents.head": head}}
    assert await subgraph.store.users.collection.update({"_id": ada}, change)
    [found] = await problems(subgraph.store)
    assert found.startswith(f"user {ada}: with the one that is due, entry 5: ")


async def test_the_ledger_outlives_its_user(subgraph: Subgraph, ada: str) -> None:
    assert await subgraph.store.users.collection.delete({"_id": ada})
    done = await verify(subgraph.store)
    assert (done.chains, done.entries, done.users, done.problems) == (1, 4, 0, [])
    [_, second, *_] = await entries(subgraph)
    good = await problem_of_receipt(subgraph.store, second["receipt"], second["hash"])
    assert good is None


async def test_chains_longer_than_a_page_are_whole(
    subgraph: Subgraph, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.consents.PAGE", 3)
    monkeypatch.setattr("store.consents.USERS", 1)
    ben = await subgraph.register("ben.ek")
    await record(subgraph, ben)
    done = await verify(subgraph.store)
    assert (done.chains, done.entries, done.users, done.problems) == (2, 5, 2, [])


# Receipts


async def test_a_receipt_is_good_while_the_chain_up_to_it_is(subgraph: Subgraph, ada: str) -> None:
    chain = await entries(subgraph)
    receipts = [(entry["receipt"], entry["hash"]) for entry in chain]
    store = subgraph.store
    assert [await problem_of_receipt(store, *receipt) for receipt in receipts] == [None] * 4
    assert ada not in "".join(entry["receipt"] for entry in chain)
    other = await problem_of_receipt(store, receipts[0][0], receipts[1][1])
    assert other == "the entry of this receipt has another hash"
    assert await store.consents.collection.update(
        {"_id": chain[2]["_id"]}, {"$set": {"client": "x"}}
    )
    assert [await problem_of_receipt(store, *receipt) for receipt in receipts] == [
        *(None, None),
        *["the chain is broken at entry 3: its hash is not that of its content"] * 2,
    ]
    assert await store.consents.collection.delete({"_id": chain[3]["_id"]})
    gone = await problem_of_receipt(store, *receipts[3])
    assert gone == "the ledger has no entry of this receipt"


# Crashes


async def crash_before(
    monkeypatch: pytest.MonkeyPatch, collection: Collection, verb: str, act: Awaitable[Any]
) -> None:
    """Lets the act run until it is about to do that to the collection, and no further."""

    async def die(*_: Any, **__: Any) -> None:
        raise Crash("died")

    with monkeypatch.context() as patched:
        patched.setattr(collection, verb, die)
        answer = await act
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"]


def asked(subgraph: Subgraph, viewer: str, **control: Any) -> Awaitable[Any]:
    query = """mutation ($input: RecordConsentInput!) {
      recordConsent(input: $input) { consent { state } errors { code } } }"""
    input = {"purpose": "ads", "granted": True, "policyVersion": "v2", "control": control}
    return subgraph.ask(query, viewer, input=input)


Recover = Callable[[Subgraph, str], Awaitable[Any]]


async def retry(subgraph: Subgraph, user_id: str) -> None:
    answer = await asked(subgraph, user_id, idempotencyKey="k1")
    assert answer == {"data": {"recordConsent": {"consent": {"state": "GRANTED"}, "errors": []}}}


async def repeat(subgraph: Subgraph, user_id: str) -> None:
    assert (await record(subgraph, user_id))["errors"] == []


async def go_on(subgraph: Subgraph, user_id: str) -> None:
    assert (await record(subgraph, user_id, purpose="research", version="v1"))["errors"] == []


async def repair_later(subgraph: Subgraph, _: str) -> None:
    subgraph.clock.advance(seconds=31)
    assert await repair(subgraph.store, subgraph.clock()) == 1


@pytest.mark.parametrize("recover", [retry, repeat, go_on, repair_later])
@pytest.mark.parametrize("verb", ["insert", "update"])
async def test_whoever_comes_next_carries_an_answer_through_once(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch, verb: str, recover: Recover
) -> None:
    ada = await subgraph.register("ada.berg")
    store = subgraph.store
    if verb == "insert":
        dying = asked(subgraph, ada, idempotencyKey="k1")
        await crash_before(monkeypatch, store.consents.collection, "insert", dying)
        assert await entries(subgraph) == []
    else:  # before it is written that the entry is no longer due
        await crash_before_the_second_update(monkeypatch, subgraph, ada)
        assert len(await entries(subgraph)) == 1
    assert (await states(subgraph, ada))["ads"] == "GRANTED"
    done = await verify(store)
    assert (done.due, done.problems) == (1, [])
    await recover(subgraph, ada)
    done = await verify(store)
    expected = 2 if recover is go_on else 1
    assert (done.due, done.problems, done.entries) == (0, [], expected)
    assert await rev_of(subgraph, ada) == 1 + expected


async def crash_before_the_second_update(
    monkeypatch: pytest.MonkeyPatch, subgraph: Subgraph, user_id: str
) -> None:
    users = subgraph.store.users.collection
    update, updates = users.update, list[Any]()

    async def once(*args: Any, **kwargs: Any) -> bool:
        updates.append(args)
        if len(updates) > 1:
            raise Crash("died")
        return await update(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(users, "update", once)
        answer = await asked(subgraph, user_id, idempotencyKey="k1")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"]


async def test_a_crash_before_the_user_is_written_leaves_nothing(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await subgraph.register("ada.berg")
    dying = asked(subgraph, ada, idempotencyKey="k1")
    await crash_before(monkeypatch, subgraph.store.users.collection, "update", dying)
    assert await entries(subgraph) == []
    assert (await states(subgraph, ada))["ads"] == "NEVER_ASKED"
    await retry(subgraph, ada)
    assert (await verify(subgraph.store)).problems == []
    assert await rev_of(subgraph, ada) == 2


async def test_what_is_carried_through_by_many_is_there_once(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await subgraph.register("ada.berg")
    dying = asked(subgraph, ada)
    await crash_before(monkeypatch, subgraph.store.consents.collection, "insert", dying)
    subgraph.clock.advance(seconds=31)
    now = subgraph.clock()
    await asyncio.gather(
        *(repair(subgraph.store, now) for _ in range(5)),
        *(record(subgraph, ada, purpose="research", version="v1") for _ in range(5)),
    )
    done = await verify(subgraph.store)
    assert (done.entries, done.due, done.problems) == (2, 0, [])


async def test_repair_tells_of_a_ledger_with_another_entry_in_the_place(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    ledger = subgraph.store.consents.collection
    for user_id in (ada, ben):
        await crash_before(monkeypatch, ledger, "insert", asked(subgraph, user_id))
    await ledger.insert({"_id": f"{LEDGER_KEY.subject(ada)}:0000000001", "hash": "other"})
    subgraph.clock.advance(seconds=31)
    with pytest.raises(LedgerBroken, match="another entry lies at"):
        await repair(subgraph.store, subgraph.clock())
    assert len(await subgraph.store.consents.chain(ben)) == 1
    answer = await asked(subgraph, ada)
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


# The key


async def test_without_a_key_nothing_is_recorded(
    subgraph: Subgraph, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await subgraph.register("ada.berg")
    monkeypatch.setattr(subgraph.store.consents, "_key", None)
    answer = await asked(subgraph, ada)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAVAILABLE"]
    assert await rev_of(subgraph, ada) == 1
    with pytest.raises(KeyUnavailable):
        await verify(subgraph.store, ada)


def test_the_key_of_development_stays_and_an_issuer_needs_one(tmp_path: Path) -> None:
    own = Settings(data_dir=tmp_path)
    assert ledger_key_of(own).subject("x") == ledger_key_of(own).subject("x")
    assert (tmp_path / "development-ledger-key.txt").stat().st_mode & 0o777 == 0o600
    issued = Settings(data_dir=tmp_path, token_jwks_file=tmp_path / "keys.json")
    with pytest.raises(ValueError, match="USERGRAPH_LEDGER_KEY is needed where tokens come from"):
        ledger_key_of(issued)


# The command line


async def test_the_command_tells_what_is_broken(
    subgraph: Subgraph, ada: str, mongodb_uri: str, database_name: str, tmp_path: Path
) -> None:
    key = "a key of the ledger, long enough to be one"
    env = environment(
        tmp_path, mongodb_uri=mongodb_uri, mongodb_database=database_name, ledger_key=key
    )
    done = usergraph("consents", "verify", env=env)
    assert (done.returncode, done.stderr) == (1, "")
    assert "entry 1: its seal was not made with the key" in done.stdout

    await subgraph.store.consents.collection.delete({"seq": 1})
    ledger = LedgerKey(key.encode())
    ben = await subgraph.register("ben.ek")
    subgraph.store.consents._key = ledger
    receipt = (await record(subgraph, ben))["consent"]["receipt"]
    done = usergraph("consents", "verify", "--user", "ben.ek", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (
        *(0, "1 chains, 1 entries, 1 users, 0 due: no problems\n", ""),
    )
    done = usergraph("consents", "receipt", receipt["id"], receipt["hash"], env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "The receipt is good.\n", "")
    done = usergraph("consents", "receipt", receipt["id"], "0" * 64, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "The receipt proves nothing: the entry of this receipt has another hash.\n"
    )
