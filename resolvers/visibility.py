"""Who may see which field: one table, enforced on the object, so that every path agrees.

Not allowed and not existing look the same: a field that may not be seen is null, and a user who
blocks the viewer is not there at all. What the table does not name is seen by nobody. One thing
cannot be hidden: a handle is unique, so that one which is taken tells that somebody has it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from resolvers.request import Request, Viewer
from store.records import Status, User


class ViewerKind(StrEnum):
    """What the viewer is to a user."""

    ANONYMOUS = "anonymous"
    STRANGER = "stranger"
    BLOCKED = "blocked"
    SELF = "self"
    SERVICE = "service"
    STAFF = "staff"


EVERYBODY = frozenset(ViewerKind) - {ViewerKind.BLOCKED}
PEOPLE = frozenset({ViewerKind.STRANGER, ViewerKind.SELF, ViewerKind.STAFF})
OWNER = frozenset({ViewerKind.SELF, ViewerKind.STAFF})

VISIBLE_TO: Mapping[str, frozenset[ViewerKind]] = {
    "User.id": EVERYBODY,
    "User.status": EVERYBODY,
    "User.rev": EVERYBODY,
    "User.handle": EVERYBODY,
    "User.displayName": EVERYBODY,
    "User.avatar": EVERYBODY,
    "User.bio": EVERYBODY,
    "User.pronouns": EVERYBODY,
    "User.links": EVERYBODY,
    "User.profileColor": EVERYBODY,
    "User.joinedYear": EVERYBODY,
    "User.followerCount": EVERYBODY,
    "User.followingCount": EVERYBODY,
    "User.followers": EVERYBODY,
    "User.following": EVERYBODY,
    "User.viewerRelation": PEOPLE,
    "User.country": OWNER | {ViewerKind.SERVICE},
    "User.private": OWNER,
}

SERVICE_SCOPES: Mapping[str, str] = {"User.country": "users:country:read"}
"""What a service's token must permit besides."""

WITHOUT_PROFILE = frozenset({"User.id", "User.status", "User.rev"})
"""What others see of a user who is not active; the same for everybody once erased."""

TRUSTED = OWNER | {ViewerKind.SERVICE}
"""Who sees the profile of a user who is not active."""

MUTATION_SCOPES: Mapping[str, str] = {
    "registerUser": "users:register",
    "updateProfile": "me:profile:write",
    "changeHandle": "me:profile:write",
    "follow": "me:follows:write",
    "unfollow": "me:follows:write",
    "block": "me:blocks:write",
    "unblock": "me:blocks:write",
}
"""The scope a mutation asks of a token: `registerUser` of a service's, others of a person's."""


@dataclass(frozen=True, slots=True)
class SeenUser:
    """A user as the viewer sees it."""

    user: User
    fields: frozenset[str]

    def sees(self, field: str) -> bool:
        """Whether the viewer may see the field, named as in the schema."""
        return field in self.fields

    def show(self, attribute: str) -> Any:
        """The record's attribute; None when the viewer may not see it."""
        if _field_of(attribute) in self.fields:
            return getattr(self.user, attribute)
        return None


async def see(request: Request, user: User | None) -> SeenUser | None:
    """The user as the viewer sees it, or nothing: the same as if there were no such user."""
    if user is None:
        return None
    kind = await _kind(request, user)
    if kind is ViewerKind.BLOCKED:
        return None
    return SeenUser(user, visible_fields(kind, user.status, _scopes(request.viewer)))


@cache
def visible_fields(kind: ViewerKind, status: Status, scopes: frozenset[str]) -> frozenset[str]:
    """The fields of a user with this status that such a viewer may see."""
    if status is Status.ERASED or (status is not Status.ACTIVE and kind not in TRUSTED):
        return WITHOUT_PROFILE
    return frozenset(
        field
        for field, kinds in VISIBLE_TO.items()
        if kind in kinds
        and (
            kind is not ViewerKind.SERVICE
            or field not in SERVICE_SCOPES
            or SERVICE_SCOPES[field] in scopes
        )
    )


async def _kind(request: Request, user: User) -> ViewerKind:
    viewer = request.viewer
    if viewer is None:
        return ViewerKind.ANONYMOUS
    if viewer.user_id is None:
        return ViewerKind.SERVICE
    if viewer.user_id == user.id:
        return ViewerKind.SELF
    if viewer.is_staff:
        return ViewerKind.STAFF
    if await request.loaders.is_blocking_by_pair.load((user.id, viewer.user_id)):
        return ViewerKind.BLOCKED
    return ViewerKind.STRANGER


def _scopes(viewer: Viewer | None) -> frozenset[str]:
    """The scopes that matter to the table, so that its cache stays as small as the table."""
    if viewer is None:
        return frozenset()
    return viewer.scopes & frozenset(SERVICE_SCOPES.values())


@cache
def _field_of(attribute: str) -> str:
    camel = re.sub(r"_(.)", lambda match: match[1].upper(), attribute)
    return f"User.{camel}"
