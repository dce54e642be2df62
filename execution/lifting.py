"""Literal lifting: operations that differ only in inline literals share one document.

`{ user(by: {id: "x"}) { handle } }` with a million ids is one *skeleton*: the text with its strings
and numbers left out. The first operation of a skeleton teaches the document with variables in place
of the literals; every later one only gives their values, without being parsed or validated.

What resolvers see in `info.variable_values`, `info.operation` and `info.field_nodes` is the lifted
operation: the literals' variables are there, and places are those of the text it was learned from.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLSchema,
    GraphQLString,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NamedTypeNode,
    NameNode,
    Node,
    NonNullTypeNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Source,
    SourceLocation,
    StringValueNode,
    VariableDefinitionNode,
    VariableNode,
    get_location,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
)

from execution.acceptance import is_certainly_valid
from execution.parsing import COMMENT, ESCAPE, IGNORED, NAME, NUMBER, STRING, string_value

__all__ = ["Lifted", "Skeleton", "lift", "skeleton_of"]

# One unit begins with a character that little else begins with, so that the search for units skips
# most of the text. A group is filled for a string, for a number, and for a quote that opens neither
# a string nor a block string; comments, directives, default values and block strings fill none.
_DIRECTIVE = rf'{IGNORED}{NAME}{IGNORED}(?:\((?:[^()"#]++|{STRING}|{COMMENT})*+\))?+'
_BLOCK_STRING = r'""(?:[^"\\]++|\\(?:""")?+|"(?!""))*+"""'
_UNITS = re.compile(
    r'["#@=\-0-9](?:'
    rf'(?<=")(?:((?!"")(?:[^"\\\n\r\ud800-\udfff]++|{ESCAPE})*+")|{_BLOCK_STRING}|())|'
    r"(?<=[\-0-9])(?<![_.0-9A-Za-z].)"
    r"((?:(?<=-)(?:0|[1-9][0-9]*+)|(?<=0)|(?<=[1-9])[0-9]*+)"
    r"(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+(?![._0-9A-Za-z]))|"
    rf"(?<=\#)[^\n\r]*+|(?<=@){_DIRECTIVE}|(?<==){IGNORED}(?:{STRING}|{NUMBER})?+)"
)
_STRING_GROUP, _BAD_GROUP = 1, 2

# Stand for a literal in the key: NUL is no character of a document outside of strings and comments.
_A_STRING, _AN_INT, _A_FLOAT = "\0s", "\0i", "\0f"


class Skeleton(NamedTuple):
    """A text without its literals, and the literals as they are written, in the text's order."""

    key: str
    literals: tuple[str, ...]


def skeleton_of(text: str) -> Skeleton | None:
    """Gives the text's skeleton, or None when it has no literal that could be lifted.

    Texts of one key have the same tokens, but for literals of the same kind (string, int, float).
    Block strings and the literals of directives and default values stay in the key.
    """
    if "\0" in text:
        return None
    key: list[str] = []
    literals: list[str] = []
    rest = 0
    for unit in _UNITS.finditer(text):
        group = unit.lastindex
        if group is None:
            continue
        if group == _BAD_GROUP:
            return None
        start, end = unit.span()
        literal = text[start:end]
        key += (text[rest:start], _A_STRING if group == _STRING_GROUP else _number(literal))
        literals.append(literal)
        rest = end
    if not literals:
        return None
    key.append(text[rest:])
    return Skeleton("".join(key), tuple(literals))


