"""The SDL as a gateway wants it, in each federation profile.

Source: Apollo Federation subgraph specification, version 2.
"""

from collections.abc import Sequence, Set
from dataclasses import replace
from enum import StrEnum
from json import dumps
from math import floor
from typing import Any, Literal, TypeVar, cast

from graphql import (
    REMOVE,
    ConstArgumentNode,
    ConstDirectiveNode,
    ConstListValueNode,
    DocumentNode,
    FieldDefinitionNode,
    ObjectTypeDefinitionNode,
    ScalarTypeDefinitionNode,
    StringValueNode,
    UnionTypeDefinitionNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from guard import ListSize
from resolvers.authorization import AUTHORIZATION, Rule, ViewerKind, is_root
from resolvers.fields import SHOWN, PersonalData
from schema.costs import LIST_SIZES, WEIGHTS

ROUTER_DIRECTIVES = {"@authenticated", "@requiresScopes", "@cost", "@listSize"}

VERSION: Literal["2.7"] = "2.7"
"""The lowest federation version that covers the directives of the `portable` profile."""

ROUTER_VERSION = "2.9"
"""The lowest one with those of the `router` profile."""

Node = TypeVar("Node", FieldDefinitionNode, ObjectTypeDefinitionNode)


class Profile(StrEnum):
    """Which federation directives the SDL carries.

    `portable` composes everywhere. `router` adds `@authenticated` and `@requiresScopes`, which
    @apollo/gateway refuses, `@cost` and `@listSize`. What they ask is enforced here in both. There
    is no `@policy`: what depends on the user who is seen, no router can know. Both have a `@tag` on
    what is personal data.
    """

    PORTABLE = "portable"
    ROUTER = "router"


def sdl_of(printed: str, profile: Profile) -> str:
    """A printed schema without the machinery, with the profile's directives."""
    document = visit(parse(printed, no_location=True), _WithoutMachinery())
    tagging = _WithTags()
    document = visit(document, tagging)
    if tagging.is_needed:
        document = visit(document, _Importing({"@tag"}))
    if profile is Profile.ROUTER:
        document = visit(document, _WithRouterDirectives())
        document = visit(document, _Importing(ROUTER_DIRECTIVES, ROUTER_VERSION))
    return print_ast(cast(DocumentNode, document)) + "\n"


class _WithoutMachinery(Visitor):
    """Drops what every gateway adds by itself."""

    def enter_field_definition(self, node: FieldDefinitionNode, *_: Any) -> Any:
        """Drops the two fields of Query."""
        return REMOVE if node.name.value in ("_entities", "_service") else None

    def enter_object_type_definition(self, node: ObjectTypeDefinitionNode, *_: Any) -> Any:
        """Drops the type of `_service`."""
        return REMOVE if node.name.value == "_Service" else None

    def enter_scalar_type_definition(self, node: ScalarTypeDefinitionNode, *_: Any) -> Any:
        """Drops the scalar of representations."""
        return REMOVE if node.name.value == "_Any" else None

    def enter_union_type_definition(self, node: UnionTypeDefinitionNode, *_: Any) -> Any:
        """Drops the union of entities."""
        return REMOVE if node.name.value == "_Entity" else None


class _WithTags(Visitor):
    """Adds the class of personal data, as in `pii-identity`; whether there is any."""

    def __init__(self) -> None:
        super().__init__()
        self.is_needed = False
        self._type = ""

    def enter_object_type_definition(self, node: ObjectTypeDefinitionNode, *_: Any) -> None:
        """Remembers whose fields come next."""
        self._type = node.name.value

    def enter_field_definition(self, node: FieldDefinitionNode, *_: Any) -> Any:
        """Adds what is declared of the field."""
        shown = SHOWN.get(f"{self._type}.{node.name.value}")
        if shown is None or shown.personal is PersonalData.NONE:
            return None
        self.is_needed = True
        return _with(node, [f'@tag(name: "pii-{shown.personal.lower()}")'])


class _Importing(Visitor):
    """Imports directives where the others of federation come from, in a version that has them."""

    def __init__(self, names: Set[str], version: str = VERSION) -> None:
        super().__init__()
        self._names = names
        self._version = version

    def enter_directive(self, node: ConstDirectiveNode, *_: Any) -> Any:
        """Adds the names to those of the link."""
        url = print_ast(_argument(node, "url").value) if node.name.value == "link" else ""
        if "//specs.apollo.dev/federation/" not in url:
            return None
        imports = cast(ConstListValueNode, _argument(node, "import").value)
        names = {cast(StringValueNode, value).value for value in imports.values}
        quoted = ", ".join(f'"{name}"' for name in sorted(names | self._names))
        url = url.replace(VERSION, self._version)
        return _directive(f"@link(url: {url}, import: [{quoted}])")


class _WithRouterDirectives(Visitor):
    """Adds what a router may check before it asks us, drawn from the tables we enforce."""

    def __init__(self) -> None:
        super().__init__()
        self._type = ""

    def enter_object_type_definition(self, node: ObjectTypeDefinitionNode, *_: Any) -> Any:
        """Adds what one object costs; whose fields come next is remembered."""
        self._type = node.name.value
        weight = WEIGHTS.get(self._type)
        return None if weight is None else _with(node, [_cost(weight)])

    def enter_field_definition(self, node: FieldDefinitionNode, *_: Any) -> Any:
        """Adds what the field asks of a viewer, and what it costs."""
        coordinate = f"{self._type}.{node.name.value}"
        added = _access_directives(coordinate)
        if coordinate in WEIGHTS:
            added.append(_cost(WEIGHTS[coordinate]))
        if coordinate in LIST_SIZES:
            added.append(_list_size(node, LIST_SIZES[coordinate]))
        return _with(node, added) if added else None


def _access_directives(field: str) -> list[str]:
    """What a router may ask: a token, where nobody else gets the field, and one scope of all.

    A type of which no field is for everybody is behind a field that asks already, or that gives
    nothing to those without a token.
    """
    rules = AUTHORIZATION.rules
    rule, type_ = rules.get(field), field.partition(".")[0]
    siblings = [rules[other] for other in rules if other.partition(".")[0] == type_]
    if rule is None or _takes_anybody(rule):
        return []
    if not is_root(field) and not any(map(_takes_anybody, siblings)):
        return []
    scopes = {rule.scopes.get(kind) for kind in rule.kinds}
    [scope] = scopes if len(scopes) == 1 else {None}
    return ["@authenticated", *([f'@requiresScopes(scopes: [["{scope}"]])'] if scope else [])]


def _takes_anybody(rule: Rule) -> bool:
    return ViewerKind.ANONYMOUS in rule.kinds


def _cost(weight: float) -> str:
    """The directive; its weights are whole numbers in federation."""
    return f"@cost(weight: {floor(weight + 0.5)})"


def _list_size(node: FieldDefinitionNode, size: ListSize) -> str:
    """The directive; only arguments that are numbers can be named in it.

    They have defaults, and then some composers take no assumed size besides.
    """
    slicing = [
        argument.name.value
        for argument in node.arguments or ()
        if argument.name.value in size.slicing_arguments and print_ast(argument.type) == "Int!"
    ]
    given = {"sizedFields": size.sized_fields, "slicingArguments": slicing}
    parts = [] if slicing else [f"assumedSize: {size.assumed}"]
    parts += [f"{key}: {dumps(list(names))}" for key, names in given.items() if names]
    # Else a router refuses whoever is content with the usual size.
    return f"@listSize({', '.join([*parts, 'requireOneSlicingArgument: false'])})"


def _argument(node: ConstDirectiveNode, name: str) -> ConstArgumentNode:
    return next(argument for argument in node.arguments or () if argument.name.value == name)


def _directive(source: str) -> ConstDirectiveNode:
    carrier = parse(f"scalar X {source}", no_location=True).definitions[0]
    directives = cast(ScalarTypeDefinitionNode, carrier).directives
    assert directives
    return directives[0]


def _with(node: Node, added: Sequence[str]) -> Node:
    return replace(node, directives=(*(node.directives or ()), *map(_directive, added)))
