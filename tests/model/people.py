"""What the model knows: people, what is theirs and what is between them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

COOLDOWN = timedelta(days=30)
ACTIVE, PENDING, SUSPENDED = "ACTIVE", "PENDING", "SUSPENDED"
DEACTIVATED, SCHEDULED, MERGED = "DEACTIVATED", "ERASURE_SCHEDULED", "MERGED"
ERASED = "ERASED"
LIVING = {PENDING, ACTIVE, SUSPENDED, DEACTIVATED}


class Refused(Exception):
    """A refusal: its code, its path, and what the client acts on (reason, rule, time)."""

    def __init__(self, code: str, *path: str, detail: Any = None) -> None:
        self.told = (code, list(path), detail)


def denied(reason: str, *path: str) -> Refused:
    """The refusal of what is never for this viewer or in this state."""
    return Refused("NOT_ALLOWED", *path, detail=reason)


def invalid(rule: str, *path: str) -> Refused:
    """The refusal of an argument that breaks a rule."""
    return Refused("BAD_USER_INPUT", *path, detail=rule)


def too_soon(wait: timedelta, *path: str) -> Refused:
    """The refusal of what may be done later."""
    return Refused("TOO_SOON", *path, detail=max(1, round(wait.total_seconds())))


@dataclass
class Contact:
    """An address of somebody."""

    id: str
    kind: str
    value: str
    is_verified: bool = False
    is_primary: bool = False
    pending: str | None = None

    @property
    def waiting(self) -> str | None:
        """The address that waits for its code."""
        return self.pending if self.is_verified else self.value


@dataclass
class Letters:
    """What was sent to one address for one user; `code` is None when it was only a notice."""

    sent: list[datetime] = field(default_factory=list)
    code: str | None = None
    until: datetime | None = None
    tries: int = 0
    is_used: bool = False


@dataclass
class Event:
    """What billing said of a subscription: the newest of it."""

    sequence: int
    kind: str
    tier: str
    period_end: datetime | None = None
    grace_ends_at: datetime | None = None
    trial_ends_at: datetime | None = None


@dataclass(eq=False)
class Person:
    """A user, with everything that is kept with them."""

    id: str
    handle: str | None
    status: str
    handle_changed_at: datetime | None = None
    formers: list[tuple[str, datetime]] = field(default_factory=list)
    suspended_until: datetime | None = None
    reason: str | None = None
    status_before: str | None = None
    erase_at: datetime | None = None
    merged_into: "Person | None" = None
    contacts: list[Contact] = field(default_factory=list)
    letters: dict[str, Letters] = field(default_factory=dict)
    sent: list[datetime] = field(default_factory=list)
    events: dict[str, Event] = field(default_factory=dict)
    household: "Household | None" = None


@dataclass(eq=False)
class Household:
    """Those who share a tier, the manager first; invitations by their tokens."""

    members: list[Person]
    invitations: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    @property
    def manager(self) -> Person:
        """Who pays."""
        return self.members[0]


Ties = dict[tuple[Person, Person], datetime]
"""(source, target) and since when."""


@dataclass
class Platform:
    """Everybody, and the time."""

    now: datetime
    people: list[Person] = field(default_factory=list)
    follows: Ties = field(default_factory=dict)
    blocks: Ties = field(default_factory=dict)

    def pass_time(self, duration: timedelta) -> None:
        """Lets time pass, and ends the suspensions that are over."""
        self.now += duration
        for person in self.people:
            if person.status == SUSPENDED:
                self.end_suspension(person)

    def end_suspension(self, person: Person) -> None:
        """Opens an account whose suspension is over."""
        if person.suspended_until is not None and person.suspended_until <= self.now:
            person.status, person.suspended_until, person.reason = ACTIVE, None, None

    def cooling(self, person: Person) -> dict[str, datetime]:
        """The handles that the person gave up and that still lead there."""
        return {handle: until for handle, until in person.formers if until > self.now}

    def holder(self, handle: str) -> Person | None:
        """Whom a handle leads to."""
        for person in self.people:
            if person.handle == handle or handle in self.cooling(person):
                return person
        return None


def check_active(person: Person, *path: str) -> None:
    """Insists on an account that is in use."""
    if person.status != ACTIVE:
        raise denied("ACCOUNT_STATUS", *path)
