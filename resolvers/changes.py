"""Changes: the revisions of a user as they happen, whoever makes them."""

from collections.abc import AsyncIterator

from resolvers.errors import NotFoundRefusal
from resolvers.request import Request
from resolvers.users import user_by_id
from resolvers.visibility import SeenUser


async def profile_changed(request: Request, user_id: str) -> AsyncIterator[SeenUser]:
    """The user after each change from now on; revisions that a slow reader missed are skipped.

    Ends when the viewer may no longer see the user. Raises: ValidationRefusal, NotFoundRefusal.
    """
    seen = await user_by_id(request, user_id, "id")
    if seen is None:
        raise NotFoundRefusal(message="There is no such user.", path=("id",))
    async with request.store.changes.watch(user_id, since=seen.user.rev) as watcher:
        async for _ in watcher:
            request.renew_loaders()
            seen = await user_by_id(request, user_id, "id")
            if seen is None:
                return
            yield seen
