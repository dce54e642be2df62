"""What a mutation really did: the documents before and after it, by the names of a dry run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resolvers.sealed_contacts import opened
from resolvers.sealing import opened_value
from schema.values import field_path, json_of
from store.records import NAMES, Document, Status, User
from store.sealing import DataKey
from tests.dry_runs.wishes import Wish
from tests.dry_runs.worlds import Rows, World

NO_FIELDS = frozenset(
    {
        *("id", "is_narrowed", "entitlements", "recent_operations", "archived_rev"),
        *("absorption", "consent_head", "consent_due"),
    }
)
"""Attributes at paths of the document that are no field: whose it is, a whole that others are parts
of, and how changes are carried through."""
TIES = frozenset({"follow", "unfollow", "block", "unblock"})
"""The mutations that tell what becomes of `viewerRelation`."""

Changes = Mapping[str, tuple[Any, Any]]
"""The value before and after, by field."""


@dataclass(frozen=True)
class Diff:
    """What became of the user whom a mutation is about; the events; which fields of others."""

    changes: Changes
    events: Sequence[str]
    others: frozenset[str]


async def diff_of(world: World, wish: Wish, about: str | None, before: Rows, after: Rows) -> Diff:
    """The difference that the wish, which is about this user, made."""
    changes: dict[str, tuple[Any, Any]] = {}
    others: set[str] = set()
    events: list[str] = []
    for user_id, row in after["users"].items():
        earlier = before.get("users", {}).get(user_id, {})
        if row == earlier:
            continue
        found = await _changes_of_user(world, user_id, earlier, row)
        events += [one["kind"] for one in row["outbox"] if one["rev"] > earlier.get("rev", 0)]
        if user_id == about:
            changes.update(found)
        else:
            others.update(found)
    households = _changes_of_households(wish, before, after)
    # A merge changes that of the other account, of which staff are told nothing.
    (others if wish.name == "mergeUsers" else changes).update(households)
    changes.update(_changes_of_preferences(world, before, after))
    if wish.name in TIES:
        changes.update(_difference(*(_relation(world, wish, rows) for rows in (before, after))))
    return Diff(changes, sorted(events), frozenset(others))


async def _changes_of_user(
    world: World, user_id: str, before: Document, after: Document
) -> dict[str, tuple[Any, Any]]:
    [key] = await world.subgraph.store.keys.by_user_ids([user_id])
    return _difference(_fields(world, before, key), _fields(world, after, key))


def _fields(world: World, row: Document, key: DataKey | None) -> dict[str, Any]:
    """Everything of a user that a mutation may change, as a client is told it."""
    if not row:
        return {}
    user = User(row).as_of(world.subgraph.clock())
    return {
        field_path(name): json_of(_shown(name, getattr(user, name), key))
        for name in NAMES.values()
        if name not in NO_FIELDS
    }


def _shown(name: str, stored: Any, key: DataKey | None) -> Any:
    return opened(key, stored) if name == "contacts" else opened_value(name, stored, key)


def _changes_of_households(wish: Wish, before: Rows, after: Rows) -> dict[str, tuple[Any, Any]]:
    """Of the household that changed, as the one who wishes sees it; a mutation changes one."""
    old, new = (rows.get("households", {}) for rows in (before, after))
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    assert len(changed) <= 1
    pairs = [
        _difference(*(_shown_household(wish, key, rows, before) for rows in (old, new)))
        for key in changed
    ]
    return pairs[0] if pairs else {}


def _shown_household(
    wish: Wish, key: str, households: Mapping[str, Document], rows: Rows
) -> dict[str, Any]:
    """A household as a dry run tells it: of invitations the manager alone."""
    row = households.get(key, {"members": [], "invitations": []})
    members = {"household.members": _members(wish, key, row, rows)}
    is_manager = wish.who == key
    return {**members, "household.invitations": len(row["invitations"])} if is_manager else members


def _members(wish: Wish, manager: str, household: Document, rows: Rows) -> list[str | None]:
    """Who sits there, without those who block the one who wishes.

    Who is invited is told of nobody but the manager and themselves.
    """
    sitting = [one["userId"] for one in household["members"]]
    blocks = rows.get("blocks", {}).values()
    hidden = {row["source"] for row in blocks if row["target"] == wish.who}
    if wish.name == "acceptHouseholdInvitation":
        hidden |= {*sitting} - {wish.who, manager}
    return [None if one in hidden else one for one in sitting]


def _changes_of_preferences(world: World, before: Rows, after: Rows) -> dict[str, tuple[Any, Any]]:
    """Of the namespaces that changed, with their defaults."""
    found: dict[str, tuple[Any, Any]] = {}
    for key, row in after.get("preferences", {}).items():
        earlier = before.get("preferences", {}).get(key, {"values": {}, "rev": 0})
        if row != earlier:
            namespace = world.subgraph.policy.namespaces[key.partition(":")[2]]
            values = (
                {**namespace.filled(one["values"]), "rev": one["rev"]} for one in (earlier, row)
            )
            changes = _difference(*values)
            found |= {f"preferences.{namespace.name}.{name}": one for name, one in changes.items()}
    return found


def _relation(world: World, wish: Wish, rows: Rows) -> dict[str, Any]:
    """What the one who wishes is to the user whom it is about."""
    follows, blocks = (
        {(row["source"], row["target"]) for row in rows.get(name, {}).values()}
        for name in ("follows", "blocks")
    )
    out = (wish.who, wish.about)
    is_tied = out in follows or out in blocks
    is_active = any(user.id == wish.about for user in world.users(Status.ACTIVE))
    return {
        "viewerRelation.canFollow": not is_tied and is_active,
        "viewerRelation.isBlocking": out in blocks,
        "viewerRelation.isFollowedBy": out[::-1] in follows,
        "viewerRelation.isFollowing": out in follows,
    }


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Where the two differ; what is empty is as good as what is not there."""
    pairs = {name: (before.get(name), after.get(name)) for name in before.keys() | after.keys()}
    return {
        name: pair
        for name, pair in pairs.items()
        if pair[0] != pair[1] and (before or pair[1] not in (None, [], {}, 0))
    }
