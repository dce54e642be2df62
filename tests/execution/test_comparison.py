"""The comparison of answers can fail, and fails for what matters only."""

from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLError, Source
from graphql.language import SourceLocation

from tests.execution.comparison import Answer, difference, encoded

pytestmark = pytest.mark.one_driver


def error(message: str, *path: str | int, **more: Any) -> GraphQLError:
    return GraphQLError(message, path=list(path), **more)


def answer(data: Any, *errors: GraphQLError, **more: Any) -> Answer:
    return Answer([ExecutionResult(data, list(errors) or None)], **more)


def compared(
    expected: Answer, given: Answer, *possible: GraphQLError, serial: bool = False
) -> str | None:
    return difference(expected, given, lambda _: possible, serial=serial)


def test_the_same_is_the_same() -> None:
    data = {"a": [1, None, {"b": "c"}]}
    assert compared(answer(data, error("x", "a", 1)), answer(data, error("x", "a", 1))) is None


@pytest.mark.parametrize(
    "given",
    [
        {"a": 1, "b": 2, "c": None},
        {"b": 2, "a": 1},
        {"a": 1, "b": 2.0},
        {"a": True, "b": 2},
        {"a": "1", "b": 2},
        {"a": 1},
        {"a": 1, "b": None},
        None,
    ],
    ids=str,
)
def test_other_data_differ(given: Any) -> None:
    assert compared(answer({"a": 1, "b": 2}), answer(given)) == "data differ"


def test_what_json_cannot_hold_is_told_apart_too() -> None:
    assert encoded({"a": 2**70}) == encoded({"a": 2**70}) != encoded({"a": 2**71})
    assert encoded({"a": object()}) == encoded({"a": object()}) != encoded({"a": b"x"})
    assert encoded({1: {2, 3}}) == encoded({1: {3, 2}})


PLACE = Source("{ a b }")
EXPECTED = error("x", "a", source=PLACE, positions=[2], extensions={"code": "X"})


@pytest.mark.parametrize(
    "given",
    [
        error("y", "a", source=PLACE, positions=[2], extensions={"code": "X"}),
        error("x", "a", source=PLACE, positions=[4], extensions={"code": "X"}),
        error("x", "a", source=PLACE, positions=[2, 4], extensions={"code": "X"}),
        error("x", "a", source=PLACE, positions=[2], extensions={"code": "Y"}),
        error("x", "a", source=PLACE, positions=[2]),
        error("x", "a", extensions={"code": "X"}),
        error(
            "x", "a", source=PLACE, positions=[2], extensions={"code": "X"},
            original_error=KeyError("x"),
        ),
    ],
    ids=["message", "location", "locations", "extensions", "no extensions", "nowhere", "class"],
)  # fmt: skip
def test_an_error_that_is_other_in_one_thing_differs(given: GraphQLError) -> None:
    assert EXPECTED.locations == [SourceLocation(1, 3)]
    data = {"a": None, "b": None}
    assert compared(answer(data, EXPECTED), answer(data, given), EXPECTED, given) == (
        "errors at ('a',) differ"
    )


def test_an_error_elsewhere_differs() -> None:
    data = {"a": None, "b": None}
    expected, given = answer(data, error("x", "a")), answer(data, error("x", "b"))
    assert compared(expected, given) == "errors null other positions: [\"('a',)\", \"('b',)\"]"


def test_an_error_more_or_less_differs() -> None:
    data = {"a": None, "b": None}
    one, two = answer(data, error("x", "a")), answer(data, error("x", "a"), error("y", "b"))
    assert compared(one, two) == "errors null other positions: [\"('b',)\"]"
    assert compared(two, one) == "errors null other positions: [\"('b',)\"]"
    assert compared(one, answer(data)) == "errors null other positions: [\"('a',)\"]"
    twice = answer(data, error("x", "a"), error("x", "a"))
    assert compared(one, twice) == "errors at ('a',) differ"


def test_the_order_of_errors_is_open() -> None:
    data = {"a": None, "b": None}
    x, y = error("x", "a"), error("y", "b")
    assert compared(answer(data, x, y), answer(data, y, x)) is None


def test_the_order_of_errors_of_the_request_is_not() -> None:
    x, y = GraphQLError("x"), GraphQLError("y")
    assert compared(answer(None, x, y), answer(None, y, x)) == "errors of the request differ"


def test_under_one_null_any_error_that_happens_may_be_reported() -> None:
    data = {"a": None}
    x, y, z = error("x", "a", "b"), error("y", "a", "c"), error("z", "a", "d")
    assert compared(answer(data, x), answer(data, y), x, y) is None
    assert compared(answer(data, x), answer(data, y, x), x, y) is None
    sentence = compared(answer(data, x), answer(data, z), x, y)
    assert sentence is not None
    assert sentence.startswith("an error that does not happen: (('a', 'd'), 'z'")
    sentence = compared(answer(data, x), answer(data, y, y), x, y)
    assert sentence is not None
    assert sentence.startswith("an error that does not happen: (('a', 'c'), 'y'")
    assert compared(answer(data, x), answer(data), x, y) is not None


def test_calls_are_counted_where_nothing_propagates() -> None:
    one, other = answer({"a": 1}), answer({"a": 1})
    one.calls, other.calls = [("T", "a"), ("T", "b")], [("T", "b"), ("T", "a")]
    assert compared(one, other) is None
    other.calls = [("T", "a"), ("T", "a"), ("T", "b")]
    assert compared(one, other) == "resolvers were called differently"
    lost = answer({"a": None}, error("x", "a", "b"))
    assert compared(Answer(lost.results, calls=[("T", "a")]), lost) is None


def test_root_fields_of_a_mutation_are_called_in_order() -> None:
    one, other = answer({"a": 1}), answer({"a": 1})
    one.calls, other.calls = [("Mutation", "a"), ("Mutation", "b")], [("Mutation", "b")]
    other.calls.append(("Mutation", "a"))
    assert compared(one, other) is None
    assert compared(one, other, serial=True) == "root fields were called differently"


def test_what_is_left_behind_differs_unless_graphql_core_leaves_something_too() -> None:
    one, other = answer({"a": 1}), answer({"a": 1}, trouble=["a task"], unused=["a coroutine"])
    assert compared(one, other) == "a task"
    other.trouble = []
    assert compared(one, other) == "a coroutine"
    assert compared(other, other) is None


def test_nothing_is_awaited_that_needs_not_be() -> None:
    one, other = answer({"a": 1}), answer({"a": 1}, waited=True)
    assert compared(one, other) == "an awaitable came, though nothing has to be awaited"
    assert compared(other, one) is None


def test_every_event_of_a_subscription_counts() -> None:
    first, second = ExecutionResult({"a": 1}), ExecutionResult({"a": 2})
    assert compared(Answer([first, second]), Answer([first, second])) is None
    assert compared(Answer([first, second]), Answer([second, first])) == "data differ"
    assert compared(Answer([first, second]), Answer([first])) == (
        "1 results and an end instead of 2 and an end"
    )
    assert compared(Answer([first], end="Fault()"), Answer([first])) == (
        "1 results and an end instead of 1 and Fault()"
    )
