"""Handles: a registry whose `_id` is the handle, so that no two users can hold one.

A row says who claimed a handle; whether the claim is good is written in the user's own document
(`handles.holds`). So a crash between the two writes leaves nothing to repair: the row alone holds
nothing once its lease is over, and the next claim takes it.
"""

from collections.abc import Awaitable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import IndexModel

from store.coalescing import CoalescedReads, Parts
from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.records import HandleClaim, User, handle_claim_from_document
from store.users import Users

FORMER_HANDLES = 10
"""Handles that a user gave up and that are kept with the user, at most."""
LEASE = timedelta(seconds=60)
"""How long a claim is safe before its user's document must say the same."""


class Handles:
    """The `handles` collection."""

    indexes = (IndexModel("userId", name="userId", sparse=True),)

    def __init__(self, database: Database, users: Users) -> None:
        self.collection: Collection = database.collection("handles")
        self._users = users
        self._reads = CoalescedReads(self._find)

    def by_handles(self, handles: Sequence[str]) -> Awaitable[Sequence[HandleClaim | None]]:
        """The rows in the order of their handles, nothing where there is none.

        One shared command.
        """
        return self._reads.read(handles)

    async def claim(self, handle: str, user_id: str, *, now: datetime) -> bool:
        """Takes the handle for the user for `LEASE`; false when somebody else has it."""
        try:
            await self.collection.insert({"_id": handle, "userId": user_id, "claimedAt": now})
        except DuplicateKey:
            return await self._take_over(handle, user_id, now)
        return True

    async def hand_over(self, handle: str, user_id: str, to: str) -> None:
        """Makes a handle that is claimed by one user lead to another, whose document says so."""
        await self.collection.update({"_id": handle, "userId": user_id}, {"$set": {"userId": to}})

    async def insert_new(self, claims: Sequence[HandleClaim]) -> list[str]:
        """Writes those of the rows whose handle is free, for sample data; gives the others."""
        return await self.collection.insert_new(
            [
                {"_id": claim.handle, "userId": claim.user_id, "claimedAt": claim.claimed_at}
                for claim in claims
            ]
        )

    def reads(self) -> Iterator[CoalescedReads[Any, Any]]:
        """Its coalesced reads."""
        yield self._reads

    async def close(self) -> None:
        """Ends the reads that are under way."""
        await self._reads.close()

    async def _find(self, handles: Sequence[str], _: Parts) -> dict[str, HandleClaim]:
        documents = await self.collection.by_keys(handles)
        return {document["_id"]: handle_claim_from_document(document) for document in documents}

    async def _take_over(self, handle: str, user_id: str, now: datetime) -> bool:
        [row] = await self.by_handles([handle])
        if row is None:  # given back just now: whoever asks next may have it
            return False
        if row.user_id is None:
            return False
        if row.user_id != user_id:
            owner = await self._users.by_id(row.user_id)
            if is_taken(row, owner, now):
                return False
        return await self.collection.update(
            {"_id": handle, "userId": row.user_id, "claimedAt": row.claimed_at},
            {"$set": {"userId": user_id, "claimedAt": now}},
        )


def holds(user: User | None, handle: str, now: datetime) -> bool:
    """Whether the handle leads to this user: it is theirs, or was and is still cooling down."""
    return user is not None and (
        user.handle == handle or cooling_until(user, handle, now) is not None
    )


def cooling_until(user: User | None, handle: str, now: datetime) -> datetime | None:
    """When the handle that the user gave up becomes free, if it is not free yet."""
    if user is None:
        return None
    return next(
        (
            former.until
            for former in user.former_handles
            if former.handle == handle and former.until > now
        ),
        None,
    )


def is_taken(row: HandleClaim, owner: User | None, now: datetime) -> bool:
    """Whether a row of the registry keeps others from its handle."""
    return row.user_id is None or row.claimed_at + LEASE > now or holds(owner, row.handle, now)
