"""What every mutation shares: control, outcome, idempotency, dry run, and the guarded change."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from resolvers import rules
from resolvers.errors import (
    REFUSALS,
    ConflictRefusal,
    DenialReason,
    IdempotencyRefusal,
    NotAllowedRefusal,
    NotFoundRefusal,
    Refusal,
    Refusals,
    TooSoonRefusal,
)
from resolvers.fields import Writer, check_writers, cleaning, is_told
from resolvers.request import Request
from resolvers.sealing import opened, sealed
from store.errors import StoreFault
from store.idempotency import LEASE
from store.ids import new_id
from store.records import STANDING, Attempt, Author, Status, User, to_stored_precision

CHANGE_ATTEMPTS = 20
"""How often a change is tried again when others write the same user at the same time."""
PAUSE_SECONDS = 0.01
"""How much longer, at most, the pause before each further try is."""
ONLY_ACTIVE = frozenset({Status.ACTIVE})
NOT_GONE = frozenset(Status) - {Status.ERASED, Status.MERGED}
"""Whose documents services still write."""


@dataclass(frozen=True, slots=True)
class Control:
    """How a mutation is to be carried out."""

    idempotency_key: str | None = None
    if_rev: int | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One carrying-out of a mutation.

    The same `id` comes back when a crashed attempt is finished under its idempotency key; so does
    `new_id`, which names whatever the mutation creates.
    """

    id: str
    new_id: str
    control: Control
    now: datetime


