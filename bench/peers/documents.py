"""Users and who follows them, as stored: over motor, or in memory behind the same verbs."""

import gc
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from bench.peers.settings import PeerSettings

Document = dict[str, Any]

OUTBOX_LENGTH = 32
FOR_READERS = {"outbox": False, "archivedRev": False, "counts.operations": False}
FOR_WRITERS = {"counts.operations": False}


class Documents(Protocol):
    """What every Python peer asks of the data."""

    async def by_ids(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """The documents that exist, by id."""

    async def first_pages(self, owners: Sequence[str], limit: int) -> Mapping[str, list[str]]:
        """Ids of the newest followers of each owner, at most `limit` each, by owner."""

    async def read(self, user_id: str) -> Document | None:
        """One document as of now, with its newest events."""

    async def update(
        self,
        document: Document,
        values: Mapping[str, Any],
        event: Document,
        archived_rev: int | None,
    ) -> Document | None:
        """The document after setting paths (None removes) and adding the event.

        Nothing, when the document is no longer at its revision.
        """

    async def archive(self, row: Document) -> None:
        """Keeps events that may fall off the document soon; the same row twice is one row."""


def open_documents(settings: PeerSettings) -> Documents:
    """The documents that the bench wants to be used; to be called inside the event loop."""
    if settings.documents is not None:
        return MemoryDocuments(settings.documents)
    return StoredDocuments(settings)


class StoredDocuments:
    """The documents of a database."""

    def __init__(self, settings: PeerSettings) -> None:
        client: Any = AsyncIOMotorClient(
            settings.uri,
            appname="usergraph-bench",
            tz_aware=True,
            tzinfo=UTC,
            w="majority",
            journal=True,
            readConcernLevel="majority",
            readPreference="primary",
            maxPoolSize=48,
        )
        database = client[settings.database]
        self._users = database["users"]
        self._followers = database["followers"]
        self._revisions = database["revisions"]
        self._is_embedded = settings.is_embedded

    async def by_ids(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """The documents that exist, by id."""
        cursor = self._users.find({"_id": {"$in": list(ids)}}, FOR_READERS, batch_size=1000)
        return {document["_id"]: document for document in await cursor.to_list(None)}

    async def first_pages(self, owners: Sequence[str], limit: int) -> Mapping[str, list[str]]:
        """Ids of the newest followers of each owner, at most `limit` each, by owner."""
        if len(owners) == 1:
            where = {"target": owners[0]}
            cursor = self._followers.find(where, limit=limit, batch_size=1000).sort("order", 1)
            return {owners[0]: [row["source"] for row in await cursor.to_list(None)]}
        rows = {
            "from": "followers",
            "localField": "_id",
            "foreignField": "target",
            "pipeline": [{"$sort": {"order": 1}}, {"$limit": limit}],
            "as": "rows",
        }
        stages = [
            {"$match": {"_id": {"$in": list(owners)}}},
            {"$project": {"_id": 1}},
            {"$lookup": rows},
        ]
        cursor = self._users.aggregate(stages, batchSize=1000)
        return {
            page["_id"]: [row["source"] for row in page["rows"]]
            for page in await cursor.to_list(None)
        }

    async def read(self, user_id: str) -> Document | None:
        """One document as of now, with its newest events."""
        document: Document | None = await self._users.find_one({"_id": user_id}, FOR_WRITERS)
        return document

    async def update(
        self,
        document: Document,
        values: Mapping[str, Any],
        event: Document,
        archived_rev: int | None,
    ) -> Document | None:
        """The document after the change; nothing when another one was faster."""
        sets = {path: value for path, value in values.items() if value}
        unsets = {path: "" for path, value in values.items() if not value}
        change: Document = {
            "$set": {**sets, "rev": event["rev"]},
            "$push": {"outbox": {"$each": [event], "$slice": -OUTBOX_LENGTH}},
        }
        if archived_rev is not None:
            change["$set"]["archivedRev"] = archived_rev
        if unsets:
            change["$unset"] = unsets
        expected = {"_id": document["_id"], "rev": document["rev"]}
        after: Document | None
        if self._is_embedded:
            if not (await self._users.update_one(expected, change)).matched_count:
                return None
            after = await self._users.find_one({"_id": document["_id"]}, FOR_READERS)
        else:
            after = await self._users.find_one_and_update(
                expected, change, projection=FOR_READERS, return_document=ReturnDocument.AFTER
            )
        return after

    async def archive(self, row: Document) -> None:
        """Keeps events in the archive."""
        try:
            await self._revisions.insert_one(row)
        except DuplicateKeyError:
            return


class MemoryDocuments:
    """The documents of a file, kept in memory."""

    def __init__(self, path: str) -> None:
        kept = json.loads(Path(path).read_text())
        self._users: dict[str, Document] = {}
        for document in kept["users"]:
            document["createdAt"] = datetime.fromisoformat(document["createdAt"])
            self._users[document["_id"]] = document
        self._followers: dict[str, list[str]] = kept["followers"]
        gc.freeze()  # a database would keep them out of sight of the garbage collector

    async def by_ids(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """The documents that exist, by id."""
        users = self._users
        return {user_id: users[user_id] for user_id in ids if user_id in users}

    async def first_pages(self, owners: Sequence[str], limit: int) -> Mapping[str, list[str]]:
        """Ids of the newest followers of each owner, at most `limit` each, by owner."""
        return {owner: self._followers.get(owner, [])[:limit] for owner in owners}

    async def read(self, user_id: str) -> Document | None:
        """One document as of now, with its newest events."""
        return self._users.get(user_id)

    async def update(
        self,
        document: Document,
        values: Mapping[str, Any],
        event: Document,
        archived_rev: int | None,
    ) -> Document | None:
        """The document after the change; nothing when another one was faster."""
        if self._users[document["_id"]]["rev"] != document["rev"]:
            return None
        changed = {**document, "profile": {**document["profile"]}, "rev": event["rev"]}
        changed["outbox"] = [*document["outbox"], event][-OUTBOX_LENGTH:]
        if archived_rev is not None:
            changed["archivedRev"] = archived_rev
        for path, value in values.items():
            first, _, second = path.partition(".")
            owner, name = (changed[first], second) if second else (changed, first)
            if value:
                owner[name] = value
            else:
                owner.pop(name, None)
        self._users[document["_id"]] = changed
        return changed

    async def archive(self, row: Document) -> None:
        """Keeps nothing: nobody reads the archive here."""
