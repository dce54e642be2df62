"""graphql-core's own execution tests pass when they ask the compiled executor."""

import os

import pytest

from tests.execution.conformance import NotFetched, executed, fetch, report, run, wrong


def test_graphql_cores_own_tests_pass_and_their_operations_are_compiled() -> None:
    try:
        folder = fetch()
    except NotFetched as error:
        pytest.fail(str(error)) if "CI" in os.environ else pytest.skip(str(error))
    outcomes = run(folder)
    assert list(wrong(outcomes)) == [], report(outcomes)
    assert executed(outcomes)["compiled"] > 400
