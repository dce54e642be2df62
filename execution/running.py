"""Running a plan: level by level, all parents of a level at once.

A level is all objects of one selection set at one place of the answer. Its columns, the fields that
need a resolver, are called for every parent before anything is awaited, so that loaders see all
keys of a level together and the number of coroutines depends on the size of the operation, not on
that of the answer. What compiled code is not certain of is completed by graphql-core, at its path.

Source: GraphQL specification, section 6.4, Executing Fields.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import CoroutineType
from typing import Any, TypeAlias

from graphql import (
    GraphQLError,
    GraphQLResolveInfo,
)
from graphql.execution import ExecutionResult, Executor
from graphql.pyutils.path import Path

from execution.builders import Sources
from execution.leaves import NEVER_AWAITED
from execution.plan import Column, Failed, ObjectPlan

Pending: TypeAlias = Awaitable[None] | None
"""What is still to be awaited; None when all is done."""


class Run:
    """One execution of a plan."""

    __slots__ = (
        "_executor",
        "_make_executor",
        "calls",
        "context",
        "is_null",
        "root",
        "sources",
        "tasks",
        "variables",
    )

    def __init__(
        self,
        make_executor: "Callable[[Run], Executor[Any]]",
        sources: Sources,
        root: Any,
        context: Any,
        variables: Mapping[str, Any],
    ) -> None:
        self.sources = sources
        self.root = root
        self.context = context
        self.variables = variables
        self.is_null = False
        self.tasks: list[asyncio.Future[Any]] = []
        self.calls: list[asyncio.Future[Any]] = []
        self._make_executor = make_executor
        self._executor: Executor[Any] | None = None

    @property
    def executor(self) -> "Executor[Any]":
        """graphql-core's executor of the same operation, made when it is first needed."""
        if self._executor is None:
            self._executor = self._make_executor(self)
        return self._executor

    def result(self, data: dict[str, Any]) -> ExecutionResult:
        """The answer with the data."""
        errors = self._executor.collected_errors.errors if self._executor else None
        return ExecutionResult(None if self.is_null else data, errors or None)

    def add_error(self, error: GraphQLError, path: Path | None) -> None:
        """Keeps an error that made the place null; without a path, the whole answer.

        Then there is no use in the resolvers that are still running.
        """
        self.executor.collected_errors.add(error, path)
        if path is None:
            self.is_null = True
            _cancel(self.calls)

    def start(self, awaitable: Awaitable[Any]) -> Awaitable[Any]:
        """Begins to run something beside others; without an event loop it has to wait."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return awaitable
        task = asyncio.ensure_future(awaitable)
        self.tasks.append(task)
        return task

    def call(self, awaitable: Awaitable[Any]) -> Awaitable[Any]:
        """Begins to run a resolver beside others."""
        task = self.start(awaitable)
        if isinstance(task, asyncio.Task):
            self.calls.append(task)
        return task

    def stop(self) -> None:
        """Cancels everything that is still running."""
        _cancel(self.tasks)


class Level:
    """All objects of one selection set at one place of the answer.

    `parents` are the indexes of the objects' parents in the level above, in which they are the
    value of `column`; `places` are their indexes in that value, where it is a list.
    """

    __slots__ = ("above", "column", "outputs", "parents", "places", "sources")

    def __init__(
        self,
        above: "Level | None",
        column: Column | None,
        sources: list[Any],
        outputs: list[dict[str, Any]],
        parents: list[int],
        places: list[int] | None,
    ) -> None:
        self.above = above
        self.column = column
        self.sources = sources
        self.outputs = outputs
        self.parents = parents
        self.places = places

    def path(self, index: int) -> Path | None:
        """Where an object is; None for the root."""
        if self.above is None or self.column is None:
            return None
        path = path_of(self.column, self.above, self.parents[index])
        return path if self.places is None else path.add_key(self.places[index], None)


class LazyResolveInfo:
    """graphql-core's resolve info of a field, made when it is first looked at."""

    __slots__ = ("_column", "_index", "_level", "_made", "_run")

    def __init__(self, run: Run, column: Column, level: Level, index: int) -> None:
        self._run = run
        self._column = column
        self._level = level
        self._index = index
        self._made: GraphQLResolveInfo[Any] | None = None

    def __getattr__(self, name: str) -> Any:
        if self._made is None:
            self._made = resolve_info(self._run, self._column, self._level, self._index)
        return getattr(self._made, name)


def path_of(column: Column, level: Level, index: int) -> Path:
    """Where the field of a parent is."""
    return Path(level.path(index), column.key, column.parent_type.name)


def resolve_info(run: Run, column: Column, level: Level, index: int) -> "GraphQLResolveInfo[Any]":
    """What graphql-core tells a resolver of a field of one parent."""
    path = path_of(column, level, index)
    return run.executor.build_resolve_info(column.field, column.nodes, column.parent_type, path)


