"""Seats: what a change makes of a household, and the one guarded write that carries it out."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Set
from dataclasses import replace

from resolvers.errors import DenialReason, NotAllowedRefusal, NotFoundRefusal, TooSoonRefusal
from resolvers.mutations import (
    CHANGE_ATTEMPTS,
    PAUSE_SECONDS,
    Control,
    FieldChange,
    Operation,
)
from resolvers.request import Request
from store.households import LEASE, Household, Invitation, Member, household_of, seat_in
from store.ids import PATTERN
from store.records import User

INVITATIONS = 10
"""The most invitations of a household that may be open at once."""

Edit = Callable[[Household], Household | Awaitable[Household]]


async def edit_household(
    request: Request, household_id: str, edit: Edit, control: Control, *, is_invited: bool = False
) -> list[FieldChange]:
    """Changes a household in one guarded write, deciding anew when others were faster.

    Gives what a dry run tells of it; `is_invited` is for a viewer who does not sit there yet.
    Raises: TooSoonRefusal.
    """
    for attempt in range(CHANGE_ATTEMPTS):
        if attempt:
            await asyncio.sleep(random.random() * attempt * PAUSE_SECONDS)
        known = await household_now(request, household_id)
        edited = edit(known)
        after = await edited if isinstance(edited, Awaitable) else edited
        if control.dry_run:
            return await _differences(request, known, after, is_invited)
        if after == known or await request.store.households.keep(after):
            return []
    raise TooSoonRefusal(
        message="Too many others changed this household at the same time; try again.",
        retry_after_seconds=1,
    )


async def household_now(request: Request, household_id: str) -> Household:
    """The household as of now; an empty one when it is not stored yet."""
    [known] = await request.store.households.by_ids([household_id])
    return known or Household(household_id)


def with_invitation(
    household: Household, invitation: Invitation, operation: Operation
) -> Household:
    """The household with its manager and the invitation, without those that are over.

    One of the same name is of an attempt that crashed: nobody was told its token.
    """
    manager = Member(household.id, household.id, operation.now)
    others = [one for one in household.members if one.user_id != household.id]
    kept = [one for one in household.members if one.user_id == household.id] or [manager]
    opened = [
        one
        for one in household.invitations
        if one.expires_at > operation.now and one.id != invitation.id
    ]
    if len(opened) >= INVITATIONS:
        remaining = min(one.expires_at for one in opened) - operation.now
        raise TooSoonRefusal(
            message=f"There are {len(opened)} open invitations already.",
            retry_after_seconds=max(1, round(remaining.total_seconds())),
        )
    return replace(household, members=(*kept, *others), invitations=(*opened, invitation))


async def with_member(
    request: Request,
    household: Household,
    user_id: str,
    token: str,
    seats: int,
    operation: Operation,
) -> Household:
    """The household with a seat for the user instead of the invitation.

    Raises: NotFoundRefusal, NotAllowedRefusal.
    """
    _, invitation_id = ids_in(token)
    if any((row.user_id, row.seat) == (user_id, invitation_id) for row in household.members):
        return household  # an earlier attempt came so far
    invitation = next((one for one in household.invitations if one.id == invitation_id), None)
    if (
        invitation is None
        or invitation.hash != hash_of(token)
        or invitation.expires_at <= operation.now
    ):
        raise no_invitation()
    if not seats:
        raise denied("The tier of the household's manager is over.", DenialReason.TIER, "token")
    rows = tuple(row for row in household.members if row.user_id != user_id)
    if len(rows) >= seats:
        rows = await _confirmed(request, household, rows, operation)
    if len(rows) >= seats:
        raise denied("Every seat is taken.", DenialReason.HOUSEHOLD_FULL, "token")
    return replace(
        household,
        members=(*rows, Member(user_id, invitation_id, operation.now)),
        invitations=tuple(one for one in household.invitations if one != invitation),
    )


async def closed(request: Request, household: Household, operation: Operation) -> Household:
    """The household with nobody in it. Raises: NotAllowedRefusal when somebody else is."""
    others = tuple(row for row in household.members if row.user_id != household.id)
    if others and await _confirmed(request, household, others, operation):
        raise denied("Remove the others first.", DenialReason.HOUSEHOLD_MANAGER)
    return replace(household, members=(), invitations=())


def without_seat(household: Household, user: User) -> Household:
    """The household without the very seat that the user's document names."""
    place = household.place_of(user.id, user.seat)
    if place is None:
        return household
    rows = household.members
    return replace(household, members=(*rows[:place], *rows[place + 1 :]))


def without_user(household: Household, user_id: str, user: User | None, is_done: bool) -> Household:
    """The household without that user. Raises: NotFoundRefusal when they are no part of it.

    Somebody whose document alone still names it was removed by an attempt that crashed.
    """
    rows = tuple(row for row in household.members if row.user_id != user_id)
    is_named = user is not None and household_of(user) == household.id
    if len(rows) == len(household.members) and not (is_named or is_done):
        raise NotFoundRefusal(message="There is no such member.", path=("userId",))
    return replace(household, members=rows)


def confirms(user: User | None, household: Household, row: Member) -> bool:
    """Whether the user's document says the same as the row."""
    return user is not None and user.seat == seat_in(household.id, row.seat)


def ids_in(token: str) -> tuple[str, str]:
    """The household and the invitation that a token names. Raises: NotFoundRefusal."""
    parts = token.split(".")
    if len(parts) != 3 or not all(map(PATTERN.fullmatch, parts)):
        raise no_invitation()
    return parts[0], parts[1]


def hash_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def no_invitation() -> NotFoundRefusal:
    """The refusal of every token that opens nothing, whatever the reason."""
    return NotFoundRefusal(message="There is no such invitation, or it is over.", path=("token",))


def denied(message: str, reason: DenialReason, *path: str) -> NotAllowedRefusal:
    """The refusal of what is not possible for this viewer or now."""
    return NotAllowedRefusal(message=message, path=path, reason=reason)


async def _confirmed(
    request: Request, household: Household, rows: tuple[Member, ...], operation: Operation
) -> tuple[Member, ...]:
    """The rows that their users confirm, or still may."""
    users = await request.store.users.by_ids([row.user_id for row in rows])
    return tuple(
        row
        for row, user in zip(rows, users, strict=True)
        if row.joined_at + LEASE > operation.now or confirms(user, household, row)
    )


async def _differences(
    request: Request, before: Household, after: Household, is_invited: bool
) -> list[FieldChange]:
    """What changed, as the viewer is told: who sits there; a manager, how many are invited too."""
    viewer_id = _viewer_id(request)
    sitting = {row.user_id for row in (*before.members, *after.members)}
    known = await _known(request, sitting & {viewer_id, before.id} if is_invited else sitting)
    changes = [FieldChange("household.members", _ids(before, known), _ids(after, known))]
    if viewer_id == before.id:
        counts = len(before.invitations), len(after.invitations)
        changes.insert(0, FieldChange("household.invitations", *counts))
    return [change for change in changes if change.before != change.after]


def _viewer_id(request: Request) -> str:
    assert request.viewer is not None
    assert request.viewer.user_id is not None
    return request.viewer.user_id


async def _known(request: Request, ids: Set[str]) -> set[str]:
    """Those of the users who are there for the viewer."""
    users = await request.users.by_id.load_many(sorted(ids))
    return {user.id for user in users if user is not None}


def _ids(household: Household, known: Set[str]) -> tuple[str | None, ...]:
    """Who sits there; nothing in the place of somebody whom the viewer does not know."""
    return tuple(row.user_id if row.user_id in known else None for row in household.members)
