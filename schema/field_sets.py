"""Field sets: what `@key`, `@requires` and `@provides` name must be there, and what it looks like.

Source: Apollo Federation subgraph specification, scalar FieldSet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_leaf_type,
    parse,
)
from strawberry.federation.schema_directives import Key, Provides, Requires

TYPE_NAME = "__typename"


class FieldSetError(ValueError):
    """A key, requires or provides field set does not fit its type."""


class CoercionError(ValueError):
    """A value is not of the type that its field has; the message says which was expected."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A field that a field set takes, with its GraphQL type, and what it takes below it."""

    type: GraphQLOutputType
    below: "Shape | None" = None


Shape = Mapping[str, Taken]
"""What a field set takes of an object, by the names of the fields."""


def check_field_sets(schema: GraphQLSchema) -> None:
    """Insists that every field set names fields that exist. Raises: FieldSetError."""
    for type_, directive in directives_of_types(schema):
        if isinstance(directive, Key):
            key_shape(schema, type_, directive)
    for type_ in _composite_types(schema):
        required_shape(schema, type_)
        for name, field, directive in _directives_of_fields(type_):
            if isinstance(directive, Provides):
                provided = get_named_type(field.type)
                where = f"{type_.name}.{name} @provides"
                _Reader(schema, where).shape(provided, directive.fields)


def selections_of(field_set: str, where: str = "The text") -> SelectionSetNode:
    """What a field set names. Raises: FieldSetError when it cannot be read."""
    try:
        document = parse("{" + field_set + "}", no_location=True)
    except GraphQLSyntaxError as error:
        raise FieldSetError(f"{where} is not a field set: {error.message}") from None
    if len(document.definitions) > 1:
        raise FieldSetError(f"{where} is not a field set: it closes a brace too many")
    return cast(OperationDefinitionNode, document.definitions[0]).selection_set


def key_shape(schema: GraphQLSchema, type_: Any, key: Key) -> Shape:
    """What a key takes of its entity. Raises: FieldSetError.

    A union or an interface has no identity, so a key takes none, as composition insists too.
    """
    where = f'{type_.name} @key(fields: "{key.fields}")'
    return _Reader(schema, where, concrete=True).shape(type_, key.fields)


def required_shape(schema: GraphQLSchema, type_: Any) -> Shape:
    """What all the fields of a type require of it together. Raises: FieldSetError."""
    shape: Shape = {}
    for name, _, directive in _directives_of_fields(type_):
        if isinstance(directive, Requires):
            where = f"{type_.name}.{name} @requires"
            shape = merged(shape, _Reader(schema, where).shape(type_, directive.fields), where)
    return shape


def merged(one: Shape, other: Shape, where: str) -> Shape:
    """What either takes. Raises: FieldSetError when they give a field different types."""
    both = dict(one)
    for name, taken in other.items():
        known = both.get(name, taken)
        if str(known.type) != str(taken.type):
            raise FieldSetError(f"{where}: {name!r} is both {known.type} and {taken.type}")
        below = merged(known.below or {}, taken.below or {}, where)
        both[name] = Taken(taken.type, below or None)
    return both


def is_whole(shape: Shape, value: Mapping[str, object]) -> bool:
    """Whether nothing that the shape takes of an object is missing or null.

    What is of another type than its field counts as there: coercing it tells what is wrong.
    """
    return all(_is_there(taken.type, taken.below, value.get(name)) for name, taken in shape.items())


def _is_there(type_: Any, below: Shape | None, value: object) -> bool:
    type_ = get_nullable_type(type_)
    if value is None or below is None:
        return value is not None
    if isinstance(type_, GraphQLList):  # as deep as the type, not as what a client sends
        items = value if isinstance(value, list) else ()
        return all(_is_there(type_.of_type, below, item) for item in items)
    return not isinstance(value, Mapping) or is_whole(below, value)


