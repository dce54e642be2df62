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
from typing import Any, ClassVar, NamedTuple, cast

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
from resolvers.fields import PRIVATE
from resolvers.narrowing import (
    NONE,
    REMEMBERED,
    Narrowing,
    hidden_fields,
    narrowing_of,
    opens_to_followers,
)
from resolvers.redactions import Redaction, redactions_of
from resolvers.viewer import Viewer
from store.coalescing import Parts
from store.ids import encode
from store.records import Age, Document, Status, User
from store.users import PARTS_OF_ALL

WITHOUT_PROFILE = frozenset(
    {"User.id", "User.status", "User.rev", "User.mergedInto", "User.redactions"}
)
"""What others see of a user who is not active; the same for everybody once erased."""

TRUSTED = OWNER | {ViewerKind.SERVICE}
"""Who sees the profile of a user who is not active."""

NOBODY = encode(0)
"""Is asked about where nobody is found, so that those who are hidden take no more commands."""

SUSPENDED = Status.SUSPENDED.value

NO_SCOPES: frozenset[str] = frozenset()

AGE: Callable[[User], Age | None] = vars(User)["age_band"].fget
"""Reads it past what a view shows."""

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

    def age(self) -> Age | None:
        """What the levels of `visibility` go by."""
        return AGE(self)


class SeenUser(User):
    """A user as the viewer sees it: an attribute that may not be seen is None.

    Each set of visible fields has a class of its own (`_view_of`), so that to read an attribute
    costs nothing more than it does on the record.
    """

    __slots__ = ()

    visible: ClassVar[frozenset[str]] = frozenset()
    hidden: ClassVar[frozenset[str]] = frozenset()
    redactions: ClassVar[tuple[Redaction, ...] | None] = None
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


View = Callable[[Document], SeenUser]


class Views(NamedTuple):
    """What such a viewer sees of users: by the status, and of one whose privacy narrows it."""

    by_status: Mapping[str, View]
    narrowed: Callable[[User], SeenUser]


