"""Random documents over any schema, mostly valid ones, and mutations of them."""

import random
from itertools import chain

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedOutputType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_required_argument,
    is_required_input_field,
)

Tokens = list[str]
Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType

STRINGS = ('""', '"x"', '"U-1"', '"a b, c"', '"\\"q\\" \\\\ \\n\\t"', '"caf\\u00e9"', '"żółć #1"')
INTS = ("0", "1", "-7", "42", "2147483647", "-2147483648")
FLOATS = ("0.5", "-1.25", "3e2", "1E-3", "6.02e+23")
STRANGE = (
    *('"""block"""', '"\\ud83d\\ude00"', '"\\u{1F600}"', '"\\x"', '"open', '"two\nlines"', "'x'"),
    *("01", "-0", "1.", ".5", "1e", "1a", "--1", "99999999999", "1e999", "-", "..", "...."),
    *("{", "}", "(", ")", "[", "]", "$", "@", "!", ":", "=", "&", "|", "...", "on", "fragment"),
    *("query", "mutation", "subscription", "extend", "type", "true", "false", "null", "\ud800"),
    *("__typename", "__schema", "__type", "é", "\x00", "\x0b", "\u2028", "\ufeff", "# note\n", "#"),
)
SEPARATORS = (
    " ",
    " ",
    " ",
    "\n",
    "\n    ",
    ", ",
    ",",
    "\t",
    "\r\n",
    "\ufeff ",
    " # note, {\n",
    " \r",
)


def is_one_of(type_: GraphQLInputObjectType) -> bool:
    """Tells whether exactly one field is wanted, by graphql-core's mark or by Strawberry's."""
    definition = type_.extensions.get("strawberry-definition")
    return type_.is_one_of or bool(definition and definition.is_one_of)


def render(tokens: Tokens, rng: random.Random) -> str:
    """Writes the tokens as text, with ignored characters wherever they may or must be."""
    spacious = rng.random() < 0.5
    parts = [rng.choice(SEPARATORS) if rng.random() < 0.1 else ""]
    for before, token in zip(["{", *tokens], tokens, strict=False):
        together = before[-1] in "{}()[]$@!:=." or token[:1] in "{}()[]$@!:=."
        if spacious or not together:
            parts.append(rng.choice(SEPARATORS) if rng.random() < 0.3 else " ")
        parts.append(token)
    return "".join(parts) + rng.choice(("", "", "\n", " # end"))


def mutated(tokens: Tokens, rng: random.Random) -> Tokens:
    """Changes one to three tokens: left out, doubled, exchanged, replaced."""
    tokens = list(tokens)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        match rng.randrange(5):
            case 0:
                if len(tokens) > 1:
                    del tokens[at]
            case 1:
                tokens.insert(other, tokens[at])
            case 2:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = tokens[other]
            case _:
                tokens[at] = rng.choice(STRANGE)
    return tokens


def scratched(text: str, rng: random.Random) -> str:
    """Leaves out, doubles or replaces one character."""
    at = rng.randrange(len(text))
    return (
        text[:at]
        + rng.choice(("", text[at] * 2, rng.choice(' "\\{}$@!#.\n\x00é-0e')))
        + text[at + 1 :]
    )


