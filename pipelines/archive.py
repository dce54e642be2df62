"""Archives: everything that is kept of a user, opened, one part after the other.

What only finds the user again is left out, since it says nothing else of them: digests of the index
of contacts, hashes of idempotency keys, counts of messages. So is what is of others.
"""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from store.contacts import address_in
from store.diffs import fields_of, opened_diff
from store.lists import EdgeList
from store.records import SEALED, Contact, Document, Revision, User
from store.sealing import DataKey
from store.store import Store

PAGE = 500
BOOKKEEPING = frozenset({"outbox", "archivedRev", "absorbs", "nameKey", "schemaVersion"})
"""Parts of a user's document that only writers look at; its events are given as changes."""


class Entry(NamedTuple):
    """A part of an archive: what it is, and its values, which JSON can hold."""

    kind: str
    value: Mapping[str, Any]


async def archive_of(store: Store, user_id: str) -> AsyncIterator[Entry]:
    """What is kept of the user, then of each account merged into it; nothing of nobody.

    Raises: StoreFault.
    """
    user = await store.users.by_id(user_id)
    if user is None:
        return
    [key] = await store.keys.by_user_ids([user_id])
    yield Entry("user", _user(user, key))
    async for revision in _revisions(store, user):
        yield Entry("change", _change(user, revision, key))
    for kind, edges in (
        ("following", store.follows.following),
        ("follower", store.follows.followers),
        ("blocked", store.blocks.blocked),
    ):
        async for entry in _edges(kind, edges, user_id):
            yield entry
    for kind, collection, owner in (
        ("handle", store.handles.collection, "userId"),
        ("preferences", store.preferences.collection, "owner"),
        ("household", store.households.collection, "_id"),
    ):
        for row in await collection.find({owner: user_id}):
            yield Entry(kind, as_json(row))
    for row in await store.consents.chain(user_id):
        yield Entry("consent", as_json(row))
    for merged in await store.users.merged_into(user_id):
        async for entry in archive_of(store, merged.id):
            yield entry


def as_json(value: Any) -> Any:
    """A stored value as JSON has it; times in ISO 8601."""
    if isinstance(value, Mapping):
        return {name: as_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return list(map(as_json, value))
    return value.isoformat() if isinstance(value, datetime) else value


def _user(user: User, key: DataKey | None) -> Mapping[str, Any]:
    document = {name: value for name, value in user.stored().items() if name not in BOOKKEEPING}
    document["counts"] = {"followers": user.follower_count, "following": user.following_count}
    if consents := document.get("consents"):
        document["consents"] = consents.get("answers", [])
    opened: Document = as_json(_opened(document, user, key))
    return opened


def _opened(document: Document, user: User, key: DataKey | None) -> Document:
    """The document with what was sealed in it opened; without the key it is left out."""
    opened = {name: value for name, value in document.items() if name not in ("sealed", "contacts")}
    if key is None:
        return opened
    for name in SEALED:
        sealed = getattr(user, name)
        if sealed is not None:
            opened[name] = json.loads(key.open(name, sealed))
    if user.contacts:
        opened["contacts"] = [_contact(key, contact) for contact in user.contacts]
    return opened


def _contact(key: DataKey, contact: Contact) -> Document:
    values = contact._asdict()
    values["address"] = address_in(key, contact, values.pop("sealed"))
    if contact.pending is not None:
        values["pending"] = address_in(key, contact, contact.pending)
    return {name: value for name, value in values.items() if value is not None}


def _change(user: User, revision: Revision, key: DataKey | None) -> Mapping[str, Any]:
    """A revision, with the values of what it changed before and after."""
    diff = opened_diff(key, revision) if key else {}
    befores = {path: change.before for path, change in diff.items()}
    afters = {path: change.after for path, change in diff.items()}
    return {
        "rev": revision.rev,
        "kind": revision.kind,
        "at": revision.at.isoformat(),
        "author": _author(user, revision),
        "before": _values(user, befores, key),
        "after": _values(user, afters, key),
        "fields": sorted(fields_of(diff)) or list(revision.fields),
    }


def _author(user: User, revision: Revision) -> Mapping[str, Any] | None:
    """Who made a change, as far as that is the user's own; of others only that it was them."""
    author = revision.author
    if author is None:
        return None
    is_owner = author.user_id == user.id
    return {"isOwner": is_owner, "client": author.client_id if is_owner else None}


def _values(user: User, values: Mapping[str, Any], key: DataKey | None) -> Any:
    part = User({"_id": user.id}).with_stored(0, values)
    document = {name: value for name, value in part.stored().items() if name not in ("_id", "rev")}
    return as_json(_opened(document, part, key))


async def _revisions(store: Store, user: User) -> AsyncIterator[Revision]:
    """The revisions that are kept, the newest first."""
    rev = user.rev
    while revisions := await store.revisions.until(user, rev, PAGE):
        for revision in revisions:
            yield revision
        rev = revisions[-1].rev - 1


async def _edges(kind: str, edges: EdgeList, user_id: str) -> AsyncIterator[Entry]:
    after = None
    while page := await edges.page(user_id, after, PAGE):
        for edge in page:
            yield Entry(kind, {"userId": edge.user_id, "at": edge.at.isoformat()})
        after = page[-1].order