class SeenUsers:
    """The users as the viewer of one request sees them; every path to a user goes through here.

    A user who blocks the viewer is not there: the same as if there were no such user. In lists and
    searches neither is somebody whom the viewer blocks; who names them finds them.
    """

    def __init__(
        self,
        viewer: Viewer | None,
        loaders: Loaders,
        trail: Trail,
        now: Callable[[], datetime],
        needs: Parts = None,
        authorization: Authorization = AUTHORIZATION,
    ) -> None:
        self._viewer = viewer
        self._loaders = loaders
        self._trail = trail
        self._now = now
        self._needs = needs
        self._authorization = authorization

    @cached_property
    def by_id(self) -> BatchLoader[str, SeenUser | None]:
        """Identifier -> the user as seen."""
        return self._loader(is_list=False)

    @cached_property
    def listed_by_id(self) -> BatchLoader[str, SeenUser | None]:
        """Identifier -> the user as seen in a list."""
        return self._loader(is_list=True) if self._views_of_all is None else self.by_id

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
        return await self._seen(users, is_list=False)

    async def listed(self, users: Sequence[User | None]) -> list[SeenUser | None]:
        """The users as seen in a list, in the same order, nothing for those who are not there."""
        return await self._seen(users, is_list=True)

    def shows_strangers(self, user: User, field: str) -> bool:
        """Whether the viewer sees a field of the user that is there, without following them."""
        if not user.is_narrowed or (self._kind in PERSONS and user.id == self._person):
            return True
        narrowing = narrowing_of(user, self._now())
        return field not in hidden_fields(self._authorization, self._kind, self._scopes, narrowing)

    def _loader(self, *, is_list: bool) -> BatchLoader[str, SeenUser | None]:
        async def batch(ids: list[str]) -> list[SeenUser | None]:
            return await self._seen(await self._loaders.user_by_id.load_many(ids), is_list=is_list)

        async def batch_for_person(ids: list[str]) -> list[SeenUser | None]:
            others = self._others(ids)
            users = self._loaders.user_by_id.load_many(ids)
            found, *ties = await _all_of(users, *self._ties(others, is_list=is_list))
            return await self._as_seen(others, found, *ties)

        views = self._views_of_all
        if views is None:
            return BatchLoader(batch_for_person)
        if self._loaders.knows_users:
            return BatchLoader(batch)
        return BatchLoader(
            self._loaders.users,
            lambda users: [None if user is None else user.seen_as(*views) for user in users],
        )

    async def _seen(self, users: Sequence[User | None], *, is_list: bool) -> list[SeenUser | None]:
        views = self._views_of_all
        if views is not None:
            return [None if user is None else user.seen_as(*views) for user in users]
        found = [user.id for user in users if user is not None]
        others = self._others(found or [NOBODY])
        ties = await _all_of(*self._ties(others, is_list=is_list))
        return await self._as_seen(others, users, *ties)

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
    def _scopes(self) -> frozenset[str]:
        """Only the scopes that matter to what is seen, so that the views stay few."""
        matter = self._authorization.seen_scopes
        return self._viewer.scopes & matter if self._viewer else NO_SCOPES

    @cached_property
    def _person(self) -> str:
        """Who asks, where `_views_of_all` has nothing."""
        assert self._viewer is not None
        assert self._viewer.user_id is not None
        return self._viewer.user_id

    def _others(self, ids: Sequence[str]) -> list[str]:
        viewer_id = self._person
        return [user_id for user_id in ids if user_id != viewer_id]

    def _ties(
        self, others: Sequence[str], *, is_list: bool
    ) -> Iterator["asyncio.Future[list[bool]]"]:
        """Whether each of them blocks the viewer, and is followed by the viewer where it matters.

        In a list then whether the viewer blocks them. They are asked about whether or not they
        exist, so that both take the same commands.
        """
        if self._kind is ViewerKind.STAFF:
            return
        viewer_id, loaders = self._person, self._loaders
        pairs = [(other, viewer_id) for other in others]
        if is_list:
            pairs += [(viewer_id, other) for other in others]
        yield loaders.is_blocking_by_pair.load_many(pairs)
        if self._authorization.tells_followers_apart:
            yield loaders.is_following_by_pair.load_many([(viewer_id, other) for other in others])

    async def _as_seen(
        self,
        others: Sequence[str],
        users: Sequence[User | None],
        blocks: Sequence[bool] = (),
        follows: Sequence[bool] | None = None,
    ) -> list[SeenUser | None]:
        """The users, by what each of the others is to the viewer."""
        hidden = frozenset(compress((*others, *others), blocks))
        views = {self._person: self._views(ViewerKind.SELF)}
        narrowed = [user for user in users if user is not None and user.is_narrowed]
        if follows is None and narrowed:
            others, follows = await self._followed(narrowed, hidden)
        if follows and any(follows):
            followers = self._views(ViewerKind.FOLLOWER)
            views.update(dict.fromkeys(compress(others, follows), followers))
        rest = self._views(self._kind)
        return [
            None if user is None or user.id in hidden else user.seen_as(*views.get(user.id, rest))
            for user in users
        ]

    async def _followed(
        self, narrowed: Sequence[User], hidden: frozenset[str]
    ) -> tuple[Sequence[str], Sequence[bool]]:
        """Whether the viewer follows those of whom followers see more of what is asked for.

        Not of those who are hidden, so that these take no more commands than nobody does.
        """
        if self._kind is ViewerKind.STAFF:
            return (), ()
        now, viewer_id = self._now(), self._person
        others = [
            user.id
            for user in narrowed
            if user.id != viewer_id and user.id not in hidden and self._opens(user, now)
        ]
        pairs = [(viewer_id, other) for other in others]
        return others, await self._loaders.is_following_by_pair.load_many(pairs) if pairs else ()

    def _opens(self, user: User, now: datetime) -> bool:
        opened = opens_to_followers(self._authorization, self._scopes, narrowing_of(user, now))
        is_active = user.as_of(now).status is Status.ACTIVE
        return is_active and not opened.isdisjoint(_relevant(self._needs))

    def _views(self, kind: ViewerKind) -> Views:
        looker = Looker(self._authorization, kind, self._scopes, self._needs)
        views, is_audited = _views_of(looker)
        now = self._now()

        def narrowed(user: User) -> SeenUser:
            at = user.moment(now)
            current = user.as_of(at)
            narrowing = narrowing_of(current, at)
            view = _narrowed_view_of(looker, current.status, narrowing, is_audited)
            return noted(view)(current.stored())

        def suspended(document: Document) -> SeenUser:
            user = User(document)
            current = user.as_of(user.moment(now))
            return noted(views[current.status.value])(current.stored())

        def noted(view: Callable[..., SeenUser]) -> View:
            return partial(view, self._trail) if is_audited else view

        by_status = {status: noted(view) for status, view in views.items()}
        return Views({**by_status, SUSPENDED: suspended}, narrowed)


