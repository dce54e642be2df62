"""Users: one document each, read by key, changed by one guarded update that carries its event."""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

from pymongo import IndexModel

from store.coalescing import CoalescedReads, Parts
from store.diffs import diff_of, sealed_diff
from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.records import PATHS, Absorption, Author, Document, Revision, Status, User, to_stored
from store.revisions import Revisions, revision_document
from store.sealing import DataKey

SCHEMA_VERSION = 1
OUTBOX_LENGTH = 32
"""Events kept with a user; older ones are in the archive."""
ARCHIVE_EVERY = 16
"""So many events are archived at once, well before the first of them would be dropped."""
COUNT_OPERATIONS = 128
"""Operations remembered per user so that counting one of them twice has no effect."""

COUNTED = "counts.operations"
BOOKKEEPING = (
    *("outbox", "archivedRev", COUNTED, "schemaVersion", "absorbs"),
    *("consents.head", "consents.due"),
)
"""What only writers and watchers of one user look at."""
UNSEARCHED = (*BOOKKEEPING, "nameKey")

SETTABLE = (
    *("handle", "handle_changed_at", "former_handles", "display_name", "bio", "pronouns", "links"),
    *("avatar", "profile_color", "country", "locale", "time_zone"),
    *("visibility", "birth_date", "age_band"),
)
"""The attributes that somebody may set."""
PARTS_OF_ALL = frozenset(
    {
        *("id", "rev", "status", "suspended_until", "handle", "former_handles"),
        *("is_narrowed", "visibility", "age_band"),
    }
)
"""What is read of every user: it says who sees it, and whether a handle leads there."""

PROJECTIONS = 1000
"""Sets of parts whose paths are remembered."""


