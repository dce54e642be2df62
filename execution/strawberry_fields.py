"""Strawberry's fields: which of them are plain attributes, and how their resolvers are called.

Strawberry stays the authority: a field with extensions, permissions or exception handlers, and an
argument that converts itself, is called through Strawberry as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, cast

from graphql import GraphQLField, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema
from strawberry import Schema
from strawberry.relay import GlobalID
from strawberry.scalars import is_scalar
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types import Info
from strawberry.types.arguments import convert_arguments
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
    has_object_definition,
)
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

from execution.arguments import Convert, reference_arguments
from execution.builders import is_plain_name
from execution.calling import Function
from execution.plan import (
    BY_CLASS,
    Attribute,
    Column,
    Reader,
    Reading,
    TypeCheck,
    UnsupportedOperation,
)
from execution.running import Level, Run, resolve_info

DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF


class LazyInfo(Info[Any, Any]):
    """Strawberry's info, whose path and nodes are found when they are asked for."""

    def __init__(self, run: Run, column: Column, level: Level, index: int) -> None:
        self._run = run
        self._column = column
        self._level = level
        self._index = index
        self._made: GraphQLResolveInfo[Any] | None = None

    @property
    def _raw_info(self) -> "GraphQLResolveInfo[Any]":  # type: ignore[override]
        if self._made is None:
            self._made = resolve_info(self._run, self._column, self._level, self._index)
        return self._made

    @property
    def _field(self) -> StrawberryField:  # type: ignore[override]
        field: StrawberryField = self._column.field.extensions[DEFINITION]
        return field

    @property
    def context(self) -> Any:
        """The context of the operation."""
        return self._run.context

    @property
    def root_value(self) -> Any:
        """The root value of the operation."""
        return self._run.root


