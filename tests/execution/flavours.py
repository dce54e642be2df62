"""Schemas made from a description: with graphql-core's own types here, with Strawberry's next door.

Both give their resolvers a `World` as the context, or find it in the source.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    assert_valid_schema,
    build_schema,
)
from graphql.execution import Executor

from execution import compiled_executor
from tests.execution.descriptions import Description, Field, sdl
from tests.execution.dice import Dice
from tests.execution.worlds import Thing, World, at_of


@dataclass
class Flavoured:
    """A schema, and what a world needs to know to make sources for it."""

    description: Description
    schema: GraphQLSchema
    classes: Mapping[str, type]
    enums: Mapping[str, list[Any]]
    mode: str
    executor_class: type[Executor[Any]]

    @cached_property
    def compiled_executor_class(self) -> type[Executor[Any]]:
        """The same executor with compiled plans in it."""
        return compiled_executor(self.executor_class)

    def world(self, seed: int, faults: float, oddities: float) -> World:
        """A new world for one execution."""
        return World(
            self.description, self.classes, self.enums, seed, self.mode, faults, oddities
        )  # fmt: skip


def core_schema(description: Description, dice: Dice) -> Flavoured:
    """The described schema of graphql-core's own types."""
    schema = build_schema(sdl(description), assume_valid_sdl=True)
    enums: dict[str, list[Any]] = {}
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLEnumType) and name in description.enums:
            enums[name] = _give_values(type_, description.enums[name], dice)
        elif isinstance(type_, GraphQLScalarType) and name in description.scalars:
            type_.coerce_output_value = OUTPUT[name]
        elif isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            if description.told.get(name, "").endswith("resolve_type"):
                type_.resolve_type = _resolve_type(waits=description.told[name] != "resolve_type")
        elif isinstance(type_, GraphQLObjectType) and name in description.objects:
            _give_resolvers(type_, description, dice)
    assert_valid_schema(schema)
    classes = {name: type(name, (Thing,), {}) for name in description.objects}
    mode = dice.pick(("documents", "documents", "objects", "mixed"))
    return Flavoured(description, schema, classes, enums, mode, Executor)


def _give_values(type_: GraphQLEnumType, texts: Mapping[str, str], dice: Dice) -> list[Any]:
    """Gives the names of an enum their values: as written, or members of a Python enum."""
    values = {name: eval(text) for name, text in texts.items()}
    if dice.chance(0.3):
        values = {one.name: one for one in Enum(type_.name, values)}  # type: ignore[attr-defined]
    for name, value in values.items():
        type_.values[name].value = value
    return list(values.values())


def _give_resolvers(type_: GraphQLObjectType, description: Description, dice: Dice) -> None:
    described = description.objects[type_.name]
    if described.told.endswith("is_type_of"):
        type_.is_type_of = _is_type_of(type_.name, waits=described.told != "is_type_of")
    for name, one in described.fields.items():
        if one.how not in ("plain", "callable"):
            type_.fields[name].resolve = _resolver(type_.name, one)
            for given in type_.fields[name].args.values():
                if dice.chance(0.1):
                    given.out_name = "python_name"
                    break
    if type_.name == "Subscription":
        for one in described.fields.values():
            type_.fields[one.name].subscribe = _subscribe


async def _subscribe(source: Any, info: Any, **_arguments: Any) -> Any:
    for number in range(2):
        yield info.context.event(source, number)


def _resolver(type_: str, one: Field) -> Callable[..., Any]:
    """A resolver of the kind that the field asks for."""

    def plainly(source: Any, info: Any, **arguments: Any) -> Any:
        return info.context.resolve(type_, one, source, arguments)

    def informed(source: Any, info: Any, **arguments: Any) -> Any:
        return info.context.resolve(type_, one, source, arguments, *informed_by(info))

    async def waiting(source: Any, info: Any, **arguments: Any) -> Any:
        return info.context.resolve(type_, one, source, arguments)

    def coroutine(source: Any, info: Any, **arguments: Any) -> Any:
        def make() -> Any:
            return info.context.resolve(type_, one, source, arguments)

        return info.context.later(make, len(arguments))

    def future(source: Any, info: Any, **arguments: Any) -> Any:
        def make() -> Any:
            return info.context.resolve(type_, one, source, arguments)

        return info.context.future(make, len(arguments))

    kinds = {"sync": plainly, "info": informed, "async": waiting, "coroutine": coroutine}
    return {**kinds, "future": future}[one.how]


def informed_by(info: Any) -> tuple[Any, ...]:
    """All that graphql-core's info tells a resolver, as plain values."""
    variables = info.variable_values
    return (
        info.field_name,
        info.parent_type.name,
        str(info.return_type),
        info.path.as_list(),
        [node.loc.start for node in info.field_nodes],
        info.operation.loc.start,
        sorted(info.fragments),
        sorted(getattr(variables, "coerced", variables)),
        at_of(info.root_value) is None,
    )


def _is_type_of(name: str, *, waits: bool) -> Callable[..., Any]:
    def is_type_of(value: Any, info: Any) -> Any:
        return info.context.is_of(value, name)

    def waiting(value: Any, info: Any) -> Any:
        world = info.context
        return world.later(lambda: world.is_of(value, name), 1)

    return waiting if waits else is_type_of


def _resolve_type(*, waits: bool) -> Callable[..., Any]:
    def resolve_type(value: Any, info: Any, _abstract: Any) -> Any:
        return info.context.type_of(value)

    def waiting(value: Any, info: Any, _abstract: Any) -> Any:
        world = info.context
        return world.later(lambda: world.type_of(value), 1)

    return waiting if waits else resolve_type


def moment(value: Any) -> Any:
    """What `Moment` gives: datetimes as they are."""
    if not hasattr(value, "tzinfo"):
        raise GraphQLError("Moment expects a datetime.")
    return value


def odd(value: Any) -> Any:
    """What `Odd` gives: odd numbers, null for 0, and an error for even ones."""
    if value == 0:
        return None
    if not value % 2:
        raise ValueError(f"{value} is even")
    return value


def anything(value: Any) -> Any:
    """What `Any` gives."""
    return value


OUTPUT: dict[str, Callable[[Any], Any]] = {"Moment": moment, "Odd": odd, "Any": anything}
