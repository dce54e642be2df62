"""Consents: the ledger of every answer, kept apart from the users, so that it outlives them.

An answer is written into the user's document together with its entry of the ledger, which is due
there until it lies in the ledger as well. Whoever finds one that is due carries it through, and the
next answer does so first: each entry is written once, whatever crashes.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pymongo import IndexModel

from store.chains import LedgerKey, id_of, next_entry
from store.driver import Collection, Database
from store.errors import DuplicateKey, KeyUnavailable, LedgerBroken
from store.records import Document, User
from store.users import Users

PAGE = 1000
USERS = 100


class ConsentLedger:
    """The `consent_ledger` collection; without a key nothing can be added and nothing checked."""

    indexes = (IndexModel("receipt", name="receipt"),)

    def __init__(self, database: Database, users: Users, key: LedgerKey | None) -> None:
        self.collection: Collection = database.collection("consent_ledger")
        self._users = users
        self._key = key

    @property
    def key(self) -> LedgerKey:
        """What seals entries. Raises: KeyUnavailable."""
        if self._key is None:
            raise KeyUnavailable("there is no key of the consent ledger")
        return self._key

    def next_entry(self, user: User, content: Mapping[str, Any]) -> Document:
        """The entry that comes behind the user's newest. Raises: KeyUnavailable."""
        return next_entry(self.key, user.id, user.consent_head, content)

    async def carry_through(self, user_id: str, entry: Document) -> None:
        """Writes an entry that is due, and that it is no longer due. May run twice.

        Raises: LedgerBroken when another entry lies in its place.
        """
        try:
            await self.collection.insert(entry)
        except DuplicateKey:
            known = await self.collection.find_one(entry["_id"])
            if known is None or known["hash"] != entry["hash"]:
                raise LedgerBroken(f"another entry lies at {entry['_id']}") from None
        await self._users.collection.update(
            {"_id": user_id, "consents.due._id": entry["_id"]}, {"$unset": {"consents.due": ""}}
        )

    async def due(self, before: datetime) -> list[tuple[str, Document]]:
        """Entries that are due since before then, each with its user's identifier."""
        where = {"consents.due.at": {"$lt": before}}
        found = await self._users.collection.find(where, only=["consents.due"], limit=PAGE)
        return [(user["_id"], user["consents"]["due"]) for user in found]

    async def page(self, after: str) -> list[Document]:
        """Entries of all chains by `_id`, behind this one."""
        return await self.collection.find({"_id": {"$gt": after}}, sort="_id", limit=PAGE)

    async def chain(self, user_id: str) -> list[Document]:
        """All entries of a user, oldest first; by their keys, whatever they say.

        Raises: KeyUnavailable.
        """
        return await self._chain(self.key.subject(user_id))

    async def chain_of(self, entry: Document) -> list[Document]:
        """The chain in which the entry lies, up to it."""
        chain = await self._chain(str(entry["_id"]).partition(":")[0])
        return [one for one in chain if one["_id"] <= entry["_id"]]

    async def by_receipt(self, receipt: str) -> Document | None:
        """The entry that a receipt names."""
        found = await self.collection.find({"receipt": receipt}, limit=1)
        return found[0] if found else None

    async def who_answered(self, after: str) -> list[User]:
        """Users who answered something, by identifier, behind this one."""
        where = {"_id": {"$gt": after}, "consents.head": {"$exists": True}}
        found = await self._users.collection.find(where, sort="_id", only=["consents"], limit=USERS)
        return list(map(User, found))

    async def _chain(self, subject: str) -> list[Document]:
        where = {"_id": {"$gte": id_of(subject, 0), "$lt": f"{subject};"}}
        return await self.collection.find(where, sort="_id")
