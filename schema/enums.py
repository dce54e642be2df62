"""Enums of the floors below, described for clients."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from resolvers.ages import AgeBand as AgeBands
from resolvers.choices import Choice, Level
from resolvers.consents import ConsentState as ConsentStates
from resolvers.entitlements import EntitlementSource as EntitlementSources
from resolvers.errors import DenialReason as DenialReasons
from resolvers.handles import HandleState as HandleStates
from resolvers.history import AuthorKind as AuthorKinds
from resolvers.households import HouseholdRole as HouseholdRoles
from resolvers.redactions import RedactionReason as RedactionReasons
from resolvers.tiers import TierState as TierStates
from store.data_requests import RequestState
from store.records import ContactKind as ContactKinds
from store.records import Status
from store.tiers import BillingKind as BillingKinds
from store.tiers import Tier

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
        DenialReason.CLIENT: "It is for other clients than the one that asks.",
        DenialReason.CONTACT_TAKEN: "The address belongs to another account.",
        DenialReason.NOT_SET_UP: "This server lacks what it takes.",
        DenialReason.TIER: "The tier that holds does not permit it.",
        DenialReason.HOUSEHOLD_FULL: "Every seat of the household is taken.",
        DenialReason.HOUSEHOLD_MANAGER: "It is for a manager, or for all but the manager.",
        DenialReason.OTHER_HOUSEHOLD: "The viewer is in another household.",
        DenialReason.MINOR: "The age of the user does not permit it.",
        DenialReason.ALREADY_SET: "It was set before and cannot be set again.",
        DenialReason.NOTHING_OWED: "No receipt is owed, or no longer.",
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
        AuthorKind.MANAGER: "The manager of the household that the user was in.",
        AuthorKind.SERVICE: "Another subgraph or a job, in its own name.",
        AuthorKind.UNKNOWN: "It was not kept.",
    },
)

ContactKind = ContactKinds
_describe(
    ContactKind,
    "ContactKind",
    "What an address is of.",
    {
        ContactKind.EMAIL: "A mailbox.",
        ContactKind.PHONE: "A telephone, by its international number.",
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

ErasureState = RequestState
_describe(
    ErasureState,
    "ErasureState",
    "How far an erasure is.",
    {
        ErasureState.ERASING: "It was begun here.",
        ErasureState.AWAITING_RECEIPTS: "Nothing is left here; other subgraphs owe their receipts.",
        ErasureState.COMPLETED: "Nobody owes a receipt.",
    },
)

ConsentState = ConsentStates
_describe(
    ConsentState,
    "ConsentState",
    "Where a user stands towards a purpose; GRANTED alone is consent.",
    {
        ConsentState.NEVER_ASKED: "The user has not answered yet.",
        ConsentState.GRANTED: "The user agreed, and that counts.",
        ConsentState.DENIED: "The user did not agree.",
        ConsentState.WITHDRAWN: "The user agreed once, and does not any more.",
        ConsentState.EXPIRED: "The user agreed too long ago: ask again.",
        ConsentState.OUTDATED: "The user agreed to an older version of the policy: ask again.",
    },
)

SubscriptionTier = Tier
_describe(
    SubscriptionTier,
    "SubscriptionTier",
    "What a subscription is to.",
    {
        SubscriptionTier.FREE: "Nothing that is paid for.",
        SubscriptionTier.PREMIUM_STUDENT: "For one person who studies.",
        SubscriptionTier.PREMIUM_INDIVIDUAL: "For one person.",
        SubscriptionTier.PREMIUM_DUO: "For a household of two.",
        SubscriptionTier.PREMIUM_FAMILY: "For a household of six.",
    },
)

TierState = TierStates
_describe(
    TierState,
    "TierState",
    "Where a subscription is in its life.",
    {
        TierState.TRIAL: "It is being tried.",
        TierState.ACTIVE: "It is paid.",
        TierState.GRACE: "It goes on for a while although it was not paid.",
        TierState.CANCELLED: "It goes on until what was paid for is over.",
        TierState.EXPIRED: "It is over.",
    },
)

BillingKind = BillingKinds
_describe(
    BillingKind,
    "BillingKind",
    "What billing says happened to a subscription.",
    {
        BillingKind.TRIAL_STARTED: "It may be tried until `trialEndsAt`.",
        BillingKind.STARTED: "It is paid until `periodEnd`.",
        BillingKind.RENEWED: "It is paid for one more period, until `periodEnd`.",
        BillingKind.CHANGED: "It is to another tier, paid until `periodEnd`.",
        BillingKind.PAYMENT_FAILED: "It was not paid, and goes on until `graceEndsAt`.",
        BillingKind.CANCELLED: "It will not be renewed, and ends with `periodEnd`.",
        BillingKind.ENDED: "It is over at once.",
    },
)

EntitlementSource = EntitlementSources
_describe(
    EntitlementSource,
    "EntitlementSource",
    "Where the value of an entitlement comes from.",
    {
        EntitlementSource.TIER: "The user's own tier, or what everybody has.",
        EntitlementSource.HOUSEHOLD: "The tier of the household's manager.",
        EntitlementSource.TRIAL: "A tier that the user tries.",
        EntitlementSource.PROMOTION: "A promotion that the user was granted.",
        EntitlementSource.REGION: "The country of the account, which permits no more.",
    },
)

HouseholdRole = HouseholdRoles
_describe(
    HouseholdRole,
    "HouseholdRole",
    "What somebody is in a household.",
    {
        HouseholdRole.MANAGER: "Pays for the tier, invites and removes.",
        HouseholdRole.MEMBER: "Has a seat.",
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
