"""Households: inviting, joining, leaving and removing; who sits in one.

The household's document decides about seats, the user's about which household they are in; a seat
counts where both agree. So each step is one guarded write, and what a crash leaves counts for
nothing: a row that its user does not confirm is given up when its lease is over.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from resolvers import rules
from resolvers.errors import DenialReason
from resolvers.mutations import (
    Control,
    FieldChange,
    Forecast,
    Operation,
    Outcome,
    active_user,
    carry_out,
    change_user,
    check_revision,
)
from resolvers.request import Request
from resolvers.seats import (
    closed,
    confirms,
    denied,
    edit_household,
    hash_of,
    household_now,
    ids_in,
    no_invitation,
    with_invitation,
    with_member,
    without_seat,
    without_user,
)
from resolvers.tiers import seats_of
from store.households import (
    Household,
    Invitation,
    Member,
    household_of,
    manages,
    own_seat,
    seat_in,
)
from store.ids import new_id
from store.records import Status, User, to_stored_precision

HOUSEHOLD_FOUNDED = "HOUSEHOLD_FOUNDED"
HOUSEHOLD_JOINED = "HOUSEHOLD_JOINED"
HOUSEHOLD_LEFT = "HOUSEHOLD_LEFT"

INVITATION_LASTS = timedelta(days=7)


class HouseholdRole(StrEnum):
    """What somebody is in a household."""

    MANAGER = "MANAGER"
    MEMBER = "MEMBER"


@dataclass(frozen=True, slots=True)
class SeatedMember:
    """Somebody in a household."""

    user_id: str
    role: HouseholdRole
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class SeenHousehold:
    """A household as one of its members sees it; only the manager sees invitations."""

    seats: int
    members: tuple[SeatedMember, ...]
    invitations: tuple[Invitation, ...]


@dataclass(frozen=True, slots=True)
class Invited:
    """What came of inviting; the token is there when the invitation was made just now."""

    outcome: Outcome
    token: str | None


async def household_of_viewer(request: Request) -> SeenHousehold | None:
    """The household of the signed-in person; nothing without one."""
    assert request.viewer is not None
    assert request.viewer.user_id is not None
    user = await request.loaders.user_by_id.load(request.viewer.user_id)
    household_id = household_of(user) if user else None
    if user is None or household_id is None:
        return None
    household, manager = await asyncio.gather(
        request.loaders.household_by_id.load(household_id),
        request.loaders.user_by_id.load(household_id),
    )
    if household is None or manager is None or not manages(manager):
        return None
    if household.place_of(user.id, user.seat) is None:
        return None
    rows = household.members
    users = await request.loaders.user_by_id.load_many([row.user_id for row in rows])
    seated = [row for row, sits in zip(rows, users, strict=True) if confirms(sits, household, row)]
    is_manager, now = user.id == household.id, request.now()
    return SeenHousehold(
        seats_of(manager, now),
        tuple(_seated(row, household) for row in seated),
        tuple(one for one in household.invitations if is_manager and one.expires_at > now),
    )


async def invite_to_household(request: Request, control: Control) -> Invited:
    """Makes an invitation to the viewer's household, which the first one founds."""
    viewer_id = request.require_user("Mutation.inviteToHousehold")
    tokens: list[str] = []

    async def act(operation: Operation) -> Outcome:
        secret = new_id()
        token = f"{viewer_id}.{operation.new_id}.{secret}"
        invitation = Invitation(
            operation.new_id, hash_of(token), to_stored_precision(operation.now + INVITATION_LASTS)
        )

        async def found(user: User) -> Mapping[str, Any]:
            if not seats_of(user, operation.now):
                raise denied("The tier has no household.", DenialReason.TIER)
            await _check_elsewhere(request, user, viewer_id)
            return {"seat": own_seat(viewer_id)}

        outcome = await change_user(request, operation, viewer_id, HOUSEHOLD_FOUNDED, found)
        changes = await edit_household(
            request,
            viewer_id,
            lambda known: with_invitation(known, invitation, operation),
            control,
        )
        if not control.dry_run:
            tokens.append(token)
        return _with_changes(replace(outcome, made=operation.new_id), changes)

    outcome = await carry_out(request, "inviteToHousehold", control, {}, act)
    return Invited(outcome, tokens[0] if tokens and outcome.made else None)


async def accept_household_invitation(request: Request, token: str, control: Control) -> Outcome:
    """Gives the viewer a seat in the household that the token was made for."""
    viewer_id = request.require_user("Mutation.acceptHouseholdInvitation")

    async def act(operation: Operation) -> Outcome:
        changes: list[FieldChange] = []

        async def join(user: User) -> Mapping[str, Any]:
            household_id, invitation_id = ids_in(token)
            if household_id == viewer_id:
                raise denied("It is your own household.", DenialReason.SELF)
            if await _check_elsewhere(request, user, household_id):
                return {}
            seats = await _seats_for(request, viewer_id, household_id, operation)

            async def claim(known: Household) -> Household:
                return await with_member(request, known, viewer_id, token, seats, operation)

            changes[:] = await edit_household(
                request, household_id, claim, control, is_invited=True
            )
            return {"seat": seat_in(household_id, invitation_id)}

        outcome = await change_user(request, operation, viewer_id, HOUSEHOLD_JOINED, join)
        return _with_changes(outcome, changes)

    # As a hash: what is kept under an idempotency key must not let others in.
    arguments = {"token": hash_of(token)}
    return await carry_out(request, "acceptHouseholdInvitation", control, arguments, act)


