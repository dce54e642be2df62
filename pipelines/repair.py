"""Repair: carries through what a crash left half done. Safe to run at any time, anywhere, twice."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from store.errors import LedgerBroken, StoreFault
from store.store import Store

OLD_ENOUGH = timedelta(seconds=30)
"""A write still under way after so long has crashed."""

logger = logging.getLogger(__name__)


async def repair(store: Store, now: datetime) -> int:
    """Completes merges, follows, blocks and consents that were begun and never carried through.

    Gives how many. Forgets birthdays, which are kept no longer than until they are over. Raises:
    LedgerBroken, once all others are complete.
    """
    before = now - OLD_ENOUGH
    merges = await store.merges.pending(now)
    for keep in merges:
        await store.merges.finish(keep, now=now)
    blocks = await store.blocks.pending(before)
    for edge in blocks:
        await store.blocks.complete(edge)
    follows = await store.follows.pending(before)
    for edge in follows:
        await store.follows.complete(edge)
        pair = (edge["source"], edge["target"])
        if await store.blocks.existing([pair, pair[::-1]]):  # one that crashed before it looked
            await store.follows.remove(*pair, at=now)
    await store.users.forget_birthdays(now)
    done = len(merges) + len(blocks) + len(follows)
    return done + await _carry_consents_through(store, before)


async def _carry_consents_through(store: Store, before: datetime) -> int:
    broken: LedgerBroken | None = None
    due = await store.consents.due(before)
    for user_id, entry in due:
        try:
            await store.consents.carry_through(user_id, entry)
        except LedgerBroken as fault:
            broken = fault
    if broken is not None:
        raise broken
    return len(due)


async def repair_forever(
    store: Store, now: Callable[[], datetime], *, every_seconds: float = 60.0
) -> None:
    """Repairs at once and then again and again, until cancelled."""
    while True:
        try:
            repaired = await repair(store, now())
            if repaired:
                logger.info("repaired half-done writes", extra={"counted": repaired})
        except StoreFault as fault:
            logger.warning("repair failed and will be tried again", exc_info=fault)
        await asyncio.sleep(every_seconds)
