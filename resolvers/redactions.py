"""Redactions: why fields of a user are null for the viewer, whether or not they have a value."""

from collections.abc import Iterator, Set
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from resolvers.ages import AgeBand
from resolvers.authorization import OWNER, SERVICES, Authorization, ViewerKind
from resolvers.narrowing import NONE, Narrowing, hidden_fields, opens_to_followers
from store.records import Status

REMEMBERED = 1000
"""Lists of redactions that are remembered."""

ALWAYS_SEEN = frozenset({"User.id", "User.status", "User.redactions"})


class RedactionReason(StrEnum):
    """Why a field is null for the viewer."""

    PRIVATE = "PRIVATE"
    OWNER_ONLY = "OWNER_ONLY"
    SCOPE_MISSING = "SCOPE_MISSING"
    MINOR = "MINOR"
    NOT_ACTIVE = "NOT_ACTIVE"
    ERASED = "ERASED"


class Redaction(NamedTuple):
    """A field of User, as clients name it, that a rule hides; `fixable` when the viewer can act."""

    field: str
    reason: RedactionReason
    fixable: bool


@lru_cache(REMEMBERED)
def redactions_of(
    authorization: Authorization,
    kind: ViewerKind,
    scopes: Set[str],
    status: Status,
    visible: frozenset[str],
    narrowing: Narrowing = NONE,
) -> tuple[Redaction, ...]:
    """One for each field that such a viewer does not see, in the order of the table."""

    def found() -> Iterator[Redaction]:
        for field in authorization.rules:
            type_, _, name = field.partition(".")
            if type_ == "User" and field not in visible | ALWAYS_SEEN:
                yield Redaction(name, *_why(authorization, kind, scopes, status, narrowing, field))

    return tuple(found())


def _why(
    authorization: Authorization,
    kind: ViewerKind,
    scopes: Set[str],
    status: Status,
    narrowing: Narrowing,
    field: str,
) -> tuple[RedactionReason, bool]:
    if status is Status.ERASED:
        return RedactionReason.ERASED, False
    if not authorization.allows(field, kind, scopes):
        kinds = authorization.rules[field].kinds
        if kind in kinds or not kinds <= OWNER | SERVICES:
            return RedactionReason.SCOPE_MISSING, True
        return RedactionReason.OWNER_ONLY, False
    if field not in hidden_fields(authorization, kind, scopes, narrowing) or (
        status is not Status.ACTIVE and kind is not ViewerKind.SERVICE
    ):
        return RedactionReason.NOT_ACTIVE, False
    if kind is not ViewerKind.SERVICE:
        # Not MINOR: who may not know the age is not to learn it from this.
        return RedactionReason.PRIVATE, kind is ViewerKind.STRANGER and field in opens_to_followers(
            authorization, scopes, narrowing
        )
    of_any_age = narrowing._replace(band=AgeBand.UNKNOWN)
    by_age = field not in hidden_fields(authorization, kind, scopes, of_any_age)
    if by_age and authorization.allows("User.ageBand", kind, scopes):
        return RedactionReason.MINOR, True
    return RedactionReason.SCOPE_MISSING, True
