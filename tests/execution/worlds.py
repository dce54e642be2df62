"""What resolvers and sources give: the same values for the same seed, and faults among them.

A world is made anew for each execution, because awaitables and iterators can be used only once;
what it gives depends on nothing but the seed, the place of the value, and the arguments.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from graphql import GraphQLError, Undefined

from tests.execution.descriptions import WAITING, Description, Field
from tests.execution.dice import Dice


@dataclass(slots=True)
class Needs:
    """The fields that an operation takes from a source, and the names it gives each of them."""

    fields: dict[str, "Needs"] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


class At(NamedTuple):
    """What a source knows of itself; `shared` when several fields of the answer lead to it."""

    world: "World"
    type: str
    seed: int
    needs: Needs
    shared: bool
    depth: int


class Fault(Exception):
    """Raised on purpose."""


class CodedFault(Exception):
    """Raised on purpose, with extensions that belong into the answer."""

    extensions = {"code": "CODED"}


class Thing:
    """A source with attributes, some of which raise when they are read."""

    def __getattr__(self, name: str) -> Any:
        error = self.__dict__.get("_errors", {}).get(name)
        raise AttributeError(name) if error is None else error

    def __repr__(self) -> str:
        return f"<thing {self.__dict__.get('_at', (None, None))[1]}>"


class Document(dict[str, Any]):
    """A source that is a dictionary, but not exactly."""


class Promise:
    """An awaitable that is neither a coroutine nor a future."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, Any]:
        yield from asyncio.sleep(0).__await__()
        if isinstance(self._value, Exception):
            raise self._value
        return self._value

    def __repr__(self) -> str:
        return "a promise"


class Text(str):
    """A string, but not exactly."""


class Number(int):
    """An integer, but not exactly."""


def at_of(source: Any) -> At | None:
    """What a source of a world knows of itself; None for anything else."""
    at = source.get("_at") if isinstance(source, Mapping) else getattr(source, "_at", None)
    return at if isinstance(at, At) else None


