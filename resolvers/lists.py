"""Lists of users: pages, and cursors that keep their place while the list changes."""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiodataloader import DataLoader

from loaders.lists import PageByKey, PageKey
from resolvers import rules
from resolvers.request import Request
from resolvers.visibility import SeenUser, see
from store.records import Edge, User

CHECK_BYTES = 6


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
    """Some items of a list.

    Users whom the viewer may not see are left out, so a page may hold fewer than asked for;
    `end_cursor` leads behind them all the same.
    """

    items: Sequence[PageItem]
    has_next: bool
    has_previous: bool
    end_cursor: str | None


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
    request: Request,
    name: str,
    owner: str,
    rows: Sequence[Row],
    size: int,
    after: str | None,
) -> Page:
    """The first `size` of the rows as a page; a row more says that there is a next one."""
    shown = rows[:size]
    cursors = [cursor_to(name, owner, row.place) for row in shown]
    seen = await asyncio.gather(*(see(request, row.user) for row in shown))
    items = [
        PageItem(user, cursor, row.at)
        for user, cursor, row in zip(seen, cursors, shown, strict=True)
        if user is not None
    ]
    return Page(items, len(rows) > size, after is not None, cursors[-1] if cursors else None)


def cursor_to(name: str, owner: str, place: str) -> str:
    """An opaque cursor to a place of the list that `name` and `owner` tell apart."""
    return base64.urlsafe_b64encode(_check(name, owner, place) + place.encode()).decode()


def place_of(cursor: str | None, name: str, owner: str) -> str | None:
    """The place a cursor leads to; nothing for no cursor.

    Raises: ValidationRefusal when the cursor was not made for this list. The check tells a damaged
    or foreign cursor; it keeps no secret, because a place in a list one may read is none.
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
    place = place_of(after, name, owner)
    edges = await loader.load(PageKey(owner, place, size + 1))
    users = await _users(request.loaders.user_by_id, edges)
    rows = [Row(user, edge.order, edge.at) for user, edge in zip(users, edges, strict=True)]
    return await page_of(request, name, owner, rows, size, after)


async def _users(
    user_by_id: DataLoader[str, User | None], edges: Sequence[Edge]
) -> list[User | None]:
    return await user_by_id.load_many([edge.user_id for edge in edges])


def _check(name: str, owner: str, place: str) -> bytes:
    text = "\x00".join((name, owner, place)).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=CHECK_BYTES).digest()
