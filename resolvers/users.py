"""Users: reading them by identifier, by handle, and by the beginning of a name."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from resolvers import rules
from resolvers.errors import Refusal
from resolvers.lists import Origin, Page, PageItem, page_of
from resolvers.request import Request
from resolvers.visibility import SeenUser
from store.records import User

HANDLES_FIRST = "h:"


def user_by_id(request: Request, user_id: str, *path: str) -> Awaitable[SeenUser | None]:
    """The user, or nothing. Raises: ValidationRefusal for a malformed id, at once."""
    return request.users.by_id.load(rules.identifier(user_id, *path))


def user_by_handle(request: Request, handle: str, *path: str) -> Awaitable[SeenUser | None]:
    """The user whom the handle leads to, or nothing. Raises: ValidationRefusal, at once."""
    return request.users.by_handle.load(rules.handle(handle, *path))


def users_by_ids(request: Request, ids: Sequence[str]) -> Awaitable[list[SeenUser | None]]:
    """The users in the order asked for, nothing for unknown ones.

    Raises: ValidationRefusal, at once.
    """
    rules.at_most(ids, rules.IDS, "ids")
    for index, user_id in enumerate(ids):
        rules.identifier(user_id, "ids", str(index))
    return request.users.by_id.load_many(ids)


async def users_by_keys(
    request: Request, keys: Sequence[Mapping[str, Any]]
) -> list[SeenUser | Refusal | None]:
    """The users whom the keys (`id` or `handle`) name, in order; a malformed one is a refusal."""
    found: list[SeenUser | Refusal | None] = [None] * len(keys)
    places_by_id: defaultdict[str, list[int]] = defaultdict(list)
    places_by_handle: defaultdict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        try:
            if "id" in key:
                places_by_id[rules.identifier(key["id"], "id")].append(place)
            else:
                places_by_handle[rules.handle(key["handle"], "handle")].append(place)
        except Refusal as refusal:
            found[place] = refusal
    # Both are asked for before either is awaited.
    by_id = request.users.by_id.load_many(places_by_id) if places_by_id else None
    by_handle = request.users.by_handle.load_many(places_by_handle) if places_by_handle else None
    users = await by_id if by_id else []
    holders = await by_handle if by_handle else []
    for user, places in zip(
        (*users, *holders), (*places_by_id.values(), *places_by_handle.values()), strict=True
    ):
        for place in places:
            found[place] = user
    return found


async def signed_in_user(request: Request) -> SeenUser | None:
    """The viewer's own user; nothing for anonymous viewers, services and unknown people."""
    if request.viewer is None or request.viewer.user_id is None:
        return None
    return await request.users.by_id.load(request.viewer.user_id)


async def search_users(request: Request, query: str, first: int, after: str | None) -> Page:
    """Active users whose handle, or else display name, starts with the query.

    Handles come first, by handle; then display names, by name. Two commands, whatever they find.
    Nobody is found by what strangers do not see, not even by followers: a search that finds nothing
    takes the same commands, whoever has the name.
    Raises: ValidationRefusal.
    """
    size = rules.page_size(first, "first")
    prefix = rules.line(query, rules.QUERY_LENGTH, "query")
    by_handle = (prefix or "").removeprefix("@").lower()
    if prefix is None or not by_handle:
        raise rules.refuse(("query",), "MIN_LENGTH", "at least one character of a name")
    users = request.store.users
    origin, now = Origin("search", prefix), request.now()

    async def read(place: str | None) -> list[PageItem]:
        phase, _, key = (place or HANDLES_FIRST).partition(":")
        in_handles, in_names = (key or None, None) if phase == "h" else (None, key)
        handles, names = await asyncio.gather(
            users.with_handle_from(by_handle, in_handles, size + 1, now=now),
            users.with_name_from(
                prefix.casefold(),
                in_names,
                size + 1,
                but_not_handles_from=by_handle,
                now=now,
            ),
        )
        found = [(user, f"h:{user.handle}") for user in handles] if phase == "h" else []
        found += [(user, f"n:{key}") for key, user in names]
        del found[size + 1 :]
        shown = [_shown(request, user, place) for user, place in found]
        seen = await request.users.listed(shown)
        return [
            PageItem(user, place, None, origin)
            for user, (_, place) in zip(seen, found, strict=True)
        ]

    return await page_of(origin, size, after, read)


def _shown(request: Request, user: User, place: str) -> User | None:
    """The user, unless the viewer may not see what was searched for."""
    field = "User.handle" if place.startswith(HANDLES_FIRST) else "User.displayName"
    return user if request.users.shows_strangers(user, field) else None
