"""Contacts: a registry whose `_id` is the digest of an address, so that no two users verify one.

A row says who claimed an address, and under which name (`claim`); whether the claim is good is
written in the user's own document, where the verified contact has the same name. So an address
stops leading to a user in the very write that takes it from them, a crash leaves a row that holds
nothing once its lease is over, and a row may be copied under the digest of another key without a
look at the document.
"""

import unicodedata
from collections.abc import Awaitable, Iterator, Sequence
from datetime import datetime
from typing import Any

from pymongo import IndexModel

from store.coalescing import CoalescedReads, Parts
from store.digests import DigestKeys
from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.handles import LEASE
from store.records import (
    Contact,
    ContactClaim,
    ContactKind,
    Status,
    User,
    contact_claim_from_document,
)
from store.sealing import DataKey
from store.users import Users

BATCH = 500


class Contacts:
    """The `contact_index` collection."""

    indexes = (IndexModel("userId", name="userId"),)

    def __init__(self, database: Database, users: Users) -> None:
        self.collection: Collection = database.collection("contact_index")
        self._users = users
        self._reads = CoalescedReads(self._find)

    def by_digests(self, digests: Sequence[str]) -> Awaitable[Sequence[ContactClaim | None]]:
        """The rows in the order of the digests, nothing where there is none; one command."""
        return self._reads.read(digests)

    async def claim(
        self, digests: Sequence[str], user_id: str, claim: str, *, now: datetime
    ) -> bool:
        """Takes the address of these digests for the user for `LEASE`; false when it is taken.

        The first digest is the one to write. Who writes another one of them at the same time is
        seen here or sees this: at most one of the two gets the address.
        """
        wanted = ContactClaim(digests[0], user_id, claim, now)
        if not await self._take(wanted):
            return False
        others = [row for row in await self.by_digests(digests[1:]) if row is not None]
        if not await self._are_taken([row for row in others if row.claim != claim], now):
            return True
        await self.release(digests[:1], claim)
        return False

    async def release(self, digests: Sequence[str], claim: str) -> None:
        """Takes the rows of a claim away, under each of the digests."""
        for digest in digests:
            await self.collection.delete({"_id": digest, "claim": claim})

    async def forget(self, user_id: str) -> None:
        """Takes every row of the user away. May run twice."""
        await self.collection.delete_all({"userId": user_id})

    async def copy(self, row: ContactClaim, digest: str, *, now: datetime) -> bool:
        """Writes a row under another digest too; false while somebody else's is there."""
        return await self._take(row._replace(digest=digest, claimed_at=now))

    async def after(self, digest: str) -> list[ContactClaim]:
        """The rows behind a digest, by digest; at most a batch of them."""
        found = await self.collection.find({"_id": {"$gt": digest}}, sort="_id", limit=BATCH)
        return list(map(contact_claim_from_document, found))

    def reads(self) -> Iterator[CoalescedReads[Any, Any]]:
        """Its coalesced reads."""
        yield self._reads

    async def close(self) -> None:
        """Ends the reads that are under way."""
        await self._reads.close()

    async def _find(self, digests: Sequence[str], _: Parts) -> dict[str, ContactClaim]:
        documents = await self.collection.by_keys(digests)
        return {document["_id"]: contact_claim_from_document(document) for document in documents}

    async def _take(self, wanted: ContactClaim) -> bool:
        values = {
            "userId": wanted.user_id,
            "claim": wanted.claim,
            "claimedAt": wanted.claimed_at,
        }
        try:
            await self.collection.insert({"_id": wanted.digest, **values})
        except DuplicateKey:
            [row] = await self.by_digests([wanted.digest])
        else:
            return True
        if row is None:  # given back just now: whoever asks next may have it
            return False
        if row.claim != wanted.claim and await self._are_taken([row], wanted.claimed_at):
            return False
        where = {"_id": row.digest, "claim": row.claim, "claimedAt": row.claimed_at}
        return await self.collection.update(where, {"$set": values})

    async def _are_taken(self, rows: Sequence[ContactClaim], now: datetime) -> bool:
        """Whether one of the rows keeps others from its address."""
        owners = await self._users.by_ids([row.user_id for row in rows])
        return any(is_taken(row, owner, now) for row, owner in zip(rows, owners, strict=True))


def folded(kind: str, address: str) -> str:
    """An address in its one form, folded to be compared: mailboxes differ in more than case."""
    if kind != ContactKind.EMAIL:
        return address
    local, _, domain = address.rpartition("@")
    return f"{unicodedata.normalize('NFC', local.casefold())}@{domain}"


def digests_of(keys: DigestKeys, kind: str, address: str) -> tuple[str, ...]:
    """The digests under which the registry may have an address, the newest first."""
    return keys.digests("contact", str(kind), folded(kind, address))


def sealed_for(key: DataKey, contact_id: str, address: str) -> bytes:
    """An address as a contact has it; it does not open as another contact's."""
    return key.seal(f"contacts.{contact_id}", address.encode())


def address_in(key: DataKey, contact: Contact, sealed: bytes) -> str:
    """The address that the contact has or is to have, opened. Raises: SealBroken."""
    return key.open(f"contacts.{contact.id}", sealed).decode()


def holds(user: User | None, row: ContactClaim) -> bool:
    """Whether the address of the row leads to this user; who was merged has none any more."""
    return (
        user is not None
        and user.id == row.user_id
        and user.status is not Status.MERGED
        and any(contact.claim == row.claim for contact in user.contacts)
    )


def is_taken(row: ContactClaim, owner: User | None, now: datetime) -> bool:
    """Whether a row of the registry keeps others from its address."""
    return row.claimed_at + LEASE > now or holds(owner, row)