def coerced(shape: Shape, value: Mapping[str, object], where: str = "") -> dict[str, Any]:
    """What the shape takes of an object, read through the types; everything else is dropped.

    A field that is missing stays missing. Raises: CoercionError.
    """
    return {
        name: _coerced(taken.type, taken.below, value[name], f"{where}{name}")
        for name, taken in shape.items()
        if name in value
    }


def _coerced(type_: Any, below: Shape | None, value: object, where: str) -> Any:
    if isinstance(type_, GraphQLNonNull):
        if value is None:
            raise CoercionError(f"{where} not to be null")
        type_ = type_.of_type
    if value is None:
        return None
    if isinstance(type_, GraphQLList):
        if not isinstance(value, list):
            raise CoercionError(f"{where} to be a list")
        return [_coerced(type_.of_type, below, item, where) for item in value]
    if below is not None:
        if not isinstance(value, Mapping):
            raise CoercionError(f"{where} to be an object")
        return coerced(below, value, f"{where}.")
    try:
        return type_.parse_value(value)
    except Exception:  # a scalar's own parser may raise anything
        raise CoercionError(f"{where} to be of type {type_}") from None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one field set, named in its errors."""

    schema: GraphQLSchema
    where: str
    concrete: bool = False

    def shape(self, type_: Any, field_set: object) -> Shape:
        return self._selected(type_, selections_of(str(field_set), self.where))

    def _selected(self, type_: Any, selections: SelectionSetNode) -> Shape:
        shape: Shape = {}
        if is_abstract_type(type_):
            shape = {TYPE_NAME: Taken(GraphQLString)}  # gateways send it along
        for node in selections.selections:
            if isinstance(node, FieldNode):
                taken = {node.name.value: self._field(type_, node)}
            elif isinstance(node, InlineFragmentNode) and not self.concrete:
                taken = dict(self._fragment(type_, node))
            else:
                raise FieldSetError(f"{self.where}: only fields have a place here")
            shape = merged(shape, taken, self.where)
        return shape

    def _field(self, type_: Any, node: FieldNode) -> Taken:
        name = node.name.value
        if node.alias or node.arguments or node.directives:
            raise FieldSetError(f"{self.where}: {name!r} stands alone, with no alias or argument")
        if name == TYPE_NAME:
            return Taken(GraphQLString)
        fields = getattr(type_, "fields", {})
        if name not in fields:
            raise FieldSetError(
                f"{self.where}: {type_} has no field {name!r}; it has {', '.join(fields)}"
            )
        field = fields[name]
        named = get_named_type(field.type)
        if is_leaf_type(named) and node.selection_set:
            raise FieldSetError(f"{self.where}: {name!r} is a {named}, which has no fields")
        if is_leaf_type(named):
            return Taken(field.type)
        if self.concrete and is_abstract_type(named):
            raise FieldSetError(f"{self.where}: {name!r} is not of one object type, but {named}")
        if not node.selection_set:
            raise FieldSetError(f"{self.where}: {name!r} needs fields of {named} in braces")
        return Taken(field.type, self._selected(named, node.selection_set))

    def _fragment(self, type_: Any, node: InlineFragmentNode) -> Shape:
        if node.type_condition:
            name = node.type_condition.name.value
            type_ = self.schema.type_map.get(name)
            if not is_composite_type(type_):
                raise FieldSetError(f"{self.where}: there is no type {name!r} with fields")
        return self._selected(type_, node.selection_set)


def directives_of_types(
    schema: GraphQLSchema,
) -> Iterator[tuple[GraphQLObjectType | GraphQLInterfaceType, object]]:
    """Every directive on an object type or an interface, with the type."""
    for type_ in _composite_types(schema):
        for directive in _directives(type_):
            yield type_, directive


def _directives_of_fields(type_: Any) -> Iterator[tuple[str, Any, Any]]:
    for name, field in type_.fields.items():
        for directive in _directives(field):
            yield name, field, directive


def _directives(element: Any) -> Any:
    definition = element.extensions.get("strawberry-definition")
    return getattr(definition, "directives", None) or ()


def _composite_types(
    schema: GraphQLSchema,
) -> Iterator[GraphQLObjectType | GraphQLInterfaceType]:
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            yield type_
