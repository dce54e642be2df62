"""Ages: the bands, when each begins, and how open a profile may be in it.

A band begins at midnight of a birthday where the user is; who was born on 29 February has the
birthday on 1 March in other years. A profile of somebody under 13 is shown to nobody. Whose age is
not known counts as adult.

Source: COPPA (16 CFR 312) for 13; most laws for 18.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from resolvers.choices import Choice, Level, stricter
from store.records import Age

TEEN_AT, ADULT_AT = 13, 18
"""Years."""


class AgeBand(StrEnum):
    """How old a user is, as far as it matters."""

    UNKNOWN = "UNKNOWN"
    UNDER_13 = "UNDER_13"
    TEEN = "TEEN"
    ADULT = "ADULT"


class Gate(NamedTuple):
    """How open something is in a band: where nothing was chosen, and at most."""

    default: Level = Level.PUBLIC
    loosest: Level = Level.PUBLIC


OPEN = Gate()
FOR_FOLLOWERS = Gate(Level.FOLLOWERS, Level.FOLLOWERS)
MAY_OPEN = Gate(Level.FOLLOWERS, Level.PUBLIC)

GATES: Mapping[AgeBand, Mapping[Choice, Gate]] = {
    AgeBand.UNKNOWN: dict.fromkeys(Choice, OPEN),
    AgeBand.UNDER_13: dict.fromkeys(Choice, Gate(Level.NOBODY, Level.NOBODY)),
    AgeBand.TEEN: {
        Choice.DISPLAY_NAME: MAY_OPEN,
        Choice.AVATAR: MAY_OPEN,
        Choice.BIO: FOR_FOLLOWERS,
        Choice.PRONOUNS: FOR_FOLLOWERS,
        Choice.LINKS: FOR_FOLLOWERS,
        Choice.PROFILE_COLOR: MAY_OPEN,
        Choice.JOINED_YEAR: FOR_FOLLOWERS,
        Choice.FOLLOWS: FOR_FOLLOWERS,
    },
    AgeBand.ADULT: dict.fromkeys(Choice, OPEN),
}
"""The table that holds."""


def level_of(choice: Choice, chosen: Mapping[str, str], band: AgeBand) -> Level:
    """Who sees it, by what was chosen and by the age."""
    gate = GATES[band][choice]
    return stricter(Level(chosen.get(choice, gate.default)), gate.loosest)


def band_at(age: Age | None, now: datetime) -> AgeBand:
    """The band that somebody of this age is in."""
    if age is None:
        return AgeBand.UNKNOWN
    if age.teen is not None and now < age.teen:
        return AgeBand.UNDER_13
    return AgeBand.TEEN if age.adult is not None and now < age.adult else AgeBand.ADULT


def age_of(born: date, zone: str | None, now: datetime) -> Age:
    """What is kept of a birth date besides the sealed one: when the bands begin that are to come.

    `zone` is the IANA time zone of the user, who without one is on UTC.
    """
    return _age(_birthday(born, TEEN_AT), _birthday(born, ADULT_AT), zone, now)


def moved(age: Age, before: str | None, after: str | None, now: datetime) -> Age:
    """The age in another time zone, where the days begin at other moments."""
    teen, adult = (moment and today(before, moment) for moment in (age.teen, age.adult))
    return _age(teen, adult, after, now)


def today(zone: str | None, now: datetime) -> date:
    """Which day it is there."""
    return now.astimezone(_zone(zone)).date()


def _age(teen: date | None, adult: date | None, zone: str | None, now: datetime) -> Age:
    age = Age("", _yet_to_come(teen, zone, now), _yet_to_come(adult, zone, now))
    return age._replace(band=band_at(age, now))


def _yet_to_come(day: date | None, zone: str | None, now: datetime) -> datetime | None:
    if day is None:
        return None
    begins = _midnight(day, zone)
    return begins if begins > now else None


def _birthday(born: date, years: int) -> date:
    try:
        return born.replace(year=born.year + years)
    except ValueError:  # 29 February
        return date(born.year + years, 3, 1)


def _midnight(day: date, zone: str | None) -> datetime:
    """The first moment of the day, also where clocks or the date line leave its midnight out."""
    return datetime(day.year, day.month, day.day, tzinfo=_zone(zone)).astimezone(UTC)


def _zone(zone: str | None) -> ZoneInfo:
    return ZoneInfo(zone or "UTC")
