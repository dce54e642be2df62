"""Keys: the data key of each user, wrapped, and the mark that stays when it was destroyed."""

from collections.abc import Awaitable, Iterator, Sequence
from datetime import datetime
from typing import Any

from pymongo import IndexModel

from store.coalescing import CoalescedReads, Parts
from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.records import Document
from store.sealing import DataKey, KeyEncryption, WrappedKey, new_data_key

BATCH = 500


class Keys:
    """The `keys` collection: `_id` is the user's.

    No data key is kept between reads, so that one which was destroyed is gone everywhere at once.
    """

    indexes = (IndexModel("wrappedBy", name="wrappedBy", sparse=True),)

    def __init__(self, database: Database, encryption: KeyEncryption) -> None:
        self.collection: Collection = database.collection("keys")
        self._encryption = encryption
        self._reads = CoalescedReads(self._find)

    def by_user_ids(self, user_ids: Sequence[str]) -> Awaitable[Sequence[DataKey | None]]:
        """The data keys in the order of the users, nothing where there is none; one command.

        Raises: KeyUnavailable, SealBroken.
        """
        return self._reads.read(user_ids)

    async def ensure(self, user_id: str, *, now: datetime) -> DataKey | None:
        """The user's data key, made when there was none; nothing when it was destroyed.

        Raises: KeyUnavailable.
        """
        [known] = await self.by_user_ids([user_id])
        if known is not None:
            return known
        key = new_data_key()
        wrapped = await self._encryption.wrap(user_id, key)
        row = {
            "_id": user_id,
            "wrapped": wrapped.wrapped,
            "wrappedBy": wrapped.wrapped_by,
            "madeAt": now,
        }
        try:
            await self.collection.insert(row)
        except DuplicateKey:  # made, or destroyed, by somebody else
            [known] = await self.by_user_ids([user_id])
            return known
        return DataKey(user_id, key)

    async def destroy(self, user_id: str, *, now: datetime) -> None:
        """Makes what the key sealed unreadable for ever; the user gets no other one.

        May run twice.
        """
        destroyed = {"$set": {"destroyedAt": now}, "$unset": {"wrapped": "", "wrappedBy": ""}}
        while True:
            try:
                await self.collection.update(
                    {"_id": user_id, "destroyedAt": None}, destroyed, upsert=True
                )
            except DuplicateKey:  # destroyed already, or made just now
                if await self._is_destroyed(user_id):
                    return
            else:
                return

    async def rewrap(self) -> int:
        """Wraps with the newest key-encryption key what older ones wrapped; gives how many.

        At most a batch of them: call it until it gives 0. Raises: KeyUnavailable.
        """
        newest = self._encryption.newest
        where = {"wrapped": {"$exists": True}, "wrappedBy": {"$ne": newest}}
        rows = await self.collection.find(where, limit=BATCH)
        for row in rows:
            key = await self._unwrapped(row)
            wrapped = await self._encryption.wrap(row["_id"], key)
            await self.collection.update(
                {"_id": row["_id"], "wrapped": row["wrapped"]},
                {"$set": {"wrapped": wrapped.wrapped, "wrappedBy": wrapped.wrapped_by}},
            )
        return len(rows)

    def reads(self) -> Iterator[CoalescedReads[Any, Any]]:
        """Its coalesced reads."""
        yield self._reads

    async def close(self) -> None:
        """Ends the reads that are under way."""
        await self._reads.close()

    async def _find(self, user_ids: Sequence[str], _: Parts) -> dict[str, DataKey]:
        rows = await self.collection.by_keys(user_ids)
        return {
            row["_id"]: DataKey(row["_id"], await self._unwrapped(row))
            for row in rows
            if "wrapped" in row
        }

    async def _unwrapped(self, row: Document) -> bytes:
        wrapped = WrappedKey(row["wrapped"], row["wrappedBy"])
        return await self._encryption.unwrap(row["_id"], wrapped)

    async def _is_destroyed(self, user_id: str) -> bool:
        row = await self.collection.find_one(user_id)
        return row is not None and "destroyedAt" in row
