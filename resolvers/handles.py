"""Handles: whether one is free, claiming one, changing one's own."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from loaders.handles import HandleOwner
from resolvers import rules
from resolvers.errors import HandleTakenRefusal, TooSoonRefusal, ValidationRefusal
from resolvers.mutations import Control, Operation, Outcome, carry_out, change_user
from resolvers.request import Request
from resolvers.visibility import SeenPrivate
from store.handles import FORMER_HANDLES, cooling_until, is_taken
from store.records import FormerHandle, User

HANDLE_CHANGED = "HANDLE_CHANGED"
SUGGESTIONS = 3


class HandleState(StrEnum):
    """What stands between a handle and somebody who wants it."""

    AVAILABLE = "AVAILABLE"
    TAKEN = "TAKEN"
    COOLDOWN = "COOLDOWN"
    RESERVED = "RESERVED"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class HandleAvailability:
    """The handle as it would be stored, or as asked for when it is not one."""

    handle: str
    state: HandleState


async def handle_availability(request: Request, wanted: str) -> HandleAvailability:
    """Whether somebody could register the handle now."""
    try:
        handle = rules.handle(wanted, "handle")
    except ValidationRefusal:
        return HandleAvailability(wanted, HandleState.INVALID)
    if handle in rules.RESERVED_HANDLES:
        return HandleAvailability(handle, HandleState.RESERVED)
    owner = await request.loaders.handle_owner_by_handle.load(handle)
    return HandleAvailability(handle, _state(request, owner))


def cooling_handles(request: Request, private: SeenPrivate) -> list[FormerHandle]:
    """The handles that the user gave up and that still lead to the user."""
    at = private.moment(request.now())
    return [former for former in private.former_handles if former.until > at]


async def suggestions(request: Request, handle: str) -> tuple[str, ...]:
    """Up to three free handles that look like this one."""
    stem = handle[: rules.HANDLE_LENGTH[1] - 5].rstrip(".")
    candidates = [f"{stem}{random.randrange(10, 100_000)}" for _ in range(2 * SUGGESTIONS)]
    owners = await request.loaders.handle_owner_by_handle.load_many(candidates)
    free = [
        candidate
        for candidate, owner in zip(candidates, owners, strict=True)
        if _state(request, owner) is HandleState.AVAILABLE
    ]
    return tuple(dict.fromkeys(free))[:SUGGESTIONS]


async def change_handle(request: Request, wanted: str, control: Control) -> Outcome:
    """Gives the viewer another handle; the old one keeps leading to them for a while."""
    viewer_id = request.require_user("Mutation.changeHandle")

    async def act(operation: Operation) -> Outcome:
        handle = rules.unreserved_handle(wanted, "handle")

        async def decide(user: User) -> Mapping[str, Any]:
            if user.handle == handle:
                return {}
            _check_interval(request, user, operation)
            if control.dry_run:
                await check_free(request, handle, user)
            else:
                await claim(request, handle, user.id, operation)
            return {
                "handle": handle,
                "handle_changed_at": operation.now,
                "former_handles": _former_handles(request, user, handle, operation),
            }

        return await change_user(request, operation, viewer_id, HANDLE_CHANGED, decide)

    return await carry_out(request, "changeHandle", control, {"handle": wanted}, act)


async def claim(request: Request, handle: str, user_id: str, operation: Operation) -> None:
    """Takes the handle for the user, until its document says the same.

    Raises: HandleTakenRefusal.
    """
    if not await request.store.handles.claim(handle, user_id, now=operation.now):
        raise await _taken(request, handle)


async def check_free(request: Request, handle: str, user: User | None) -> None:
    """Insists that the user could claim the handle now. Raises: HandleTakenRefusal."""
    owner = await request.loaders.handle_owner_by_handle.load(handle)
    mine = owner is not None and user is not None and owner.claim.user_id == user.id
    if not mine and _state(request, owner) is not HandleState.AVAILABLE:
        raise await _taken(request, handle)


async def _taken(request: Request, handle: str) -> HandleTakenRefusal:
    owner = await request.loaders.handle_owner_by_handle.load(handle)
    return HandleTakenRefusal(
        message="Somebody else has this handle.",
        path=("handle",),
        suggestions=await suggestions(request, handle),
        available_at=cooling_until(owner.user, handle, request.now()) if owner else None,
    )


def _state(request: Request, owner: HandleOwner | None) -> HandleState:
    if owner is None:
        return HandleState.AVAILABLE
    handle, now = owner.claim.handle, request.now()
    if owner.claim.user_id is None:
        return HandleState.RESERVED
    if cooling_until(owner.user, handle, now):
        return HandleState.COOLDOWN
    return HandleState.TAKEN if is_taken(owner.claim, owner.user, now) else HandleState.AVAILABLE


def _check_interval(request: Request, user: User, operation: Operation) -> None:
    if user.handle_changed_at is None:
        return
    remaining = user.handle_changed_at + request.policy.handle_change_interval - operation.now
    if remaining.total_seconds() > 0:
        raise TooSoonRefusal(
            message="The handle was changed not long ago.",
            path=("handle",),
            retry_after_seconds=round(remaining.total_seconds()),
        )


def _former_handles(
    request: Request, user: User, handle: str, operation: Operation
) -> tuple[FormerHandle, ...]:
    kept = [
        former
        for former in user.former_handles
        if former.until > operation.now and former.handle != handle
    ]
    if user.handle is not None:
        kept.append(FormerHandle(user.handle, operation.now + request.policy.handle_cooldown))
    return tuple(kept[-FORMER_HANDLES:])
