"""Acceptance: says of most valid documents that they are valid, for a fraction of a validation.

A yes implies that graphql-core's specified rules and Strawberry's two rules find no error; a no
says nothing, and graphql-core has to be asked. So every error is graphql-core's own, and whatever
is rare or hard is left out here: `@defer` and `@stream`, arguments of fragments, lists and objects
as literals of scalars, fields with one response key whose subfields differ by type of object,
documents large enough to come near a limit of graphql-core.
"""

from collections.abc import Sequence
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNonNull,
    GraphQLSchema,
    InlineFragmentNode,
    ListTypeNode,
    ListValueNode,
    NonNullTypeNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    Undefined,
    VariableDefinitionNode,
    VariableNode,
    specified_rules,
    type_from_ast,
    validate,
)
from graphql.validation.rules.variables_in_allowed_position import allowed_variable_usage
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from execution.merging import Merging, Uncertain
from execution.schema_facts import Arguments, ParentFacts, Place, SchemaFacts, facts_of

__all__ = ["is_certainly_valid", "validation_errors"]

# graphql-core gives up on nesting at 200, and on work for fragments at 50,000.
_MAX_DEPTH = 100
_MAX_FRAGMENT_WORK = 5_000
# graphql-core's rule refuses introspection at 3 lists within each other.
_INTROSPECTION_LISTS = frozenset({"fields", "interfaces", "possibleTypes", "inputFields"})
_MAX_INTROSPECTION_LISTS = 2


def is_certainly_valid(schema: GraphQLSchema, document: DocumentNode) -> bool:
    """Tells whether the document is valid; False means that graphql-core should be asked.

    Takes time linear in the document. The schema must be a valid one.
    """
    try:
        _Check(schema, facts_of(schema)).document(document)
    except (Uncertain, RecursionError):
        return False
    return True


def validation_errors(
    schema: GraphQLSchema, document: DocumentNode, *, max_errors: int | None = None
) -> list[GraphQLError]:
    """Gives the errors of graphql-core's rules and Strawberry's, without asking where that is sure.

    Strawberry's rule for oneOf inputs raises instead of judging when a variable in one is unknown
    to the operation visited last (none, when a fragment comes first): the others judge then.
    After `max_errors`, 100 unless told, graphql-core gives up.
    """
    if is_certainly_valid(schema, document):
        return []
    rules = (*specified_rules, MaybeNullValidationRule)
    try:
        return validate(schema, document, (*rules, OneOfInputValidationRule), max_errors)
    except (AttributeError, KeyError):
        return validate(schema, document, rules, max_errors)


class _Owner:
    """What a definition uses, found while it is checked: variables and fragments."""

    __slots__ = ("depth", "is_fragment", "node", "spreads", "usages")

    def __init__(self, node: Any) -> None:
        self.node = node
        self.is_fragment = node.__class__ is FragmentDefinitionNode
        self.depth = 0
        self.usages: list[tuple[str, Place]] = []
        # By name of the fragment, how deep it is spread at most.
        self.spreads: dict[str, int] = {}


