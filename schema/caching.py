"""Cache hints: how long each field may be kept and by whom, and the `Cache-Control` that follows.

The algorithm is that of Apollo's `@cacheControl`: the lowest age of an operation's fields wins, one
private field makes the answer private, root fields and fields of objects are not to be kept unless
a hint says so, and scalar fields follow their parent. It needs the document only, so that it is
worked out once per document: `@skip` and `@include` count as if the field were there.

Source: Apollo Server, server-side caching; RFC 9111.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    get_operation_ast,
    is_composite_type,
)
from strawberry.types import ExecutionResult

from resolvers.authorization import ANYBODY, AUTHORIZATION, EVERYBODY
from resolvers.caching import CacheTags
from resolvers.request import Viewer

PROFILE_SECONDS = 60
COUNT_SECONDS = 30
"""Counts change without a revision, so that nothing invalidates them before their time."""

MAX_AGE_SECONDS: Mapping[str, int] = {
    "Query.user": PROFILE_SECONDS,
    "Query.users": PROFILE_SECONDS,
    "Query.viewer": PROFILE_SECONDS,
    "Query._entities": PROFILE_SECONDS,
    "Query.searchUsers": 0,
    "Query.handleAvailability": 0,
    "Query.userByContact": 0,
    "Query.owedErasures": 0,
    "User.id": PROFILE_SECONDS,
    "User.status": PROFILE_SECONDS,
    "User.rev": PROFILE_SECONDS,
    "User.handle": PROFILE_SECONDS,
    "User.displayName": PROFILE_SECONDS,
    "User.avatar": PROFILE_SECONDS,
    "User.bio": PROFILE_SECONDS,
    "User.pronouns": PROFILE_SECONDS,
    "User.links": PROFILE_SECONDS,
    "User.profileColor": PROFILE_SECONDS,
    "User.joinedYear": PROFILE_SECONDS,
    "User.country": PROFILE_SECONDS,
    "User.ageBand": PROFILE_SECONDS,
    "User.redactions": PROFILE_SECONDS,
    "User.private": PROFILE_SECONDS,
    "User.followerCount": COUNT_SECONDS,
    "User.followingCount": COUNT_SECONDS,
    "User.followers": 0,
    "User.following": 0,
    "User.viewerRelation": 0,
    "User.consents": 0,
    "User.contacts": 0,
    "User.mergedInto": 0,
    "UserPrivate.formerHandles": PROFILE_SECONDS,
    "UserPrivate.visibility": PROFILE_SECONDS,
    "Viewer.user": PROFILE_SECONDS,
    "Viewer.blockedUsers": 0,
    "Viewer.consents": 0,
    "Viewer.preferences": 0,
    "User.tier": 0,
    "User.entitlements": 0,
    "Viewer.subscription": 0,
    "Viewer.entitlements": 0,
    "Viewer.household": 0,
}
"""The hints, in seconds.

Lists, relations, tiers and other users are 0: they change without a revision of the user.
"""

PRIVATE_ROOTS = frozenset({"Query.viewer"})

MAX_TEXT = 20_000
"""Longer documents are not to be kept, so that the remembered policies stay small."""

NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store"}
VARY = ("Authorization", "Accept")


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long the answer to an operation may be kept, in seconds, and whether for one viewer."""

    max_age_seconds: int
    is_private: bool


def cache_headers(
    policy: CachePolicy | None,
    viewer: Viewer | None,
    result: ExecutionResult,
    varying: Sequence[str] = VARY,
) -> dict[str, str]:
    """`Cache-Control` of an answer, with `Vary` when it may be kept: the headers that matter.

    Only what anybody may read is public. A person may be blocked by a user, and a service sees
    profiles of users who are not active, so that an answer to either is never for others.
    """
    if policy is None or not _is_whole(result):
        return dict(NO_STORE)
    scope = "private" if policy.is_private or viewer is not None else "public"
    return {
        "Cache-Control": f"max-age={policy.max_age_seconds}, {scope}",
        "Vary": ", ".join(varying),
    }


def cache_extensions(
    policy: CachePolicy | None, tags: CacheTags | None, result: ExecutionResult
) -> dict[str, Any]:
    """The tags that GraphOS Router files an answer under; nothing when it may not be kept.

    With several `_entities` fields no list could be told from the others, so there is none.
    """
    extensions: dict[str, Any] = {}
    if policy is None or tags is None or not _is_whole(result):
        return extensions
    if tags.of_roots:
        extensions["apolloCacheTags"] = list(tags.of_roots)
    if len(tags.of_entities) == 1:
        extensions["apolloEntityCacheTags"] = tags.of_entities[0]
    return extensions


def cache_policy(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None
) -> CachePolicy | None:
    """The policy of an operation; None when its answer is not to be kept.

    Mutations, subscriptions and introspection have none.
    """
    operation = get_operation_ast(document, operation_name)
    if operation is None or operation.operation is not OperationType.QUERY:
        return None
    fields = list(_fields(schema, document, operation))
    ages = [age for age, _ in fields if age is not None]
    if not ages or min(ages) == 0:
        return None
    return CachePolicy(min(ages), any(private for _, private in fields))


def _is_whole(result: ExecutionResult) -> bool:
    return result.data is not None and not result.errors


def _fields(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> Iterator[tuple[int | None, bool]]:
    """The fields of an operation, each as its age (None: as its parent) and whether it is private.

    A fragment is looked at once, which also ends those that spread themselves. Nothing recurses:
    fragments can lead deeper than any stack.
    """
    fragments = {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    waiting: list[tuple[GraphQLNamedType | None, SelectionSetNode | None]] = [
        (schema.query_type, operation.selection_set)
    ]
    while waiting:
        parent, selection_set = waiting.pop()
        for node in selection_set.selections if selection_set else ():
            if isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                type_ = schema.get_type(condition.name.value) if condition else parent
                waiting.append((type_, node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                fragment = fragments.pop(node.name.value, None)
                if fragment is not None:
                    type_ = schema.get_type(fragment.type_condition.name.value)
                    waiting.append((type_, fragment.selection_set))
            elif isinstance(node, FieldNode) and node.name.value != "__typename":
                field = getattr(parent, "fields", {}).get(node.name.value)
                if parent is None or field is None:  # introspection, or not a valid document
                    yield 0, False
                    continue
                type_ = get_named_type(field.type)
                needs_hint = parent is schema.query_type or is_composite_type(type_)
                coordinate = f"{parent.name}.{node.name.value}"
                age = MAX_AGE_SECONDS.get(coordinate, 0 if needs_hint else None)
                yield age, is_private(coordinate)
                waiting.append((type_, node.selection_set))


def is_private(coordinate: str) -> bool:
    """Whether a field, as in `User.country`, is not the same for everybody."""
    rule = AUTHORIZATION.rules.get(coordinate)
    if rule is None:
        return coordinate.partition(".")[0] not in AUTHORIZATION.follow_their_parent
    return rule.kinds not in (ANYBODY, EVERYBODY) or coordinate in PRIVATE_ROOTS
