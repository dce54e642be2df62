"""Running plans: what is called when, what is left behind, and what graphql-core is asked for."""

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult, GraphQLSchema, build_schema, parse

from execution import CompiledOperation, by_class, compile_operation, execute
from execution.strawberry_schema import CompiledSchema

SCHEMA = build_schema("""
  type Query { first: Item  many: [Item!]  must: Item!  slow: String }
  type Item { name: String!  next: Item }
""")


def with_resolver(field: str, resolve: Any) -> GraphQLSchema:
    """A schema in which one field of Query has a resolver."""
    schema = build_schema("type Query { a: String  b: String  must: String! }")
    assert schema.query_type is not None
    schema.query_type.fields[field].resolve = resolve
    return schema


def test_what_awaits_nothing_is_answered_at_once() -> None:
    result = execute(SCHEMA, parse("{ first { name } }"), {"first": {"name": "Ada"}})
    assert result == ExecutionResult({"first": {"name": "Ada"}}, None)


def test_the_third_run_is_generated_code_and_answers_the_same() -> None:
    operation = compile_operation(SCHEMA, parse("{ many { name next { name } } }"))
    root = {"many": [{"name": "Ada", "next": {"name": "Bo"}}, {"name": "Cy"}]}
    answers = [operation.execute(root) for _ in range(4)]
    expected = {"many": [{"name": "Ada", "next": {"name": "Bo"}}, {"name": "Cy", "next": None}]}
    assert answers == [ExecutionResult(expected, None)] * 4
    assert "def build_Item" in operation.source()


def test_one_item_that_fails_leaves_the_others_alone() -> None:
    operation = compile_operation(SCHEMA, parse("{ first { name next { name } } }"))
    result = operation.execute({"first": {"name": "Ada", "next": {"name": None}}})
    assert isinstance(result, ExecutionResult)
    assert result.data == {"first": {"name": "Ada", "next": None}}
    [error] = result.errors or []
    assert error.message == "Cannot return null for non-nullable field Item.name."
    assert error.path == ["first", "next", "name"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{ __schema { types { name } } }", "introspection"),
        ("query @x { slow }", "a directive on the operation"),
        ("query A { slow } query B { slow }", "not one operation of that name"),
    ],
)
def test_what_is_not_compiled_says_why(text: str, reason: str) -> None:
    assert compile_operation(SCHEMA, parse(text)).unsupported == reason


async def test_resolvers_of_a_level_run_beside_each_other() -> None:
    both = asyncio.Barrier(2)

    async def meet(*_: Any) -> str:
        await both.wait()
        return "met"

    schema = with_resolver("a", meet)
    assert schema.query_type is not None
    schema.query_type.fields["b"].resolve = meet
    answer = execute(schema, parse("{ a b }"))
    assert not isinstance(answer, ExecutionResult)
    async with asyncio.timeout(5):
        assert await answer == ExecutionResult({"a": "met", "b": "met"}, None)


async def test_a_cancelled_operation_cancels_its_resolvers() -> None:
    ended: list[str] = []

    async def wait(_: Any, info: Any) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(info.field_name)
        return ""

    schema = with_resolver("a", wait)
    assert schema.query_type is not None
    schema.query_type.fields["b"].resolve = wait
    answer = execute(schema, parse("{ a b }"))
    assert not isinstance(answer, ExecutionResult)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await answer
    await asyncio.sleep(0.01)
    assert sorted(ended) == ["a", "b"]


async def test_a_null_root_does_not_wait_for_its_siblings() -> None:
    late, ended = asyncio.Event(), asyncio.Event()

    async def wait(*_: Any) -> str:
        await late.wait()
        ended.set()
        return ""

    answer = execute(with_resolver("a", wait), parse("{ a must }"), {"must": None})
    assert isinstance(answer, ExecutionResult)
    assert answer.data is None
    late.set()  # it is awaited all the same
    async with asyncio.timeout(5):
        await ended.wait()


async def test_a_type_that_tells_by_class_is_asked_once_for_each_class() -> None:
    asked: list[type] = []

    class Row:
        name = "Ada"

    @strawberry.type
    class Person:
        name: str

        @classmethod
        @by_class
        def is_type_of(cls, source: object, _: Any) -> bool:
            asked.append(source.__class__)
            return isinstance(source, Row)

    @strawberry.type
    class Query:
        @strawberry.field(graphql_type=list[Person])
        def people(self) -> list[Row]:
            return [Row(), Row(), Row()]

    schema = CompiledSchema(Query)
    for _ in range(3):
        result = await schema.execute("{ people { name } }")
        assert result.data == {"people": [{"name": "Ada"}] * 3}
    assert asked == [Row]


async def test_extensions_permissions_and_field_extensions_still_act() -> None:
    class Loud(strawberry.extensions.FieldExtension):
        def resolve(self, next_: Any, source: Any, info: Any, **arguments: Any) -> Any:
            return next_(source, info, **arguments).upper()

    class Nobody(strawberry.permission.BasePermission):
        message = "Not you."

        def has_permission(self, source: Any, info: Any, **arguments: Any) -> bool:
            return False

    class Counting(strawberry.extensions.SchemaExtension):
        resolved = 0

        def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            Counting.resolved += 1
            return _next(root, info, *args, **kwargs)

    @strawberry.type
    class Query:
        @strawberry.field(extensions=[Loud()])
        def loud(self) -> str:
            return "hey"

        @strawberry.field(permission_classes=[Nobody])
        def secret(self) -> str | None:
            return "secret"

    plain = await CompiledSchema(Query).execute("{ loud secret }")
    assert plain.data == {"loud": "HEY", "secret": None}
    assert [error.message for error in plain.errors or []] == ["Not you."]
    extended = await CompiledSchema(Query, extensions=[Counting]).execute("{ loud secret }")
    assert extended.data == plain.data
    assert Counting.resolved == 2


async def test_events_of_a_subscription_are_executed_one_by_one_by_one_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plans: list[CompiledOperation] = []
    execute_in = CompiledOperation.execute_in

    def noted(self: CompiledOperation, executor: Any) -> Any:
        plans.append(self)
        return execute_in(self, executor)

    monkeypatch.setattr(CompiledOperation, "execute_in", noted)

    @strawberry.type
    class Query:
        now: int = 0

    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def count(self, to: int) -> AsyncIterator[int]:
            for number in range(to):
                yield number

    schema = CompiledSchema(Query, subscription=Subscription)
    results = await schema.subscribe("subscription { n: count(to: 3) }")
    assert [result.data async for result in results] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert len(plans) == 3
    assert len(set(map(id, plans))) == 1
    assert plans[0].unsupported is None


async def test_what_resolvers_raise_beside_a_null_root_is_nobodys_complaint() -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    schema = build_schema("type Query { a: Int! b: Int! c: Int! d: Int! }")

    async def fails(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        raise ValueError(f"after {turns}")

    for turns in itertools.permutations(range(4)):
        waits = dict(zip("abcd", turns, strict=True))
        root = {name: lambda _, wait=wait: fails(wait) for name, wait in waits.items()}
        answer = execute(schema, parse("{ a b c d }"), root)
        assert not isinstance(answer, ExecutionResult)
        assert (await answer).data is None
        for _ in range(5):
            await asyncio.sleep(0)
    gc.collect()
    assert complaints == []
