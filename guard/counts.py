"""Counts: how deep and how large a document is, with its fragments where they are spread.

One pass over every definition, and one over the graph of fragments: time is linear in the document,
however often fragments spread each other. So is the number of digits of what is counted.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
)


class Counts(NamedTuple):
    """What an operation holds once its fragments stand where they are spread.

    `depth` counts fields within each other, `nesting` fragments too, and `height` all fields.
    """

    depth: int = 0
    nesting: int = 0
    height: int = 0
    root_fields: int = 0
    aliases: int = 0
    directives: int = 0


class _Definition(NamedTuple):
    """What a definition itself holds, and each spread with its depth and nesting there."""

    counts: Counts
    spreads: list[tuple[str, int, int]]


def counts_of(document: DocumentNode) -> Counts:
    """The largest counts of the document's operations, each by itself.

    A fragment that is unknown, or that spreads itself, counts as empty there: both are refused by
    validation.
    """
    fragments = {
        node.name.value: _counted(node)
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    totals: dict[str, Counts] = {}
    for name in _leaves_first(fragments):
        totals[name] = _total(fragments[name], totals)
    operations = [
        _total(_counted(node), totals)
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    ]
    return Counts(*(max(counts) for counts in zip(*operations, strict=True)))


def _counted(definition: Any) -> _Definition:
    deepest = nested = height = root_fields = aliases = 0
    directives = len(definition.directives or ())
    spreads = []
    waiting: list[tuple[Any, int, int]] = [(definition.selection_set, 0, 1)]
    for selection_set, depth, nesting in waiting:
        nested = max(nested, nesting)
        for node in selection_set.selections:
            directives += len(node.directives or ())
            if node.__class__ is FieldNode:
                height += 1
                deepest = max(deepest, depth + 1)
                root_fields += not depth
                aliases += node.alias is not None
                if node.selection_set is not None:
                    waiting.append((node.selection_set, depth + 1, nesting + 1))
            elif node.__class__ is FragmentSpreadNode:
                spreads.append((node.name.value, depth, nesting))
            else:
                waiting.append((node.selection_set, depth, nesting + 1))
    return _Definition(Counts(deepest, nested, height, root_fields, aliases, directives), spreads)


def _total(definition: _Definition, totals: Mapping[str, Counts]) -> Counts:
    depth, nesting, height, root_fields, aliases, directives = definition.counts
    for name, at, nested in definition.spreads:
        below = totals.get(name, Counts())
        depth = max(depth, at + below.depth)
        nesting = max(nesting, nested + below.nesting)
        height += below.height
        root_fields += 0 if at else below.root_fields
        aliases += below.aliases
        directives += below.directives
    return Counts(depth, nesting, height, root_fields, aliases, directives)


def _leaves_first(fragments: Mapping[str, _Definition]) -> Iterator[str]:
    """The names of the fragments, each after those that it spreads; circles end where they began.

    Nothing recurses: fragments can lead deeper than any stack.
    """
    seen: set[str] = set()
    for first in fragments:
        waiting: list[tuple[str, Iterator[tuple[str, int, int]]]] = []
        if first not in seen:
            seen.add(first)
            waiting.append((first, iter(fragments[first].spreads)))
        while waiting:
            name, spreads = waiting[-1]
            below = next((n for n, *_ in spreads if n in fragments and n not in seen), None)
            if below is None:
                waiting.pop()
                yield name
            else:
                seen.add(below)
                waiting.append((below, iter(fragments[below].spreads)))
