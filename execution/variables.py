"""Variables: values that fit are coerced by functions made once; all else is left to graphql-core.

Source: GraphQL specification, section 6.1.2, CoerceVariableValues.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeAlias

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLSchema,
    GraphQLString,
    NonNullTypeNode,
    OperationDefinitionNode,
    Undefined,
    VariableDefinitionNode,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
    type_from_ast,
)
from graphql.execution.values import VariableValues, get_variable_values
from graphql.type import GraphQLInputType
from graphql.utilities.coerce_input_value import coerce_default_value

from execution.leaves import check_boolean, check_int, check_text
from execution.plan import IrregularValue, UnsupportedOperation

Coerce: TypeAlias = Callable[[Any], Any]

BUILT_IN: Mapping[int, Coerce] = {
    id(GraphQLString): check_text,
    id(GraphQLID): check_text,
    id(GraphQLInt): check_int,
    id(GraphQLBoolean): check_boolean,
    id(GraphQLFloat): GraphQLFloat.coerce_input_value,
}
MAX_ERRORS = 10
"""Fewer than graphql-core tells: each may repeat the whole value, as large as it is."""
IMMUTABLE = (str, int, float, bool, Enum, type(None))
"""What every request may share."""
UNCERTAIN = object()
"""Stands for a value that graphql-core has to find anew each time."""


class Variables:
    """The variables of one operation."""

    def __init__(self, schema: GraphQLSchema, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._definitions = operation.variable_definitions or ()
        self._coercions = [
            (
                definition.variable.name.value,
                coercion_of(type_from_ast(schema, definition.type)),  # type: ignore[arg-type]
                self._when_missing(definition),
            )
            for definition in self._definitions
        ]

    def coerced(self, inputs: Mapping[str, Any]) -> dict[str, Any] | list[GraphQLError]:
        """The values by name, without those left out; or what is wrong with them."""
        values: dict[str, Any] = {}
        try:
            for name, coerce, default in self._coercions:
                value = inputs.get(name, Undefined)
                if value is not Undefined:
                    values[name] = coerce(value)
                elif default is UNCERTAIN:
                    break
                elif default is not Undefined:
                    values[name] = default
            else:
                return values
        except Exception:  # graphql-core finds it again, and the words for it
            pass
        found = self.reference(inputs)
        return found if isinstance(found, list) else found.coerced

    def reference(self, inputs: Mapping[str, Any]) -> VariableValues | list[GraphQLError]:
        """The same by graphql-core, with where each value came from."""
        return get_variable_values(
            self._schema, self._definitions, dict(inputs), max_errors=MAX_ERRORS
        )

    def _when_missing(self, definition: VariableDefinitionNode) -> Any:
        """The value that a missing variable has: Undefined for none."""
        if definition.default_value is None:
            return UNCERTAIN if isinstance(definition.type, NonNullTypeNode) else Undefined
        found = get_variable_values(self._schema, (definition,), {})
        if isinstance(found, list):
            return UNCERTAIN
        value = found.coerced.get(definition.variable.name.value, UNCERTAIN)
        return value if isinstance(value, IMMUTABLE) else UNCERTAIN


def coercion_of(type_: GraphQLInputType, above: tuple[GraphQLInputType, ...] = ()) -> Coerce:
    """What coerces a value to the type, or raises anything when it is not certain that it fits."""
    if is_non_null_type(type_):
        return _present(coercion_of(type_.of_type, above))
    return _nullable(_coercion_of_nullable(type_, above))


def _coercion_of_nullable(type_: Any, above: tuple[GraphQLInputType, ...]) -> Coerce:
    if is_list_type(type_):
        return _list(coercion_of(type_.of_type, above))
    if is_input_object_type(type_):
        # Values of types that contain themselves can be too deep, which graphql-core tells.
        return _refuse if type_ in above else _input_object(type_, (*above, type_))
    if not is_leaf_type(type_):
        raise UnsupportedOperation("a variable of a type that is not for input")
    return BUILT_IN.get(id(type_)) or _leaf(type_.coerce_input_value)


def _refuse(value: Any) -> Any:
    raise IrregularValue


def _present(coerce: Coerce) -> Coerce:
    def coerced(value: Any) -> Any:
        if value is None:
            raise IrregularValue
        return coerce(value)

    return coerced


def _nullable(coerce: Coerce) -> Coerce:
    return lambda value: None if value is None else coerce(value)


def _leaf(coerce: Coerce) -> Coerce:
    def coerced(value: Any) -> Any:
        result = coerce(value)
        if result is Undefined:
            raise IrregularValue
        return result

    return coerced


def _list(coerce: Coerce) -> Coerce:
    def coerced(value: Any) -> Any:
        if value.__class__ is not list:
            raise IrregularValue
        return [coerce(item) for item in value]

    return coerced


def _input_object(type_: GraphQLInputObjectType, above: tuple[GraphQLInputType, ...]) -> Coerce:
    fields = [
        (
            name,
            field.out_name or name,
            coercion_of(field.type, above),
            is_required_input_field(field),
            field,
        )
        for name, field in type_.fields.items()
    ]
    is_one_of = type_.is_one_of

    def coerced(value: Any) -> Any:
        if value.__class__ is not dict or not value.keys() <= type_.fields.keys():
            raise IrregularValue
        result: dict[str, Any] = {}
        for name, out_name, coerce, is_required, field in fields:
            given = value.get(name, Undefined)
            if given is not Undefined:
                result[out_name] = coerce(given)
            elif is_required:
                raise IrregularValue
            elif (default := coerce_default_value(field)) is not Undefined:
                result[out_name] = default
        if is_one_of and (
            len(value) != 1 or len(result) != 1 or any(item is None for item in result.values())
        ):
            raise IrregularValue
        return type_.out_type(result)

    return coerced
