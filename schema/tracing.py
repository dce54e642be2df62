"""Federated inline tracing (ftv1): when each field ran, as a gateway asks for it.

Source: Apollo's `reports.proto`, message Trace, of which inline traces use a part.
"""

import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import pack
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLResolveInfo
from graphql.pyutils import Path
from strawberry.extensions import SchemaExtension

HEADER = "apollo-federation-include-trace"
"""The request header with which a gateway asks for a trace."""
FORMAT = "ftv1"
"""The value of that header, and the name of the trace in the extensions of the answer."""

ONE_BYTE = tuple(bytes([value]) for value in range(0x80))


@dataclass(slots=True)
class Node:
    """A place in the answer: a field, an item of a list, or the whole.

    Times are nanoseconds since the operation began; only fields have them.
    """

    key: str | int | None = None
    field_name: str = ""
    type: str = ""
    parent_type: str = ""
    started_at: int = 0
    ended_at: int = 0
    errors: list[bytes] = field(default_factory=list)
    children: dict[str | int, "Node"] = field(default_factory=dict)

    def child(self, key: str | int) -> "Node":
        """The node below this one, made when it is first asked for."""
        node = self.children.get(key)
        if node is None:
            node = self.children[key] = Node(key)
        return node


class Tracing(SchemaExtension):
    """Traces one operation; the trace is in `extensions.ftv1` of its answer.

    As an extension it slows every field down, so it belongs to a schema of its own.
    """

    def __init__(self, **_: Any) -> None:
        self._root = Node()
        self._started_at = time.time_ns()
        self._clock = time.perf_counter_ns()

    def resolve(  # type: ignore[override]
        self, _next: Any, root: Any, info: "GraphQLResolveInfo[Any]", /, **arguments: Any
    ) -> Any:
        """Takes the time of a field; what introspection is made of is left out."""
        if info.field_name.startswith("__") or info.parent_type.name.startswith("__"):
            return _next(root, info, **arguments)
        node = self._at(info.path)
        node.field_name = info.field_name
        node.type = str(info.return_type)
        node.parent_type = info.parent_type.name
        node.started_at = self._elapsed()
        try:
            result = _next(root, info, **arguments)
        except BaseException:
            node.ended_at = self._elapsed()
            raise
        if info.is_awaitable(result):
            return self._awaited(result, node)
        node.ended_at = self._elapsed()
        return result

    def get_results(self) -> dict[str, Any]:
        """The trace, once errors are as the client will see them."""
        duration = self._elapsed()
        for error in self.execution_context.pre_execution_errors or ():
            self._add(error)
        trace = _trace(self._root, self._started_at, duration)
        return {FORMAT: b64encode(trace).decode("ascii")}

    async def _awaited(self, result: Any, node: Node) -> Any:
        try:
            return await result
        finally:
            node.ended_at = self._elapsed()

    def _add(self, error: GraphQLError) -> None:
        node, ended_at = self._root, 0
        for key in error.path or ():
            node = node.child(key)
            ended_at = node.ended_at or ended_at
        node.errors.append(_error(error, ended_at))

    def _at(self, path: Path) -> Node:
        above = self._root if path.prev is None else self._at(path.prev)
        return above.child(path.key)

    def _elapsed(self) -> int:
        return time.perf_counter_ns() - self._clock


def _trace(root: Node, started_at: int, duration: int) -> bytes:
    return b"".join(
        (
            _bytes(4, _timestamp(started_at)),
            _bytes(3, _timestamp(started_at + duration)),
            _number(11, duration),
            _bytes(14, b"".join(_node(root))),
            _double(31, 1.0),  # every operation that is asked for is traced
        )
    )


def _node(node: Node) -> Iterator[bytes]:
    if isinstance(node.key, str):
        yield _text(1, node.key)
    elif node.key is not None:
        yield _number(2, node.key)
    if node.field_name:
        if node.field_name != node.key:
            yield _text(14, node.field_name)
        yield _text(3, node.type)
        yield _text(13, node.parent_type)
        yield _number(8, node.started_at)
        yield _number(9, node.ended_at)
    for error in node.errors:
        yield _bytes(11, error)
    for child in node.children.values():
        yield _bytes(12, b"".join(_node(child)))


def _error(error: GraphQLError, ended_at: int) -> bytes:
    """An error as the answer has it; its time is when the field around it had ended."""
    locations = (
        _bytes(2, _number(1, location.line) + _number(2, location.column))
        for location in error.locations or ()
    )
    return b"".join(
        (
            _text(1, error.message),
            *locations,
            _number(3, ended_at),
            _bytes(4, orjson.dumps(error.formatted)),
        )
    )


def _timestamp(nanoseconds: int) -> bytes:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return _number(1, seconds) + _number(2, rest)


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _double(tag: int, value: float) -> bytes:
    return _varint(tag << 3 | 1) + pack("<d", value)


def _text(tag: int, value: str) -> bytes:
    return _bytes(tag, value.encode("utf-8", "replace"))


def _bytes(tag: int, value: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    if value <= 0x7F:
        return ONE_BYTE[value]
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
