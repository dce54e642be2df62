"""What is seen of a user: the table, enforced on the object, so that every path agrees.

Not allowed and not existing look the same: a field that may not be seen is null, and a user who
blocks the viewer is not there at all. One thing cannot be hidden: a handle is unique, so that one
which is taken tells that somebody has it.
"""

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property, lru_cache, partial
from itertools import compress
from typing import Any, ClassVar, cast

from loaders.batch import BatchLoader
from loaders.loaders import Loaders
from resolvers.audit import Trail
from resolvers.authorization import (
    AUTHORIZATION,
    OWNER,
    PERSONS,
    Authorization,
    ViewerKind,
    kind_of,
)
from resolvers.viewer import Viewer
from store.coalescing import Parts
from store.ids import encode
from store.records import Document, Status, User
from store.users import PARTS_OF_ALL

WITHOUT_PROFILE = frozenset({"User.id", "User.status", "User.rev", "User.mergedInto"})
"""What others see of a user who is not active; the same for everybody once erased."""

TRUSTED = OWNER | {ViewerKind.SERVICE}
"""Who sees the profile of a user who is not active."""

NOBODY = encode(0)
"""Is asked about where nobody is found, so that those who are hidden take no more commands."""

SUSPENDED = Status.SUSPENDED.value

NO_SCOPES: frozenset[str] = frozenset()

VIEWS = 1000
"""Kinds of viewers, and classes of seen users, that are remembered."""


class SeenPrivate(User):
    """The private part of a user as the viewer sees it: what may not be seen is None."""

    __slots__ = ()

    visible: ClassVar[frozenset[str]] = frozenset()

    def whose(self) -> str:
        """The identifier of the user whose private part it is."""
        user_id: str = self._document["_id"]
        return user_id

    @classmethod
    def sees(cls, field: str) -> bool:
        """Whether the viewer may see the field, named as in the schema."""
        return field in cls.visible


class SeenUser(User):
    """A user as the viewer sees it: an attribute that may not be seen is None.

    Each set of visible fields has a class of its own (`_view_of`), so that to read an attribute
    costs nothing more than it does on the record.
    """

    __slots__ = ()

    visible: ClassVar[frozenset[str]] = frozenset()
    private_view: ClassVar[Callable[..., SeenPrivate]] = SeenPrivate

    @property
    def private(self) -> SeenPrivate | None:
        """The private part, for those who see it."""
        return self.private_view(self._document)

    @classmethod
    def sees(cls, field: str) -> bool:
        """Whether the viewer may see the field, named as in the schema."""
        return field in cls.visible


class AuditedPrivate(SeenPrivate):
    """The same, on whose personal attributes it is noted that they are read."""

    __slots__ = ("_trail",)

    def __init__(self, trail: Trail, document: Document) -> None:
        super().__init__(document)
        self._trail = trail


class AuditedUser(SeenUser):
    """A user on whose personal attributes it is noted that they are read."""

    __slots__ = ("_trail",)

    def __init__(self, trail: Trail, document: Document) -> None:
        super().__init__(document)
        self._trail = trail

    @property
    def private(self) -> SeenPrivate | None:
        """The private part, on the same trail."""
        return self.private_view(self._trail, self._document)


PRIVATE_PARTS = frozenset(
    {
        *("locale", "time_zone", "created_at", "handle_changed_at", "former_handles"),
        *("status_changed_at", "status_reason", "status_before", "suspended_until", "erase_at"),
    }
)
"""The attributes of the record that the private part shows."""

Views = Mapping[str, Callable[[Document], SeenUser]]
"""What such a viewer sees of a user, by the user's status."""


