"""Cost: what an operation is worth, from its document and the values of its variables.

Source: IBM's cost directive specification, as Apollo's demand control reads it: a field costs its
own weight, and for each object it may give the weight of that object and of its fields. Lists have
the size that their arguments ask for, else one that is assumed. A document is looked at once; a
price is then a sum over those sizes that variables decide.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    VariableNode,
    get_named_type,
    get_operation_ast,
    is_composite_type,
    is_list_type,
)
from graphql.utilities.coerce_input_value import coerce_default_value

OBJECT_WEIGHT = 1.0
LEAF_WEIGHT = 0.05
"""A leaf is read and written; an object has to be found as well."""

MOST = 1e9
"""The largest size that is told from others; finite, so that nothing becomes no number."""

Size = Callable[[Mapping[str, Any]], float]
"""Values of variables in, the size of a list out."""

Sized = tuple[tuple[str, ...], "float | Size"] | None
"""The fields of an object whose size is known from the field above, and that size."""


@dataclass(frozen=True, slots=True)
class ListSize:
    """How many items a list has: as many as its arguments ask for, or so many as assumed.

    `sized_fields` are the fields of the object that hold the list (`edges` of a connection).
    """

    assumed: int
    slicing_arguments: tuple[str, ...] = ()
    sized_fields: tuple[str, ...] = ()


class Price(NamedTuple):
    """A cost: what is sure, and for each list that variables size, what one item of it costs."""

    constant: float = 0.0
    lists: "tuple[tuple[Size, Price], ...]" = ()

    def of(self, variables: Mapping[str, Any]) -> float:
        """The price for these values of the variables."""
        price = self.constant
        for size, item in self.lists:
            price += size(variables) * item.of(variables)
        return price

    def plus(self, other: "Price") -> "Price":
        """Both together."""
        return Price(self.constant + other.constant, self.lists + other.lists)

    def times(self, size: "float | Size") -> "Price":
        """So many of it; a size that variables decide stays open."""
        if callable(size):
            return Price(0.0, ((size, self),))
        return Price(self.constant * size, tuple((of, item.times(size)) for of, item in self.lists))


@dataclass(slots=True)
class CostModel:
    """What the fields of a schema cost: `weights` and `sizes` go by coordinates as in `User.id`.

    A field without a weight costs nothing by itself if it gives objects, else `LEAF_WEIGHT`.
    """

    schema: GraphQLSchema
    weights: Mapping[str, float] = field(default_factory=dict)
    sizes: Mapping[str, ListSize] = field(default_factory=dict)

    def price(self, document: DocumentNode, operation_name: str | None) -> Price:
        """The price of an operation of a valid document whose expanded fields are limited."""
        operation = get_operation_ast(document, operation_name)
        root = self.schema.get_root_type(operation.operation) if operation else None
        if operation is None or root is None:
            return Price()
        return _Pricing(self, document, operation).of(operation.selection_set, root, None)

    def actual(self, document: DocumentNode, operation_name: str | None, data: Any) -> float:
        """What the answer to an operation was worth, by what is in it."""
        operation = get_operation_ast(document, operation_name)
        root = self.schema.get_root_type(operation.operation) if operation else None
        if operation is None or root is None or data is None:
            return 0.0
        counting = _Counting(self, _fragments_of(document))
        return counting.fields(operation.selection_set, root, data)

    def weight(self, coordinate: str, type_: GraphQLNamedType) -> float:
        """What a field costs by itself."""
        default = 0.0 if is_composite_type(type_) else LEAF_WEIGHT
        return self.weights.get(coordinate, default)

    def object_weight(self, type_: GraphQLNamedType) -> float:
        """What an object costs without its fields; that of a leaf is its field's."""
        return self.weights.get(type_.name, OBJECT_WEIGHT) if is_composite_type(type_) else 0.0


