"""The SDL as a gateway wants it, in each federation profile.

Source: Apollo Federation subgraph specification, version 2.
"""

from dataclasses import replace
from enum import StrEnum
from typing import Any, Literal, cast

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

from resolvers.visibility import MUTATION_SCOPES, VISIBLE_TO, ViewerKind

ACCESS_DIRECTIVES = {"@authenticated", "@requiresScopes"}

VERSION: Literal["2.7"] = "2.7"
"""The lowest federation version that covers the directives in use, in both profiles."""


class Profile(StrEnum):
    """Which federation directives the SDL carries.

    `portable` composes everywhere. `router` adds `@authenticated` and `@requiresScopes`, which
    @apollo/gateway refuses. What they ask is enforced here in both profiles.
    """

    PORTABLE = "portable"
    ROUTER = "router"


def sdl_of(printed: str, profile: Profile) -> str:
    """A printed schema without the machinery, with the profile's directives."""
    document = visit(parse(printed, no_location=True), _WithoutMachinery())
    if profile is Profile.ROUTER:
        document = visit(document, _WithAccessDirectives())
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


class _WithAccessDirectives(Visitor):
    """Adds what a router may check before it asks us, drawn from the table we enforce."""

    def __init__(self) -> None:
        super().__init__()
        self._type = ""

    def enter_object_type_definition(self, node: ObjectTypeDefinitionNode, *_: Any) -> None:
        """Remembers whose fields come next."""
        self._type = node.name.value

    def enter_field_definition(self, node: FieldDefinitionNode, *_: Any) -> Any:
        """Adds what the field asks of a viewer."""
        name = node.name.value
        kinds = VISIBLE_TO.get(f"{self._type}.{name}")
        added: list[str] = []
        if kinds is not None and ViewerKind.ANONYMOUS not in kinds:
            added = ["@authenticated"]
        if self._type == "Mutation":
            added = ["@authenticated", f'@requiresScopes(scopes: [["{MUTATION_SCOPES[name]}"]])']
        if not added:
            return None
        return replace(node, directives=(*(node.directives or ()), *map(_directive, added)))

    def enter_directive(self, node: ConstDirectiveNode, *_: Any) -> Any:
        """Imports the two directives where the others of federation come from."""
        url = print_ast(_argument(node, "url").value) if node.name.value == "link" else ""
        if "//specs.apollo.dev/federation/" not in url:
            return None
        imports = cast(ConstListValueNode, _argument(node, "import").value)
        names = {cast(StringValueNode, value).value for value in imports.values}
        quoted = ", ".join(f'"{name}"' for name in sorted(names | ACCESS_DIRECTIVES))
        return _directive(f"@link(url: {url}, import: [{quoted}])")


def _argument(node: ConstDirectiveNode, name: str) -> ConstArgumentNode:
    return next(argument for argument in node.arguments or () if argument.name.value == name)


def _directive(source: str) -> ConstDirectiveNode:
    carrier = parse(f"scalar X {source}", no_location=True).definitions[0]
    directives = cast(ScalarTypeDefinitionNode, carrier).directives
    assert directives
    return directives[0]
