"""Enums of the floors below, described for clients."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from resolvers.ages import AgeBand as AgeBands
from resolvers.choices import Choice, Level
from resolvers.errors import DenialReason as DenialReasons
from resolvers.handles import HandleState as HandleStates
from resolvers.history import AuthorKind as AuthorKinds
from resolvers.redactions import RedactionReason as RedactionReasons
from store.records import Status

E = TypeVar("E", bound=Enum)


def _describe(enum: type[E], name: str, description: str, values: Mapping[E, str]) -> None:
    """Makes the enum a GraphQL type; every value must be described."""
    strawberry.enum(enum, name=name, description=description)
    definition: StrawberryEnumDefinition = enum.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[enum(value.value)]


AccountStatus = Status
_describe(
    AccountStatus,
    "AccountStatus",
    "Where an account is in its life.",
    {
        AccountStatus.PENDING: "Registered, but not confirmed yet.",
        AccountStatus.ACTIVE: "In use.",
        AccountStatus.SUSPENDED: "Closed by staff, for a time or for good.",
        AccountStatus.DEACTIVATED: "Closed by its owner, who may open it again.",
        AccountStatus.ERASURE_SCHEDULED: "To be erased after a while, unless the owner cancels it.",
        AccountStatus.ERASED: "Erased; only the id and the status are left.",
        AccountStatus.MERGED: "Merged into another account.",
    },
)

DenialReason = DenialReasons
_describe(
    DenialReason,
    "DenialReason",
    "Why something is not allowed.",
    {
        DenialReason.SELF: "The other user is the viewer.",
        DenialReason.BLOCKING: "The viewer blocks the other user.",
        DenialReason.ACCOUNT_STATUS: "An account that takes part is not active.",
        DenialReason.NOTHING_TO_UNDO: "The last change is none that its owner can take back.",
        DenialReason.MINOR: "The age of the user does not permit it.",
        DenialReason.ALREADY_SET: "It was set before and cannot be set again.",
    },
)

AuthorKind = AuthorKinds
_describe(
    AuthorKind,
    "AuthorKind",
    "What the author of a change is to the user.",
    {
        AuthorKind.SELF: "The user.",
        AuthorKind.STAFF: "Staff.",
        AuthorKind.SERVICE: "Another subgraph or a job, in its own name.",
        AuthorKind.UNKNOWN: "It was not kept.",
    },
)

HandleState = HandleStates
_describe(
    HandleState,
    "HandleState",
    "What stands between a handle and somebody who wants it.",
    {
        HandleState.AVAILABLE: "Nothing.",
        HandleState.TAKEN: "Somebody has it.",
        HandleState.COOLDOWN: "Somebody gave it up not long ago.",
        HandleState.RESERVED: "It is kept for the service itself.",
        HandleState.INVALID: "It does not look like a handle.",
    },
)

ProfileField = Choice
_describe(
    ProfileField,
    "ProfileField",
    "A part of the profile, for which the user chooses who sees it.",
    {
        ProfileField.DISPLAY_NAME: "The field `displayName`, by which nobody is found then.",
        ProfileField.AVATAR: "The field `avatar`.",
        ProfileField.BIO: "The field `bio`.",
        ProfileField.PRONOUNS: "The field `pronouns`.",
        ProfileField.LINKS: "The field `links`.",
        ProfileField.PROFILE_COLOR: "The field `profileColor`.",
        ProfileField.JOINED_YEAR: "The field `joinedYear`.",
        ProfileField.FOLLOWS: "The lists `followers` and `following`, both counts, and the "
        "user's place in the lists of others.",
    },
)

Visibility = Level
_describe(
    Visibility,
    "Visibility",
    "Who sees a part of a profile, besides its owner and staff.",
    {
        Visibility.PUBLIC: "Everybody.",
        Visibility.FOLLOWERS: "Those who follow the user.",
        Visibility.NOBODY: "Nobody.",
    },
)

AgeBand = AgeBands
_describe(
    AgeBand,
    "AgeBand",
    "How old a user is, as far as it matters.",
    {
        AgeBand.UNKNOWN: "There is no birth date; counts as adult.",
        AgeBand.UNDER_13: "Under 13 years.",
        AgeBand.TEEN: "From 13 years, under 18.",
        AgeBand.ADULT: "18 years or more.",
    },
)

RedactionReason = RedactionReasons
_describe(
    RedactionReason,
    "RedactionReason",
    "Why a field is null for the viewer.",
    {
        RedactionReason.PRIVATE: "The user does not show it to the viewer.",
        RedactionReason.OWNER_ONLY: "Only the owner and those who act for the platform see it.",
        RedactionReason.SCOPE_MISSING: "Another token would show it.",
        RedactionReason.MINOR: "The user's age hides it.",
        RedactionReason.NOT_ACTIVE: "The account is not active.",
        RedactionReason.ERASED: "The account was erased.",
    },
)
