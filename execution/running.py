"""Running a plan: level by level, all parents of a level at once.

A level is all objects of one selection set at one place of the answer. Its columns, the fields that
need a resolver, are called for every parent before anything is awaited, so that loaders see all
keys of a level together and the number of coroutines depends on the size of the operation, not on
that of the answer. What compiled code is not certain of is completed by graphql-core, at its path.

Source: GraphQL specification, section 6.4, Executing Fields.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import CoroutineType
from typing import Any, NoReturn, TypeAlias

from graphql import (
    GraphQLError,
    GraphQLResolveInfo,
    located_error,
)
from graphql.execution import ExecutionResult, Executor
from graphql.pyutils.path import Path

from execution.builders import Sources
from execution.leaves import NEVER_AWAITED
from execution.plan import Column, Failed, IrregularValue, ObjectPlan

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
        executor: "Executor[Any] | None" = None,
    ) -> None:
        self.sources = sources
        self.root = root
        self.context = context
        self.variables = variables
        self.is_null = False
        self.tasks: list[asyncio.Future[Any]] = []
        self.calls: list[asyncio.Future[Any]] = []
        self._make_executor = make_executor
        self._executor = executor

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
            if class_ not in NEVER_AWAITED and class_ not in admitted and _is_awaitable(value):
                here += 1
        if here:
            awaited += here
            waiting.append((column, values))
        else:
            _add(pending, column.complete(run, column, level, values))
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
        _add(pending, column.complete(run, column, level, values))
    rest = together(run, pending)
    if rest is not None:
        await rest


async def _settle(values: list[Any], run: Run) -> None:
    """Puts outcomes in the place of awaitables."""
    admitted = run.sources.admitted
    for index, value in enumerate(values):
        class_ = value.__class__
        if class_ in NEVER_AWAITED or class_ in admitted or not _is_awaitable(value):
            continue
        try:
            values[index] = await value
        except Exception as error:
            values[index] = Failed(error)


def _start_awaitables(run: Run, values: list[Any]) -> None:
    for index, value in enumerate(values):
        if value.__class__ is CoroutineType or (
            value.__class__ not in NEVER_AWAITED
            and _is_awaitable(value)
            and not asyncio.isfuture(value)
        ):
            values[index] = run.call(value)


def _cancel(tasks: "list[asyncio.Future[Any]]") -> None:
    """Cancels tasks once they have begun: else nobody awaits what they were to await."""
    for task in tasks:
        if not task.done():
            task.get_loop().call_soon(task.cancel)


def _is_awaitable(value: Any) -> bool:
    return hasattr(value, "__await__")


def _add(pending: list[Awaitable[None]], one: Pending) -> None:
    if one is not None:
        pending.append(one)


# Completing the values of a column. Each of these gives what is still to be awaited.


def complete_values(run: Run, column: Column, level: Level, values: list[Any]) -> Pending:
    """Values with no column below."""
    pending: list[Awaitable[None]] = []
    key, outputs, build = column.key, level.outputs, column.build
    assert build is not None
    for index, value in enumerate(values):
        try:
            outputs[index][key] = build(value)
        except Exception:
            _add(pending, _complete_elsewhere(run, column, level, index, value))
    return together(run, pending)


def complete_objects(run: Run, column: Column, level: Level, values: list[Any]) -> Pending:
    """Objects with columns below."""
    pending: list[Awaitable[None]] = []
    below = Below(run, column, level, in_lists=False)
    outputs, key, is_nullable = level.outputs, column.key, column.is_nullable
    for index, value in enumerate(values):
        if value is None and is_nullable:
            continue  # it is null already
        try:
            outputs[index][key] = below.added(value, index, 0)
        except _RuntimeType as type_:
            complete = partial(_complete_as, type_.found, run, column, level, index, None, value)
            _add(pending, _complete_field(run, column, level, index, complete))
        except Exception:
            _add(pending, _complete_elsewhere(run, column, level, index, value))
    pending.extend(below.run_all())
    return together(run, pending)


def complete_lists(run: Run, column: Column, level: Level, values: list[Any]) -> Pending:
    """Lists of objects."""
    pending: list[Awaitable[None]] = []
    below = Below(run, column, level, in_lists=True)
    for index, value in enumerate(values):
        if value is None and column.is_nullable:
            continue
        if value.__class__ is not list and value.__class__ is not tuple:
            _add(pending, _complete_elsewhere(run, column, level, index, value))
            continue
        items = below.all_added(value, index)
        if items is None:
            _complete_one_by_one(run, column, level, index, value, below, pending)
        else:
            level.outputs[index][column.key] = items
    pending.extend(below.run_all())
    return together(run, pending)


def _complete_one_by_one(
    run: Run,
    column: Column,
    level: Level,
    index: int,
    value: Sequence[Any],
    below: "Below",
    pending: list[Awaitable[None]],
) -> None:
    items: list[Any] = [None] * len(value)
    level.outputs[index][column.key] = items
    for place, item in enumerate(value):
        if item is None and column.has_nullable_items:
            continue
        try:
            items[place] = below.added(item, index, place)
            continue
        except _RuntimeType as type_:
            complete = partial(_complete_as, type_.found, run, column, level, index, place, item)
            _add(pending, _complete_item(run, column, level, index, place, items, complete))
        except Exception:
            _add(pending, _complete_item_elsewhere(run, column, level, index, place, item))
        if level.outputs[index].get(column.key) is not items:
            # The list became null: as in graphql-core, what is left is awaited by nobody else.
            run.executor.track_async_work(value[place + 1 :])
            break


def complete_by_reference(run: Run, column: Column, level: Level, values: list[Any]) -> Pending:
    """Values of types that are not compiled, such as lists of lists with columns below."""
    pending: list[Awaitable[None]] = []
    for index, value in enumerate(values):
        _add(pending, _complete_elsewhere(run, column, level, index, value))
    return together(run, pending)


class _RuntimeType(Exception):
    """The type of an object of an abstract type: none of those that are planned, or awaited."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found


