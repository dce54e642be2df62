"""Analysis: which fields of an operation are read, which are called, and where the levels are.

Source: GraphQL specification, section 6.3.2, CollectFields.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_object_type,
)
from graphql.execution.collect_fields import (
    FieldDetails,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues

from execution.arguments import Arguments
from execution.builders import ClosureBuilders, Sources
from execution.calling import Call, reading, reads_by_default, resolving
from execution.completing import (
    complete_by_reference,
    complete_lists,
    complete_objects,
    complete_values,
)
from execution.plan import (
    Attribute,
    Column,
    Constant,
    Entry,
    Inline,
    Items,
    Later,
    Leaf,
    Member,
    Nested,
    ObjectPlan,
    Reader,
    Shape,
    UnsupportedOperation,
)
from execution.strawberry_fields import StrawberryFields, check_of

CONDITIONS = frozenset({"skip", "include"})
INCREMENTAL = frozenset({"defer", "stream"})
MAX_ENTRIES = 20_000
"""Fields counted for each object type they may be on, so that no operation takes long to plan."""
INTROSPECTION = frozenset({"__schema", "__type"})

Grouped = Mapping[str, list[FieldDetails]]


class Tools:
    """What plans on one schema are made with, and share."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.sources = Sources()
        self.closures = ClosureBuilders(self.sources)
        self.strawberry = StrawberryFields.of(schema)


class Operation:
    """One operation of a document, with the fragments that it may spread.

    Raises: UnsupportedOperation, also for what graphql-core refuses.
    """

    def __init__(self, document: DocumentNode, name: str | None) -> None:
        self.fragment_definitions: dict[str, FragmentDefinitionNode] = {}
        found: list[OperationDefinitionNode] = []
        for definition in document.definitions:
            if isinstance(definition, FragmentDefinitionNode):
                self.fragment_definitions[definition.name.value] = definition
                if definition.variable_definitions:
                    raise UnsupportedOperation("variables of a fragment")
            elif isinstance(definition, OperationDefinitionNode) and (
                name is None or (definition.name and definition.name.value == name)
            ):
                found.append(definition)
        if len(found) != 1:
            raise UnsupportedOperation("not one operation of that name")
        self.node = found[0]
        if self.node.directives:
            raise UnsupportedOperation("a directive on the operation")
        self.fragments = {
            name: FragmentDetails(definition)
            for name, definition in self.fragment_definitions.items()
        }
        self.conditions = sorted(_conditions(self.node, self.fragment_definitions))
        """The variables that `@skip` and `@include` look at."""


