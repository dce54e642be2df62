"""Who may see which field: one table, enforced on the object, so that every path agrees.

Not allowed and not existing look the same: a field that may not be seen is null, and a user who
blocks the viewer is not there at all. What the table does not name is seen by nobody. One thing
cannot be hidden: a handle is unique, so that one which is taken tells that somebody has it.
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache, cached_property, lru_cache
from typing import Any, ClassVar

from loaders.batch import BatchLoader
from loaders.loaders import Loaders
from resolvers.viewer import Viewer
from store.coalescing import Parts
from store.records import Status, User
from store.users import PARTS_OF_ALL


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

GUARDING_SCOPES = frozenset(SERVICE_SCOPES.values())

WITHOUT_PROFILE = frozenset({"User.id", "User.status", "User.rev"})
"""What others see of a user who is not active; the same for everybody once erased."""

TRUSTED = OWNER | {ViewerKind.SERVICE}
"""Who sees the profile of a user who is not active."""

VIEWS = 1000
"""Kinds of viewers, and classes of seen users, that are remembered."""

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


class SeenUser(User):
    """A user as the viewer sees it: an attribute that may not be seen is None.

    Each set of visible fields has a class of its own (`_view_of`), so that to read an attribute
    costs nothing more than it does on the record.
    """

    __slots__ = ()

    visible: ClassVar[frozenset[str]] = frozenset()

    @property
    def private(self) -> User | None:
        """The whole record, for those who see the private part."""
        return User(self._document)

    @classmethod
    def sees(cls, field: str) -> bool:
        """Whether the viewer may see the field, named as in the schema."""
        return field in cls.visible


PRIVATE_PARTS = frozenset(
    {"locale", "time_zone", "created_at", "handle_changed_at", "former_handles"}
)
"""The attributes of the record that the private part shows."""

Views = Mapping[str, type[SeenUser]]
"""What such a viewer sees of a user, by the user's status."""


class SeenUsers:
    """The users as the viewer of one request sees them; every path to a user goes through here.

    A user who blocks the viewer is not there: the same as if there were no such user.
    """

    def __init__(self, viewer: Viewer | None, loaders: Loaders, needs: Parts = None) -> None:
        self._viewer = viewer
        self._loaders = loaders
        self._needs = needs

    @cached_property
    def by_id(self) -> BatchLoader[str, SeenUser | None]:
        """Identifier -> the user as seen."""

        async def batch(ids: list[str]) -> list[SeenUser | None]:
            return await self.seen(await self._loaders.user_by_id.load_many(ids))

        views = self._views_of_all
        if views is None or self._loaders.knows_users:
            return BatchLoader(batch)
        return BatchLoader(
            self._loaders.users,
            lambda users: [None if user is None else user.seen_as(views) for user in users],
        )

    @cached_property
    def by_handle(self) -> BatchLoader[str, SeenUser | None]:
        """Normalised handle -> the user whom it leads to, as seen."""

        async def batch(handles: list[str]) -> list[SeenUser | None]:
            return await self.seen(await self._loaders.user_by_handle.load_many(handles))

        return BatchLoader(batch)

    def close(self) -> None:
        """Ends what is being read."""
        for loader in list(self.__dict__.values()):
            if isinstance(loader, BatchLoader):
                loader.close()

    async def seen(self, users: Sequence[User | None]) -> list[SeenUser | None]:
        """The users in the same order, nothing for those who are not there."""
        viewer, views = self._viewer, self._views_of_all
        if views is not None:
            return [None if user is None else user.seen_as(views) for user in users]
        assert viewer is not None
        assert viewer.user_id is not None
        blocking = frozenset() if viewer.is_staff else await self._blocking(users, viewer.user_id)
        own = self._views(ViewerKind.SELF)
        others = self._views(ViewerKind.STAFF if viewer.is_staff else ViewerKind.STRANGER)
        return [
            None
            if user is None or user.id in blocking
            else user.seen_as(own if user.id == viewer.user_id else others)
            for user in users
        ]

    @cached_property
    def _views_of_all(self) -> Views | None:
        """What the viewer sees of users, where that does not depend on what they are to it."""
        if self._viewer is None:
            return self._views(ViewerKind.ANONYMOUS)
        return self._views(ViewerKind.SERVICE) if self._viewer.user_id is None else None

    async def _blocking(self, users: Sequence[User | None], viewer_id: str) -> frozenset[str]:
        """Those of the users who block the viewer."""
        ids = [user.id for user in users if user is not None and user.id != viewer_id]
        pairs = [(user_id, viewer_id) for user_id in ids]
        blocks = await self._loaders.is_blocking_by_pair.load_many(pairs)
        return frozenset(user_id for user_id, blocks in zip(ids, blocks, strict=True) if blocks)

    def _views(self, kind: ViewerKind) -> Views:
        # Only the scopes that matter to the table, so that the views stay as few as its rows.
        scopes = self._viewer.scopes & GUARDING_SCOPES if self._viewer else frozenset()
        return _views_of(kind, scopes, self._needs)


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


@lru_cache(VIEWS)
def _views_of(kind: ViewerKind, scopes: frozenset[str], needs: Parts) -> Views:
    return {
        status.value: _view_of(visible_fields(kind, status, scopes), needs) for status in Status
    }


@lru_cache(VIEWS)
def _view_of(visible: frozenset[str], needs: Parts) -> type[SeenUser]:
    """The class of users of whom these fields are seen, and these parts were read."""
    attributes: dict[str, Any] = {"__slots__": (), "visible": visible}
    for name, _ in inspect.getmembers(SeenUser, lambda member: isinstance(member, property)):
        parts = PRIVATE_PARTS if name == "private" else {name}
        if _field_of(name) not in visible:
            attributes[name] = None
        elif needs is not None and not parts <= needs | PARTS_OF_ALL:
            attributes[name] = _not_read(name)
    return type("SeenUser", (SeenUser,), attributes)


def _not_read(name: str) -> property:
    def refuse(_: SeenUser) -> Any:
        raise LookupError(f"{name!r} was not read, because Request.needs does not name it")

    return property(refuse)


@cache
def _field_of(attribute: str) -> str:
    camel = re.sub(r"_(.)", lambda match: match[1].upper(), attribute)
    return f"User.{camel}"
