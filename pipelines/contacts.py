"""Contacts: their registry written anew with the newest key, and rid of what holds nothing."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

from store.contacts import address_in, digests_of, holds
from store.digests import DigestKeys
from store.handles import LEASE
from store.records import ContactClaim, User
from store.store import Store


@dataclass(slots=True)
class Reindexed:
    """How many rows were looked at, copied under the newest key, deleted, and left as they are.

    Those that are left belong to somebody whose address is being claimed right now, or whose data
    key is gone.
    """

    seen: int = 0
    copied: int = 0
    deleted: int = 0
    left: int = 0


Told = Callable[[Reindexed], None]
"""Told after each batch what was done so far."""


async def reindex(
    store: Store, keys: DigestKeys, now: Callable[[], datetime], told: Told
) -> Reindexed:
    """Copies good rows under their newest digest, and only then deletes what nobody needs.

    So an address is found all the time. It may run twice, and beside anything else.
    Raises: StoreFault.
    """
    done = Reindexed()
    async for batch in _batches(store):
        for row, user in batch:
            done.seen += 1
            if not row.digest.startswith(f"{keys.newest}:") and holds(user, row):
                done.copied += await _copy(store, keys, row, user, now())
        told(done)
    async for batch in _batches(store):
        for row, user in batch:
            await _tidy(store, keys, row, user, now(), done)
        told(done)
    return done


async def _batches(store: Store) -> AsyncIterator[list[tuple[ContactClaim, User | None]]]:
    """Every row with the user whom it names."""
    after = ""
    while rows := await store.contacts.after(after):
        users = await store.users.by_ids([row.user_id for row in rows])
        yield list(zip(rows, users, strict=True))
        after = rows[-1].digest


async def _copy(
    store: Store, keys: DigestKeys, row: ContactClaim, user: User | None, now: datetime
) -> bool:
    digest = await _newest_digest(store, keys, row, user)
    return digest is not None and await store.contacts.copy(row, digest, now=now)


async def _tidy(
    store: Store,
    keys: DigestKeys,
    row: ContactClaim,
    user: User | None,
    now: datetime,
    done: Reindexed,
) -> None:
    """Deletes a row that holds nothing, or whose claim has one under the newest digest."""
    if holds(user, row):
        if row.digest.startswith(f"{keys.newest}:"):
            return
        digest = await _newest_digest(store, keys, row, user)
        [newest] = await store.contacts.by_digests([digest]) if digest else [None]
        if newest is None or newest.claim != row.claim:
            done.left += 1
            return
    elif row.claimed_at + LEASE > now:
        done.left += 1
        return
    await store.contacts.release([row.digest], row.claim)
    done.deleted += 1


async def _newest_digest(
    store: Store, keys: DigestKeys, row: ContactClaim, user: User | None
) -> str | None:
    """Under which digest the newest key has the address of a row; nothing when it is gone."""
    [key] = await store.keys.by_user_ids([row.user_id])
    if key is None or user is None:
        return None
    for contact in user.contacts:
        if contact.claim == row.claim:
            return digests_of(keys, contact.kind, address_in(key, contact, contact.sealed))[0]
    return None
