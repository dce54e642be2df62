"""Erasure: whose time has come."""

from datetime import datetime

from store.records import User
from store.store import Store

BATCH = 100


async def due_for_erasure(store: Store, now: datetime) -> list[User]:
    """The first hundred users whose erasure is due, those due longest first.

    Each can still cancel it until `store.users.erase` is done, which insists on the revision that
    was read here, so that whoever is first wins.
    """
    return await store.users.due_for_erasure(now, BATCH)
