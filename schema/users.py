"""The entity User with its lists, what a viewer is to it, its private part, and how to find it."""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import partial
from typing import Annotated, Any

import strawberry
from graphql import GraphQLResolveInfo, OperationType
from strawberry import ID, UNSET, Info
from strawberry.types import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from execution import PreparedOperation, by_class
from resolvers import lists, privacy
from resolvers import users as resolvers
from resolvers.consents import consents_of
from resolvers.contacts import contacts_of
from resolvers.entitlements import Entitlement as EntitlementRecord
from resolvers.entitlements import entitlements_of
from resolvers.errors import Refusal
from resolvers.fields import PRIVATE
from resolvers.follows import Relation, viewer_relation
from resolvers.handles import cooling_handles
from resolvers.history import as_of as seen_as_of
from resolvers.history import history as resolved_history
from resolvers.households import SeatedMember, SeenHousehold, household_of_viewer
from resolvers.lists import Page
from resolvers.merges import merged_into
from resolvers.preferences import Preferences, preferences_of
from resolvers.privacy import ChoiceLevel
from resolvers.request import Request
from resolvers.sealed_contacts import OpenContact
from resolvers.tiers import Standing, standing_of_user, tier_of
from resolvers.visibility import SeenPrivate, SeenUser
from schema.choices import FieldVisibility, Redaction
from schema.entitlements import Entitlement, SubscriptionStatus
from schema.enums import AccountStatus, AgeBand, ContactKind, HouseholdRole, SubscriptionTier
from schema.history import ChangeConnection
from schema.namespaces import NamespacePreferences
from schema.pages import After, First, PageInfo
from schema.purposes import Consent
from store.coalescing import Parts
from store.records import FormerHandle as FormerHandleRecord
from store.records import Image as ImageRecord
from store.records import User as UserRecord

Ask = Info[Request, None]


@strawberry.enum(description="How large a picture is needed.")
class ImageSize(Enum):
    """How large a picture is needed."""

    SMALL = strawberry.enum_value("SMALL", description="For lists, 64 pixels wide or more.")
    MEDIUM = strawberry.enum_value("MEDIUM", description="For cards, 300 pixels wide or more.")
    LARGE = strawberry.enum_value("LARGE", description="For a screen, 640 pixels wide or more.")


MIN_WIDTH = {ImageSize.SMALL: 64, ImageSize.MEDIUM: 300, ImageSize.LARGE: 640}


@strawberry.type(description="A picture at one size.")
class Image:
    """A picture at one size."""

    url: str = strawberry.field(description="Where the picture is.")
    width: int = strawberry.field(description="Width in pixels.")
    height: int = strawberry.field(description="Height in pixels.")


@strawberry.type(description="A link that a user shows on the profile.")
class ProfileLink:
    """A link that a user shows on the profile."""

    url: str = strawberry.field(description="An http or https address.")
    label: str | None = strawberry.field(description="What to show instead of the address.")


@strawberry.type(description="What the signed-in person is to a user.")
class ViewerRelation:
    """What the signed-in person is to a user."""

    is_self: bool = strawberry.field(description="Whether it is the viewer.")
    is_following: bool = strawberry.field(description="Whether the viewer follows the user.")
    is_followed_by: bool = strawberry.field(description="Whether the user follows the viewer.")
    is_blocking: bool = strawberry.field(description="Whether the viewer blocks the user.")
    can_follow: bool = strawberry.field(description="Whether a follow would change something.")


@strawberry.type(description="A handle that the user gave up and that still leads to the user.")
class FormerHandle:
    """A handle that the user gave up and that still leads to the user."""

    handle: str = strawberry.field(description="The handle.")
    until: datetime = strawberry.field(description="When others may have it.")


@strawberry.type(description="An address at which a user can be reached.")
class Contact:
    """An address at which a user can be reached; read from an `OpenContact`."""

    id: ID = strawberry.field(description="Names the contact in mutations.")
    kind: ContactKind = strawberry.field(description="What the address is of.")
    value: str = strawberry.field(description="The address, as it is written to.")
    masked: str = strawberry.field(description="Enough of it to recognise one's own.")
    verified_at: datetime | None = strawberry.field(
        description="When a code that was sent there came back; null while none has."
    )
    primary: bool = strawberry.field(description="Whether it is the one of its kind to write to.")
    pending: str | None = strawberry.field(
        description="The address that takes its place once it is verified."
    )


