"""Acceptance: a yes means that validation finds nothing."""

import gc
import time
import weakref
from collections.abc import Sequence

import pytest
from graphql import GraphQLSchema, get_introspection_query, parse, specified_rules
from strawberry.schema.schema import validate_document

from execution.acceptance import is_certainly_valid, validation_errors
from tests.execution.schemas import schemas

VALID = {
    "a field": "{ count }",
    "variables": (
        "query ($id: ID!, $f: PetFilter) { node(id: $id) { id } animals(filter: $f) { id } }"
    ),
    "a variable with a default for what is required": (
        'query ($id: ID = "x") { node(id: $id) { id } }'
    ),
    "a nullable variable where there is a default": (
        "query ($n: Int) { animals(limit: $n) { friends(first: $n) { id } } }"
    ),
    "defaults that are inputs": (
        "query ($f: PetFilter = {moods: [CALM], weight: {to: 3}, not: {grid: [[1], 2]}}) "
        "{ animals(filter: $f) { id } }"
    ),
    "several operations": "query A { count } query B($id: ID!) { node(id: $id) { ...N } } "
    "mutation C { feed } subscription D { ticks } fragment N on Node { id }",
    "the same field twice": (
        "{ pet { ... on Dog { name } } pet { ... on Dog { name weight } } count count }"
    ),
    "the same call twice": '{ node(id: "a") { id } node(id: "a") { __typename } }',
    "different calls for different objects": (
        "{ pet { ... on Cat { name(style: CALM) } ... on Dog { name(style: ASLEEP) } } }"
    ),
    "fragments in fragments": '{ found(text: "") { ...A ... on Person { pets { ...A } } } } '
    "fragment A on Animal { id ...B } fragment B on Node { id }",
    "literals": (
        '{ echo(text: "", number: -1, ratio: 1, id: 4, truth: true, mood: CALM, anything: 1.5) }'
    ),
    "null": "{ echo(text: null, mood: null) pet(id: null) { __typename } }",
    "oneOf": (
        'query ($id: ID!) { animal(by: {id: $id}) { id } b: animal(by: {names: ["x"]}) { id } }'
    ),
    "an item for a list": '{ animals(by: {name: "x"}, filter: {names: "x"}) { id } }',
    "directives": 'query ($s: Boolean! = true @tag(name: "v")) @once @tag(name: "q") @tag(name: "")'
    ' { count @skip(if: $s) @include(if: false) ...F @tag(name: "s") } '
    'fragment F on Query @tag(name: "f") { ... @include(if: $s) { count } }',
    "introspection": get_introspection_query(),
}
NOT_VALID = {
    "no operation": "fragment F on Query { count }",
    "a definition of a type": "{ count } type A { a: Int }",
    "no such root": "mutation { a }",
    "two operations without names": "{ count } { count }",
    "an unnamed one beside a named one": "{ count } query A { count }",
    "one name twice": "query A { count } query A { count }",
    "an unknown field": "{ cuont }",
    "a field of a union": "{ pet { name } }",
    "subfields of a scalar": "{ count { a } }",
    "an object without subfields": "{ pet }",
    "an unknown argument": "{ pet(name: 1) { __typename } }",
    "an argument twice": '{ node(id: "a", id: "a") { id } }',
    "no required argument": "{ node { id } }",
    "null for what is required": "{ node(id: null) { id } }",
    "a literal of another type": "{ node(id: 1.5) { id } }",
    "a number out of range": "{ echo(number: 2147483648) }",
    "an unknown enum value": "{ echo(mood: ANGRY) }",
    "an unknown field of an input": "{ animals(filter: {size: 1}) { id } }",
    "no required field of an input": "{ animals(filter: {weight: {from: 1}}) { id } }",
    "a field of an input twice": "{ animals(filter: {ratio: 1, ratio: 1}) { id } }",
    "two of oneOf": '{ animal(by: {id: 1, name: "x"}) { id } }',
    "none of oneOf": "{ animal(by: {}) { id } }",
    "null in oneOf": "{ animal(by: {id: null}) { id } }",
    "a nullable variable for what is required": "query ($id: ID) { node(id: $id) { id } }",
    "a variable of another type": "query ($id: Int!) { node(id: $id) { id } }",
    "a variable of an unknown type": "query ($id: Id!) { node(id: $id) { id } }",
    "a variable of an output type": "query ($id: Cat) { pet(id: $id) { __typename } }",
    "an unknown variable": "{ node(id: $id) { id } }",
    "an unused variable": "query ($id: ID!) { count }",
    "a variable twice": "query ($id: ID!, $id: ID!) { node(id: $id) { id } }",
    "a variable missing in one of two operations": (
        "query A($id: ID!) { ...F } query B { ...F } fragment F on Query { node(id: $id) { id } }"
    ),
    "a default of another type": 'query ($n: Int = "x") { echo(number: $n) }',
    "null as the default of what is required": "query ($n: Int! = null) { echo(number: $n) }",
    "an unknown fragment": "{ ...F }",
    "an unused fragment": "{ count } fragment F on Query { count }",
    "one fragment twice": "{ ...F } fragment F on Query { count } fragment F on Query { count }",
    "a fragment within itself": (
        "{ ...F } fragment F on Query { ...G } fragment G on Query { ...F }"
    ),
    "a fragment on a scalar": "{ ... on Int { a } }",
    "a fragment that never applies": "{ pet { ... on Person { id } } }",
    "an unknown directive": "{ count @cache }",
    "a directive in a wrong place": "{ pet { ... @once { __typename } } }",
    "a directive twice": "{ count @skip(if: true) @skip(if: true) }",
    "a directive without its argument": "{ count @skip }",
    "one key for two fields": "{ a: count a: echo }",
    "one key for two calls": '{ node(id: "a") { id } node(id: "b") { id } }',
    "one key for two calls in fragments": (
        "{ ...F ...G } fragment F on Query { a: echo(number: 1) } fragment G on Query { a: echo }"
    ),
    "one key for two calls further down": (
        "{ pet { ... on Dog { owner { name } } } ...F } "
        "fragment F on Query { pet { ... on Dog { owner { name(style: CALM) } } } }"
    ),
    "one key for two calls of an interface and an object": (
        "{ pet { ... on Animal { name(style: CALM) } ... on Cat { name } } }"
    ),
    "one key for two types": "{ pet { ... on Cat { a: lives } ... on Dog { a: weight } } }",
    "two fields of a subscription": "subscription { ticks arrivals { __typename } }",
    "introspection by a subscription": "subscription { __typename }",
    "a subscription that may be skipped": "subscription { ticks @skip(if: true) }",
    "deep introspection": (
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"
    ),
}


