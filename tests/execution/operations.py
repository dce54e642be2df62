"""Random operations on a described schema: document, variables, and what they take from sources."""

from dataclasses import dataclass
from typing import Any

from tests.execution.descriptions import Argument, Description, Field, literal, named
from tests.execution.dice import Dice
from tests.execution.worlds import Needs

DEEPEST = 4


@dataclass
class Operation:
    """A document and how to run it."""

    kind: str
    text: str
    name: str | None
    needs: Needs
    variables: dict[str, tuple[str, bool]]
    is_introspective: bool

    def values(self, dice: Dice, description: Description) -> dict[str, Any]:
        """Values for the variables; some are missing, null or wrong."""
        values = {}
        for name, (type_, is_optional) in self.variables.items():
            value = _value(dice, description, type_, wrong=0.01)
            if is_optional and dice.chance(0.3):
                continue
            if dice.chance(0.005):
                continue
            values[name] = value
        return values


def random_operation(dice: Dice, description: Description) -> Operation:
    """A random operation; nearly always a valid one."""
    return _Writer(dice, description).write()


@dataclass
class _Fragment:
    name: str
    on: str
    text: str
    needs: Needs


class _Writer:
    def __init__(self, dice: Dice, description: Description) -> None:
        self._dice = dice
        self._description = description
        self._variables: dict[str, tuple[str, bool]] = {}
        self._declared: list[str] = []
        self._fragments: list[_Fragment] = []
        self._given: dict[tuple[str, int], str] = {}
        self._left = 6 + dice.below(18)
        self._is_introspective = False

    def write(self) -> Operation:
        dice = self._dice
        kinds = ["query"] * 7
        if "Mutation" in self._description.objects:
            kinds += ["mutation"] * 2
        if "Subscription" in self._description.objects:
            kinds += ["subscription"]
        kind = dice.pick(kinds)
        needs = Needs()
        if kind == "subscription":
            body = self._subscribed(needs)
        else:
            body = self._selections(kind.title(), needs, 0)
        name = "Op" if self._declared or kind != "query" or dice.chance(0.5) else None
        declared = f"({', '.join(self._declared)})" if self._declared else ""
        head = f"{kind} {name}{declared} " if name else ""
        parts = [head + body, *(f"fragment {f.name} on {f.on} {f.text}" for f in self._fragments)]
        if name and dice.chance(0.15):
            parts.insert(dice.below(2), "query Other { __typename }")
        elif dice.chance(0.5):
            name = None
        if dice.chance(0.3):
            parts.reverse()
        return Operation(
            kind, "\n".join(parts), name, needs, self._variables, self._is_introspective
        )

    def _subscribed(self, needs: Needs) -> str:
        """A subscription has one root field, without @skip or @include."""
        field_ = self._dice.pick(list(self._description.objects["Subscription"].fields.values()))
        return f"{{ {self._field(field_, needs, 0, '')} }}"

    def _selections(self, type_: str, needs: Needs, depth: int) -> str:
        parts: list[str] = []
        for _ in range(1 + self._dice.below(4 if depth else 5)):
            if self._left <= 0 and parts:
                break
            parts.extend(self._selection(type_, needs, depth))
        return f"{{ {' '.join(parts or ['__typename'])} }}"

    def _selection(self, type_: str, needs: Needs, depth: int) -> list[str]:
        dice = self._dice
        self._left -= 1
        roll = dice.below(100)
        if roll < 6:
            alias = dice.pick(("", "", "kind: "))
            return [f"{alias}__typename{self._directives()}"]
        if roll < 8 and type_ == "Query":
            self._is_introspective = True
            return [dice.pick(INTROSPECTION)]
        if roll < 24 and depth <= DEEPEST and type_ != "Subscription":
            return [self._spread(type_, needs, depth)]
        composite = self._description.composite(type_)
        if composite is None:
            return [self._spread(type_, needs, depth)] if depth <= DEEPEST else []
        fields = [one for one in composite.fields.values() if self._fits(one, depth)]
        if not fields:
            return []
        return [self._field(dice.pick(fields), needs, depth, self._directives())]

    def _fits(self, one: Field, depth: int) -> bool:
        return depth < DEEPEST or self._description.is_leaf(named(one.type))

    def _field(self, one: Field, needs: Needs, depth: int, directives: str) -> str:
        """A field; the same response name always means the same field and arguments."""
        dice = self._dice
        which = dice.below(3) if dice.chance(0.2) else 0
        response = f"x{which}_{one.name}" if which else one.name
        if (one.name, which) not in self._given:
            self._given[one.name, which] = self._arguments(one.arguments)
        arguments = self._given[one.name, which]
        inner = needs.fields.setdefault(one.name, Needs())
        inner.names.add(response)
        alias = f"{response}: " if which else ""
        below = ""
        if not self._description.is_leaf(named(one.type)):
            below = " " + self._selections(named(one.type), inner, depth + 1)
        return f"{alias}{one.name}{arguments}{directives}{below}"

    def _spread(self, type_: str, needs: Needs, depth: int) -> str:
        dice = self._dice
        directives = self._directives()
        on = dice.pick(self._overlapping(type_))
        if dice.chance(0.4):
            known = [f for f in self._fragments if f.on == on]
            if known and dice.chance(0.6):
                fragment = dice.pick(known)
            else:
                fragment = _Fragment(f"F{len(self._fragments)}", on, "", Needs())
                fragment.text = self._selections(on, fragment.needs, depth + 1)
                fragment.name = f"F{len(self._fragments)}"
                self._fragments.append(fragment)
            _merge(needs, fragment.needs)
            return f"...{fragment.name}{directives}"
        if on == type_ and dice.chance(0.5):
            return f"...{directives} {self._selections(type_, needs, depth + 1)}"
        return f"... on {on}{directives} {self._selections(on, needs, depth + 1)}"

    def _overlapping(self, type_: str) -> list[str]:
        """The composite types that a value of the type can be of as well."""
        if type_ in ("Query", "Mutation", "Subscription"):
            return [type_]
        mine = set(self._description.possible(type_))
        others = [
            *self._description.objects,
            *self._description.interfaces,
            *self._description.unions,
        ]
        return [other for other in others if mine & set(self._description.possible(other))]

    def _directives(self) -> str:
        if not self._dice.chance(0.1):
            return ""
        some = self._dice.some(("skip", "include"), 2 if self._dice.chance(0.1) else 1)
        return "".join(f" @{name}(if: {self._condition()})" for name in some)

    def _condition(self) -> str:
        dice = self._dice
        if dice.chance(0.4):
            return dice.pick(("true", "false"))
        known = [name for name in self._variables if name.startswith("b")]
        if known and dice.chance(0.5):
            return f"${dice.pick(known)}"
        return self._variable(
            "b", dice.pick(("Boolean!", "Boolean!", "Boolean! = true", "Boolean = false"))
        )

    def _variable(self, prefix: str, declaration: str) -> str:
        name = f"{prefix}{len(self._variables)}"
        type_, _, default = declaration.partition(" = ")
        is_optional = bool(default) or not type_.endswith("!")
        self._variables[name] = (type_, is_optional)
        self._declared.append(f"${name}: {declaration}")
        return f"${name}"

    def _arguments(self, arguments: list[Argument]) -> str:
        given = []
        for one in arguments:
            is_required = one.type.endswith("!") and one.default is None
            if is_required or self._dice.chance(0.6):
                given.append(f"{one.name}: {self._given_value(one)}")
        return f"({', '.join(given)})" if given else ""

    def _given_value(self, one: Argument) -> str:
        """A literal, a variable, or a literal with variables inside."""
        dice = self._dice
        description = self._description
        bare = one.type.strip("!")
        if dice.chance(0.25 if bare in description.inputs else 0.45):
            type_ = one.type
            if type_.endswith("!") and one.default is not None and dice.chance(0.5):
                type_ = type_[:-1]
            default = ""
            if dice.chance(0.3):
                default = f" = {literal(dice, description.enums, description.inputs, type_)}"
            return self._variable("v", type_ + default)
        if bare in description.inputs and not description.inputs[bare].is_one_of:
            inner = self._arguments(description.inputs[bare].fields)
            return f"{{{inner[1:-1]}}}"
        if bare.startswith("[") and dice.chance(0.4):
            return f"[{self._variable('v', bare[1:-1])}]"
        return literal(dice, description.enums, description.inputs, one.type)