@strawberry.type(description="What only the owner of an account sees.")
class UserPrivate:
    """What only the owner of an account sees."""

    locale: str | None = strawberry.field(description="Language of the app as a BCP 47 tag.")
    time_zone: str | None = strawberry.field(description="IANA time zone.")
    created_at: datetime = strawberry.field(description="When the account was registered.")
    handle_changed_at: datetime | None = strawberry.field(
        description="When the handle was changed last; null when it never was."
    )
    status_changed_at: datetime = strawberry.field(
        description="Since when the account has its status."
    )
    status_reason: str | None = strawberry.field(
        description="What staff say why the account is suspended."
    )
    status_before: AccountStatus | None = strawberry.field(
        description="What the status is again when the erasure is cancelled."
    )
    suspended_until: datetime | None = strawberry.field(
        description="When the suspension ends by itself; null when it does not."
    )
    erase_at: datetime | None = strawberry.field(
        description="When the account is to be erased; null when it is not."
    )

    @strawberry.field(
        graphql_type=list[FormerHandle],
        description="Handles that still lead here until others may have them.",
    )
    @staticmethod
    def former_handles(
        private: strawberry.Parent[SeenPrivate], info: Ask
    ) -> list[FormerHandleRecord]:
        """Handles that still lead here."""
        return cooling_handles(info.context, private)

    @strawberry.field(
        graphql_type=ChangeConnection | None,
        description="What was changed of the account, newest first; kept for a year and a month.",
    )
    @staticmethod
    async def history(
        private: strawberry.Parent[SeenPrivate], info: Ask, first: First = 20, after: After = None
    ) -> ChangeConnection | None:
        """What was changed of the account, newest first."""
        page = await resolved_history(info.context, private, first, after)
        return ChangeConnection.of(page, after) if page else None

    @strawberry.field(
        graphql_type=date | None, description="The birth date; null when it was never set."
    )
    @staticmethod
    async def birth_date(private: strawberry.Parent[SeenPrivate], info: Ask) -> date | None:
        """The birth date."""
        return await privacy.birth_date(info.context, private)

    @strawberry.field(
        graphql_type=list[FieldVisibility],
        description="Everything of the profile that the user may hide, and who sees it.",
    )
    @staticmethod
    def visibility(private: strawberry.Parent[SeenPrivate], info: Ask) -> list[ChoiceLevel]:
        """Everything of the profile that the user may hide, and who sees it."""
        return privacy.visibility_of(info.context, private)


