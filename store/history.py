"""Revisions of all users in order, for a reader that may miss none and keeps its place.

A place is the database's resume token: whoever has it can go on behind it, in another process too,
until the database forgets that far back (`HistoryLost`).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from store.driver import Collection, Database
from store.errors import HistoryLost
from store.records import Document
from store.revisions import let_through

WAIT_SECONDS = 0.5

Place = Document

REVISIONS: list[Document] = [
    let_through("insert", "replace", "delete"),
    {
        "$project": {
            "operationType": 1,
            "documentKey": 1,
            "fullDocument.handle": 1,
            "updateDescription.updatedFields.handle": 1,
        }
    },
]


class ChangedUser(NamedTuple):
    """Whose revision it is; `handle` is there when it is new."""

    user_id: str
    handle: str | None


class Progress(NamedTuple):
    """How far a reader came, and for whom it read."""

    place: Place
    audience: frozenset[str]


class RevisionStream:
    """Revisions as they come."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def place(self) -> Place:
        """Behind everything that was given so far."""
        place: Place = self._stream.resume_token
        return place

    async def next(self) -> ChangedUser | None:
        """Whose the next revision is; nothing after half a second without one.

        Raises: HistoryLost when the collection was dropped, StoreFault.
        """
        change = await self._stream.try_next()
        if change is not None:
            return _changed_user(change)
        if not self._stream.alive:
            raise HistoryLost("the collection of users was dropped")
        return None


class History:
    """The revisions of all users, and the `progress` collection of those who read them."""

    def __init__(self, database: Database) -> None:
        self._users: Collection = database.collection("users")
        self._progress: Collection = database.collection("progress")

    @asynccontextmanager
    async def follow(self, place: Place | None) -> AsyncIterator[RevisionStream]:
        """Revisions behind the place, or from now on; live when this returns.

        Raises: HistoryLost, StoreFault; then or while reading.
        """
        stream: Any
        async with self._users.watch(REVISIONS, wait_seconds=WAIT_SECONDS, after=place) as stream:
            yield RevisionStream(stream)

    async def progress(self, reader: str) -> Progress | None:
        """How far the reader of this name came."""
        document = await self._progress.find_one(reader)
        return Progress(document["place"], frozenset(document["audience"])) if document else None

    async def keep_progress(self, reader: str, place: Place, audience: Sequence[str]) -> None:
        """Keeps how far the reader of this name came."""
        kept = {"place": place, "audience": sorted(audience)}
        await self._progress.update({"_id": reader}, {"$set": kept}, upsert=True)


def _changed_user(change: Document) -> ChangedUser:
    if change["operationType"] == "update":
        fields = change.get("updateDescription", {}).get("updatedFields", {})
    else:
        fields = change.get("fullDocument", {})
    return ChangedUser(change["documentKey"]["_id"], fields.get("handle"))
