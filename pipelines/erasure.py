"""Erasure: users whose time has come are forgotten here, and other subgraphs are asked to.

First the user's document becomes a tombstone, in one guarded write: until then its owner may cancel
it. Then the user's key is destroyed, which makes every sealed copy unreadable, and what others keep
of the user goes. Each step may run twice: whoever finds an erasure that was begun carries it on.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

from store.data_requests import Erasure, RequestState
from store.errors import LedgerBroken, StoreFault
from store.ids import new_id
from store.records import Status, User
from store.store import Store

BATCH = 100
EVENT = "USER_ERASED"

Certify = Callable[[Erasure, datetime], str]

logger = logging.getLogger(__name__)


async def erase_due(
    store: Store, now: datetime, owing: Iterable[str] = (), certify: Certify | None = None
) -> int:
    """Erases the first hundred users whose time has come, and ends what was begun; how many.

    `owing` are the subgraphs that have to forget them too. Safe to run at any time, anywhere.
    Raises: LedgerBroken for a user whose ledger cannot be ended, once all others are erased.
    """
    due = {user.id: user for user in await store.users.due_for_erasure(now, BATCH)}
    begun = [one.id for one in await store.data_requests.in_state(RequestState.ERASING, BATCH)]
    erasing = _Erasing(store, now, tuple(owing), certify)
    erased, broken = 0, None
    for user_id in dict.fromkeys([*due, *begun]):
        user = due.get(user_id) or await store.users.by_id(user_id)
        try:
            erased += await erasing.erase(user_id, user)
        except LedgerBroken as fault:
            broken = fault
    if broken is not None:
        raise broken
    return erased


async def erase_again(store: Store, now: datetime) -> int:
    """Erases whoever was erased before and is there again, as after a restored backup; how many."""
    again, after = 0, ""
    while ids := await store.data_requests.erased_ids(after, BATCH):
        for user_id, user in zip(ids, await store.users.by_ids(ids), strict=True):
            again += user is not None and user.status is not Status.ERASED
            await _entomb(store, user, now, is_due=False)
            await _forget(store, user_id, now)
        after = ids[-1]
    return again


async def erase_forever(
    store: Store,
    now: Callable[[], datetime],
    owing: Iterable[str],
    certify: Certify | None,
    *,
    every_seconds: float = 60.0,
) -> None:
    """Erases at once and then again and again, until cancelled."""
    owed = tuple(owing)
    while True:
        try:
            erased = await erase_due(store, now(), owed, certify)
            if erased:
                logger.info("erased users", extra={"counted": erased})
        except StoreFault as fault:
            logger.warning("erasure failed and will be tried again", exc_info=fault)
        await asyncio.sleep(every_seconds)


class _Erasing(NamedTuple):
    """How users are erased in one run."""

    store: Store
    now: datetime
    owing: tuple[str, ...]
    certify: Certify | None

    async def erase(self, user_id: str, user: User | None, *, is_due: bool = True) -> bool:
        """Erases one user with all who were merged into it; false when its owner was first."""
        store, now, requests = self.store, self.now, self.store.data_requests
        await requests.begin(user_id, owing=self.owing, now=now)
        if not await _entomb(store, user, now, is_due=is_due):
            await requests.give_up(user_id)
            return False
        await requests.begin(user_id, owing=self.owing, now=now)  # somebody may have given it up
        for merged in await store.users.merged_into(user_id):
            await self.erase(merged.id, merged, is_due=False)
        await _forget(store, user_id, now)
        await requests.erased(user_id, now=now)
        erasure = await requests.by_id(user_id)
        if erasure is not None and not erasure.owing:
            certificate = self.certify(erasure, now) if self.certify else None
            await requests.complete(user_id, certificate, now=now)
        return True


async def _entomb(store: Store, user: User | None, now: datetime, *, is_due: bool) -> bool:
    """Leaves a tombstone, if there is none; false when the user is not to be erased any more."""
    while user is not None and user.status is not Status.ERASED:
        if is_due and (user.erase_at is None or user.erase_at > now):
            return False
        if user.consent_due is not None:
            await store.consents.carry_through(user.id, user.consent_due)
        if await store.users.erase(user, operation=new_id(), event=EVENT, at=now, is_due=is_due):
            break
        user = await store.users.by_id(user.id)  # somebody else was faster
    return True


async def _forget(store: Store, user_id: str, now: datetime) -> None:
    """Takes away what is left of somebody who is erased. May run twice."""
    await store.keys.destroy(user_id, now=now)
    await store.follows.forget(user_id, at=now)
    await store.verifications.forget(user_id)
    await store.households.forget(user_id)
    for collection, owner in store.owned:
        await collection.delete_all({owner: user_id})