@strawberry.federation.type(
    keys=["id", "handle"],
    description="An account as other people and other subgraphs see it.",
)
class User:
    """A user as the viewer sees it: what may not be seen is null.

    Its fields are read from a `SeenUser`, which is what the resolvers give.
    """

    id: ID = strawberry.field(
        description="Opaque and immutable, without personal data; the only id to store elsewhere."
    )
    status: AccountStatus = strawberry.field(description="Where the account is in its life.")
    rev: int | None = strawberry.field(
        description="Grows with every change of the profile or the account, not with counts."
    )
    handle: str | None = strawberry.field(
        description="The name in addresses; unique, lower case, and the user may change it."
    )
    display_name: str | None = strawberry.field(description="The name to show.")
    bio: str | None = strawberry.field(description="What the user says about themselves.")
    pronouns: str | None = strawberry.field(description="Pronouns in the user's own words.")
    links: list[ProfileLink] | None = strawberry.field(description="At most five links.")
    profile_color: str | None = strawberry.federation.field(
        shareable=True, description="The profile's colour as `#rrggbb`."
    )
    country: str | None = strawberry.field(
        description="Country of the account (ISO 3166-1 alpha-2), for the owner and services."
    )
    follower_count: int | None = strawberry.field(
        description="How many follow the user; may lag behind the list for a moment."
    )
    following_count: int | None = strawberry.field(
        description="How many the user follows; may lag behind the list for a moment."
    )
    joined_year: int | None = strawberry.field(description="The year the account was made.")
    redactions: list[Redaction] | None = strawberry.field(
        description="All fields of the user that a rule hides from the viewer, whether or not they "
        "have a value; null when nobody is signed in."
    )

    @classmethod
    @by_class
    def is_type_of(cls, source: object, _: GraphQLResolveInfo[Any]) -> bool:
        """Whether this type's fields are read from the object."""
        return isinstance(source, SeenUser)

    @classmethod
    async def resolve_references(
        cls, request: Request, keys: Sequence[Mapping[str, Any]]
    ) -> list[SeenUser | Refusal | None]:
        """The users that the representations' keys name, in order; an error stands for itself."""
        return await resolvers.users_by_keys(request, keys)

    @strawberry.field(
        graphql_type=Image | None,
        description="The profile picture, in the smallest size that is large enough.",
    )
    @staticmethod
    def avatar(
        user: strawberry.Parent[SeenUser],
        size: Annotated[
            ImageSize, strawberry.argument(description="How large it is needed.")
        ] = ImageSize.MEDIUM,
    ) -> ImageRecord | None:
        """The profile picture, in the smallest size that is large enough."""
        return user.avatar.at_least(MIN_WIDTH[size]) if user.avatar else None

    @strawberry.field(
        graphql_type="UserConnection | None", description="Who follows the user, newest first."
    )
    @staticmethod
    async def followers(
        user: strawberry.Parent[SeenUser], info: Ask, first: First = 20, after: After = None
    ) -> Page | None:
        """Who follows the user, newest first."""
        return await lists.followers_page(info.context, user, first, after)

    @strawberry.field(
        graphql_type="UserConnection | None", description="Whom the user follows, newest first."
    )
    @staticmethod
    async def following(
        user: strawberry.Parent[SeenUser], info: Ask, first: First = 20, after: After = None
    ) -> Page | None:
        """Whom the user follows, newest first."""
        return await lists.following_page(info.context, user, first, after)

    @strawberry.field(
        graphql_type="User | None",
        description="The account that this one was merged into in the end; "
        "null when it was not, or when that account's profile is not visible to the viewer.",
    )
    @staticmethod
    async def merged_into(user: strawberry.Parent[SeenUser], info: Ask) -> SeenUser | None:
        """The account that this one was merged into in the end."""
        return await merged_into(info.context, user)

    @strawberry.field(
        graphql_type=ViewerRelation | None,
        description="What the signed-in person is to the user; else null.",
    )
    @staticmethod
    async def viewer_relation(user: strawberry.Parent[SeenUser], info: Ask) -> Relation | None:
        """What the signed-in person is to the user."""
        return await viewer_relation(info.context, user)

    @strawberry.field(
        description="Where the user stands towards purposes, for the owner, staff and services "
        "with the scope `users:consents:read`."
    )
    @staticmethod
    def consents(
        user: strawberry.Parent[SeenUser],
        info: Ask,
        purposes: Annotated[
            list[str] | None,
            strawberry.argument(description="The names of the purposes; all when left out."),
        ] = None,
    ) -> list[Consent] | None:
        """Where the user stands towards purposes."""
        if not user.sees("User.consents"):
            return None
        found = consents_of(info.context, user, purposes)
        return list(map(Consent.of, found))

    @strawberry.field(
        graphql_type=list[Contact] | None,
        description="Where the user can be reached, for the owner and services.",
    )
    @staticmethod
    async def contacts(
        user: strawberry.Parent[SeenUser], info: Ask
    ) -> Sequence[OpenContact] | None:
        """Where the user can be reached."""
        return await contacts_of(info.context, user)

    @strawberry.field(
        description="The tier now, for the owner and services; other subgraphs may require it."
    )
    @staticmethod
    async def tier(user: strawberry.Parent[SeenUser], info: Ask) -> SubscriptionTier | None:
        """The tier now."""
        return await tier_of(info.context, user)

    @strawberry.field(
        graphql_type=list[Entitlement] | None,
        description="What the user may do now, by key, for the owner and services.",
    )
    @staticmethod
    async def entitlements(
        user: strawberry.Parent[SeenUser], info: Ask
    ) -> list[EntitlementRecord] | None:
        """What the user may do now, by key."""
        return await entitlements_of(info.context, user)

    @strawberry.field(
        graphql_type=AgeBand | None,
        description="How old the user is, for the owner and services.",
    )
    @staticmethod
    def age_band(user: strawberry.Parent[SeenUser], info: Ask) -> AgeBand | None:
        """How old the user is."""
        return privacy.age_band(info.context, user)

    @strawberry.field(
        graphql_type=UserPrivate | None,
        description="What only the owner of the account sees; else null.",
    )
    @staticmethod
    def private(user: strawberry.Parent[SeenUser]) -> UserRecord | None:
        """What only the owner of the account sees."""
        return user.private


PARTS: Mapping[str, frozenset[str]] = {
    **{
        to_camel_case(field.python_name): frozenset({field.python_name})
        for field in get_object_definition(User, strict=True).fields
        if field.base_resolver is None
    },
    "avatar": frozenset({"avatar"}),
    "followers": frozenset({"followers"}),
    "following": frozenset({"following"}),
    "ageBand": frozenset({"age_band"}),
    "viewerRelation": frozenset({"status"}),
    "consents": frozenset({"consents"}),
    "contacts": frozenset({"contacts"}),
    "mergedInto": frozenset({"merged_into"}),
    "private": PRIVATE,
    "tier": frozenset({"tier"}),
    "entitlements": frozenset({"entitlements", "country"}),
}
"""The attributes of the record that each field of User is made of.

Those that no record has tell the views of users what is asked for, and are not read.
"""

