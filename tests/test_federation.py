"""What a gateway asks: `_service`, `_entities` with friendly and hostile keys, the SDL."""

from pathlib import Path
from typing import Any

import pytest
import strawberry
from graphql import build_schema as parse_schema
from graphql import parse

from schema.federation import FederatedSchema
from schema.field_sets import FieldSetError
from schema.roots import build_schema
from schema.sdl import Profile
from store.ids import new_id
from tests.conftest import Commands
from tests.subgraph import Subgraph

ENTITIES = """query ($r: [_Any!]!) {
  _entities(representations: $r) { ... on User { id handle } }
}"""
COMMITTED = Path(__file__).parent.parent / "schema" / "schema.graphql"


async def test_the_service_tells_its_sdl(subgraph: Subgraph) -> None:
    data = await subgraph.data("{ _service { sdl } }")
    assert data == {"_service": {"sdl": build_schema().sdl}}


def test_the_committed_sdl_is_the_one_served() -> None:
    """`usergraph schema print --profile portable > schema/schema.graphql` brings it up to date."""
    assert COMMITTED.read_text() == build_schema(Profile.PORTABLE).sdl


def test_the_portable_profile_has_no_access_directives() -> None:
    sdl = build_schema(Profile.PORTABLE).sdl
    assert '@link(url: "https://specs.apollo.dev/federation/v2.7"' in sdl
    assert "@authenticated" not in sdl
    assert "_entities" not in sdl
    assert parse(sdl).definitions


def test_the_router_profile_asks_for_what_is_enforced() -> None:
    sdl = build_schema(Profile.ROUTER).sdl
    assert 'import: ["@authenticated", "@key", "@requiresScopes", "@shareable"]' in sdl
    assert "  private: UserPrivate @authenticated\n" in sdl
    assert "  displayName: String\n" in sdl
    assert '@authenticated @requiresScopes(scopes: [["me:follows:write"]])' in sdl


def test_every_element_has_a_description_that_is_a_sentence() -> None:
    sdl = "\n".join(line for line in build_schema().sdl.splitlines() if "@link" not in line)
    sdl = sdl.replace("  query: Query\n  mutation: Mutation\n  subscription: Subscription\n}\n", "")
    schema = parse_schema(sdl, assume_valid_sdl=True)
    elements: dict[str, Any] = {}
    for name, type_ in schema.type_map.items():
        if name.startswith("__") or type_.ast_node is None:
            continue
        elements[name] = type_
        for field_name, field in getattr(type_, "fields", {}).items():
            elements[f"{name}.{field_name}"] = field
            for argument_name, argument in getattr(field, "args", {}).items():
                elements[f"{name}.{field_name}({argument_name}:)"] = argument
        for value_name, value in getattr(type_, "values", {}).items():
            elements[f"{name}.{value_name}"] = value
    foreign = {"DateTime", "JSON"}  # Strawberry's own scalars and their words
    wrong = [
        name
        for name, element in elements.items()
        if name not in foreign and not (element.description or "").endswith(".")
    ]
    assert wrong == []
    assert len(elements) > 150


