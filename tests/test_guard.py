"""The guard: what a document holds, what it may hold, and what an operation costs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from graphql import (
    GraphQLError,
    GraphQLObjectType,
    OperationType,
    get_named_type,
    parse,
    validate,
)
from graphql import build_schema as build_graphql_schema

from guard import (
    CostModel,
    Counts,
    Limits,
    ListSize,
    asked_fields,
    counts_of,
    excess,
    excesses_of_document,
    excesses_of_text,
    introspections,
    is_refusal,
    without_suggestions,
)
from guard.cost import LEAF_WEIGHT
from guard.pairs import pairs_of
from schema.costs import LIST_SIZES, WEIGHTS
from schema.roots import build_schema
from server.settings import Settings
from store.store import Store
from tests.listening import listening
from tests.subgraph import Clock, Subgraph
from tests.websocket import opened

SCHEMA = build_schema()
ID = "0000000000000000000000"
COUNTED: dict[str, Any] = {
    field.name: 10**9 for field in dataclasses.fields(Limits) if field.type is int
}


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("{ a }", Counts(1, 1, 1, 1, 0, 0)),
        ("{ a b: c { d } }", Counts(2, 2, 3, 2, 1, 0)),
        ("{ ... { ... { a } } }", Counts(1, 3, 1, 1, 0, 0)),
        (
            "{ ...F ...F } fragment F on Q { a: b c { ...G } } fragment G on C { d }",
            Counts(2, 4, 6, 4, 2, 0),
        ),
        ("query @x { a @y @z ... @w { b } }", Counts(1, 2, 2, 2, 0, 4)),
        ("query A { a } query B { b { c } }", Counts(2, 2, 2, 1, 0, 0)),
        ("{ ...F } fragment F on Q { a ...F }", Counts(1, 2, 1, 1, 0, 0)),
        (
            "{ ...F } fragment F on Q { a ...G } fragment G on Q { b ...F }",
            Counts(1, 3, 2, 2, 0, 0),
        ),
        (
            "{ ...F @x ...F } fragment F on Q @y { a @z ... @z { ...G } } fragment G on Q { b @z }",
            Counts(1, 4, 4, 4, 0, 9),
        ),
        ("{ a ...Nowhere }", Counts(1, 1, 1, 1, 0, 0)),
        ("{ ...Nowhere }", Counts(0, 1, 0, 0, 0, 0)),
        ("{ a a b: a ...F ...F } fragment F on Q { a b b { c c } }", Counts(2, 3, 13, 9, 1, 0)),
    ],
)
def test_fragments_count_where_they_are_spread(text: str, counts: Counts) -> None:
    assert counts_of(parse(text)) == counts


def test_fragments_that_multiply_are_counted_without_being_spread() -> None:
    fragments = "".join(f"fragment F{n} on Q {{ ...F{n + 1} ...F{n + 1} }} " for n in range(99))
    counts = counts_of(parse(f"{{ ...F0 }} {fragments} fragment F99 on Q {{ a }}"))
    assert counts == Counts(1, 101, 2**99, 2**99, 0, 0)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("{ a b c }", 0),
        ("{ a a a b: a }", 3),
        ("{ a { b } a { b } }", 1 + 1),
        ("{ a { b } ... { a { b c } } ...F ...F } fragment F on Q { a { c } }", 3 + 1 + 1),
        ("query A { a } query B { a }", 0),
        ("{ a } fragment F on Q { a a }", 1),
        ("{ a ...F } fragment F on Q { a ...F ...G }", 1),
        ("{ a { ...F } } fragment F on Q { b b a { ...F } }", 5),
    ],
)
def test_fields_are_paired_where_they_come_together(text: str, pairs: int) -> None:
    assert pairs_of(parse(text), most_fields=15) == pairs


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{ a: _service { sdl } }", {"_service"}),
        ("query B { x } query A { ... { ...F } } fragment F on Query { y ...F }", {"y"}),
        ("{ user { __typename } }", {"user"}),
    ],
)
def test_a_root_field_is_asked_for_under_any_name(text: str, names: set[str]) -> None:
    assert asked_fields(parse(text), "A" if "query A" in text else None) == names


def test_the_first_operation_is_asked_for_unless_one_is_named() -> None:
    document = parse("query A { x } query B { y }")
    asked = [asked_fields(document, name) for name in (None, "B", "C")]
    assert asked == [{"x"}, {"y"}, set()]


def times(count: int, part: Callable[[int], str]) -> str:
    return " ".join(part(index) for index in range(count))


ONE = f'user(by: {{id: "{ID}"}})'
TOO_MUCH: dict[str, tuple[str, str, int, int]] = {
    "characters": (f"{{ viewer {{ scopes }} }} #{'x' * 50_000}", "characters", 50_000, 50_023),
    "tokens": ("{" + " a" * 2_500 + "}", "tokens", 2_500, 2_502),
    "comments": ("#\n" * 2_500 + "{ viewer { scopes } }", "tokens", 2_500, 2_506),
    "operations": (times(21, lambda n: f"query Q{n} {{ __typename }}"), "operations", 20, 21),
    "fragments": (
        "{ __typename } " + times(51, lambda n: f"fragment F{n} on User {{ id }}"),
        "fragments", 50, 51,
    ),
    "depth": (
        "{ viewer { user " + "{ followers { edges { node " * 7 + "{ id }" + "}}}" * 7 + "} }",
        "depth", 20, 24,
    ),
    "nesting": ("{ " + "... { " * 60 + "__typename" + " }" * 61, "nesting", 60, 61),
    "height": (
        "{ ...A } " + "".join(f"fragment {a} on Query {{ ...{b} ...{b} }} "
                               for a, b in zip("ABCDEFGHIJK", "BCDEFGHIJKL", strict=True))
        + "fragment L on Query { viewer { scopes } }",
        "height", 1_500, 4_096,
    ),
    "root fields": ("{" + times(101, lambda n: "__typename") + "}", "root_fields", 100, 101),
    "aliases": (
        f"{{ {ONE} {{ " + times(201, lambda n: f"a{n}: id") + "} }", "aliases", 200, 201,
    ),
    "pairs": (
        "{ viewer { " + times(20, lambda _: "... { " + "scopes " * 7 + "}") + "} }",
        "pairs", 8_000, 140 * 139 // 2,
    ),
    "directives": (
        f"{{ {ONE} {{ " + times(51, lambda n: "id @skip(if: false)") + "} }", "directives", 50, 51,
    ),
}  # fmt: skip


CALLED = {
    "depth": "fields within each other",
    "height": "fields",
    "nesting": "selections within each other",
    "pairs": "pairs of fields under one key",
    "root_fields": "root fields",
}


@pytest.mark.parametrize("case", TOO_MUCH)
async def test_a_document_that_holds_too_much_is_refused(subgraph: Subgraph, case: str) -> None:
    text, limit, maximum, counted = TOO_MUCH[case]
    body = {"query": text, "operationName": "Q1" if case == "operations" else None}
    answer = (await subgraph.http.post("/graphql", json=body)).json()
    refused = {error["extensions"]["limit"]: error["extensions"] for error in answer["errors"]}
    assert "data" not in answer
    assert refused[limit] == {
        "code": f"MAX_{limit.upper()}_LIMIT",
        "limit": limit,
        "maximum": maximum,
        "counted": counted,
    }


async def test_what_is_wrong_with_a_document_is_told_in_a_stream_too(subgraph: Subgraph) -> None:
    too_much = {"limit": "root_fields", "maximum": 100, "counted": 101}
    async with listening(subgraph.app) as address, opened(f"ws://{address}/graphql") as socket:
        await socket.subscribe("one", TOO_MUCH["root fields"][0])
        assert await socket.refusal() == {"code": "MAX_ROOT_FIELDS_LIMIT", **too_much}
        await socket.subscribe("two", "{ nowhere }")
        assert await socket.refusal() == {"code": "GRAPHQL_VALIDATION_FAILED"}


def test_what_is_written_in_strings_is_one_token() -> None:
    text = '{ a(b: "{ c d e f }", c: """ {" ""\n\\""" """) }'
    assert excesses_of_text(text * 100, Limits(tokens=100 * 11)) == []
    assert excesses_of_text(text * 100, Limits(tokens=100 * 11 - 1)) != []


@pytest.mark.parametrize("case", TOO_MUCH)
def test_what_is_just_within_a_limit_is_not_refused(case: str) -> None:
    text, limit, _, counted = TOO_MUCH[case]

    def excesses(maximum: int) -> list[str]:
        limits = Limits(**{**COUNTED, limit: maximum})
        errors = excesses_of_text(text, limits) or excesses_of_document(parse(text), limits)
        return [error.message for error in errors]

    called = CALLED.get(limit, limit)
    assert excesses(counted) == []
    assert excesses(counted - 1) == [f"Expected at most {counted - 1} {called}, not {counted}."]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_several_operations_one_has_to_be_named(count: int) -> None:
    document = parse(times(count, lambda n: f"query Q{n} {{ __typename }}"))
    codes = [(error.extensions or {})["code"] for error in SCHEMA.check(document, None)]
    assert codes == ["OPERATION_RESOLUTION_FAILURE"] * (count > 1)
    assert SCHEMA.check(document, "Q0") == []


def test_only_what_the_guard_refuses_is_its_refusal() -> None:
    errors = [
        excess("aliases", 7, 8),
        *introspections(parse("{ __schema { x } }"), None, Limits(introspection=False)),
        GraphQLError("Expected at most 7 aliases, not 8."),
        GraphQLError("No.", extensions={"code": "BAD_USER_INPUT"}),
    ]
    assert [is_refusal(error) for error in errors] == [True, True, False, False]
    assert errors[0].message == errors[2].message
    assert introspections(parse("{ __schema { x } }"), None, Limits()) == []


def test_a_message_without_its_suggestion_is_as_it_was() -> None:
    assert without_suggestions('No field "usr". Did you mean "user"?') == 'No field "usr".'


def test_what_nobody_can_count_is_said_with_a_number_that_readers_take() -> None:
    most = 2**53 - 1
    for counted, said in ((most, str(most)), (most + 1, "more than anybody can count")):
        error = excess("root_fields", 7, counted)
        assert error.message == f"Expected at most 7 root fields, not {said}."
        assert error.extensions is not None
        assert error.extensions["counted"] == most


EDGE = WEIGHTS["UserEdge"] + LEAF_WEIGHT
PRICES = CostModel(
    SCHEMA.graphql,
    {
        "Query.viewer": 3,
        "Query.user": 2,
        "Query.users": 2,
        "Query._entities": 2,
        "User.followers": 4,
        "User.following": 4,
        "Mutation.updateProfile": 100,
        "PageInfo": 0.5,
    },
    LIST_SIZES,
)

COSTS: dict[str, tuple[str, dict[str, Any], float]] = {
    "a user": ("query ($id: ID!) { user(by: {id: $id}) { id } }", {"id": ID}, 2 + 1 + 0.05),
    "representations": (
        "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { id bio } } }",
        {"r": [{}] * 70},
        2 + 70 * (1 + 2 * 0.05),
    ),
    "ids as literals": (f'{{ users(ids: ["{ID}", "{ID}"]) {{ id }} }}', {}, 2 + 2 * 1.05),
    "a page": (
        "query ($n: Int!) { viewer { user { followers(first: $n) { edges { node { id } } } } } }",
        {"n": 7},
        3 + 1 + 1 + 4 + 1 + 7 * (1 + 1.05),
    ),
    **{
        f"a page of {size}": (
            "query ($n: Int) { viewer { user { followers(first: $n) { edges { cursor } } } } }",
            {"n": size},
            3 + 1 + 1 + 4 + 1 + items * 1.05,
        )
        for size, items in ((0, 0), (-3, 0), (None, 0), (1, 1), ("many", 1))
    },
    "a page of the usual size": (
        "{ viewer { user { followers { edges { node { id } } pageInfo { hasNextPage } } } } }",
        {},
        3 + 1 + 1 + 4 + 1 + 20 * (1 + 1.05) + 0.55,
    ),
    "pages of pages": (
        "query ($n: Int = 3, $ids: [ID!]!) { users(ids: $ids) { followers(first: $n) {"
        " edges { node { following(first: $n) { edges { cursor } } } } } } }",
        {"ids": [ID] * 5},
        2 + 5 * (1 + 4 + 1 + 3 * (1 + 1 + 4 + 1 + 3 * 1.05)),
    ),
    "a fragment on a page": (
        "{ viewer { user { followers(first: 5) { ...P } } } }"
        " fragment P on UserConnection { edges { cursor } }",
        {},
        3 + 1 + 1 + 4 + 1 + 5 * 1.05,
    ),
    "a mutation": (
        "mutation ($i: UpdateProfileInput!) { updateProfile(input: $i) { user { id } } }",
        {"i": {}},
        100 + 1 + 1.05,
    ),
}


@pytest.mark.parametrize("case", COSTS)
def test_an_operation_costs_what_its_lists_can_hold(case: str) -> None:
    text, variables, cost = COSTS[case]
    document = parse(text)
    assert validate(SCHEMA.graphql, document) == []
    assert PRICES.price(document, None).of(variables) == pytest.approx(cost)


SHOP = CostModel(
    build_graphql_schema("""
      type Query {
        item: Item  box: Box!  thing: Thing
        items(first: Int = 7, ids: [ID]): [Item!]  latest(first: Int = 7): [Item!]
        page(first: Int = 5): Page  some: [Item]  names: [String]
      }
      type Page { items: [Item] }
      interface Thing { id: ID }
      type Item implements Thing { id: ID  tags: [String]  box: Box }
      type Box implements Thing { id: ID  items(last: Int!): [Item]!  tags: [String!]! }
    """),
    {"Query.item": 3, "Item.tags": 2, "Query.__schema": 70, "Query.box": 4, "Box": 10},
    {
        "Query.items": ListSize(30, ("first", "ids")),
        "Query.latest": ListSize(30, ("first",)),
        "Query.page": ListSize(30, ("first",), ("items",)),
        "Item.tags": ListSize(4),
        "Box.items": ListSize(50, ("last",)),
        "Box.tags": ListSize(6),
    },
)

SHOPPED: dict[str, tuple[str, dict[str, Any], float]] = {
    "no operation": ("fragment F on Query { item { id } }", {}, 0),
    "no such root": ("mutation { item { id } }", {}, 0),
    "what no type has": ("{ __schema { types { name } } __typename }", {}, 70 + 0.05),
    "an object": ("{ item { id } box { id } }", {}, 3 + 1.05 + 4 + 10.05),
    "a list of leaves": ("{ item { tags } }", {}, 3 + 1 + 4 * 2),
    "lists without a size": ("{ some { id } names }", {}, 1.05 + 0.05),
    "leaves that are never null": ("{ box { tags } }", {}, 4 + 10 + 6 * 0.05),
    "as the schema says": ("{ items { id } }", {}, 30 * 1.05),
    "as an argument says by itself": ("{ latest { id } }", {}, 7 * 1.05),
    "a page in fragments": (
        "{ page { ... { items { id } } ...F ...G } thing { ...H } }"
        " fragment F on Page { items { tags } } fragment G on Page { items { id } }"
        " fragment H on Thing { id }",
        {}, 1 + 5 * (1.05 + 9 + 1.05) + 1.05,
    ),
    "a fragment on two pages": (
        "{ page { ...F } b: page(first: 2) { ...F } } fragment F on Page { items { id } }",
        {}, 2 + 7 * 1.05,
    ),
    "a literal": ("{ items(first: 2, ids: []) { id } }", {}, 2 * 1.05),
    "the largest": ('{ items(first: 2, ids: ["a", "b", "c"]) { id } }', {}, 3 * 1.05),
    "one for a list": ('{ items(first: 0, ids: "a") { id } }', {}, 1.05),
    "nothing": ("{ items(first: 0, ids: []) { id } }", {}, 0),
    "less than nothing": ("{ items(first: -5, ids: []) { id } }", {}, 0),
    "the largest of both": (
        "query ($n: Int) { items(first: $n, ids: [1, 2, 3]) { id } }", {"n": 2}, 3 * 1.05,
    ),
    "two variables": (
        "query ($n: Int, $i: [ID]) { items(first: $n, ids: $i) { id } }",
        {"n": 2, "i": ["a"] * 6}, 6 * 1.05,
    ),
    "a default": (
        "query ($n: Int = 9, $i: [ID] = [1]) { items(first: $n, ids: $i) { id } }", {}, 9 * 1.05,
    ),
    "no value": ("query ($n: Int) { items(first: $n, ids: []) { id } }", {}, 30 * 1.05),
    "a billion": (f"{{ items(first: {10**30}, ids: []) {{ id }} }}", {}, 1e9 * 1.05),
    "ten billion": ("{ items(first: 9999999999, ids: []) { id } }", {}, 1e9 * 1.05),
    "lists in lists": (
        "query ($n: Int!) { items(first: 2, ids: []) { box { items(last: $n) { id } } } }",
        {"n": 5}, 2 * (1 + 10 + 5 * 1.05),
    ),
    "fragments": (
        "{ item { ...F ... { id } ... on Item { id } ... on Thing { id } } }"
        " fragment F on Thing { id ... on Item { tags } }",
        {}, 3 + 1 + 4 * 0.05 + 4 * 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SHOPPED)
def test_the_price_of_any_schema_goes_by_its_sizes_and_weights(case: str) -> None:
    text, variables, cost = SHOPPED[case]
    assert SHOP.price(parse(text), None).of(variables) == pytest.approx(cost)


ITEM = {"id": "a", "tags": ["x", "y", "z"], "box": {"id": "b"}}
ACTUAL: dict[str, tuple[str, Any, float]] = {
    "nothing": ("{ item { id } }", None, 0),
    "no operation": ("fragment F on Query { item { id } }", {}, 0),
    "null": ("{ item { id } items { id } }", {"item": None, "items": None}, 3),
    "an object": ("{ item { id tags } }", {"item": ITEM}, 3 + 1 + 0.05 + 3 * 2),
    "an alias": ("{ i: item { x: id } }", {"i": {"x": "a"}}, 3 + 1.05),
    "a key twice": ("{ item { id id tags tags } }", {"item": ITEM}, 3 + 1.05 + 3 * 2),
    "an object twice": (
        "{ item { id box { id } } item { box { id } } }", {"item": ITEM}, 3 + 1.05 + 10.05,
    ),
    "a name": ("{ __typename __typename }", {"__typename": "Query"}, 0.05),
    "holes": ("{ items { id } }", {"items": [ITEM, None, {"id": None}]}, 2 * 1.05),
    "what was left out": ("{ item { id @skip(if: true) tags } }", {"item": {"tags": []}}, 3 + 1),
    "fragments on what it is": (
        "{ thing { ... on Item { tags } ...F } } fragment F on Item { box { id } }",
        {"thing": ITEM}, 1 + 3 * 2 + 10.05,
    ),
    "fragments": (
        "{ ... { item { ...F ... on Item { id } ... on Box { items(last: 1) { id } } } } }"
        " fragment F on Item { box { id } }",
        {"item": ITEM}, 3 + 1 + 10.05 + 0.05,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ACTUAL)
def test_an_answer_was_worth_what_is_in_it(case: str) -> None:
    text, data, cost = ACTUAL[case]
    assert SHOP.actual(parse(text), None, data) == pytest.approx(cost)


def test_the_operation_that_is_named_is_priced() -> None:
    document = parse("query A { item { id } } query B { box { id } }")
    data = {"item": {"id": "a"}, "box": {"id": "b"}}
    for name, cost in (("A", 4.05), ("B", 14.05), ("C", 0)):
        assert SHOP.price(document, name).of({}) == pytest.approx(cost)
        assert SHOP.actual(document, name, data) == pytest.approx(cost)


def test_literals_cost_the_same_once_they_are_lifted() -> None:
    costs = set()
    for size in (9, 8, 7, 9):
        text = f"{{ viewer {{ user {{ followers(first: {size}) {{ edges {{ cursor }} }} }} }} }}"
        found = SCHEMA.find(text, None)
        costs.add((size, SCHEMA.cost_of(found, found.literals)))
    steps = {cost - size * EDGE for size, cost in costs}
    assert len(costs) == 3
    assert max(steps) - min(steps) < 1e-9


@pytest.mark.parametrize("first", [-1, 10**9, 10**300, 1e308, "many", True, None, [], {}])
async def test_no_value_of_a_variable_confuses_the_price(subgraph: Subgraph, first: Any) -> None:
    query = 'query ($n: Int!) { searchUsers(query: "a", first: $n) { edges { cursor } } }'
    answer = await subgraph.ask(query, n=first)
    is_large = first in (10**9, 10**300, 1e308)
    code = "COST_ESTIMATED_TOO_EXPENSIVE" if is_large else "BAD_USER_INPUT"
    assert answer["errors"][0]["extensions"]["code"] == code


async def test_what_costs_too_much_is_refused_with_its_cost(subgraph: Subgraph) -> None:
    fields = "... on User { id viewerRelation { isSelf } }"
    query = f"query ($r: [_Any!]!) {{ _entities(representations: $r) {{ {fields} }} }}"
    representations = [{"__typename": "User", "id": ID}] * 1000
    answer = await subgraph.ask(query, r=representations)
    assert answer == {
        "errors": [
            {
                "message": "Expected at most 2000 units of cost, not 6102.",
                "extensions": {
                    "code": "COST_ESTIMATED_TOO_EXPENSIVE",
                    "limit": "cost",
                    "maximum": 2000,
                    "counted": 6102,
                },
            }
        ]
    }
    assert "errors" not in await subgraph.ask(query, r=representations[:300])


async def test_who_asks_for_it_is_told_the_cost(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    query = """query ($ids: [ID!]!) {
      users(ids: $ids) {
        id id ...F followers(first: 10) { edges { cursor } pageInfo { endCursor } }
      }
    } fragment F on User { id handle }"""
    variables: dict[str, Any] = {"ids": [ada, ID]}
    body = {"query": query, "variables": variables, "extensions": {"cost": True}}
    answer = (await subgraph.http.post("/graphql", json=body)).json()
    users, page = WEIGHTS["Query.users"], WEIGHTS["User.followers"] + WEIGHTS["UserConnection"]
    info = WEIGHTS["PageInfo"] + LEAF_WEIGHT
    assert answer["extensions"] == {
        "cost": {
            "estimated": pytest.approx(
                users + 2 * (1 + 4 * LEAF_WEIGHT + page + 10 * EDGE + info), abs=0.01
            ),
            "actual": pytest.approx(users + 1 + 2 * LEAF_WEIGHT + page + info, abs=0.01),
            "maximum": 2000,
        }
    }
    assert "extensions" not in await subgraph.ask(query, **variables)


def test_costs_are_enforced_unless_somebody_says_otherwise() -> None:
    found = SCHEMA.find("query ($ids: [ID!]!) { users(ids: $ids) { id } }", None)
    [error] = SCHEMA.refusals(found, {"ids": [ID] * 5000})
    assert is_refusal(error)


def test_an_operation_may_cost_as_much_as_it_may() -> None:
    query = "query ($ids: [ID!]!) { users(ids: $ids) { handle @skip(if: true) } }"
    for most, is_refused in ((5, False), (4, True)):
        schema = build_schema(limits=Limits(cost=most))
        schema._costs = CostModel(schema.graphql, {"User.handle": 0}, LIST_SIZES)
        errors = schema.refusals(schema.find(query, None), {"ids": [ID] * 5})
        assert [is_refusal(error) for error in errors] == [True] * is_refused


async def test_cost_may_be_only_logged(
    settings: Settings, store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    watching = settings.model_copy(update={"max_cost": 2, "cost_mode": "warn"})
    subgraph = Subgraph(watching, store, clock)
    assert await subgraph.data(f'{{ user(by: {{id: "{ID}"}}) {{ id }} }}') == {"user": None}
    [line] = caplog.records
    assert line.getMessage() == "an operation costs more than is allowed"
    assert (line.__dict__["counted"], line.__dict__["maximum"]) == (4, 2)


def test_every_list_that_clients_can_ask_for_has_a_size() -> None:
    """A list without one counts as one item: only lists that clients cannot make longer may."""
    fields = {
        f"{type_.name}.{name}"
        for type_ in SCHEMA.graphql.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for name, field in type_.fields.items()
        if "[" in str(field.type)
    }
    sized = {
        f"{_type_of(coordinate)}.{below}"
        for coordinate, size in LIST_SIZES.items()
        for below in size.sized_fields
    }
    of_errors = {field for field in fields if field.split(".")[1] in ("errors", "path")}
    assert fields - sized - of_errors == {
        coordinate for coordinate, size in LIST_SIZES.items() if not size.sized_fields
    }


def _type_of(coordinate: str) -> str:
    """The name of the type of a field."""
    parent, _, field = coordinate.partition(".")
    type_ = SCHEMA.graphql.type_map[parent]
    assert isinstance(type_, GraphQLObjectType)
    name: str = get_named_type(type_.fields[field].type).name
    return name


def test_every_root_field_has_a_weight() -> None:
    roots = map(SCHEMA.graphql.get_root_type, OperationType)
    fields = {f"{root.name}.{name}" for root in roots if root for name in root.fields}
    assert fields - WEIGHTS.keys() == set()


async def test_without_introspection_no_error_suggests_a_name(
    settings: Settings, store: Store, clock: Clock
) -> None:
    closed = Subgraph(settings.model_copy(update={"introspection": False}), store, clock)
    opened = Subgraph(settings.model_copy(update={"introspection": True}), store, clock)
    for query in (
        "{ usr { id } }",
        "{ user(b: 1) { id } }",
        "query ($x: UserB) { viewer { scopes } }",
        "{ viewer { user { avatar(size: LARG) { url } } } }",
        "mutation { follow(input: {usrId: 1}) { user { id } } }",
        "{ viewer { ... on Usr { id } } }",
        "query ($i: FollowInput!) { viewer { scopes } }",
    ):
        variables: dict[str, Any] = {"i": {"usrId": 1}} if "$i" in query else {}
        assert "Did you mean" not in str(await closed.ask(query, **variables))
    assert "Did you mean" in str(await opened.ask("{ usr { id } }"))


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ t: __type(name: "User") { name } }',
        "query { ...F } fragment F on Query { ... { __schema { queryType { name } } } }",
    ],
)
async def test_the_schema_is_told_only_where_it_may_be(
    settings: Settings, store: Store, clock: Clock, query: str
) -> None:
    closed = Subgraph(settings.model_copy(update={"introspection": False}), store, clock)
    answer = await closed.ask(query)
    assert answer == {
        "errors": [
            {
                "message": "The schema is not told here.",
                "extensions": {"code": "INTROSPECTION_DISABLED"},
            }
        ]
    }
    assert await closed.data("{ __typename }") == {"__typename": "Query"}
