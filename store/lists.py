"""Lists of users: edges of one owner in one collection, newest first, read by one index range.

An edge's `order` is its time counted backwards with the listed user behind it: unique, so one
string keeps a place in the list while edges come and go, and ascending means newest first.
"""

from collections.abc import Awaitable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from pymongo import IndexModel

from store.coalescing import CoalescedReads, Parts
from store.driver import Collection, Database
from store.ids import new_id
from store.records import Document, Edge, edge_from_document

END_OF_TIME_MILLISECONDS = 253_402_300_800_000  # 10000-01-01, UTC


def order_key(at: datetime, user_id: str) -> str:
    """Where an edge to the user made at this moment stands in its list."""
    return f"{END_OF_TIME_MILLISECONDS - round(at.timestamp() * 1000):012x}:{user_id}"


def pair_key(owner: str, other: str) -> str:
    """The `_id` of an edge: there is at most one between two users in one direction."""
    return f"{owner}:{other}"


def new_edge(source: str, target: str, *, at: datetime) -> Document:
    """An edge that is yet to be carried through, as stored."""
    return {
        "_id": pair_key(source, target),
        "source": source,
        "target": target,
        "order": order_key(at, target),
        "at": at,
        "op": new_id(),
        "pending": at,
    }


class EdgeList:
    """The rows of a collection as one list per owner.

    `owner` and `other` name the fields that hold the list's owner and the listed user. With
    `pending`, rows that are not carried through can be found.
    """

    def __init__(
        self, database: Database, name: str, *, owner: str, other: str, pending: bool = False
    ) -> None:
        self.collection: Collection = database.collection(name)
        self._users = database.collection("users")
        self._name = name
        self._owner = owner
        self._other = other
        self._shown = (other, "order", "at")
        self._existing = CoalescedReads(self._find_existing)
        self._first_pages: dict[int, CoalescedReads[str, list[Edge]]] = {}
        self.indexes = [IndexModel([(owner, 1), ("order", 1)], name=f"{owner}_order")]
        if pending:
            self.indexes.append(IndexModel("pending", name="pending", sparse=True))

    def first_pages(
        self, owners: Sequence[str], limit: int
    ) -> Awaitable[Sequence[Sequence[Edge] | None]]:
        """The newest edges of each owner, at most `limit` each, in the order of the owners.

        Nothing for an owner who does not exist; one shared command.
        """
        reads = self._first_pages.get(limit)
        if reads is None:
            command = partial(self._find_first_pages, limit)
            reads = self._first_pages[limit] = CoalescedReads(command)
        return reads.read(owners)

    async def page(self, owner: str, after: str | None, limit: int) -> list[Edge]:
        """The edges of one owner behind the place `after`, at most `limit`; one command."""
        where: Document = {self._owner: owner}
        if after is not None:
            where["order"] = {"$gt": after}
        found = await self.collection.find(where, sort="order", limit=limit, only=self._shown)
        return self._records(found)

    async def existing(self, pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the (owner, other) pairs that have an edge; one shared command."""
        found = await self._existing.read([pair_key(*pair) for pair in pairs])
        return {pair for pair, is_there in zip(pairs, found, strict=True) if is_there}

    def reads(self) -> Iterator[CoalescedReads[Any, Any]]:
        """Its coalesced reads."""
        yield self._existing
        yield from self._first_pages.values()

    async def close(self) -> None:
        """Ends the reads that are under way."""
        await self._existing.close()
        for reads in self._first_pages.values():
            await reads.close()

    async def sizes(self) -> dict[str, int]:
        """How many edges each owner has; scans the collection."""
        counted = await self.collection.aggregate(
            [{"$group": {"_id": f"${self._owner}", "size": {"$sum": 1}}}]
        )
        return {row["_id"]: row["size"] for row in counted}

    async def _find_existing(self, keys: Sequence[str], _: Parts) -> dict[str, bool]:
        documents = await self.collection.by_keys(keys, only=["_id"])
        return {document["_id"]: True for document in documents}

    async def _find_first_pages(
        self, limit: int, owners: Sequence[str], _: Parts
    ) -> dict[str, list[Edge]]:
        if len(owners) == 1:
            return {owners[0]: await self.page(owners[0], None, limit)}
        lookup = {
            "from": self._name,
            "localField": "_id",
            "foreignField": self._owner,
            "pipeline": [
                {"$sort": {"order": 1}},
                {"$limit": limit},
                {"$project": dict.fromkeys(self._shown, 1)},
            ],
            "as": "edges",
        }
        documents = await self._users.aggregate(
            [
                {"$match": {"_id": {"$in": owners}}},
                {"$project": {"_id": 1}},
                {"$lookup": lookup},
            ]
        )
        return {document["_id"]: self._records(document["edges"]) for document in documents}

    def _records(self, documents: Sequence[Document]) -> list[Edge]:
        return [edge_from_document(document, self._other) for document in documents]