@dataclass(frozen=True, slots=True)
class Lifted:
    """An operation with variables in place of the literals of the text it was learned from.

    `names` holds, in the order of the literals, the variable of each, or None where the literal
    stayed in the document because it is not certain how it would be converted.
    """

    document: DocumentNode
    names: tuple[str | None, ...]
    _converters: tuple[Callable[[str], Any], ...]
    _literals: tuple[str, ...]
    _starts: tuple[int, ...]

    def variables(self, literals: Sequence[str]) -> dict[str, Any] | None:
        """Gives the values of the literals' variables, to be put over those of the client.

        None when this operation is not that of these literals (one is out of its type's range, or
        one that stayed in the document differs): the text has to be carried out as it is.
        """
        if len(literals) != len(self.names):
            return None
        values = {}
        for name, convert, literal in zip(self.names, self._converters, literals, strict=True):
            try:
                value = convert(literal)
            except ValueError:
                return None
            if name is not None:
                values[name] = value
        return values

    def relocated(self, error: GraphQLError, text: str) -> list[SourceLocation] | None:
        """Gives the locations of an error of this document as those of the text that was sent."""
        skeleton = skeleton_of(text)
        if error.positions is None or skeleton is None:
            return error.locations
        source = Source(text)
        return [
            get_location(source, self._moved(position, skeleton.literals))
            for position in error.positions
        ]

    def _moved(self, position: int, literals: tuple[str, ...]) -> int:
        longer = (
            len(sent) - len(learned)
            for start, sent, learned in zip(self._starts, literals, self._literals, strict=True)
            if start < position
        )
        return position + sum(longer)


def lift(
    schema: GraphQLSchema, text: str, document: DocumentNode, operation_name: str | None = None
) -> Lifted | None:
    """Gives the lifted operation of a valid document, or None when it cannot be lifted.

    The document must be that of the text, and valid: then the operation is so for all literals for
    which `Lifted.variables` gives values. It holds the operation of that name and its fragments
    only, and is right for texts of the same skeleton and the same operation name.
    """
    skeleton = skeleton_of(text)
    operation = get_operation_ast(document, operation_name)
    if skeleton is None or operation is None:
        return None
    starts = tuple(unit.start() for unit in _UNITS.finditer(text) if unit.lastindex)
    learner = _Learner(schema, document, operation)
    names: list[str | None] = []
    converters: list[Callable[[str], Any]] = []
    for start, literal in zip(starts, skeleton.literals, strict=True):
        name, converter = learner.learned.get(start, (None, _same_as(literal)))
        names.append(name)
        converters.append(converter)
    if not any(names):
        return None
    lifted = learner.document()
    # Two literals are two variables: fields that merged because theirs were equal no longer do.
    if not is_certainly_valid(schema, lifted):
        return None
    return Lifted(lifted, tuple(names), tuple(converters), skeleton.literals, starts)


def _number(literal: str) -> str:
    return _A_FLOAT if "." in literal or "e" in literal or "E" in literal else _AN_INT


def _same_as(learned: str) -> Callable[[str], str]:
    def convert(literal: str) -> str:
        if literal != learned:
            raise ValueError(literal)
        return literal

    return convert


def _int(literal: str) -> int:
    # The length first: nobody shall make us read a number of a million digits.
    if len(literal) > 11 or not -(2**31) <= int(literal) < 2**31:
        raise ValueError(literal)
    return int(literal)


def _float(literal: str) -> float:
    value = float(literal)
    # As a literal an infinite number passes, as a variable it does not.
    if not isfinite(value):
        raise ValueError(literal)
    return value


# How graphql-core reads a literal of a built-in scalar, for each class of literals it accepts.
_CONVERTERS: dict[Any, dict[type[Node], Callable[[str], Any]]] = {
    GraphQLInt: {IntValueNode: _int},
    GraphQLFloat: {IntValueNode: _float, FloatValueNode: _float},
    GraphQLString: {StringValueNode: string_value},
    GraphQLID: {StringValueNode: string_value, IntValueNode: str},
}


