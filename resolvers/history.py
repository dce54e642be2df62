"""History: who changed what of a user and when, the user as it was, and taking back a change."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from resolvers import rules
from resolvers.errors import DenialReason, Forbidden, NotAllowedRefusal, ValidationRefusal
from resolvers.fields import is_told
from resolvers.households import HOUSEHOLD_LEFT
from resolvers.lists import Origin, cursor_to, place_of
from resolvers.mutations import Control, FieldChange, Operation, Outcome, carry_out, change_user
from resolvers.profiles import PROFILE_CHANGED
from resolvers.request import Request
from resolvers.sealed_contacts import opened
from resolvers.sealing import opened_value
from resolvers.visibility import SeenPrivate, SeenUser
from store.diffs import Diff, before, fields_of, opened_diff
from store.records import STANDING, Author, Revision, Status, User
from store.sealing import DataKey

UNDONE = "CHANGE_UNDONE"
TAKEN_BACK = frozenset({PROFILE_CHANGED, UNDONE})
"""The events that `undo_last_change` takes back: they changed nothing but the profile."""
REV = re.compile(r"[0-9]{1,9}")
STEPS = 200
"""Revisions that are read at once on the way back."""
LONGEST_WAY = 10_000
"""Revisions that are gone back at most."""


Find = Callable[[], Awaitable[SeenUser | None]]


class AuthorKind(StrEnum):
    """What the author of a change is to the user."""

    SELF = "SELF"
    STAFF = "STAFF"
    MANAGER = "MANAGER"
    SERVICE = "SERVICE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class PastChange:
    """A revision of a user with what it changed; `author_id` is for staff alone."""

    rev: int
    at: datetime
    kind: str
    author: AuthorKind
    author_id: str | None
    client_id: str | None
    changes: tuple[FieldChange, ...]
    cursor: str


@dataclass(frozen=True, slots=True)
class History:
    """A page of the changes of a user, newest first."""

    changes: tuple[PastChange, ...]
    has_next_page: bool


async def history(
    request: Request, private: SeenPrivate, first: int, after: str | None
) -> History | None:
    """The changes of the user behind the cursor, newest first; those that are kept.

    Raises: ValidationRefusal.
    """
    if not private.sees("UserPrivate.history"):
        return None
    owner_id = private.whose()
    size = rules.page_size(first, "first")
    origin = Origin("history", owner_id)
    place = place_of(after, origin)
    assert request.viewer is not None
    if request.viewer.user_id != owner_id:
        request.trail.note("UserPrivate.history", owner_id)
    user = await request.store.users.by_id(owner_id)
    [key] = await request.store.keys.by_user_ids([owner_id])
    if user is None:
        return None
    newest = user.rev if place is None else _rev(place) - 1
    revisions = await request.store.revisions.until(user, newest, size + 1)
    changes = (_past_change(request, user, revision, key, origin) for revision in revisions[:size])
    return History(tuple(changes), has_next_page=len(revisions) > size)


async def as_of(request: Request, find: Find, at: datetime) -> SeenUser | None:
    """The user who is found, as it was at that time, for staff; nothing if it was not there yet.

    Counts are those of today. Raises: Forbidden, ValidationRefusal when it is not known any more.
    """
    if request.viewer is None or not request.viewer.is_staff:
        raise Forbidden("Only staff may look back.")
    user = await find()
    if user is None:
        return None
    request.trail.note("UserPrivate.history", user.id)
    current = await request.store.users.by_id(user.id)
    if current is None:
        return None
    if current.status is not Status.ERASED and at < current.created_at:
        return None
    [key] = await request.store.keys.by_user_ids([user.id])
    past = await _gone_back(request, current, key, at)
    [seen] = await request.users.seen([past.seen_at(at)])
    return seen


async def undo_last_change(request: Request, control: Control) -> Outcome:
    """Sets back what the viewer's last change set, if that was a change of their profile.

    To undo that again is to do it again. What others change is not taken back.
    """
    viewer_id = request.require_user("Mutation.undoLastChange")

    async def act(operation: Operation) -> Outcome:
        async def decide(user: User) -> Mapping[str, Any]:
            revisions = await request.store.revisions.until(user, user.rev, 1)
            own = Author(viewer_id, "")
            if (
                not revisions
                or revisions[0].kind not in TAKEN_BACK
                or revisions[0].diff is None
                or (revisions[0].author or own).user_id != viewer_id
            ):
                raise NotAllowedRefusal(
                    message="The last change is none of your profile.",
                    reason=DenialReason.NOTHING_TO_UNDO,
                )
            [key] = await request.store.keys.by_user_ids([viewer_id])
            assert key is not None
            return _values_before(user, revisions[0], key)

        return await change_user(request, operation, viewer_id, UNDONE, decide)

    return await carry_out(request, "undoLastChange", control, {}, act)


def _rev(place: str) -> int:
    """The revision of a cursor. Raises: ValidationRefusal, for one that somebody made up."""
    if not REV.fullmatch(place):
        raise rules.refuse(("after",), "CURSOR", "a cursor that this list gave out")
    return int(place)


def _values_before(user: User, revision: Revision, key: DataKey) -> dict[str, Any]:
    """The values of the attributes that the revision changed, as they were before it."""
    diff = opened_diff(key, revision)
    earlier = before(user, [(revision, diff)])
    # It may have written down besides that a suspension was over, which stays so.
    names = fields_of(diff).keys() - {*STANDING}
    return {name: opened_value(name, getattr(earlier, name), key) for name in names}


async def _gone_back(request: Request, user: User, key: DataKey | None, at: datetime) -> User:
    """The user without the revisions after that time."""
    past = user
    for _ in range(0, LONGEST_WAY, STEPS):
        revisions = await request.store.revisions.until(user, past.rev, STEPS)
        for revision in revisions:
            if revision.at <= at:
                return past
            if revision.diff is None or key is None:
                break
            past = before(past, [(revision, opened_diff(key, revision))])
        else:
            if revisions:
                continue
        break
    raise ValidationRefusal(
        message="What the user was at that time is no longer known.",
        path=("asOf",),
        rule="KEPT",
    )


def _past_change(
    request: Request, user: User, revision: Revision, key: DataKey | None, origin: Origin
) -> PastChange:
    diff = opened_diff(key, revision) if key else {}
    author, is_staff = revision.author, bool(request.viewer and request.viewer.is_staff)
    return PastChange(
        rev=revision.rev,
        at=revision.at,
        kind=revision.kind,
        author=_author_kind(author, user.id, revision.kind),
        author_id=(author.user_id or author.client_id) if author and is_staff else None,
        client_id=author.client_id if author else None,
        changes=tuple(_field_changes(user, diff, key)),
        cursor=cursor_to(origin, str(revision.rev)),
    )


def _author_kind(author: Author | None, owner_id: str, event: str) -> AuthorKind:
    if author is None:
        return AuthorKind.UNKNOWN
    if author.user_id is None:
        return AuthorKind.SERVICE
    if author.user_id == owner_id:
        return AuthorKind.SELF
    return AuthorKind.MANAGER if event == HOUSEHOLD_LEFT else AuthorKind.STAFF


def _field_changes(user: User, diff: Diff, key: DataKey | None) -> list[FieldChange]:
    """The values before and after, as the record has them."""
    earlier = user.with_stored(0, {path: change.before for path, change in diff.items()})
    later = user.with_stored(0, {path: change.after for path, change in diff.items()})
    return [
        FieldChange(
            name,
            _shown(name, getattr(earlier, name), key),
            _shown(name, getattr(later, name), key),
        )
        for name in sorted(filter(is_told, fields_of(diff)))
    ]


def _shown(name: str, stored: Any, key: DataKey | None) -> Any:
    """The value of an attribute as its owner sees it."""
    return opened(key, stored) if name == "contacts" else opened_value(name, stored, key)
