"""Accounts: the states of an account, who may lead it from which to which, and the ways there."""

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from resolvers import rules
from resolvers.errors import DenialReason, NotAllowedRefusal
from resolvers.mutations import (
    ONLY_ACTIVE,
    Control,
    Operation,
    Outcome,
    carry_out,
    change_user,
    check_status,
)
from resolvers.request import Request
from store.records import Status, User

CONFIRMED = "USER_CONFIRMED"
SUSPENDED = "USER_SUSPENDED"
SUSPENSION_LIFTED = "SUSPENSION_LIFTED"
DEACTIVATED = "ACCOUNT_DEACTIVATED"
REACTIVATED = "ACCOUNT_REACTIVATED"
ERASURE_SCHEDULED = "ERASURE_SCHEDULED"
ERASURE_CANCELLED = "ERASURE_CANCELLED"
ERASED = "USER_ERASED"
MERGED = "USER_MERGED"


class Actor(StrEnum):
    """Who leads an account to another state."""

    SELF = "self"
    STAFF = "staff"
    SERVICE = "service"
    CLOCK = "the clock"


class Transition(NamedTuple):
    """Who may lead accounts from some states to others; what it is called by clients."""

    actor: Actor
    sources: frozenset[Status]
    targets: frozenset[Status]
    mutation: str | None


LIVING = frozenset({Status.PENDING, Status.ACTIVE, Status.SUSPENDED, Status.DEACTIVATED})
"""Whom an owner may still have erased, and staff merge into another."""


def _transition(
    actor: Actor, sources: Set[Status], targets: Set[Status], mutation: str | None = None
) -> Transition:
    return Transition(actor, frozenset(sources), frozenset(targets), mutation)


TRANSITIONS: Mapping[str, Transition] = {
    CONFIRMED: _transition(Actor.SERVICE, {Status.PENDING}, ONLY_ACTIVE, "confirmUser"),
    SUSPENDED: _transition(
        Actor.STAFF, {Status.ACTIVE, Status.SUSPENDED}, {Status.SUSPENDED}, "suspendUser"
    ),
    SUSPENSION_LIFTED: _transition(Actor.STAFF, {Status.SUSPENDED}, ONLY_ACTIVE, "liftSuspension"),
    DEACTIVATED: _transition(Actor.SELF, ONLY_ACTIVE, {Status.DEACTIVATED}, "deactivateAccount"),
    REACTIVATED: _transition(Actor.SELF, {Status.DEACTIVATED}, ONLY_ACTIVE, "reactivateAccount"),
    ERASURE_SCHEDULED: _transition(
        Actor.SELF, LIVING, {Status.ERASURE_SCHEDULED}, "scheduleErasure"
    ),
    ERASURE_CANCELLED: _transition(Actor.SELF, {Status.ERASURE_SCHEDULED}, LIVING, "cancelErasure"),
    MERGED: _transition(Actor.STAFF, LIVING, {Status.MERGED}, "mergeUsers"),
    ERASED: _transition(Actor.CLOCK, {Status.ERASURE_SCHEDULED}, {Status.ERASED}),
}
"""The table that holds, by the event of each transition.

Besides, the clock ends a suspension (`User.as_of`): it is over when its time is, for everybody who
reads, and the next change of the user writes that down.
"""


@dataclass(frozen=True, slots=True)
class Suspension:
    """Whom staff suspends, until when (None: until it is lifted), and what the owner is told."""

    user_id: str
    until: datetime | None
    reason: str | None


async def deactivate_account(request: Request, control: Control) -> Outcome:
    """Closes the viewer's own account, until its owner opens it again."""
    return await _change_own(request, DEACTIVATED, control)


async def reactivate_account(request: Request, control: Control) -> Outcome:
    """Opens the viewer's own account again."""
    return await _change_own(request, REACTIVATED, control)


async def schedule_erasure(request: Request, control: Control) -> Outcome:
    """Has the viewer's own account erased after a while; asking twice does not put it off."""
    return await _change_own(request, ERASURE_SCHEDULED, control)


async def cancel_erasure(request: Request, control: Control) -> Outcome:
    """Keeps the viewer's own account, in the state that it was in before."""
    return await _change_own(request, ERASURE_CANCELLED, control)


