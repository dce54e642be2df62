"""Follows: following and unfollowing somebody."""

from typing import Annotated

import strawberry
from strawberry import ID, UNSET

from resolvers import follows as resolvers
from schema.mutations import MutationControl, Payload, control_of
from schema.users import Ask


@strawberry.input(description="Somebody else, whom the mutation is about.")
class UserInput:
    """Somebody else, whom the mutation is about."""

    user_id: ID = strawberry.field(description="The other user's id.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out; `ifRev` is the other user's revision."
    )


@strawberry.input(description="Whom to follow.")
class FollowInput(UserInput):
    """Whom to follow."""


@strawberry.input(description="Whom to follow no longer.")
class UnfollowInput(UserInput):
    """Whom to follow no longer."""


@strawberry.type(description="What came of following somebody.")
class FollowPayload(Payload):
    """What came of following somebody."""


@strawberry.type(description="What came of unfollowing somebody.")
class UnfollowPayload(Payload):
    """What came of unfollowing somebody."""


@strawberry.type
class FollowMutations:
    """What can be done with follows."""

    @strawberry.mutation(description="Follows somebody, once; needs the scope `me:follows:write`.")
    async def follow(
        self,
        info: Ask,
        input: Annotated[FollowInput, strawberry.argument(description="Whom to follow.")],
    ) -> FollowPayload | None:
        """Follows somebody."""
        control = control_of(input.control)
        outcome = await resolvers.follow(info.context, input.user_id, control)
        return await FollowPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Follows somebody no longer; needs the scope `me:follows:write`."
    )
    async def unfollow(
        self,
        info: Ask,
        input: Annotated[UnfollowInput, strawberry.argument(description="Whom to unfollow.")],
    ) -> UnfollowPayload | None:
        """Follows somebody no longer."""
        control = control_of(input.control)
        outcome = await resolvers.unfollow(info.context, input.user_id, control)
        return await UnfollowPayload.of(info.context, outcome)
