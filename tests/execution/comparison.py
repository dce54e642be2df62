"""Whether two answers to one operation are the same, as far as the specification fixes them.

*Data* must be the same bytes, order of keys included.

*Errors* are the same in message, path, locations, extensions and the class of what was raised, as
a multiset: the specification leaves their order open, and breadth first is another order than
depth first. Where several fields fail under one null, it also leaves open which of them is
reported (GraphQL specification, section 6.4.4): whoever comes first nulls the position, and what
comes later is cancelled or ignored. There an answer may report others than the reference does, but
at least one, and only such that do happen: that is, which the reference reports for the same
operation when nothing propagates (`@experimental_disableErrorPropagation`).

*Calls* of resolvers are the same, in the same order for a mutation's root fields, and otherwise as
a multiset. Where errors propagate only what is serial is compared, because how many siblings of a
failed field still run is open as well.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError

Path = tuple[str | int, ...]
MISSING = object()
ErrorKey = tuple[Path, str, tuple[tuple[int, int], ...], str, str]


Possible = Callable[[int], Iterable[GraphQLError]]
"""All errors that can happen in a result, by its number; only called when that matters."""


@dataclass
class Answer:
    """What came of one execution: one result, or those of a subscription's events.

    `end` is how a stream of events ended, `trouble` what was left behind or went wrong around it,
    `unused` which awaitables inside of values nobody awaited: that may be when an error propagates.
    """

    results: list[ExecutionResult] = field(default_factory=list)
    end: str = ""
    waited: bool = False
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def difference(expected: Answer, given: Answer, possible: Possible, *, serial: bool) -> str | None:
    """How an answer differs from what is expected, as a sentence; None when it does not."""
    if given.trouble and not expected.trouble:
        return "; ".join(given.trouble)
    if len(given.results) != len(expected.results) or given.end != expected.end:
        return (
            f"{len(given.results)} results and {given.end or 'an end'}"
            f" instead of {len(expected.results)} and {expected.end or 'an end'}"
        )
    for number, (one, other) in enumerate(zip(expected.results, given.results, strict=True)):
        if sentence := _different_results(one, other, partial(possible, number)):
            return sentence
    if serial and _roots(expected.calls) != _roots(given.calls):
        return "root fields were called differently"
    if any(map(_has_propagated, expected.results)):
        return None
    if given.unused and not expected.unused:
        return given.unused[0]
    if Counter(map(repr, expected.calls)) != Counter(map(repr, given.calls)):
        return "resolvers were called differently"
    if given.waited and not expected.waited:
        return "an awaitable came, though nothing has to be awaited"
    return None


def _different_results(
    expected: ExecutionResult,
    given: ExecutionResult,
    possible: Callable[[], Iterable[GraphQLError]],
) -> str | None:
    if encoded(given.data) != encoded(expected.data):
        return "data differ"
    if given.extensions != expected.extensions:
        return "extensions differ"
    return _different_errors(expected, given, possible)


def _has_propagated(result: ExecutionResult) -> bool:
    """Whether an error nulls more than the field it happened in."""
    paths = [_key(error)[0] for error in result.errors or ()]
    return any(
        _nulled(result.data, path) != path or _is_foreign(result.data, path) for path in paths
    )


def encoded(data: Any) -> bytes:
    """Data as they are sent; what JSON cannot hold is told apart by its `repr`."""
    try:
        text = orjson.dumps(data, default=_foreign)
    except TypeError:
        text = repr(data).encode()
    return re.sub(b"0x[0-9a-f]+", b"0x", text) if b" 0x" in text else text


def _foreign(value: Any) -> Any:
    if isinstance(value, set):
        return {"set": sorted(map(repr, value))}
    return {type(value).__name__: repr(value)}


def _without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", text) if "0x" in text else text


def _key(error: GraphQLError) -> ErrorKey:
    original = error.original_error
    return (
        tuple(error.path or ()),
        _without_addresses(error.message),
        tuple((place.line, place.column) for place in error.locations or ()),
        repr(sorted((error.extensions or {}).items())),
        type(original).__name__ if original is not None else "",
    )


def _nulled(data: Any, path: Path) -> Path:
    """The position, at the path or above it, that is null in the data; the path when none is."""
    for depth, part in enumerate(path):
        if data is None:
            return path[:depth]
        try:
            data = data[part]
        except (LookupError, TypeError):
            return path
    return path


def _is_foreign(data: Any, path: Path) -> bool:
    """Whether a resolver made the path up: it leads nowhere in the data, not even to a null."""
    return len(_nulled(data, path)) == len(path) and _value_at(data, path) is not None


def _value_at(data: Any, path: Path) -> Any:
    try:
        for part in path:
            data = data[part]
    except (LookupError, TypeError):
        return MISSING
    return data


def _different_errors(
    expected: ExecutionResult,
    given: ExecutionResult,
    possible: Callable[[], Iterable[GraphQLError]],
) -> str | None:
    keys = [_key(error) for error in expected.errors or ()]
    given_keys = [_key(error) for error in given.errors or ()]
    if keys == given_keys:
        return None
    if all(not path for path, *_ in keys):
        return "errors of the request differ"
    if any(_is_foreign(expected.data, path) for path, *_ in keys + given_keys):
        more = Counter(given_keys) - Counter(_key(error) for error in possible())
        return f"an error that does not happen: {next(iter(more))}" if more else None
    groups, given_groups = _grouped(expected.data, keys), _grouped(given.data, given_keys)
    if groups.keys() != given_groups.keys():
        return (
            f"errors null other positions: {sorted(map(str, groups.keys() ^ given_groups.keys()))}"
        )
    different = [place for place in groups if groups[place] != given_groups[place]]
    if not different:
        return None
    happens = Counter(_key(error) for error in possible())
    for place in different:
        if any(key[0] != place for key in given_groups[place] | groups[place]):
            if more := given_groups[place] - happens:
                return f"an error that does not happen: {next(iter(more))}"
        else:
            return f"errors at {place} differ"
    return None


def _grouped(data: Any, keys: Iterable[ErrorKey]) -> dict[Path, Counter[ErrorKey]]:
    """Errors by the position that they null."""
    groups: dict[Path, Counter[ErrorKey]] = {}
    for key in keys:
        groups.setdefault(_nulled(data, key[0]), Counter())[key] += 1
    return groups


def _roots(calls: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [call for call in calls if call[0] == "Mutation"]