async def confirm_user(request: Request, user_id: str, control: Control) -> Outcome:
    """Makes a pending account active; for services that sign people up."""
    request.require_service("Mutation.confirmUser")

    async def act(operation: Operation) -> Outcome:
        rules.identifier(user_id, "userId")
        return await _change(request, operation, user_id, CONFIRMED, "userId")

    return await carry_out(request, "confirmUser", control, {"userId": user_id}, act)


async def suspend_user(request: Request, wish: Suspension, control: Control) -> Outcome:
    """Closes somebody's account for a time or until it is lifted; again sets it anew."""
    staff_id = request.require_user("Mutation.suspendUser")

    async def act(operation: Operation) -> Outcome:
        until = rules.future(wish.until, operation.now, "until")
        reason = rules.line(wish.reason, rules.REASON_LENGTH, "reason")
        await check_staff(request, staff_id, userId=wish.user_id)
        told = {"suspended_until": until, "status_reason": reason}
        return await _change(request, operation, wish.user_id, SUSPENDED, "userId", **told)

    arguments = {**asdict(wish), "until": wish.until and wish.until.isoformat()}
    return await carry_out(request, "suspendUser", control, arguments, act)


async def lift_suspension(request: Request, user_id: str, control: Control) -> Outcome:
    """Opens an account that staff closed; one that is open stays so."""
    staff_id = request.require_user("Mutation.liftSuspension")

    async def act(operation: Operation) -> Outcome:
        await check_staff(request, staff_id, userId=user_id)
        return await _change(request, operation, user_id, SUSPENSION_LIFTED, "userId")

    return await carry_out(request, "liftSuspension", control, {"userId": user_id}, act)


async def check_staff(request: Request, staff_id: str, **others: str) -> None:
    """Insists that staff deals with somebody else, and is not closed out itself.

    `others` are identifiers by the argument they came in. Staff need no account here, but one that
    there is has to be active. Raises: ValidationRefusal, NotAllowedRefusal.
    """
    for argument, user_id in others.items():
        rules.identifier(user_id, argument)
        if user_id == staff_id:
            raise NotAllowedRefusal(
                message="That is you.", path=(argument,), reason=DenialReason.SELF
            )
    user = await request.store.users.by_id(staff_id)
    if user is not None:
        check_status(user.as_of(request.now()), ONLY_ACTIVE)


async def _change_own(request: Request, event: str, control: Control) -> Outcome:
    mutation = TRANSITIONS[event].mutation
    assert mutation is not None
    viewer_id = request.require_user(f"Mutation.{mutation}")

    async def act(operation: Operation) -> Outcome:
        return await _change(request, operation, viewer_id, event)

    return await carry_out(request, mutation, control, {}, act)


async def _change(
    request: Request, operation: Operation, user_id: str, event: str, *path: str, **values: Any
) -> Outcome:
    """Leads the user along the transition of this event, with some values besides the status."""
    transition = TRANSITIONS[event]
    # Who is there already stays; only the way back from an erasure has no one place to be at.
    there = frozenset[Status]() if event == ERASURE_CANCELLED else transition.targets

    def decide(user: User) -> Mapping[str, Any]:
        if user.status not in transition.sources:
            return {}
        if user.status in there and all(getattr(user, name) == values[name] for name in values):
            return {}
        return {**_standing(request, user, event, operation.now), **values}

    return await change_user(
        request,
        operation,
        user_id,
        event,
        decide,
        statuses=transition.sources | there,
        path=path,
    )


def _standing(request: Request, user: User, event: str, now: datetime) -> dict[str, Any]:
    """What becomes of everything that is kept with the status."""
    if event == ERASURE_SCHEDULED:  # what there was comes back when it is cancelled
        return {
            "status": Status.ERASURE_SCHEDULED,
            "status_changed_at": now,
            "status_before": user.status,
            "erase_at": now + request.policy.erasure_delay,
        }
    if event == ERASURE_CANCELLED:
        return _restored(user, now)
    [target] = TRANSITIONS[event].targets
    closed = {"suspended_until": None, "status_reason": None}
    return {"status": target, "status_changed_at": now, **closed}


def _restored(user: User, now: datetime) -> dict[str, Any]:
    """The state before an erasure was scheduled, as it would be by now."""
    values = {"status": user.status_before, "status_before": None, "erase_at": None}
    before = user.changed(user.rev, values)
    names = ("status", "suspended_until", "status_reason")
    after = {name: getattr(before.as_of(now), name) for name in names}
    return {**values, **after, "status_changed_at": now}