VIEWER_PARTS: Mapping[str, frozenset[str]] = {
    "subscription": PARTS["tier"],
    "household": PARTS["tier"],
    "entitlements": PARTS["entitlements"],
    "consents": PARTS["consents"],
}
"""The same for fields of Viewer that are made of the viewer's user."""


def needs_of(operation: PreparedOperation) -> Parts:
    """The attributes of users that a query reads, found once; nothing means all of them."""
    if operation.type is not OperationType.QUERY or operation.compiled is None:
        return None
    fields_of = operation.compiled.fields_of

    def work_out() -> Parts:
        fields, of_viewer = fields_of("User"), fields_of("Viewer")
        parts = None if fields is None else needed_parts(fields)
        if parts is None or of_viewer is None:
            return None
        return parts.union(*(VIEWER_PARTS.get(field, ()) for field in of_viewer))

    return operation.once("attributes of users", work_out)


def needed_parts(fields: Iterable[str]) -> Parts:
    """What `Request.needs` is for an operation that selects these fields of User, anywhere in it.

    Nothing, which means everything, when there is one that is not known here.
    """
    selected = set(fields) - {"__typename"}
    return (
        frozenset().union(*(PARTS[field] for field in selected))
        if selected <= PARTS.keys()
        else None
    )


@strawberry.type(description="A user in a list, with its place.")
class UserEdge:
    """A user in a list, with its place; read from a `PageItem`."""

    node: User = strawberry.field(description="The user.")
    cursor: str = strawberry.field(description="Opaque; give it as `after` to go on behind it.")
    at: datetime | None = strawberry.field(
        description="When the user came into the list, where time orders it."
    )


@strawberry.type(description="A page of a list of users.")
class UserConnection:
    """A page of a list of users (Relay Cursor Connections); read from a `Page`."""

    edges: list[UserEdge] = strawberry.field(
        description="The users; those whom the viewer may not see are left out."
    )
    page_info: PageInfo = strawberry.field(description="Where the page stands in its list.")


@strawberry.type(description="Somebody in a household.")
class HouseholdMember:
    """Somebody in a household; read from a `SeatedMember`."""

    role: HouseholdRole = strawberry.field(description="What they are in it.")
    joined_at: datetime = strawberry.field(description="When they took their seat.")

    @strawberry.field(
        graphql_type=User | None, description="Who it is; null when not visible to the viewer."
    )
    @staticmethod
    async def user(member: strawberry.Parent[SeatedMember], info: Ask) -> SeenUser | None:
        """Who it is."""
        return await info.context.users.by_id.load(member.user_id)


@strawberry.type(description="An invitation that nobody accepted yet.")
class HouseholdInvitation:
    """An invitation that nobody accepted yet; read from an `Invitation`."""

    id: ID = strawberry.field(description="Tells it from others; it lets nobody in.")
    expires_at: datetime = strawberry.field(description="Until when it may be accepted.")


@strawberry.type(description="Those who share a tier.")
class Household:
    """Those who share a tier; read from a `SeenHousehold`."""

    seats: int = strawberry.field(
        description="How many share the manager's tier now; who sits beyond them has nothing of it."
    )
    members: list[HouseholdMember] = strawberry.field(
        description="Who is in it, the manager first."
    )
    invitations: list[HouseholdInvitation] = strawberry.field(
        description="Those that are open; none unless the viewer is the manager."
    )