class _Learner:
    """Finds the literals of an operation that can be lifted, and puts variables in their place."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._known = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._fragments: dict[str, FragmentDefinitionNode | None] = {}
        self._definitions: list[VariableDefinitionNode] = []
        self._prefix = _free_prefix(operation)
        # By where a literal starts: its variable, and what makes a value of it.
        self.learned: dict[int, tuple[str, Callable[[str], Any]]] = {}
        root = schema.get_root_type(operation.operation)
        self._selections = self._selection_set(operation.selection_set, root)

    def document(self) -> DocumentNode:
        """Gives the document of the operation and its fragments, without its literals."""
        definitions = (*(self._operation.variable_definitions or ()), *self._definitions)
        operation = _changed(
            self._operation, variable_definitions=definitions, selection_set=self._selections
        )
        fragments = [fragment for fragment in self._fragments.values() if fragment]
        return DocumentNode(definitions=(operation, *fragments))

    def _selection_set(self, selection_set: SelectionSetNode, parent: Any) -> Any:
        selections = [self._selection(node, parent) for node in selection_set.selections]
        return _changed(selection_set, selections=tuple(selections))

    def _selection(self, node: Any, parent: Any) -> Any:
        if isinstance(node, FragmentSpreadNode):
            self._fragment(node.name.value)
            return node
        if isinstance(node, InlineFragmentNode):
            target = self._target(node.type_condition) if node.type_condition else parent
            return _changed(node, selection_set=self._selection_set(node.selection_set, target))
        return self._field(node, parent) if node.arguments or node.selection_set else node

    def _fragment(self, name: str) -> None:
        if name not in self._fragments:
            # Entered first, although a valid document has no circle.
            self._fragments[name] = None
            fragment = self._known[name]
            target = self._target(fragment.type_condition)
            selections = self._selection_set(fragment.selection_set, target)
            self._fragments[name] = _changed(fragment, selection_set=selections)

    def _target(self, condition: NamedTypeNode) -> Any:
        return self._schema.get_type(condition.name.value)

    def _field(self, node: Any, parent: Any) -> Any:
        field = self._schema.get_field(parent, node.name.value)
        assert field
        if node.arguments:
            node = _changed(node, arguments=self._given(node.arguments, field.args))
        if node.selection_set:
            inner = get_named_type(field.type)
            node = _changed(node, selection_set=self._selection_set(node.selection_set, inner))
        return node

    def _given(self, nodes: Sequence[Any], defined: dict[str, Any]) -> tuple[Any, ...]:
        """Gives arguments, or the fields of an object, with the literals of their values lifted."""
        return tuple(
            _changed(node, value=self._value(node.value, defined[node.name.value].type))
            for node in nodes
        )

    def _value(self, node: Any, given_type: GraphQLInputType) -> Any:
        type_ = get_nullable_type(given_type)
        if isinstance(node, ListValueNode):
            if not isinstance(type_, GraphQLList):
                return node
            values = [self._value(item, type_.of_type) for item in node.values]
            return _changed(node, values=tuple(values))
        if isinstance(node, ObjectValueNode):
            named_type = get_named_type(type_)
            if not isinstance(named_type, GraphQLInputObjectType):
                return node
            return _changed(node, fields=self._given(node.fields, named_type.fields))
        if isinstance(node, StringValueNode) and node.block:
            return node
        converter = _CONVERTERS.get(type_, {}).get(type(node))
        return self._variable(node, type_, converter) if converter else node

    def _variable(self, node: Any, type_: Any, converter: Callable[[str], Any]) -> VariableNode:
        """Gives a variable in place of the literal, of a type that suits oneOf and required."""
        name = NameNode(value=f"{self._prefix}{len(self.learned)}", loc=node.loc)
        variable = VariableNode(name=name, loc=node.loc)
        named_type = NamedTypeNode(name=NameNode(value=type_.name, loc=node.loc), loc=node.loc)
        required = NonNullTypeNode(type=named_type, loc=node.loc)
        self._definitions.append(
            VariableDefinitionNode(variable=variable, type=required, loc=node.loc)
        )
        self.learned[node.loc.start] = name.value, converter
        return variable


def _changed(node: Any, **changes: Any) -> Any:
    """Gives a copy of a node, which is frozen, with other attributes."""
    # dataclasses.replace checks and sets every attribute, at several times the price.
    copied = object.__new__(type(node))
    copied.__dict__.update(node.__dict__, **changes)
    return copied


def _free_prefix(operation: OperationDefinitionNode) -> str:
    taken = [node.variable.name.value for node in operation.variable_definitions or ()]
    prefix = "literal"
    while any(name.startswith(prefix) for name in taken):
        prefix += "_"
    return prefix
