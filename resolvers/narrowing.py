"""Narrowing: what a user's choices and age take away from what the table shows to others.

The owner and staff see everything, and so do services with `PROFILE_SCOPE`; other services see what
strangers see, because nobody knows to whom they show it.
"""

from collections.abc import Set
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from resolvers.ages import AgeBand, band_at, level_of
from resolvers.authorization import PROFILE_SCOPE, Authorization, ViewerKind
from resolvers.choices import Level
from store.records import User

REMEMBERED = 4000
"""Narrowings, with who looks, whose fields are remembered."""

HIDDEN_FROM = {
    ViewerKind.ANONYMOUS: {Level.FOLLOWERS, Level.NOBODY},
    ViewerKind.STRANGER: {Level.FOLLOWERS, Level.NOBODY},
    ViewerKind.FOLLOWER: {Level.NOBODY},
    ViewerKind.SERVICE: {Level.FOLLOWERS, Level.NOBODY},
}
"""The levels at which a field is hidden."""


class Narrowing(NamedTuple):
    """What was chosen, as pairs of a choice and a level, and the age at the moment."""

    chosen: tuple[tuple[str, str], ...]
    band: AgeBand


NONE = Narrowing((), AgeBand.UNKNOWN)


def narrowing_of(user: User, now: datetime) -> Narrowing:
    """The narrowing of a user."""
    return Narrowing(tuple(sorted(user.visibility.items())), band_at(user.age_band, now))


@lru_cache(REMEMBERED)
def hidden_fields(
    authorization: Authorization, kind: ViewerKind, scopes: Set[str], narrowing: Narrowing
) -> frozenset[str]:
    """The fields that such a viewer does not see because of it."""
    levels = HIDDEN_FROM.get(kind)
    if levels is None or (kind is ViewerKind.SERVICE and PROFILE_SCOPE in scopes):
        return frozenset()
    chosen, band = dict(narrowing.chosen), narrowing.band
    hidden = {
        field
        for field, choice in authorization.chosen.items()
        if level_of(choice, chosen, band) in levels
    }
    return frozenset(hidden | {"User.handle"} if band is AgeBand.UNDER_13 else hidden)


def opens_to_followers(
    authorization: Authorization, scopes: Set[str], narrowing: Narrowing
) -> frozenset[str]:
    """The fields that followers see and strangers do not."""
    from_strangers = hidden_fields(authorization, ViewerKind.STRANGER, scopes, narrowing)
    return from_strangers - hidden_fields(authorization, ViewerKind.FOLLOWER, scopes, narrowing)
