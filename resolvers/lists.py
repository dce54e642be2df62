"""Lists of users: pages, and cursors that keep their place while the list changes."""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from loaders.lists import PageByKey, PageKey
from resolvers import rules
from resolvers.request import Request
from resolvers.visibility import SeenUser, see
from store.records import User

CHECK_BYTES = 6
READS = 5
"""How often a page reads on past users who are hidden from the viewer, before it ends the list."""


@dataclass(frozen=True, slots=True)
class Row:
    """A user at a place of a list; `at` is missing where time means nothing."""

    user: User | None
    place: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PageItem:
    """A user of a page, as the viewer sees it."""

    user: SeenUser
    cursor: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of a list, all of whom the viewer may see."""

    items: Sequence[PageItem]
    has_next: bool
    has_previous: bool


Read = Callable[[str | None], Awaitable[list[Row]]]


async def followers_page(
    request: Request, owner: SeenUser, first: int, after: str | None
) -> Page | None:
    """Who follows the owner, newest first; nothing when the viewer may not see it."""
    if not owner.sees("User.followers"):
        return None
    loader = request.loaders.followers_page_by_key
    return await _edges_page(request, "followers", loader, owner.user.id, first, after)


async def following_page(
    request: Request, owner: SeenUser, first: int, after: str | None
) -> Page | None:
    """Whom the owner follows, newest first; nothing when the viewer may not see it."""
    if not owner.sees("User.following"):
        return None
    loader = request.loaders.following_page_by_key
    return await _edges_page(request, "following", loader, owner.user.id, first, after)


async def blocked_page(request: Request, user_id: str, first: int, after: str | None) -> Page:
    """Whom the signed-in user blocks, newest first."""
    loader = request.loaders.blocked_page_by_key
    return await _edges_page(request, "blocked", loader, user_id, first, after)


async def page_of(
    request: Request, name: str, owner: str, size: int, after: str | None, read: Read
) -> Page:
    """The users behind the cursor that the viewer may see, at most `size`.

    `read` gives at most `size + 1` rows behind a place. It is asked again only where rows were
    hidden, so that a page tells nothing of them: not by its length, nor by its last cursor.
    """
    place = place_of(after, name, owner)
    visible: list[tuple[Row, SeenUser]] = []
    for _ in range(READS):
        rows = await read(place)
        seen = await asyncio.gather(*(see(request, row.user) for row in rows))
        visible += [(row, user) for row, user in zip(rows, seen, strict=True) if user is not None]
        if len(rows) <= size or len(visible) > size:
            break
        place = rows[-1].place
    items = [
        PageItem(user, cursor_to(name, owner, row.place), row.at) for row, user in visible[:size]
    ]
    return Page(items, has_next=len(visible) > size, has_previous=after is not None)


def cursor_to(name: str, owner: str, place: str) -> str:
    """An opaque cursor to a place of the list that `name` and `owner` tell apart."""
    return base64.urlsafe_b64encode(_check(name, owner, place) + place.encode()).decode()


def place_of(cursor: str | None, name: str, owner: str) -> str | None:
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
    if check != _check(name, owner, place):
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

    async def read(place: str | None) -> list[Row]:
        edges = await loader.load(PageKey(owner, place, size + 1))
        users = await request.loaders.user_by_id.load_many([edge.user_id for edge in edges])
        return [Row(user, edge.order, edge.at) for user, edge in zip(users, edges, strict=True)]

    return await page_of(request, name, owner, size, after, read)


def _check(name: str, owner: str, place: str) -> bytes:
    text = "\x00".join((name, owner, place)).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=CHECK_BYTES).digest()