class SeenUsers:
    """The users as the viewer of one request sees them; every path to a user goes through here.

    A user who blocks the viewer is not there: the same as if there were no such user.
    """

    def __init__(
        self,
        viewer: Viewer | None,
        loaders: Loaders,
        trail: Trail,
        needs: Parts = None,
        authorization: Authorization = AUTHORIZATION,
    ) -> None:
        self._viewer = viewer
        self._loaders = loaders
        self._trail = trail
        self._needs = needs
        self._authorization = authorization

    @cached_property
    def by_id(self) -> BatchLoader[str, SeenUser | None]:
        """Identifier -> the user as seen."""

        async def batch(ids: list[str]) -> list[SeenUser | None]:
            return await self.seen(await self._loaders.user_by_id.load_many(ids))

        async def batch_for_person(ids: list[str]) -> list[SeenUser | None]:
            others = self._others(ids)
            users = self._loaders.user_by_id.load_many(ids)
            return self._as_seen(others, *await _all_of(users, *self._ties(others)))

        views = self._views_of_all
        if views is None:
            return BatchLoader(batch_for_person)
        if self._loaders.knows_users:
            return BatchLoader(batch)
        return BatchLoader(
            self._loaders.users,
            lambda users: [None if user is None else user.seen_as(views) for user in users],
        )

    @cached_property
    def by_handle(self) -> BatchLoader[str, SeenUser | None]:
        """Normalised handle -> the user whom it leads to, as seen."""

        async def batch(handles: list[str]) -> list[SeenUser | None]:
            users = await self._loaders.user_by_handle.load_many(handles)
            if self._views_of_all is None and not any(users):
                await self._loaders.user_by_id.load(NOBODY)
            return await self.seen(users)

        return BatchLoader(batch)

    def close(self) -> None:
        """Ends what is being read."""
        for loader in list(self.__dict__.values()):
            if isinstance(loader, BatchLoader):
                loader.close()

    async def seen(self, users: Sequence[User | None]) -> list[SeenUser | None]:
        """The users in the same order, nothing for those who are not there."""
        views = self._views_of_all
        if views is not None:
            return [None if user is None else user.seen_as(views) for user in users]
        found = [user.id for user in users if user is not None]
        others = self._others(found or [NOBODY])
        return self._as_seen(others, users, *await _all_of(*self._ties(others)))

    @cached_property
    def _views_of_all(self) -> Views | None:
        """What the viewer sees of users, where that does not depend on what they are to it."""
        is_person = self._kind in PERSONS
        return None if is_person else self._views(self._kind)

    @cached_property
    def _kind(self) -> ViewerKind:
        """What the viewer is to those with whom they have nothing to do."""
        return kind_of(self._viewer)

    @cached_property
    def _person(self) -> str:
        """Who asks, where `_views_of_all` has nothing."""
        assert self._viewer is not None
        assert self._viewer.user_id is not None
        return self._viewer.user_id

    def _others(self, ids: Sequence[str]) -> list[str]:
        viewer_id = self._person
        return [user_id for user_id in ids if user_id != viewer_id]

    def _ties(self, others: Sequence[str]) -> Iterator["asyncio.Future[list[bool]]"]:
        """Whether each of them blocks the viewer, and is followed by the viewer where it matters.

        They are asked about whether or not they exist, so that both take the same commands.
        """
        if self._kind is ViewerKind.STAFF:
            return
        viewer_id, loaders = self._person, self._loaders
        yield loaders.is_blocking_by_pair.load_many([(other, viewer_id) for other in others])
        if self._authorization.tells_followers_apart:
            yield loaders.is_following_by_pair.load_many([(viewer_id, other) for other in others])

    def _as_seen(
        self,
        others: Sequence[str],
        users: Sequence[User | None],
        blocks: Sequence[bool] = (),
        follows: Sequence[bool] = (),
    ) -> list[SeenUser | None]:
        """The users, by what each of the others is to the viewer."""
        hidden = frozenset(compress(others, blocks))
        views = {self._person: self._views(ViewerKind.SELF)}
        if any(follows):
            followers = self._views(ViewerKind.FOLLOWER)
            views.update(dict.fromkeys(compress(others, follows), followers))
        rest = self._views(self._kind)
        return [
            None if user is None or user.id in hidden else user.seen_as(views.get(user.id, rest))
            for user in users
        ]

    def _views(self, kind: ViewerKind) -> Views:
        # Only the scopes that matter to what is seen, so that the views stay few.
        matter = self._authorization.seen_scopes
        scopes = self._viewer.scopes & matter if self._viewer else NO_SCOPES
        views, are_audited = _views_of(self._authorization, kind, scopes, self._needs)
        if are_audited:
            views = {status: partial(view, self._trail) for status, view in views.items()}
        return {**views, SUSPENDED: partial(_suspended, views, self._loaders.now())}


