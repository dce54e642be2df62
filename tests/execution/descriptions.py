"""Random descriptions of schemas, from which both flavours of schema are made.

Types are written as GraphQL writes them: `[Int!]`. A field name means the same type and arguments
in all types that have it, but for a `!` that a type may add to what its interface says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.execution.dice import Dice

BUILT_IN = ("ID", "String", "Int", "Float", "Boolean")
SCALARS = {
    "Moment": "gives an aware datetime, which is not a value of JSON",
    "Odd": "gives odd numbers, null for 0, and fails on even ones",
    "Any": "gives everything as it is",
}
FIXED = "DateTime", "Date", "UUID", "Decimal"
"""Scalars that Strawberry brings along; descriptions for graphql-core do not use them."""

RESOLVERS = ("sync", "sync", "info", "async", "coroutine", "future", "callable")
WAITING = {"async", "coroutine", "future"}


@dataclass
class Argument:
    """An argument or a field of an input: its type and, as a literal, its default."""

    name: str
    type: str
    default: str | None = None


@dataclass
class Field:
    """A field of a type; `how` is `plain` when nothing but the source gives its value."""

    name: str
    type: str
    arguments: list[Argument]
    how: str
    guarded: bool = False
    extended: bool = False


@dataclass
class Composite:
    """An object type or an interface; `told` says how one learns that a value is of the type."""

    name: str
    fields: dict[str, Field]
    interfaces: list[str] = field(default_factory=list)
    told: str = "nothing"


@dataclass
class Input:
    """An input type."""

    name: str
    fields: list[Argument]
    is_one_of: bool = False


@dataclass
class Description:
    """What a schema is made of."""

    flavour: str
    waits: bool
    objects: dict[str, Composite]
    interfaces: dict[str, Composite]
    unions: dict[str, list[str]]
    told: dict[str, str]
    enums: dict[str, dict[str, str]]
    scalars: list[str]
    inputs: dict[str, Input]

    def composite(self, name: str) -> Composite | None:
        """The object type or interface of that name."""
        return self.objects.get(name) or self.interfaces.get(name)

    def possible(self, name: str) -> list[str]:
        """The object types that a value of the type can be of."""
        if name in self.objects:
            return [name]
        if name in self.unions:
            return self.unions[name]
        return [type_.name for type_ in self.objects.values() if name in type_.interfaces]

    def is_leaf(self, name: str) -> bool:
        """Whether the type takes no selections."""
        return not (name in self.objects or name in self.interfaces or name in self.unions)


def named(type_: str) -> str:
    """The name in a type."""
    return type_.strip("[]!")


def described(dice: Dice, flavour: str) -> Description:
    """A random description of a schema of the flavour: `core` or `strawberry`."""
    return _Describer(dice, flavour).describe()


class _Describer:
    def __init__(self, dice: Dice, flavour: str) -> None:
        self._dice = dice
        self._flavour = flavour
        self._waits = dice.chance(0.65)
        scalars = list(SCALARS) if flavour == "core" else [*SCALARS, *FIXED]
        self._scalars = dice.some(scalars, dice.below(3))
        self._enums = {f"E{n}": self._enum() for n in range(1, 1 + dice.below(3))}
        self._inputs: dict[str, Input] = {}
        for n in range(1, 1 + dice.below(3)):
            self._inputs[f"In{n}"] = self._input(f"In{n}")
        self._object_names = [f"T{n}" for n in range(1, 3 + dice.below(4))]
        self._interface_names = [f"I{n}" for n in range(1, 1 + dice.below(4))]
        self._union_names = [f"U{n}" for n in range(1, 1 + dice.below(3))]

    def describe(self) -> Description:
        dice = self._dice
        catalogue = [self._field(f"f{n}") for n in range(8 + dice.below(14))]
        interfaces = dict(self._interfaces(catalogue))
        objects = {name: self._object(name, catalogue, interfaces) for name in self._object_names}
        for interface in interfaces.values():
            if not any(interface.name in type_.interfaces for type_ in objects.values()):
                self._implement(objects[self._object_names[0]], interface)
        objects["Query"] = Composite("Query", self._root_fields("q", 6))
        if dice.chance(0.6):
            objects["Mutation"] = Composite("Mutation", self._root_fields("m", 4))
        if dice.chance(0.4):
            objects["Subscription"] = Composite("Subscription", self._root_fields("s", 2))
        least = 1 if self._flavour == "core" else 2
        unions = {
            name: dice.some(self._object_names, least + dice.below(3))
            for name in self._union_names
            if any(
                named(f.type) == name for type_ in objects.values() for f in type_.fields.values()
            )
        }
        told = {}
        for name in [*interfaces, *unions]:
            told[name] = dice.pick(("name", "name", "resolve_type", "is_type_of"))
            if told[name] == "is_type_of":
                for type_ in objects.values():
                    if name in type_.interfaces or type_.name in unions.get(name, ()):
                        type_.told = dice.pick(("is_type_of", "is_type_of", "waiting is_type_of"))
            if told[name] == "resolve_type" and self._waits and dice.chance(0.4):
                told[name] = "waiting resolve_type"
        for type_ in objects.values():
            if type_.name in self._object_names and type_.told == "nothing" and dice.chance(0.2):
                type_.told = "is_type_of"
            if not self._waits and type_.told == "waiting is_type_of":
                type_.told = "is_type_of"
        return Description(
            self._flavour, self._waits, objects, interfaces, unions, told,
            self._enums, self._scalars, self._inputs,
        )  # fmt: skip

    def _interfaces(self, catalogue: list[Field]) -> Iterator[tuple[str, Composite]]:
        made: dict[str, Composite] = {}
        for name in self._interface_names:
            fields = {f.name: f for f in self._dice.some(catalogue, 1 + self._dice.below(3))}
            interface = Composite(name, fields)
            if made and self._dice.chance(0.4):
                self._implement(interface, made[self._dice.pick(list(made))])
            made[name] = interface
            yield name, interface

    def _object(
        self, name: str, catalogue: list[Field], interfaces: dict[str, Composite]
    ) -> Composite:
        dice = self._dice
        fields = {f.name: f for f in dice.some(catalogue, 3 + dice.below(6))}
        type_ = Composite(name, fields)
        for interface in dice.some(list(interfaces.values()), dice.below(3)):
            self._implement(type_, interface)
        return type_

    def _implement(self, type_: Composite, interface: Composite) -> None:
        for name in [interface.name, *interface.interfaces]:
            if name not in type_.interfaces:
                type_.interfaces.append(name)
        for field_ in interface.fields.values():
            kept = type_.fields.setdefault(field_.name, field_)
            if field_.type.endswith("!") and not kept.type.endswith("!"):
                type_.fields[field_.name] = field_
            elif kept is field_ and not field_.type.endswith("!") and self._dice.chance(0.1):
                type_.fields[field_.name] = replace(field_, type=field_.type + "!")

    def _root_fields(self, prefix: str, most: int) -> dict[str, Field]:
        names = [f"{prefix}{n}" for n in range(2 + self._dice.below(most))]
        fields = {name: self._field(name, composite=0.8) for name in names}
        if prefix != "q":
            for field_ in fields.values():
                field_.how = self._how(plain=0.15 if prefix == "s" else 0)
        return fields

    def _field(self, name: str, composite: float = 0.4) -> Field:
        dice = self._dice
        if dice.chance(composite):
            type_ = dice.pick([*self._object_names, *self._interface_names, *self._union_names])
        else:
            type_ = dice.pick([*BUILT_IN, *self._enums, *self._scalars])
        how = self._how(plain=0.6)
        arguments = []
        if how != "plain" and dice.chance(0.6):
            arguments = [self._argument(f"a{n}") for n in range(1 + dice.below(3))]
        return Field(
            name, self._wrapped(type_), arguments, how,
            guarded=how != "plain" and dice.chance(0.1),
            extended=how != "plain" and dice.chance(0.1),
        )  # fmt: skip

    def _how(self, plain: float) -> str:
        if self._dice.chance(plain):
            return "plain"
        how = self._dice.pick(RESOLVERS)
        return "sync" if how in WAITING and not self._waits else how

    def _wrapped(self, type_: str) -> str:
        """The type, required or not, or a list of it, or a list of lists."""
        bang = "!" if self._dice.chance(0.35) else ""
        if self._dice.chance(0.25) and type_.count("[") < 2:
            return self._wrapped(f"[{type_}{bang}]")
        return type_ + bang

    def _argument(self, name: str, *, nullable: bool = False) -> Argument:
        dice = self._dice
        known = [*BUILT_IN, *BUILT_IN, *self._enums, *self._inputs, *self._inputs, *self._inputs]
        if "Any" in self._scalars:
            known.append("Any")
        type_ = self._wrapped(dice.pick(known)) if not nullable else dice.pick(BUILT_IN)
        default = None
        if not nullable and dice.chance(0.35):
            default = self.literal(type_)
        return Argument(name, type_, default)

    def literal(self, type_: str) -> str:
        """A valid literal of an input type, without variables."""
        return literal(self._dice, self._enums, self._inputs, type_)

    def _input(self, name: str) -> Input:
        dice = self._dice
        if dice.chance(0.3):
            fields = [self._argument(f"i{n}", nullable=True) for n in range(2 + dice.below(2))]
            return Input(name, fields, is_one_of=True)
        return Input(name, [self._argument(f"i{n}") for n in range(1 + dice.below(3))])

    def _enum(self) -> dict[str, str]:
        """Names and, as Python writes them, values of an enum."""
        names = self._dice.some(("RED", "GREEN", "BLUE", "PINK"), 2 + self._dice.below(3))
        kind = self._dice.below(4)
        if kind == 0:
            return {name: repr(name) for name in names}
        if kind == 1:
            return {name: repr(name.lower()) for name in names}
        if kind == 2:
            return {name: str(n) for n, name in enumerate(names)}
        values = ["'red'", "7", "(1, 2)", "2.5"]
        return dict(zip(names, values, strict=False))


def literal(
    dice: Dice, enums: dict[str, dict[str, str]], inputs: dict[str, Input], type_: str
) -> str:
    """A valid literal of an input type, without variables."""
    if type_.endswith("!"):
        type_ = type_[:-1]
    elif dice.chance(0.12):
        return "null"
    if type_.startswith("["):
        if dice.chance(0.2):
            return literal(dice, enums, inputs, type_[1:-1].rstrip("!") + "!")
        items = (literal(dice, enums, inputs, type_[1:-1]) for _ in range(dice.below(3)))
        return f"[{', '.join(items)}]"
    if type_ in enums:
        return dice.pick(list(enums[type_]))
    if type_ in inputs:
        input_ = inputs[type_]
        if input_.is_one_of:
            only = dice.pick(input_.fields)
            return f"{{{only.name}: {literal(dice, enums, inputs, only.type + '!')}}}"
        given = [
            f"{one.name}: {literal(dice, enums, inputs, one.type)}"
            for one in input_.fields
            if (one.default is None and one.type.endswith("!")) or dice.chance(0.6)
        ]
        return f"{{{', '.join(given)}}}"
    return dice.pick(LITERALS[type_])


LITERALS = {
    "ID": ('"a"', "17", '"x y"'),
    "String": ('"a"', '"\\u00e9\\n"', '""', '"""block"""'),
    "Int": ("0", "7", "-3", "2147483647"),
    "Float": ("1", "2.5", "-1e3"),
    "Boolean": ("true", "false"),
    "Any": ("1", '"a"', "[1, {a: 2}]", "{b: 1.5}", "true"),
}


def sdl(description: Description) -> str:
    """The schema that a description describes, in GraphQL's own language."""
    lines = [f"scalar {name}" for name in description.scalars]
    for name, values in description.enums.items():
        lines.append(f"enum {name} {{ {' '.join(values)} }}")
    for input_ in description.inputs.values():
        mark = " @oneOf" if input_.is_one_of else ""
        lines.append(f"input {input_.name}{mark} {{ {_arguments(input_.fields)} }}")
    for kind, types in (("interface", description.interfaces), ("type", description.objects)):
        for type_ in types.values():
            implements = f" implements {' & '.join(type_.interfaces)}" if type_.interfaces else ""
            lines.append(f"{kind} {type_.name}{implements} {{")
            for one in type_.fields.values():
                arguments = f"({_arguments(one.arguments)})" if one.arguments else ""
                lines.append(f"  {one.name}{arguments}: {one.type}")
            lines.append("}")
    for name, members in description.unions.items():
        lines.append(f"union {name} = {' | '.join(members)}")
    return "\n".join(lines) + "\n"


def _arguments(arguments: list[Argument]) -> str:
    return ", ".join(
        f"{one.name}: {one.type}" + (f" = {one.default}" if one.default is not None else "")
        for one in arguments
    )
