"""Pairs: fields under one key at one place, which a validator compares each with each.

Source: GraphQL specification, section 5.3.2, Field Selection Merging.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)


def pairs_of(document: DocumentNode, most_fields: int) -> int:
    """How many pairs there are in a document, wherever its fragments are spread.

    It looks at so many fields at most: those of a document within its limits are fewer, and
    fragments that spread themselves would have no end.
    """
    fragments = {
        node.name.value: node.selection_set
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    walk = _Walk(fragments, most_fields)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            walk.add(node.selection_set)
    for name, selection_set in fragments.items():
        if name not in walk.reached:
            walk.add(selection_set)
    return walk.pairs


class _Walk:
    """A walk through selections, those of one place together."""

    def __init__(self, fragments: Mapping[str, SelectionSetNode], most_fields: int) -> None:
        self.pairs = 0
        self.reached: set[str] = set()
        self._fragments = fragments
        self._left = most_fields

    def add(self, selection_set: SelectionSetNode) -> None:
        """Counts the pairs in a definition."""
        waiting: list[list[SelectionSetNode]] = [[selection_set]]
        while waiting and self._left > 0:
            waiting.extend(self._below(waiting.pop()))

    def _below(self, place: list[SelectionSetNode]) -> Iterable[list[SelectionSetNode]]:
        """The places below one, by key; its own pairs are counted."""
        counted: Counter[str] = Counter()
        below: defaultdict[str, list[SelectionSetNode]] = defaultdict(list)
        spread: set[str] = set()
        for selection_set in place:
            for node in selection_set.selections:
                if isinstance(node, FieldNode):
                    key = (node.alias or node.name).value
                    counted[key] += 1
                    if node.selection_set is not None:
                        below[key].append(node.selection_set)
                elif isinstance(node, InlineFragmentNode):
                    place.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    place.extend(self._fragment(node.name.value))
        self._left -= counted.total()
        self.pairs += sum(count * (count - 1) // 2 for count in counted.values())
        return below.values()

    def _fragment(self, name: str) -> Iterable[SelectionSetNode]:
        self.reached.add(name)
        return [self._fragments[name]] if name in self._fragments else []