def _suspended(views: Views, now: datetime, document: Document) -> SeenUser:
    """A user who is suspended as stored, by what that is at this moment."""
    user = User(document).as_of(document.get("seenAt", now))
    view = views[user.status.value]
    return view(document if user.status is Status.SUSPENDED else user.stored())


def visible_fields(
    authorization: Authorization, kind: ViewerKind, status: Status, scopes: frozenset[str]
) -> frozenset[str]:
    """The fields of a user with this status that such a viewer may see."""
    fields = authorization.fields_for(kind, scopes)
    if status is Status.ERASED or (status is not Status.ACTIVE and kind not in TRUSTED):
        return fields & WITHOUT_PROFILE
    return fields


@lru_cache(VIEWS)
def _views_of(
    authorization: Authorization, kind: ViewerKind, scopes: frozenset[str], needs: Parts
) -> tuple[Mapping[str, Callable[..., SeenUser]], bool]:
    """What a kind of viewers sees of a user, by the status.

    And whether that is audited: then each takes the trail before the document.
    """
    read = {_field_of("User", part) for part in needs or ()}
    read |= {_field_of("UserPrivate", part) for part in needs or ()}
    personal = authorization.personal if needs is None else authorization.personal & read
    is_audited = kind is not ViewerKind.SELF and any(
        authorization.allows(field, kind, scopes) for field in personal
    )
    noted = personal if is_audited else None
    views = {
        status.value: _view_of(visible_fields(authorization, kind, status, scopes), needs, noted)
        for status in Status
    }
    return views, is_audited


@lru_cache(VIEWS)
def _view_of(visible: frozenset[str], needs: Parts, noted: frozenset[str] | None) -> type[SeenUser]:
    """The class of users of whom these fields are seen, and these parts were read.

    That the `noted` fields are read is noted on a trail; without them there is no trail.
    """
    base, private = (SeenUser, SeenPrivate) if noted is None else (AuditedUser, AuditedPrivate)
    view = cast(type[SeenUser], _restricted(base, "User", visible, needs, noted))
    view.visible = visible
    private_view = cast(
        type[SeenPrivate], _restricted(private, "UserPrivate", visible, needs, noted)
    )
    private_view.visible = visible
    view.private_view = private_view
    return view


def _restricted(
    base: type[User], type_: str, visible: frozenset[str], needs: Parts, noted: Parts
) -> type[Any]:
    """The class with what may not be seen taken away."""
    attributes: dict[str, Any] = {"__slots__": ()}
    for name, _ in inspect.getmembers(base, lambda member: isinstance(member, property)):
        parts = PRIVATE_PARTS if name == "private" else {name}
        field = _field_of(type_, name)
        if field not in visible:
            attributes[name] = None
        elif needs is not None and not parts <= needs | PARTS_OF_ALL:
            attributes[name] = _not_read(name)
        elif noted and field in noted:
            attributes[name] = _noted(name, field)
    return type(base.__name__, (base,), attributes)


def _noted(name: str, field: str) -> property:
    """The attribute of the record, noted on the trail before it is read."""
    read = getattr(User, name).fget

    def note(seen: AuditedUser | AuditedPrivate) -> Any:
        seen._trail.note(field, seen._document["_id"])
        return read(seen)

    return property(note)


def _not_read(name: str) -> property:
    def refuse(_: SeenUser) -> Any:
        raise LookupError(f"{name!r} was not read, because Request.needs does not name it")

    return property(refuse)


async def _all_of(*futures: "asyncio.Future[Any]") -> list[Any]:
    """What comes of futures that go on at the same time; for less than `asyncio.gather` takes."""
    try:
        return [await future for future in futures]
    except BaseException:
        for future in futures:
            future.cancelled() or future.cancel() or future.exception()
        raise


@cache
def _field_of(type_: str, attribute: str) -> str:
    camel = re.sub(r"_(.)", lambda match: match[1].upper(), attribute)
    return f"{type_}.{camel}"