class _Check:
    """One check of one document; every method raises Uncertain when it is not sure."""

    def __init__(self, schema: GraphQLSchema, facts: SchemaFacts) -> None:
        self.schema = schema
        self.facts = facts
        self.fragments: dict[str, _Owner] = {}
        self.has_several = False
        self.repeats = False
        self.introspects = False

    def document(self, document: DocumentNode) -> None:
        operations = []
        for definition in document.definitions:
            owner = _Owner(definition)
            if definition.__class__ is OperationDefinitionNode:
                operations.append(owner)
            elif definition.__class__ is FragmentDefinitionNode:
                if definition.name.value in self.fragments:
                    raise Uncertain
                self.fragments[definition.name.value] = owner
            else:
                raise Uncertain
        names = {owner.node.name and owner.node.name.value for owner in operations}
        if len(names) != len(operations) or (None in names and len(names) > 1):
            raise Uncertain
        self.has_several = len(operations) > 1
        for owner in self.fragments.values():
            self.fragment(owner)
        for owner in operations:
            self.operation(owner)
        self.reach(operations)
        if self.repeats or self.fragments:
            nodes = {name: owner.node for name, owner in self.fragments.items()}
            merging = Merging(self.facts, nodes)
            for owner in operations:
                root = self.facts.roots[owner.node.operation]
                merging.merge([(owner.node.selection_set.selections, root)])
        if self.introspects:
            self.introspection(operations)

    def operation(self, owner: _Owner) -> None:
        node = owner.node
        root = self.facts.roots.get(node.operation)
        if root is None:
            raise Uncertain
        if node.directives:
            self.directives(node.directives, node.operation.name, owner)
        selections = node.selection_set.selections
        if node.operation is OperationType.SUBSCRIPTION:
            field = selections[0] if len(selections) == 1 else None
            if field.__class__ is not FieldNode or field.name.value.startswith("__"):
                raise Uncertain
            for directive in field.directives or ():
                if directive.name.value in ("skip", "include"):
                    raise Uncertain
        self.selections(selections, root, set(), owner, 1)

    def fragment(self, owner: _Owner) -> None:
        node = owner.node
        parent = self.facts.parents.get(node.type_condition.name.value)
        if parent is None or node.variable_definitions:
            raise Uncertain
        if node.directives:
            self.directives(node.directives, "FRAGMENT_DEFINITION", owner)
        self.selections(node.selection_set.selections, parent, set(), owner, 1)

    def selections(
        self, nodes: Sequence[Any], parent: ParentFacts, keys: set[str], owner: _Owner, depth: int
    ) -> None:
        if not nodes or depth > _MAX_DEPTH:
            raise Uncertain
        if depth > owner.depth:
            owner.depth = depth
        fields = parent.fields
        for node in nodes:
            if node.__class__ is not FieldNode:
                self.spread(node, parent, keys, owner, depth)
                continue
            name = node.name.value
            field = fields.get(name)
            if field is None:
                raise Uncertain
            alias = node.alias
            key = name if alias is None else alias.value
            if key in keys:
                self.repeats = True
            keys.add(key)
            if node.directives:
                self.directives(node.directives, "FIELD", owner)
            if node.arguments:
                self.arguments(node.arguments, field.arguments, owner)
            elif field.arguments.required:
                raise Uncertain
            if field.parent is None:
                if node.selection_set is not None:
                    raise Uncertain
                continue
            if node.selection_set is None:
                raise Uncertain
            if name in ("__schema", "__type"):
                self.introspects = True
            self.selections(node.selection_set.selections, field.parent, set(), owner, depth + 1)

    def spread(
        self, node: Any, parent: ParentFacts, keys: set[str], owner: _Owner, depth: int
    ) -> None:
        if node.__class__ is InlineFragmentNode:
            target = parent
            if node.type_condition is not None:
                target = self.overlapping(parent, node.type_condition.name.value)
            if node.directives:
                self.directives(node.directives, "INLINE_FRAGMENT", owner)
            self.selections(node.selection_set.selections, target, keys, owner, depth + 1)
            return
        name = node.name.value
        fragment = self.fragments.get(name)
        if fragment is None or node.arguments:
            raise Uncertain
        self.overlapping(parent, fragment.node.type_condition.name.value)
        if node.directives:
            self.directives(node.directives, "FRAGMENT_SPREAD", owner)
        if owner.spreads.get(name, 0) < depth:
            owner.spreads[name] = depth

    def overlapping(self, parent: ParentFacts, name: str) -> ParentFacts:
        if name not in parent.overlaps:
            raise Uncertain
        return self.facts.parents[name]

    def directives(self, nodes: Sequence[DirectiveNode], location: str, owner: _Owner) -> None:
        seen = set()
        for node in nodes:
            name = node.name.value
            directive = self.facts.directives.get(name)
            if directive is None or location not in directive.locations:
                raise Uncertain
            if name in seen and not directive.is_repeatable:
                raise Uncertain
            seen.add(name)
            self.arguments(node.arguments or (), directive.arguments, owner)

    def arguments(self, nodes: Sequence[Any], arguments: Arguments, owner: _Owner) -> None:
        """Checks arguments, or the fields of an object: what can be given, once, and what must."""
        places, seen = arguments.places, set()
        for node in nodes:
            name = node.name.value
            place = places.get(name)
            if place is None or name in seen:
                raise Uncertain
            seen.add(name)
            self.value(node.value, place, owner)
        if not arguments.required <= seen:
            raise Uncertain

    def value(self, node: Any, place: Place, owner: _Owner) -> None:
        node_class = node.__class__
        if node_class is VariableNode:
            # Strawberry's rule looks the variable up in whichever operation was visited last.
            if place.wants_required and owner.is_fragment and self.has_several:
                raise Uncertain
            owner.usages.append((node.name.value, place))
        elif node_class is NullValueNode:
            if place.forbids_null:
                raise Uncertain
        elif place.item is not None:
            if node_class is ListValueNode:
                for item in node.values:
                    self.value(item, place.item, owner)
            else:
                self.value(node, place.item, owner)
        elif place.fields is not None:
            if node_class is not ObjectValueNode:
                raise Uncertain
            if place.is_one_of and len(node.fields) != 1:
                raise Uncertain
            self.arguments(node.fields, place.fields, owner)
        elif not place.accepts(node):
            raise Uncertain

    def reach(self, operations: list[_Owner]) -> None:
        """Checks variables and fragments of operations with all that they reach."""
        used: set[str] = set()
        work = 0
        depths: dict[str, int] = {}
        for operation in operations:
            if self.depth(operation, depths, ()) > _MAX_DEPTH:
                raise Uncertain
            reached = self.reached(operation)
            used |= reached
            owners = [operation, *(self.fragments[name] for name in reached)]
            work += sum(len(owner.usages) + len(owner.spreads) for owner in owners)
            if self.fragments and work > _MAX_FRAGMENT_WORK:
                raise Uncertain
            self.variables(operation, owners)
        if len(used) != len(self.fragments):
            raise Uncertain

    def reached(self, operation: _Owner) -> set[str]:
        reached: set[str] = set()
        waiting = list(operation.spreads)
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(self.fragments[name].spreads)
        return reached

    def depth(self, owner: _Owner, depths: dict[str, int], path: tuple[str, ...]) -> int:
        """Gives how deep selections are nested through fragments, none of them within itself."""
        deepest = owner.depth
        for name, depth in owner.spreads.items():
            if name in path or len(path) > _MAX_DEPTH:
                raise Uncertain
            if name not in depths:
                depths[name] = self.depth(self.fragments[name], depths, (*path, name))
            deepest = max(deepest, depth + depths[name])
        return deepest

    def variables(self, operation: _Owner, owners: list[_Owner]) -> None:
        definitions: dict[str, tuple[VariableDefinitionNode, str, bool]] = {}
        for definition in operation.node.variable_definitions or ():
            name = definition.variable.name.value
            if name in definitions:
                raise Uncertain
            default = definition.default_value
            has_default = default is not None and default.__class__ is not NullValueNode
            definitions[name] = definition, _type_text(definition.type), has_default
        unused = set(definitions)
        for owner in owners:
            for name, place in owner.usages:
                found = definitions.get(name)
                if found is None:
                    raise Uncertain
                if found[1:] not in place.allowed:
                    self.usage(found, place)
                unused.discard(name)
        if unused:
            raise Uncertain
        for definition, text, _ in definitions.values():
            if definition.default_value is not None or definition.directives:
                self.definition(definition, text, operation)

    def usage(self, found: tuple[VariableDefinitionNode, str, bool], place: Place) -> None:
        definition, text, has_default = found
        type_ = type_from_ast(self.schema, definition.type)
        if type_ is None or (place.wants_required and not isinstance(type_, GraphQLNonNull)):
            raise Uncertain
        place_default = None if place.has_default else Undefined
        if not allowed_variable_usage(
            self.schema, type_, definition.default_value, place.type, place_default
        ):
            raise Uncertain
        place.allowed.add((text, has_default))

    def definition(self, definition: VariableDefinitionNode, text: str, operation: _Owner) -> None:
        """Checks the default value and the directives of a variable of a type known as input."""
        if definition.default_value is not None:
            type_: Any = type_from_ast(self.schema, definition.type)
            self.value(definition.default_value, self.facts.place(type_), operation)
        if definition.directives:
            self.directives(definition.directives, "VARIABLE_DEFINITION", operation)

    def introspection(self, operations: list[_Owner]) -> None:
        known: dict[str, int] = {}
        for operation in operations:
            if self.lists(operation.node.selection_set, known) > _MAX_INTROSPECTION_LISTS:
                raise Uncertain

    def lists(self, selection_set: Any, known: dict[str, int]) -> int:
        """Gives how many of the lists of introspection are nested in the selections."""
        deepest = 0
        for node in selection_set.selections:
            if node.__class__ is FragmentSpreadNode:
                name = node.name.value
                if name not in known:
                    known[name] = self.lists(self.fragments[name].node.selection_set, known)
                depth = known[name]
            else:
                depth = self.lists(node.selection_set, known) if node.selection_set else 0
                if node.__class__ is FieldNode and node.name.value in _INTROSPECTION_LISTS:
                    depth += 1
            deepest = max(deepest, depth)
        return deepest


def _type_text(node: Any) -> str:
    if node.__class__ is NonNullTypeNode:
        return _type_text(node.type) + "!"
    if node.__class__ is ListTypeNode:
        return f"[{_type_text(node.type)}]"
    name: str = node.name.value
    return name
