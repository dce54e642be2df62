"""What an operation asks of its root: the names of its fields there, aliases or not."""

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    SelectionSetNode,
)

from execution.cache import operation_of


def asked_fields(document: DocumentNode, operation_name: str | None) -> frozenset[str]:
    """The names of the root fields, wherever fragments put them; linear, and circles end.

    What `@skip` leaves out counts. Empty when there is no such operation.
    """
    operation = operation_of(document, operation_name)
    fragments = {
        node.name.value: node.selection_set
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode)
    }
    found: set[str] = set()
    waiting: list[SelectionSetNode | None] = [operation.selection_set if operation else None]
    for selection_set in waiting:
        for node in selection_set.selections if selection_set else ():
            if isinstance(node, FieldNode):
                found.add(node.name.value)
            elif isinstance(node, FragmentSpreadNode):
                waiting.append(fragments.pop(node.name.value, None))
            else:
                waiting.append(getattr(node, "selection_set", None))
    return frozenset(found)
