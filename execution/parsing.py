"""Parsing of executable documents: the AST of `graphql.parse`, several times faster.

One regular expression cuts the text into tokens and a recursive descent builds the nodes. Whatever
is not plainly fine (syntax errors, block strings, surrogates, descriptions, type definitions, deep
nesting) is given to `graphql.parse`, so that every error is graphql-core's own.
"""

import re
from itertools import accumulate
from operator import itemgetter
from typing import Any

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    Lexer,
    ListTypeNode,
    ListValueNode,
    Location,
    NamedTypeNode,
    NameNode,
    NonNullTypeNode,
    NullValueNode,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Source,
    StringValueNode,
    Token,
    TokenKind,
    VariableDefinitionNode,
    VariableNode,
    parse,
)

__all__ = ["parse_operation", "string_value"]

# Repetitions are possessive (`*+`): no text, however hostile, makes the expression try twice.
COMMENT = r"#[^\n\r]*+"
IGNORED = rf"[ \t\n\r,\ufeff]*+(?:{COMMENT}[ \t\n\r,\ufeff]*+)*+"
NAME = r"[_A-Za-z][_0-9A-Za-z]*+"
# Nor does the search begin again at every digit of a number that is none, like `111...1x`.
NUMBER = r"(?<![0-9])-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+(?![._0-9A-Za-z])"
# A `\u` that spells half of a surrogate pair is left to graphql-core.
ESCAPE = r"\\(?:[\"\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})"
STRING = rf'"(?!"")(?:[^"\\\n\r]++|{ESCAPE})*+"'

_TOKENS = re.compile(rf"(({NAME}|[!$():=@\[\]{{}}]|\.\.\.|{STRING}|{NUMBER}){IGNORED})")
_LEADING = re.compile(IGNORED)
_COMMENTS = re.compile(COMMENT)
_ESCAPES = re.compile(ESCAPE)
_SURROGATES = re.compile("[\ud800-\udfff]")
_UNESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

# Stays well below graphql-core's own limit (200), which it then applies itself.
_MAX_DEPTH = 64


def parse_operation(text: str) -> DocumentNode:
    """Gives the document of `graphql.parse(text)`: equal nodes, locations and token count.

    Only the tokens of a location (`start_token`, `end_token`), which nobody asks for on the way of
    a request, are read when they are asked for. Takes linear time.

    Raises: GraphQLSyntaxError, as `graphql.parse` words it.
    """
    try:
        return _read_document(text)
    except (_NotPlain, RecursionError):
        pass
    return parse(text)


def string_value(token: str) -> str:
    """Gives what a string token that matches `STRING` says, its escapes resolved."""
    value = token[1:-1]
    return _ESCAPES.sub(_unescaped, value) if "\\" in value else value


class _NotPlain(Exception):
    """The text is not plainly fine: graphql-core decides."""


class _Location(Location):
    """A location whose tokens are read from the source when somebody asks for one of them."""

    __slots__ = ()
    # Made without arguments and filled in place: a call of a Python function doubles the price.
    __init__ = object.__init__

    def __getattr__(self, name: str) -> Token:
        if name not in ("start_token", "end_token"):
            raise AttributeError(name)
        tokens = _tokens_of(self.source)
        self.start_token, self.end_token = tokens.starting[self.start], tokens.ending[self.end]
        return self.start_token if name == "start_token" else self.end_token


