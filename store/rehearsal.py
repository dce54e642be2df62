"""A database of sample documents that notes what it is asked: every key leads to a document.

To see what an operation reads, without a database. It keeps nothing and cannot be written to.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any, NamedTuple, cast

from store.driver import Database, Document
from store.errors import StoreFault
from store.ids import encode
from store.lists import new_edge
from store.records import User
from store.store import Store


class Read(NamedTuple):
    """One database command, and how many keys it named; none for a range."""

    collection: str
    command: str
    keys: int | None


class Rehearsal:
    """What reads are made of documents that all look like one user.

    Each list has `rows` entries, as far as somebody asks for so many. Nobody blocks or follows
    another when that is asked of a pair.
    """

    name = "rehearsal"
    driver = "rehearsal"

    def __init__(self, like: User, rows: int) -> None:
        self.reads: list[Read] = []
        self.like = like
        self.rows = rows
        self.handles: dict[str, str] = {}

    def collection(self, name: str) -> "RehearsedCollection":
        """The collection of this name."""
        return RehearsedCollection(name, self)

    def store(self) -> Store:
        """A store over it."""
        return Store(cast(Database, self))

    def user(self, user_id: str) -> Document:
        """The document of any user."""
        document = self.like.stored()
        return {**document, "_id": user_id, "handle": self.handles.get(user_id, f"u.{user_id}")}

    def claim(self, handle: str) -> Document:
        """The registry's row of any handle: somebody has it."""
        user_id = _id("holder", handle)
        self.handles[user_id] = handle
        return {"_id": handle, "userId": user_id, "claimedAt": self.like.created_at}

    def edges(self, owner: str, other: str, user_id: str, limit: int) -> list[Document]:
        """The newest rows of a list; `owner` and `other` name their fields."""
        edges = []
        for index in range(min(limit, self.rows)):
            at = self.like.created_at - timedelta(seconds=index)
            listed = _id(user_id, str(index))
            edges.append({**new_edge(user_id, listed, at=at), owner: user_id, other: listed})
        return edges

    async def close(self) -> None:
        """Closes nothing."""


class RehearsedCollection:
    """The verbs of `store.driver.Collection` that read."""

    def __init__(self, name: str, rehearsal: Rehearsal) -> None:
        self.name = name
        self._rehearsal = rehearsal

    async def by_keys(self, keys: Sequence[str], **_: Any) -> list[Document]:
        """A document for each key, of users and of handles; of pairs there is none."""
        self._note("find", len(keys))
        make = {"users": self._rehearsal.user, "handles": self._rehearsal.claim}.get(self.name)
        return list(map(make, keys)) if make else []

    async def find(
        self, where: Mapping[str, Any], *, sort: str | None = None, limit: int = 0, **_: Any
    ) -> list[Document]:
        """The rows of an owner; of users, as many as a list has. Raises: StoreFault."""
        self._note("find", None)
        rehearsal = self._rehearsal
        for owner, other in (("source", "target"), ("target", "source")):
            if isinstance(where.get(owner), str):
                return rehearsal.edges(owner, other, where[owner], limit)
        if self.name == "users" and sort == "handle":
            prefix = where["handle"].get("$gte", "")
            found = [_id(prefix, str(index)) for index in range(min(limit, rehearsal.rows))]
            rehearsal.handles.update({user_id: f"{prefix}{user_id}" for user_id in found})
            return [rehearsal.user(user_id) for user_id in found]
        if self.name == "users" and sort == "nameKey":
            return []
        raise StoreFault(f"a rehearsal has no {self.name} to find")

    async def find_one(self, key: str, **_: Any) -> Document | None:
        """Nothing."""
        self._note("find", 1)
        return None

    async def aggregate(self, pipeline: Sequence[Document]) -> list[Document]:
        """The first rows of several owners. Raises: StoreFault for another pipeline."""
        if [next(iter(stage)) for stage in pipeline] != ["$match", "$project", "$lookup"]:
            raise StoreFault("a rehearsal has no such pipeline")
        owners = pipeline[0]["$match"]["_id"]["$in"]
        lookup = pipeline[2]["$lookup"]
        self._note("aggregate", len(owners))
        owner, limit = lookup["foreignField"], lookup["pipeline"][1]["$limit"]
        other = "source" if owner == "target" else "target"
        return [
            {"_id": key, lookup["as"]: self._rehearsal.edges(owner, other, key, limit)}
            for key in owners
        ]

    def _note(self, command: str, keys: int | None) -> None:
        self._rehearsal.reads.append(Read(self.name, command, keys))


def _id(*words: str) -> str:
    return encode(Random(" ".join(words)).getrandbits(128))
