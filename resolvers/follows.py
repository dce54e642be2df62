"""Follows: following and unfollowing, and what the viewer is to a user."""

import asyncio
from dataclasses import dataclass

from resolvers import rules
from resolvers.errors import DenialReason, NotAllowedRefusal, NotFoundRefusal
from resolvers.mutations import (
    Control,
    FieldChange,
    Forecast,
    Operation,
    Outcome,
    active_user,
    carry_out,
    check_revision,
)
from resolvers.request import Request
from resolvers.visibility import MUTATION_SCOPES, SeenUser
from store.records import Status, User

FOLLOWED = "USER_FOLLOWED"
UNFOLLOWED = "USER_UNFOLLOWED"


@dataclass(frozen=True, slots=True)
class Relation:
    """What the signed-in person is to a user."""

    is_self: bool
    is_following: bool
    is_followed_by: bool
    is_blocking: bool
    can_follow: bool


async def viewer_relation(request: Request, seen: SeenUser) -> Relation | None:
    """The relation of the viewer to the user; nothing for those who are no person."""
    if not seen.sees("User.viewerRelation"):
        return None
    assert request.viewer is not None
    assert request.viewer.user_id is not None
    viewer_id, user = request.viewer.user_id, seen.user
    follows, blocks = request.loaders.is_following_by_pair, request.loaders.is_blocking_by_pair
    is_following, is_followed_by, is_blocking = await asyncio.gather(
        follows.load((viewer_id, user.id)),
        follows.load((user.id, viewer_id)),
        blocks.load((viewer_id, user.id)),
    )
    is_self = viewer_id == user.id
    can_follow = not (is_self or is_following or is_blocking) and user.status is Status.ACTIVE
    return Relation(is_self, is_following, is_followed_by, is_blocking, can_follow)


async def follow(request: Request, user_id: str, control: Control) -> Outcome:
    """Makes the viewer follow the user; following twice changes nothing."""
    viewer_id = request.require_user(MUTATION_SCOPES["follow"])

    async def act(operation: Operation) -> Outcome:
        await active_user(request, viewer_id)
        target = await other_user(request, viewer_id, user_id, control)
        if target.status is not Status.ACTIVE:
            raise NotAllowedRefusal(
                message="The account is not active.",
                path=("userId",),
                reason=DenialReason.ACCOUNT_STATUS,
            )
        pair = (viewer_id, target.id)
        if await request.store.blocks.existing([pair]):
            raise _blocking()
        if control.dry_run:
            return await _forecast(request, viewer_id, target, follows=True)
        await request.store.follows.add(*pair, at=operation.now)
        # A block that came in between ends the follow, whichever of the two was first.
        blocks = await request.store.blocks.existing([pair, pair[::-1]])
        if blocks:
            await request.store.follows.remove(*pair, at=operation.now)
            raise _blocking() if pair in blocks else _nobody()
        return Outcome(target.id)

    return await carry_out(request, "follow", control, {"userId": user_id}, act)


async def unfollow(request: Request, user_id: str, control: Control) -> Outcome:
    """Makes the viewer no longer follow the user; it changes nothing when they did not."""
    viewer_id = request.require_user(MUTATION_SCOPES["unfollow"])

    async def act(operation: Operation) -> Outcome:
        await active_user(request, viewer_id)
        target = await other_user(request, viewer_id, user_id, control)
        if control.dry_run:
            return await _forecast(request, viewer_id, target, follows=False)
        await request.store.follows.remove(viewer_id, target.id, at=operation.now)
        return Outcome(target.id)

    return await carry_out(request, "unfollow", control, {"userId": user_id}, act)


async def other_user(request: Request, viewer_id: str, user_id: str, control: Control) -> User:
    """Somebody else, whom the viewer may see, at the revision the client expects.

    Raises: ValidationRefusal, NotAllowedRefusal, NotFoundRefusal, ConflictRefusal.
    """
    rules.identifier(user_id, "userId")
    if user_id == viewer_id:
        raise NotAllowedRefusal(message="That is you.", path=("userId",), reason=DenialReason.SELF)
    user = await request.store.users.by_id(user_id)
    if await _is_blocked(request, viewer_id, user_id) or user is None:
        raise _nobody()
    check_revision(user, control)
    return user


async def _is_blocked(request: Request, viewer_id: str, user_id: str) -> bool:
    return bool(await request.store.blocks.existing([(user_id, viewer_id)]))


def _blocking() -> NotAllowedRefusal:
    return NotAllowedRefusal(
        message="Unblock the user first.", path=("userId",), reason=DenialReason.BLOCKING
    )


def _nobody() -> NotFoundRefusal:
    return NotFoundRefusal(message="There is no such user.", path=("userId",))


async def _forecast(request: Request, viewer_id: str, target: User, *, follows: bool) -> Outcome:
    now = bool(await request.store.follows.existing([(viewer_id, target.id)]))
    if now == follows:
        return Outcome(target.id, forecast=Forecast())
    count = target.follower_count
    changes = (
        FieldChange("follower_count", count, count + (1 if follows else -1)),
        FieldChange("viewer_relation.is_following", now, follows),
    )
    event = FOLLOWED if follows else UNFOLLOWED
    return Outcome(target.id, forecast=Forecast(changes, (event,)))
