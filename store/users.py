"""Users: one document each, read by key, changed by one guarded update that carries its event."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pymongo import IndexModel

from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.records import Document, Revision, Status, User, user_from_document
from store.revisions import Revisions, revision_document

SCHEMA_VERSION = 1
OUTBOX_LENGTH = 32
"""Events kept with a user; older ones are in the archive."""
ARCHIVE_EVERY = 16
"""So many events are archived at once, well before the first of them would be dropped."""
COUNT_OPERATIONS = 128
"""Operations remembered per user so that counting one of them twice has no effect."""

COUNTED = "counts.operations"
BOOKKEEPING = ("outbox", "archivedRev", COUNTED)
"""What only writers and watchers of one user look at."""

# Where a record's field lives in the document: the fields that a change may set.
PATHS = {
    "handle": "handle",
    "handle_changed_at": "handleChangedAt",
    "former_handles": "formerHandles",
    "display_name": "profile.displayName",
    "bio": "profile.bio",
    "pronouns": "profile.pronouns",
    "links": "profile.links",
    "profile_color": "profile.color",
    "country": "locale.country",
    "locale": "locale.language",
    "time_zone": "locale.timeZone",
}
SET_AT_FIRST = (*PATHS, "avatar")
"""The fields that a new user may have."""


class Users:
    """The `users` collection."""

    indexes = (
        IndexModel("handle", name="handle"),
        IndexModel("nameKey", name="nameKey"),
    )

    def __init__(self, database: Database, revisions: Revisions) -> None:
        self.collection: Collection = database.collection("users")
        self._revisions = revisions

    async def by_ids(self, ids: Sequence[str]) -> dict[str, User]:
        """The users that exist, by identifier; one command."""
        documents = await self.collection.find({"_id": {"$in": list(ids)}}, without=BOOKKEEPING)
        return {document["_id"]: user_from_document(document) for document in documents}

    async def by_id(self, user_id: str) -> User | None:
        """One user as of now, past every cache, with its newest revisions."""
        document = await self.collection.find_one(user_id, without=[COUNTED])
        return user_from_document(document) if document else None

    async def with_handle_from(self, prefix: str, after: str | None, limit: int) -> list[User]:
        """Active users whose handle starts with the prefix, by handle, after that handle."""
        where = {"handle": _prefix_range(prefix, after), "status.value": Status.ACTIVE.value}
        found = await self.collection.find(where, sort="handle", limit=limit, without=BOOKKEEPING)
        return [user_from_document(document) for document in found]

    async def with_name_from(
        self, prefix: str, after: str | None, limit: int, *, but_not_handles_from: str
    ) -> list[tuple[str, User]]:
        """Active users whose display name starts with the folded prefix, each with its sort key.

        Users whose handle starts with `but_not_handles_from` are left out.

        The sort key is the folded display name with the identifier behind it: it is unique, so
        one string keeps the place in the list.
        """
        where = {
            "nameKey": _prefix_range(prefix, after),
            "handle": {"$not": _prefix_range(but_not_handles_from, None)},
            "status.value": Status.ACTIVE.value,
        }
        found = await self.collection.find(where, sort="nameKey", limit=limit, without=BOOKKEEPING)
        return [(document["nameKey"], user_from_document(document)) for document in found]

    async def insert(self, user: User, *, operation: str, event: str) -> bool:
        """Writes a new user with its first event; false when the identifier is in use."""
        document = _document(user, operation, event)
        try:
            await self.collection.insert(document)
        except DuplicateKey:
            return False
        return True

    async def change(
        self,
        user: User,
        values: Mapping[str, Any],
        *,
        operation: str,
        event: str,
        at: datetime,
    ) -> bool:
        """Sets fields of the user and adds the event, if the user is still at this revision.

        `values` goes from a record's field name to its new value; None or nothing in it removes it.
        One atomic update; false when somebody else was faster, and nothing is written then. Every
        sixteenth time the events of the outbox are archived before.
        """
        rev = user.rev + 1
        stored = {PATHS[name]: _stored(value) for name, value in values.items()}
        if "display_name" in values:
            name = values["display_name"]
            stored["nameKey"] = name_key(name, user.id) if name else None
        sets = {path: value for path, value in stored.items() if value}
        unsets = {path: "" for path, value in stored.items() if not value}
        revision = Revision(rev, event, operation, at, tuple(sorted(values)))
        change: dict[str, Any] = {
            "$set": {**sets, "rev": rev, **await self._archive(user)},
            "$push": {"outbox": {"$each": [revision_document(revision)], "$slice": -OUTBOX_LENGTH}},
        }
        if unsets:
            change["$unset"] = unsets
        return await self.collection.update({"_id": user.id, "rev": user.rev}, change)

    async def count(
        self, user_id: str, *, operation: str, followers: int = 0, following: int = 0
    ) -> None:
        """Adds to the counts of a user, once per operation however often it is called."""
        await self.collection.update(
            {"_id": user_id, "counts.operations": {"$ne": operation}},
            {
                "$inc": {"counts.followers": followers, "counts.following": following},
                "$push": {"counts.operations": {"$each": [operation], "$slice": -COUNT_OPERATIONS}},
            },
        )

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

    async def _archive(self, user: User) -> Document:
        """What to set on the user after archiving its events, when it is time for that."""
        due = [event for event in user.recent_revisions if event.rev > user.archived_rev]
        if len(due) < ARCHIVE_EVERY:
            return {}
        await self._revisions.archive(user.id, due)
        return {"archivedRev": due[-1].rev}


def name_key(display_name: str, user_id: str) -> str:
    """What display names are sorted and searched by: folded, then the identifier."""
    return f"{display_name.casefold()}\x00{user_id}"


def _prefix_range(prefix: str, after: str | None) -> Document:
    lower = {"$gt": after} if after is not None and after >= prefix else {"$gte": prefix}
    return {**lower, "$lt": prefix + "\U0010ffff"}


def _document(user: User, operation: str, event: str) -> Document:
    """A new user as stored: what is missing is left out."""
    fields = tuple(sorted(name for name in SET_AT_FIRST if getattr(user, name)))
    revision = Revision(user.rev, event, operation, user.created_at, fields)
    profile = {
        "displayName": user.display_name,
        "bio": user.bio,
        "pronouns": user.pronouns,
        "links": _stored(user.links),
        "avatar": _stored(user.avatar),
        "color": user.profile_color,
    }
    locale = {"country": user.country, "language": user.locale, "timeZone": user.time_zone}
    document = {
        "_id": user.id,
        "schemaVersion": SCHEMA_VERSION,
        "rev": user.rev,
        "status": {"value": user.status.value, "at": user.created_at},
        "createdAt": user.created_at,
        "handle": user.handle,
        "nameKey": name_key(user.display_name, user.id) if user.display_name else None,
        "profile": _present(profile),
        "locale": _present(locale),
        "counts": {"followers": user.follower_count, "following": user.following_count},
        "outbox": [revision_document(revision)],
    }
    return _present(document)


def _stored(value: Any) -> Any:
    """A record's value as stored: its parts become sub-documents without what is missing."""
    if isinstance(value, tuple):
        return [_present(asdict(part)) for part in value]
    return value


def _present(document: Mapping[str, Any]) -> Document:
    return {name: value for name, value in document.items() if value not in (None, [])}
