"""What every loader here shares: a call costs one future, however many keys it names."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, Self, TypeVar

from aiodataloader import DataLoader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Read = Callable[[list[K]], Awaitable[Sequence[V]]]
"""A batch function: distinct keys in; values out, same length, same order."""


class BatchLoader(DataLoader[K, V]):
    """A `DataLoader` that is cheap to make, and cheap for many keys at once.

    The contract stays: keys asked for in one turn of the event loop are one batch, a key is read
    once until it is cleared, an exception among the values is raised for its key alone, and of a
    batch that fails nothing is kept. Each call has a future of its own: to cancel it leaves others
    alone. The batch function may give a future instead of being a coroutine; `convert`, if there is
    one, makes the values of what it gives, in the same order.
    """

    def __init__(
        self, read: Read[K, Any], convert: Callable[[Sequence[Any]], Sequence[V]] | None = None
    ) -> None:
        # Without the library's: what it finds out about the batch function costs more than a batch.
        self._read = read
        self._convert = convert
        self._values: dict[K, V] = {}
        self._batches: list[_Batch[K, V]] = []
        self._next: _Batch[K, V] | None = None
        self._is_closed = False

    def load(self, key: K) -> "asyncio.Future[V]":
        """The value of a key. Raises: TypeError when there is no key."""
        answer: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        if key in self._values:
            _settle(answer, self._values[key])
        else:
            batch = self._reading(key) or self._batch_with([key])
            batch.calls.append((key, answer))
        return answer

    def load_many(self, keys: Iterable[K]) -> "asyncio.Future[list[V]]":
        """The values of the keys, in order. Raises: TypeError when there is no key."""
        wanted = list(keys)
        values = self._values
        known = {key: values[key] for key in wanted if key in values} if values else {}
        missing = [key for key in wanted if key not in known] if known else wanted
        if any(batch.is_sent for batch in self._batches) and any(map(self._reading, missing)):
            return asyncio.gather(*map(self.load, wanted))
        answer: asyncio.Future[list[V]] = asyncio.get_running_loop().create_future()
        if missing:
            self._batch_with(missing).many_calls.append((wanted, known, answer))
        else:
            _settle_many(answer, [known[key] for key in wanted])
        return answer

    def prime(self, key: K, value: V) -> Self:
        """Makes this the value of the key, unless it is known or being read already."""
        if not self._reading(key):
            self._values.setdefault(key, value)
        return self

    def clear(self, key: K) -> Self:
        """Forgets the key; what is being read already is given to those who asked, and not kept."""
        self._values.pop(key, None)
        for batch in self._batches:
            if batch.is_sent:
                batch.keys.pop(key, None)
        return self

    def clear_all(self) -> Self:
        """Forgets every key."""
        self._values.clear()
        for batch in self._batches:
            if batch.is_sent:
                batch.keys.clear()
        return self

    def close(self) -> None:
        """Ends what is being read, and reads nothing more; those who wait are cancelled."""
        self._is_closed = True
        for batch in list(self._batches):
            if batch.reading is not None:
                batch.reading.cancel()

    def _reading(self, key: K) -> "_Batch[K, V] | None":
        """The batch that reads this key."""
        for batch in self._batches:
            if key in batch.keys:
                return batch
        return None

    def _batch_with(self, keys: Iterable[K]) -> "_Batch[K, V]":
        """The next batch, which is to read these keys too."""
        wanted = dict.fromkeys(keys)
        if None in wanted:
            raise TypeError("expected a key, got None")
        if self._next is None:
            self._next = _Batch()
            self._batches.append(self._next)
            asyncio.get_running_loop().call_soon(self._send, self._next)
        self._next.keys.update(wanted)
        return self._next

    def _send(self, batch: "_Batch[K, V]") -> None:
        self._next = None
        batch.is_sent = True
        if self._is_closed:
            self._batches.remove(batch)
            batch.cancel()
            return
        keys = list(batch.keys)
        try:
            reading = self._read(keys)
            if not isinstance(reading, asyncio.Future):
                reading = asyncio.ensure_future(reading)
        except Exception as error:
            self._batches.remove(batch)
            batch.fail(error)
        else:
            batch.reading = reading
            reading.add_done_callback(partial(self._arrive, batch, keys))

    def _arrive(
        self, batch: "_Batch[K, V]", keys: Sequence[K], reading: "asyncio.Future[Sequence[V]]"
    ) -> None:
        self._batches.remove(batch)
        if reading.cancelled():
            batch.cancel()
        elif error := reading.exception():
            batch.fail(error)
        elif len(values := reading.result()) != len(keys):
            batch.fail(
                TypeError(f"expected {len(keys)} values for as many keys, not {len(values)}")
            )
        else:
            if self._convert is not None:
                values = self._convert(values)
            found = dict(zip(keys, values, strict=True))
            is_cleared = len(batch.keys) < len(keys)
            self._values.update({key: found[key] for key in batch.keys} if is_cleared else found)
            batch.answer(found)


class _Batch(Generic[K, V]):
    """Keys that are read together, and the calls that wait for them.

    `keys` are those to keep: once it is sent they become fewer when one is cleared. With a call of
    many keys goes what was known when they were asked for.
    """

    __slots__ = ("calls", "is_sent", "keys", "many_calls", "reading")

    def __init__(self) -> None:
        self.keys: dict[K, None] = {}
        self.calls: list[tuple[K, asyncio.Future[V]]] = []
        self.many_calls: list[tuple[list[K], dict[K, V], asyncio.Future[list[V]]]] = []
        self.is_sent = False
        self.reading: asyncio.Future[Sequence[V]] | None = None

    def answer(self, found: Mapping[K, V]) -> None:
        for key, answer in self.calls:
            _settle(answer, found[key])
        for keys, known, answers in self.many_calls:
            values = {**found, **known} if known else found
            _settle_many(answers, [values[key] for key in keys])

    def fail(self, error: BaseException) -> None:
        for answer in self._answers():
            if not answer.done():
                answer.set_exception(error)

    def cancel(self) -> None:
        for answer in self._answers():
            answer.cancel()

    def _answers(self) -> "list[asyncio.Future[Any]]":
        return [answer for _, answer in self.calls] + [answer for *_, answer in self.many_calls]


def _settle(answer: "asyncio.Future[V]", value: V) -> None:
    if answer.done():
        return
    if isinstance(value, Exception):
        answer.set_exception(value)
    else:
        answer.set_result(value)


def _settle_many(answer: "asyncio.Future[list[V]]", values: list[V]) -> None:
    if answer.done():
        return
    # A few types for many values: to look at each of them costs more.
    if any(issubclass(kind, Exception) for kind in set(map(type, values))):
        answer.set_exception(next(value for value in values if isinstance(value, Exception)))
    else:
        answer.set_result(values)
