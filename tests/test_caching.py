"""What may be kept: `Cache-Control` of answers, and the tags that routers file them under."""

import re
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLObjectType, parse

from resolvers.authorization import AUTHORIZATION, EVERYBODY
from schema.caching import MAX_AGE_SECONDS, MAX_TEXT, CachePolicy, cache_policy, is_private
from schema.roots import build_schema
from server.settings import Settings
from store.ids import new_id
from store.store import Store
from tests.subgraph import Clock, Subgraph

pytestmark = pytest.mark.one_driver

PAGE = (Path(__file__).parent.parent / "docs" / "caching.md").read_text()
SCHEMA = build_schema()
USER_FIELDS = sorted(field for field in AUTHORIZATION.rules if field.startswith("User."))
PUBLIC, COUNTS = CachePolicy(60, is_private=False), CachePolicy(30, is_private=False)
PRIVATE = CachePolicy(60, is_private=True)
SELECTIONS = {
    "avatar": "{ url width }",
    "links": "{ url label }",
    "followers": "{ edges { node { id } } }",
    "following": "{ pageInfo { hasNextPage } }",
    "viewerRelation": "{ isSelf }",
    "consents": "{ state }",
    "redactions": "{ field }",
    "private": "{ locale formerHandles { handle } }",
}
ENTITIES = """query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { handle } } }"""


@pytest.fixture
def tagged(store: Store, subgraph: Subgraph, clock: Clock) -> Subgraph:
    """The subgraph with cache tags."""
    settings = subgraph.settings.model_copy(update={"cache_tags": True})
    return Subgraph(settings, store, clock)


def fields_of(name: str) -> set[str]:
    type_ = SCHEMA.graphql.type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    return {f"{name}.{field}" for field in type_.fields}


def test_every_field_of_a_user_and_every_root_has_a_hint_that_exists() -> None:
    hinted = set(MAX_AGE_SECONDS)
    assert fields_of("User") == {field for field in hinted if field.startswith("User.")}
    roots = {field for field in hinted if field.startswith("Query.")}
    assert fields_of("Query") - roots == {"Query._service"}
    assert hinted <= {field for name in SCHEMA.graphql.type_map for field in fields_of_any(name)}


def fields_of_any(name: str) -> set[str]:
    is_object = isinstance(SCHEMA.graphql.type_map[name], GraphQLObjectType)
    return fields_of(name) if is_object else set()


def test_the_hints_are_documented_as_they_are() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (\d+) \| (public|private) \|$", PAGE, re.MULTILINE)
    below_private = {"UserPrivate", "Viewer"}
    assert rows == [
        (
            field,
            str(seconds),
            "private"
            if is_private(field) or field.partition(".")[0] in below_private
            else "public",
        )
        for field, seconds in MAX_AGE_SECONDS.items()
    ]


@pytest.mark.parametrize("field", USER_FIELDS)
@pytest.mark.parametrize(
    "root", ['user(by: {handle: "ada"})', "users(ids: [])", "_entities(representations: [])"]
)
def test_each_field_of_a_user_has_its_age_and_is_public_if_everybody_sees_it(
    root: str, field: str
) -> None:
    name = field.removeprefix("User.")
    query = f"{{ {root} {{ ... on User {{ {name} {SELECTIONS.get(name, '')} }} }} }}"
    seconds = MAX_AGE_SECONDS[field]
    expected = (
        CachePolicy(seconds, AUTHORIZATION.rules[field].kinds != EVERYBODY) if seconds else None
    )
    assert SCHEMA.cache_policy(query, None) == expected


@pytest.mark.parametrize(
    ("query", "policy"),
    [
        ('{ user(by: {handle: "a"}) { id } }', PUBLIC),
        ('{ user(by: {handle: "a"}) { __typename } }', PUBLIC),
        ('{ __typename user(by: {handle: "a"}) { id } }', PUBLIC),
        ('{ user(by: {handle: "a"}) { bio followerCount } }', COUNTS),
        ('{ a: user(by: {handle: "a"}) { bio } b: users(ids: []) { followingCount } }', COUNTS),
        ('{ user(by: {handle: "a"}) { bio country } }', PRIVATE),
        ("{ viewer { scopes } }", PRIVATE),
        ("{ viewer { user { id } } users(ids: []) { id } }", PRIVATE),
        ("{ viewer { blockedUsers { edges { cursor } } } }", None),
        ('{ user(by: {handle: "a"}) { bio followers { edges { cursor } } } }', None),
        (
            '{ user(by: {handle: "a"}) { bio @skip(if: true) country @include(if: false) } }',
            PRIVATE,
        ),
        (
            '{ user(by: {handle: "a"}) { ... @skip(if: true) { followers { edges { at } } } } }',
            None,
        ),
        ('{ searchUsers(query: "a") { edges { node { id } } } }', None),
        ('{ handleAvailability(handle: "abc") { state } }', None),
        ('{ users(ids: []) { id } searchUsers(query: "a") { edges { at } } }', None),
        (
            "{ ...F } fragment F on Query { users(ids: []) { ...U } } fragment U on User { bio }",
            PUBLIC,
        ),
        (
            "{ users(ids: []) {...A} } fragment A on User {...B} fragment B on User { country }",
            PRIVATE,
        ),
        ("query A { users(ids: []) { id } } query B { viewer { scopes } }", None),
        ("{ __typename }", None),
        ("{ __schema { types { name } } }", None),
        ('{ __type(name: "User") { name } users(ids: []) { id } }', None),
        ("{ _service { sdl } }", None),
        ("mutation { updateProfile(input: {}) { user { id } } }", None),
        ('subscription { profileChanged(id: "a") { id } }', None),
        ("{ users(ids: []) { nope } }", None),
        ("{ nope }", None),
        ("{", None),
        ("", None),
        ("{ a" * 5000, None),
        ("{ ...F } fragment F on Query { ...F }", None),
        ("{ ...F } fragment F on Nope { id }", None),
        ("{ ...Nope }", None),
        ("fragment F on Query { __typename }", None),
        ("type A { b: Int }", None),
        ("{ users(ids: []) { id } }" + " " * MAX_TEXT, None),
    ],
)
def test_an_operation_has_the_strictest_hint_of_its_fields(
    query: str, policy: CachePolicy | None
) -> None:
    assert SCHEMA.cache_policy(query, None) == policy


