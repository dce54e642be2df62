"""Follows: one edge, kept twice so that both lists are one index range, newest first.

`follows` is the truth (who follows whom); `followers` mirrors it for the other list, and the counts
of both users follow. An edge that is not yet carried through has `pending`, the moment it began:
whoever meets it may finish it, any number of times (`complete`).
"""

from collections.abc import Sequence
from datetime import datetime

from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.lists import EdgeList, new_edge, order_key, pair_key
from store.records import Document
from store.users import Users


class Follows:
    """The `follows` and `followers` collections."""

    def __init__(self, database: Database, users: Users) -> None:
        self._users = users
        self.following = EdgeList(database, "follows", owner="source", other="target", pending=True)
        self.followers = EdgeList(database, "followers", owner="target", other="source")
        self._edges: Collection = self.following.collection
        self._mirror: Collection = self.followers.collection

    async def existing(self, pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the (source, target) pairs where source follows target; one command."""
        return await self.following.existing(pairs)

    async def add(self, source: str, target: str, *, operation: str, at: datetime) -> bool:
        """Makes source follow target; false when it did so before this operation."""
        edge = new_edge(source, target, operation=operation, at=at)
        try:
            await self._edges.insert(edge)
        except DuplicateKey:
            existing = await self._settled(source, target)
            if existing is None:  # it was on its way out
                return await self.add(source, target, operation=operation, at=at)
            return bool(existing["op"] == operation)
        await self.complete(edge)
        return True

    async def remove(self, source: str, target: str, *, operation: str, at: datetime) -> bool:
        """Makes source no longer follow target; false when it did not."""
        existing = await self._settled(source, target)
        if existing is None:
            return False
        removal = {"op": operation, "removing": True, "pending": at}
        found = await self._edges.update(
            {"_id": existing["_id"], "op": existing["op"]}, {"$set": removal}
        )
        if not found:  # somebody else was faster; look again
            return await self.remove(source, target, operation=operation, at=at)
        await self.complete({**existing, **removal})
        return True

    async def pending(self, before: datetime) -> list[Document]:
        """Edges that began before then and were never carried through."""
        return await self._edges.find({"pending": {"$lt": before}}, limit=1000)

    async def complete(self, edge: Document) -> None:
        """Carries an edge through: mirror, counts, and no longer pending. Safe to repeat."""
        delta = -1 if edge.get("removing") else 1
        await (self._unmirror(edge) if edge.get("removing") else self._put_mirror(edge))
        source, target, operation = edge["source"], edge["target"], edge["op"]
        await self._users.count(source, operation=operation, following=delta)
        await self._users.count(target, operation=operation, followers=delta)
        this_edge = {"_id": edge["_id"], "op": operation}
        if edge.get("removing"):
            await self._edges.delete(this_edge)
        elif not await self._edges.update(this_edge, {"$unset": {"pending": ""}}):
            # Removed meanwhile by somebody who completed it first: our mirror row came too late.
            await self._mirror.delete({"_id": _mirror_key(edge), "op": operation})

    async def insert_new(self, edges: Sequence[tuple[str, str, datetime]]) -> None:
        """Writes those (source, target, at) edges that do not exist, without counting them."""
        rows: list[Document] = [
            {"source": source, "target": target, "at": at, "op": "seed"}
            for source, target, at in edges
        ]
        await self._edges.insert_new(
            [
                {
                    "_id": pair_key(row["source"], row["target"]),
                    **row,
                    "order": order_key(row["at"], row["target"]),
                }
                for row in rows
            ]
        )
        await self._mirror.insert_new([_mirror_row(row) for row in rows])

    async def counts(self) -> dict[str, tuple[int, int]]:
        """(followers, following) of every user, counted from the edges; scans both collections."""
        followers = await self.followers.sizes()
        following = await self.following.sizes()
        return {
            user_id: (followers.get(user_id, 0), following.get(user_id, 0))
            for user_id in followers.keys() | following.keys()
        }

    async def _settled(self, source: str, target: str) -> Document | None:
        """The edge as it stands once everything begun on it is carried through."""
        edge = await self._edges.find_one(pair_key(source, target))
        if edge is not None and "pending" in edge:
            await self.complete(edge)
            if edge.get("removing"):
                return await self._edges.find_one(edge["_id"])
        return edge

    async def _put_mirror(self, edge: Document) -> None:
        row = _mirror_row(edge)
        key = row.pop("_id")
        try:  # a newer edge between the two users wins: then the filter misses and the insert fails
            await self._mirror.update(
                {"_id": key, "at": {"$lte": edge["at"]}}, {"$set": row}, upsert=True
            )
        except DuplicateKey:
            return

    async def _unmirror(self, edge: Document) -> None:
        await self._mirror.delete({"_id": _mirror_key(edge), "at": {"$lte": edge["at"]}})


def _mirror_key(edge: Document) -> str:
    return pair_key(edge["target"], edge["source"])


def _mirror_row(edge: Document) -> Document:
    return {
        "_id": _mirror_key(edge),
        "source": edge["source"],
        "target": edge["target"],
        "order": order_key(edge["at"], edge["source"]),
        "at": edge["at"],
        "op": edge["op"],
    }
