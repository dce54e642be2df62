"""Whether the fields of a response key merge, as they must in a valid document."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    StringValueNode,
    VariableNode,
)

from execution.schema_facts import FieldFacts, ParentFacts, SchemaFacts

__all__ = ["Merging", "Uncertain"]

# graphql-core gives up after 500,000 comparisons.
_MAX_WORK = 20_000


class Uncertain(Exception):
    """The document is not valid, or not plainly so."""


_Selections = tuple[Sequence[Any], ParentFacts]
_Occurrence = tuple[FieldNode, ParentFacts, FieldFacts]


class Merging:
    """Whether fields of one response key merge, where keys repeat or fragments are spread.

    All fields of a key are looked at together, with the fields of all their subfields together in
    turn: linear, and stricter than the specification, which looks at pairs (FieldsInSetCanMerge).
    """

    def __init__(self, facts: SchemaFacts, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.facts = facts
        self.fragments = fragments
        self.merged: set[tuple[tuple[int, str], ...]] = set()
        self.work = 0

    def merge(self, sets: list[_Selections]) -> None:
        """Looks at the fields of the selections of one place, and at theirs. Raises: Uncertain."""
        identity = tuple((id(nodes), parent.name) for nodes, parent in sets)
        if identity in self.merged:
            return
        self.merged.add(identity)
        by_key: dict[str, list[_Occurrence]] = {}
        spread: set[str] = set()
        for nodes, parent in sets:
            self._collect(nodes, parent, by_key, spread)
        self._spend(len(by_key) * (1 + len(spread)) + len(spread) ** 2)
        for occurrences in by_key.values():
            if len(occurrences) > 1:
                self._spend(len(occurrences) ** 2)
                _merge_fields(occurrences)
            inner: list[_Selections] = [
                (node.selection_set.selections, field.parent)
                for node, _, field in occurrences
                if node.selection_set is not None and field.parent is not None
            ]
            if inner:
                self.merge(inner)

    def _collect(
        self,
        nodes: Sequence[Any],
        parent: ParentFacts,
        by_key: dict[str, list[_Occurrence]],
        spread: set[str],
    ) -> None:
        self._spend(len(nodes))
        parents = self.facts.parents
        for node in nodes:
            if node.__class__ is FieldNode:
                key = node.name.value if node.alias is None else node.alias.value
                occurrence = node, parent, parent.fields[node.name.value]
                by_key.setdefault(key, []).append(occurrence)
            elif node.__class__ is InlineFragmentNode:
                condition = node.type_condition
                target = parent if condition is None else parents[condition.name.value]
                self._collect(node.selection_set.selections, target, by_key, spread)
            elif node.name.value not in spread:
                spread.add(node.name.value)
                fragment = self.fragments[node.name.value]
                target = parents[fragment.type_condition.name.value]
                self._collect(fragment.selection_set.selections, target, by_key, spread)

    def _spend(self, work: int) -> None:
        self.work += work
        if self.work > _MAX_WORK:
            raise Uncertain


def _merge_fields(occurrences: list[_Occurrence]) -> None:
    """Insists that the fields are the same, or never those of the same object."""
    shapes = {field.shape for _, _, field in occurrences}
    calls = {_call(node) for node, _, _ in occurrences}
    if len(shapes) > 1:
        raise Uncertain
    if len(calls) > 1:
        by_parent = {(parent.name, _call(node)) for node, parent, _ in occurrences}
        parents = {parent.name for _, parent, _ in occurrences}
        if len(by_parent) > len(parents) or not all(p.is_object for _, p, _ in occurrences):
            raise Uncertain


def _call(node: FieldNode) -> object:
    """Gives the name and the arguments of a field as something that equals for equal ones."""
    if not node.arguments:
        return node.name.value
    arguments = {argument.name.value: _written(argument.value) for argument in node.arguments}
    return node.name.value, frozenset(arguments.items())


def _written(node: Any) -> object:
    node_class = node.__class__
    if node_class is VariableNode:
        return node_class, node.name.value
    if node_class is ListValueNode:
        return node_class, tuple(_written(value) for value in node.values)
    if node_class is ObjectValueNode:
        return node_class, frozenset((f.name.value, _written(f.value)) for f in node.fields)
    if node_class is StringValueNode:
        return node_class, node.value, node.block is True
    return node_class, getattr(node, "value", None)
