"""Tiers: what of a user's subscriptions, and of their household's, holds at a moment.

Nothing is written when a trial, a period or a grace is over: what holds is worked out anew from the
documents and the clock whenever somebody asks.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from resolvers.request import Request
from resolvers.visibility import SeenUser
from store.households import Household, manages, own_seat
from store.records import User
from store.tiers import BillingKind, Holding, Subscription, Tier

SEATS: Mapping[Tier, int] = {Tier.PREMIUM_DUO: 2, Tier.PREMIUM_FAMILY: 6}
"""How many may share a tier, its manager included; the other tiers are for one."""

RANKS: Mapping[Tier, int] = {tier: rank for rank, tier in enumerate(Tier)}
"""The order of the tiers, least first."""


class TierState(StrEnum):
    """Where a subscription is in its life."""

    TRIAL = "TRIAL"
    ACTIVE = "ACTIVE"
    GRACE = "GRACE"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Standing:
    """The tier that holds, until `ends_at` as far as is known.

    There is no state when there never was a subscription.
    """

    tier: Tier = Tier.FREE
    state: TierState | None = None
    ends_at: datetime | None = None
    is_shared: bool = False


async def tier_of(request: Request, user: SeenUser) -> Tier | None:
    """The tier of a user now; nothing for those who may not see it."""
    holding: Holding | None = user.tier
    if holding is None:
        return None
    return (await standing_of(request, user.id, holding, user.moment(request.now()))).tier


async def standing_of(request: Request, user_id: str, holding: Holding, at: datetime) -> Standing:
    """The best of what the user and the user's household have.

    Two commands at most for all who ask at once, none for users without a household.
    """
    own, shared = await standings_of(request, user_id, holding, at)
    return shared if shared is not None and _worth(shared) > _worth(own) else own


async def standing_of_user(request: Request, user_id: str) -> Standing | None:
    """The same for a user whom the viewer may ask about; nothing when there is none."""
    user = await request.loaders.user_by_id.load(user_id)
    return await standing_of(request, user_id, user.tier, request.now()) if user else None


async def standings_of(
    request: Request, user_id: str, holding: Holding, at: datetime
) -> tuple[Standing, Standing | None]:
    """What the user has alone, and what the user's household, as it is now, shares."""
    own = standing(holding.subscriptions, at)
    if holding.seat is None or holding.seat == own_seat(user_id):
        return own, None
    household_id = holding.seat.partition(".")[0]
    household, manager = await asyncio.gather(
        request.loaders.household_by_id.load(household_id),
        request.loaders.user_by_id.load(household_id),
    )
    return own, shared_standing(user_id, holding.seat, household, manager, at)


def standing(subscriptions: Iterable[Subscription], now: datetime) -> Standing:
    """What the best of the subscriptions gives at that moment."""
    known = list(subscriptions)
    holding = [found for one in known if (found := _standing_of(one, now)) is not None]
    if holding:
        return max(holding, key=_worth)
    return Standing(state=TierState.EXPIRED if known else None)


def seats_of(user: User, now: datetime) -> int:
    """How many may sit in the household that the user manages; 0 when the tier has none."""
    return SEATS.get(standing(user.subscriptions, now).tier, 0)


def shared_standing(
    user_id: str, seat: str, household: Household | None, manager: User | None, now: datetime
) -> Standing | None:
    """What a member of a household has of its manager's; those who sit beyond its seats nothing."""
    if household is None or manager is None or not manages(manager):
        return None
    place = household.place_of(user_id, seat)
    if place is None or place >= seats_of(manager, now):
        return None
    of_manager = standing(manager.subscriptions, now)
    return Standing(of_manager.tier, of_manager.state, of_manager.ends_at, is_shared=True)


def _standing_of(subscription: Subscription, now: datetime) -> Standing | None:
    """What a subscription gives at that moment; nothing when it is over."""
    left = [(state, end) for state, end in _spans(subscription) if end is not None and end > now]
    if not left:
        return None
    return Standing(subscription.tier, left[0][0], max(end for _, end in left))


def _spans(subscription: Subscription) -> Iterator[tuple[TierState, datetime | None]]:
    """The states of a subscription one after the other, each with its end."""
    match subscription.kind:
        case BillingKind.ENDED:
            return
        case BillingKind.CANCELLED:
            yield TierState.CANCELLED, subscription.period_end
            return
        case BillingKind.TRIAL_STARTED:
            yield TierState.TRIAL, subscription.trial_ends_at
        case BillingKind.STARTED | BillingKind.RENEWED | BillingKind.CHANGED:
            yield TierState.ACTIVE, subscription.period_end
    yield TierState.GRACE, subscription.grace_ends_at


STATES = (TierState.GRACE, TierState.CANCELLED, TierState.TRIAL, TierState.ACTIVE)
"""The states in which a tier holds; of two that are otherwise alike, the last counts."""


def _worth(found: Standing) -> tuple[int, float, int]:
    """A total order on what standings show, so that the best does not depend on their order."""
    ends = found.ends_at.timestamp() if found.ends_at else 0.0
    place = STATES.index(found.state) if found.state in STATES else -1
    return RANKS[found.tier], ends, place
