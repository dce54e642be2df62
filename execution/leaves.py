"""Leaves: which values a scalar or an enum gives back as they are, and the rest by its own rule."""

from collections.abc import Callable
from enum import Enum
from math import isfinite
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    Undefined,
)
from graphql.type import GraphQLLeafType

from execution.plan import Build, Failed, IrregularValue

INT_MIN, INT_MAX = -(2**31), 2**31 - 1
MAX_ENUM_CLASSES = 10

NEVER_AWAITED = frozenset({str, int, float, bool, bytes, list, tuple, dict, set, type(None)})
"""Classes of which no value can be awaited; an enum's members come besides."""


def check_text(value: Any) -> Any:
    """A string as it is (String, ID)."""
    if value.__class__ is not str:
        raise IrregularValue
    return value


def check_int(value: Any) -> Any:
    """An integer of 32 bits as it is."""
    if value.__class__ is not int or not INT_MIN <= value <= INT_MAX:
        raise IrregularValue
    return value


def check_float(value: Any) -> Any:
    """A finite float as it is."""
    if value.__class__ is not float or not isfinite(value):
        raise IrregularValue
    return value


def check_boolean(value: Any) -> Any:
    """A boolean as it is."""
    if value.__class__ is not bool:
        raise IrregularValue
    return value


PLAIN: dict[int, tuple[Build, str]] = {
    id(GraphQLString): (check_text, "{}.__class__ is not str"),
    id(GraphQLID): (check_text, "{}.__class__ is not str"),
    id(GraphQLInt): (
        check_int,
        f"{{0}}.__class__ is not int or not {INT_MIN} <= {{0}} <= {INT_MAX}",
    ),
    id(GraphQLFloat): (check_float, "{0}.__class__ is not float or not isfinite({0})"),
    id(GraphQLBoolean): (check_boolean, "{}.__class__ is not bool"),
}
"""The built-in scalars, by identity: a check, and as source code when a value is irregular."""


def irregular_when(type_: GraphQLLeafType) -> str | None:
    """The condition, in Python, under which a value is not its own output; None: always."""
    plain = PLAIN.get(id(type_))
    return plain[1] if plain else None


def leaf_of(type_: GraphQLLeafType) -> Build:
    """What completes a value, which is not null, of the type. It may raise anything."""
    plain = PLAIN.get(id(type_))
    if plain is not None:
        return plain[0]
    if isinstance(type_, GraphQLEnumType):
        return _enum_leaf(type_)
    return _coerced_leaf(type_.coerce_output_value)


def _enum_leaf(type_: GraphQLEnumType) -> Build:
    coerce = _coerced_leaf(type_.coerce_output_value)
    # By class: values of two classes may be equal and yet have other names.
    names_of: dict[type, dict[Any, str]] = {str: {}}

    def leaf(value: Any) -> Any:
        names = names_of.get(value.__class__)
        if names is None:
            if not isinstance(value, Enum) or len(names_of) > MAX_ENUM_CLASSES:
                return coerce(value)
            names = names_of[value.__class__] = {}
        name = names.get(value)
        if name is None:
            name = coerce(value)
            names[value] = name  # what is no value of the enum did not get here
        return name

    return leaf


def _coerced_leaf(coerce: Callable[[Any], Any]) -> Build:
    def leaf(value: Any) -> Any:
        if value is None:
            raise IrregularValue
        if value.__class__ not in NEVER_AWAITED and (
            isinstance(value, Exception | Failed)
            or value is Undefined
            or hasattr(value, "__await__")
        ):
            raise IrregularValue
        result = coerce(value)
        if result is None or result is Undefined:
            raise IrregularValue
        return result

    return leaf
