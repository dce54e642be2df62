"""Parsing: the documents, the places and the errors of `graphql.parse`."""

import ast
import copy
import pickle
import time
from pathlib import Path

import pytest
from graphql import GraphQLSyntaxError, parse, print_ast

from execution import parsing
from execution.parsing import parse_operation
from tests.execution.fuzz_documents import check_parsing

EVERYTHING = """
# A comment, {
query Everything(
  $id: ID! = "a", $list: [[Int!]!] = [[1, -2]], $in: Filter = {on: true, b: {c: null}} @tag
) @once {
  first: user(
    by: {id: $id, handle: "caf\\u00e9 \\"x\\""}, ratio: -0.5e+3, mood: CALM, list: []
  ) @include(if: true) {
    ...Fields @skip(if: false), ... on User @tag(name: "") { id }
    ... { id } ...@tag { on query fragment }
  }
}
mutation { follow(input: {}) { errors { message } } }
subscription S { profileChanged(id: 1) { rev } }
fragment Fields on User { id type: __typename }
"""
PLAIN = '{ user(by: {handle: "nobody"}) { id } }'
NOT_PLAIN = {
    "nothing": "",
    "only a comment": "# nothing",
    "a block string": '{ a(b: """x""") }',
    "a surrogate pair": '{ a(b: "\\ud83d\\ude00") }',
    "an open brace": "{ a",
    "a brace too many": "{ a } }",
    "an empty selection": "{ a { } }",
    "empty arguments": "{ a() }",
    "empty variables": "query () { a }",
    "a variable in a default": "query ($a: Int = $b) { a }",
    "a fragment named on": "fragment on on Query { a }",
    "a condition without a type": "{ ... on { a } }",
    "variables of a fragment": "fragment F($a: Int) on Query { a }",
    "a description": '"Says." query { a }',
    "a definition of a type": "type Query { a: Int }",
    "a number with a name": "{ a(b: 1c) }",
    "a number with a zero": "{ a(b: 01) }",
    "two points": "{ ..A }",
    "four points": "{ ....A }",
    "an unknown escape": '{ a(b: "\\q") }',
    "a line in a string": '{ a(b: "x\ny") }',
    "a lone surrogate": '{ a(b: "\ud800") }',
    "a letter that is none": "{ é }",
    "an ampersand": "{ a & b }",
    "an alias without a field": "{ a: }",
    "deep selections": "{ a " * 80 + "}" * 80,
    "too deep selections": "{ a " * 5000 + "}" * 5000,
    "too deep lists": "{ a(b: " + "[" * 5000 + "]" * 5000 + ") }",
    "too deep objects": "{ a(b: " + "{c: " * 5000 + "1" + "}" * 5000 + ") }",
    "too deep types": "query ($a: " + "[" * 5000 + "Int" + "]" * 5000 + ") { a }",
}


@pytest.mark.parametrize("text", [EVERYTHING, PLAIN])
def test_a_plain_text_gives_what_graphql_core_gives(text: str) -> None:
    assert check_parsing(text)


@pytest.mark.parametrize("what", NOT_PLAIN)
def test_any_other_text_gives_what_graphql_core_gives(what: str) -> None:
    check_parsing(NOT_PLAIN[what])


def test_every_text_of_the_tests_gives_what_graphql_core_gives() -> None:
    texts = {
        node.value
        for path in Path(__file__).parents[1].rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sum(check_parsing(text) for text in sorted(texts)) > 100


def test_plain_documents_are_not_given_to_graphql_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(parsing, "parse")
    assert print_ast(parse_operation(EVERYTHING)) == print_ast(parse(EVERYTHING))


@pytest.mark.parametrize("what", NOT_PLAIN)
def test_what_is_not_plain_is_given_to_graphql_core(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr(parsing, "parse", given.append)
    parse_operation(NOT_PLAIN[what])
    assert given == [NOT_PLAIN[what]]


def test_errors_are_graphql_cores_own_without_a_trace_of_ours() -> None:
    with pytest.raises(GraphQLSyntaxError) as caught:
        parse_operation("{ a(b: 1c) }")
    assert caught.value.message == "Syntax Error: Invalid number, expected digit but got: 'c'."
    assert caught.value.locations == [(1, 9)]
    assert caught.value.__context__ is None


def test_nodes_can_be_copied_pickled_and_hashed_like_graphql_cores() -> None:
    document, theirs = parse_operation(EVERYTHING), parse(EVERYTHING)
    assert copy.deepcopy(document) == theirs
    assert pickle.loads(pickle.dumps(document)) == theirs
    assert hash(document) == hash(theirs)
    with pytest.raises(AttributeError):
        document.definitions = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    "unit",
    [
        '"',
        "\\",
        '"\\"',
        "# ",
        "{a",
        "a:",
        "1",
        "-",
        "1-",
        "1.",
        "-1",
        "...",
        "\ufeff,",
        "[",
        '"""',
        "a(b:{c:[$d ",
    ],
)
def test_time_is_linear_however_hostile_the_text(unit: str) -> None:
    def seconds(length: int) -> float:
        text = "{ a(b: " + unit * (length // len(unit)) + "x"
        started = time.process_time()
        with pytest.raises(parsing._NotPlain):
            parsing._read_document(text)
        return time.process_time() - started

    assert seconds(400_000) < 20 * seconds(100_000) + 0.1