class Users:
    """The `users` collection."""

    indexes = (
        IndexModel("handle", name="handle"),
        IndexModel("nameKey", name="nameKey"),
        IndexModel("consents.due.at", name="consents_due", sparse=True),
        IndexModel("status.eraseAt", name="eraseAt", sparse=True),
        IndexModel("absorbs.at", name="absorbs", sparse=True),
        IndexModel("mergedInto", name="mergedInto", sparse=True),
        IndexModel("privacy.age.teen", name="teen", sparse=True),
        IndexModel("privacy.age.adult", name="adult", sparse=True),
    )

    def __init__(self, database: Database, revisions: Revisions) -> None:
        self.collection: Collection = database.collection("users")
        self._revisions = revisions
        self._reads = CoalescedReads(self._find)
        self._reads_with_revisions = CoalescedReads(self._find_with_revisions)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def by_ids(self, ids: Sequence[str], parts: Parts = None) -> Awaitable[Sequence[User | None]]:
        """The users in the order of their identifiers, nothing for those that do not exist.

        At least these parts of them, which are attributes of the record; one shared command.
        """
        return self._reads.read(ids, parts)

    async def by_id(self, user_id: str) -> User | None:
        """One user as of now, past every cache, with its newest revisions; one shared command."""
        [user] = await self._reads_with_revisions.read([user_id])
        return user

    async def with_handle_from(
        self, prefix: str, after: str | None, limit: int, *, now: datetime
    ) -> list[User]:
        """Active users whose handle starts with the prefix, by handle, after that handle."""
        where = {"handle": _prefix_range(prefix, after), **_active(now)}
        found = await self.collection.find(where, sort="handle", limit=limit, without=UNSEARCHED)
        return list(map(User, found))

    async def with_name_from(
        self,
        prefix: str,
        after: str | None,
        limit: int,
        *,
        but_not_handles_from: str,
        now: datetime,
    ) -> list[tuple[str, User]]:
        """Active users whose display name starts with the folded prefix, each with its sort key.

        Users whose handle starts with `but_not_handles_from` are left out.

        The sort key is the folded display name with the identifier behind it: it is unique, so
        one string keeps the place in the list.
        """
        where = {
            "nameKey": _prefix_range(prefix, after),
            "handle": {"$not": _prefix_range(but_not_handles_from, None)},
            **_active(now),
        }
        found = await self.collection.find(where, sort="nameKey", limit=limit, without=BOOKKEEPING)
        return [(document["nameKey"], User(document)) for document in found]

    async def insert(
        self, user: User, *, operation: str, event: str, author: Author | None = None
    ) -> bool:
        """Writes a new user with its first event; false when the identifier is in use."""
        document = _document(user, operation, event, author)
        try:
            await self.collection.insert(document)
        except DuplicateKey:
            return False
        return True

    def turn(self, user_id: str) -> asyncio.Lock:
        """What to hold while reading and then changing the user.

        The guard of `change` decides who is first. This only keeps those who write in this process
        from failing at it again and again, which is what most of them would do.
        """
        return self._turns.setdefault(user_id, asyncio.Lock())

    async def change(
        self,
        user: User,
        values: Mapping[str, Any],
        *,
        operation: str,
        event: str,
        at: datetime,
        author: Author | None = None,
        key: DataKey | None = None,
    ) -> User | None:
        """Sets fields of the user and adds the event, if the user is still at this revision.

        `values` goes from a record's field name to its new value; None or nothing in it removes it.
        With the user's key the event has the values before and after, sealed. One atomic update.
        Gives the user afterwards, with the counts as they were before; nothing when somebody else
        was faster, and nothing is written then. Every sixteenth time the events of the outbox are
        archived before.
        """
        rev = user.rev + 1
        stored = {PATHS[name]: to_stored(value) for name, value in values.items()}
        if "display_name" in values:
            name = values["display_name"]
            stored["nameKey"] = name_key(name, user.id) if name else None
        sets = {path: value for path, value in stored.items() if value}
        unsets = {path: "" for path, value in stored.items() if not value}
        told = {path: value for path, value in stored.items() if path not in BOOKKEEPING}
        diff = sealed_diff(key, rev, diff_of(user, told)) if key else None
        fields = tuple(sorted(name for name in values if PATHS[name] in told))
        revision = Revision(rev, event, operation, at, fields, author, diff)
        change = await self._put(user, revision)
        change["$set"] = {**sets, "rev": rev, **change.get("$set", {})}
        if unsets:
            change["$unset"] = unsets
        is_first = await self.collection.update({"_id": user.id, "rev": user.rev}, change)
        return user.changed(rev, values) if is_first else None

    async def count(
        self, user_id: str, *, operation: str, followers: int = 0, following: int = 0
    ) -> None:
        """Adds to the counts of a user, once per operation however often it is called."""
        await self.collection.update(
            {
                "_id": user_id,
                "counts.operations": {"$ne": operation},
                "status.value": {"$ne": Status.ERASED.value},
            },
            {
                "$inc": {"counts.followers": followers, "counts.following": following},
                "$push": {"counts.operations": {"$each": [operation], "$slice": -COUNT_OPERATIONS}},
            },
        )

    async def due_for_erasure(self, now: datetime, limit: int) -> list[User]:
        """Users whose erasure is due, those due longest first; each with its newest revisions."""
        where = {"status.eraseAt": {"$lte": now}}
        found = await self.collection.find(
            where, sort="status.eraseAt", limit=limit, without=[COUNTED]
        )
        return list(map(User, found))

    async def merged_into(self, user_id: str) -> list[User]:
        """Accounts that were merged into this one, not by way of others."""
        found = await self.collection.find({"mergedInto": user_id}, without=[COUNTED])
        return list(map(User, found))

    async def erase(
        self, user: User, *, operation: str, event: str, at: datetime, is_due: bool = True
    ) -> bool:
        """Leaves a tombstone of a user whose erasure is due, if still at this revision.

        One atomic update, after which the document holds the identifier, the status with its
        moment, the revision and its event, and nothing else; false when somebody else was faster.
        Who was erased once already need not be due.
        """
        revision = Revision(user.rev + 1, event, operation, at, ("status",))
        tombstone = {
            "rev": revision.rev,
            "status": {"value": Status.ERASED.value, "at": at},
            "schemaVersion": SCHEMA_VERSION,
            "outbox": [revision_document(revision)],
        }
        due = {
            "status.value": Status.ERASURE_SCHEDULED.value,
            "status.eraseAt": {"$lte": at},
        }
        guard = {"_id": user.id, "rev": user.rev, **(due if is_due else {})}
        return await self.collection.replace(guard, tombstone)

    async def absorbing(self, before: datetime) -> list[User]:
        """Users into whom another was to be merged since before then, and is not yet wholly."""
        where = {"absorbs.at": {"$lt": before}}
        return list(map(User, await self.collection.find(where, limit=1000, without=[COUNTED])))

    async def absorbed(self, user_id: str, absorption: Absorption) -> None:
        """Notes that nothing is being merged into the user any more; no revision tells it."""
        where = {"_id": user_id, "absorbs.userId": absorption.user_id, "absorbs.at": absorption.at}
        await self.collection.update(where, {"$unset": {"absorbs": ""}})

    async def forget_birthdays(self, now: datetime) -> int:
        """Takes birthdays that are over out of ages, which stay the same; how many.

        No revision, because nobody sees a difference. Safe to repeat.
        """
        forgotten = 0
        for birthday, band in (("teen", "TEEN"), ("adult", "ADULT")):
            path = f"privacy.age.{birthday}"
            is_over = {path: {"$lte": now}}
            change = {"$set": {"privacy.age.band": band}, "$unset": {path: ""}}
            for document in await self.collection.find(is_over, limit=1000, only=["_id"]):
                forgotten += await self.collection.update({**document, **is_over}, change)
        return forgotten

    async def any(self) -> bool:
        """Whether there is a user at all."""
        return bool(await self.collection.find({}, limit=1))

    async def insert_new(self, users: Sequence[User], *, operation: str, event: str) -> None:
        """Writes those of the users whose identifier is free; for sample data."""
        await self.collection.insert_new([_document(user, operation, event) for user in users])

    async def set_counts(self, user_id: str, *, followers: int, following: int) -> None:
        """Overwrites the counts of a user; for sample data that nobody else writes."""
        await self.collection.update(
            {"_id": user_id},
            {"$set": {"counts.followers": followers, "counts.following": following}},
        )

    def reads(self) -> Iterator[CoalescedReads[Any, Any]]:
        """Its coalesced reads."""
        yield from (self._reads, self._reads_with_revisions)

    async def close(self) -> None:
        """Ends the reads that are under way."""
        await self._reads.close()
        await self._reads_with_revisions.close()

    async def _find(self, ids: Sequence[str], parts: Parts) -> dict[str, User]:
        if parts is None:
            documents = await self.collection.by_keys(ids, without=UNSEARCHED)
        else:
            documents = await self.collection.by_keys(ids, only=_paths(parts))
        return {document["_id"]: User(document) for document in documents}

    async def _find_with_revisions(self, ids: Sequence[str], _: Parts) -> dict[str, User]:
        documents = await self.collection.by_keys(ids, without=[COUNTED])
        return {document["_id"]: User(document) for document in documents}

    async def _put(self, user: User, revision: Revision) -> Document:
        """How the event is added to the user's; they are archived before, when it is time."""
        event = revision_document(revision)
        recent = user.recent_revisions if user.rev - user.archived_rev >= ARCHIVE_EVERY else ()
        due = [earlier for earlier in recent if earlier.rev > user.archived_rev]
        if len(due) < ARCHIVE_EVERY:
            return {"$push": {"outbox": {"$each": [event], "$slice": -OUTBOX_LENGTH}}}
        await self._revisions.archive(user.id, due)
        # Their diffs are large, and in the archive from now on.
        archived = [revision_document(replace(earlier, diff=None)) for earlier in recent]
        outbox = [*archived, event][-OUTBOX_LENGTH:]
        return {"$set": {"outbox": outbox, "archivedRev": due[-1].rev}}


