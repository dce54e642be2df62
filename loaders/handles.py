"""Handles: the registry row, and the user that a handle leads to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aiodataloader import DataLoader

from loaders.users import UserById
from store.handles import holds
from store.records import HandleClaim, User
from store.store import Store


@dataclass(frozen=True, slots=True)
class HandleOwner:
    """A row of the registry with the user it names, who may not exist or hold it any more."""

    claim: HandleClaim
    user: User | None


HandleOwnerByHandle = DataLoader[str, HandleOwner | None]
UserByHandle = DataLoader[str, User | None]


def handle_owner_by_handle(store: Store, user_by_id: UserById) -> HandleOwnerByHandle:
    """Normalised handle -> registry row and the user it names; one command more than the users."""

    async def batch(handles: list[str]) -> list[HandleOwner | None]:
        claims = await store.handles.by_handles(handles)
        owner_ids = [claim.user_id for claim in claims.values() if claim.user_id is not None]
        users = {
            user.id: user for user in await user_by_id.load_many(owner_ids) if user is not None
        }
        owners = {
            handle: HandleOwner(claim, users.get(claim.user_id or ""))
            for handle, claim in claims.items()
        }
        return [owners.get(handle) for handle in handles]

    return DataLoader(batch)


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

    return DataLoader(batch)
