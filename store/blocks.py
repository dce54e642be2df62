"""Blocks: one edge per pair and direction; a block ends the follows between the two users."""

from collections.abc import Sequence
from datetime import datetime

from pymongo import IndexModel

from store.driver import Database
from store.errors import DuplicateKey
from store.follows import Follows
from store.lists import EdgeList, new_edge, pair_key
from store.records import Document


class Blocks:
    """The `blocks` collection."""

    def __init__(self, database: Database, follows: Follows) -> None:
        self._follows = follows
        self.blocked = EdgeList(database, "blocks", owner="source", other="target", pending=True)
        self.blocked.indexes.append(IndexModel([("target", 1), ("_id", 1)], name="target"))
        self._edges = self.blocked.collection

    async def existing(self, pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the (source, target) pairs where source blocks target; one command."""
        return await self.blocked.existing(pairs)

    async def of(self, user_id: str, after: str, limit: int) -> list[Document]:
        """Blocks by the user and of the user whose `_id` is behind this, in its order."""
        ends = [{"source": user_id}, {"target": user_id}]
        where = {"$or": ends, "_id": {"$gt": after}}
        return await self._edges.find(where, sort="_id", limit=limit)

    async def add(self, source: str, target: str, *, at: datetime) -> None:
        """Makes source block target and ends the follows between them."""
        edge = new_edge(source, target, at=at)
        try:
            await self._edges.insert(edge)
        except DuplicateKey:
            existing = await self._edges.find_one(edge["_id"])
            if existing is not None and "pending" not in existing:
                return
        await self.complete(edge)

    async def remove(self, source: str, target: str) -> None:
        """Makes source no longer block target; the follows stay ended."""
        await self._edges.delete({"_id": pair_key(source, target)})

    async def pending(self, before: datetime) -> list[Document]:
        """Blocks that began before then and were never carried through."""
        return await self._edges.find({"pending": {"$lt": before}}, limit=1000)

    async def complete(self, edge: Document) -> None:
        """Carries a block through: no follows between the two, no longer pending. Repeatable."""
        source, target, at = edge["source"], edge["target"], edge["at"]
        await self._follows.remove(source, target, at=at)
        await self._follows.remove(target, source, at=at)
        await self._edges.update({"_id": edge["_id"]}, {"$unset": {"pending": ""}})
