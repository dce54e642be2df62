"""Tiers: what billing tells of subscriptions, and promotions that services grant."""

from datetime import datetime
from typing import Annotated, Any, Self

import strawberry
from strawberry import ID, UNSET

from resolvers import billing, promotions
from resolvers.mutations import Outcome
from resolvers.request import Request
from resolvers.tiers import Standing, standing_of_user
from schema.entitlements import SubscriptionStatus
from schema.enums import BillingKind, SubscriptionTier
from schema.mutations import MutationControl, Payload, control_of, given
from schema.users import Ask


@strawberry.input(description="What billing says of a subscription: all of it, as it is now.")
class RecordBillingEventInput:
    """What billing says of a subscription: all of it, as it is now."""

    event_id: str = strawberry.field(
        description="Billing's name for the event, 1 to 128 visible ASCII characters."
    )
    subscription_id: str = strawberry.field(
        description="Billing's name for the subscription, 1 to 128 visible ASCII characters."
    )
    user_id: ID = strawberry.field(description="Whose subscription it is.")
    sequence: int = strawberry.field(
        description="The event's place among those of the subscription; the highest counts."
    )
    kind: BillingKind = strawberry.field(description="What happened.")
    tier: SubscriptionTier = strawberry.field(description="What the subscription is to.")
    started_at: datetime = strawberry.field(
        description="When the subscription began; the same in all of its events."
    )
    period_end: datetime | None = strawberry.field(
        default=UNSET, description="Until when it is paid."
    )
    trial_ends_at: datetime | None = strawberry.field(
        default=UNSET, description="Until when it may be tried."
    )
    grace_ends_at: datetime | None = strawberry.field(
        default=UNSET, description="Until when it goes on although it was not paid."
    )
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of recording a billing event.")
class RecordBillingEventPayload(Payload):
    """What came of recording a billing event."""

    subscription: Standing | None = strawberry.field(
        graphql_type=SubscriptionStatus | None,
        description="What holds for the user now, with all that is known; null when refused.",
    )

    @classmethod
    async def of(cls, request: Request, outcome: Outcome, **others: Any) -> Self:
        """The outcome as its GraphQL type."""
        known = outcome.user_id if outcome.forecast is None else None
        standing = await standing_of_user(request, known) if known else None
        return await super().of(request, outcome, subscription=standing, **others)


@strawberry.input(description="A promotion, and who is to have it.")
class GrantPromotionInput:
    """A promotion, and who is to have it."""

    user_id: ID = strawberry.field(description="Who is to have it.")
    promotion: str = strawberry.field(description="The promotion's name in the catalogue.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of granting a promotion.")
class GrantPromotionPayload(Payload):
    """What came of granting a promotion."""


@strawberry.type
class TierMutations:
    """What services can do about tiers."""

    @strawberry.mutation(
        description="Takes in what billing says, in any order; needs `users:billing:write`."
    )
    async def record_billing_event(
        self,
        info: Ask,
        input: Annotated[
            RecordBillingEventInput, strawberry.argument(description="What happened.")
        ],
    ) -> RecordBillingEventPayload | None:
        """Takes in what billing says, in any order."""
        event = billing.BillingEvent(
            event_id=input.event_id,
            subscription_id=input.subscription_id,
            user_id=input.user_id,
            sequence=input.sequence,
            kind=input.kind,
            tier=input.tier,
            started_at=input.started_at,
            period_end=given(input.period_end),
            trial_ends_at=given(input.trial_ends_at),
            grace_ends_at=given(input.grace_ends_at),
        )
        outcome = await billing.record_billing_event(info.context, event, control_of(input.control))
        return await RecordBillingEventPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Grants a promotion, once for each user; needs `users:promotions:write`."
    )
    async def grant_promotion(
        self,
        info: Ask,
        input: Annotated[
            GrantPromotionInput, strawberry.argument(description="What to grant to whom.")
        ],
    ) -> GrantPromotionPayload | None:
        """Grants a promotion, once for each user."""
        control = control_of(input.control)
        outcome = await promotions.grant_promotion(
            info.context, input.user_id, input.promotion, control
        )
        return await GrantPromotionPayload.of(info.context, outcome)