class DocumentWriter:
    """Writes random documents; `wild` is how often it does what is probably not valid."""

    def __init__(self, schema: GraphQLSchema, rng: random.Random, wild: float = 0.0) -> None:
        self._schema = schema
        self._rng = rng
        self.wild = wild
        self._composites = [
            type_
            for name, type_ in schema.type_map.items()
            if isinstance(type_, Composite) and not name.startswith("__")
        ]
        self._variables: dict[str, Tokens] = {}
        self._fragments: list[tuple[str, Composite]] = []
        self._definitions: list[Tokens] = []
        self._count = 0
        self._room = 0
        self.variable_types: dict[str, GraphQLInputType] = {}

    def document(self) -> Tokens:
        """Gives the tokens of a document of one operation, or of a few named ones."""
        rng = self._rng
        self._count = 0
        self._definitions = []
        several = rng.random() < 0.15
        for _ in range(rng.randint(2, 3) if several else 1):
            self._operation(named=several or rng.random() < 0.6)
        rng.shuffle(self._definitions)
        return [token for definition in self._definitions for token in definition]

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _name(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def _operation(self, named: bool) -> None:
        schema, rng = self._schema, self._rng
        kinds = [("query", schema.query_type)] * 6
        kinds += [("mutation", schema.mutation_type)] * 2
        kinds += [("subscription", schema.subscription_type)]
        kind, root = rng.choice([(kind, root) for kind, root in kinds if root])
        self._variables, self._fragments, self.variable_types = {}, [], {}
        self._room = rng.choice((4, 10, 25))
        if kind == "subscription" and not self._chance(self.wild):
            fields = {name: field for name, field in root.fields.items()}
            body = ["{", *self._field(root, fields, rng.choice(list(fields)), 3)[1], "}"]
        else:
            body = self._selection_set(root, 3)
        directives = self._directives(kind.upper())
        definition: Tokens = []
        if kind != "query" or named or self._variables or directives:
            definition = [kind, *([self._name("Op")] if named else [])]
            if self._variables:
                definition += ["(", *chain(*self._variables.values()), ")"]
        self._definitions.append([*definition, *directives, *body])

    def _selection_set(
        self, parent: GraphQLNamedOutputType, depth: int, keys: dict[str, Tokens] | None = None
    ) -> Tokens:
        assert isinstance(parent, Composite)
        rng, keys = self._rng, {} if keys is None else keys
        fields = {} if isinstance(parent, GraphQLUnionType) else parent.fields
        selections: Tokens = []
        for _ in range(rng.randint(1, 6)):
            if self._chance(0.15) and depth:
                selections += self._inline(parent, depth - 1, keys)
            elif self._chance(0.12) and depth:
                selections += self._spread(parent, depth - 1)
            elif not fields or self._chance(0.1):
                selections.append("__typename")
            elif self._chance(self.wild):
                selections.append(self._name("unknown"))
            else:
                key, tokens = self._field(parent, fields, rng.choice(list(fields)), depth)
                if tokens and (keys.get(key, tokens) == tokens or self._chance(0.1 + self.wild)):
                    keys[key] = tokens
                    selections += tokens
        return ["{", *(selections or ["__typename"]), "}"]

    def _field(
        self, parent: Composite, fields: dict[str, GraphQLField], name: str, depth: int
    ) -> tuple[str, Tokens]:
        """Gives the response key and the tokens; none where there is no room left."""
        field = fields[name]
        named_type = get_named_type(field.type)
        if isinstance(named_type, Composite) and (not depth or self._room <= 0):
            return name, []
        self._room -= 1
        arguments = self._arguments(field.args)
        aliased = bool(arguments) or self._chance(0.1)
        key = self._name("a") if aliased and not self._chance(self.wild) else name
        if self._chance(0.06):
            # Keys that meet now and then, so that fields have to merge, or cannot.
            key = self._rng.choice("pq")
        tokens = ([key, ":"] if key != name else []) + [name, *arguments]
        if parent is not self._schema.subscription_type:
            tokens += self._directives("FIELD")
        if isinstance(named_type, Composite) != self._chance(self.wild):
            inner = named_type if isinstance(named_type, Composite) else parent
            tokens += self._selection_set(inner, max(depth - 1, 0))
        return key, tokens

    def _inline(self, parent: Composite, depth: int, keys: dict[str, Tokens]) -> Tokens:
        if self._chance(0.2):
            return [
                "...",
                *self._directives("INLINE_FRAGMENT"),
                *self._selection_set(parent, depth, keys),
            ]
        target = self._overlapping(parent)
        body = self._selection_set(target, depth, keys)
        return ["...", "on", target.name, *self._directives("INLINE_FRAGMENT"), *body]

    def _spread(self, parent: Composite, depth: int) -> Tokens:
        rng = self._rng
        suited = [name for name, target in self._fragments if target is parent]
        if suited and self._chance(0.5):
            return ["...", rng.choice(suited), *self._directives("FRAGMENT_SPREAD")]
        target, name = self._overlapping(parent), self._name("F")
        body = self._selection_set(target, depth)
        self._definitions.append(
            ["fragment", name, "on", target.name, *self._directives("FRAGMENT_DEFINITION"), *body]
        )
        self._fragments.append((name, target))
        return ["...", name, *self._directives("FRAGMENT_SPREAD")]

    def _overlapping(self, parent: Composite) -> Composite:
        if self._chance(self.wild):
            return self._rng.choice(self._composites)
        possible = self._possible(parent)
        return self._rng.choice([t for t in self._composites if possible & self._possible(t)])

    def _possible(self, type_: Composite) -> set[str]:
        if isinstance(type_, GraphQLObjectType):
            return {type_.name}
        return {possible.name for possible in self._schema.get_possible_types(type_)}

    def _directives(self, location: str) -> Tokens:
        tokens: Tokens = []
        while self._chance(0.06):
            known = [
                directive
                for directive in self._schema.directives
                if self._chance(self.wild)
                or (any(place.name == location for place in directive.locations))
            ]
            known = [
                d for d in known if f"@{d.name}" not in tokens and d.name not in ("defer", "stream")
            ]
            if known:
                directive = self._rng.choice(known)
                tokens += [f"@{directive.name}", *self._arguments(directive.args)]
        return tokens

    def _arguments(self, args: dict[str, GraphQLArgument]) -> Tokens:
        given = [
            name
            for name, arg in args.items()
            if self._chance(0.6) or (is_required_argument(arg) and not self._chance(self.wild))
        ]
        self._rng.shuffle(given)
        if self._chance(self.wild):
            given.append(self._rng.choice(given or ["other"]))
        tokens: Tokens = []
        for name in given:
            arg = args.get(name)
            value = self._input(arg, arg.type, 2) if arg else ["1"]
            tokens += [name, ":", *value]
        return ["(", *tokens, ")"] if tokens else []

    def _input(
        self, place: GraphQLArgument | GraphQLInputField, type_: GraphQLInputType, depth: int
    ) -> Tokens:
        if self._chance(0.25):
            return self._variable(type_, place.default is not None)
        return self.value(type_, depth)

    def value(self, type_: GraphQLInputType, depth: int, const: bool = False) -> Tokens:
        """Gives a literal of the type, with variables in it unless it must be constant."""
        rng = self._rng
        if self._chance(self.wild):
            return [rng.choice((*STRINGS, *INTS, *FLOATS, "true", "null", "THING", "[]", "{}"))]
        if isinstance(type_, GraphQLNonNull):
            return self._some(type_.of_type, depth, const)
        return ["null"] if self._chance(0.08) else self._some(type_, depth, const)

    def _some(self, type_: GraphQLInputType, depth: int, const: bool) -> Tokens:
        rng = self._rng
        if isinstance(type_, GraphQLList):
            if self._chance(0.2):
                return self._some(getattr(type_.of_type, "of_type", type_.of_type), depth, const)
            items = [self._part(type_.of_type, depth, const) for _ in range(rng.randint(0, 3))]
            return ["[", *chain(*items), "]"]
        if isinstance(type_, GraphQLEnumType):
            return [rng.choice(list(type_.values))]
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_, depth, const)
        return [rng.choice(self._scalars(str(type_)))]

    def _scalars(self, name: str) -> tuple[str, ...]:
        given: dict[str, tuple[str, ...]] = {
            "Int": INTS,
            "Float": (*FLOATS, *INTS),
            "String": STRINGS,
            "Boolean": ("true", "false"),
            "ID": (*STRINGS, *INTS),
            "DateTime": ('"2026-11-22T10:00:00Z"',),
            "Date": ('"2026-11-22"',),
            "Decimal": ('"1.5"', "2"),
        }
        return given.get(name, (*STRINGS, *INTS, *FLOATS, "true"))

    def _part(self, type_: GraphQLInputType, depth: int, const: bool) -> Tokens:
        if not const and self._chance(0.15):
            return self._variable(type_, False)
        return self.value(type_, depth, const)

    def _object(self, type_: GraphQLInputObjectType, depth: int, const: bool) -> Tokens:
        fields = type_.fields
        required = [name for name, field in fields.items() if is_required_input_field(field)]
        given = required + [
            name for name in fields if name not in required and depth and self._chance(0.4)
        ]
        if is_one_of(type_) and not self._chance(self.wild):
            name = self._rng.choice(list(fields))
            exact = GraphQLNonNull(fields[name].type)
            return ["{", name, ":", *self._part(exact, depth - 1, const), "}"]
        tokens: Tokens = []
        for name in given:
            tokens += [name, ":", *self._part(fields[name].type, depth - 1, const)]
        if self._chance(self.wild):
            tokens += ["extra", ":", "1"]
        return ["{", *tokens, "}"]

    def _variable(self, type_: GraphQLInputType, has_default: bool) -> Tokens:
        """Gives a variable that suits a place of the type, declared anew or already."""
        rng = self._rng
        suited = [name for name, given in self.variable_types.items() if str(given) == str(type_)]
        if suited and self._chance(0.4):
            return ["$", rng.choice(suited)]
        name, declared, default = self._name("v"), type_, []
        inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if not isinstance(type_, GraphQLNonNull) and self._chance(0.3):
            declared = GraphQLNonNull(type_)
        elif isinstance(type_, GraphQLNonNull) and has_default and self._chance(0.3):
            declared = inner
        if self._chance(0.3):
            default = ["=", *self.value(declared, 1, const=True)]
            if declared is type_ and "null" not in default and self._chance(0.2):
                declared = inner
        if self._chance(self.wild):
            declared, default = rng.choice((inner, GraphQLNonNull(inner), GraphQLList(inner))), []
        self.variable_types[name] = declared
        self._variables[name] = ["$", name, ":", *_split(str(declared)), *default]
        return ["$", name]


def _split(type_text: str) -> Tokens:
    for mark in "[]!":
        type_text = type_text.replace(mark, f" {mark} ")
    return type_text.split()
