"""Of users no more may be read than an operation needs, and the answer stays the same."""

from typing import Any

import pytest

from resolvers.request import Request, Viewer
from schema.roots import build_schema
from schema.users import PARTS, needed_parts
from tests.subgraph import Subgraph

SELECTIONS = {
    "links": "links { url label }",
    "avatar": "avatar { url }",
    "followers": "followers { edges { node { id } cursor } }",
    "following": "following { edges { node { id } } pageInfo { endCursor } }",
    "viewerRelation": "viewerRelation { isSelf canFollow }",
    "consents": "consents { purpose state }",
    "contacts": "contacts { value }",
    "entitlements": "entitlements { key value source reason }",
    "redactions": "redactions { field }",
    "mergedInto": "mergedInto { id }",
    "private": "private { locale timeZone createdAt handleChangedAt formerHandles { handle } }",
}
SCHEMA = build_schema()


async def answer(subgraph: Subgraph, query: str, viewer_id: str, **options: Any) -> Any:
    viewer = Viewer("test", viewer_id, frozenset(), subgraph.clock())
    request = Request(viewer=viewer, store=subgraph.store, now=subgraph.clock, **options)
    result = await SCHEMA.execute(query, context_value=request)
    assert result.errors is None
    return result.data


def test_every_field_says_what_it_is_made_of() -> None:
    assert SCHEMA.graphql.type_map["User"].fields.keys() == PARTS.keys()  # type: ignore[attr-defined]
    assert needed_parts(["__typename", "id", "joinedYear"]) == frozenset({"id", "joined_year"})
    assert needed_parts(["id", "mood"]) is None
    assert needed_parts([]) == frozenset()


@pytest.mark.parametrize("field", PARTS)
async def test_a_field_alone_needs_no_more_than_it_says(subgraph: Subgraph, field: str) -> None:
    ada = await subgraph.register(
        "ada.berg", displayName="Ada", country="SE", locale="sv-SE", timeZone="Europe/Stockholm"
    )
    ben = await subgraph.register("ben.costa")
    await subgraph.follow(ben, ada)
    await subgraph.follow(ada, ben)
    await subgraph.update(
        ada, "Hello", pronouns="she/her", profileColor="#123456", links=[{"url": "http://a.se"}]
    )
    await subgraph.store.users.collection.update(
        {"_id": ada}, {"$set": {"profile.avatar": [{"url": "http://i", "width": 1, "height": 1}]}}
    )
    query = f'{{ user(by: {{handle: "ada.berg"}}) {{ {SELECTIONS.get(field, field)} }} }}'
    whole = await answer(subgraph, query, ada)
    assert whole["user"][field] is not None or field == "mergedInto"  # of those who are merged
    assert await answer(subgraph, query, ada, needs=needed_parts([field])) == whole


async def test_what_was_not_read_is_a_fault_and_not_null(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    request = Request(
        viewer=None, store=subgraph.store, now=subgraph.clock, needs=needed_parts(["handle"])
    )
    user = await request.users.by_id.load(ada)
    assert user is not None
    assert (user.id, user.handle, user.rev, user.country, user.private) == (
        *(ada, "ada.berg", 1),
        *(None, None),  # what may not be seen stays null
    )
    with pytest.raises(LookupError, match="'display_name' was not read"):
        _ = user.display_name