class Below:
    """The levels below a column: one for each object type that its values have."""

    __slots__ = ("_column", "_in_lists", "_level", "_levels", "_run")

    def __init__(self, run: Run, column: Column, level: Level, *, in_lists: bool) -> None:
        self._run = run
        self._column = column
        self._level = level
        self._in_lists = in_lists
        self._levels: dict[ObjectPlan, Level] = {}

    def added(self, source: Any, parent: int, place: int) -> dict[str, Any]:
        """The output of a new object. It may raise anything: then it is not here."""
        plan = self._column.only
        if plan is None or plan.is_type_of is not None:
            plan = self._plan_of(source, parent)
        output: dict[str, Any] = plan.build(source)
        if plan.columns:
            level = self._levels.get(plan) or self._level_of(plan)
            level.sources.append(source)
            level.outputs.append(output)
            level.parents.append(parent)
            if level.places is not None:
                level.places.append(place)
        return output

    def all_added(self, sources: Sequence[Any], parent: int) -> list[dict[str, Any]] | None:
        """The outputs of all objects of a list; None when they have to be added one by one."""
        plan = self._plan_of_all(sources)
        if plan is None or plan.is_type_of is not None:
            return None
        try:
            outputs = list(map(plan.build, sources))
        except Exception:
            return None
        if plan.columns and outputs:
            level = self._levels.get(plan) or self._level_of(plan)
            level.sources.extend(sources)
            level.outputs.extend(outputs)
            level.parents.extend([parent] * len(outputs))
            assert level.places is not None
            level.places.extend(range(len(outputs)))
        return outputs

    def run_all(self) -> list[Awaitable[None]]:
        """Runs the columns of all levels; gives what is still to be awaited."""
        pending: list[Awaitable[None]] = []
        for plan, level in self._levels.items():
            _add(pending, run_columns(self._run, plan.columns, level))
        return pending

    def _level_of(self, plan: ObjectPlan) -> Level:
        places: list[int] | None = [] if self._in_lists else None
        level = self._levels[plan] = Level(self._level, self._column, [], [], [], places)
        return level

    def _plan_of_all(self, sources: Sequence[Any]) -> ObjectPlan | None:
        if self._column.only is not None:
            return self._column.only
        classes = set(map(type, sources))
        if len(classes) != 1:
            return None
        name = self._run.sources.type_of_class.get(classes.pop(), "")
        return self._column.objects.get(name)

    def _plan_of(self, source: Any, parent: int) -> ObjectPlan:
        sources = self._run.sources
        if source.__class__ not in sources.admitted and not sources.admit(source):
            raise IrregularValue
        info = LazyResolveInfo(self._run, self._column, self._level, parent)
        plan = self._column.only or _plan_of(self._column, source, info, sources.type_of_class)
        if plan.is_type_of is not None:
            _check_type(plan.is_type_of(source, info))
        return plan


def _plan_of(
    column: Column, source: Any, info: LazyResolveInfo, known: Mapping[type, str]
) -> ObjectPlan:
    name = known.get(source.__class__)
    if name is not None and name in column.objects:
        return column.objects[name]
    found = column.resolve_type(source, info, column.abstract_type)
    plan = column.objects.get(found) if found.__class__ is str else None
    if plan is None:
        raise _RuntimeType(found)
    return plan


def _check_type(answer: Any) -> None:
    if answer is True:
        return
    if isinstance(answer, CoroutineType):
        answer.close()  # graphql-core asks again
    raise IrregularValue


# Completing one value by graphql-core.


def _complete_elsewhere(run: Run, column: Column, level: Level, index: int, value: Any) -> Pending:
    """Completes the field of one parent."""
    if value.__class__ is Failed:
        error = _located(value.error, column, path_of(column, level, index))
        _fail_field(run, column, level, index, error)
        return None
    path = path_of(column, level, index)
    executor = run.executor
    info = executor.build_resolve_info(column.field, column.nodes, column.parent_type, path)
    complete = partial(
        executor.complete_value, column.return_type, column.details, info, path, value, None
    )
    return _complete_field(run, column, level, index, complete)


