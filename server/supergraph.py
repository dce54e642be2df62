"""The supergraph: which subgraphs know of users, and how each of them is told to forget one.

A subgraph knows of users when its schema has the type `User`, if only by its key. It says how it
forgets one by a mutation field with the tag `erases-user`.

Source: the join specification, version 0.3 and later (`join__type`, `join__field`, `join__Graph`).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from graphql import (
    ConstDirectiveNode,
    DirectiveNode,
    EnumTypeDefinitionNode,
    GraphQLError,
    ObjectTypeDefinitionNode,
    StringValueNode,
    parse,
)
from graphql.language import DefinitionNode, EnumValueNode

ENTITY = "User"
HANDLER = "erases-user"


class UnreadableSupergraph(ValueError):
    """A text that is no supergraph, or one without users."""


class Holder(NamedTuple):
    """A subgraph that knows of users, and the mutation field by which it forgets one."""

    subgraph: str
    handler: str | None


def holders(sdl: str, *, but_not: str) -> list[Holder]:
    """The other subgraphs that know of users, by name. Raises: UnreadableSupergraph."""
    try:
        definitions = parse(sdl, no_location=True).definitions
    except GraphQLError as error:
        raise UnreadableSupergraph(f"it is not a schema: {error.message}") from None
    names = dict(_graphs(definitions))
    if but_not not in names.values():
        known = ", ".join(sorted(names.values())) or "none"
        raise UnreadableSupergraph(f"expected a subgraph {but_not!r}; there is {known}")
    handlers = dict(_handlers(definitions))
    graphs = {graph for node in _objects(definitions, ENTITY) for graph in _joined(node, "type")}
    return sorted(
        Holder(names[graph], handlers.get(graph))
        for graph in graphs & names.keys()
        if names[graph] != but_not
    )


def _graphs(definitions: tuple[DefinitionNode, ...]) -> Iterator[tuple[str, str]]:
    """What `join__Graph` calls each subgraph, and its name."""
    for node in definitions:
        if isinstance(node, EnumTypeDefinitionNode) and node.name.value == "join__Graph":
            for value in node.values or ():
                arguments = _arguments(value.directives, "join__graph")
                yield value.name.value, next(arguments)["name"]


def _handlers(definitions: tuple[DefinitionNode, ...]) -> Iterator[tuple[str, str]]:
    """The subgraphs that have a handler, each with the field."""
    for node in _objects(definitions, "Mutation"):
        for field in node.fields or ():
            tags = [arguments.get("name") for arguments in _arguments(field.directives, "tag")]
            if HANDLER in tags:
                # Without a directive the field is in every subgraph that has the type.
                graphs = _joined(field, "field") or _joined(node, "type")
                yield from ((graph, f"Mutation.{field.name.value}") for graph in graphs)


def _objects(
    definitions: tuple[DefinitionNode, ...], name: str
) -> Iterator[ObjectTypeDefinitionNode]:
    for node in definitions:
        if isinstance(node, ObjectTypeDefinitionNode) and node.name.value == name:
            yield node


def _joined(node: ObjectTypeDefinitionNode | object, kind: str) -> set[str]:
    """The graphs that the node's directives name, where it is their own."""
    directives = getattr(node, "directives", ())
    return {
        arguments["graph"]
        for arguments in _arguments(directives, f"join__{kind}")
        if "graph" in arguments and arguments.get("external") != "true"
    }


def _arguments(
    directives: tuple[ConstDirectiveNode | DirectiveNode, ...] | None, name: str
) -> Iterator[Mapping[str, str]]:
    for directive in directives or ():
        if directive.name.value == name:
            yield {
                argument.name.value: str(getattr(argument.value, "value", ""))
                for argument in directive.arguments or ()
                if isinstance(argument.value, StringValueNode | EnumValueNode)
                or argument.name.value == "external"
            }
