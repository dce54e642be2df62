"""Arguments: those of a field node, made ready once, and filled in from the variables.

Source: GraphQL specification, section 6.4.1, CoerceArgumentValues.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLScalarType,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
)
from graphql.execution.values import VariableValues, get_argument_values
from graphql.type import GraphQLArgument, GraphQLInputType
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal

from execution.plan import IrregularValue
from execution.variables import IMMUTABLE

Convert: TypeAlias = Callable[[Any], Any]
Fill: TypeAlias = Callable[[Mapping[str, Any]], Any]
"""Coerced variables in, a value out; Undefined for none. It may raise anything."""

NO_VARIABLES = VariableValues({}, {})


class Arguments:
    """The arguments of one field node.

    `names` gives for each argument the name that the resolver knows it by, and what converts its
    value further.
    """

    def __init__(
        self,
        field: GraphQLField,
        node: FieldNode,
        names: Mapping[str, tuple[str, Convert | None]],
    ) -> None:
        self._constant: dict[str, Any] = {}
        self._filled: list[tuple[str, Fill, Convert | None]] = []
        self._types: dict[str, GraphQLInputType] = {}
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        for name, argument in field.args.items():
            python_name, convert = names[name]
            self._types[python_name] = argument.type
            value_node = given.get(name)
            if value_node is not None and _has_variables(value_node):
                fill = _argument(argument, value_node)
                self._filled.append((python_name, fill, convert))
                continue
            value = _constant(argument, value_node)
            if value is Undefined:
                continue
            if isinstance(value, IMMUTABLE):
                self._constant[python_name] = convert(value) if convert else value
            else:
                fill = _again(argument, value_node)
                self._filled.append((python_name, fill, convert))

    @property
    def are_shared(self) -> bool:
        """Whether the parents of one execution may share them: nobody can change a value."""
        return all(
            convert is None and isinstance(get_nullable_type(self._types[name]), GraphQLScalarType)
            for name, _, convert in self._filled
        )

    def values(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by the resolver's names. It may raise anything."""
        values = self._constant.copy()
        for name, fill, convert in self._filled:
            value = fill(variables)
            if value is not Undefined:
                values[name] = convert(value) if convert else value
        return values


def reference_arguments(
    field: GraphQLField, node: FieldNode, variables: VariableValues
) -> dict[str, Any]:
    """The arguments as graphql-core finds them. Raises: GraphQLError."""
    return get_argument_values(field, node, variables) if field.args or node.arguments else {}


def _constant(argument: GraphQLArgument, node: ValueNode | None) -> Any:
    if node is not None:
        value = coerce_input_literal(node, argument.type, NO_VARIABLES)
        if value is Undefined:
            raise IrregularValue
        return value
    if is_required_argument(argument):
        raise IrregularValue
    return coerce_default_value(argument)


def _again(argument: GraphQLArgument, node: ValueNode | None) -> Fill:
    """A value that each call has for itself."""
    return lambda _: _constant(argument, node)


def _argument(argument: GraphQLArgument, node: ValueNode) -> Fill:
    fill = _value(argument.type, node)
    if is_required_argument(argument) or not isinstance(node, VariableNode):
        return fill
    name = node.name.value
    return lambda variables: (
        fill(variables) if name in variables else coerce_default_value(argument)
    )


def _value(type_: GraphQLInputType, node: ValueNode) -> Fill:
    """What gives the value of a node; a variable that is not there is Undefined."""
    if isinstance(node, VariableNode):
        return _variable(node.name.value, is_non_null_type(type_))
    if is_non_null_type(type_):
        type_ = type_.of_type
    if not _has_variables(node):
        return _literal(type_, node)
    if is_list_type(type_) and isinstance(node, ListValueNode):
        return _list(type_.of_type, node)
    if is_input_object_type(type_) and isinstance(node, ObjectValueNode):
        return _input_object(type_, node)
    raise IrregularValue  # a list of one, or a custom scalar with variables in it


def _variable(name: str, is_required: bool) -> Fill:
    def filled(variables: Mapping[str, Any]) -> Any:
        value = variables.get(name, Undefined)
        if is_required and (value is None or value is Undefined):
            raise IrregularValue
        return value

    return filled


def _literal(type_: GraphQLInputType, node: ValueNode) -> Fill:
    def filled(_: Mapping[str, Any]) -> Any:
        value = coerce_input_literal(node, type_, NO_VARIABLES)
        if value is Undefined:
            raise IrregularValue
        return value

    value = filled({})
    return (lambda _: value) if isinstance(value, IMMUTABLE) else filled


def _list(type_: GraphQLInputType, node: ListValueNode) -> Fill:
    items = [_value(type_, item) for item in node.values]

    def filled(variables: Mapping[str, Any]) -> Any:
        values = [item(variables) for item in items]
        if any(value is Undefined for value in values):
            raise IrregularValue
        return values

    return filled


def _input_object(type_: Any, node: ObjectValueNode) -> Fill:
    given = {field.name.value: field.value for field in node.fields}
    fields = [
        (
            field.out_name or name,
            _value(field.type, given[name]) if name in given else None,
            _variable_name(given.get(name)),
            is_required_input_field(field),
            field,
        )
        for name, field in type_.fields.items()
    ]
    is_one_of = type_.is_one_of
    if not given.keys() <= type_.fields.keys():
        raise IrregularValue
    if is_one_of and (
        len(given) != 1 or any(isinstance(value, NullValueNode) for value in given.values())
    ):
        raise IrregularValue

    def filled(variables: Mapping[str, Any]) -> Any:
        result: dict[str, Any] = {}
        for out_name, fill, variable, is_required, field in fields:
            if fill is not None and (variable is None or variable in variables):
                value = fill(variables)
            elif is_required:
                raise IrregularValue
            else:
                value = coerce_default_value(field)
                if value is Undefined:
                    continue
            result[out_name] = value
        if is_one_of and (len(result) != 1 or any(value is None for value in result.values())):
            raise IrregularValue
        return type_.out_type(result)

    return filled


def _variable_name(node: ValueNode | None) -> str | None:
    return node.name.value if isinstance(node, VariableNode) else None


def _has_variables(node: ValueNode) -> bool:
    if isinstance(node, ListValueNode):
        return any(_has_variables(value) for value in node.values)
    if isinstance(node, ObjectValueNode):
        return any(_has_variables(field.value) for field in node.fields)
    return isinstance(node, VariableNode)
