"""Ariadne as its documentation shows it: bindables on the SDL, loaders, cached documents."""

from collections import OrderedDict
from functools import lru_cache
from typing import Any

import orjson
from aiodataloader import DataLoader
from ariadne import InterfaceType, MutationType, QueryType  # type: ignore[import-not-found]
from ariadne.asgi import GraphQL  # type: ignore[import-not-found]
from ariadne.asgi.handlers import GraphQLHTTPHandler  # type: ignore[import-not-found]
from ariadne.contrib.federation import (  # type: ignore[import-not-found]
    FederatedObjectType,
    make_federated_schema,
)
from graphql import DocumentNode, parse, validate
from starlette.responses import Response

from bench.peers.documents import Document, Documents, open_documents
from bench.peers.identity import PeerIdentity, PeerViewer
from bench.peers.profiles import NotDone, update_profile
from bench.peers.serving import serve
from bench.peers.settings import SCHEMA, peer_settings

CACHED_DOCUMENTS = 1024
MIN_WIDTH = {"SMALL": 64, "MEDIUM": 300, "LARGE": 640}

query = QueryType()
mutation = MutationType()
user_type = FederatedObjectType("User")
error_type = InterfaceType("UserError")


class Context:
    """What resolvers are given for one request."""

    def __init__(self, documents: Documents, viewer: PeerViewer | None) -> None:
        self.documents = documents
        self.viewer = viewer
        self.users: DataLoader[str, Document | None] = DataLoader(self._users)
        self.followers: DataLoader[tuple[str, int], list[str]] = DataLoader(self._followers)

    async def _users(self, ids: list[str]) -> list[Document | None]:
        found = await self.documents.by_ids(ids)
        return [user_of(found.get(key)) for key in ids]

    async def _followers(self, keys: list[tuple[str, int]]) -> list[list[str]]:
        pages = {}
        for limit in {limit for _, limit in keys}:
            owners = [owner for owner, size in keys if size == limit]
            found = await self.documents.first_pages(owners, limit)
            pages.update({(owner, limit): found.get(owner, []) for owner in owners})
        return [pages[key] for key in keys]


def user_of(document: Document | None) -> Document | None:
    """A stored document as User; others see no profile of an account that is not active."""
    if document is None:
        return None
    status = document["status"]["value"]
    user = {"id": document["_id"], "status": status, "rev": document["rev"]}
    if status != "ACTIVE":
        return user
    profile, counts = document.get("profile", {}), document.get("counts", {})
    return {
        **user,
        "handle": document.get("handle"),
        "displayName": profile.get("displayName"),
        "bio": profile.get("bio"),
        "pronouns": profile.get("pronouns"),
        "links": profile.get("links", []),
        "profileColor": profile.get("color"),
        "joinedYear": document["createdAt"].year,
        "followerCount": counts.get("followers", 0),
        "followingCount": counts.get("following", 0),
        "images": profile.get("avatar", []),
    }


@query.field("user")
async def resolve_user(_: Any, info: Any, by: dict[str, str]) -> Document | None:
    """One user."""
    found: Document | None = await info.context.users.load(by["id"])
    return found


@query.field("users")
async def resolve_users(_: Any, info: Any, ids: list[str]) -> list[Document | None]:
    """Many users in the order asked for."""
    return list(await info.context.users.load_many(ids))


@user_type.reference_resolver
async def resolve_reference(_: Any, info: Any, representation: Document) -> Document | None:
    """The user that a representation names."""
    found: Document | None = await info.context.users.load(representation["id"])
    return found


@user_type.field("avatar")
def resolve_avatar(user: Document, _: Any, size: str) -> Document | None:
    """The profile picture, in the smallest size that is large enough."""
    by_width: list[Document] = sorted(user.get("images", ()), key=lambda image: image["width"])
    enough = (image for image in by_width if image["width"] >= MIN_WIDTH[size])
    return next(enough, None) or (by_width[-1] if by_width else None)


@user_type.field("followers")
async def resolve_followers(user: Document, info: Any, first: int) -> Document | None:
    """Who follows the user, newest first."""
    if user["status"] != "ACTIVE":
        return None
    ids = await info.context.followers.load((user["id"], first + 1))
    users = await info.context.users.load_many(ids[:first])
    return {
        "edges": [{"node": follower} for follower in users if follower is not None],
        "pageInfo": {"hasNextPage": len(ids) > first},
    }


@mutation.field("updateProfile")
async def resolve_update_profile(_: Any, info: Any, input: dict[str, str | None]) -> Document:
    """Changes the viewer's own profile."""
    context: Context = info.context
    if context.viewer is None:
        raise PermissionError("Sign in.")
    user_id = context.viewer.require("me:profile:write")
    done = await update_profile(context.documents, user_id, input)
    if isinstance(done, NotDone):
        return {"errors": [vars(done)]}
    return {"user": user_of(done), "errors": []}


@error_type.type_resolver
def resolve_error_type(error: Document, *_: Any) -> str:
    """The type of an error."""
    return "ValidationError" if error["code"] == "VALIDATION" else "NotAllowedError"


class Handler(GraphQLHTTPHandler):  # type: ignore[misc]
    """Ariadne's own handler; answers are written by orjson."""

    async def create_json_response(self, request: Any, result: Any, success: bool) -> Response:
        """The answer."""
        body = orjson.dumps(result)
        return Response(body, 200 if success else 400, media_type="application/json")


def cached_parser() -> Any:
    """Parses each text once, as long as it is remembered."""
    parsed: Any = lru_cache(CACHED_DOCUMENTS)(parse)

    def parse_query(context: Any, data: dict[str, Any]) -> DocumentNode:
        document: DocumentNode = parsed(data["query"])
        return document

    return parse_query


def cached_validator() -> Any:
    """Validates each document once, as long as it is remembered."""
    known: OrderedDict[int, tuple[DocumentNode, Any]] = OrderedDict()

    def validate_query(schema: Any, document: DocumentNode, rules: Any, **options: Any) -> Any:
        key = id(document)
        if key in known:
            known.move_to_end(key)
            return known[key][1]
        errors = validate(schema, document, rules, **options)
        known[key] = document, errors
        if len(known) > CACHED_DOCUMENTS:
            known.popitem(last=False)
        return errors

    return validate_query


def main() -> None:
    """Serves until it is stopped."""
    settings = peer_settings()
    identity = PeerIdentity(settings)
    documents: list[Documents] = []

    def context_of(request: Any, _: Any = None) -> Context:
        if not documents:
            documents.append(open_documents(settings))
        return Context(documents[0], identity.viewer(request.headers.get("authorization")))

    serve(
        GraphQL(
            make_federated_schema(SCHEMA.read_text(), query, mutation, user_type, error_type),
            context_value=context_of,
            query_parser=cached_parser(),
            query_validator=cached_validator(),
            http_handler=Handler(),
        )
    )


if __name__ == "__main__":
    main()