async def test_entities_keep_order_and_duplicates_are_read_once(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    by_ada, by_ben = ({"__typename": "User", "id": user_id} for user_id in (ada, ben))
    commands.taken()
    data = await subgraph.data(ENTITIES, r=[by_ben, by_ada, by_ben])
    assert [entity["id"] for entity in data["_entities"]] == [ben, ada, ben]
    assert commands.taken() == ["find"]


async def test_keys_are_coerced_through_their_types_and_the_rest_is_dropped(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada.berg")
    extra = {"self": 1, "request": {}, "cls": None, "displayName": {"$gt": ""}, "nested": [{}]}
    representations = [
        {"__typename": "User", "id": ada, **extra},
        {"__typename": "User", "handle": "ADA.berg", **extra},
        {"__typename": "User", "id": None, "handle": "ada.berg"},
    ]
    data = await subgraph.data(ENTITIES, r=representations)
    assert data["_entities"] == [{"id": ada, "handle": "ada.berg"}] * 3


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        ({}, "REPRESENTATION"),
        ("User", "REPRESENTATION"),
        ([], "REPRESENTATION"),
        (5, "REPRESENTATION"),
        ({"id": "x" * 22}, "REPRESENTATION"),
        ({"__typename": "Nope", "id": "x" * 22}, "REPRESENTATION"),
        ({"__typename": "PageInfo", "id": "x" * 22}, "REPRESENTATION"),
        ({"__typename": "Query"}, "REPRESENTATION"),
        ({"__typename": ["User"], "id": "x" * 22}, "REPRESENTATION"),
        ({"__typename": "User"}, "REPRESENTATION"),
        ({"__typename": "User", "id": None}, "REPRESENTATION"),
        ({"__typename": "User", "email": "a@b.c"}, "REPRESENTATION"),
        ({"__typename": "User", "id": {"$ne": None}}, "REPRESENTATION"),
        ({"__typename": "User", "id": ["x"]}, "REPRESENTATION"),
        ({"__typename": "User", "id": True}, "REPRESENTATION"),
        ({"__typename": "User", "handle": {"$regex": ".*"}}, "REPRESENTATION"),
        ({"__typename": "User", "id": 42}, "ID_FORMAT"),
        ({"__typename": "User", "id": "short"}, "ID_FORMAT"),
        ({"__typename": "User", "handle": ""}, "HANDLE_FORMAT"),
    ],
)
async def test_a_bad_representation_is_null_and_leaves_the_others_alone(
    subgraph: Subgraph, bad: Any, rule: str
) -> None:
    ada = await subgraph.register("ada.berg")
    good = {"__typename": "User", "id": ada}
    answer = await subgraph.ask(ENTITIES, r=[good, bad, good])
    assert answer["data"]["_entities"] == [
        {"id": ada, "handle": "ada.berg"},
        None,
        answer["data"]["_entities"][0],
    ]
    [error] = answer["errors"]
    assert error["path"] == ["_entities", 1]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["rule"] == rule


async def test_an_unknown_entity_is_null_without_an_error(subgraph: Subgraph) -> None:
    data = await subgraph.data(ENTITIES, r=[{"__typename": "User", "id": new_id()}])
    assert data == {"_entities": [None]}


async def test_two_aliases_share_one_variable(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    query = """query ($r: [_Any!]!) {
      one: _entities(representations: $r) { ... on User { id } }
      two: _entities(representations: $r) { __typename ... on User { id } }
    }"""
    data = await subgraph.data(query, r=[{"__typename": "User", "id": ada}])
    assert data == {"one": [{"id": ada}], "two": [{"__typename": "User", "id": ada}]}


async def test_too_many_representations_are_refused(subgraph: Subgraph, commands: Commands) -> None:
    limit = subgraph.settings.max_entities
    commands.taken()
    answer = await subgraph.ask(ENTITIES, r=[{"__typename": "User", "id": "x" * 22}] * (limit + 1))
    [error] = answer["errors"]
    assert error["path"] == ["_entities"]
    assert error["extensions"]["rule"] == "MAX_ITEMS"
    assert commands.taken() == []


@pytest.mark.parametrize("key", ["idd", "display_name", "id handl", "owner { id }", "{", "owner"])
def test_a_key_that_names_no_field_stops_the_build(key: str) -> None:
    @strawberry.type
    class Owner:
        name: str

    @strawberry.federation.type(keys=[key])
    class Thing:
        id: strawberry.ID
        displayName: str
        owner: Owner

    @strawberry.type
    class Query:
        thing: Thing

    with pytest.raises(FieldSetError):
        FederatedSchema(query=Query)


def test_a_requires_that_names_no_field_stops_the_build() -> None:
    @strawberry.federation.type(keys=["id"])
    class Thing:
        id: strawberry.ID
        weight: int = strawberry.federation.field(external=True)
        shipping: int = strawberry.federation.field(requires=["wieght"])

    @strawberry.type
    class Query:
        thing: Thing

    with pytest.raises(FieldSetError, match="wieght"):
        FederatedSchema(query=Query)