async def leave_household(request: Request, control: Control) -> Outcome:
    """Gives up the viewer's seat; the manager's when nobody else sits there."""
    viewer_id = request.require_user("Mutation.leaveHousehold")

    async def act(operation: Operation) -> Outcome:
        changes: list[FieldChange] = []
        left: list[User] = []

        async def leave(user: User) -> Mapping[str, Any]:
            if household_of(user) == user.id:

                async def close(known: Household) -> Household:
                    return await closed(request, known, operation)

                changes[:] = await edit_household(request, user.id, close, control)
            left[:] = [user]
            return {"seat": None}

        outcome = await change_user(request, operation, viewer_id, HOUSEHOLD_LEFT, leave)
        for user in left:
            changes += await _give_back(request, user, control)
        return _with_changes(outcome, changes)

    return await carry_out(request, "leaveHousehold", control, {}, act)


async def remove_from_household(request: Request, user_id: str, control: Control) -> Outcome:
    """Takes the seat of a member away; for the manager."""
    viewer_id = request.require_user("Mutation.removeFromHousehold")

    async def act(operation: Operation) -> Outcome:
        manager = await active_user(request, viewer_id)
        rules.identifier(user_id, "userId")
        if not manages(manager):
            raise denied("Only a manager may do this.", DenialReason.HOUSEHOLD_MANAGER)
        if user_id == viewer_id:
            raise denied("That is you; leave instead.", DenialReason.SELF, "userId")
        user = await request.store.users.by_id(user_id)
        is_done = user is not None and operation.id in user.recent_operations

        def unseat(known: Household) -> Household:
            edited = without_user(known, user_id, user, is_done)
            if user is not None and not is_done:
                check_revision(user, control)  # of nobody else is it told
            return edited

        changes = await edit_household(request, viewer_id, unseat, control)
        if user is None:
            return _with_changes(Outcome(user_id, forecast=_no_forecast(control)), changes)
        outcome = await _unseat(request, operation, user, viewer_id)
        return _with_changes(await _as_seen(request, outcome), changes)

    return await carry_out(request, "removeFromHousehold", control, {"userId": user_id}, act)


async def _give_back(request: Request, user: User, control: Control) -> list[FieldChange]:
    """Takes the seat that the user's document named out of the household; that may run twice."""
    household_id = household_of(user)
    if household_id is None or household_id == user.id:
        return []
    return await edit_household(
        request, household_id, lambda known: without_seat(known, user), control
    )


async def _unseat(request: Request, operation: Operation, user: User, household_id: str) -> Outcome:
    """Takes the seat that is lost out of the user's document as well.

    Whoever took another one meanwhile keeps it. The revision was compared before.
    """

    def leave(now: User) -> Mapping[str, Any]:
        is_lost = household_of(now) == household_id and now.seat == user.seat
        return {"seat": None} if is_lost else {}

    control = replace(operation.control, if_rev=None)
    return await change_user(
        request,
        replace(operation, control=control),
        user.id,
        HOUSEHOLD_LEFT,
        leave,
        statuses=frozenset(Status),  # who was merged or erased meanwhile has no seat
        path=("userId",),
    )


async def _as_seen(request: Request, outcome: Outcome) -> Outcome:
    """The outcome without what changes on a user who is not there for the viewer."""
    if outcome.forecast is None or await request.users.by_id.load(outcome.user_id or ""):
        return outcome
    return replace(outcome, forecast=replace(outcome.forecast, changes=()))


async def _seats_for(
    request: Request, viewer_id: str, household_id: str, operation: Operation
) -> int:
    """How many may sit in a household which the viewer may know of.

    Raises: NotFoundRefusal, NotAllowedRefusal.
    """
    manager, blocks = await asyncio.gather(
        request.store.users.by_id(household_id),
        request.store.blocks.existing([(household_id, viewer_id)]),
    )
    if manager is None or blocks or not manages(manager):
        raise no_invitation()
    return seats_of(manager, operation.now)


async def _check_elsewhere(request: Request, user: User, household_id: str) -> bool:
    """Whether the user sits in that household already. Raises: NotAllowedRefusal if in another."""
    current = household_of(user)
    if current is None or (current == household_id == user.id):
        return False
    if current != user.id and not await _is_member(request, user, current):
        return False
    if current == household_id:
        return True
    raise denied("Leave your household first.", DenialReason.OTHER_HOUSEHOLD)


async def _is_member(request: Request, user: User, household_id: str) -> bool:
    """Whether the user has a seat in the household, and somebody manages it."""
    household, manager = await asyncio.gather(
        household_now(request, household_id), request.store.users.by_id(household_id)
    )
    is_there = manager is not None and manages(manager)
    return is_there and household.place_of(user.id, user.seat) is not None


def _seated(row: Member, household: Household) -> SeatedMember:
    is_manager = row.user_id == household.id
    role = HouseholdRole.MANAGER if is_manager else HouseholdRole.MEMBER
    return SeatedMember(row.user_id, role, row.joined_at)


def _with_changes(outcome: Outcome, changes: list[FieldChange]) -> Outcome:
    if outcome.forecast is None:
        return outcome
    forecast = replace(outcome.forecast, changes=(*changes, *outcome.forecast.changes))
    return replace(outcome, forecast=forecast)


def _no_forecast(control: Control) -> Forecast | None:
    return Forecast() if control.dry_run else None
