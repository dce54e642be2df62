"""Households: who sits in one, and who is invited; one document each, named after its manager.

A seat is taken when both sides say so: a row here, and `tier.seat` in the document of the user.
The row alone is a claim, which holds for `LEASE`.
"""

from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pymongo import IndexModel

from store.coalescing import CoalescedReads, Parts
from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.records import Document, User, to_stored

LEASE = timedelta(seconds=60)
"""How long a row is safe before its user's document must say the same."""


class Member(NamedTuple):
    """A row; `seat` is the invitation that led to it."""

    user_id: str
    seat: str
    joined_at: datetime


class Invitation(NamedTuple):
    """An invitation; of its token only the hash is known."""

    id: str
    hash: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Household:
    """A household, whose identifier is its manager's; at revision 0 it is not stored yet."""

    id: str
    rev: int = 0
    members: tuple[Member, ...] = ()
    invitations: tuple[Invitation, ...] = ()

    def place_of(self, user_id: str, seat: str | None) -> int | None:
        """Which seat the user has, from 0; nothing when only one side says that they have one."""
        for place, member in enumerate(self.members):
            if member.user_id == user_id and seat == seat_in(self.id, member.seat):
                return place
        return None


class Households:
    """The `households` collection."""

    indexes = (IndexModel("members.userId", name="members"),)

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database.collection("households")
        self._reads = CoalescedReads(self._find)

    def by_ids(self, ids: Sequence[str]) -> Awaitable[Sequence[Household | None]]:
        """The households in the order of their identifiers; one shared command."""
        return self._reads.read(ids)

    async def keep(self, household: Household) -> bool:
        """Writes the next revision of a household; false when somebody else was faster."""
        parts = {
            "rev": household.rev + 1,
            "members": to_stored(household.members),
            "invitations": to_stored(household.invitations),
        }
        if household.rev:
            return await self.collection.update(
                {"_id": household.id, "rev": household.rev}, {"$set": parts}
            )
        try:
            await self.collection.insert({"_id": household.id, **parts})
        except DuplicateKey:
            return False
        return True

    async def forget(self, user_id: str) -> None:
        """Takes the user's row out of every household, and ends the user's own. May run twice."""
        while rows := await self.collection.find({"members.userId": user_id}):
            for household in map(_household, rows):
                if household.id == user_id:
                    await self.collection.delete({"_id": user_id})
                    continue
                others = tuple(row for row in household.members if row.user_id != user_id)
                await self.keep(replace(household, members=others))

    def reads(self) -> Iterator[CoalescedReads[Any, Any]]:
        """Its coalesced reads."""
        yield self._reads

    async def close(self) -> None:
        """Ends the reads that are under way."""
        await self._reads.close()

    async def _find(self, ids: Sequence[str], _: Parts) -> dict[str, Household]:
        documents = await self.collection.by_keys(ids)
        return {document["_id"]: _household(document) for document in documents}


def seat_in(household_id: str, seat: str) -> str:
    """A seat as the user's document names it."""
    return f"{household_id}.{seat}"


def household_of(user: User) -> str | None:
    """The household that the user's document names."""
    return user.seat.partition(".")[0] if user.seat else None


def own_seat(user_id: str) -> str:
    """The seat of the manager."""
    return seat_in(user_id, user_id)


def manages(user: User) -> bool:
    """Whether the user's document says that the user's own household is there."""
    return user.seat == own_seat(user.id)


def _household(document: Document) -> Household:
    return Household(
        id=document["_id"],
        rev=document["rev"],
        members=tuple(
            Member(row["userId"], row["seat"], row["joinedAt"]) for row in document["members"]
        ),
        invitations=tuple(
            Invitation(row["id"], row["hash"], row["expiresAt"]) for row in document["invitations"]
        ),
    )
