"""What a schema says about documents, found out once per schema: parents, fields, places."""

from collections.abc import Callable, Iterable
from typing import Any

from graphql import (
    BooleanValueNode,
    FloatValueNode,
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
    GraphQLUnionType,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    OperationType,
    SchemaMetaFieldDef,
    StringValueNode,
    TypeMetaFieldDef,
    TypeNameMetaFieldDef,
    Undefined,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)
from strawberry.types.base import StrawberryMaybe, StrawberryOptional
from strawberry.utils.str_converters import to_camel_case

__all__ = [
    "Arguments",
    "DirectiveFacts",
    "FieldFacts",
    "ParentFacts",
    "Place",
    "SchemaFacts",
    "facts_of",
]


EXTENSION = "facts-of-documents"
"""The schema's extension in which they are kept."""


def facts_of(schema: GraphQLSchema) -> "SchemaFacts":
    """Gives what the schema says; from the second time on for a look into a dictionary."""
    facts = schema.extensions.get(EXTENSION)
    if not isinstance(facts, SchemaFacts) or facts.schema is not schema:
        facts = schema.extensions[EXTENSION] = SchemaFacts(schema)
    return facts


class Place:
    """A place for an input value: of an argument, of an input field, or in a list."""

    __slots__ = (
        "accepts",
        "allowed",
        "fields",
        "forbids_null",
        "has_default",
        "is_one_of",
        "item",
        "type",
        "wants_required",
    )

    def __init__(self, type_: GraphQLInputType, has_default: bool = False) -> None:
        self.type = type_
        self.has_default = has_default
        self.forbids_null = isinstance(type_, GraphQLNonNull)
        self.item: Place | None = None
        self.fields: Arguments | None = None
        self.is_one_of = False
        # Set for the fields of a oneOf input: only a non-null variable may stand there.
        self.wants_required = False
        self.accepts: Callable[[Any], bool] = _never
        # The types of variables that proved to be allowed here: the subtypes of one type.
        self.allowed: set[tuple[str, bool]] = set()


class Arguments:
    """What can and must be given to a field or directive."""

    __slots__ = ("places", "required")

    def __init__(self, places: dict[str, Place], required: frozenset[str]) -> None:
        self.places = places
        self.required = required


class FieldFacts:
    """A field: `parent` is the type of its subfields, None for a leaf."""

    __slots__ = ("arguments", "parent", "shape")

    def __init__(self, arguments: Arguments, parent: "ParentFacts | None", shape: str) -> None:
        self.arguments = arguments
        self.parent = parent
        # Equal for types that do not conflict: subfields are compared by themselves.
        self.shape = shape


class ParentFacts:
    """A type with fields: which, and with which other types it has objects in common."""

    __slots__ = ("fields", "is_object", "name", "overlaps")

    def __init__(self, name: str, is_object: bool, overlaps: frozenset[str]) -> None:
        self.name = name
        self.is_object = is_object
        self.overlaps = overlaps
        self.fields: dict[str, FieldFacts] = {}


class DirectiveFacts:
    """Where a directive may stand, how often, and with what."""

    __slots__ = ("arguments", "is_repeatable", "locations")

    def __init__(
        self, arguments: Arguments, is_repeatable: bool, locations: frozenset[str]
    ) -> None:
        self.arguments = arguments
        self.is_repeatable = is_repeatable
        self.locations = locations


