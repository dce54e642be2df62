"""Lists of users: pages, and cursors that keep their place while the list changes."""

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from loaders.lists import PageByKey, PageKey
from resolvers import rules
from resolvers.request import Request
from resolvers.visibility import SeenUser

CHECK_BYTES = 6
BLOCKED = "blocked"
FOLLOWING = "User.following"
READS = 5
"""How often a page reads on past users who are hidden from the viewer, before it ends the list."""


class Origin(NamedTuple):
    """The list that a cursor belongs to: its name, and whose it is or what it was asked."""

    name: str
    owner: str


@dataclass(slots=True)
class PageItem:
    """A user as the viewer sees it, at a place of a list; `at` is None where time means nothing.

    `node` is missing where the viewer may not see the user, which no page shows.
    """

    node: SeenUser | None
    place: str
    at: datetime | None
    origin: Origin

    @property
    def cursor(self) -> str:
        """An opaque cursor to this place."""
        return cursor_to(self.origin, self.place)


@dataclass(slots=True)
class Page:
    """Some items of a list, all of whom the viewer may see; it says itself where it stands."""

    edges: Sequence[PageItem]
    has_next_page: bool
    has_previous_page: bool

    @property
    def page_info(self) -> "Page":
        """Where the page stands in its list: it says so itself."""
        return self

    @property
    def start_cursor(self) -> str | None:
        """The first cursor of the page."""
        return self.edges[0].cursor if self.edges else None

    @property
    def end_cursor(self) -> str | None:
        """The cursor behind which the next page begins."""
        return self.edges[-1].cursor if self.edges else None


Read = Callable[[str | None], Awaitable[list[PageItem]]]


async def followers_page(
    request: Request, owner: SeenUser, first: int, after: str | None
) -> Page | None:
    """Who follows the owner, newest first; nothing when the viewer may not see it."""
    if not owner.sees("User.followers"):
        return None
    loader = request.loaders.followers_page_by_key
    return await _edges_page(request, "followers", loader, owner.id, first, after)


async def following_page(
    request: Request, owner: SeenUser, first: int, after: str | None
) -> Page | None:
    """Whom the owner follows, newest first; nothing when the viewer may not see it."""
    if not owner.sees(FOLLOWING):
        return None
    loader = request.loaders.following_page_by_key
    return await _edges_page(request, "following", loader, owner.id, first, after)


async def blocked_page(request: Request, user_id: str, first: int, after: str | None) -> Page:
    """Whom the signed-in user blocks, newest first."""
    loader = request.loaders.blocked_page_by_key
    return await _edges_page(request, BLOCKED, loader, user_id, first, after)


async def page_of(origin: Origin, size: int, after: str | None, read: Read) -> Page:
    """The users behind the cursor that the viewer may see, at most `size`.

    `read` gives at most `size + 1` items behind a place. It is asked again only where users were
    hidden, so that a page tells nothing of them: not by its length, nor by its last cursor.
    """
    place = place_of(after, origin)
    visible: list[PageItem] = []
    for _ in range(READS):
        items = await read(place)
        visible += [item for item in items if item.node is not None]
        if len(items) <= size or len(visible) > size:
            break
        place = items[-1].place
    return Page(visible[:size], len(visible) > size, after is not None)


def cursor_to(origin: Origin, place: str) -> str:
    """An opaque cursor to a place of the list."""
    return base64.urlsafe_b64encode(_check(origin, place) + place.encode()).decode()


def place_of(cursor: str | None, origin: Origin) -> str | None:
    """The place a cursor leads to; nothing for no cursor.

    Raises: ValidationRefusal when the cursor was not made for this list. The check tells a damaged
    or foreign cursor; it keeps no secret: cursors are made for users whom the viewer sees, only.
    """
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        check, place = raw[:CHECK_BYTES], raw[CHECK_BYTES:].decode()
    except (binascii.Error, UnicodeError):
        check, place = b"", ""
    if check != _check(origin, place):
        raise rules.refuse(("after",), "CURSOR", "a cursor that this list gave out")
    return place


async def _edges_page(
    request: Request,
    name: str,
    loader: PageByKey,
    owner: str,
    first: int,
    after: str | None,
) -> Page:
    size = rules.page_size(first, "first")
    origin = Origin(name, owner)
    is_own = request.viewer is not None and request.viewer.user_id == owner
    users_by_id = request.users.by_id if name == BLOCKED else request.users.listed_by_id

    async def read(place: str | None) -> list[PageItem]:
        edges = await loader.load(PageKey(owner, place, size + 1))
        users = await users_by_id.load_many([edge.user_id for edge in edges])
        if not is_own:
            # An edge tells of both its ends: who hides their own lists is on nobody else's.
            users = [None if user and FOLLOWING in user.hidden else user for user in users]
        return [
            PageItem(user, edge.order, edge.at, origin)
            for user, edge in zip(users, edges, strict=True)
        ]

    return await page_of(origin, size, after, read)


def _check(origin: Origin, place: str) -> bytes:
    text = "\x00".join((*origin, place)).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=CHECK_BYTES).digest()
