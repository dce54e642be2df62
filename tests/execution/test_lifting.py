"""Lifting: operations that differ only in literals are one operation."""

import time
from typing import Any

import pytest
from graphql import GraphQLError, GraphQLSchema, execute, parse, print_ast

from execution.lifting import Lifted, Skeleton, lift, skeleton_of
from tests.execution.schemas import schemas


@pytest.fixture
def zoo() -> GraphQLSchema:
    return schemas()["zoo"]


def learned(schema: GraphQLSchema, text: str, operation_name: str | None = None) -> Lifted:
    lifted = lift(schema, text, parse(text), operation_name)
    assert lifted
    return lifted


def test_a_skeleton_leaves_out_strings_and_numbers() -> None:
    text = '{ a(b: {id: "x, \\"y\\""}, c: [1, -2.5e3], d: RED, e: true) }'
    assert skeleton_of(text) == Skeleton(
        "{ a(b: {id: \0s}, c: [\0i, \0f], d: RED, e: true) }", ('"x, \\"y\\""', "1", "-2.5e3")
    )


@pytest.mark.parametrize(
    "text",
    [
        "{ a1(b2: $c3, d: RED, e: null) { f_4 } }",
        'query ($a: Int = 1, $b: String = "x") { a(b: $a) }',
        '{ a @tag(name: "x", size: 3) @once(level: 1) { b } }',
        '{ a(b: """x "y" 1""") }',
        '{ a } # "x" 1',
        '{ a(b: "x) }',
        '{ a(b: "\ud800") }',
        '{ a(b: "\\ud83d\\ude00") }',
        '{ a(b: 1, c: "\0") }',
    ],
)
def test_a_text_without_literals_that_are_plainly_some_has_no_skeleton(text: str) -> None:
    assert skeleton_of(text) is None


def test_kinds_of_literals_and_what_stays_make_different_skeletons() -> None:
    texts = [
        '{ a(b: "1") }',
        "{ a(b: 1) }",
        "{ a(b: 1.0) }",
        '{ a(b: "1") @tag(name: "x") }',
        '{ a(b: "1") @tag(name: "y") }',
        '{ a(b: "1") # 1\n }',
        '{ a(b: "1") # 2\n }',
        "query ($n: Int = 1) { a(b: 1) }",
        "query ($n: Int = 2) { a(b: 1) }",
    ]
    assert len({skeleton and skeleton.key for skeleton in map(skeleton_of, texts)}) == len(texts)


def test_literals_become_variables_of_the_types_of_their_places(zoo: GraphQLSchema) -> None:
    lifted = learned(
        zoo,
        'query ($literal: Int) { animal(by: {id: 4}) { id } people(ids: ["a", "b"]) { name }'
        " pet(ratio: 1) { __typename } animals(limit: 3, filter: {weights: [{from: 1, to: 2}]}) "
        "{ friends(first: $literal) { id } } }",
    )
    assert lifted.names == tuple(f"literal_{number}" for number in range(7))
    assert print_ast(lifted.document).startswith(
        "query ($literal: Int, $literal_0: ID!, $literal_1: ID!, $literal_2: ID!, "
        "$literal_3: Float!, $literal_4: Int!, $literal_5: Int!, $literal_6: Int!) {\n"
        "  animal(by: { id: $literal_0 }) {\n"
    )
    assert lifted.variables(("5", '"x\\n"', '"\\u00e9"', "7", "8", "-9", "10")) == {
        "literal_0": "5",
        "literal_1": "x\n",
        "literal_2": "é",
        "literal_3": 7.0,
        "literal_4": 8,
        "literal_5": -9,
        "literal_6": 10,
    }


@pytest.mark.parametrize(
    ("text", "literals"),
    [
        ("{ echo(number: 1) }", ("2147483648",)),
        ("{ echo(number: 1) }", ("9" * 100_000,)),
        ("{ echo(ratio: 1.0) }", ("1e999",)),
        ("{ echo(ratio: 1) }", ("9" * 400,)),
        ('{ echo(text: "x") }', ()),
        ('{ echo(text: "x", anything: 1) }', ('"y"', "2")),
        (
            'query ($f: PetFilter = {ids: ["x"]}) { echo(text: "x") animals(filter: $f) { id } }',
            ('"y"', '"y"'),
        ),
    ],
)
def test_literals_that_are_not_certainly_converted_have_no_variables(
    text: str, literals: tuple[str, ...], zoo: GraphQLSchema
) -> None:
    assert learned(zoo, text).variables(literals) is None


@pytest.mark.parametrize(
    "text",
    [
        '{ node(id: "a") { id } node(id: "a") { __typename } }',
        "{ echo(anything: 1) }",
        '{ people(ids: "a") { id } }',
        '{ echo(text: """x""") }',
        'query A { echo(text: "x") } query B { count }',
    ],
)
def test_what_cannot_be_lifted_is_not(text: str, zoo: GraphQLSchema) -> None:
    assert lift(zoo, text, parse(text)) is None


def test_only_the_named_operation_is_lifted_and_the_others_must_be_the_same(
    zoo: GraphQLSchema,
) -> None:
    text = 'query A { ...F } query B { b: echo(number: 1) } fragment F on Query { echo(text: "x") }'
    lifted = learned(zoo, text, "A")
    assert lifted.names == (None, "literal0")
    assert lifted.variables(("1", '"y"')) == {"literal0": "y"}
    assert lifted.variables(("2", '"y"')) is None


def test_errors_are_found_where_the_sent_text_has_them(zoo: GraphQLSchema) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("no")

    text = '{ echo(text: "x") ... @skip(if: false) { count } }'
    sent = '{ echo(text: "a longer one") ... @skip(if: false) { count } }'
    lifted = learned(zoo, text)
    variables = lifted.variables(('"a longer one"',))
    result: Any = execute(zoo, lifted.document, variable_values=variables, field_resolver=fail)
    assert [error.locations for error in result.errors] == [[(1, 3)], [(1, 42)]]
    relocated = [lifted.relocated(error, sent) for error in result.errors]
    assert relocated == [[(1, 3)], [(1, 53)]]
    assert lifted.relocated(GraphQLError("nowhere"), sent) is None


@pytest.mark.parametrize(
    "unit",
    [
        '"',
        '""',
        "\\",
        '"\\"',
        "@a(",
        "@a(b:",
        '@a("',
        "=",
        '="',
        "#",
        "-",
        "1",
        "1.",
        "-1",
        '"""',
        "@,",
    ],
)
def test_time_is_linear_however_hostile_the_text(unit: str) -> None:
    def seconds(length: int) -> float:
        started = time.process_time()
        skeleton_of("{ a(b: " + unit * (length // len(unit)) + "x")
        return time.process_time() - started

    assert seconds(200_000) < 20 * seconds(50_000) + 0.1
