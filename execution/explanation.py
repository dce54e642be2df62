"""What a plan will do, in lines for people: level by level, what is read and what is called."""

from collections import defaultdict
from collections.abc import Iterator

from graphql import print_ast

from execution.plan import Column, Constant, Inline, Items, Later, Nested, ObjectPlan, Shape

INDENT = "  "


def explained(plan: ObjectPlan) -> list[str]:
    """The levels of a plan as a tree, from the root, with everything once, whatever the data."""
    return [plan.type.name, *_body(plan, INDENT, is_many=False)]


def _body(plan: ObjectPlan, indent: str, *, is_many: bool) -> Iterator[str]:
    """What is done for the objects of a level, and below."""
    entries = plan.shape.entries
    if known := [entry.key for entry in entries if isinstance(entry, Constant)]:
        yield f"{indent}knows {' '.join(known)}"
    if read := [_read(entry) for entry in entries if isinstance(entry, Inline)]:
        yield f"{indent}reads {' '.join(read)}"
    for column in plan.columns:
        yield f"{indent}{_called(column)}"
        yield from _below(column, indent + INDENT, is_many=is_many)


def _below(column: Column, indent: str, *, is_many: bool) -> Iterator[str]:
    if isinstance(shape := _object_of(column.shape), Nested):
        yield f"{indent}reads {_selected(shape)}"
    is_many = is_many or column.item_type is not None
    types: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for plan in column.objects.values():
        if plan.shape.entries:
            body = tuple(_body(plan, indent + INDENT, is_many=is_many))
            types[body].append(plan.type.name)
    for lines, names in types.items():
        yield f"{indent}{'each ' if is_many else ''}{' | '.join(names)}"
        yield from lines


def _called(column: Column) -> str:
    name = _named(column.key, column.field_name)
    arguments = ", ".join(print_ast(each) for each in column.nodes[0].arguments or ())
    given = f"({arguments})" if arguments else ""
    return f"{name}: {column.return_type} - {column.how}{given}"


def _read(entry: Inline) -> str:
    name = _named(entry.key, entry.field_name)
    is_list = isinstance(entry.shape, Items)
    shape = _object_of(entry.shape)
    below = f" {{ {_selected(shape)} }}" if isinstance(shape, Nested) else ""
    return f"{name}{' [list]' if is_list else ''}{below}"


def _selected(shape: Nested) -> str:
    return " ".join(
        _read(entry) if isinstance(entry, Inline) else entry.key
        for entry in shape.entries
        if not isinstance(entry, Later)
    )


def _object_of(shape: Shape | None) -> Shape | None:
    while isinstance(shape, Items):
        shape = shape.item
    return shape


def _named(key: str, field_name: str) -> str:
    return key if key == field_name else f"{key} = {field_name}"