class Analysis:
    """Makes the plan of an operation for one set of values of its conditions.

    Builders are closures; the values of `@skip` and `@include` are those that were given.
    """

    def __init__(
        self,
        tools: Tools,
        operation: Operation,
        conditions: Mapping[str, bool],
        type_resolver: Callable[..., Any],
    ) -> None:
        self._tools = tools
        self._operation = operation
        self._variables = VariableValues({}, dict(conditions))
        self._type_resolver = type_resolver
        self._size = 0
        self._grouped: dict[tuple[str, int], Grouped] = {}
        self._shapes: dict[tuple[int, int], Shape | None] = {}

    def plan(self) -> ObjectPlan:
        """The plan from the root. Raises: UnsupportedOperation."""
        node = self._operation.node
        root_type = self._tools.schema.get_root_type(node.operation)
        if root_type is None:
            raise UnsupportedOperation("no root type")
        try:
            collected = collect_fields(
                self._tools.schema, self._operation.fragments, self._variables, root_type, node
            )
            return self._object_plan(root_type, collected.grouped_field_set, is_root=True)
        except RecursionError:
            raise UnsupportedOperation("selections nested too deeply") from None

    def _object_plan(
        self, type_: GraphQLObjectType, grouped: Grouped, *, is_root: bool = False
    ) -> ObjectPlan:
        entries: list[Entry] = []
        columns: list[Column] = []
        for key, details in grouped.items():
            entry = self._entry(type_, key, details, is_root=is_root)
            if entry is None:
                columns.append(self._column(type_, key, details))
            entries.append(entry or Later(key))
        without_info, with_info = (None, None) if is_root else check_of(type_)
        shape = Nested(type_, tuple(entries), False, without_info)
        if is_root:
            constants = {e.key: e.value if isinstance(e, Constant) else None for e in entries}
            return ObjectPlan(shape, columns, lambda _: constants.copy())
        return ObjectPlan(shape, columns, self._tools.closures.of(shape), with_info)

    def _entry(
        self, type_: GraphQLObjectType, key: str, details: list[FieldDetails], *, is_root: bool
    ) -> Constant | Inline | None:
        """The entry of a field that needs no column."""
        self._size += 1
        if self._size > MAX_ENTRIES:
            raise UnsupportedOperation(f"more than {MAX_ENTRIES} fields")
        name = details[0].node.name.value
        if name == "__typename":
            return Constant(key, type_.name)
        if name in INTROSPECTION:
            raise UnsupportedOperation("introspection")
        field = type_.fields.get(name)
        if field is None:
            raise UnsupportedOperation("a field that its type does not have")
        if is_root:
            return None
        reader = self._reader(field, name)
        shape = self._shape(field.type, details) if reader is not None else None
        if reader is None or shape is None:
            return None
        return Inline(key, name, reader, shape)

    def _shape(self, type_: GraphQLOutputType, details: list[FieldDetails]) -> Shape | None:
        """The shape of a value that needs no column in it."""
        key = (id(type_), id(details))
        if key not in self._shapes:
            self._shapes[key] = self._shape_of(type_, details)
        return self._shapes[key]

    def _shape_of(self, type_: GraphQLOutputType, details: list[FieldDetails]) -> Shape | None:
        is_nullable = not isinstance(type_, GraphQLNonNull)
        type_ = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if is_list_type(type_):
            item = self._shape(type_.of_type, details)
            return Items(item, is_nullable) if item else None
        if is_leaf_type(type_):
            return Leaf(type_, is_nullable)
        if not is_object_type(type_):
            return None
        without_info, with_info = check_of(type_)
        if with_info is not None:
            return None
        entries: list[Entry] = []
        for key, below in self._below(type_, details).items():
            entry = self._entry(type_, key, below, is_root=False)
            if entry is None:
                return None
            entries.append(entry)
        return Nested(type_, tuple(entries), is_nullable, without_info)

    def _below(self, type_: GraphQLObjectType, details: list[FieldDetails]) -> Grouped:
        key = (type_.name, id(details))
        if key not in self._grouped:
            operation = self._operation
            self._grouped[key] = collect_subfields(
                self._tools.schema,
                operation.fragments,
                self._variables,
                operation.node,
                type_,
                details,
            ).grouped_field_set
        return self._grouped[key]

    def _reader(self, field: GraphQLField, name: str) -> Reader | None:
        if self._tools.strawberry and (reader := self._tools.strawberry.reader(field)):
            return reader
        return Member(name) if reads_by_default(field) else None

    def _column(
        self, parent_type: GraphQLObjectType, key: str, details: list[FieldDetails]
    ) -> Column:
        node = details[0].node
        field = parent_type.fields[node.name.value]
        call, how = self._call(field, node)
        type_ = field.type
        column = Column(
            key=key,
            field_name=node.name.value,
            field=field,
            details=details,
            nodes=[detail.node for detail in details],
            parent_type=parent_type,
            call=call,
            how=how,
            complete=complete_by_reference,
            is_nullable=not isinstance(type_, GraphQLNonNull),
        )
        self._plan_completion(column)
        return column

    def _plan_completion(self, column: Column) -> None:
        shape = self._shape(column.field.type, column.details)
        # Of a list of objects, one that cannot be completed shall not make the others slow.
        if shape is not None and not (isinstance(shape, Items) and isinstance(shape.item, Nested)):
            column.shape = shape
            column.build = self._tools.closures.of(shape)
            column.complete = complete_values
            return
        type_ = _nullable(column.field.type)
        if is_list_type(type_):
            column.complete = complete_lists
            column.item_type = type_.of_type
            column.has_nullable_items = not isinstance(type_.of_type, GraphQLNonNull)
            type_ = _nullable(type_.of_type)
        else:
            column.complete = complete_objects
        if is_object_type(type_):
            plan = self._object_plan(type_, self._below(type_, column.details))
            column.objects, column.only = {type_.name: plan}, plan
        elif is_abstract_type(type_):
            column.abstract_type = type_
            column.resolve_type = type_.resolve_type or self._type_resolver
            for possible in self._tools.schema.get_possible_types(type_):
                grouped = self._below(possible, column.details)
                column.objects[possible.name] = self._object_plan(possible, grouped)
        else:  # a list of lists with columns below
            column.complete = complete_by_reference

    def _call(self, field: GraphQLField, node: FieldNode) -> tuple[Call, str]:
        reader = self._reader(field, node.name.value)
        if reader is not None:
            return reading(reader), f"reads {_described(reader)}"
        found = self._tools.strawberry.function(field) if self._tools.strawberry else None
        if found is not None:
            function, names = found
            try:
                call = function.calling(Arguments(field, node, names))
                return call, f"{'awaits' if function.is_async else 'calls'} {function.name}"
            except Exception:  # arguments that only graphql-core can tell
                pass
        return resolving, "calls the resolver by graphql-core's protocol"


def _described(reader: Reader) -> str:
    return f"the attribute {reader.name}" if isinstance(reader, Attribute) else reader.name


def _nullable(type_: GraphQLOutputType) -> Any:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_


def _conditions(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> set[str]:
    """The variables in `@skip` and `@include`. Raises: UnsupportedOperation for `@defer`."""
    found: set[str] = set()
    waiting: list[SelectionSetNode | None] = [operation.selection_set]
    waiting += [fragment.selection_set for fragment in fragments.values()]
    for selection_set in waiting:
        for node in selection_set.selections if selection_set else ():
            for directive in node.directives or ():
                name = directive.name.value
                if name in INCREMENTAL:
                    raise UnsupportedOperation(f"@{name}")
                if name in CONDITIONS:
                    found.update(
                        argument.value.name.value
                        for argument in directive.arguments or ()
                        if isinstance(argument.value, VariableNode)
                    )
            waiting.append(getattr(node, "selection_set", None))
    return found
