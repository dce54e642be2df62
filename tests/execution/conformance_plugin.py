"""The pytest plugin that lets graphql-core's tests ask the compiled executor.

It replaces functions in the namespaces of the test modules, never in graphql-core, counts what
ran compiled, and writes an outcome for each test to the file named by OUTCOMES.
"""

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from functools import partial
from inspect import Signature, isawaitable, iscoroutine, signature
from pathlib import Path
from types import FunctionType
from typing import Any

import graphql
import pytest
from graphql.execution import create_source_event_stream, map_source_to_response_event
from graphql.execution.execute import assume_not_async_iterable, assume_not_awaitable
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental

import execution

PACKAGE = "tests"
OUTCOMES = "GRAPHQL_CORE_OUTCOMES"
COMPILED = "compiled"
TEST_SECONDS = 10.0

_EXECUTE = signature(graphql.execute)
_SUBSCRIBE = signature(graphql.subscribe)
_asked: Counter[str] = Counter()
_outcomes: dict[str, dict[str, Any]] = {}


def execute(*args: Any, **options: Any) -> Any:
    """`graphql.execute`, compiled where that is possible."""
    given = _given(_EXECUTE, args, options)
    _asked[_executor_of(given)] += 1
    return execution.execute(**given)


def execute_sync(*args: Any, check_sync: Any = False, **options: Any) -> Any:
    """`graphql.execute_sync`; `check_sync` may be a predicate for awaitables."""
    if check_sync:
        predicates = {"is_awaitable": check_sync if callable(check_sync) else None}
    else:
        predicates = {
            "is_awaitable": assume_not_awaitable,
            "is_async_iterable": assume_not_async_iterable,
        }
    result = execute(*args, **options, **predicates)
    if isawaitable(result):
        if iscoroutine(result):
            result.close()
        raise RuntimeError("GraphQL execution failed to complete synchronously.")
    return result


def subscribe(*args: Any, **options: Any) -> Any:
    """`graphql.subscribe`: the source of events is graphql-core's, each event is compiled."""
    given = _given(_SUBSCRIBE, args, options)
    building = {
        "raw_variable_values" if name == "variable_values" else name: value
        for name, value in given.items()
    }
    executor_class = building.pop("executor_class", None) or ExecutorThrowingOnIncremental
    executor = executor_class.build(**building)
    if isinstance(executor, list):
        return graphql.ExecutionResult(None, errors=executor)
    if executor.operation.operation is not graphql.OperationType.SUBSCRIPTION:
        raise graphql.GraphQLError("Expected subscription operation.")

    def execute_event(event: "graphql.Executor[Any]") -> Any:
        return execute(**{**given, "root_value": event.root_value})

    def responses(source: Any) -> AsyncIterator[graphql.ExecutionResult] | Any:
        if executor.is_async_iterable(source):
            return map_source_to_response_event(executor, source, execute_event)
        return source

    async def responses_later(source: Any) -> Any:
        return responses(await source)

    source = create_source_event_stream(executor)
    return responses_later(source) if executor.is_awaitable(source) else responses(source)


HARNESS = graphql.default_harness._replace(execute=execute, subscribe=subscribe)
REPLACED: dict[Any, Any] = {
    graphql.execute: execute,
    graphql.execute_sync: execute_sync,
    graphql.subscribe: subscribe,
    graphql.graphql: partial(graphql.graphql, harness=HARNESS),
    graphql.graphql_sync: partial(graphql.graphql_sync, harness=HARNESS),
}


def pytest_collection_finish() -> None:
    """Replaces the functions, wherever graphql-core's tests imported them."""
    for name, module in list(sys.modules.items()):
        if name.startswith(f"{PACKAGE}."):
            for key, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value in REPLACED:
                    setattr(module, key, REPLACED[value])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """Counts anew for each test, and ends one that waits for ever."""
    _asked.clear()
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, TEST_SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Notes what became of a test, and what ran the operations it asked for."""
    if report.when == "call" or report.outcome != "passed":
        name = report.nodeid.removeprefix(f"{PACKAGE}/")
        _outcomes[name] = {
            "has_passed": report.outcome == "passed",
            "asked": dict(_asked),
            "why": report.longreprtext[-1000:],
        }


def pytest_sessionfinish() -> None:
    """Writes the outcomes."""
    Path(os.environ[OUTCOMES]).write_text(json.dumps(_outcomes))


def _give_up(*_: object) -> None:
    raise TimeoutError("the test waits for ever")


def _given(of: Signature, args: Sequence[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments by name."""
    named = of.bind(*args, **options).arguments
    return {**named.pop("custom_context_args", {}), **named}


def _executor_of(given: dict[str, Any]) -> str:
    """`compiled`, or why graphql-core runs the operation as a whole."""
    for option in ("executor_class", "middleware", "hooks", "abort_signal"):
        if given.get(option) is not None:
            return f"the option {option}"
    operation_name = given.get("operation_name")
    compiled = execution.compile_operation(given["schema"], given["document"], operation_name)
    return compiled.unsupported or COMPILED
