"""Answers for any schema without resolvers, and values for any variable."""

import random
from typing import Any
from zlib import crc32

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLResolveInfo,
    is_abstract_type,
    is_leaf_type,
    is_required_input_field,
)

from tests.execution.documents import is_one_of


def resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """Gives what only depends on the field and its arguments: a value, null, or an error.

    An object with attributes, which a resolver of the schema gave, gives those.
    """
    if source is not None and not isinstance(source, dict):
        return getattr(source, info.field_name)
    call = f"{source!r} {info.parent_type.name}.{info.field_name} {sorted(arguments.items())!r}"
    chance = crc32(call.encode("utf-8", "replace"))
    if chance % 11 == 0:
        raise ValueError(f"no answer for {call[:100]}")
    return None if chance % 13 == 0 else _answer(info, info.return_type, call, chance)


def _answer(info: GraphQLResolveInfo[Any], type_: Any, call: str, chance: int) -> Any:
    if isinstance(type_, GraphQLNonNull):
        return _answer(info, type_.of_type, call, chance)
    if isinstance(type_, GraphQLList):
        return [_answer(info, type_.of_type, call, chance + at) for at in range(chance % 3)]
    if isinstance(type_, GraphQLEnumType):
        return list(type_.values.values())[chance % len(type_.values)].value
    if is_leaf_type(type_):
        values = {"Int": chance % 99, "Float": chance % 99 / 4, "Boolean": chance % 2 == 0}
        return values.get(type_.name, call)
    if is_abstract_type(type_):
        possible = info.schema.get_possible_types(type_)
        return {"__typename": possible[chance % len(possible)].name}
    return {"__typename": type_.name}


def input_value(type_: GraphQLInputType, rng: random.Random, depth: int = 2) -> Any:
    """Gives a JSON value for a variable of the type."""
    if isinstance(type_, GraphQLNonNull):
        return _some_value(type_.of_type, rng, depth)
    return None if rng.random() < 0.1 else _some_value(type_, rng, depth)


def _some_value(type_: Any, rng: random.Random, depth: int) -> Any:
    if isinstance(type_, GraphQLList):
        return [input_value(type_.of_type, rng, depth) for _ in range(rng.randint(0, 2))]
    if isinstance(type_, GraphQLEnumType):
        return rng.choice(list(type_.values))
    if isinstance(type_, GraphQLInputObjectType):
        if is_one_of(type_):
            name = rng.choice(list(type_.fields))
            return {name: input_value(GraphQLNonNull(type_.fields[name].type), rng, depth)}
        return {
            name: input_value(field.type, rng, depth - 1)
            for name, field in type_.fields.items()
            if is_required_input_field(field) or (depth > 0 and rng.random() < 0.4)
        }
    values = {
        "Int": rng.randint(-9, 9),
        "Float": rng.random(),
        "Boolean": rng.random() < 0.5,
        "Date": "2026-11-22",
        "Decimal": "1.5",
    }
    return values.get(type_.name, rng.choice(("x", "U-1", "")))
