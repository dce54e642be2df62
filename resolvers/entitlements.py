"""Entitlements: what a user may do now, where each value comes from, and until when.

Of what the free tier, the user's own tier, the household and promotions give, the highest benefit
counts; a region then takes away what is above its own value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from resolvers.catalogue import BENEFITS, Version, values_of
from resolvers.request import Request
from resolvers.tiers import Standing, TierState, standings_of
from resolvers.visibility import SeenUser
from store.tiers import Grant, Holding, Tier

FOR_EVER = datetime.max.replace(tzinfo=UTC)


class EntitlementSource(StrEnum):
    """Where the value of an entitlement comes from."""

    TIER = "TIER"
    HOUSEHOLD = "HOUSEHOLD"
    TRIAL = "TRIAL"
    PROMOTION = "PROMOTION"
    REGION = "REGION"


SOURCES = tuple(EntitlementSource)
"""Of sources that give the same for as long, the first is named."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """One thing a user may do; `expires_at` is when the value may get worse, as far as is known."""

    key: str
    value: Any
    source: EntitlementSource
    reason: str
    expires_at: datetime | None
    catalogue_version: str


@dataclass(frozen=True, slots=True)
class _Gift:
    """Values that come from one source."""

    source: EntitlementSource
    values: Mapping[str, Any]
    reason: str
    expires_at: datetime | None = None


async def entitlements_of(request: Request, user: SeenUser) -> list[Entitlement] | None:
    """The entitlements of a user now, by key; nothing for those who may not see them."""
    holding: Holding | None = user.entitlements
    if holding is None:
        return None
    at = user.moment(request.now())
    own, shared = await standings_of(request, user.id, holding, at)
    return resolve(request.policy.catalogue.at(at), holding, own, shared, at)


def resolve(
    version: Version, holding: Holding, own: Standing, shared: Standing | None, now: datetime
) -> list[Entitlement]:
    """Every entitlement, by key, as this version of the catalogue has it."""
    gifts = list(_gifts(version, holding, own, shared, now))
    region = version.regions.get(holding.country or "")
    limits = values_of(region) if region else {}
    return [_resolve_one(key, gifts, limits, holding.country, version) for key in sorted(BENEFITS)]


def _gifts(
    version: Version, holding: Holding, own: Standing, shared: Standing | None, now: datetime
) -> Iterator[_Gift]:
    yield _Gift(EntitlementSource.TIER, values_of(version.tiers[Tier.FREE]), "Everybody has it.")
    if own.tier is not Tier.FREE:
        is_trial = own.state is TierState.TRIAL
        source = EntitlementSource.TRIAL if is_trial else EntitlementSource.TIER
        reason = f"It is part of {'the trial of ' if is_trial else ''}{own.tier}."
        yield _Gift(source, values_of(version.tiers[own.tier]), reason, own.ends_at)
    if shared is not None:
        values = values_of(version.tiers[shared.tier])
        reason = f"The household shares its {shared.tier}."
        yield _Gift(EntitlementSource.HOUSEHOLD, values, reason, shared.ends_at)
    for grant in holding.grants:
        yield from _gifts_of_promotion(version, grant, now)


def _gifts_of_promotion(version: Version, grant: Grant, now: datetime) -> Iterator[_Gift]:
    """What a promotion gives, as long as it is in the catalogue."""
    promotion = version.promotions.get(grant.name)
    if promotion is not None and grant.expires_at > now:
        values = values_of(promotion.entitlements)
        reason = f"It was granted with the promotion {grant.name}."
        yield _Gift(EntitlementSource.PROMOTION, values, reason, grant.expires_at)


def _resolve_one(
    key: str,
    gifts: list[_Gift],
    limits: Mapping[str, Any],
    country: str | None,
    version: Version,
) -> Entitlement:
    benefit = BENEFITS[key]
    given = [gift for gift in gifts if key in gift.values]
    best = max(benefit(gift.values[key]) for gift in given)
    if key in limits and benefit(limits[key]) < best:
        enough = [gift for gift in given if benefit(gift.values[key]) >= benefit(limits[key])]
        source, value = EntitlementSource.REGION, limits[key]
        reason = f"No more is available in {country}."
        winner = max(enough, key=_lasts)
    else:
        winner = max((g for g in given if benefit(g.values[key]) == best), key=_lasts)
        source, value, reason = winner.source, winner.values[key], winner.reason
    return Entitlement(key, value, source, reason, winner.expires_at, version.version)


def _lasts(gift: _Gift) -> tuple[datetime, int]:
    """Of gifts with the same value the one that lasts longest counts."""
    return gift.expires_at or FOR_EVER, -SOURCES.index(gift.source)
