"""Who may see or ask for what: one table of the whole schema, and the function that reads it.

A row is a field as clients name it, a column is what the viewer is to the user whom it is about.
What the table does not name is seen by nobody, and no schema is built with it. The rows of `Query`,
`Mutation` and `Subscription` are about nobody yet, so that a person has the same there in each of
the columns for people. What a row permits is only who may ask: an account's status, the rules of a
mutation and a block take away from it, and nothing adds to it.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from resolvers.choices import Choice
from resolvers.fields import SHOWN
from resolvers.viewer import Viewer

PROFILE_SCOPE = "users:profile:read"
"""What a service needs to see of a profile what is not public."""


class ViewerKind(StrEnum):
    """What the viewer is to a user."""

    ANONYMOUS = "anonymous"
    STRANGER = "stranger"
    FOLLOWER = "follower"
    BLOCKED = "blocked"
    SELF = "self"
    SERVICE = "service"
    STAFF = "staff"


class Rule(NamedTuple):
    """Who sees a field, or may ask for it.

    `scopes` are what the token of such a viewer must permit besides. What is `personal` is written
    down when others than the owner read it. With a `choice` the user takes away from the rule. Both
    are declared in `resolvers.fields` for what is kept of a user.
    """

    kinds: frozenset[ViewerKind]
    scopes: Mapping[ViewerKind, str] = MappingProxyType({})
    personal: bool = False
    choice: Choice | None = None


@dataclass(frozen=True, eq=False)
class Authorization:
    """A table: a rule for each field, and the types whose fields have none of their own.

    Whoever sees a field that leads to such a type sees what is in it.
    """

    rules: Mapping[str, Rule]
    follow_their_parent: frozenset[str] = frozenset()

    def allows(self, field: str, kind: ViewerKind, scopes: Set[str]) -> bool:
        """Whether such a viewer, whose token has these scopes, sees or may ask for the field."""
        rule = self.rules.get(field)
        if rule is None or kind not in rule.kinds:
            return False
        return kind not in rule.scopes or rule.scopes[kind] in scopes

    def fields_for(self, kind: ViewerKind, scopes: Set[str]) -> frozenset[str]:
        """All fields that such a viewer sees or may ask for."""
        return frozenset(field for field in self.rules if self.allows(field, kind, scopes))

    def scopes_of(self, kind: ViewerKind) -> list[str]:
        """The scopes that the table asks of such a viewer anywhere, sorted."""
        scopes = {rule.scopes[kind] for rule in self.rules.values() if kind in rule.scopes}
        return sorted(scopes | {PROFILE_SCOPE} if kind is ViewerKind.SERVICE else scopes)

    @cached_property
    def personal(self) -> frozenset[str]:
        """The fields that are personal data."""
        return frozenset(field for field, rule in self.rules.items() if rule.personal)

    @cached_property
    def seen_scopes(self) -> frozenset[str]:
        """The scopes on which it depends what is seen of a user."""
        return frozenset(
            scope
            for field, rule in self.rules.items()
            if not is_root(field)
            for scope in rule.scopes.values()
        ) | {PROFILE_SCOPE}

    @cached_property
    def chosen(self) -> Mapping[str, Choice]:
        """The fields that users may hide, with the choice that each goes by."""
        return {field: rule.choice for field, rule in self.rules.items() if rule.choice}

    @cached_property
    def tells_followers_apart(self) -> bool:
        """Whether followers see anything else than strangers."""
        return any(
            self.allows(field, ViewerKind.FOLLOWER, scopes)
            is not self.allows(field, ViewerKind.STRANGER, scopes)
            for field in self.rules
            for scopes in (frozenset[str](), self.seen_scopes)
        )


def is_root(field: str) -> bool:
    """Whether it is a field of a root type."""
    return field.partition(".")[0] in ("Query", "Mutation", "Subscription")


def kind_of(viewer: Viewer | None) -> ViewerKind:
    """What a viewer is to somebody they have nothing to do with."""
    if viewer is None:
        return ViewerKind.ANONYMOUS
    if viewer.is_service:
        return ViewerKind.SERVICE
    return ViewerKind.STAFF if viewer.is_staff else ViewerKind.STRANGER


ANYBODY = frozenset(ViewerKind)
EVERYBODY = ANYBODY - {ViewerKind.BLOCKED}
PERSONS = ANYBODY - {ViewerKind.ANONYMOUS, ViewerKind.SERVICE}
PEOPLE = PERSONS - {ViewerKind.BLOCKED}
OWNER = frozenset({ViewerKind.SELF, ViewerKind.STAFF})
SERVICES = frozenset({ViewerKind.SERVICE})
STAFF = frozenset({ViewerKind.STAFF})


def _for_persons(scope: str) -> Rule:
    return Rule(PERSONS, dict.fromkeys(PERSONS, scope))


def _for_services(scope: str) -> Rule:
    return Rule(SERVICES, dict.fromkeys(SERVICES, scope))


def _as_declared(field: str, rule: Rule) -> Rule:
    """The rule of a field, with what is declared of it where it shows something of a user."""
    shown = SHOWN.get(field)
    return rule._replace(personal=shown.is_audited, choice=shown.choice) if shown else rule


_WHO_MAY = Authorization(
    rules={
        "Query.viewer": Rule(ANYBODY),
        "Query.user": Rule(ANYBODY),
        "Query.users": Rule(ANYBODY),
        "Query.searchUsers": Rule(ANYBODY),
        "Query.handleAvailability": Rule(ANYBODY),
        "Query.userByContact": _for_services("users:contacts:lookup"),
        "Query._entities": Rule(ANYBODY),
        "Query._service": Rule(ANYBODY),
        "Mutation.registerUser": _for_services("users:register"),
        "Mutation.updateProfile": _for_persons("me:profile:write"),
        "Mutation.changeHandle": _for_persons("me:profile:write"),
        "Mutation.undoLastChange": _for_persons("me:profile:write"),
        "Mutation.deactivateAccount": _for_persons("me:account:write"),
        "Mutation.reactivateAccount": _for_persons("me:account:write"),
        "Mutation.scheduleErasure": _for_persons("me:account:write"),
        "Mutation.cancelErasure": _for_persons("me:account:write"),
        "Mutation.confirmUser": _for_services("users:accounts:write"),
        "Mutation.suspendUser": Rule(STAFF),
        "Mutation.liftSuspension": Rule(STAFF),
        "Mutation.mergeUsers": Rule(STAFF),
        "Mutation.follow": _for_persons("me:follows:write"),
        "Mutation.unfollow": _for_persons("me:follows:write"),
        "Mutation.block": _for_persons("me:blocks:write"),
        "Mutation.unblock": _for_persons("me:blocks:write"),
        "Mutation.recordConsent": _for_persons("me:consents:write"),
        "Mutation.recordConsentFor": _for_services("users:consents:write"),
        "Mutation.setPreferences": _for_persons("me:preferences:write"),
        **{
            f"Mutation.{name}": _for_persons("me:contacts:write")
            for name in (
                *("addContact", "verifyContact", "resendContactCode"),
                *("changeContact", "removeContact", "makeContactPrimary"),
            )
        },
        "Mutation.recordBillingEvent": _for_services("users:billing:write"),
        "Mutation.grantPromotion": _for_services("users:promotions:write"),
        "Mutation.inviteToHousehold": _for_persons("me:household:write"),
        "Mutation.acceptHouseholdInvitation": _for_persons("me:household:write"),
        "Mutation.leaveHousehold": _for_persons("me:household:write"),
        "Mutation.removeFromHousehold": _for_persons("me:household:write"),
        "Query.owedErasures": _for_services("users:erasures:acknowledge"),
        "Mutation.acknowledgeErasure": _for_services("users:erasures:acknowledge"),
        "Mutation.setVisibility": _for_persons("me:privacy:write"),
        "Mutation.setBirthDate": _for_persons("me:privacy:write"),
        "Subscription.profileChanged": Rule(ANYBODY),
        "User.id": Rule(EVERYBODY),
        "User.status": Rule(EVERYBODY),
        "User.rev": Rule(EVERYBODY),
        "User.mergedInto": Rule(EVERYBODY),
        "User.handle": Rule(EVERYBODY),
        "User.displayName": Rule(EVERYBODY),
        "User.avatar": Rule(EVERYBODY),
        "User.bio": Rule(EVERYBODY),
        "User.pronouns": Rule(EVERYBODY),
        "User.links": Rule(EVERYBODY),
        "User.profileColor": Rule(EVERYBODY),
        "User.joinedYear": Rule(EVERYBODY),
        "User.followerCount": Rule(EVERYBODY),
        "User.followingCount": Rule(EVERYBODY),
        "User.followers": Rule(EVERYBODY),
        "User.following": Rule(EVERYBODY),
        "User.viewerRelation": Rule(PEOPLE),
        "User.country": Rule(OWNER | SERVICES, {ViewerKind.SERVICE: "users:country:read"}),
        "User.consents": Rule(OWNER | SERVICES, {ViewerKind.SERVICE: "users:consents:read"}),
        "User.contacts": Rule(OWNER | SERVICES, {ViewerKind.SERVICE: "users:contacts:read"}),
        "User.tier": Rule(OWNER | SERVICES, {ViewerKind.SERVICE: "users:tier:read"}),
        "User.entitlements": Rule(
            OWNER | SERVICES, {ViewerKind.SERVICE: "users:entitlements:read"}
        ),
        "User.ageBand": Rule(OWNER | SERVICES, {ViewerKind.SERVICE: "users:age:read"}),
        "User.redactions": Rule(PEOPLE | SERVICES),
        "User.private": Rule(OWNER),
        "UserPrivate.locale": Rule(OWNER),
        "UserPrivate.timeZone": Rule(OWNER),
        "UserPrivate.createdAt": Rule(OWNER),
        "UserPrivate.handleChangedAt": Rule(OWNER),
        "UserPrivate.formerHandles": Rule(OWNER),
        "UserPrivate.history": Rule(OWNER),
        "UserPrivate.statusChangedAt": Rule(OWNER),
        "UserPrivate.statusReason": Rule(OWNER),
        "UserPrivate.statusBefore": Rule(OWNER),
        "UserPrivate.suspendedUntil": Rule(OWNER),
        "UserPrivate.eraseAt": Rule(OWNER),
        "UserPrivate.birthDate": Rule(OWNER),
        "UserPrivate.visibility": Rule(OWNER),
        "Viewer.user": Rule(frozenset({ViewerKind.SELF})),
        "Viewer.scopes": Rule(frozenset({ViewerKind.SELF})),
        "Viewer.blockedUsers": Rule(frozenset({ViewerKind.SELF})),
        "Viewer.consents": Rule(frozenset({ViewerKind.SELF})),
        "Viewer.preferences": Rule(frozenset({ViewerKind.SELF})),
        "Viewer.subscription": Rule(frozenset({ViewerKind.SELF})),
        "Viewer.entitlements": Rule(frozenset({ViewerKind.SELF})),
        "Viewer.household": Rule(frozenset({ViewerKind.SELF})),
        "ProfileChange.rev": Rule(EVERYBODY),
        "ProfileChange.at": Rule(EVERYBODY),
        "ProfileChange.fields": Rule(EVERYBODY),
        "ProfileChange.user": Rule(EVERYBODY),
    },
    follow_their_parent=frozenset(
        {
            *("Image", "ProfileLink", "FormerHandle", "ViewerRelation", "HandleAvailability"),
            *("UserConnection", "UserEdge", "PageInfo", "_Service"),
            *("ChangeConnection", "ChangeEdge", "PastChange", "FieldChange"),
            *("RegisterUserPayload", "UpdateProfilePayload", "ChangeHandlePayload"),
            "UndoLastChangePayload",
            *("DeactivateAccountPayload", "ReactivateAccountPayload", "ConfirmUserPayload"),
            *("ScheduleErasurePayload", "CancelErasurePayload", "SuspendUserPayload"),
            *("LiftSuspensionPayload", "MergeUsersPayload", "MergePreview"),
            *("FollowPayload", "UnfollowPayload", "BlockPayload", "UnblockPayload"),
            *("Consent", "PolicyVersion", "ConsentReceipt", "NamespacePreferences"),
            *("RecordConsentPayload", "RecordConsentForPayload", "SetPreferencesPayload"),
            *("DryRun", "PlannedChange", "UserError", "ValidationError", "NotFoundError"),
            *("ConflictError", "HandleTakenError", "TooSoonError", "NotAllowedError"),
            *("Contact", "AddContactPayload", "VerifyContactPayload", "ResendContactCodePayload"),
            *("ChangeContactPayload", "RemoveContactPayload", "MakeContactPrimaryPayload"),
            "IdempotencyError",
            *(
                "SubscriptionStatus",
                "Entitlement",
                "Household",
                "HouseholdMember",
                "HouseholdInvitation",
            ),
            *("RecordBillingEventPayload", "GrantPromotionPayload", "InviteToHouseholdPayload"),
            *("AcceptHouseholdInvitationPayload", "LeaveHouseholdPayload"),
            "RemoveFromHouseholdPayload",
            *("SetVisibilityPayload", "SetBirthDatePayload"),
            *("FieldVisibility", "Redaction"),
            *("Erasure", "ErasureReceipt", "ErasureConnection", "ErasureEdge"),
            "AcknowledgeErasurePayload",
        }
    ),
)

AUTHORIZATION = replace(
    _WHO_MAY, rules={field: _as_declared(field, rule) for field, rule in _WHO_MAY.rules.items()}
)
"""The table that holds."""