def visible_fields(
    authorization: Authorization, kind: ViewerKind, status: Status, scopes: frozenset[str]
) -> frozenset[str]:
    """The fields of a user with this status that such a viewer may see."""
    fields = authorization.fields_for(kind, scopes)
    if status is Status.ERASED or (status is not Status.ACTIVE and kind not in TRUSTED):
        return fields & WITHOUT_PROFILE
    return fields


class Looker(NamedTuple):
    """A kind of viewers, and what their operation reads."""

    authorization: Authorization
    kind: ViewerKind
    scopes: frozenset[str]
    needs: Parts


@lru_cache(VIEWS)
def _views_of(looker: Looker) -> tuple[Mapping[str, Callable[..., SeenUser]], bool]:
    """What such viewers see of a user, by the status.

    And whether that is audited: then each takes the trail before the document.
    """
    noted = _noted_fields(looker)
    views = {status.value: _view_for(looker, status, NONE, noted) for status in Status}
    return views, noted is not None


@lru_cache(REMEMBERED)
def _narrowed_view_of(
    looker: Looker, status: Status, narrowing: Narrowing, is_audited: bool
) -> Callable[..., SeenUser]:
    noted = _noted_fields(looker) if is_audited else None
    return _view_for(looker, status, narrowing, noted)


def _noted_fields(looker: Looker) -> frozenset[str] | None:
    """The personal fields that are read, where it is to be noted."""
    authorization, kind, scopes, needs = looker
    read = {_field_of("User", part) for part in needs or ()}
    read |= {_field_of("UserPrivate", part) for part in needs or ()}
    personal = authorization.personal if needs is None else authorization.personal & read
    is_audited = kind is not ViewerKind.SELF and any(
        authorization.allows(field, kind, scopes) for field in personal
    )
    return personal if is_audited else None


def _view_for(
    looker: Looker, status: Status, narrowing: Narrowing, noted: frozenset[str] | None
) -> type[SeenUser]:
    authorization, kind, scopes, needs = looker
    allowed = visible_fields(authorization, kind, status, scopes)
    hidden = hidden_fields(authorization, kind, scopes, narrowing) & _relevant(needs)
    visible = allowed - hidden
    redactions = None
    if "User.redactions" in visible and "User.redactions" in _relevant(needs):
        redactions = redactions_of(authorization, kind, scopes, status, visible, narrowing)
    return _view_of(visible, hidden, redactions, needs, noted)


@lru_cache(VIEWS)
def _relevant(needs: Parts) -> frozenset[str]:
    """The fields that narrowing is about, as far as the operation asks for them or their like.

    The fewer, the fewer views there are.
    """
    chosen = AUTHORIZATION.chosen
    if needs is None or "redactions" in needs:
        return frozenset({*chosen, "User.handle", "User.redactions"})
    choices = {chosen.get(_field_of("User", part)) for part in needs}
    return frozenset({field for field in chosen if chosen[field] in choices} | {"User.handle"})


@lru_cache(VIEWS)
def _view_of(
    visible: frozenset[str],
    hidden: frozenset[str],
    redactions: tuple[Redaction, ...] | None,
    needs: Parts,
    noted: frozenset[str] | None,
) -> type[SeenUser]:
    """The class of users of whom these fields are seen, and these parts were read.

    That the `noted` fields are read is noted on a trail; without them there is no trail.
    """
    base, private = (SeenUser, SeenPrivate) if noted is None else (AuditedUser, AuditedPrivate)
    view = cast(type[SeenUser], _restricted(base, "User", visible, needs, noted))
    view.visible, view.hidden, view.redactions = visible, hidden, redactions
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
        parts = PRIVATE if name == "private" else {name}
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