class _DocumentLocation(_Location):
    """The location of a whole document, between the marks of its start and its end."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Token:
        if name not in ("start_token", "end_token"):
            raise AttributeError(name)
        tokens = _tokens_of(self.source)
        self.start_token, self.end_token = tokens.first, tokens.last
        return self.start_token if name == "start_token" else self.end_token


class _Tokens:
    """The tokens of a source as graphql-core reads them, found by where they start and end."""

    def __init__(self, source: Source) -> None:
        lexer = Lexer(source)
        self.first = lexer.token
        self.starting: dict[int, Token] = {}
        self.ending: dict[int, Token] = {}
        while (token := lexer.advance()).kind is not TokenKind.EOF:
            self.starting[token.start] = self.ending[token.end] = token
        self.last = token


def _tokens_of(source: Source) -> _Tokens:
    tokens: _Tokens | None = source.__dict__.get("tokens")
    if tokens is None:
        tokens = source.__dict__["tokens"] = _Tokens(source)
    return tokens


def _blank(node_class: type) -> Any:
    """Gives a class whose instances become nodes once they are filled.

    Nodes are frozen dataclasses: their own constructor sets attribute by attribute through
    `object.__setattr__`, at five times the price of filling a plain object and giving it the class.
    """
    return type(f"Blank{node_class.__name__}", (), {})


_Argument = _blank(ArgumentNode)
_Boolean = _blank(BooleanValueNode)
_Directive = _blank(DirectiveNode)
_Document = _blank(DocumentNode)
_Enum = _blank(EnumValueNode)
_Field = _blank(FieldNode)
_Float = _blank(FloatValueNode)
_Fragment = _blank(FragmentDefinitionNode)
_Spread = _blank(FragmentSpreadNode)
_Inline = _blank(InlineFragmentNode)
_Int = _blank(IntValueNode)
_ListType = _blank(ListTypeNode)
_List = _blank(ListValueNode)
_NamedType = _blank(NamedTypeNode)
_Name = _blank(NameNode)
_NonNull = _blank(NonNullTypeNode)
_Null = _blank(NullValueNode)
_ObjectField = _blank(ObjectFieldNode)
_Object = _blank(ObjectValueNode)
_Operation = _blank(OperationDefinitionNode)
_SelectionSet = _blank(SelectionSetNode)
_String = _blank(StringValueNode)
_VariableDefinition = _blank(VariableDefinitionNode)
_Variable = _blank(VariableNode)

_OPERATIONS = {operation.value: operation for operation in OperationType}
# What follows the name of a field that is more than its name.
_MORE = frozenset("(@{")


def _read_document(text: str) -> DocumentNode:
    if not text.isascii() and _SURROGATES.search(text):
        raise _NotPlain
    leading = _LEADING.match(text)
    first = leading.end() if leading else 0
    rows = _TOKENS.findall(text, first)
    starts = [*accumulate(map(len, map(itemgetter(0), rows)), initial=first)]
    # What the expression skipped is missing in the sum.
    if not rows or starts[-1] != len(text):
        raise _NotPlain
    tokens = [*map(itemgetter(1), rows)]
    tokens.append("")
    source = Source(text)
    document = _Document()
    document.loc = _DocumentLocation()
    document.loc.start, document.loc.end, document.loc.source = 0, len(text), source
    document.definitions = _Reader(tokens, starts, source).definitions()
    document.token_count = len(rows)
    if "#" in text:
        document.token_count += _comment_count(text[:first], rows)
    document.__class__ = DocumentNode
    return document  # type: ignore[no-any-return]


def _comment_count(leading: str, rows: list[tuple[str, str]]) -> int:
    ignored = (leading, *(piece[len(token) :] for piece, token in rows))
    return sum(len(_COMMENTS.findall(part)) for part in ignored if "#" in part)


def _unescaped(escape: re.Match[str]) -> str:
    character = escape[0][1]
    if character == "u":
        return chr(int(escape[0][2:], 16))
    return _UNESCAPED.get(character, character)


class _Reader:
    """Reads nodes from the tokens.

    Every method takes the index of the first token of what it reads, and gives the node and the
    index of the token after it (`name`, `variable` and `named_type`, whose lengths are known, only
    the node). The last token is an empty one, part of nothing: looking ahead always finds a token.
    """

    __slots__ = ("source", "starts", "tokens")

    def __init__(self, tokens: list[str], starts: list[int], source: Source) -> None:
        self.tokens = tokens
        self.starts = starts
        self.source = source

    def definitions(self) -> tuple[Any, ...]:
        tokens, at, definitions = self.tokens, 0, []
        while token := tokens[at]:
            if token == "{" or token in _OPERATIONS:
                definition, at = self.operation(at)
            elif token == "fragment":
                definition, at = self.fragment(at)
            else:
                raise _NotPlain
            definitions.append(definition)
        return tuple(definitions)

    def operation(self, at: int) -> tuple[Any, int]:
        operation, first = _Operation(), at
        operation.description = operation.name = None
        operation.variable_definitions = operation.directives = None
        operation.operation = OperationType.QUERY
        tokens = self.tokens
        if tokens[at] != "{":
            operation.operation = _OPERATIONS[tokens[at]]
            at += 1
            if tokens[at].isidentifier():
                operation.name = self.name(at)
                at += 1
            if tokens[at] == "(":
                operation.variable_definitions, at = self.variable_definitions(at)
            if tokens[at] == "@":
                operation.directives, at = self.directives(at, False)
        operation.selection_set, at = self.selection_set(at, 1)
        operation.loc = self.location(first, at)
        operation.__class__ = OperationDefinitionNode
        return operation, at

    def fragment(self, at: int) -> tuple[Any, int]:
        fragment, first, tokens = _Fragment(), at, self.tokens
        fragment.description = None
        fragment.variable_definitions = ()
        fragment.name = self.name(at + 1)
        if tokens[at + 1] == "on" or tokens[at + 2] != "on":
            raise _NotPlain
        fragment.type_condition = self.named_type(at + 3)
        fragment.directives, at = self.directives(at + 4, False)
        fragment.selection_set, at = self.selection_set(at, 1)
        fragment.loc = self.location(first, at)
        fragment.__class__ = FragmentDefinitionNode
        return fragment, at

    def variable_definitions(self, at: int) -> tuple[tuple[Any, ...], int]:
        tokens, definitions = self.tokens, []
        at += 1
        while tokens[at] != ")":
            definition, first = _VariableDefinition(), at
            definition.description = None
            definition.variable = self.variable(at)
            if tokens[at + 2] != ":":
                raise _NotPlain
            definition.type, at = self.type_reference(at + 3, 1)
            definition.default_value = None
            if tokens[at] == "=":
                definition.default_value, at = self.value(at + 1, True, 1)
            definition.directives, at = self.directives(at, True)
            definition.loc = self.location(first, at)
            definition.__class__ = VariableDefinitionNode
            definitions.append(definition)
        if not definitions:
            raise _NotPlain
        return tuple(definitions), at + 1

    def type_reference(self, at: int, depth: int) -> tuple[Any, int]:
        first, tokens = at, self.tokens
        if tokens[at] == "[":
            if depth > _MAX_DEPTH:
                raise _NotPlain
            reference = _ListType()
            reference.type, at = self.type_reference(at + 1, depth + 1)
            if tokens[at] != "]":
                raise _NotPlain
            at += 1
            reference.loc = self.location(first, at)
            reference.__class__ = ListTypeNode
        else:
            reference = self.named_type(at)
            at += 1
        if tokens[at] == "!":
            at += 1
            required = _NonNull()
            required.type = reference
            required.loc = self.location(first, at)
            required.__class__ = NonNullTypeNode
            return required, at
        return reference, at

    def selection_set(self, at: int, depth: int) -> tuple[Any, int]:
        tokens, starts, source = self.tokens, self.starts, self.source
        if tokens[at] != "{" or depth > _MAX_DEPTH:
            raise _NotPlain
        selection_set, first, selections = _SelectionSet(), at, []
        at += 1
        while (token := tokens[at]) != "}":
            if token == "...":
                selection, at = self.spread(at, depth)
                selections.append(selection)
                continue
            if not token.isidentifier():
                raise _NotPlain
            # The rest of the loop is `field`; most nodes are made here, so that it is written out.
            field, start = _Field(), starts[at]
            location = _Location()
            location.start, location.end, location.source = start, start + len(token), source
            name = _Name()
            name.loc, name.value = location, token
            name.__class__ = NameNode
            field.directives = field.alias = field.arguments = field.selection_set = None
            at += 1
            if (token := tokens[at]) == ":":
                field.alias = name
                name = self.name(at + 1)
                location = _Location()
                location.start, location.end, location.source = start, name.loc.end, source
                at += 2
                token = tokens[at]
            field.name = name
            if token in _MORE:
                if token == "(":
                    field.arguments, at = self.arguments(at, False, depth)
                    token = tokens[at]
                if token == "@":
                    field.directives, at = self.directives(at, False)
                    token = tokens[at]
                if token == "{":
                    field.selection_set, at = self.selection_set(at, depth + 1)
                location = _Location()
                location.start, location.source = start, source
                location.end = starts[at - 1] + len(tokens[at - 1])
            field.loc = location
            field.__class__ = FieldNode
            selections.append(field)
        if not selections:
            raise _NotPlain
        at += 1
        selection_set.selections = tuple(selections)
        selection_set.loc = self.location(first, at)
        selection_set.__class__ = SelectionSetNode
        return selection_set, at

    def spread(self, at: int, depth: int) -> tuple[Any, int]:
        first, token = at, self.tokens[at + 1]
        if token != "on" and token.isidentifier():
            spread = _Spread()
            spread.name = self.name(at + 1)
            spread.arguments = None
            spread.directives, at = self.directives(at + 2, False)
            spread.loc = self.location(first, at)
            spread.__class__ = FragmentSpreadNode
            return spread, at
        inline = _Inline()
        inline.type_condition = None
        at += 1
        if token == "on":
            inline.type_condition = self.named_type(at + 1)
            at += 2
        inline.directives, at = self.directives(at, False)
        inline.selection_set, at = self.selection_set(at, depth + 1)
        inline.loc = self.location(first, at)
        inline.__class__ = InlineFragmentNode
        return inline, at

    def directives(self, at: int, const: bool) -> tuple[tuple[Any, ...] | None, int]:
        tokens, directives = self.tokens, []
        while tokens[at] == "@":
            directive, first = _Directive(), at
            directive.name = self.name(at + 1)
            directive.arguments = None
            at += 2
            if tokens[at] == "(":
                directive.arguments, at = self.arguments(at, const, 1)
            directive.loc = self.location(first, at)
            directive.__class__ = DirectiveNode
            directives.append(directive)
        return tuple(directives) or None, at

    def arguments(self, at: int, const: bool, depth: int) -> tuple[tuple[Any, ...], int]:
        arguments, at = self.named_values(at, ")", (_Argument, ArgumentNode), const, depth)
        if not arguments:
            raise _NotPlain
        return arguments, at

    def named_values(
        self, at: int, closing: str, kind: tuple[Any, type], const: bool, depth: int
    ) -> tuple[tuple[Any, ...], int]:
        """Reads `name: value` again and again, from the token that opens to the one that closes.

        Of a kind there are the class of its blank nodes, and its own.
        """
        tokens, found = self.tokens, []
        make, node_class = kind
        at += 1
        while tokens[at] != closing:
            node, first = make(), at
            node.name = self.name(at)
            if tokens[at + 1] != ":":
                raise _NotPlain
            node.value, at = self.value(at + 2, const, depth)
            node.loc = self.location(first, at)
            node.__class__ = node_class
            found.append(node)
        return tuple(found), at + 1

    def value(self, at: int, const: bool, depth: int) -> tuple[Any, int]:
        token = self.tokens[at]
        if token == "$":
            if const:
                raise _NotPlain
            return self.variable(at), at + 2
        if token == "{":
            return self.object_value(at, const, depth + 1)
        if token == "[":
            return self.list_value(at, const, depth + 1)
        return self.scalar(at, token), at + 1

    def object_value(self, at: int, const: bool, depth: int) -> tuple[Any, int]:
        if depth > _MAX_DEPTH:
            raise _NotPlain
        value, first = _Object(), at
        kind = (_ObjectField, ObjectFieldNode)
        value.fields, at = self.named_values(at, "}", kind, const, depth)
        value.loc = self.location(first, at)
        value.__class__ = ObjectValueNode
        return value, at

    def list_value(self, at: int, const: bool, depth: int) -> tuple[Any, int]:
        if depth > _MAX_DEPTH:
            raise _NotPlain
        tokens, value, opening, values = self.tokens, _List(), at, []
        at += 1
        while tokens[at] != "]":
            item, at = self.value(at, const, depth)
            values.append(item)
        at += 1
        value.values = tuple(values)
        value.loc = self.location(opening, at)
        value.__class__ = ListValueNode
        return value, at

    def scalar(self, at: int, token: str) -> Any:
        value: Any
        node_class: type
        if token.isidentifier():
            if token == "true" or token == "false":
                value, node_class = _Boolean(), BooleanValueNode
                value.value = token == "true"
            elif token == "null":
                value, node_class = _Null(), NullValueNode
            else:
                value, node_class = _Enum(), EnumValueNode
                value.value = token
        elif token[:1] == '"':
            value, node_class = _String(), StringValueNode
            value.value = string_value(token)
            value.block = False
        elif token[-1:].isdigit():
            is_float = "." in token or "e" in token or "E" in token
            value, node_class = (_Float(), FloatValueNode) if is_float else (_Int(), IntValueNode)
            value.value = token
        else:
            raise _NotPlain
        value.loc = self.location(at, at + 1)
        value.__class__ = node_class
        return value

    def variable(self, at: int) -> Any:
        if self.tokens[at] != "$":
            raise _NotPlain
        variable = _Variable()
        variable.name = self.name(at + 1)
        variable.loc = self.location(at, at + 2)
        variable.__class__ = VariableNode
        return variable

    def named_type(self, at: int) -> Any:
        named_type = _NamedType()
        name = named_type.name = self.name(at)
        named_type.loc = name.loc
        named_type.__class__ = NamedTypeNode
        return named_type

    def name(self, at: int) -> Any:
        token = self.tokens[at]
        if not token.isidentifier():
            raise _NotPlain
        start = self.starts[at]
        location = _Location()
        location.start, location.end, location.source = start, start + len(token), self.source
        name = _Name()
        name.loc, name.value = location, token
        name.__class__ = NameNode
        return name

    def location(self, first: int, after: int) -> Any:
        """Gives the location from token `first` to the token before `after`."""
        location = _Location()
        location.start, location.source = self.starts[first], self.source
        location.end = self.starts[after - 1] + len(self.tokens[after - 1])
        return location
