"""Users: reading them by identifier, by handle, and by the beginning of a name."""

import asyncio
from collections.abc import Sequence

from resolvers import rules
from resolvers.lists import Page, Row, page_of
from resolvers.request import Request
from resolvers.visibility import SeenUser, see

HANDLES_FIRST = "h:"


async def user_by_id(request: Request, user_id: str, *path: str) -> SeenUser | None:
    """The user, or nothing. Raises: ValidationRefusal for a malformed id."""
    rules.identifier(user_id, *path)
    return await see(request, await request.loaders.user_by_id.load(user_id))


async def user_by_handle(request: Request, handle: str, *path: str) -> SeenUser | None:
    """The user whom the handle leads to, or nothing. Raises: ValidationRefusal."""
    clean = rules.handle(handle, *path)
    return await see(request, await request.loaders.user_by_handle.load(clean))


async def users_by_ids(request: Request, ids: Sequence[str]) -> list[SeenUser | None]:
    """The users in the order asked for, nothing for unknown ones. Raises: ValidationRefusal."""
    rules.at_most(ids, rules.IDS, "ids")
    for index, user_id in enumerate(ids):
        rules.identifier(user_id, "ids", str(index))
    return await asyncio.gather(*(user_by_id(request, user_id) for user_id in ids))


async def signed_in_user(request: Request) -> SeenUser | None:
    """The viewer's own user; nothing for anonymous viewers, services and unknown people."""
    if request.viewer is None or request.viewer.user_id is None:
        return None
    return await see(request, await request.loaders.user_by_id.load(request.viewer.user_id))


async def search_users(request: Request, query: str, first: int, after: str | None) -> Page:
    """Active users whose handle, or else display name, starts with the query.

    Handles come first, by handle; then display names, by name. Two commands, whatever they find.
    Raises: ValidationRefusal.
    """
    size = rules.page_size(first, "first")
    prefix = rules.line(query, rules.QUERY_LENGTH, "query")
    by_handle = (prefix or "").removeprefix("@").lower()
    if prefix is None or not by_handle:
        raise rules.refuse(("query",), "MIN_LENGTH", "at least one character of a name")
    users = request.store.users

    async def read(place: str | None) -> list[Row]:
        phase, _, key = (place or HANDLES_FIRST).partition(":")
        in_handles, in_names = (key or None, None) if phase == "h" else (None, key)
        handles, names = await asyncio.gather(
            users.with_handle_from(by_handle, in_handles, size + 1),
            users.with_name_from(
                prefix.casefold(), in_names, size + 1, but_not_handles_from=by_handle
            ),
        )
        found = [Row(user, f"h:{user.handle}") for user in handles] if phase == "h" else []
        found += [Row(user, f"n:{key}") for key, user in names]
        return found[: size + 1]

    return await page_of(request, "search", prefix, size, after, read)
