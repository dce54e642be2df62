"""Preferences: a document for each user and namespace, so that two teams never meet in one."""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import IndexModel

from store.coalescing import CoalescedReads, Parts
from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.records import StoredPreferences, preferences_from_document

OPERATIONS = 16
"""Operations remembered with each document, so that carrying one out twice has no effect."""

Key = tuple[str, str]
"""A user's identifier and a namespace."""


class Preferences:
    """The `preferences` collection."""

    indexes = (IndexModel("owner", name="owner"),)

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database.collection("preferences")
        self._reads = CoalescedReads(self._find)

    def by_keys(self, keys: Sequence[Key]) -> Awaitable[Sequence[StoredPreferences | None]]:
        """What is stored, in the order of the keys, nothing where nothing is; one command."""
        return self._reads.read(keys)

    async def write(
        self,
        key: Key,
        values: Mapping[str, Any],
        *,
        schema_version: int,
        rev: int,
        operation: str,
        at: datetime,
    ) -> bool:
        """Sets the values if they are at this revision still, 0 when there are none yet.

        False when somebody else was faster, and nothing is written then.
        """
        sets = {"schemaVersion": schema_version, "values": values, "at": at}
        if rev == 0:
            owner = {"_id": _id(key), "owner": key[0], "rev": 1, "operations": [operation]}
            try:
                await self.collection.insert({**owner, **sets})
            except DuplicateKey:
                return False
            return True
        remembered = {"$each": [operation], "$slice": -OPERATIONS}
        return await self.collection.update(
            {"_id": _id(key), "rev": rev},
            {"$set": {**sets, "rev": rev + 1}, "$push": {"operations": remembered}},
        )

    def reads(self) -> Iterator[CoalescedReads[Any, Any]]:
        """Its coalesced reads."""
        yield self._reads

    async def close(self) -> None:
        """Ends the reads that are under way."""
        await self._reads.close()

    async def _find(self, keys: Sequence[Key], _: Parts) -> dict[Key, StoredPreferences]:
        documents = await self.collection.by_keys([_id(key) for key in keys])
        found = {document["_id"]: preferences_from_document(document) for document in documents}
        return {key: found[_id(key)] for key in keys if _id(key) in found}


def _id(key: Key) -> str:
    return ":".join(key)
