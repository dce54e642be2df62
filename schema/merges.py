"""Merges: making two accounts of one person one."""

from typing import Annotated, Any, Self

import strawberry
from strawberry import ID, UNSET

from resolvers import merges as resolvers
from resolvers.mutations import Outcome
from resolvers.request import Request
from resolvers.users import user_by_id
from resolvers.visibility import SeenUser
from schema.mutations import MutationControl, Payload, control_of
from schema.users import Ask, User


@strawberry.input(description="Which two accounts become one.")
class MergeUsersInput:
    """Which two accounts become one."""

    keep_id: ID = strawberry.field(description="The id of the account that stays.")
    merge_id: ID = strawberry.field(description="The id of the account that becomes part of it.")
    control: MutationControl | None = strawberry.field(
        default=UNSET,
        description="How to carry it out; `ifRev` is the revision of the account that stays.",
    )


@strawberry.type(description="What a merge would move; nothing was written.")
class MergePreview:
    """What a merge would move."""

    followers: int = strawberry.field(description="How many come to follow the account that stays.")
    following: int = strawberry.field(
        description="How many the account that stays comes to follow."
    )
    blocks: int = strawberry.field(description="How many blocks come to hold for it, either way.")
    handles: list[str] = strawberry.field(description="Handles that will lead to it for a while.")
    is_exact: bool = strawberry.field(
        description="Whether it was all looked at; otherwise there is more."
    )


@strawberry.type(description="What came of merging two accounts; `user` is the one that stays.")
class MergeUsersPayload(Payload):
    """What came of merging two accounts."""

    merged: SeenUser | None = strawberry.field(
        graphql_type=User | None,
        default=None,
        description="The account that became part of the other; null when refused.",
    )
    preview: MergePreview | None = strawberry.field(
        default=None, description="What would have been moved, when a dry run was asked for."
    )

    @classmethod
    async def of(cls, request: Request, outcome: Outcome, **others: Any) -> Self:
        """The outcome as its GraphQL type."""
        payload = await super().of(request, outcome, **others)
        payload.merged = await user_by_id(request, outcome.made) if outcome.made else None
        payload.preview = _preview(outcome)
        return payload


@strawberry.type
class MergeMutations:
    """What can be done with two accounts."""

    @strawberry.mutation(
        description="Makes an account part of another for good, with its follows, blocks, "
        "handles, subscriptions and promotions; for staff."
    )
    async def merge_users(
        self,
        info: Ask,
        input: Annotated[MergeUsersInput, strawberry.argument(description="Which two.")],
    ) -> MergeUsersPayload | None:
        """Makes an account part of another."""
        control = control_of(input.control)
        outcome = await resolvers.merge_users(info.context, input.keep_id, input.merge_id, control)
        return await MergeUsersPayload.of(info.context, outcome)


def _preview(outcome: Outcome) -> MergePreview | None:
    forecast = outcome.forecast
    if not isinstance(forecast, resolvers.MergeForecast) or forecast.moves is None:
        return None
    moves = forecast.moves
    return MergePreview(
        followers=moves.followers,
        following=moves.following,
        blocks=moves.blocks,
        handles=list(forecast.handles),
        is_exact=moves.is_exact,
    )
