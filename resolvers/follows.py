"""Follows: following and unfollowing, and what the viewer is to a user."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

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
from resolvers.visibility import SeenUser
from store.records import Status, User

FIELDS_OF_TIES = {
    "follower_count": "User.followerCount",
    "following_count": "User.followingCount",
    "viewer_relation": "User.viewerRelation",
}
"""What shows a viewer that ties changed."""


@dataclass(frozen=True, slots=True)
class Relation:
    """What the signed-in person is to a user."""

    is_self: bool
    is_following: bool
    is_followed_by: bool
    is_blocking: bool
    can_follow: bool


async def viewer_relation(request: Request, user: SeenUser) -> Relation | None:
    """The relation of the viewer to the user; nothing for those who are no person."""
    if not user.sees("User.viewerRelation"):
        return None
    assert request.viewer is not None
    assert request.viewer.user_id is not None
    viewer_id = request.viewer.user_id
    follows, blocks = request.loaders.is_following_by_pair, request.loaders.is_blocking_by_pair
    (is_following, is_followed_by), is_blocking = await asyncio.gather(
        follows.load_many([(viewer_id, user.id), (user.id, viewer_id)]),
        blocks.load((viewer_id, user.id)),
    )
    is_self = viewer_id == user.id
    can_follow = not (is_self or is_following or is_blocking) and user.status is Status.ACTIVE
    return Relation(is_self, is_following, is_followed_by, is_blocking, can_follow)


async def follow(request: Request, user_id: str, control: Control) -> Outcome:
    """Makes the viewer follow the user; following twice changes nothing."""
    viewer_id = request.require_user("Mutation.follow")

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
            return await forecast_ties(request, viewer_id, target, is_following=True)
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
    viewer_id = request.require_user("Mutation.unfollow")

    async def act(operation: Operation) -> Outcome:
        await active_user(request, viewer_id)
        target = await other_user(request, viewer_id, user_id, control)
        if control.dry_run:
            return await forecast_ties(request, viewer_id, target, is_following=False)
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
    return user.as_of(request.now())


async def forecast_ties(request: Request, viewer_id: str, target: User, **changed: bool) -> Outcome:
    """What changes on the target when these ties do, named as in `_Ties`; no event is kept.

    What the viewer does not see of the target is left out.
    """
    out, back = (viewer_id, target.id), (target.id, viewer_id)
    follows = await request.store.follows.existing([out, back])
    blocks = await request.store.blocks.existing([out])
    before = _Ties(out in follows, back in follows, out in blocks)
    now = before.seen_on(target, before)
    then = replace(before, **changed).seen_on(target, before)
    [seen] = await request.users.seen([target])
    changes = [
        FieldChange(name, now[name], then[name])
        for name in now
        if now[name] != then[name] and seen is not None and seen.sees(_field_of(name))
    ]
    return Outcome(target.id, forecast=Forecast(tuple(changes)))


async def _is_blocked(request: Request, viewer_id: str, user_id: str) -> bool:
    return bool(await request.store.blocks.existing([(user_id, viewer_id)]))


def _blocking() -> NotAllowedRefusal:
    return NotAllowedRefusal(
        message="Unblock the user first.", path=("userId",), reason=DenialReason.BLOCKING
    )


def _nobody() -> NotFoundRefusal:
    return NotFoundRefusal(message="There is no such user.", path=("userId",))


def _field_of(name: str) -> str:
    """The field, named as in the schema, that shows a part of `_Ties.seen_on`."""
    return FIELDS_OF_TIES[name.partition(".")[0]]


@dataclass(frozen=True, slots=True)
class _Ties:
    """What is between a viewer and somebody else."""

    is_following: bool
    is_followed_by: bool
    is_blocking: bool

    def seen_on(self, target: User, before: "_Ties") -> dict[str, Any]:
        """The target's fields that depend on these ties, when it was read with those before."""
        is_tied = self.is_following or self.is_blocking
        return {
            "follower_count": target.follower_count + self.is_following - before.is_following,
            "following_count": target.following_count + self.is_followed_by - before.is_followed_by,
            "viewer_relation.can_follow": not is_tied and target.status is Status.ACTIVE,
            "viewer_relation.is_blocking": self.is_blocking,
            "viewer_relation.is_followed_by": self.is_followed_by,
            "viewer_relation.is_following": self.is_following,
        }
