"""Merges: making two accounts of one person one, and where the merged account leads.

Three steps, each of which a crash may follow. The account that is kept notes which other it is to
absorb, by which nobody merges it elsewhere meanwhile; the other is `MERGED` into it, which decides;
and what is theirs is moved (`store.merges`), by this request or whoever finds it unfinished.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from resolvers import rules
from resolvers.accounts import LIVING, MERGED, check_staff
from resolvers.errors import Refusal, TooSoonRefusal
from resolvers.mutations import (
    ONLY_ACTIVE,
    Control,
    FieldChange,
    Forecast,
    Operation,
    Outcome,
    carry_out,
    change_user,
    check_revision,
    check_status,
    existing_user,
)
from resolvers.request import Request
from resolvers.visibility import SeenUser
from store.ids import new_id
from store.merges import ABSORBED, LEASE, MERGE_COMPLETED, Moves, handles_of, taken_over
from store.records import Absorption, Status, User

MERGE_BEGUN = "MERGE_BEGUN"
TRIES = 3
"""How often a request goes on moving what is theirs, a page at a time; the rest is repair's."""


@dataclass(frozen=True, slots=True)
class MergeForecast(Forecast):
    """What merging would do besides: what is moved, and the handles that will lead elsewhere."""

    moves: Moves | None = None
    handles: tuple[str, ...] = ()


async def merge_users(request: Request, keep_id: str, merge_id: str, control: Control) -> Outcome:
    """Makes the one account part of the other, for good; `made` is the one that is merged."""
    staff_id = request.require_user("Mutation.mergeUsers")

    async def act(operation: Operation) -> Outcome:
        await check_staff(request, staff_id, keepId=keep_id, mergeId=merge_id)
        if keep_id == merge_id:
            raise rules.refuse(("mergeId",), "DISTINCT", "another id than keepId")
        keep = await _ready(request, operation, keep_id, "keepId")
        merged = await _ready(request, operation, merge_id, "mergeId")
        if merged.merged_into != keep.id:
            _check(keep, merged, operation)
            if control.dry_run:
                return await _forecast(request, operation, keep, merged)
            await _note(request, operation, keep_id, merge_id)
            await _decide(request, operation, keep_id, merge_id)
        if not control.dry_run:
            await _carry_through(request, operation, keep_id)
        forecast = Forecast() if control.dry_run else None
        return Outcome(keep_id, forecast=forecast, made=merge_id)

    arguments = {"keepId": keep_id, "mergeId": merge_id}
    return await carry_out(request, "mergeUsers", control, arguments, act)


async def merged_into(request: Request, user: SeenUser) -> SeenUser | None:
    """Whom a merged account is part of in the end, if the viewer sees that one's profile."""
    seen: SeenUser | None = user
    while seen is not None and seen.merged_into is not None:
        seen = await request.users.by_id.load(seen.merged_into)
    return None if seen is None or seen is user or not seen.sees("User.handle") else seen


async def _ready(request: Request, operation: Operation, user_id: str, path: str) -> User:
    """The user, once nothing of an earlier merge is left to do.

    What this very operation noted, or somebody else for the same two, may be left.
    """
    user = await existing_user(request, user_id, path)
    if user.absorption is None or operation.control.dry_run:
        return user.as_of(operation.now)
    await request.store.merges.settle(user, now=operation.now)
    return (await existing_user(request, user_id, path)).as_of(operation.now)


def _check(keep: User, merged: User, operation: Operation) -> None:
    """Insists on two accounts that can be one. Raises: NotAllowedRefusal, ConflictRefusal."""
    check_status(keep, ONLY_ACTIVE, "keepId")
    check_status(merged, LIVING, "mergeId")
    if operation.id not in keep.recent_operations:  # which has moved the revision on itself
        check_revision(keep, operation.control)
    if merged.absorption is not None:
        raise _busy("mergeId")
    if keep.absorption is not None and keep.absorption.user_id != merged.id:
        raise _busy("keepId")


async def _note(request: Request, operation: Operation, keep_id: str, merge_id: str) -> None:
    """Notes with the one which other it is to absorb, for a lease."""
    until = operation.now + request.policy.handle_cooldown

    def decide(user: User) -> Mapping[str, Any]:
        if user.absorption is None:
            return {"absorption": Absorption(merge_id, operation.now, until)}
        if user.absorption.user_id != merge_id:
            raise _busy("keepId")
        return {}

    path = ("keepId",)
    outcome = await change_user(request, operation, keep_id, MERGE_BEGUN, decide, path=path)
    if outcome.user is None or outcome.user.absorption is None:
        # An attempt that crashed noted it, and that is void by now.
        again = replace(operation, id=new_id(), control=Control())
        await change_user(request, again, keep_id, MERGE_BEGUN, decide, path=path)


async def _decide(request: Request, operation: Operation, keep_id: str, merge_id: str) -> None:
    """Makes the account `MERGED`, unless it became part of something else meanwhile."""

    def decide(user: User) -> Mapping[str, Any]:
        if user.merged_into == keep_id:
            return {}
        check_status(user, LIVING, "mergeId")
        if user.absorption is not None:
            raise _busy("mergeId")
        return {
            "status": Status.MERGED,
            "status_changed_at": operation.now,
            "status_reason": None,
            "suspended_until": None,
            "merged_into": keep_id,
            "seat": None,
        }

    try:
        await change_user(
            request,
            replace(operation, control=Control()),
            merge_id,
            MERGED,
            decide,
            statuses=frozenset(Status),
            path=("mergeId",),
        )
    except Refusal:
        keep = await request.store.users.by_id(keep_id)
        if keep is not None and keep.absorption is not None:
            await request.store.users.absorbed(keep_id, keep.absorption)
        raise


async def _carry_through(request: Request, operation: Operation, keep_id: str) -> None:
    for _ in range(TRIES):
        keep = await existing_user(request, keep_id)
        if await request.store.merges.settle(keep, now=operation.now):
            return


async def _forecast(request: Request, operation: Operation, keep: User, merged: User) -> Outcome:
    moves = await request.store.merges.foresee(keep.id, merged.id)
    until = operation.now + request.policy.handle_cooldown
    afterwards = {
        "follower_count": keep.follower_count + moves.followers_change,
        "following_count": keep.following_count + moves.following_change,
        **taken_over(keep, merged, until, operation.now),
        "rev": keep.rev + 2,
    }
    changes = [FieldChange(name, getattr(keep, name), afterwards[name]) for name in afterwards]
    events = (MERGE_BEGUN, MERGED, ABSORBED, MERGE_COMPLETED)
    handles = tuple(handles_of(merged, operation.now))
    kept = tuple(change for change in changes if change.before != change.after)
    forecast = MergeForecast(kept, events, moves=moves, handles=handles)
    return Outcome(keep.id, forecast=forecast, user=keep, made=merged.id)


def _busy(path: str) -> TooSoonRefusal:
    return TooSoonRefusal(
        message="Another merge of this account is under way; try again.",
        path=(path,),
        retry_after_seconds=round(LEASE.total_seconds()),
    )