def _complete_field(
    run: Run, column: Column, level: Level, index: int, complete: Callable[[], Any]
) -> Pending:
    try:
        completed = complete()
    except Exception as error:
        path = path_of(column, level, index)
        _fail_field(run, column, level, index, _located(error, column, path))
        return None
    if run.executor.is_awaitable(completed):
        return _complete_field_later(run, column, level, index, completed)
    level.outputs[index][column.key] = completed
    return None


def _complete_as(
    type_: Any,
    run: Run,
    column: Column,
    level: Level,
    index: int,
    place: int | None,
    source: Any,
) -> Any:
    """The source as an object of the type resolved for it, or an awaitable. It may raise."""
    executor, details = run.executor, column.details
    field_path = path_of(column, level, index)
    path = field_path if place is None else field_path.add_key(place, None)
    info = executor.build_resolve_info(column.field, column.nodes, column.parent_type, field_path)
    abstract = column.abstract_type
    assert abstract is not None

    def complete(name: Any) -> Any:
        runtime_type = executor.ensure_valid_runtime_type(name, abstract, details, info, source)
        return executor.complete_object_value(runtime_type, details, info, path, source, None)

    async def complete_later() -> Any:
        completed = complete(await type_)
        return await completed if executor.is_awaitable(completed) else completed

    return complete_later() if _is_awaitable(type_) else complete(type_)


async def _complete_field_later(
    run: Run, column: Column, level: Level, index: int, completed: Awaitable[Any]
) -> None:
    try:
        level.outputs[index][column.key] = await completed
    except Exception as error:
        path = path_of(column, level, index)
        _fail_field(run, column, level, index, _located(error, column, path))


def _complete_item_elsewhere(
    run: Run,
    column: Column,
    level: Level,
    index: int,
    place: int,
    item: Any,
) -> Pending:
    """Completes one item of a list."""
    field_path = path_of(column, level, index)
    path = field_path.add_key(place, None)
    executor = run.executor
    info = executor.build_resolve_info(column.field, column.nodes, column.parent_type, field_path)
    item_type = column.item_type
    assert item_type is not None
    items = level.outputs[index][column.key]
    if executor.is_awaitable(item):
        later = executor.complete_awaitable_list_item_value(
            item, item_type, column.details, info, path, None
        )
        return _complete_item_later(run, column, level, index, place, items, later)

    def complete() -> Any:
        found: list[Any] = []
        executor.complete_list_item_value(item, found, item_type, column.details, info, path, None)
        return found[0]

    return _complete_item(run, column, level, index, place, items, complete)


def _complete_item(
    run: Run,
    column: Column,
    level: Level,
    index: int,
    place: int,
    items: list[Any],
    complete: Callable[[], Any],
) -> Pending:
    try:
        completed = complete()
    except Exception as error:
        path = path_of(column, level, index).add_key(place, None)
        _fail_item(run, column, level, index, place, items, _located(error, column, path))
        return None
    if run.executor.is_awaitable(completed):
        return _complete_item_later(run, column, level, index, place, items, completed)
    items[place] = completed
    return None


async def _complete_item_later(
    run: Run,
    column: Column,
    level: Level,
    index: int,
    place: int,
    items: list[Any],
    completed: Awaitable[Any],
) -> None:
    try:
        items[place] = await completed
    except Exception as error:
        path = path_of(column, level, index).add_key(place, None)
        _fail_item(run, column, level, index, place, items, _located(error, column, path))


def _located(error: Exception, column: Column, path: Path) -> GraphQLError:
    return located_error(error, column.nodes, path.as_list())


# What becomes null when something cannot be completed.


def _fail_field(run: Run, column: Column, level: Level, index: int, error: GraphQLError) -> None:
    """Makes the field of a parent null, or the nearest place above that may be."""
    if column.is_nullable:
        level.outputs[index][column.key] = None
        run.add_error(error, path_of(column, level, index))
    else:
        _fail_object(run, level, index, error)


def _fail_item(
    run: Run,
    column: Column,
    level: Level,
    index: int,
    place: int,
    items: list[Any],
    error: GraphQLError,
) -> None:
    """Makes an item of a list null, or the nearest place above that may be."""
    if column.has_nullable_items:
        items[place] = None
        run.add_error(error, path_of(column, level, index).add_key(place, None))
    else:
        _fail_field(run, column, level, index, error)


def _fail_object(run: Run, level: Level, index: int, error: GraphQLError) -> None:
    """Makes the nearest place above the fields of an object null, or the object itself."""
    above, column = level.above, level.column
    if above is None or column is None:
        run.add_error(error, None)
        return
    parent = level.parents[index]
    if level.places is None:
        _fail_field(run, column, above, parent, error)
        return
    items = above.outputs[parent].get(column.key)
    place = level.places[index]
    if isinstance(items, list):
        _fail_item(run, column, above, parent, place, items, error)
    else:  # the list is null already
        _fail_item(run, column, above, parent, place, [None] * (place + 1), error)


def refuse(source: Any) -> NoReturn:
    """Builds nothing: what cannot be compiled is left to graphql-core."""
    raise IrregularValue
