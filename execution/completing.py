"""Completing: from the values of a column to the answer, and what becomes null when that fails.

Compiled code goes first. A value that it is not certain of is completed by graphql-core, at its
path and with its words for what is wrong.

Source: GraphQL specification, sections 6.4.3, Value Completion, and 6.4.4, Handling Field Errors.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from types import CoroutineType
from typing import Any

from graphql import GraphQLError, located_error
from graphql.pyutils.path import Path

from execution.plan import Column, Failed, IrregularValue, ObjectPlan
from execution.running import (
    LazyResolveInfo,
    Level,
    Pending,
    Run,
    add,
    is_awaitable,
    path_of,
    run_columns,
    together,
)

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
            add(pending, _complete_elsewhere(run, column, level, index, value))
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
            add(pending, _complete_field(run, column, level, index, complete))
        except Exception:
            add(pending, _complete_elsewhere(run, column, level, index, value))
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
            add(pending, _complete_elsewhere(run, column, level, index, value))
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
            add(pending, _complete_item(run, column, level, index, place, items, complete))
        except Exception:
            add(pending, _complete_item_elsewhere(run, column, level, index, place, item))
        if level.outputs[index].get(column.key) is not items:
            # The list became null: as in graphql-core, what is left is awaited by nobody else.
            run.executor.track_async_work(value[place + 1 :])
            break


def complete_by_reference(run: Run, column: Column, level: Level, values: list[Any]) -> Pending:
    """Values of types that are not compiled, such as lists of lists with columns below."""
    pending: list[Awaitable[None]] = []
    for index, value in enumerate(values):
        add(pending, _complete_elsewhere(run, column, level, index, value))
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
            add(pending, run_columns(self._run, plan.columns, level))
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

    return complete_later() if is_awaitable(type_) else complete(type_)


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
