"""Follows: one edge, kept twice so that both lists are one index range, newest first.

`follows` is the truth (who follows whom); `followers` mirrors it for the other list, and the counts
of both users follow. An edge that is not yet carried through has `pending`, the moment it began:
whoever meets it may finish it, any number of times (`complete`).
"""

from collections.abc import Sequence
from datetime import datetime

from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.ids import new_id
from store.lists import EdgeList, new_edge, order_key, pair_key
from store.records import Document
from store.users import Users

FORGOTTEN_AT_ONCE = 500


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

    async def add(self, source: str, target: str, *, at: datetime) -> None:
        """Makes source follow target; changes nothing when it does."""
        edge = new_edge(source, target, at=at)
        while True:
            try:
                await self._edges.insert(edge)
            except DuplicateKey:
                if await self._settled(source, target):
                    return
            else:
                await self.complete(edge)
                return

    async def remove(self, source: str, target: str, *, at: datetime) -> None:
        """Makes source no longer follow target; changes nothing when it does not."""
        removal = {"op": new_id(), "removing": True, "pending": at}
        while edge := await self._settled(source, target):
            this_edge = {"_id": edge["_id"], "op": edge["op"], "removing": None}
            if await self._edges.update(this_edge, {"$set": removal}):
                await self.complete({**edge, **removal})
                return

    async def forget(self, user_id: str, *, at: datetime) -> None:
        """Ends every follow of the user and by the user. May run twice."""
        for edges, is_source in ((self.following, True), (self.followers, False)):
            while page := await edges.page(user_id, None, FORGOTTEN_AT_ONCE):
                for edge in page:
                    pair = (user_id, edge.user_id) if is_source else (edge.user_id, user_id)
                    await self.remove(*pair, at=at)

    async def pending(self, before: datetime) -> list[Document]:
        """Edges that began before then and were never carried through."""
        return await self._edges.find({"pending": {"$lt": before}}, limit=1000)

    async def complete(self, edge: Document) -> None:
        """Carries an edge through: mirror, counts, and no longer pending. Safe to repeat."""
        is_removal = "removing" in edge
        mirror = {"_id": _mirror_key(edge)}
        await (self._mirror.delete(mirror) if is_removal else self._put_mirror(edge))
        delta = -1 if is_removal else 1
        await self._users.count(edge["source"], operation=edge["op"], following=delta)
        await self._users.count(edge["target"], operation=edge["op"], followers=delta)
        this_edge = {"_id": edge["_id"], "op": edge["op"]}
        is_ours = await (
            self._edges.delete(this_edge)
            if is_removal
            else self._edges.update(this_edge, {"$unset": {"pending": ""}})
        )
        if not is_ours:  # others went on meanwhile, so that our mirror may have come too late
            await self._correct_mirror(edge)

    async def insert_new(self, edges: Sequence[tuple[str, str, datetime]]) -> None:
        """Writes those (source, target, at) edges that do not exist, without counting them."""
        rows = [{**new_edge(source, target, at=at), "op": "seed"} for source, target, at in edges]
        for row in rows:
            del row["pending"]
        await self._edges.insert_new(rows)
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
        """The edge, once everything begun on it is carried through; nothing when there is none."""
        while edge := await self._edges.find_one(pair_key(source, target)):
            if "pending" not in edge:
                return edge
            await self.complete(edge)
        return None

    async def _put_mirror(self, edge: Document) -> None:
        row = _mirror_row(edge)
        key = row.pop("_id")
        try:
            await self._mirror.update({"_id": key}, {"$set": row}, upsert=True)
        except DuplicateKey:  # another upsert of the same row was faster
            await self._mirror.update({"_id": key}, {"$set": row})

    async def _correct_mirror(self, edge: Document) -> None:
        current = await self._edges.find_one(edge["_id"])
        if current is None or "removing" in current:
            await self._mirror.delete({"_id": _mirror_key(edge), "op": edge["op"]})
        else:
            await self._put_mirror(current)


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