def test_the_named_operation_counts() -> None:
    query = "query A { users(ids: []) { id } } query B { users(ids: []) { country } }"
    assert SCHEMA.cache_policy(query, "A") == PUBLIC
    assert SCHEMA.cache_policy(query, "B") == PRIVATE
    assert SCHEMA.cache_policy(query, "C") is None


def test_the_policy_of_a_document_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = build_schema()
    schema.cache_policy("{ users(ids: []) { id } }", None)
    monkeypatch.setattr("schema.federation.cache_policy", None)
    assert schema.cache_policy("{ users(ids: []) { id } }", None) == PUBLIC


def test_fragments_may_lead_deeper_than_any_stack() -> None:
    chain = "".join(f"fragment F{n} on User{{...F{n + 1}}}" for n in range(600))
    query = f"{{users(ids: []){{...F0}}}}{chain} fragment F600 on User{{country}}"
    assert len(query) < MAX_TEXT
    assert cache_policy(SCHEMA.graphql, parse(query), None) == PRIVATE
    step = "followers { edges { node {" * 40 + " id " + "} } }" * 40
    deep = "".join(f" fragment G{n} on User {{ {step.replace('id', f'...G{n + 1}')} }}"
                   for n in range(8))  # fmt: skip
    query = f"{{ users(ids: []) {{ ...G0 }} }} {deep} fragment G8 on User {{ id }}"
    assert len(query) < MAX_TEXT
    assert cache_policy(SCHEMA.graphql, parse(query), None) is None


def test_fragments_that_multiply_are_looked_at_once() -> None:
    fragments = "".join(f"fragment F{n} on User {{ ...F{n + 1} ...F{n + 1} }} " for n in range(100))
    query = f"{{ users(ids: []) {{ ...F0 }} }} {fragments} fragment F100 on User {{ bio }}"
    assert cache_policy(SCHEMA.graphql, parse(query), None) == PUBLIC


@pytest.mark.parametrize(
    ("query", "viewer", "header"),
    [
        ("{ user(by: {id: $id}) { bio } }", "anonymous", "max-age=60, public"),
        ("{ user(by: {id: $id}) { bio followerCount } }", "anonymous", "max-age=30, public"),
        ("{ user(by: {id: $id}) { bio } }", "person", "max-age=60, private"),
        ("{ user(by: {id: $id}) { bio } }", "service", "max-age=60, private"),
        ("{ user(by: {id: $id}) { country } }", "anonymous", "max-age=60, private"),
        ("{ users(ids: [$id]) { bio } }", "anonymous", "max-age=60, public"),
        ("{ user(by: {id: $id}) { followers { edges { at } } } }", "anonymous", "no-store"),
        ('{ users(ids: [$id, "x"]) { bio } }', "anonymous", "no-store"),
        ("{ user(by: {id: $id}) { nope } }", "anonymous", "no-store"),
        (
            "{ __typename user(by: {id: $id}) @skip(if: true) { id } }",
            "anonymous",
            "max-age=60, public",
        ),
    ],
)
async def test_an_answer_says_how_long_it_may_be_kept(
    subgraph: Subgraph, query: str, viewer: str, header: str
) -> None:
    ada = await subgraph.register("ada.berg")
    tokens = {"person": subgraph.token(ada), "service": subgraph.token(None), "anonymous": None}
    answer = await subgraph.post(f"query ($id: ID!) {query}", tokens[viewer], id=ada)
    assert answer.headers["cache-control"] == header
    expected = None if header == "no-store" else "Authorization, Accept"
    assert answer.headers.get("vary") == expected
    assert "extensions" not in answer.json()


