"""Households: inviting, joining, leaving and removing."""

from typing import Annotated, Any, Self

import strawberry
from strawberry import ID, UNSET

from resolvers import households as resolvers
from resolvers.mutations import Outcome
from resolvers.request import Request
from schema.mutations import MutationControl, Payload, control_of
from schema.users import Ask, Household, HouseholdInvitation
from store.households import Invitation


@strawberry.type
class HouseholdPayload(Payload):
    """What a mutation of households gives."""

    household: resolvers.SeenHousehold | None = strawberry.field(
        graphql_type=Household | None,
        description="The viewer's household afterwards; null when refused or without one.",
    )

    @classmethod
    async def of(cls, request: Request, outcome: Outcome, **others: Any) -> Self:
        """The outcome as its GraphQL type."""
        is_done = outcome.user_id is not None and outcome.forecast is None
        household = await resolvers.household_of_viewer(request) if is_done else None
        return await super().of(request, outcome, household=household, **others)


@strawberry.input(description="How to invite somebody to the viewer's household.")
class InviteToHouseholdInput:
    """How to invite somebody to the viewer's household."""

    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of inviting somebody.")
class InviteToHouseholdPayload(HouseholdPayload):
    """What came of inviting somebody."""

    invitation: Invitation | None = strawberry.field(
        graphql_type=HouseholdInvitation | None,
        default=None,
        description="The invitation, while it is open.",
    )
    token: str | None = strawberry.field(
        default=None,
        description="What to give to whom is invited; told once, so that a replay has null.",
    )


@strawberry.input(description="The invitation to accept.")
class AcceptHouseholdInvitationInput:
    """The invitation to accept."""

    token: str = strawberry.field(description="What the manager was given.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of accepting an invitation.")
class AcceptHouseholdInvitationPayload(HouseholdPayload):
    """What came of accepting an invitation."""


@strawberry.input(description="How to leave the household.")
class LeaveHouseholdInput:
    """How to leave the household."""

    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of leaving the household.")
class LeaveHouseholdPayload(HouseholdPayload):
    """What came of leaving the household."""


@strawberry.input(description="Whom to remove from the viewer's household.")
class RemoveFromHouseholdInput:
    """Whom to remove from the viewer's household."""

    user_id: ID = strawberry.field(description="The member.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out; `ifRev` is the member's."
    )


@strawberry.type(description="What came of removing a member; `user` is who was removed.")
class RemoveFromHouseholdPayload(HouseholdPayload):
    """What came of removing a member."""


@strawberry.type
class HouseholdMutations:
    """What can be done with households; each needs the scope `me:household:write`."""

    @strawberry.mutation(
        description="Makes an invitation to the viewer's household; needs `me:household:write`."
    )
    async def invite_to_household(
        self,
        info: Ask,
        input: Annotated[InviteToHouseholdInput, strawberry.argument(description="How.")],
    ) -> InviteToHouseholdPayload | None:
        """Makes an invitation to the viewer's household."""
        request = info.context
        invited = await resolvers.invite_to_household(request, control_of(input.control))
        payload = await InviteToHouseholdPayload.of(request, invited.outcome)
        payload.token = invited.token
        for invitation in payload.household.invitations if payload.household else ():
            if invitation.id == invited.outcome.made:
                payload.invitation = invitation
        return payload

    @strawberry.mutation(
        description="Takes a seat in a household; needs the scope `me:household:write`."
    )
    async def accept_household_invitation(
        self,
        info: Ask,
        input: Annotated[
            AcceptHouseholdInvitationInput, strawberry.argument(description="The invitation.")
        ],
    ) -> AcceptHouseholdInvitationPayload | None:
        """Takes a seat in a household."""
        control = control_of(input.control)
        outcome = await resolvers.accept_household_invitation(info.context, input.token, control)
        return await AcceptHouseholdInvitationPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Gives up the viewer's seat; the manager leaves last; `me:household:write`."
    )
    async def leave_household(
        self,
        info: Ask,
        input: Annotated[LeaveHouseholdInput, strawberry.argument(description="How.")],
    ) -> LeaveHouseholdPayload | None:
        """Gives up the viewer's seat."""
        outcome = await resolvers.leave_household(info.context, control_of(input.control))
        return await LeaveHouseholdPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Takes a member's seat away, for the manager; needs `me:household:write`."
    )
    async def remove_from_household(
        self,
        info: Ask,
        input: Annotated[RemoveFromHouseholdInput, strawberry.argument(description="Whom.")],
    ) -> RemoveFromHouseholdPayload | None:
        """Takes a member's seat away."""
        control = control_of(input.control)
        outcome = await resolvers.remove_from_household(info.context, input.user_id, control)
        return await RemoveFromHouseholdPayload.of(info.context, outcome)
