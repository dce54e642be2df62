"""The index of contacts: its keys change while addresses are looked up and claimed."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipelines.contacts import Reindexed, reindex
from server.senders import digest_keys_of
from server.settings import Settings
from store.contacts import Contacts
from store.digests import DigestKeys
from store.records import ContactClaim
from store.sealing import new_key_text
from store.store import Store
from tests.contacts import added, lookup, mutate, verified, verify
from tests.running import environment, usergraph
from tests.subgraph import Clock, Subgraph

OLD, NEW = new_key_text("old"), new_key_text("new")


def with_keys(settings: Settings, *texts: str) -> Settings:
    """The settings with these keys of the index."""
    keys = tuple(map(SecretStr, texts))
    return settings.model_copy(update={"contact_index_keys": keys})


def keys_of(settings: Settings) -> DigestKeys:
    keys = digest_keys_of(settings)
    assert keys is not None
    return keys


async def rows(store: Store) -> list[str]:
    """The names of the keys of all rows, sorted."""
    found = await store.contacts.collection.find({})
    return sorted(row["_id"].partition(":")[0] for row in found)


async def reindexed(store: Store, settings: Settings, clock: Clock) -> Reindexed:
    """What came of writing the index anew."""
    return await reindex(store, keys_of(settings), clock, lambda _: None)


@pytest.fixture
async def stages(
    settings: Settings, store: Store, clock: Clock
) -> tuple[Subgraph, Subgraph, Subgraph, Subgraph]:
    """The subgraph before, while (twice) and after a key takes the place of another."""
    texts = ((OLD,), (NEW, OLD), (OLD, NEW), (NEW,))
    before, known, writing, after = (
        Subgraph(with_keys(settings, *keys), store, clock) for keys in texts
    )
    return before, known, writing, after


Stages = tuple[Subgraph, Subgraph, Subgraph, Subgraph]


async def test_an_address_is_found_at_each_stage_of_a_rotation(
    stages: Stages, store: Store, clock: Clock
) -> None:
    before, known, writing, after = stages
    ada, ben, eva = [await before.register(name) for name in ("ada.berg", "ben.ek", "eva")]
    await verified(before, ada)
    await verified(known, ben, "ben@example.com")
    await verified(writing, eva, "eva@example.com")
    assert await rows(store) == ["new", "old", "old"]
    for subgraph in (known, writing):
        assert [
            await lookup(subgraph, f"{name}@example.com") for name in ("ada", "ben", "eva")
        ] == [ada, ben, eva]
    assert await lookup(after) is None
    done = await reindexed(store, writing.settings, clock)
    assert (done.copied, done.deleted, done.left) == (2, 2, 0)
    assert await rows(store) == ["new", "new", "new"]
    for subgraph in (known, writing, after):
        assert [
            await lookup(subgraph, f"{name}@example.com") for name in ("ada", "ben", "eva")
        ] == [ada, ben, eva]
    again = await reindexed(store, writing.settings, clock)
    assert (again.copied, again.deleted, again.left) == (0, 0, 0)


async def test_look_ups_go_on_while_the_index_is_written_anew(
    stages: Stages, store: Store, clock: Clock
) -> None:
    before, _, writing, after = stages
    people = {}
    for number in range(12):
        user = await before.register(f"user.{number}")
        people[f"u{number}@example.com"] = user
        await verified(before, user, f"u{number}@example.com")
    wrong, asked = [], 0
    is_done = asyncio.Event()

    async def ask() -> None:
        nonlocal asked
        while not is_done.is_set():
            for value, user in people.items():
                asked += 1
                if (found := await lookup(writing, value)) != user:
                    wrong.append((value, found))

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    done = await reindexed(store, writing.settings, clock)
    is_done.set()
    await asyncio.gather(*asking)
    assert (done.copied, done.deleted) == (12, 12)
    assert wrong == []
    assert asked >= 36
    assert [await lookup(after, value) for value in people] == list(people.values())


async def test_whose_address_it_is_holds_across_keys(
    stages: Stages, store: Store, clock: Clock
) -> None:
    before, known, writing, _ = stages
    ada, ben = await before.register("ada.berg"), await before.register("ben.ek")
    await verified(before, ada)
    clock.advance(minutes=5)
    for subgraph in (known, writing):
        contact, code = await added_past_the_notice(subgraph, ben, clock)
        payload = await verify(subgraph, ben, contact, code)
        assert [error["reason"] for error in payload["errors"]] == ["CONTACT_TAKEN"]
        await mutate(subgraph, ben, "removeContact", contactId=contact)
        clock.advance(minutes=5)
    assert await rows(store) == ["old"]
    assert await lookup(writing) == ada


async def added_past_the_notice(subgraph: Subgraph, user: str, clock: Clock) -> tuple[str, str]:
    """A contact whose code was sent although the address was somebody else's: a race."""
    found = Contacts.by_digests

    async def nothing(_: Contacts, digests: list[str]) -> list[ContactClaim | None]:
        return [None] * len(digests)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Contacts, "by_digests", nothing)
        ready = await added(subgraph, user)
    assert Contacts.by_digests is found
    return ready


