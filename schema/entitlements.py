"""Tiers and entitlements: what a user may do now, and what a subscription is worth."""

from datetime import datetime

import strawberry
from strawberry.scalars import JSON

from schema.enums import EntitlementSource, SubscriptionTier, TierState


@strawberry.type(description="The tier that holds for a user, and until when.")
class SubscriptionStatus:
    """The tier that holds for a user, and until when; read from a `Standing`."""

    tier: SubscriptionTier = strawberry.field(description="The tier now.")
    state: TierState | None = strawberry.field(
        description="Where the subscription is in its life; null when there never was one."
    )
    ends_at: datetime | None = strawberry.field(
        description="When the tier ends, as far as is known; null for FREE."
    )
    is_shared: bool = strawberry.field(description="Whether a household shares it.")


@strawberry.type(description="One thing that a user may do now.")
class Entitlement:
    """One thing that a user may do now; read from the resolvers' record."""

    key: str = strawberry.field(description="What it is about, as docs/tiers.md lists them.")
    value: JSON = strawberry.field(description="A boolean, a number or a name, by the key.")
    source: EntitlementSource = strawberry.field(description="Where the value comes from.")
    reason: str = strawberry.field(description="One sentence on why it is so.")
    expires_at: datetime | None = strawberry.field(
        description="When the value may get worse, as far as is known."
    )
    catalogue_version: str = strawberry.field(
        description="The version of the catalogue that says so."
    )
