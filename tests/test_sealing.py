"""Sealing: what opens what, keys that are wrapped anew, and keys that are gone."""

import asyncio
import itertools
from base64 import b64encode
from pathlib import Path

import pytest

from pipelines.keys import rewrap_all
from store.errors import KeyUnavailable, SealBroken
from store.keys import Keys
from store.sealing import DataKey, HeldKeys, WrappedKey, parse_key_texts
from store.store import Store
from tests.conftest import KEY_ENCRYPTION, Commands
from tests.running import environment, usergraph
from tests.subgraph import Clock

ADA, BO = "0" * 21 + "A", "0" * 21 + "B"
OLD, NEW = bytes(32), bytes(31) + b"1"
KEY = bytes(range(1, 33))


def keys_over(store: Store, encryption: HeldKeys) -> Keys:
    """The same keys, for a process that has other key-encryption keys."""
    return Keys(store._database, encryption)


def test_what_is_sealed_opens_as_the_same_field_of_the_same_user_with_the_same_key() -> None:
    sealed = DataKey(ADA, KEY).seal("birthDate", b"2001-02-03")
    assert b"2001" not in sealed
    assert DataKey(ADA, KEY).open("birthDate", sealed) == b"2001-02-03"
    others = ((BO, KEY, "birthDate"), (ADA, NEW, "birthDate"), (ADA, KEY, "gender"))
    for user_id, key, field in others:
        with pytest.raises(SealBroken):
            DataKey(user_id, key).open(field, sealed)


def test_no_changed_byte_goes_unnoticed() -> None:
    key = DataKey(ADA, KEY)
    sealed = key.seal("birthDate", b"2001-02-03")
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            key.open("birthDate", changed)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            key.open("birthDate", sealed[:length])


def test_the_same_value_is_sealed_differently_each_time() -> None:
    key = DataKey(ADA, KEY)
    assert len({key.seal("birthDate", b"2001-02-03") for _ in range(100)}) == 100


async def test_a_wrapped_key_is_of_one_user() -> None:
    keys = HeldKeys({"a": OLD})
    wrapped = await keys.wrap(ADA, KEY)
    assert await keys.unwrap(ADA, wrapped) == KEY
    with pytest.raises(SealBroken):
        await keys.unwrap(BO, wrapped)
    with pytest.raises(KeyUnavailable):
        await keys.unwrap(ADA, WrappedKey(wrapped.wrapped, "b"))


async def test_a_user_gets_one_key_however_many_ask_for_it_at_once(
    store: Store, clock: Clock
) -> None:
    keys = await asyncio.gather(*(store.keys.ensure(ADA, now=clock()) for _ in range(20)))
    sealed = [key.seal("bio", b"x") for key in keys if key]
    assert len(sealed) == 20
    assert {key.open("bio", each) for key, each in itertools.product(keys, sealed) if key} == {b"x"}


async def test_no_key_is_stored_as_it_is(store: Store, clock: Clock) -> None:
    await store.keys.ensure(ADA, now=clock())
    row = await store.keys.collection.find_one(ADA)
    assert row is not None
    unwrapped = await KEY_ENCRYPTION.unwrap(ADA, WrappedKey(row["wrapped"], row["wrappedBy"]))
    assert unwrapped not in row["wrapped"]
    assert row.keys() == {"_id", "wrapped", "wrappedBy", "madeAt"}


async def test_a_destroyed_key_is_gone_everywhere_and_for_ever(store: Store, clock: Clock) -> None:
    elsewhere = keys_over(store, KEY_ENCRYPTION)
    await store.keys.ensure(ADA, now=clock())
    assert None not in await elsewhere.by_user_ids([ADA])
    await store.keys.destroy(ADA, now=clock())
    await store.keys.destroy(ADA, now=clock())
    assert list(await elsewhere.by_user_ids([ADA])) == [None]
    assert await elsewhere.ensure(ADA, now=clock()) is None
    row = await store.keys.collection.find_one(ADA)
    assert row is not None
    assert row.keys() == {"_id", "madeAt", "destroyedAt"}


