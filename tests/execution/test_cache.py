"""The operation cache: what is prepared once, what is found again, and what is not kept."""

import pytest
from graphql import GraphQLError, build_schema

from execution import OperationCache
from execution import cache as module

SCHEMA = build_schema("""
  type Query { user(by: By!, size: Int = 1): User  now: String }
  input By @oneOf { id: ID  handle: String }
  type User { id: ID!  handle(upper: Boolean = false): String }
""")


@pytest.fixture
def cache() -> OperationCache:
    """An empty cache."""
    return OperationCache(SCHEMA)


def ask(cache: OperationCache, text: str, name: str | None = None) -> object:
    """The prepared operation itself, to tell whether it is the same."""
    return cache.find(text, name).operation


def test_the_same_text_is_prepared_once(cache: OperationCache) -> None:
    assert ask(cache, "{ now }") is ask(cache, "{ now }")
    assert ask(cache, "{ now }") is not ask(cache, "{now}")
    assert len(cache) == 2


def test_the_operation_name_tells_operations_of_a_text_apart(cache: OperationCache) -> None:
    text = "query A { now } query B { user(by: {id: 1}) { id } }"
    a, b = ask(cache, text, "A"), ask(cache, text, "B")
    assert a is not b
    assert a is ask(cache, text, "A")


@pytest.mark.parametrize("text", ["{", "{ nobody }", '{ user(by: {id: "a", handle: "b"}) { id } }'])
def test_what_is_not_valid_is_not_kept(cache: OperationCache, text: str) -> None:
    found = cache.find(text, None).operation
    assert found.errors
    assert all(isinstance(error, GraphQLError) for error in found.errors)
    assert found.compiled is None
    assert len(cache) == 0


def test_an_operation_that_is_not_there_has_no_type(cache: OperationCache) -> None:
    found = cache.find("query A { now }", "B").operation
    assert (found.type, list(found.errors), found.compiled) == (None, [], None)
    assert len(cache) == 0


def test_texts_that_differ_in_literals_share_a_plan_from_the_second_on(
    cache: OperationCache,
) -> None:
    texts = [f'{{ user(by: {{id: "u{number}"}}, size: {number}) {{ id }} }}' for number in range(9)]
    first, *others = [cache.find(text, None) for text in texts]
    assert first.operation.lifted is None
    assert {id(found.operation) for found in others} == {id(others[0].operation)}
    assert [sorted(map(str, found.literals.values())) for found in others] == [
        [str(number), f"u{number}"] for number in range(1, 9)
    ]
    assert len(cache) == 2


def test_a_literal_that_does_not_fit_is_prepared_as_it_is(cache: OperationCache) -> None:
    for number in range(3):
        ask(cache, f'{{ user(by: {{id: "a"}}, size: {number}) {{ id }} }}')
    found = cache.find('{ user(by: {id: "a"}, size: 99999999999) { id } }', None)
    assert found.operation.errors[0].message.startswith("Int cannot represent")


def test_only_so_many_operations_are_kept(
    cache: OperationCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPERATIONS", 3)
    kept = ask(cache, "{ a0: now }")
    for number in range(1, 9):
        ask(cache, f"{{ a{number}: now }}")
        assert ask(cache, "{ a0: now }") is kept  # what is used stays
    assert len(cache) == 3


def test_only_so_many_characters_are_kept(
    cache: OperationCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CHARACTERS", 100)
    for number in range(9):
        ask(cache, f"{{ a{number}: now }}" + " " * 40)
    assert len(cache) == 1
    ask(cache, "{ now }" + " " * 200)
    assert len(cache) == 1