@pytest.mark.parametrize("media_type", ["application/json", "application/graphql-response+json"])
async def test_what_was_never_carried_out_is_not_kept(subgraph: Subgraph, media_type: str) -> None:
    headers = {"accept": media_type}
    for body in ({}, {"query": "{"}, {"query": "{ users(ids: []) { nope } }"}):
        answer = await subgraph.http.post("/graphql", json=body, headers=headers)
        assert answer.headers["cache-control"] == "no-store"
    answer = await subgraph.post("{ users(ids: []) { id } }", "not.a.token")
    assert answer.status_code == 401
    assert answer.headers["cache-control"] == "no-store"


async def test_a_mutation_is_not_kept(tagged: Subgraph) -> None:
    ada = await tagged.register("ada.berg")
    query = 'mutation { updateProfile(input: {bio: "x"}) { user { bio } } }'
    answer = await tagged.post(query, tagged.token(ada))
    assert answer.headers["cache-control"] == "no-store"
    assert "extensions" not in answer.json()


async def test_what_only_a_service_sees_is_not_public(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    await subgraph.set_status(ada, "SUSPENDED")
    query = "query ($id: ID!) { user(by: {id: $id}) { displayName } }"
    service = await subgraph.post(query, subgraph.token(None), id=ada)
    nobody = await subgraph.post(query, id=ada)
    assert service.json() == {"data": {"user": {"displayName": "Ada"}}}
    assert service.headers["cache-control"] == "max-age=60, private"
    assert nobody.json() == {"data": {"user": {"displayName": None}}}
    assert nobody.headers["cache-control"] == "max-age=60, public"


async def test_entities_are_tagged_at_their_places(tagged: Subgraph) -> None:
    ada, ben = await tagged.register("ada.berg"), await tagged.register("ben.ek")
    stranger = new_id()
    keys = [{"id": ada}, {"handle": "@Ben.Ek"}, {"handle": "nobody"}, {"id": stranger}, {"id": ada}]
    answer = await tagged.post(ENTITIES, r=[{"__typename": "User", **key} for key in keys])
    assert answer.headers["cache-control"] == "max-age=60, public"
    assert answer.json() == {
        "data": {
            "_entities": [
                {"handle": "ada.berg"},
                {"handle": "ben.ek"},
                None,
                None,
                {"handle": "ada.berg"},
            ]
        },
        "extensions": {
            "apolloEntityCacheTags": [
                [f"user:{ada}"],
                [f"user:{ben}", "handle:ben.ek"],
                ["handle:nobody"],
                [f"user:{stranger}"],
                [f"user:{ada}"],
            ]
        },
    }


async def test_a_user_found_by_a_handle_given_up_is_tagged_with_it(tagged: Subgraph) -> None:
    ada = await tagged.register("ada.berg")
    rename = 'mutation { changeHandle(input: {handle: "ada.lind"}) { errors { code } } }'
    assert await tagged.data(rename, ada) == {"changeHandle": {"errors": []}}
    answer = await tagged.ask(ENTITIES, r=[{"__typename": "User", "handle": "ada.berg"}])
    assert answer == {
        "data": {"_entities": [{"handle": "ada.lind"}]},
        "extensions": {"apolloEntityCacheTags": [[f"user:{ada}", "handle:ada.berg"]]},
    }


async def test_root_fields_share_their_tags(tagged: Subgraph) -> None:
    ada, ben = await tagged.register("ada.berg"), await tagged.register("ben.ek")
    query = """query ($ids: [ID!]!) {
      users(ids: $ids) { id } user(by: {handle: "ada.berg"}) { id }
      gone: user(by: {handle: "nobody"}) { id } }"""
    answer = await tagged.ask(query, ids=[ben, ada, ben])
    tags = [f"user:{ben}", f"user:{ada}", "handle:ada.berg", "handle:nobody"]
    assert answer["extensions"] == {"apolloCacheTags": tags}
    viewer = await tagged.ask("{ viewer { user { id } } }", ada)
    assert viewer["extensions"] == {"apolloCacheTags": [f"user:{ada}"]}


@pytest.mark.parametrize(
    ("query", "key"),
    [
        (
            "query ($r: [_Any!]!) { a: _entities(representations: $r) { ... on User { id } } "
            "b: _entities(representations: $r) { ... on User { bio } } }",
            {"handle": "ada.berg"},
        ),
        (
            "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User "
            "{ followers { edges { at } } } } }",
            {"handle": "ada.berg"},
        ),
        (ENTITIES, {"handle": "!"}),
        (ENTITIES, {"id": 5, "handle": None}),
        (ENTITIES, {}),
    ],
)
async def test_what_cannot_be_told_apart_or_kept_has_no_tags(
    tagged: Subgraph, query: str, key: dict[str, Any]
) -> None:
    await tagged.register("ada.berg")
    assert "extensions" not in await tagged.ask(query, r=[{"__typename": "User", **key}])


def test_tags_are_off_unless_asked_for() -> None:
    assert Settings().cache_tags is False
