"""Handles: the registry row, and the user that a handle leads to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from loaders.batch import BatchLoader
from loaders.users import UserById
from store.handles import holds
from store.records import HandleClaim, User
from store.store import Store


@dataclass(frozen=True, slots=True)
class HandleOwner:
    """A row of the registry with the user it names, who may not exist or hold it any more."""

    claim: HandleClaim
    user: User | None


HandleOwnerByHandle = BatchLoader[str, HandleOwner | None]
UserByHandle = BatchLoader[str, User | None]


def handle_owner_by_handle(store: Store, user_by_id: UserById) -> HandleOwnerByHandle:
    """Normalised handle -> registry row and the user it names; one command more than the users."""

    async def batch(handles: list[str]) -> list[HandleOwner | None]:
        claims = await store.handles.by_handles(handles)
        owner_ids = [claim.user_id for claim in claims if claim and claim.user_id is not None]
        users = dict(zip(owner_ids, await user_by_id.load_many(owner_ids), strict=True))
        return [claim and HandleOwner(claim, users.get(claim.user_id or "")) for claim in claims]

    return BatchLoader(batch)


def user_by_handle(
    handle_owner_by_handle: HandleOwnerByHandle, now: Callable[[], datetime]
) -> UserByHandle:
    """Normalised handle -> the user who holds it, or gave it up and it still cools down."""

    async def batch(handles: list[str]) -> list[User | None]:
        owners = await handle_owner_by_handle.load_many(handles)
        return [
            owner.user if owner and holds(owner.user, handle, now()) else None
            for handle, owner in zip(handles, owners, strict=True)
        ]

    return BatchLoader(batch)
