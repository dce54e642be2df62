"""What a gateway asks: `_service`, `_entities` with friendly and hostile keys, the SDL."""

import re
from pathlib import Path
from typing import Any

import pytest
import strawberry
from graphql import build_schema as parse_schema
from graphql import parse

from resolvers.request import Request
from schema.federation import EntityError, FederatedSchema
from schema.field_sets import FieldSetError
from schema.roots import build_schema
from schema.sdl import Profile
from store.ids import new_id
from tests.conftest import Commands
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

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
    imports = re.search(r"federation/v2\.9\", import: \[(.+?)\]", sdl, re.DOTALL)
    assert imports is not None
    assert re.findall(r'"(.+?)"', imports[1]) == [
        *("@authenticated", "@cost", "@key", "@listSize", "@requiresScopes", "@shareable"),
        "@tag",
    ]
    assert "  private: UserPrivate @authenticated\n" in sdl
    assert '  displayName: String @tag(name: "pii-identity")\n' in sdl
    asked = '@authenticated @requiresScopes(scopes: [["me:follows:write"]]) @cost(weight: 200)'
    assert asked in sdl


def test_the_router_profile_tells_what_operations_cost() -> None:
    sdl = build_schema(Profile.ROUTER).sdl
    page = 'sizedFields: ["edges"], slicingArguments: ["first"], requireOneSlicingArgument: false'
    assert (
        f'  ): UserConnection @tag(name: "pii-pseudonymous") @cost(weight: 4) @listSize({page})\n'
        in sdl
    )
    size = "@listSize(assumedSize: 3, requireOneSlicingArgument: false)"
    assert f'  links: [ProfileLink!] @tag(name: "pii-identity") {size}\n' in sdl
    assert "type PageInfo @shareable @cost(weight: 0) {" in sdl


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
    foreign = {"Date", "DateTime", "JSON"}  # Strawberry's own scalars and their words
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


@strawberry.type
class Owner:
    name: str


@strawberry.type
class Company:
    name: str
    size: int


def build_with_key(*keys: Any) -> FederatedSchema:
    """A schema of one entity with these keys."""

    @strawberry.federation.type(keys=keys)
    class Thing:
        id: strawberry.ID
        displayName: str
        owner: Owner
        owners: list[Owner]
        maker: Owner | Company

        @classmethod
        async def resolve_references(cls, _: Any, keys: list[dict[str, Any]]) -> list[Any]:
            owner = Owner(name="Ada")
            return [
                cls(
                    id=strawberry.ID("1"),
                    displayName=str(key),
                    owner=owner,
                    owners=[owner],
                    maker=owner,
                )
                for key in keys
            ]

    @strawberry.type
    class Query:
        thing: Thing | None = None

    return FederatedSchema(query=Query)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("idd", "Thing has no field 'idd'; it has id, displayName, owner, owners, maker"),
        ("display_name", "Thing has no field 'display_name'"),
        ("id handl", "Thing has no field 'handl'"),
        ("owner { id }", "Owner has no field 'id'; it has name"),
        ("owner", "'owner' needs fields of Owner in braces"),
        ("id { x }", "'id' is a ID, which has no fields"),
        ("maker { name }", "'maker' is not of one object type"),
        ("... on Thing { id }", "only fields have a place here"),
        ("...Fields", "only fields have a place here"),
        ("key: id", "'id' stands alone, with no alias or argument"),
        ("id(of: 1)", "'id' stands alone, with no alias or argument"),
        ("id @skip(if: true)", "'id' stands alone, with no alias or argument"),
        ("{", "is not a field set: Syntax Error"),
        ("id } query { id", "is not a field set: it closes a brace too many"),
    ],
)
def test_a_key_that_names_no_field_stops_the_build(key: str, says: str) -> None:
    with pytest.raises(FieldSetError) as refused:
        build_with_key(key)
    assert str(refused.value).startswith(f'Thing @key(fields: "{key}")')
    assert says in str(refused.value)