class StrawberryFields:
    """The fields of one Strawberry schema."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._config = schema.config
        self._converter = schema.schema_converter
        self._readers: dict[int, Reader | None] = {}
        self._functions: dict[int, tuple[Function, dict[str, tuple[str, Convert | None]]]] = {}

    @classmethod
    def of(cls, schema: GraphQLSchema) -> "StrawberryFields | None":
        """Those of the Strawberry schema that made this one; None when none did."""
        made_by = schema.extensions.get(DEFINITION)
        return cls(made_by) if isinstance(made_by, Schema) else None

    def reader(self, field: GraphQLField) -> Reader | None:
        """How a field without a resolver is read; None for all others."""
        key = id(field)  # the schema keeps its fields
        if key not in self._readers:
            self._readers[key] = self._reader(field)
        return self._readers[key]

    def _reader(self, field: GraphQLField) -> Reader | None:
        definition = _definition(field)
        if definition is None or not definition.is_basic_field:
            return None
        if getattr(field.resolve, "_is_default", False) is not True or field.args:
            return None
        name, resolver = definition.python_name, self._config.default_resolver
        if resolver is not getattr:
            return Reading(resolver, name)
        return Attribute(name) if is_plain_name(name) else Reading(getattr, name)

    def function(
        self, field: GraphQLField
    ) -> tuple[Function, Mapping[str, tuple[str, Convert | None]]] | None:
        """The resolver of a field with what its arguments are called; None for unusual ones."""
        definition = _definition(field)
        if definition is None or definition.base_resolver is None or not self._is_plain(definition):
            return None
        found = self._functions.get(id(field))
        if found is None:
            try:
                found = self._functions[id(field)] = self._function(definition)
            except UnsupportedOperation:
                return None
        return found

    def _is_plain(self, field: StrawberryField) -> bool:
        return (
            not field.extensions
            and not field.is_subscription
            and self._config.info_class is Info
            and not self._converter._get_field_exception_handlers(field)
        )

    def _function(
        self, field: StrawberryField
    ) -> tuple[Function, dict[str, tuple[str, Convert | None]]]:
        resolver = field.base_resolver
        assert resolver is not None
        names = [
            parameter.name
            for parameter in (resolver.parent_parameter, resolver.root_parameter)
            if parameter is not None
        ]
        info = resolver.info_parameter

        def arguments_of(run: Run, column: Column, level: Level, index: int) -> dict[str, Any]:
            executor = run.executor
            given = reference_arguments(column.field, column.nodes[0], executor.variable_values)
            return convert_arguments(
                given,
                field.arguments,
                self._converter.scalar_registry,
                self._config,
                LazyInfo(run, column, level, index),
            )

        function = Function(
            cast(Callable[..., Any], resolver.wrapped_func),
            takes_parent=resolver.self_parameter is not None,
            parent_names=tuple(dict.fromkeys(names)),
            info_name=info.name if info else None,
            make_info=LazyInfo,
            arguments_of=arguments_of,
        )
        arguments = {
            self._config.name_converter.from_argument(argument): (
                argument.python_name,
                self._conversion(argument.type, ()),
            )
            for argument in field.arguments
        }
        return function, arguments

    def _conversion(self, type_: Any, above: tuple[Any, ...]) -> Convert | None:
        """What makes the Python value of a coerced one; None when it is that already.

        Raises: UnsupportedOperation for types that have their own way.
        """
        if isinstance(type_, LazyType):
            return self._conversion(type_.resolve_type(), above)
        if isinstance(type_, StrawberryMaybe):
            raise UnsupportedOperation("an argument that may be left out (Maybe)")
        if isinstance(type_, StrawberryOptional):
            return _unless_null(self._conversion(type_.of_type, above))
        if isinstance(type_, StrawberryList):
            return _list_of(self._conversion(type_.of_type, above))
        if isinstance(type_, StrawberryEnumDefinition):
            return None
        if type_ is not GlobalID and is_scalar(type_, self._converter.scalar_registry):
            return None
        if has_object_definition(type_) and type_ not in above:
            return self._input_conversion(type_, (*above, type_))
        raise UnsupportedOperation(f"an argument of type {type_}")

    def _input_conversion(self, class_: type, above: tuple[Any, ...]) -> Convert:
        definition: StrawberryObjectDefinition = class_.__strawberry_definition__  # type: ignore[attr-defined]
        if definition.from_input is not None or definition.concrete_of is not None:
            raise UnsupportedOperation(f"the input {definition.name}, which makes itself")
        fields = [
            (
                self._config.name_converter.from_field(field),
                field.python_name,
                self._conversion(field.resolve_type(type_definition=definition), above),
                not field.init or _has_default(field),
            )
            for field in definition.fields
        ]
        missing = {name: None for _, name, _, has_default in fields if not has_default}

        def convert(value: Any) -> Any:
            if value is None:
                return None
            arguments: dict[str, Any] = missing.copy()
            for graphql_name, name, convert_field, _ in fields:
                if graphql_name in value:
                    given = value[graphql_name]
                    arguments[name] = convert_field(given) if convert_field else given
            return class_(**arguments)

        return convert


def asks_nothing_of_info(type_: GraphQLObjectType) -> bool:
    """Whether the type has no `is_type_of`, or Strawberry's, which does not look at the info."""
    if type_.is_type_of is None:
        return True
    definition = (type_.extensions or {}).get(DEFINITION)
    return isinstance(definition, StrawberryObjectDefinition) and definition.is_type_of is None


def check_of(type_: GraphQLObjectType) -> tuple[TypeCheck | None, TypeCheck | None]:
    """What a type asks of an object: without the resolve info, and with it."""
    if asks_nothing_of_info(type_) or hasattr(type_.is_type_of, BY_CLASS):
        return type_.is_type_of, None
    return None, type_.is_type_of


def _definition(field: GraphQLField) -> StrawberryField | None:
    definition = (field.extensions or {}).get(DEFINITION)
    return definition if isinstance(definition, StrawberryField) else None


def _has_default(field: StrawberryField) -> bool:
    return field.default_value is not MISSING or field.default_factory is not MISSING


def _unless_null(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda value: None if value is None else convert(value)


def _list_of(convert: Convert | None) -> Convert:
    if convert is None:
        return lambda value: None if value is None else list(value)
    return lambda value: None if value is None else [convert(item) for item in value]