INTROSPECTION = (
    "__schema { queryType { name } }",
    '__type(name: "T1") { kind fields { name type { kind name } } }',
    '__type(name: "Nowhere") { name }',
)


def _merge(needs: Needs, others: Needs) -> None:
    for name, inner in others.fields.items():
        mine = needs.fields.setdefault(name, Needs())
        mine.names |= inner.names
        _merge(mine, inner)


def _value(dice: Dice, description: Description, type_: str, wrong: float) -> Any:
    """A JSON value for a variable of the type."""
    if dice.chance(wrong):
        return dice.pick((None, 7, "wrong", [], {}, [None], {"i0": {}}, 1.5, 2**40, True))
    if type_.endswith("!"):
        type_ = type_[:-1]
    elif dice.chance(0.15):
        return None
    if type_.startswith("["):
        if dice.chance(0.15):
            return _value(dice, description, type_[1:-1].strip("!") + "!", wrong)
        return [_value(dice, description, type_[1:-1], wrong) for _ in range(dice.below(3))]
    if type_ in description.enums:
        return dice.pick(list(description.enums[type_]))
    if type_ in description.inputs:
        input_ = description.inputs[type_]
        if input_.is_one_of:
            several = 2 * dice.below(2) if dice.chance(5 * wrong) else 1
            chosen = dice.some(input_.fields, several)
            return {one.name: _value(dice, description, one.type + "!", wrong) for one in chosen}
        given = {
            one.name: _value(dice, description, one.type, wrong)
            for one in input_.fields
            if (one.default is None and one.type.endswith("!")) or dice.chance(0.6)
        }
        if dice.chance(2 * wrong):
            given["unknown"] = 1
        return given
    return dice.pick(VALUES[type_])


VALUES: dict[str, tuple[Any, ...]] = {
    "ID": ("a", 17, "x y"),
    "String": ("a", "é\n", ""),
    "Int": (0, 7, -3, 2.0),
    "Float": (1, 2.5, -1e3),
    "Boolean": (True, False),
    "Any": (1, "a", [1, {"a": 2}], {"b": 1.5}, None),
}
