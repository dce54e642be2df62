"""Reading users: by id, by handle, many at once, by the beginning of a name."""

from typing import Any

import pytest

from store.ids import new_id
from tests.subgraph import Subgraph

BY_ID = "query ($id: ID!) { user(by: {id: $id}) { handle } }"
BY_HANDLE = "query ($handle: String!) { user(by: {handle: $handle}) { handle } }"
SEARCH = """query ($q: String!, $first: Int! = 20, $after: String) {
  searchUsers(query: $q, first: $first, after: $after) {
    edges { node { handle } }
    pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}"""


async def test_a_user_is_found_by_id_and_by_handle(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    found = {"user": {"handle": "ada.berg"}}
    assert await subgraph.data(BY_ID, id=ada) == found
    assert await subgraph.data(BY_HANDLE, handle="ada.berg") == found
    assert await subgraph.data(BY_HANDLE, handle="@ADA.Berg") == found


async def test_unknown_ids_and_handles_are_null(subgraph: Subgraph) -> None:
    assert await subgraph.data(BY_ID, id=new_id()) == {"user": None}
    assert await subgraph.data(BY_HANDLE, handle="nobody") == {"user": None}


@pytest.mark.parametrize(
    ("query", "variables", "argument", "rule"),
    [
        (BY_ID, {"id": "42"}, ["by", "id"], "ID_FORMAT"),
        (BY_ID, {"id": ""}, ["by", "id"], "ID_FORMAT"),
        (BY_ID, {"id": "$ne" + "x" * 19}, ["by", "id"], "ID_FORMAT"),
        (BY_HANDLE, {"handle": "a"}, ["by", "handle"], "HANDLE_FORMAT"),
        (BY_HANDLE, {"handle": ""}, ["by", "handle"], "HANDLE_FORMAT"),
        (BY_HANDLE, {"handle": "no spaces"}, ["by", "handle"], "HANDLE_FORMAT"),
        (BY_HANDLE, {"handle": "dot..dot"}, ["by", "handle"], "HANDLE_FORMAT"),
        (BY_HANDLE, {"handle": "\u212aelvin"}, ["by", "handle"], "HANDLE_FORMAT"),
        (BY_HANDLE, {"handle": "ünïcode"}, ["by", "handle"], "HANDLE_FORMAT"),
        (SEARCH, {"q": " "}, ["query"], "MIN_LENGTH"),
        (SEARCH, {"q": "@"}, ["query"], "MIN_LENGTH"),
        (SEARCH, {"q": "x" * 51}, ["query"], "MAX_LENGTH"),
        (SEARCH, {"q": "x\u202ey"}, ["query"], "PRINTABLE"),
        (SEARCH, {"q": "x", "first": 101}, ["first"], "PAGE_SIZE"),
        (SEARCH, {"q": "x", "first": -1}, ["first"], "PAGE_SIZE"),
        (SEARCH, {"q": "x", "after": "bm9wZQ=="}, ["after"], "CURSOR"),
    ],
)
async def test_malformed_arguments_are_coded_errors(
    subgraph: Subgraph, query: str, variables: dict[str, Any], argument: list[str], rule: str
) -> None:
    answer = await subgraph.ask(query, **variables)
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": argument, "rule": rule}


async def test_exactly_one_way_to_name_a_user_is_taken(subgraph: Subgraph) -> None:
    for by in ({}, {"id": new_id(), "handle": "ada.berg"}, {"handle": None}):
        query = "query ($by: UserBy!) { user(by: $by) { id } }"
        answer = await subgraph.ask(query, by=by)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


async def test_many_users_come_in_the_order_asked_for(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    query = "query ($ids: [ID!]!) { users(ids: $ids) { handle } }"
    data = await subgraph.data(query, ids=[ben, new_id(), ada, ben])
    assert data == {
        "users": [{"handle": "ben.ek"}, None, {"handle": "ada.berg"}, {"handle": "ben.ek"}]
    }
    answer = await subgraph.ask(query, ids=[ada] * 101)
    assert answer["errors"][0]["extensions"] == {
        "code": "BAD_USER_INPUT",
        "argument": ["ids"],
        "rule": "MAX_ITEMS",
    }


async def test_the_picture_is_the_smallest_that_is_large_enough(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    pictures = [{"url": f"https://p.example/{n}", "width": n, "height": n} for n in (600, 64, 300)]
    await subgraph.store.users.collection.update(
        {"_id": ada}, {"$set": {"profile.avatar": pictures}}
    )
    data = await subgraph.data(
        """query ($id: ID!) { user(by: {id: $id}) {
          small: avatar(size: SMALL) { width }
          medium: avatar { url }
          large: avatar(size: LARGE) { width }
        } }""",
        id=ada,
    )
    assert data["user"] == {
        "small": {"width": 64},
        "medium": {"url": "https://p.example/300"},
        "large": {"width": 600},
    }


async def test_search_gives_handles_first_then_names_and_pages_through_both(
    subgraph: Subgraph,
) -> None:
    await subgraph.register("max.b", displayName="Zoe")
    await subgraph.register("max.a", displayName="Max Both")
    await subgraph.register("other1", displayName="MAXIMA")
    await subgraph.register("other2", displayName="Max Ek")
    await subgraph.register("not.max", displayName="Not Max")
    pages, after = [], None
    for _ in range(3):
        data = await subgraph.data(SEARCH, q="max", first=2, after=after)
        page = data["searchUsers"]
        pages.append([edge["node"]["handle"] for edge in page["edges"]])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert pages == [["max.a", "max.b"], ["other2", "other1"]]


async def test_search_leaves_out_accounts_that_are_not_active(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.set_status(ada, "SUSPENDED")
    assert (await subgraph.data(SEARCH, q="ada"))["searchUsers"]["edges"] == []


async def test_a_search_tells_nothing_of_those_who_are_hidden(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("max.a"), await subgraph.register("zoe")
    await subgraph.block(ada, zoe)
    hidden = await subgraph.post(SEARCH, subgraph.token(zoe), q="max.a", first=1)
    absent = await subgraph.post(SEARCH, subgraph.token(zoe), q="max.x", first=1)
    assert hidden.content == absent.content
    await subgraph.register("max.b")
    page = (await subgraph.data(SEARCH, zoe, q="max", first=1))["searchUsers"]
    assert page["edges"] == [{"node": {"handle": "max.b"}}]
    assert page["pageInfo"]["hasNextPage"] is False


async def test_the_viewer_is_null_for_those_who_are_no_known_person(subgraph: Subgraph) -> None:
    query = "{ viewer { scopes user { handle } } }"
    assert await subgraph.data(query) == {"viewer": None}
    assert await subgraph.data(query, token=subgraph.token(None)) == {"viewer": None}
    assert await subgraph.data(query, new_id()) == {"viewer": None}
    ada = await subgraph.register("ada.berg")
    token = subgraph.token(ada, ["me:b", "me:a"])
    assert await subgraph.data(query, token=token) == {
        "viewer": {"scopes": ["me:a", "me:b"], "user": {"handle": "ada.berg"}}
    }


async def test_a_service_without_the_scope_does_not_see_the_country(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg", country="SE")
    query = "query ($id: ID!) { user(by: {id: $id}) { country } }"
    with_scope, without = subgraph.token(None), subgraph.token(None, [])
    assert await subgraph.data(query, token=with_scope, id=ada) == {"user": {"country": "SE"}}
    assert await subgraph.data(query, token=without, id=ada) == {"user": {"country": None}}


@pytest.mark.parametrize("status", ["SUSPENDED", "DEACTIVATED", "ERASURE_SCHEDULED", "ERASED"])
async def test_an_account_that_is_not_active_keeps_its_id_and_status(
    subgraph: Subgraph, status: str
) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    await subgraph.set_status(ada, status)
    query = """query ($r: [_Any!]!) {
      _entities(representations: $r) {
        ... on User { id status displayName followers { edges { cursor } } }
      }
    }"""
    data = await subgraph.data(query, r=[{"__typename": "User", "id": ada}])
    assert data["_entities"] == [
        {"id": ada, "status": status, "displayName": None, "followers": None}
    ]
    own = await subgraph.data(query, ada, r=[{"__typename": "User", "id": ada}])
    assert own["_entities"][0]["displayName"] == (None if status == "ERASED" else "Ada")
