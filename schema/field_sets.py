"""Field sets: what `@key`, `@requires` and `@provides` name must be there."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    get_named_type,
    is_leaf_type,
    parse,
)
from strawberry.federation.schema_directives import Key, Provides, Requires


class FieldSetError(ValueError):
    """A key, requires or provides field set does not fit its type."""


def check_field_sets(schema: GraphQLSchema) -> None:
    """Insists that every field set names fields that exist. Raises: FieldSetError.

    Keys are further held to leaf fields, because a key is coerced through their types.
    """
    for type_, directive in directives_of_types(schema):
        if isinstance(directive, Key):
            where = f'{type_.name} @key(fields: "{directive.fields}")'
            _check_selections(where, type_, selections_of(str(directive.fields)), leaves_only=True)
    for type_ in _object_types(schema):
        for name, field in type_.fields.items():
            definition = field.extensions.get("strawberry-definition")
            for directive in getattr(definition, "directives", ()):
                if isinstance(directive, Requires | Provides):
                    target = (
                        type_ if isinstance(directive, Requires) else get_named_type(field.type)
                    )
                    where = f"{type_.name}.{name} @{type(directive).__name__.lower()}"
                    _check_selections(where, target, selections_of(str(directive.fields)))


def _check_selections(
    where: str, type_: Any, selections: Sequence[FieldNode], *, leaves_only: bool = False
) -> None:
    for node in selections:
        fields = getattr(type_, "fields", {})
        field = fields.get(node.name.value)
        if field is None:
            known = ", ".join(fields)
            raise FieldSetError(
                f"{where}: {type_} has no field {node.name.value!r}; it has {known}"
            )
        named = get_named_type(field.type)
        if leaves_only and not is_leaf_type(named):
            raise FieldSetError(f"{where}: {node.name.value!r} is not a scalar or an enum")
        if node.selection_set:
            nested = cast(Sequence[FieldNode], node.selection_set.selections)
            _check_selections(where, named, nested)


def selections_of(field_set: str) -> Sequence[FieldNode]:
    """The fields that a field set names. Raises: FieldSetError when it cannot be read."""
    try:
        operation = parse("{" + field_set + "}", no_location=True).definitions[0]
    except GraphQLSyntaxError as error:
        raise FieldSetError(f"{field_set!r} is not a field set: {error.message}") from None
    selection_set = cast(OperationDefinitionNode, operation).selection_set
    return cast(Sequence[FieldNode], selection_set.selections)


def _object_types(schema: GraphQLSchema) -> Iterator[GraphQLObjectType]:
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            yield type_


def directives_of_types(schema: GraphQLSchema) -> Iterator[tuple[GraphQLObjectType, object]]:
    """Every directive on an object type, with the type."""
    for type_ in _object_types(schema):
        definition = type_.extensions.get("strawberry-definition")
        for directive in getattr(definition, "directives", None) or ():
            yield type_, directive
