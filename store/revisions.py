"""Revisions: what of a user changed and when, kept for a year and a month.

The newest ones travel with the user's document. Before any of them would fall off there, whoever
changes the user archives them here, many in one row, and says so in the update that may let them
fall off. So no crash loses one; archiving twice writes the same row twice, which is ignored.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import takewhile

from pymongo import IndexModel

from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.records import Document, Revision, User, revision_from_document

KEPT_FOR = timedelta(days=400)
"""How long a row stays after the newest of its revisions."""
PAGE_ROWS = 4
ROW_REVISIONS = 32
"""The most revisions that a row can have: a user's document has no more."""


class Revisions:
    """The `revisions` collection."""

    indexes = (
        IndexModel([("owner", 1), ("rev", 1)], name="owner_rev"),
        IndexModel("expiresAt", name="expiresAt", expireAfterSeconds=0),
    )

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database.collection("revisions")

    async def archive(self, user_id: str, revisions: Sequence[Revision]) -> None:
        """Keeps these consecutive revisions of the user; may run twice."""
        newest = revisions[-1]
        row = {
            "_id": f"{user_id}:{newest.rev:010d}",
            "owner": user_id,
            "rev": newest.rev,
            "revisions": [revision_document(revision) for revision in revisions],
            "expiresAt": newest.at + KEPT_FOR,
        }
        with suppress(DuplicateKey):
            await self.collection.insert(row)

    async def after(self, user: User, rev: int) -> Sequence[Revision]:
        """Kept revisions of the user after this one, oldest first, without a gap, a page of them.

        Those that travel with the user need no command, others one. When the first is not the
        next, those between are no longer kept.
        """
        recent = _after(rev, user.recent_revisions)
        if recent and recent[0].rev == rev + 1:
            return recent
        rows = await self.collection.find(
            {"owner": user.id, "rev": {"$gt": rev}}, sort="rev", limit=PAGE_ROWS
        )
        archived = [revision_from_document(event) for row in rows for event in row["revisions"]]
        return _after(rev, archived) or recent

    async def until(self, user: User, rev: int, limit: int) -> Sequence[Revision]:
        """Kept revisions of the user up to this one, newest first, without a gap, at most `limit`.

        With their diffs; one command where they are archived.
        """
        oldest = rev - limit
        found = {
            event.rev: event for event in user.recent_revisions if event.rev > user.archived_rev
        }
        if oldest < min(found, default=user.rev + 1) - 1:
            within: Document = {"$gt": oldest, "$lt": rev + ROW_REVISIONS}
            where = {"owner": user.id, "rev": within}
            rows = await self.collection.find(where, sort="rev")
            archived = (revision_from_document(event) for row in rows for event in row["revisions"])
            found.update((event.rev, event) for event in archived)
        return [
            found[number]
            for number in takewhile(found.__contains__, range(rev, max(oldest, 0), -1))
        ]


def let_through(*operations: str) -> Document:
    """A stage for change streams of users: revisions made by an update or by these operations.

    Updates of counts alone carry no revision.
    """
    update = {
        "operationType": "update",
        "updateDescription.updatedFields.rev": {"$exists": True},
    }
    return {"$match": {"$or": [{"operationType": {"$in": list(operations)}}, update]}}


def revision_document(revision: Revision) -> Document:
    """A revision as it is stored with its user and in the archive."""
    document: Document = {
        "rev": revision.rev,
        "kind": revision.kind,
        "op": revision.operation,
        "at": revision.at,
        "fields": list(revision.fields),
    }
    if revision.author is not None:
        document["by"] = list(revision.author)
    if revision.diff is not None:
        document["diff"] = revision.diff
    return document


def _after(rev: int, revisions: Sequence[Revision]) -> list[Revision]:
    """Those after `rev` up to the first gap, each once."""
    found: list[Revision] = []
    for revision in revisions:
        if revision.rev > rev and (not found or revision.rev == found[-1].rev + 1):
            found.append(revision)
    return found
