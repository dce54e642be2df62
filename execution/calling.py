"""Calling: how a column gets the values of a field, for all parents of a level."""

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from graphql import GraphQLField

from execution.arguments import Arguments, reference_arguments
from execution.builders import reading_of
from execution.plan import Column, Failed, Reader
from execution.running import Level, Run, resolve_info

Call = Callable[[Run, Column, Level], list[Any]]
"""A value, an awaitable or a `Failed` for every parent of the level."""


def reading(reader: Reader) -> Call:
    """Reads the field from its parent."""
    read = reading_of(reader)

    def call(run: Run, column: Column, level: Level) -> list[Any]:
        values: list[Any] = []
        for index, source in enumerate(level.sources):
            try:
                values.append(read(source))
            except Exception:  # a value that is to be called, or a property that raises
                values.append(_resolved(run, column, level, index, source))
        return values

    return call


def resolving(run: Run, column: Column, level: Level) -> list[Any]:
    """Calls the field's resolver by graphql-core's protocol."""
    return [
        _resolved(run, column, level, index, source) for index, source in enumerate(level.sources)
    ]


def _resolved(run: Run, column: Column, level: Level, index: int, source: Any) -> Any:
    executor = run.executor
    resolve = column.field.resolve or executor.field_resolver
    try:
        info = resolve_info(run, column, level, index)
        arguments = reference_arguments(column.field, column.nodes[0], executor.variable_values)
        return resolve(source, info, **arguments)
    except Exception as error:
        return Failed(error)


class Function:
    """A resolver that is called with its parent, an info and its arguments, as it asks for them.

    `make_info` gives the info; `arguments_of` gives the arguments by graphql-core, for one parent,
    where those made ready do not fit.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        takes_parent: bool,
        parent_names: tuple[str, ...],
        info_name: str | None,
        make_info: Callable[[Run, Column, Level, int], Any],
        arguments_of: Callable[[Run, Column, Level, int], dict[str, Any]],
    ) -> None:
        words = ["source"] if takes_parent else []
        words += [f"{name}=source" for name in parent_names]
        if info_name is not None:
            words.append(f"{info_name}=make_info(run, column, level, index)")
        signature = ", ".join([*words, "**arguments"])
        scope = {"function": function, "make_info": make_info}
        text = f"lambda run, column, level, index, source, arguments: function({signature})"
        self._call_one: Callable[..., Any] = eval(text, scope)
        self._arguments_of = arguments_of
        self.name = getattr(function, "__qualname__", repr(function))
        """What people find the function by."""
        self.is_async = iscoroutinefunction(function)

    def calling(self, arguments: Arguments) -> Call:
        """Calls it with the arguments of a field node."""
        call_one, arguments_of = self._call_one, self._arguments_of
        are_shared = arguments.are_shared

        def call(run: Run, column: Column, level: Level) -> list[Any]:
            values: list[Any] = []
            given: dict[str, Any] | None = None
            for index, source in enumerate(level.sources):
                try:
                    if given is None or not are_shared:
                        try:
                            given = arguments.values(run.variables)
                        except Exception:  # graphql-core finds it again, and the words for it
                            given = arguments_of(run, column, level, index)
                    values.append(call_one(run, column, level, index, source, given))
                except Exception as error:
                    values.append(Failed(error))
            return values

        return call


def reads_by_default(field: GraphQLField) -> bool:
    """Whether graphql-core's default resolver reads the field, which takes no arguments."""
    return field.resolve is None and not field.args