async def test_a_key_reaches_into_objects_and_lists(subgraph: Subgraph) -> None:
    schema = build_with_key("id owners { name }")
    key = {"__typename": "Thing", "id": 1, "owners": [{"name": "Ada", "x": 1}, {"name": "Ben"}]}
    representations = [
        key,
        {**key, "owners": []},
        {**key, "owners": [{"name": None}]},
        {**key, "owners": [{"name": ["Ada"]}]},
        {**key, "owners": [None]},
        {**key, "owners": {"name": "Ada"}},
    ]
    result = await schema.execute(
        "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Thing { displayName } } }",
        variable_values={"r": representations},
        context_value=Request(viewer=None, store=subgraph.store, now=subgraph.clock),
    )
    assert result.data == {
        "_entities": [
            {"displayName": "{'id': '1', 'owners': [{'name': 'Ada'}, {'name': 'Ben'}]}"},
            {"displayName": "{'id': '1', 'owners': []}"},
            *[None] * 4,
        ]
    }
    assert [error.message for error in result.errors or ()] == [
        "Expected a key of Thing: {id owners { name }}.",
        "Expected field owners.name to be of type String.",
        "Expected a key of Thing: {id owners { name }}.",
        "Expected field owners to be a list.",
    ]


async def test_what_is_nested_deeper_than_the_key_is_refused_like_the_rest(
    subgraph: Subgraph,
) -> None:
    deep: Any = "Ada"
    for _ in range(1000):
        deep = [deep]
    schema = build_with_key("owner { name }", "id owners { name }")
    for field in ("owner", "owners", "id"):
        key = {"__typename": "Thing", "id": 1, "owners": [], field: deep}
        result = await schema.execute(
            "query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }",
            variable_values={"r": [key]},
            context_value=Request(viewer=None, store=subgraph.store, now=subgraph.clock),
        )
        assert result.data == {"_entities": [None]}
        assert result.errors
        [error] = result.errors
        assert error.message.startswith(f"Expected field {field}")


@strawberry.type
class Dog:
    bark: str
    legs: int


@strawberry.type
class Bird:
    song: str


async def test_required_fields_reach_into_the_types_of_a_union(subgraph: Subgraph) -> None:
    @strawberry.federation.type(keys=["id"])
    class Zoo:
        id: strawberry.ID
        pets: list[Dog | Bird] = strawberry.federation.field(external=True)
        noise: str = strawberry.federation.field(
            requires=["pets { ... on Dog { bark } ... on Bird { song } }"]
        )

        @classmethod
        async def resolve_references(cls, _: Any, keys: list[dict[str, Any]]) -> list[Any]:
            return [cls(id=key["id"], pets=[], noise=str(key.get("pets"))) for key in keys]

    @strawberry.type
    class Query:
        zoo: Zoo | None = None

    pets = [
        {"__typename": "Dog", "bark": "wow", "legs": 4, "secret": 1},
        {"__typename": "Bird", "song": "la", "id": {"$ne": None}},
    ]
    representations = [
        {"__typename": "Zoo", "id": 1, "pets": pets},
        {"__typename": "Zoo", "id": 1, "pets": [{"__typename": "Bird", "song": {"$gt": ""}}]},
        {"__typename": "Zoo", "id": 1},
    ]
    schema = FederatedSchema(query=Query, execution=subgraph.settings.execution)
    result = await schema.execute(
        "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Zoo { noise } } }",
        variable_values={"r": representations},
        context_value=Request(viewer=None, store=subgraph.store, now=subgraph.clock),
    )
    kept = [{"__typename": "Dog", "bark": "wow"}, {"__typename": "Bird", "song": "la"}]
    assert result.data == {"_entities": [{"noise": str(kept)}, None, {"noise": "None"}]}
    assert result.errors
    [error] = result.errors
    assert error.message == "Expected field pets.song to be of type String."
    assert error.path == ["_entities", 1]


def test_an_entity_that_cannot_be_resolved_stops_the_build() -> None:
    @strawberry.federation.type(keys=["name"])
    class Thing:
        name: str

    @strawberry.type
    class Query:
        thing: Thing | None = None

    with pytest.raises(EntityError, match="Thing has a resolvable @key but no resolve_references"):
        FederatedSchema(query=Query)


def test_an_entity_that_no_field_leads_to_stops_the_build() -> None:
    @strawberry.federation.type(keys=["name"])
    class Hidden:
        name: str

        @classmethod
        async def resolve_references(cls, *_: Any) -> list[Any]:
            return []

    @strawberry.type
    class Query:
        found: Hidden | Owner | None = None

    with pytest.raises(EntityError, match="Hidden has a @key but no field leads to it"):
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