class SchemaFacts:
    """What every check asks of a schema, found out once."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.parents: dict[str, ParentFacts] = {}
        self._inputs: dict[str, Arguments] = {}
        self._add_parents(schema)
        self.roots = {
            operation: self.parents[root.name]
            for operation in OperationType
            if (root := schema.get_root_type(operation))
        }
        # How `@defer` and `@stream` may be used depends on much else.
        self.directives = {
            directive.name: DirectiveFacts(
                self._arguments(directive.args),
                directive.is_repeatable,
                frozenset(location.name for location in directive.locations),
            )
            for directive in schema.directives
            if directive.name not in ("defer", "stream")
        }

    def _add_parents(self, schema: GraphQLSchema) -> None:
        composites = {
            name: type_
            for name, type_ in schema.type_map.items()
            if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType)
        }
        possible = {
            name: {name}
            if isinstance(type_, GraphQLObjectType)
            else {object_type.name for object_type in schema.get_possible_types(type_)}
            for name, type_ in composites.items()
        }
        for name, type_ in composites.items():
            overlaps = {other for other in composites if possible[name] & possible[other]}
            self.parents[name] = ParentFacts(
                name, isinstance(type_, GraphQLObjectType), frozenset(overlaps | {name})
            )
        for name, type_ in composites.items():
            fields = {} if isinstance(type_, GraphQLUnionType) else dict(type_.fields)
            fields["__typename"] = TypeNameMetaFieldDef
            if type_ is schema.query_type:
                fields |= {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
            self.parents[name].fields = {
                field_name: self._field(field) for field_name, field in fields.items()
            }

    def _field(self, field: GraphQLField) -> FieldFacts:
        named_type, shape = get_named_type(field.type), str(field.type)
        arguments = self._arguments(field.args)
        if is_leaf_type(named_type):
            return FieldFacts(arguments, None, shape)
        shape = shape.replace(named_type.name, "{}")
        return FieldFacts(arguments, self.parents[named_type.name], shape)

    def _arguments(self, args: dict[str, GraphQLArgument]) -> Arguments:
        return Arguments(
            {name: self._given(arg) for name, arg in args.items()},
            frozenset(name for name, arg in args.items() if is_required_argument(arg)),
        )

    def _given(self, definition: GraphQLArgument | GraphQLInputField) -> Place:
        has_default = definition.default is not None or definition.default_value is not Undefined
        place = self.place(definition.type, has_default)
        strawberry_argument = definition.extensions.get("strawberry-definition")
        if _is_never_null(getattr(strawberry_argument, "type", None)):
            place.forbids_null = True
        return place

    def place(self, type_: GraphQLInputType, has_default: bool = False) -> Place:
        """Gives a place for values of the type."""
        place = Place(type_, has_default)
        inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(inner, GraphQLList):
            place.item = self.place(inner.of_type)
        elif isinstance(inner, GraphQLInputObjectType):
            self._fill(place, inner)
        else:
            place.accepts = _acceptor(inner)
        return place

    def _fill(self, place: Place, type_: GraphQLInputObjectType) -> None:
        definition = type_.extensions.get("strawberry-definition")
        place.is_one_of = type_.is_one_of or getattr(definition, "is_one_of", False)
        known = self._inputs.get(type_.name)
        if known is None:
            required = {n for n, field in type_.fields.items() if is_required_input_field(field)}
            # Entered before its fields are: an input may have fields of its own type.
            known = self._inputs[type_.name] = Arguments({}, frozenset(required))
            never_null = set(_never_null_fields(definition))
            for name, field in type_.fields.items():
                field_place = known.places[name] = self._given(field)
                field_place.wants_required = place.is_one_of
                if place.is_one_of or name in never_null:
                    field_place.forbids_null = True
        place.fields = known


def _never(_node: Any) -> bool:
    return False


def _acceptor(type_: GraphQLScalarType | GraphQLEnumType) -> Callable[[Any], bool]:
    """Gives what tells whether a literal, neither null nor a variable, is one of the type."""
    accepts = _BUILT_IN.get(type_)
    if accepts is not None:
        return accepts
    coerce = getattr(type_, "coerce_input_literal", None) or type_.parse_literal
    return lambda node: _is_coerced(coerce, node)


def _is_coerced(coerce: Callable[[Any], Any], node: Any) -> bool:
    # Lists and objects may hold variables, which graphql-core treats with care.
    if node.__class__ is ListValueNode or node.__class__ is ObjectValueNode:
        return False
    try:
        return coerce(node) is not Undefined
    except Exception:
        # Whatever a scalar raises is graphql-core's to report, in its own words.
        return False


def _is_int(node: Any) -> bool:
    if node.__class__ is not IntValueNode:
        return False
    return len(node.value) < 10 or (
        len(node.value) < 12 and -2_147_483_648 <= int(node.value) <= 2_147_483_647
    )


_BUILT_IN: dict[Any, Callable[[Any], bool]] = {
    GraphQLInt: _is_int,
    GraphQLFloat: lambda node: node.__class__ in (IntValueNode, FloatValueNode),
    GraphQLString: lambda node: node.__class__ is StringValueNode,
    GraphQLBoolean: lambda node: node.__class__ is BooleanValueNode,
    GraphQLID: lambda node: node.__class__ in (StringValueNode, IntValueNode),
}


def _is_never_null(strawberry_type: object) -> bool:
    """Tells whether it is `Maybe[T]`: may be left out, but is never null."""
    return isinstance(strawberry_type, StrawberryMaybe) and not isinstance(
        strawberry_type.of_type, StrawberryOptional
    )


def _never_null_fields(definition: object) -> Iterable[str]:
    for field in getattr(definition, "fields", ()):
        if _is_never_null(field.type):
            yield field.graphql_name or to_camel_case(field.python_name)