@dataclass(frozen=True, slots=True)
class FieldChange:
    """What a dry run foresees for one field."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a mutation would do: the fields it changes and the events it sends."""

    changes: tuple[FieldChange, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a mutation: a user, refusals, or a forecast when it was a dry run.

    `made` names what else the mutation is about, so that a replay finds it again. `user` is there
    when the user as of now is known without reading it again.
    """

    user_id: str | None = None
    refusals: tuple[Refusal, ...] = ()
    forecast: Forecast | None = None
    user: User | None = None
    made: str | None = None


Act = Callable[[Operation], Awaitable[Outcome]]
Decide = Callable[[User], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]


async def carry_out(
    request: Request, name: str, control: Control, arguments: Mapping[str, Any], act: Act
) -> Outcome:
    """Does it once: refusals become part of the outcome, a known idempotency key replays it.

    `arguments` are the mutation's own arguments in JSON's types; another request under the same key
    is told apart by them. Raises: StoreFault, when it may or may not have happened.
    """
    now = to_stored_precision(request.now())
    key = control.idempotency_key
    try:
        if key is not None:
            rules.idempotency_key(key, "control", "idempotencyKey")
        if key is None or control.dry_run:
            outcome = await act(Operation(new_id(), new_id(), control, now))
        else:
            outcome = await _carry_out_once(request, name, control, arguments, act, now)
    except (Refusal, Refusals) as refused:
        outcome = _refused(refused)
    finally:
        request.renew_loaders()
    if outcome.user is not None:
        request.loaders.user_by_id.prime(outcome.user.id, outcome.user)
    return outcome


async def change_user(
    request: Request,
    operation: Operation,
    user_id: str,
    event: str,
    decide: Decide,
    *,
    statuses: Set[Status] = ONLY_ACTIVE,
    path: Sequence[str] = (),
) -> Outcome:
    """Changes a user's own fields in one guarded write, deciding anew when others were faster.

    `decide` gives the new value of each record field to set; a value that is there already is left
    out, and nothing is written when nothing is left. A user of another status than these is
    refused, with the argument at the path.
    """
    for attempt in range(CHANGE_ATTEMPTS):
        if attempt:
            await asyncio.sleep(random.random() * attempt * PAUSE_SECONDS)
        async with request.store.users.turn(user_id):
            outcome = await _try_to_change(
                request, operation, user_id, event, decide, statuses, path
            )
        if outcome is not None:
            return outcome
    raise TooSoonRefusal(
        message="Too many others changed this user at the same time; try again.",
        retry_after_seconds=1,
    )


async def active_user(request: Request, user_id: str, *path: str) -> User:
    """The user as of now. Raises: NotFoundRefusal, NotAllowedRefusal when not active."""
    user = (await existing_user(request, user_id, *path)).as_of(request.now())
    check_status(user, ONLY_ACTIVE, *path)
    return user


async def existing_user(request: Request, user_id: str, *path: str) -> User:
    """The user as stored now, be it a tombstone. Raises: NotFoundRefusal."""
    user = await request.store.users.by_id(user_id)
    if user is None:
        raise NotFoundRefusal(message="There is no such user.", path=path)
    return user


def check_status(user: User, statuses: Set[Status], *path: str) -> None:
    """Insists on an account with one of these statuses. Raises: NotAllowedRefusal."""
    if user.status in statuses:
        return
    expected = " or ".join(status.value for status in Status if status in statuses)
    message = f"The account is {user.status.value}, expected {expected}."
    if statuses == ONLY_ACTIVE:
        message = "The account is not active."
    raise NotAllowedRefusal(message=message, path=path, reason=DenialReason.ACCOUNT_STATUS)


def check_revision(user: User, control: Control) -> None:
    """Insists on the revision that the client expects. Raises: ConflictRefusal."""
    if control.if_rev is not None and control.if_rev != user.rev:
        raise ConflictRefusal(
            message=f"Expected revision {control.if_rev}, but the user is at {user.rev}.",
            path=("control", "ifRev"),
            current_rev=user.rev,
        )


def author_of(request: Request) -> Author:
    """Who makes the changes of this request; somebody is signed in."""
    assert request.viewer is not None
    return Author(request.viewer.user_id, request.viewer.client_id)


def forecast_of_new(user: User, event: str) -> Forecast:
    """What registering the user would write."""
    made = {"created_at", "rev", "status", "status_changed_at"}
    written = sorted({*made, *cleaning(Writer.SERVICE)})
    changes = (FieldChange(name, None, getattr(user, name)) for name in written)
    return Forecast(tuple(change for change in changes if change.after is not None), (event,))


async def _try_to_change(
    request: Request,
    operation: Operation,
    user_id: str,
    event: str,
    decide: Decide,
    statuses: Set[Status],
    path: Sequence[str],
) -> Outcome | None:
    """What came of one try; nothing when somebody else wrote the user meanwhile."""
    control, keys = operation.control, request.store.keys
    stored, [key] = await asyncio.gather(
        existing_user(request, user_id, *path), keys.by_user_ids([user_id])
    )
    if operation.id in stored.recent_operations:
        # Done by an earlier attempt that crashed after writing.
        return Outcome(stored.id, user=stored)
    user = stored.as_of(operation.now)
    check_status(user, statuses, *path)
    check_revision(user, control)
    decided = decide(user)
    values = await decided if isinstance(decided, Awaitable) else decided
    before = opened(user, values, key)
    changed = {name: value for name, value in values.items() if value != before[name]}
    check_writers(changed, _writers(request, user_id))
    if control.dry_run:
        return Outcome(user.id, forecast=_forecast(user, before, changed, event), user=user)
    if not changed:
        return Outcome(user.id, user=user)
    key = key or await keys.ensure(user_id, now=operation.now)
    if key is None:  # the user was erased meanwhile
        return None
    afterwards = await request.store.users.change(
        stored,
        {**_over(stored, user), **sealed(changed, key)},
        operation=operation.id,
        event=event,
        at=operation.now,
        author=author_of(request),
        key=key,
    )
    return Outcome(user.id, user=afterwards) if afterwards else None


def _writers(request: Request, user_id: str) -> frozenset[Writer]:
    """What the viewer, who passed the rules of the mutation, is to the user who is written."""
    viewer = request.viewer
    assert viewer is not None
    if viewer.is_service:
        return frozenset({Writer.SERVICE})
    writer = Writer.OWNER if viewer.user_id == user_id else Writer.MANAGER
    return frozenset({writer, Writer.STAFF} if viewer.is_staff else {writer})


def _over(stored: User, user: User) -> dict[str, Any]:
    """What writes down that a suspension is over, when that is not stored yet."""
    if stored.status is user.status:
        return {}
    return {name: getattr(user, name) for name in STANDING}


async def _carry_out_once(
    request: Request,
    name: str,
    control: Control,
    arguments: Mapping[str, Any],
    act: Act,
    now: datetime,
) -> Outcome:
    assert request.viewer is not None
    viewer = request.viewer
    owner = [viewer.client_id, viewer.user_id, control.idempotency_key]
    attempts = request.store.idempotency
    operation = attempts.digest(owner)
    request_hash = attempts.digest([name, control.if_rev, arguments])
    attempt = await attempts.begin(operation, request_hash, now=now)
    if attempt is None:
        known = await attempts.find(operation)
        if known is None:  # it expired between the two commands
            return await _carry_out_once(request, name, control, arguments, act, now)
        if known.request_hash != request_hash:
            raise IdempotencyRefusal(
                message="The idempotency key was used for another request.",
                path=("control", "idempotencyKey"),
            )
        if known.outcome is not None:
            return _outcome_from_document(known.outcome)
        attempt = await _take_over(request, known, now)
    try:
        try:
            outcome = await act(Operation(attempt.operation, attempt.new_id, control, now))
        except (Refusal, Refusals) as refused:
            outcome = _refused(refused)
        await attempts.finish(attempt.operation, _outcome_document(outcome))
    except StoreFault:
        await attempts.give_up(attempt)
        raise
    return outcome


def _refused(refused: Refusal | Refusals) -> Outcome:
    return Outcome(refusals=refused.refusals if isinstance(refused, Refusals) else (refused,))


async def _take_over(request: Request, attempt: Attempt, now: datetime) -> Attempt:
    remaining = attempt.started_at + LEASE - now
    if remaining.total_seconds() > 0 or not await request.store.idempotency.take_over(
        attempt, now=now
    ):
        raise TooSoonRefusal(
            message="The same request is still being carried out.",
            path=("control", "idempotencyKey"),
            retry_after_seconds=max(1, round(remaining.total_seconds())),
        )
    return replace(attempt, started_at=now)


def _forecast(
    user: User, before: Mapping[str, Any], changed: Mapping[str, Any], event: str
) -> Forecast:
    if not changed:
        return Forecast()
    told = sorted(filter(is_told, changed))
    changes = (FieldChange(name, before[name], changed[name]) for name in told)
    return Forecast((*changes, FieldChange("rev", user.rev, user.rev + 1)), (event,))


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    refusals = [{"type": type(refusal).__name__, **asdict(refusal)} for refusal in outcome.refusals]
    return {"userId": outcome.user_id, "refusals": refusals, "made": outcome.made}


def _outcome_from_document(document: Mapping[str, Any]) -> Outcome:
    refusals = tuple(_refusal_from_document(refusal) for refusal in document["refusals"])
    return Outcome(document["userId"], refusals, made=document.get("made"))


def _refusal_from_document(document: Mapping[str, Any]) -> Refusal:
    refusal_class = REFUSALS[document["type"]]
    values: dict[str, Any] = {
        field.name: tuple(value) if isinstance(value, list) else value
        for field in fields(refusal_class)
        for value in [document[field.name]]
    }
    return refusal_class(**values)
