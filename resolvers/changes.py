"""Changes: the revisions of a user, whoever makes them: those that were missed, then live ones."""

from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime

from resolvers import rules
from resolvers.errors import NotFoundRefusal, RevisionsGoneRefusal
from resolvers.request import Request
from resolvers.visibility import SeenUser
from store.records import Revision, User
from store.revisions import Revisions


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """A revision, or several of which the newest counts, and the user as it is now.

    `fields` are names of the record's fields, also of those that the viewer may not see.
    """

    rev: int
    at: datetime
    fields: frozenset[str]
    user: SeenUser


async def profile_changed(
    request: Request, user_id: str, since_rev: int | None
) -> AsyncGenerator[ProfileChange, None]:
    """Each revision after `since_rev` exactly once; without it the newest one from now on.

    A reader who is slow skips revisions only when `since_rev` is missing, and nothing queues up:
    with each step the user is read as it is then. Ends when the viewer may no longer see the user.
    Raises: ValidationRefusal, NotFoundRefusal, RevisionsGoneRefusal.
    """
    rules.identifier(user_id, "id")
    user = await request.store.changes.user(user_id)
    if await _seen_anew(request, user_id, user) is None or user is None:
        raise NotFoundRefusal(message="There is no such user.", path=("id",))
    start = user.rev if since_rev is None else rules.since_rev(since_rev, user.rev, "sinceRev")
    following = _Following(request.store.revisions, start)
    async with request.store.changes.watch(user_id) as watcher:
        while (user := await watcher.user_past(following.rev)) is not None:
            seen = await _seen_anew(request, user_id, user)
            if seen is None:
                return
            revision = await following.next(user)
            fields = set(revision.fields)
            while since_rev is None and revision.rev < user.rev:
                revision = await following.next(user)
                fields.update(revision.fields)
            yield ProfileChange(revision.rev, revision.at, frozenset(fields), seen)


class _Following:
    """A place among the revisions of a user, and at most a page of those behind it."""

    def __init__(self, revisions: Revisions, rev: int) -> None:
        self.rev = rev
        self._revisions = revisions
        self._page: deque[Revision] = deque()

    async def next(self, user: User) -> Revision:
        """The revision behind the place, which moves on; the user must be past it."""
        if not self._page:
            self._page.extend(await self._revisions.after(user, self.rev))
        if not self._page or self._page[0].rev != self.rev + 1:
            oldest = self._page[0].rev - 1 if self._page else user.rev
            raise RevisionsGoneRefusal(
                message=f"The revisions after {self.rev} are no longer kept; "
                f"read the user and go on from its rev, or from {oldest}.",
                path=("sinceRev",),
                oldest_since_rev=oldest,
            )
        revision = self._page.popleft()
        self.rev = revision.rev
        return revision


async def _seen_anew(request: Request, user_id: str, user: User | None) -> SeenUser | None:
    """The user that was just read, as the viewer sees it now."""
    request.renew_loaders()
    request.loaders.user_by_id.prime(user_id, user)
    return await request.users.by_id.load(user_id)
