"""Stock Strawberry as a competent team sets it up: dataclass types, loaders, caches, orjson."""

from collections.abc import Iterable
from enum import Enum
from typing import Any, Self

import orjson
import strawberry
from aiodataloader import DataLoader
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry import ID, UNSET
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.types import Info

from bench.peers.documents import Document, Documents, open_documents
from bench.peers.identity import PeerIdentity, PeerViewer
from bench.peers.profiles import NotDone, update_profile
from bench.peers.serving import serve
from bench.peers.settings import peer_settings

CACHED_DOCUMENTS = 1024


class Context:
    """What resolvers are given for one request."""

    def __init__(self, documents: Documents, viewer: PeerViewer | None) -> None:
        self.documents = documents
        self.viewer = viewer
        self.users: DataLoader[str, User | None] = DataLoader(self._users)
        self.followers: DataLoader[tuple[str, int], list[str]] = DataLoader(self._followers)

    async def _users(self, ids: list[str]) -> list["User | None"]:
        found = await self.documents.by_ids(ids)
        return [User.from_document(found[key]) if key in found else None for key in ids]

    async def _followers(self, keys: list[tuple[str, int]]) -> list[list[str]]:
        pages = {}
        for limit in {limit for _, limit in keys}:
            owners = [owner for owner, size in keys if size == limit]
            found = await self.documents.first_pages(owners, limit)
            pages.update({(owner, limit): found.get(owner, []) for owner in owners})
        return [pages[key] for key in keys]