class World:
    """The values of one execution."""

    def __init__(
        self,
        description: Description,
        classes: Mapping[str, type],
        enums: Mapping[str, list[Any]],
        seed: int,
        mode: str,
        faults: float,
        oddities: float,
    ) -> None:
        self._description = description
        self._classes = classes
        self._enums = enums
        self._seed = seed
        self._mode = mode
        self.faults = faults
        self._oddities = oddities
        self._waits = description.waits
        self._coroutines: list[Coroutine[Any, Any, Any]] = []
        self._values: list[Coroutine[Any, Any, Any]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.open_futures = 0

    def described(self, type_: str, name: str) -> Field:
        """The description of a field."""
        return self._description.objects[type_].fields[name]

    def root(self, type_: str, needs: Needs) -> Any:
        """The source of the root fields."""
        return self._source(type_, self._seed, needs, False, 0)

    def event(self, source: Any, number: int) -> Any:
        """One of the events of a subscription: the source of its root field."""
        at = at_of(source)
        assert at is not None
        seed = Dice(at.seed, number, "event").below(1 << 48)
        if Dice(seed, "ends").chance(self.faults / 2):
            raise Fault("the stream broke")
        return self._source("Subscription", seed, at.needs, False, 0)

    def resolve(
        self, type_: str, one: Field, source: Any, arguments: Mapping[str, Any], *more: object
    ) -> Any:
        """What the resolver of a field gives or raises; `more` is what else it depends on."""
        at = at_of(source)
        seed, needs, depth = (at.seed, at.needs, at.depth) if at else (self._seed, NOTHING, 9)
        given = repr(sorted(arguments.items()))
        self.calls.append((type_, one.name, seed, given, more))
        dice = Dice(seed, one.name, given, *more)
        if dice.chance(self.faults):
            raise self._error(dice)
        value = self._value(one.type, dice, needs.fields.get(one.name, NOTHING), False, depth + 1)
        self.calls.append((type_, one.name, seed, "done"))
        return self._awaited_once(value, dice) if one.how in WAITING else value

    def _awaited_once(self, value: Any, dice: Dice) -> Any:
        """The value, or an error in place of one that would have to be awaited after an awaitable.

        What becomes of such a one depends on when it is printed, or iterated.
        """
        if not hasattr(value, "__await__"):
            return value
        if inspect.iscoroutine(value):
            self._values.remove(value)
            value.close()
        return self._error(dice)

    def later(self, make: Callable[[], Any], ticks: int) -> Coroutine[Any, Any, Any]:
        """A coroutine, which nobody may drop, that gives or raises after so many ticks."""
        coroutine = _after(make, ticks)
        self._coroutines.append(coroutine)
        return coroutine

    def future(self, make: Callable[[], Any], ticks: int) -> "asyncio.Future[Any]":
        """A future that is done after so many ticks, or at once when there are none."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def done(left: int) -> None:
            if left and not future.done():
                loop.call_soon(done, left - 1)
                return
            self.open_futures -= 1
            if future.done():
                return
            try:
                future.set_result(make())
            except Exception as error:
                future.set_exception(error)
                future.exception()  # it may be that nobody is left to ask for it

        self.open_futures += 1
        done(ticks)
        return future

    def is_of(self, value: Any, type_: str) -> bool:
        """What `is_type_of` says; it sometimes raises."""
        at = at_of(value)
        if at is None:
            return False
        if self.faults:
            dice = Dice(at.seed, type_, "is of")
            if dice.chance(self.faults / 2):
                raise self._error(dice)
        return at.type == type_

    def type_of(self, value: Any) -> Any:
        """What `resolve_type` says; it is sometimes wrong, and sometimes raises."""
        at = at_of(value)
        if at is None:
            return None
        if self.faults:
            dice = Dice(at.seed, "type of")
            if dice.chance(self.faults / 2):
                raise self._error(dice)
            if dice.chance(self.faults / 2):
                return dice.pick(("Query", "Nowhere", "E1", "Int", None, 7))
        return at.type

    def left_behind(self) -> tuple[list[str], list[str]]:
        """The coroutines that did not end: those that resolvers gave, and those inside of values.

        They are closed, so that nobody else complains.
        """
        return _closed(self._coroutines, "a resolver"), _closed(self._values, "a value")

    def _source(self, type_: str, seed: int, needs: Needs, shared: bool, depth: int) -> Any:
        dice = Dice(seed, type_)
        values: dict[str, Any] = {}
        errors: dict[str, Exception] = {}
        fields = self._description.objects[type_].fields
        for name, inner in needs.fields.items():
            one = fields.get(name)
            if one is None:
                continue
            if one.how == "plain":
                if dice.chance(self.faults / 4):
                    errors[name] = self._error(dice)
                else:
                    both = shared or len(inner.names) > 1
                    values[name] = self._value(one.type, Dice(seed, name), inner, both, depth + 1)
            elif one.how == "callable":
                values[name] = self._callable(type_, one, seed, needs, depth)
        at = At(self, type_, seed, needs, shared, depth)
        return self._shaped(type_, dice, at, values, errors)

    def _shaped(
        self, type_: str, dice: Dice, at: At, values: dict[str, Any], errors: dict[str, Exception]
    ) -> Any:
        mode = self._mode
        if mode == "mixed":
            mode = dice.pick(("documents", "objects"))
        if mode == "objects":
            thing: Any = object.__new__(self._classes[type_])
            thing.__dict__.update(values, _errors=errors, _at=at)
            thing.__dict__[f"_{type(thing).__name__}__typename"] = type_
            return thing
        for name, value in list(values.items()):
            if value is None and dice.chance(0.5):
                del values[name]
        values["_at"] = at
        values["__typename"] = type_
        for name, error in errors.items():
            values[name] = error
        if dice.chance(self._oddities):
            return dice.pick((Document, MappingProxyType))(values)
        return values

    def _callable(
        self, type_: str, one: Field, seed: int, needs: Needs, depth: int
    ) -> Callable[..., Any]:
        at = At(self, type_, seed, needs, False, depth)

        def call(_info: Any, **arguments: Any) -> Any:
            return self.resolve(type_, one, {"_at": at}, arguments)

        return call

    def _value(self, type_: str, dice: Dice, needs: Needs, shared: bool, depth: int) -> Any:
        if dice.chance(self.faults):
            return self._fault(type_, dice, needs, shared, depth)
        return self._regular(type_, dice, needs, shared, depth)

    def _regular(self, type_: str, dice: Dice, needs: Needs, shared: bool, depth: int) -> Any:
        if type_.endswith("!"):
            type_ = type_[:-1]
        elif dice.chance(0.1):
            return None
        if type_.startswith("["):
            return self._list(type_[1:-1], dice, needs, shared, depth)
        leaf = LEAVES.get(type_)
        if leaf is not None:
            regular, odd = leaf
            return dice.pick(odd if dice.chance(self._oddities) else regular)
        if type_ in self._enums:
            if dice.chance(self._oddities):
                return dice.pick((True, 1.0, 0, "red", "RED", 7, 7.0, Text("red"), Foreign.RED))
            return dice.pick(self._enums[type_])
        name = dice.pick(self._description.possible(type_))
        return self._source(name, dice.below(1 << 48), needs, shared, depth)

    def _list(self, item: str, dice: Dice, needs: Needs, shared: bool, depth: int) -> Any:
        length = dice.below(4 if depth < 3 else 3 if depth < 4 else 2)
        items = [self._value(item, dice, needs, shared, depth) for _ in range(length)]
        if dice.chance(self._oddities):
            return self._odd_list(items, dice, shared)
        return items

    def _odd_list(self, items: list[Any], dice: Dice, shared: bool) -> Any:
        kind = dice.below(3 if shared else 6 if self._waits else 5)
        if kind == 0:
            return tuple(items)
        if kind == 1:
            return type("Items", (list,), {})(items)
        if kind == 2:
            return dict(enumerate(items)).values()
        if kind == 3:
            return (item for item in items)
        if kind == 4:
            return iter(items)
        return _each(items)

    def _fault(self, type_: str, dice: Dice, needs: Needs, shared: bool, depth: int) -> Any:
        kind = dice.below(12)
        if kind == 0:
            return None
        if kind == 1:
            return self._error(dice)
        if kind in (2, 3):
            return dice.pick(JUNK)
        if kind == 4 and type_.strip("!") in self._wrong_types():
            name = dice.pick(list(self._wrong_types()))
            return self._source(name, dice.below(1 << 48), needs, shared, depth)
        if type_.startswith("[") and kind in (5, 6) and not shared:
            items = [self._value(type_[1:].strip("!")[:-1], dice, needs, shared, depth)]
            error = self._error(dice)
            return _failing(items, error) if kind == 5 or not self._waits else _each(items, error)
        if self._waits and not shared:
            seed = dice.below(1 << 48)

            def make() -> Any:
                inner = Dice(seed)
                if inner.chance(0.4):
                    raise self._error(inner)
                # nothing to be awaited again: what that prints or iterates depends on when
                return self._regular(type_, inner, needs, shared, depth)

            ticks = dice.below(4)
            if kind < 9:
                self._values.append(_after(make, ticks))
                return self._values[-1]
            if kind < 11:
                return self.future(make, ticks)
            return Promise(self._error(dice))
        return self._error(dice)

    def _wrong_types(self) -> list[str]:
        return [name for name in self._description.objects if name.startswith("T")]

    def _error(self, dice: Dice) -> Exception:
        number = dice.below(1000)
        kind = dice.below(9)
        if kind == 0:
            return GraphQLError(f"coded {number}", extensions={"code": "FAULT", "number": number})
        if kind == 1:
            return CodedFault(f"coded {number}")
        if kind == 2:
            return KeyError(f"key {number}")
        if kind == 3:
            return Fault()
        if kind == 4:
            return GraphQLError(f"located {number}", path=["elsewhere", number])
        return Fault(f"fault {number}")


class Foreign(Enum):
    """An enum that no schema knows."""

    RED = "red"


NOTHING = Needs()

MOMENTS = (
    datetime(2026, 11, 1, 12, tzinfo=UTC),
    datetime(2026, 11, 1, 12, 0, 0, 123, tzinfo=UTC),
    datetime(987, 1, 2, tzinfo=UTC),
    datetime(2026, 5, 5, 5, tzinfo=timezone(timedelta(hours=2))),
    datetime(2026, 5, 5, 5, tzinfo=timezone(timedelta(hours=2, seconds=7))),
    datetime(2026, 5, 5, 5),
)
LEAVES: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "ID": (("a", "b", "user:1"), (7, Number(7), Text("t"), 2.0, True, 10**20, b"x", 1.5)),
    "String": (("a", "é\n", "long " * 5, ""), (1, True, 2.5, Text("t"), 10**20, Fault("in"), b"")),
    "Int": ((0, 1, -5, 2**31 - 1, -(2**31)), (True, 3.0, "7", 2**31, Number(3), 1.5, "", 10**30)),
    "Float": ((0.0, 1.5, -2e10), (1, True, "2.5", float("nan"), float("inf"), Number(3), 10**400)),
    "Boolean": ((True, False), (1, 0, 2.0, "x", "", Number(0), float("nan"))),
    "Moment": (MOMENTS[:2], (*MOMENTS, "now", date(2026, 1, 1))),
    "Odd": ((1, 3, 5), (0, 2, "x", 1.0, Number(7))),
    "Any": (
        (1, "a", {"b": [1, None]}, [1.5], True),
        (float("nan"), 2**64, b"x", UUID(int=5), date(2026, 1, 2), {1: 2}, {1, 2}, Foreign.RED),
    ),
    "DateTime": (MOMENTS[:2], (*MOMENTS, "now", date(2026, 1, 1))),
    "Date": ((date(2026, 11, 1),), (*MOMENTS, date(987, 1, 1), "x")),
    "UUID": ((UUID(int=1), UUID(int=2**128 - 1)), ("x", 7, str(UUID(int=3)))),
    "Decimal": ((Decimal("1.50"), Decimal(7)), (Decimal("NaN"), 1.5, "2", 3)),
}
JUNK: tuple[Any, ...] = (
    12,
    "junk",
    3.5,
    True,
    (),
    {},
    object,
    float("nan"),
    2**40,
    b"x",
    Undefined,
    {"a": 1},
    set(),
)


def _closed(coroutines: list[Coroutine[Any, Any, Any]], of: str) -> list[str]:
    left = []
    for coroutine in coroutines:
        if (state := inspect.getcoroutinestate(coroutine)) != inspect.CORO_CLOSED:
            left.append(f"a coroutine of {of} is {state}")
            coroutine.close()
    return left


async def _after(make: Callable[[], Any], ticks: int) -> Any:
    for _ in range(ticks):
        await asyncio.sleep(0)
    return make()


async def _each(items: list[Any], error: Exception | None = None) -> AsyncIterator[Any]:
    for item in items:
        await asyncio.sleep(0)
        yield item
    if error is not None:
        raise error


def _failing(items: list[Any], error: Exception) -> Iterator[Any]:
    yield from items
    raise error
