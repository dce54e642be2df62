"""Billing: what billing tells of subscriptions, in any order and any number of times."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from resolvers import rules
from resolvers.errors import Refusal, Refusals
from resolvers.mutations import NOT_GONE, Control, Operation, Outcome, carry_out, change_user
from resolvers.request import Request
from store.records import User
from store.tiers import BillingKind, Subscription, Tier, joined

TIER_CHANGED = "TIER_CHANGED"

NEEDED: Mapping[BillingKind, str] = {
    BillingKind.TRIAL_STARTED: "trial_ends_at",
    BillingKind.STARTED: "period_end",
    BillingKind.RENEWED: "period_end",
    BillingKind.CHANGED: "period_end",
    BillingKind.PAYMENT_FAILED: "grace_ends_at",
    BillingKind.CANCELLED: "period_end",
}
"""The end without which an event says nothing."""

NAMES = {"period_end": "periodEnd", "trial_ends_at": "trialEndsAt", "grace_ends_at": "graceEndsAt"}


@dataclass(frozen=True, slots=True)
class BillingEvent:
    """What billing says of a subscription: all of it, as it is since this event."""

    event_id: str
    subscription_id: str
    user_id: str
    sequence: int
    kind: BillingKind
    tier: Tier
    started_at: datetime
    period_end: datetime | None
    trial_ends_at: datetime | None
    grace_ends_at: datetime | None


async def record_billing_event(request: Request, event: BillingEvent, control: Control) -> Outcome:
    """Takes the event into the user's subscriptions; a late or known one changes nothing."""
    request.require_service("Mutation.recordBillingEvent")

    async def act(operation: Operation) -> Outcome:
        rules.identifier(event.user_id, "userId")

        def decide(user: User) -> Mapping[str, Any]:
            return {"subscriptions": joined(user.subscriptions, _clean(event))}

        return await change_user(
            request,
            operation,
            event.user_id,
            TIER_CHANGED,
            decide,
            statuses=NOT_GONE,
            path=("userId",),
        )

    arguments = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(event).items()
    }
    return await carry_out(request, "recordBillingEvent", control, arguments, act)


def _clean(event: BillingEvent) -> Subscription:
    """The subscription as the event tells it. Raises: Refusals."""
    refusals: list[Refusal] = []

    def checked(rule: Any, value: Any, *more: Any) -> Any:
        try:
            return rule(value, *more)
        except Refusal as refusal:
            refusals.append(refusal)

    subscription = Subscription(
        started_at=checked(rules.moment, event.started_at, "startedAt"),
        id=checked(rules.key, event.subscription_id, "subscriptionId"),
        sequence=checked(rules.sequence, event.sequence, "sequence"),
        event=checked(rules.key, event.event_id, "eventId"),
        kind=event.kind,
        tier=checked(_paid, event.tier),
        period_end=checked(rules.moment, event.period_end, "periodEnd"),
        trial_ends_at=checked(rules.moment, event.trial_ends_at, "trialEndsAt"),
        grace_ends_at=checked(rules.moment, event.grace_ends_at, "graceEndsAt"),
    )
    needed = NEEDED.get(event.kind)
    if needed is not None and getattr(event, needed) is None:
        expected = f"{NAMES[needed]} with {event.kind}"
        refusals.append(rules.refuse((NAMES[needed],), "REQUIRED", expected))
    if refusals:
        raise Refusals(refusals)
    return subscription


def _paid(tier: Tier) -> Tier:
    if tier is Tier.FREE:
        raise rules.refuse(("tier",), "PAID_TIER", "a tier that is paid for")
    return tier