def name_key(display_name: str, user_id: str) -> str:
    """What display names are sorted and searched by: folded, then the identifier."""
    return f"{display_name.casefold()}\x00{user_id}"


@lru_cache(PROJECTIONS)
def _paths(parts: frozenset[str]) -> tuple[str, ...]:
    """What to read of documents for these parts of their users."""
    paths = {PATHS[part] for part in parts | PARTS_OF_ALL if part in PATHS}
    # The server refuses to be asked for a part of what it is asked for as a whole.
    return tuple(sorted(path for path in paths if path.partition(".")[0] not in paths - {path}))


def _active(now: datetime) -> Document:
    """Who is active: also who was suspended until a moment that has passed."""
    over = {"status.value": Status.SUSPENDED.value, "status.until": {"$lte": now}}
    return {"$or": [{"status.value": Status.ACTIVE.value}, over]}


def _prefix_range(prefix: str, after: str | None) -> Document:
    lower = {"$gt": after} if after is not None and after >= prefix else {"$gte": prefix}
    return {**lower, "$lt": prefix + "\U0010ffff"}


def _document(user: User, operation: str, event: str, author: Author | None = None) -> Document:
    """A new user as stored."""
    fields = tuple(sorted(name for name in SETTABLE if getattr(user, name)))
    revision = Revision(user.rev, event, operation, user.created_at, fields, author)
    document = {
        **user.stored(),
        "schemaVersion": SCHEMA_VERSION,
        "outbox": [revision_document(revision)],
    }
    if user.display_name:
        document["nameKey"] = name_key(user.display_name, user.id)
    return document
