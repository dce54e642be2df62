"""Erasure: users whose time has come are forgotten here, and other subgraphs are asked to.

First the user's document becomes a tombstone, in one guarded write: until then its owner may cancel
it. Then the user's key is destroyed, which makes every sealed copy unreadable, and what others keep
of the user goes. Each step may run twice: whoever finds an erasure that was begun carries it on.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from store.data_requests import Erasure, RequestState
from store.errors import StoreFault
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
    """
    due = await store.users.due_for_erasure(now, BATCH)
    begun = await store.data_requests.in_state(RequestState.ERASING, BATCH)
    known = {user.id for user in due}
    users = [*due, *[await _as_begun(store, one.id) for one in begun if one.id not in known]]
    owed = tuple(owing)
    return sum([await _erase(store, user, now, owed, certify) for user in users])


async def erase_again(store: Store, now: datetime) -> int:
    """Erases whoever was erased before and is there again, as after a restored backup; how many."""
    again, after = 0, ""
    while ids := await store.data_requests.erased_ids(after, BATCH):
        for user in await store.users.by_ids(ids):
            if user is not None and user.status is not Status.ERASED:
                again += await _entomb(store, user, now, is_due=False)
        for user_id in ids:
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


async def _as_begun(store: Store, user_id: str) -> User:
    """The user as of now, of whom the tombstone may be there already."""
    user = await store.users.by_id(user_id)
    assert user is not None, user_id
    return user


async def _erase(
    store: Store, user: User, now: datetime, owing: tuple[str, ...], certify: Certify | None
) -> bool:
    """Erases one user, unless its owner cancels it first."""
    await store.data_requests.begin(user.id, owing=owing, now=now)
    if user.status is not Status.ERASED and not await _entomb(store, user, now, is_due=True):
        return False
    await _forget(store, user.id, now)
    await store.data_requests.erased(user.id, now=now)
    erasure = await store.data_requests.by_id(user.id)
    if erasure is not None and not erasure.owing:
        certificate = certify(erasure, now) if certify else None
        await store.data_requests.complete(user.id, certificate, now=now)
    return True


async def _entomb(store: Store, user: User, now: datetime, *, is_due: bool) -> bool:
    """Leaves a tombstone; false when the user changed meanwhile, and nothing is begun then."""
    if user.consent_due is not None:
        await store.consents.carry_through(user.id, user.consent_due)
    if await store.users.erase(user, operation=new_id(), event=EVENT, at=now, is_due=is_due):
        return True
    if is_due:
        await store.data_requests.give_up(user.id)
    return False


async def _forget(store: Store, user_id: str, now: datetime) -> None:
    """Takes away what is left of somebody who is erased. May run twice."""
    await store.keys.destroy(user_id, now=now)
    await store.follows.forget(user_id, at=now)
    await store.verifications.forget(user_id)
    await store.households.forget(user_id)
    for collection, owner in store.owned:
        await collection.delete_all({owner: user_id})