def run_operation(run: Run, plan: ObjectPlan, *, serially: bool) -> Any:
    """The answer, or an awaitable of it."""
    data = plan.build(run.root)
    level = Level(None, None, [run.root], [data], [0], None)
    if serially and len(plan.columns) > 1:
        pending = _run_serially(run, plan.columns, level)
    else:
        pending = run_columns(run, plan.columns, level)
    if pending is not None and run.is_null:
        run.executor.settle_in_background([pending])
        pending = None
    return run.result(data) if pending is None else _finished(run, pending, data)


async def _finished(run: Run, pending: Awaitable[None], data: dict[str, Any]) -> ExecutionResult:
    try:
        await pending
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not run.is_null or task is None or task.cancelling():
            run.stop()
            raise  # somebody else cancelled it
    except BaseException:
        run.stop()
        raise
    return run.result(data)


def _run_serially(run: Run, columns: Sequence[Column], level: Level) -> Pending:
    for position, column in enumerate(columns):
        pending = run_columns(run, [column], level)
        if pending is not None:
            return _run_serially_after(run, pending, columns[position + 1 :], level)
        if run.is_null:
            break
    return None


async def _run_serially_after(
    run: Run, pending: Awaitable[None], columns: Sequence[Column], level: Level
) -> None:
    await pending
    if not run.is_null and (rest := _run_serially(run, columns, level)) is not None:
        await rest


def run_columns(run: Run, columns: Sequence[Column], level: Level) -> Pending:
    """Calls every column for all parents, then completes their values."""
    pending: list[Awaitable[None]] = []
    waiting: list[tuple[Column, list[Any]]] = []
    awaited = 0
    admitted = run.sources.admitted
    for column in columns:
        values = column.call(run, column, level)
        here = 0
        for value in values:
            class_ = value.__class__
            if class_ not in NEVER_AWAITED and class_ not in admitted and is_awaitable(value):
                here += 1
        if here:
            awaited += here
            waiting.append((column, values))
        else:
            add(pending, column.complete(run, column, level, values))
            if run.is_null:
                break
    if not waiting:
        return together(run, pending)
    if awaited > 1 or pending:
        for _, values in waiting:
            _start_awaitables(run, values)
    flat = [pair for pair in waiting if pair[0].is_flat]
    deep = [pair for pair in waiting if not pair[0].is_flat]
    if flat:
        pending.append(_complete_when_had(run, level, flat))
    pending.extend(_complete_when_had(run, level, [pair]) for pair in deep)
    return together(run, pending)


def together(run: Run, pending: list[Awaitable[None]]) -> Pending:
    """One thing to await instead of many, which run beside each other."""
    if not pending:
        return None
    if len(pending) == 1:
        return pending[0]
    return _all_of([run.start(each) for each in pending])


async def _all_of(tasks: list[Awaitable[None]]) -> None:
    for task in tasks:
        await task


async def _complete_when_had(
    run: Run, level: Level, waiting: list[tuple[Column, list[Any]]]
) -> None:
    pending: list[Awaitable[None]] = []
    for column, values in waiting:
        await _settle(values, run)
        add(pending, column.complete(run, column, level, values))
    rest = together(run, pending)
    if rest is not None:
        await rest


async def _settle(values: list[Any], run: Run) -> None:
    """Puts outcomes in the place of awaitables."""
    admitted = run.sources.admitted
    for index, value in enumerate(values):
        class_ = value.__class__
        if class_ in NEVER_AWAITED or class_ in admitted or not is_awaitable(value):
            continue
        try:
            values[index] = await value
        except Exception as error:
            values[index] = Failed(error)


def _start_awaitables(run: Run, values: list[Any]) -> None:
    for index, value in enumerate(values):
        if value.__class__ is CoroutineType or (
            value.__class__ not in NEVER_AWAITED
            and is_awaitable(value)
            and not asyncio.isfuture(value)
        ):
            values[index] = run.call(value)


def _cancel(tasks: "list[asyncio.Future[Any]]") -> None:
    """Cancels tasks once they have begun: else nobody awaits what they were to await.

    What they raise nobody wants to know: asyncio shall not complain of it.
    """
    for task in tasks:
        task.add_done_callback(_outcome)
        if not task.done():
            task.get_loop().call_soon(task.cancel)


def _outcome(task: "asyncio.Future[Any]") -> object:
    return task.cancelled() or task.exception()


def is_awaitable(value: Any) -> bool:
    """Whether a value, of a class that may be awaited, is to be awaited."""
    return hasattr(value, "__await__")


def add(pending: list[Awaitable[None]], one: Pending) -> None:
    """Adds what is to be awaited, if there is something."""
    if one is not None:
        pending.append(one)