async def test_who_never_had_a_key_gets_none_after_it_was_destroyed(
    store: Store, clock: Clock
) -> None:
    await store.keys.destroy(ADA, now=clock())
    assert await store.keys.ensure(ADA, now=clock()) is None


async def test_destroying_and_making_at_once_leaves_no_key(store: Store, clock: Clock) -> None:
    users = [f"{number:022}" for number in range(20)]
    for user_id in users:
        await asyncio.gather(
            store.keys.ensure(user_id, now=clock()), store.keys.destroy(user_id, now=clock())
        )
    assert set(await store.keys.by_user_ids(users)) == {None}


async def test_a_new_key_encryption_key_takes_over_while_both_are_there(
    store: Store, clock: Clock
) -> None:
    before, both, after = HeldKeys({"1": OLD}), HeldKeys({"1": OLD, "2": NEW}), HeldKeys({"2": NEW})
    key = await keys_over(store, before).ensure(ADA, now=clock())
    assert key is not None
    sealed = key.seal("bio", b"hello")
    with pytest.raises(KeyUnavailable):
        await keys_over(store, after).by_user_ids([ADA])

    rotating = Store(store._database, both)
    assert await rewrap_all(rotating, lambda _: None) == 1
    assert await rewrap_all(rotating, lambda _: None) == 0

    [opened] = await keys_over(store, after).by_user_ids([ADA])
    assert opened is not None
    assert opened.open("bio", sealed) == b"hello"
    with pytest.raises(KeyUnavailable):
        await keys_over(store, before).by_user_ids([ADA])


async def test_destroyed_keys_are_not_wrapped_anew(store: Store, clock: Clock) -> None:
    await keys_over(store, HeldKeys({"1": OLD})).ensure(ADA, now=clock())
    await store.keys.destroy(ADA, now=clock())
    assert await rewrap_all(Store(store._database, HeldKeys({"2": NEW})), lambda _: None) == 0


async def test_keys_of_many_users_are_one_command(
    store: Store, clock: Clock, commands: Commands
) -> None:
    for user_id in (ADA, BO):
        await store.keys.ensure(user_id, now=clock())
    commands.taken()
    await asyncio.gather(store.keys.by_user_ids([ADA]), store.keys.by_user_ids([BO]))
    assert commands.taken() == ["find"]


GOOD = b64encode(OLD).decode()


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([GOOD], "key 1: expected a name of letters and digits and a colon"),
        ([f"a b:{GOOD}"], "key 1: expected a name of letters and digits and a colon"),
        ([f"{'a' * 33}:{GOOD}"], "key 1: expected a name of letters and digits and a colon"),
        (["1:c2hvcnQ="], "key 1: expected 32 bytes in base64 behind the colon"),
        (["1:!!!"], "key 1: expected 32 bytes in base64 behind the colon"),
        ([f"1:{GOOD}", f"2:{GOOD}"], "key 2: expected a name and a key of its own"),
        ([f"1:{GOOD}", f"1:{b64encode(NEW).decode()}"], "key 2: expected a name and a key of its"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_repeating_them(
    texts: list[str], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        parse_key_texts(tuple(texts))
    assert GOOD not in str(refused.value)


def test_the_last_key_wraps() -> None:
    texts = (f"1:{GOOD}", f"0:{b64encode(NEW).decode()}")
    assert HeldKeys(parse_key_texts(texts)).newest == "0"


def test_with_an_issuer_there_has_to_be_a_key(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text("{}")
    env = environment(tmp_path, token_jwks_file=str(tmp_path / "jwks.json"))
    done = usergraph("keys", "rewrap", env=env)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "The key-encryption keys cannot be used: USERGRAPH_KEY_ENCRYPTION_KEYS is needed where"
    )


def test_the_command_line_makes_a_key_and_wraps_with_it(tmp_path: Path) -> None:
    key = usergraph("keys", "new", "2027", env=environment(tmp_path)).stdout.strip()
    assert list(parse_key_texts((key,))) == ["2027"]
    assert usergraph("keys", "new", "20 27", env=environment(tmp_path)).returncode == 1
    done = usergraph("keys", "rewrap", env=environment(tmp_path, key_encryption_keys=key))
    assert (done.returncode, done.stdout) == (0, "0 data keys were wrapped anew.\n")
