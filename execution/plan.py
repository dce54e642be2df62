"""The plan of an operation: what is read, what is called, and how each value is completed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from typing import Any, TypeAlias, TypeVar

from graphql import FieldNode, GraphQLField, GraphQLObjectType, GraphQLOutputType
from graphql.execution.collect_fields import FieldDetails
from graphql.type import GraphQLAbstractType, GraphQLLeafType

TypeCheck: TypeAlias = Callable[[Any, Any], Any]
"""An object type's `is_type_of`: the object and the resolve info in, whether it is one out."""
Build: TypeAlias = Callable[[Any], Any]
"""A source in, the completed value out; raises anything when it is not certain of it."""


C = TypeVar("C", bound=Callable[..., Any])
BY_CLASS = "answers_by_class"


def by_class(is_type_of: C) -> C:
    """Promises that an `is_type_of` looks at nothing of an object but its class.

    No object of a class that it says yes to is of another type. So each class is asked once.
    """
    setattr(is_type_of, BY_CLASS, True)
    return is_type_of


class UnsupportedOperation(Exception):
    """The operation uses something that is not compiled: graphql-core runs it as a whole."""


class IrregularValue(Exception):
    """A value that compiled code is not certain of: graphql-core completes that one."""


class Failed:
    """Stands for the value of a field that could not be had."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


@dataclass(frozen=True, slots=True)
class Attribute:
    """A value that is read as an attribute of its source."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A value that graphql-core's default resolver reads: a dict's item, or an attribute."""

    name: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A value that a function reads from its source, given a name."""

    read: Callable[[Any, str], Any]
    name: str


Reader: TypeAlias = Attribute | Member | Reading


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar or an enum value."""

    type: GraphQLLeafType
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    item: "Shape"
    is_nullable: bool


@dataclass(frozen=True, slots=True)
class Nested:
    """An object that needs no resolver, and nor does anything in it."""

    type: GraphQLObjectType
    entries: "tuple[Entry, ...]"
    is_nullable: bool
    is_type_of: TypeCheck | None = None
    """What the type asks of an object, when it asks nothing of the resolve info."""

    @property
    def answers_by_class(self) -> bool:
        """Whether each class has to be asked but once."""
        return self.is_type_of is None or hasattr(self.is_type_of, BY_CLASS)


Shape: TypeAlias = Leaf | Items | Nested
"""A value that is completed in straight-line code, from its source alone."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A key whose value is known before: `__typename`."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Inline:
    """A key whose value, of a field, is read from the source and completed at once."""

    key: str
    field_name: str
    reader: Reader
    shape: Shape


@dataclass(frozen=True, slots=True)
class Later:
    """A key whose value a column fills in; it is null until then."""

    key: str


Entry: TypeAlias = Constant | Inline | Later


@dataclass(slots=True, eq=False)
class ObjectPlan:
    """A selection set of one object type: what is completed at once, and the columns.

    `is_type_of` is asked, with the resolve info, before an object is built; it is missing where
    nothing is to be asked, or where `build` asks itself.
    """

    shape: Nested
    columns: "list[Column]"
    build: Build
    is_type_of: TypeCheck | None = None

    @property
    def type(self) -> GraphQLObjectType:
        """The type of the objects."""
        return self.shape.type


@dataclass(slots=True, eq=False)
class Column:
    """A field that is run for all parents of a level at once.

    `call` gives a value, an awaitable or a `Failed` for every parent; `complete` fills them in.
    """

    key: str
    field_name: str
    field: GraphQLField
    details: list[FieldDetails]
    nodes: list[FieldNode]
    parent_type: GraphQLObjectType
    call: Callable[..., list[Any]]
    how: str
    """How the field gets its value, in a few words for people."""
    complete: Callable[..., Any]
    item_type: GraphQLOutputType | None = None
    is_nullable: bool = True
    has_nullable_items: bool = True
    shape: Shape | None = None
    build: Build | None = None
    """Completes a value of the shape, when nothing below needs a column."""
    abstract_type: GraphQLAbstractType | None = None
    resolve_type: Callable[..., Any] = str
    """Asked for the type of each object of the abstract type."""
    objects: dict[str, ObjectPlan] = default(default_factory=dict)
    """The plan for each object type that a value may have."""
    only: ObjectPlan | None = None
    """That plan, when there can be but one."""

    @property
    def return_type(self) -> GraphQLOutputType:
        """The type of the field."""
        return self.field.type

    @property
    def is_flat(self) -> bool:
        """Whether nothing is to be run below."""
        return not any(plan.columns for plan in self.objects.values())


def columns_of(plan: ObjectPlan) -> Iterator[Column]:
    """The columns of a plan and of all plans below, from the top."""
    waiting: list[Sequence[Column]] = [plan.columns]
    for columns in waiting:
        for column in columns:
            yield column
            waiting.extend(below.columns for below in column.objects.values())


def fields_of(plan: ObjectPlan, type_name: str) -> Iterator[str]:
    """The fields that a plan selects on a type, wherever; one may come several times."""
    shapes: list[Shape | None] = [plan.shape]
    for column in columns_of(plan):
        if column.parent_type.name == type_name:
            yield column.field_name
        shapes.append(column.shape)
        shapes.extend(below.shape for below in column.objects.values())
    for shape in shapes:
        if isinstance(shape, Items):
            shapes.append(shape.item)
        elif isinstance(shape, Nested):
            for entry in shape.entries:
                if isinstance(entry, Inline):
                    shapes.append(entry.shape)
                    if shape.type.name == type_name:
                        yield entry.field_name
