"""The model of tiers and households (docs/tiers.md)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.model.people import (
    ERASED,
    MERGED,
    Event,
    Household,
    Person,
    Platform,
    Refused,
    check_active,
    denied,
    too_soon,
)

SEATS = {"PREMIUM_DUO": 2, "PREMIUM_FAMILY": 6}
TIERS = ["FREE", "PREMIUM_INDIVIDUAL", "PREMIUM_DUO", "PREMIUM_FAMILY"]
STATES = ["GRACE", "CANCELLED", "TRIAL", "ACTIVE"]
INVITATION_LASTS = timedelta(days=7)
MOST_INVITATIONS = 10

Standing = tuple[str, str | None, datetime | None]
"""The tier, its state and until when."""


def bill(person: Person, subscription: str, event: Event) -> None:
    """Takes in what billing says; the highest sequence counts."""
    if person.status in (MERGED, ERASED):
        raise denied("ACCOUNT_STATUS", "userId")
    known = person.events.get(subscription)
    if known is None or event.sequence > known.sequence:
        person.events[subscription] = event


def hand_over(keep: Person, merged: Person) -> None:
    """Makes what the one who is merged pays for that of the one who is kept."""
    for subscription, event in merged.events.items():
        bill(keep, subscription, event)
    merged.events = {}


def own_standing(person: Person, now: datetime) -> Standing:
    """What the best of somebody's own subscriptions gives."""
    standings = [_standing(event, now) for event in person.events.values()]
    return max(standings, key=_worth, default=("FREE", None, None))


def standing(person: Person, now: datetime) -> tuple[Standing, bool]:
    """What holds for somebody, and whether it is shared by their household's manager."""
    own, home = own_standing(person, now), person.household
    if home is None or home.members.index(person) >= seats(home.manager, now):
        return own, False
    shared = own_standing(home.manager, now)
    return (shared, True) if _worth(shared) > _worth(own) else (own, False)


def seats(person: Person, now: datetime) -> int:
    """How many may share what the person pays for."""
    return SEATS.get(own_standing(person, now)[0], 0)


def invite(platform: Platform, person: Person) -> None:
    """Makes an invitation, whose token is known once the service told it."""
    check_active(person)
    if not seats(person, platform.now):
        raise denied("TIER")
    home = person.household
    if home is not None and home.manager is not person:
        raise denied("OTHER_HOUSEHOLD")
    person.household = home = home or Household([person])
    ends = [end for _, end in home.invitations.values() if end > platform.now]
    if len(ends) >= MOST_INVITATIONS:
        raise too_soon(min(ends) - platform.now)


def accept(platform: Platform, person: Person, token: str, manager: Person | None) -> None:
    """Gives somebody a seat, by a token that this manager was told."""
    check_active(person)
    if manager is person:
        raise denied("SELF")
    if person.household is not None:
        if person.household.manager is manager:
            return
        raise denied("OTHER_HOUSEHOLD")
    home = manager.household if manager else None
    if manager is None or (manager, person) in platform.blocks or home is None:
        raise Refused("NOT_FOUND", "token")
    if home.manager is not manager or token not in open_invitations(home, platform.now):
        raise Refused("NOT_FOUND", "token")
    if not seats(manager, platform.now):
        raise denied("TIER", "token")
    if len(home.members) >= seats(manager, platform.now):
        raise denied("HOUSEHOLD_FULL", "token")
    del home.invitations[token]
    home.members.append(person)
    person.household = home


def leave(person: Person) -> None:
    """Gives a seat up, the manager's only when nobody else is there."""
    check_active(person)
    home = person.household
    if home is None:
        return
    if home.manager is person and len(home.members) > 1:
        raise denied("HOUSEHOLD_MANAGER")
    home.members.remove(person)
    person.household = None


def remove(person: Person, other: Person | None) -> None:
    """Takes the seat of a member away."""
    check_active(person)
    home = person.household
    if home is None or home.manager is not person:
        raise denied("HOUSEHOLD_MANAGER")
    if other is person:
        raise denied("SELF", "userId")
    if other is None or other.household is not home:
        raise Refused("NOT_FOUND", "userId")
    home.members.remove(other)
    other.household = None


def forget(person: Person) -> None:
    """Takes the seat of who is erased or merged away, and all seats with that of the manager."""
    home = person.household
    for member in list(home.members) if home else []:
        if home and person in (member, home.manager):
            member.household = None
    if home is not None:
        home.members.remove(person)


def open_invitations(home: Household, now: datetime) -> dict[str, str]:
    """The ids of the invitations that may be accepted, by token."""
    return {token: name for token, (name, end) in home.invitations.items() if end > now}


def _standing(event: Event, now: datetime) -> Standing:
    left = [(state, end) for state, end in _spans(event) if end is not None and end > now]
    if not left:
        return "FREE", "EXPIRED", None
    return event.tier, left[0][0], max(end for _, end in left)


def _spans(event: Event) -> Iterator[tuple[str, datetime | None]]:
    if event.kind == "CANCELLED":
        yield "CANCELLED", event.period_end
    elif event.kind == "TRIAL_STARTED":
        yield "TRIAL", event.trial_ends_at
    elif event.kind != "ENDED":
        if event.kind != "PAYMENT_FAILED":
            yield "ACTIVE", event.period_end
        yield "GRACE", event.grace_ends_at


def _worth(found: Standing) -> tuple[Any, ...]:
    """The highest tier counts, then the one that lasts longest, then the better state."""
    tier, state, end = found
    place = STATES.index(state) if state in STATES else -1
    return TIERS.index(tier), end.timestamp() if end else 0, place