@strawberry.enum
class AccountStatus(Enum):
    """Where an account is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DEACTIVATED = "DEACTIVATED"
    ERASURE_SCHEDULED = "ERASURE_SCHEDULED"
    ERASED = "ERASED"
    MERGED = "MERGED"


@strawberry.enum
class ImageSize(Enum):
    """How large a picture is needed; the value is its least width."""

    SMALL = 64
    MEDIUM = 300
    LARGE = 640


@strawberry.type
class Image:
    """A picture at one size."""

    url: str
    width: int
    height: int


@strawberry.type
class ProfileLink:
    """A link that a user shows on the profile."""

    url: str
    label: str | None


@strawberry.federation.type(shareable=True)
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool


@strawberry.federation.type(keys=["id"])
class User:
    """A user; others see no profile of an account that is not active."""

    id: ID
    status: AccountStatus
    rev: int | None
    images: strawberry.Private[list[Image]]
    handle: str | None = None
    display_name: str | None = None
    bio: str | None = None
    pronouns: str | None = None
    links: list[ProfileLink] | None = None
    profile_color: str | None = None
    joined_year: int | None = None
    follower_count: int | None = None
    following_count: int | None = None

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """A stored document as this type."""
        status = AccountStatus(document["status"]["value"])
        if status is not AccountStatus.ACTIVE:
            return cls(id=document["_id"], status=status, rev=document["rev"], images=[])
        profile = document.get("profile", {})
        counts = document.get("counts", {})
        return cls(
            id=document["_id"],
            status=status,
            rev=document["rev"],
            images=[
                Image(url=image["url"], width=image["width"], height=image["height"])
                for image in profile.get("avatar", ())
            ],
            handle=document.get("handle"),
            display_name=profile.get("displayName"),
            bio=profile.get("bio"),
            pronouns=profile.get("pronouns"),
            links=[
                ProfileLink(url=link["url"], label=link.get("label"))
                for link in profile.get("links", ())
            ],
            profile_color=profile.get("color"),
            joined_year=document["createdAt"].year,
            follower_count=counts.get("followers", 0),
            following_count=counts.get("following", 0),
        )

    @classmethod
    async def resolve_reference(cls, info: Info[Context, None], id: ID) -> "User | None":
        """The user that a representation names."""
        return await info.context.users.load(id)

    @strawberry.field
    def avatar(self, size: ImageSize = ImageSize.MEDIUM) -> Image | None:
        """The profile picture, in the smallest size that is large enough."""
        by_width = sorted(self.images, key=lambda image: image.width)
        return next((image for image in by_width if image.width >= size.value), None) or (
            by_width[-1] if by_width else None
        )

    @strawberry.field
    async def followers(
        self, info: Info[Context, None], first: int = 20
    ) -> "UserConnection | None":
        """Who follows the user, newest first."""
        if self.status is not AccountStatus.ACTIVE:
            return None
        ids = await info.context.followers.load((self.id, first + 1))
        users = await info.context.users.load_many(ids[:first])
        return UserConnection(
            edges=[UserEdge(node=user) for user in users if user is not None],
            page_info=PageInfo(has_next_page=len(ids) > first),
        )


@strawberry.type
class UserEdge:
    """A user in a list."""

    node: User


@strawberry.type
class UserConnection:
    """A page of a list of users."""

    edges: list[UserEdge]
    page_info: PageInfo


@strawberry.input(one_of=True)
class UserBy:
    """One way to name a user."""

    id: ID | None = UNSET


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field
    async def user(self, info: Info[Context, None], by: UserBy) -> User | None:
        """One user."""
        return await info.context.users.load(by.id or "")

    @strawberry.field
    async def users(self, info: Info[Context, None], ids: list[ID]) -> list[User | None]:
        """Many users in the order asked for."""
        keys: Iterable[str] = ids
        return list(await info.context.users.load_many(keys))


@strawberry.input
class UpdateProfileInput:
    """What to set on the profile."""

    display_name: str | None = UNSET
    bio: str | None = UNSET


@strawberry.interface
class UserError:
    """Why a mutation was refused."""

    message: str
    code: str
    path: list[str]


@strawberry.type
class ValidationError(UserError):
    """An argument breaks a rule."""


@strawberry.type
class NotAllowedError(UserError):
    """Not possible in this state."""


@strawberry.type
class UpdateProfilePayload:
    """What came of changing the profile."""

    user: User | None
    errors: list[UserError]


@strawberry.type
class Mutation:
    """What can be done."""

    @strawberry.mutation
    async def update_profile(
        self, info: Info[Context, None], input: UpdateProfileInput
    ) -> UpdateProfilePayload | None:
        """Changes the viewer's own profile."""
        context = info.context
        if context.viewer is None:
            raise PermissionError("Sign in.")
        user_id = context.viewer.require("me:profile:write")
        wish = {"displayName": input.display_name, "bio": input.bio}
        given = {name: value for name, value in wish.items() if value is not UNSET}
        done = await update_profile(context.documents, user_id, given)
        if isinstance(done, NotDone):
            kind = ValidationError if done.code == "VALIDATION" else NotAllowedError
            error = kind(message=done.message, code=done.code, path=list(done.path))
            return UpdateProfilePayload(user=None, errors=[error])
        return UpdateProfilePayload(user=User.from_document(done), errors=[])


def build_schema(*, is_cached: bool = True) -> strawberry.federation.Schema:
    """The schema, with the caches of parsed and validated documents that Strawberry offers."""
    caches = [
        lambda: ParserCache(maxsize=CACHED_DOCUMENTS),
        lambda: ValidationCache(maxsize=CACHED_DOCUMENTS),
    ]
    return strawberry.federation.Schema(
        query=Query,
        mutation=Mutation,
        types=[User, ValidationError, NotAllowedError],
        extensions=caches if is_cached else [],
    )


class View(GraphQL):
    """Strawberry's own ASGI view."""

    documents: Documents | None = None

    async def get_context(self, request: Any, response: Any) -> Any:
        """Fresh loaders for each request."""
        if self.documents is None:
            self.documents = open_documents(SETTINGS)
        return Context(self.documents, IDENTITY.viewer(request.headers.get("authorization")))

    def encode_json(self, data: object) -> bytes:
        """The answer, written by orjson."""
        return orjson.dumps(data)


if __name__ == "__main__":
    SETTINGS = peer_settings()
    IDENTITY = PeerIdentity(SETTINGS)
    serve(Starlette(routes=[Route("/graphql", View(build_schema()))]))
