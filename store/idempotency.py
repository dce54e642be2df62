"""Idempotency keys: what was begun under a key, and what came of it, for 48 hours."""

import json
from datetime import datetime, timedelta

from pymongo import IndexModel

from store.chains import LedgerKey
from store.driver import Collection, Database
from store.errors import DuplicateKey, KeyUnavailable
from store.ids import new_id
from store.records import Attempt, Document, attempt_from_document

KEPT_FOR = timedelta(hours=48)
LEASE = timedelta(seconds=30)
"""After so long without an outcome an attempt counts as crashed and may be taken over."""


class Idempotency:
    """The `idempotency` collection; without a key nothing can be done under an idempotency key."""

    indexes = (IndexModel("expiresAt", name="expiresAt", expireAfterSeconds=0),)

    def __init__(self, database: Database, key: LedgerKey | None) -> None:
        self.collection: Collection = database.collection("idempotency")
        self._key = key

    def digest(self, value: object) -> str:
        """The keyed digest of a value in JSON's types, the same in every process.

        Raises: KeyUnavailable.
        """
        if self._key is None:
            raise KeyUnavailable("there is no key for digests of requests")
        return self._key.request(json.dumps(value, sort_keys=True))

    async def begin(self, operation: str, request_hash: str, *, now: datetime) -> Attempt | None:
        """A new attempt; nothing when there is one under this operation already."""
        document = {
            "_id": operation,
            "requestHash": request_hash,
            "startedAt": now,
            "newId": new_id(),
            "expiresAt": now + KEPT_FOR,
        }
        try:
            await self.collection.insert(document)
        except DuplicateKey:
            return None
        return attempt_from_document(document)

    async def find(self, operation: str) -> Attempt | None:
        """The attempt under this operation."""
        document = await self.collection.find_one(operation)
        return attempt_from_document(document) if document else None

    async def take_over(self, attempt: Attempt, *, now: datetime) -> bool:
        """Makes an attempt that ended without an outcome ours; false when another was faster."""
        return await self.collection.update(
            {"_id": attempt.operation, "startedAt": attempt.started_at, "outcome": None},
            {"$set": {"startedAt": now}},
        )

    async def finish(self, operation: str, outcome: Document) -> None:
        """Records what came of the attempt."""
        await self.collection.update({"_id": operation}, {"$set": {"outcome": outcome}})

    async def give_up(self, attempt: Attempt) -> None:
        """Lets the next try take over at once instead of after the lease."""
        await self.collection.update(
            {"_id": attempt.operation, "startedAt": attempt.started_at, "outcome": None},
            {"$set": {"startedAt": attempt.started_at - LEASE}},
        )