@strawberry.type(description="The signed-in person.")
class Viewer:
    """The signed-in person; not an entity, so that other subgraphs extend User instead."""

    user: SeenUser = strawberry.field(graphql_type=User, description="The viewer's own account.")
    scopes: list[str] = strawberry.field(description="What the token permits, sorted.")

    @strawberry.field(
        graphql_type=UserConnection, description="Whom the viewer blocks, newest first."
    )
    async def blocked_users(self, info: Ask, first: First = 20, after: After = None) -> Page:
        """Whom the viewer blocks, newest first."""
        return await lists.blocked_page(info.context, self.user.id, first, after)

    @strawberry.field(description="Where the viewer stands towards each purpose there is.")
    def consents(self, info: Ask) -> list[Consent]:
        """Where the viewer stands towards each purpose there is."""
        return list(map(Consent.of, consents_of(info.context, self.user)))

    @strawberry.field(
        graphql_type=list[NamespacePreferences],
        description="What client teams keep of the viewer, by namespace.",
    )
    async def preferences(
        self,
        info: Ask,
        namespaces: Annotated[
            list[str] | None,
            strawberry.argument(description="The names of the namespaces; all when left out."),
        ] = None,
    ) -> list[Preferences]:
        """What client teams keep of the viewer, by namespace."""
        return await preferences_of(info.context, self.user.id, namespaces)

    @strawberry.field(
        graphql_type=SubscriptionStatus | None, description="The tier now, and until when."
    )
    async def subscription(self, info: Ask) -> Standing | None:
        """The tier now, and until when."""
        return await standing_of_user(info.context, self.user.id)

    @strawberry.field(
        graphql_type=list[Entitlement] | None, description="What the viewer may do now, by key."
    )
    async def entitlements(self, info: Ask) -> list[EntitlementRecord] | None:
        """What the viewer may do now, by key."""
        return await entitlements_of(info.context, self.user)

    @strawberry.field(
        graphql_type=Household | None, description="The household that the viewer is in."
    )
    async def household(self, info: Ask) -> SeenHousehold | None:
        """The household that the viewer is in."""
        return await household_of_viewer(info.context)


@strawberry.input(one_of=True, description="Exactly one way to name a user.")
class UserBy:
    """Exactly one way to name a user."""

    id: ID | None = strawberry.field(default=UNSET, description="The user's id.")
    handle: str | None = strawberry.field(
        default=UNSET, description="The user's handle, or one given up not long ago."
    )


@strawberry.type
class UserQueries:
    """How to find users."""

    @strawberry.field(description="The signed-in person; null when nobody is signed in.")
    async def viewer(self, info: Ask) -> Viewer | None:
        """The signed-in person; never an error, so that shared layouts can always ask."""
        seen = await resolvers.signed_in_user(info.context)
        if seen is None or info.context.viewer is None:
            return None
        _note(info, {"id": seen.id}, seen)
        return Viewer(user=seen, scopes=sorted(info.context.viewer.scopes))

    @strawberry.field(graphql_type=User | None, description="One user; null when there is none.")
    def user(
        self,
        info: Ask,
        by: Annotated[UserBy, strawberry.argument(description="How the user is named.")],
        as_of: Annotated[
            datetime | None,
            strawberry.argument(
                description="For staff: the user as it was then, counts as they are now."
            ),
        ] = UNSET,
    ) -> Awaitable[SeenUser | None]:
        """One user; null when there is none."""
        if as_of is not None and as_of is not UNSET:
            return seen_as_of(info.context, partial(_user_by, info, by), as_of)
        return _user_by(info, by)

    @strawberry.field(
        graphql_type=list[User | None],
        description="Many users in the order asked for; null for unknown ones.",
    )
    async def users(
        self,
        info: Ask,
        ids: Annotated[list[ID], strawberry.argument(description="At most 100 ids.")],
    ) -> list[SeenUser | None]:
        """Many users in the order asked for; null for unknown ones."""
        found = await resolvers.users_by_ids(info.context, ids)
        if info.context.cache_tags:
            for user_id, seen in zip(ids, found, strict=True):
                _note(info, {"id": user_id}, seen)
        return found

    @strawberry.field(
        graphql_type=UserConnection,
        description="Active users whose handle, or else display name, starts with the query.",
    )
    async def search_users(
        self,
        info: Ask,
        query: Annotated[
            str,
            strawberry.argument(
                description="The beginning of a handle or display name, 1 to 50 characters."
            ),
        ],
        first: First = 20,
        after: After = None,
    ) -> Page:
        """Active users whose handle, or else display name, starts with the query."""
        return await resolvers.search_users(info.context, query, first, after)


def _user_by(info: Ask, by: UserBy) -> Awaitable[SeenUser | None]:
    if by.id is not None and by.id is not UNSET:
        seen = resolvers.user_by_id(info.context, by.id, "by", "id")
        return _noted(info, {"id": by.id}, seen)
    handle = by.handle or ""
    seen = resolvers.user_by_handle(info.context, handle, "by", "handle")
    return _noted(info, {"handle": handle}, seen)


def _noted(
    info: Ask, key: Mapping[str, str], finding: Awaitable[SeenUser | None]
) -> Awaitable[SeenUser | None]:
    """What a root field is about to find under a key; its cache tags are noted."""

    async def note() -> SeenUser | None:
        seen = await finding
        _note(info, key, seen)
        return seen

    return note() if info.context.cache_tags else finding


def _note(info: Ask, key: Mapping[str, str], seen: SeenUser | None) -> None:
    if info.context.cache_tags:
        info.context.cache_tags.add_root(key, seen.id if seen else None)