class _Pricing:
    """The pricing of one operation; what a fragment costs on a type is worked out once."""

    def __init__(
        self, model: CostModel, document: DocumentNode, operation: OperationDefinitionNode
    ) -> None:
        self._model = model
        self._fragments = _fragments_of(document)
        self._defaults = {
            definition.variable.name.value: definition.default_value
            for definition in operation.variable_definitions or ()
        }
        self._known: dict[tuple[str, Sized], Price] = {}

    def of(self, selection_set: SelectionSetNode, parent: GraphQLNamedType, sized: Sized) -> Price:
        """What the selections cost.

        Of an abstract type, what is selected on each of its types is added up: never too little.
        """
        price = Price()
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                price = price.plus(self._field(node, parent, sized))
            elif isinstance(node, FragmentSpreadNode):
                price = price.plus(self._spread(node.name.value, sized))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                type_ = self._type(condition.name.value) if condition else parent
                price = price.plus(self.of(node.selection_set, type_, sized))
        return price

    def _spread(self, name: str, sized: Sized) -> Price:
        key = (name, sized)
        if key not in self._known:
            fragment = self._fragments[name]
            type_ = self._type(fragment.type_condition.name.value)
            self._known[key] = self.of(fragment.selection_set, type_, sized)
        return self._known[key]

    def _type(self, name: str) -> GraphQLNamedType:
        return self._model.schema.type_map[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType, sized: Sized) -> Price:
        name = node.name.value
        definition: GraphQLField | None = getattr(parent, "fields", {}).get(name)
        if definition is None:  # __typename, or introspection
            return Price(self._model.weights.get(f"{parent.name}.{name}", LEAF_WEIGHT))
        coordinate = f"{parent.name}.{name}"
        type_ = get_named_type(definition.type)
        size = self._model.sizes.get(coordinate)
        asked: float | Size = self._size(size, node, definition) if size else 1.0
        own = Price(self._model.weight(coordinate, type_))
        if not is_composite_type(type_):
            return own.times(asked) if _is_list(definition.type) else own
        below = self._object(node, type_, size, asked)
        if sized and name in sized[0]:
            below = below.times(sized[1])
        elif _is_list(definition.type):
            below = below.times(asked)
        return own.plus(below)

    def _object(
        self, node: FieldNode, type_: GraphQLNamedType, size: ListSize | None, asked: "float | Size"
    ) -> Price:
        """One object with its fields."""
        sized = (size.sized_fields, asked) if size and size.sized_fields else None
        below = self.of(node.selection_set, type_, sized) if node.selection_set else Price()
        return Price(self._model.object_weight(type_)).plus(below)

    def _size(self, size: ListSize, node: FieldNode, definition: GraphQLField) -> "float | Size":
        """The largest of the sizes that arguments ask for; the assumed one where none does."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        known: float = -1.0
        open_: list[Size] = []
        for name in size.slicing_arguments:
            value = given.get(name)
            if isinstance(value, VariableNode):
                open_.append(self._variable(value.name.value, size.assumed))
            elif value is not None:
                known = max(known, _length(value))
            else:
                known = max(known, _default(definition, name, size.assumed))
        if open_:
            return lambda variables: max(known, *(each(variables) for each in open_), 0.0)
        return known if known >= 0 else float(size.assumed)

    def _variable(self, name: str, assumed: int) -> Size:
        default = self._defaults.get(name)
        without = float(assumed) if default is None else _length(default)

        def size(variables: Mapping[str, Any]) -> float:
            value = variables.get(name, Undefined)
            return without if value is Undefined else _size_of(value)

        return size


class _Counting:
    """The cost of an answer; fields that were asked for twice count once."""

    def __init__(self, model: CostModel, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._model = model
        self._fragments = fragments
        self._counted: set[tuple[int, str]] = set()

    def fields(
        self, selection_set: SelectionSetNode, parent: GraphQLNamedType, value: Mapping[str, Any]
    ) -> float:
        """What the selections of one object were worth; it holds only those of its own type."""
        cost = 0.0
        for node in selection_set.selections:
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                if key in value:
                    cost += self._field(node, key, parent, value)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                cost += self._on(fragment, fragment.type_condition, parent, value)
            elif isinstance(node, InlineFragmentNode):
                cost += self._on(node, node.type_condition, parent, value)
        return cost

    def _on(self, node: Any, condition: Any, parent: GraphQLNamedType, value: Any) -> float:
        type_ = self._model.schema.type_map[condition.name.value] if condition else parent
        return self.fields(node.selection_set, type_, value)

    def _field(
        self, node: FieldNode, key: str, parent: GraphQLNamedType, value: Mapping[str, Any]
    ) -> float:
        definition = getattr(parent, "fields", {}).get(node.name.value)
        is_first = (id(value), key) not in self._counted
        self._counted.add((id(value), key))
        if definition is None:
            return LEAF_WEIGHT * is_first
        type_ = get_named_type(definition.type)
        cost = self._model.weight(f"{parent.name}.{node.name.value}", type_) * is_first
        items = value[key] if isinstance(value[key], list) else [value[key]]
        if node.selection_set is None:
            return cost * (len(items) if _is_list(definition.type) else 1)
        found = [item for item in items if item is not None]
        cost += self._model.object_weight(type_) * len(found) * is_first
        return cost + sum(self.fields(node.selection_set, type_, item) for item in found)


def _fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }


def _is_list(type_: Any) -> bool:
    return is_list_type(type_.of_type if isinstance(type_, GraphQLNonNull) else type_)


def _length(value: Any) -> float:
    """What a literal asks for."""
    if isinstance(value, IntValueNode):
        return min(float(value.value), MOST) if len(value.value) < 20 else MOST
    return float(len(value.values)) if isinstance(value, ListValueNode) else 1.0


def _size_of(value: Any) -> float:
    """What the value of a variable asks for; one of a wrong type asks for nothing: it is refused.

    A single value stands for a list of one.
    """
    if value.__class__ is list:
        return float(len(value))
    if value.__class__ is int or value.__class__ is float:
        return float(min(max(value, 0), MOST))
    return 0.0 if value is None else 1.0


def _default(definition: GraphQLField, name: str, assumed: int) -> float:
    argument = definition.args.get(name)
    value = coerce_default_value(argument) if argument else Undefined
    return float(value) if isinstance(value, int) else float(assumed)