async def test_two_who_verify_with_different_keys_do_not_both_get_it(
    stages: Stages, store: Store
) -> None:
    _, known, writing, _ = stages
    ada, ben = await known.register("ada.berg"), await known.register("ben.ek")
    one, code = await added(known, ada)
    two, other = await added(writing, ben)
    payloads = await asyncio.gather(verify(known, ada, one, code), verify(writing, ben, two, other))
    assert sum(not payload["errors"] for payload in payloads) <= 1
    holders = [payload["user"] for payload in payloads if payload["user"]]
    assert (await lookup(writing) is not None) is bool(holders)


async def test_what_holds_nothing_is_swept_away(
    subgraph: Subgraph, store: Store, clock: Clock
) -> None:
    ada = await subgraph.register("ada.berg")
    contact = await verified(subgraph, ada)
    [row] = await store.contacts.collection.find({})
    await mutate(subgraph, ada, "removeContact", contactId=contact)
    await store.contacts.collection.insert(row)
    done = await reindexed(store, subgraph.settings, clock)
    assert (done.deleted, done.left) == (0, 1)  # a claim may be under way
    clock.advance(seconds=61)
    done = await reindexed(store, subgraph.settings, clock)
    assert (done.deleted, done.left) == (1, 0)
    assert await store.contacts.collection.find({}) == []


@pytest.mark.one_driver
def test_a_digest_is_of_its_parts_its_purpose_and_its_key() -> None:
    keys = DigestKeys({"old": b"o" * 32, "new": b"n" * 32})
    digest = keys.digest("code", "ada", "123456")
    assert digest.startswith("new:")
    assert keys.digests("code", "ada", "123456") == (
        digest,
        DigestKeys({"old": b"o" * 32}).digest("code", "ada", "123456"),
    )
    for purpose, *parts in (("x", "ada", "123456"), ("code", "ada1", "23456"), ("code", "ada")):
        assert not keys.is_digest(digest, purpose, *parts)
    for known in keys.digests("code", "ada", "123456"):
        assert keys.is_digest(known, "code", "ada", "123456")
    other = DigestKeys({"new": b"x" * 32})
    assert not other.is_digest(digest, "code", "ada", "123456")
    assert not DigestKeys({"old": b"o" * 32}).is_digest(digest, "code", "ada", "123456")


@pytest.mark.one_driver
def test_the_command_writes_the_index_anew(tmp_path: Path, mongodb_uri: str) -> None:
    env = environment(tmp_path, mongodb_uri=mongodb_uri, mongodb_database="usergraph_reindexed")
    ended = usergraph("contacts", "reindex", env=env)
    assert (ended.returncode, ended.stdout) == (0, "0 rows were copied, 0 deleted, 0 left.\n")


@pytest.mark.one_driver
def test_the_command_needs_keys(tmp_path: Path) -> None:
    jwks = tmp_path / "jwks.json"
    jwks.write_text("{}")
    text = new_key_text("k")
    env = environment(tmp_path, token_jwks_file=str(jwks), key_encryption_keys=text)
    ended = usergraph("contacts", "reindex", env=env)
    assert ended.returncode == 1
    assert "Set USERGRAPH_CONTACT_INDEX_KEYS" in ended.stderr
