"""Verifications: the code that was sent to an address, guesses at it, and how often one was sent.

Everything that limits is in the filter of an update, so that requests at the same time cannot get
past it together. Rows go away by themselves an hour after the last message.
"""

from datetime import datetime, timedelta
from math import ceil

from pymongo import IndexModel

from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.records import Document, Verification, verification_from_document

KEPT_FOR = timedelta(hours=1)
CODE_LIFETIME = timedelta(minutes=10)
TRIES = 5
"""Guesses at one code; then it is void."""
APART = timedelta(seconds=30)
"""How long after one message the next may follow to the same address."""
MOST_PER_ADDRESS = 5
MOST_PER_USER = 20
"""Messages of a user in an hour: to one address, and to all together."""


class Verifications:
    """The `verifications` collection: a row for each user, and for each of their addresses."""

    indexes = (IndexModel("expiresAt", name="expiresAt", expireAfterSeconds=0),)

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database.collection("verifications")

    async def begin(
        self, user_id: str, address: str, *, operation: str, code: str, now: datetime
    ) -> int:
        """Puts a code, given as its digest, in the place of any before it.

        Gives the seconds to wait when there were too many messages; nothing is begun then. The same
        operation gets its place once and may begin again. At most three commands.
        """
        new = {
            "code": code,
            "operation": operation,
            "lastAt": now,
            "validUntil": now + CODE_LIFETIME,
            "tries": 0,
        }
        row_id = _row_id(user_id, address)
        apart = {"$or": [{"lastAt": None}, {"lastAt": {"$lte": now - APART}}]}
        if not await self._take_place(row_id, MOST_PER_ADDRESS, now, new, apart):
            again = {"$set": {"code": code, "validUntil": now + CODE_LIFETIME}}
            where = {"_id": row_id, "operation": operation, "usedBy": None}
            if await self.collection.update(where, again):
                return 0
            return max(1, await self.seconds_to_wait(user_id, address, now=now))
        if await self._take_place(user_id, MOST_PER_USER, now, {}, {}):
            return 0
        await self.fail(user_id, address, operation)
        return max(1, await self.seconds_to_wait(user_id, address, now=now))

    async def fail(self, user_id: str, address: str, operation: str) -> None:
        """Gives the place of a message back that did not leave; its code stays good."""
        await self.collection.update(
            {"_id": _row_id(user_id, address), "operation": operation},
            {"$pop": {"sentAt": 1}, "$unset": {"lastAt": "", "operation": ""}},
        )

    async def seconds_to_wait(self, user_id: str, address: str, *, now: datetime) -> int:
        """How long until a message may follow; 0 when one may now."""
        row_id = _row_id(user_id, address)
        rows = {row["_id"]: row for row in await self.collection.by_keys([row_id, user_id])}
        own, all_ = rows.get(row_id, {}), rows.get(user_id, {})
        times = [_free_at(own, MOST_PER_ADDRESS), _free_at(all_, MOST_PER_USER)]
        if "lastAt" in own:
            times.append(own["lastAt"] + APART)
        waits = [(time - now).total_seconds() for time in times if time is not None]
        return max(0, ceil(max(waits, default=0)))

    async def guess(
        self, user_id: str, address: str, *, now: datetime
    ) -> tuple[bool, Verification | None]:
        """Counts a guess; whether there was one left, and the row. Two commands."""
        row_id = _row_id(user_id, address)
        is_counted = await self.collection.update(
            {
                "_id": row_id,
                "tries": {"$lt": TRIES},
                "validUntil": {"$gt": now},
                "usedBy": None,
            },
            {"$inc": {"tries": 1}},
        )
        row = await self.collection.find_one(row_id)
        return is_counted, verification_from_document(row) if row and "code" in row else None

    async def use(self, user_id: str, address: str, code: str, *, operation: str) -> bool:
        """Voids the code, given as its digest, for all but the operation; false if it is void."""
        where = {"_id": _row_id(user_id, address), "code": code, "usedBy": None}
        return await self.collection.update(where, {"$set": {"usedBy": operation}})

    async def forget(self, user_id: str) -> None:
        """Deletes every row of a user. May run twice."""
        own = {"$gte": user_id, "$lt": f"{user_id}\U0010ffff"}
        for row in await self.collection.find({"_id": own}, only=["_id"]):
            await self.collection.delete({"_id": row["_id"]})

    async def _take_place(
        self, row_id: str, most: int, now: datetime, values: Document, guard: Document
    ) -> bool:
        """Notes a message, unless there were so many in the hour before."""
        free = {
            "$or": [
                {f"sentAt.{most - 1}": {"$exists": False}},
                {"sentAt.0": {"$lte": now - KEPT_FOR}},
            ]
        }
        change = {
            "$set": {**values, "expiresAt": now + KEPT_FOR},
            "$push": {"sentAt": {"$each": [now], "$slice": -most}},
            "$unset": {"usedBy": ""},
        }
        where = {"_id": row_id, "$and": [free, guard] if guard else [free]}
        try:
            return await self.collection.update(where, change, upsert=True)
        except DuplicateKey:
            return False


def _row_id(user_id: str, address: str) -> str:
    return f"{user_id}:{address}"


def _free_at(row: Document, most: int) -> datetime | None:
    """When the oldest of so many messages no longer counts, if there were so many."""
    sent: list[datetime] = row.get("sentAt", [])
    return sent[0] + KEPT_FOR if len(sent) >= most else None
