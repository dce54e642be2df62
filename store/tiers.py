"""Tiers: what a user pays for, where they sit in a household and what was granted, as stored.

A subscription keeps only the newest thing that billing said of it, and a user only the newest
subscriptions. Both choices depend on nothing but the set of events, so that the order in which
they arrive, and how often, does not matter.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

SUBSCRIPTIONS = 8
"""So many of a user's subscriptions are kept: those that started last."""


class Tier(StrEnum):
    """What a subscription is to, least first."""

    FREE = "FREE"
    PREMIUM_STUDENT = "PREMIUM_STUDENT"
    PREMIUM_INDIVIDUAL = "PREMIUM_INDIVIDUAL"
    PREMIUM_DUO = "PREMIUM_DUO"
    PREMIUM_FAMILY = "PREMIUM_FAMILY"


class BillingKind(StrEnum):
    """What billing says happened to a subscription."""

    TRIAL_STARTED = "TRIAL_STARTED"
    STARTED = "STARTED"
    RENEWED = "RENEWED"
    CHANGED = "CHANGED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    CANCELLED = "CANCELLED"
    ENDED = "ENDED"


class Subscription(NamedTuple):
    """A subscription as its newest event tells it; `event` is that event's identifier."""

    started_at: datetime
    id: str
    sequence: int
    event: str
    kind: BillingKind
    tier: Tier
    period_end: datetime | None = None
    trial_ends_at: datetime | None = None
    grace_ends_at: datetime | None = None

    @property
    def key(self) -> tuple[datetime, str]:
        """What tells it from other subscriptions, and orders them."""
        return self.started_at, self.id


class Grant(NamedTuple):
    """A promotion that a user was given."""

    name: str
    granted_at: datetime
    expires_at: datetime


class Holding(NamedTuple):
    """All that says what a user may have, but for what others share with them."""

    subscriptions: tuple[Subscription, ...]
    seat: str | None
    grants: tuple[Grant, ...]
    country: str | None


def joined(known: Iterable[Subscription], *told: Subscription) -> tuple[Subscription, ...]:
    """The subscriptions after these were told, oldest first.

    A semilattice's join: told in any order, any number of times, the result is the same. Of two
    events with one sequence the greater one in a fixed order counts.
    """
    newest: dict[tuple[datetime, str], Subscription] = {}
    for subscription in (*known, *told):
        other = newest.get(subscription.key)
        if other is None or _age(subscription) > _age(other):
            newest[subscription.key] = subscription
    return tuple(newest[key] for key in sorted(newest)[-SUBSCRIPTIONS:])


def granted(known: Iterable[Grant], *more: Grant) -> tuple[Grant, ...]:
    """The promotions after these were given as well, each once: the one that lasts longest."""
    longest: dict[str, Grant] = {}
    for grant in (*known, *more):
        other = longest.get(grant.name)
        if other is None or grant.expires_at > other.expires_at:
            longest[grant.name] = grant
    return tuple(longest.values())


def subscriptions_from(documents: Iterable[Mapping[str, Any]]) -> tuple[Subscription, ...]:
    """The subscriptions in a user's document."""
    return tuple(
        Subscription(
            started_at=document["startedAt"],
            id=document["id"],
            sequence=document["sequence"],
            event=document["event"],
            kind=BillingKind(document["kind"]),
            tier=Tier(document["tier"]),
            period_end=document.get("periodEnd"),
            trial_ends_at=document.get("trialEndsAt"),
            grace_ends_at=document.get("graceEndsAt"),
        )
        for document in documents
    )


def grants_from(documents: Iterable[Mapping[str, Any]]) -> tuple[Grant, ...]:
    """The promotions in a user's document."""
    return tuple(
        Grant(document["name"], document["grantedAt"], document["expiresAt"])
        for document in documents
    )


def holding_from(document: Mapping[str, Any]) -> Holding:
    """The holding in a user's document."""
    tier = document.get("tier", {})
    return Holding(
        subscriptions_from(tier.get("subscriptions", ())),
        tier.get("seat"),
        grants_from(tier.get("grants", ())),
        document.get("locale", {}).get("country"),
    )


def _age(subscription: Subscription) -> tuple[Any, ...]:
    """What orders the events of one subscription: all there is to them, the sequence first."""
    ends = (subscription.period_end, subscription.trial_ends_at, subscription.grace_ends_at)
    return (
        subscription.sequence,
        subscription.event,
        subscription.kind,
        subscription.tier,
        *(end.timestamp() if end else -1.0 for end in ends),
    )
