"""What `usergraph plan` says of an operation: its plan, what it reads, how long it may be kept."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from itertools import groupby
from typing import Any, NamedTuple

from aiodataloader import DataLoader
from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    is_list_type,
    is_non_null_type,
    type_from_ast,
)

from execution import CompiledOperation, PreparedOperation
from execution.cache import Found
from execution.explanation import explained
from pipelines.seed import FIRST_HANDLE, sample_id, sample_user
from resolvers.request import Request, Viewer
from schema.federation import FederatedSchema
from schema.users import needs_of
from server.settings import Settings
from server.tokens import PERSON_SCOPES
from store.rehearsal import Read, Rehearsal

FEW, MANY = 3, 12
"""Entries in every list of a user, and in those among the variables that are made up."""


class NotPlanned(Exception):
    """The document, the operation or its variables cannot be used."""


class Rehearsed(NamedTuple):
    """What an operation did on sample users."""

    reads: Sequence[Read]
    loaders: Sequence[str]
    tasks: int
    errors: Sequence[GraphQLError]


def plan_lines(
    schema: FederatedSchema,
    settings: Settings,
    text: str,
    operation_name: str | None,
    given: Mapping[str, Any],
    *,
    with_source: bool = False,
) -> list[str]:
    """What would be done for an operation. Raises: NotPlanned."""
    prepared = _prepared(schema, text, operation_name)
    document, compiled = prepared.document, prepared.compiled
    assert document is not None
    assert compiled is not None
    operation = get_operation_ast(document, operation_name)
    assert operation is not None
    few, many = (
        {**_made_up(schema.graphql, operation, given, size), **given} for size in (FEW, MANY)
    )
    kind, name = operation.operation.value, operation.name
    lines = [f"{kind} {name.value if name else '(without a name)'}"]
    if settings.execution == "reference":
        lines += ["USERGRAPH_EXECUTION=reference: graphql-core runs it as a whole; else:"]
    lines += _plan(compiled, operation, few)
    lines += ["", *_kept(schema, prepared, text, operation_name)]
    cost = schema.cost_of(Found(prepared, {}), few)
    lines += [f"Cost: {cost:.0f} with these variables, of at most {schema.limits.cost}"]
    lines += ["", *_reads(settings, prepared, few, many)]
    if with_source and compiled.unsupported is None:
        source = compiled.source().strip() or "# There are no objects to be made."
        lines += ["", "Generated Python, used from the second run on:", "", source]
    return lines


def variables_of(text: str | None) -> dict[str, Any]:
    """The variables that were given as JSON. Raises: NotPlanned."""
    try:
        variables = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise NotPlanned(f"--variables is not JSON: {error}") from None
    if not isinstance(variables, dict):
        raise NotPlanned("--variables is not a JSON object.")
    return variables


def _prepared(schema: FederatedSchema, text: str, operation_name: str | None) -> PreparedOperation:
    try:
        prepared = schema.operations.prepare(text, operation_name)
    except RecursionError:
        raise NotPlanned("It is nested too deeply to be validated.") from None
    if prepared.errors:
        raise NotPlanned("\n".join(_described(error) for error in prepared.errors))
    if prepared.compiled is None:
        names = ", ".join(_names(prepared.document)) or "none with a name"
        raise NotPlanned(f"There is no such operation; the document has: {names}.")
    return prepared


def _names(document: DocumentNode | None) -> Iterator[str]:
    for node in document.definitions if document else ():
        if isinstance(node, OperationDefinitionNode) and node.name:
            yield node.name.value


def _described(error: GraphQLError) -> str:
    where = ", ".join(f"{place.line}:{place.column}" for place in error.locations or ())
    return f"{where}: {error.message}" if where else error.message


def _plan(
    compiled: CompiledOperation, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Iterator[str]:
    plan = compiled.plan_for(variables)
    if compiled.unsupported is not None:
        yield f"not compiled, graphql-core runs it as a whole: {compiled.unsupported}"
        return
    if plan is None:
        raise NotPlanned("Its variables do not fit: give them with --variables.")
    if operation.operation is OperationType.SUBSCRIPTION:
        yield "graphql-core opens the stream; each event is answered by this plan:"
    else:
        yield "compiled:"
    yield ""
    yield from explained(plan)
    yield ""
    yield "reads: taken from the parent. calls: a function, for all parents of the level before"
    yield "anything is awaited. awaits: the same, and each call is a coroutine."


def _kept(
    schema: FederatedSchema, prepared: PreparedOperation, text: str, operation_name: str | None
) -> Iterator[str]:
    needs = needs_of(prepared)
    attributes = "all" if needs is None else " ".join(sorted(needs)) or "only who they are"
    yield f"Attributes of users: {attributes}"
    policy = schema.cache_policy(text, operation_name)
    if policy is None:
        yield "Cache: not to be kept"
    else:
        scope = "private" if policy.is_private else "public to anonymous requests"
        yield f"Cache: {policy.max_age_seconds} seconds, {scope}"


def _reads(
    settings: Settings,
    prepared: PreparedOperation,
    variables: Mapping[str, Any],
    more_variables: Mapping[str, Any],
) -> Iterator[str]:
    if prepared.type is not OperationType.QUERY:
        yield "Reads and writes: not rehearsed; they depend on what is stored."
        return
    few = asyncio.run(_rehearsed(settings, prepared, variables, FEW))
    many = asyncio.run(_rehearsed(settings, prepared, more_variables, MANY))
    yield "Reads, as seen in a rehearsal: every id and handle leads to a sample user, every list"
    yield f"has {FEW} entries, a person asks, and the variables are {json.dumps(variables)}"
    for error in few.errors:
        yield f"  an error, so that reads may be missing: {error.message}"
    for read, same in groupby(few.reads):
        times = len(list(same))
        keys = "a range" if read.keys is None else f"{read.keys} key{'s' * (read.keys != 1)}"
        yield f"  {read.collection} {read.command}, {keys}{f', {times} times' * (times > 1)}"
    yield f"Loaders of the request: {', '.join(few.loaders) or 'none'}"
    with_more = f"with up to {MANY} entries in every list"
    yield f"Commands: {len(few.reads)}; {len(many.reads)} {with_more}"
    yield f"Tasks, reads included: {few.tasks}; {many.tasks} {with_more}"


async def _rehearsed(
    settings: Settings,
    prepared: PreparedOperation,
    variables: Mapping[str, Any],
    rows: int,
) -> Rehearsed:
    tasks = 0

    def counted(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        nonlocal tasks
        tasks += 1
        return asyncio.Task(coroutine, loop=loop, **options)

    assert prepared.compiled is not None
    rehearsal = Rehearsal(sample_user(0, followers=rows, following=rows), rows)
    now = datetime.now(UTC)
    viewer = Viewer("plan", sample_id(1), frozenset(PERSON_SCOPES), now + timedelta(hours=1))
    request = Request(
        viewer=viewer,
        store=rehearsal.store(),
        now=lambda: now,
        policy=settings.policy,
        needs=needs_of(prepared),
    )
    asyncio.get_running_loop().set_task_factory(counted)
    result: Any = prepared.compiled.execute(None, request, variables)
    if isawaitable(result):
        result = await result
    loaders = [
        f"{attribute}.{name}"
        for attribute, owner in (("users", request.users), ("loaders", request.loaders))
        for name, value in vars(owner).items()
        if isinstance(value, DataLoader)
    ]
    return Rehearsed(rehearsal.reads, loaders, tasks, result.errors or ())


def _made_up(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: Mapping[str, Any], size: int
) -> dict[str, Any]:
    """Values for the variables that an operation cannot do without, with lists of that size.

    Raises: NotPlanned.
    """
    values = {}
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        type_ = type_from_ast(schema, definition.type)
        if name not in given and definition.default_value is None and is_non_null_type(type_):
            values[name] = _value(type_, 0, size)
    return values


def _value(type_: Any, index: int, size: int) -> Any:
    """A value of an input type: of an id, the sample user of that index."""
    if is_non_null_type(type_):
        type_ = type_.of_type
    if is_list_type(type_):
        return [_value(type_.of_type, index, size) for index in range(size)]
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    if isinstance(type_, GraphQLInputObjectType):
        names = [name for name, field in type_.fields.items() if is_non_null_type(field.type)]
        if type_.is_one_of:
            names = list(type_.fields)[:1]
        return {name: _value(type_.fields[name].type, index, size) for name in names}
    made: Mapping[str, Any] = {
        "ID": sample_id(index),
        "String": FIRST_HANDLE,
        "Int": 10,
        "Float": 1.5,
        "Boolean": True,
        "_Any": {"__typename": "User", "id": sample_id(index)},
    }
    if type_.name not in made:
        raise NotPlanned(f"A value of {type_.name} is wanted: give it with --variables.")
    return made[type_.name]