@pytest.fixture
def zoo() -> GraphQLSchema:
    return schemas()["zoo"]


def errors_of(schema: GraphQLSchema, text: str) -> Sequence[object]:
    try:
        return validate_document(schema, parse(text), specified_rules)
    except KeyError as error:
        return [error]


@pytest.mark.parametrize("what", VALID)
def test_a_valid_document_is_accepted(what: str, zoo: GraphQLSchema) -> None:
    assert errors_of(zoo, VALID[what]) == []
    assert is_certainly_valid(zoo, parse(VALID[what]))


@pytest.mark.parametrize("what", NOT_VALID)
def test_a_document_that_is_not_valid_is_not_accepted(what: str, zoo: GraphQLSchema) -> None:
    assert errors_of(zoo, NOT_VALID[what]) != []
    assert not is_certainly_valid(zoo, parse(NOT_VALID[what]))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('{ thing(by: {id: "x"}) { id } }', True),
        ("{ thing(by: {id: null}) { id } }", False),
        ("query ($id: ID!) { thing(by: {id: $id}) { id } }", True),
        ("query ($id: ID) { thing(by: {id: $id}) { id } }", False),
        ('{ thing(by: {id: "x", shade: DARK}) { id } }', False),
        ('{ thing(by: {shade: DARK}, change: {name: "x", note: null}) { id } }', True),
        ("{ thing(by: {shade: DARK}, change: {name: null}) { id } }", False),
        ("{ things(changes: [{count: null}], limit: 3) { id } }", True),
        ("{ things(changes: [], limit: null) { id } }", False),
        ('{ thing(by: {words: []}) { at(day: "2026-11-22", price: "1.5") } }', True),
        ('{ thing(by: {words: []}) { at(day: "yesterday") } }', False),
        ('{ thing(by: {words: []}, change: {blob: "x"}) { id } }', True),
    ],
)
def test_strawberrys_own_rules_are_kept(text: str, valid: bool) -> None:
    things = schemas()["things"]
    assert (not errors_of(things, text)) is valid
    assert is_certainly_valid(things, parse(text)) is valid


def test_errors_are_those_of_validation(zoo: GraphQLSchema) -> None:
    assert validation_errors(zoo, parse("{ count }")) == []
    assert [
        error.message for error in validation_errors(zoo, parse("{ node(id: $id) { id } }"))
    ] == ["Variable '$id' is not defined."]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("{ thing(by: {id: $id}) { id } }", ["Variable '$id' is not defined."]),
        (
            "fragment F on ThingQuery { thing(by: {id: $id}) { id } } query ($id: ID!) { ...F }",
            [],
        ),
        (
            "fragment F on ThingQuery { thing(by: {id: $id}) { no } } query ($id: ID!) { ...F }",
            ["Cannot query field 'no' on type 'Thing'."],
        ),
    ],
)
def test_documents_on_which_strawberrys_rule_fails_are_judged(
    text: str, messages: list[str]
) -> None:
    things = schemas()["things"]
    with pytest.raises((AttributeError, KeyError)):
        validate_document(things, parse(text), specified_rules)
    assert [error.message for error in validation_errors(things, parse(text))] == messages


def test_documents_near_the_limits_of_graphql_core_are_left_to_it(zoo: GraphQLSchema) -> None:
    many = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(150))
    deep = f"{{ ...F0 }} {many} fragment F150 on Query {{ count }}"
    assert not is_certainly_valid(zoo, parse(deep))
    assert not is_certainly_valid(zoo, parse("{ " + "count " * 1000 + "}"))
    assert is_certainly_valid(zoo, parse("{ " + "count " * 100 + "}"))


def test_time_does_not_explode_with_fragments(zoo: GraphQLSchema) -> None:
    doubling = " ".join(
        f"fragment F{n} on Dog {{ a: owner {{ pets {{ ...F{n + 1} }} }} "
        f"b: owner {{ pets {{ ...F{n + 1} }} }} }}"
        for n in range(24)
    )
    text = f"{{ pet {{ ...F0 }} }} {doubling} fragment F24 on Dog {{ weight }}"
    started = time.process_time()
    assert is_certainly_valid(zoo, parse(text))
    assert time.process_time() - started < 1


@pytest.mark.parametrize("name", ["things", "zoo"])
def test_a_schema_that_is_gone_is_not_kept(name: str) -> None:
    schema = schemas.__wrapped__()[name]
    assert is_certainly_valid(schema, parse("{ __typename }"))
    gone = weakref.ref(schema)
    del schema
    gc.collect()
    assert gone() is None
