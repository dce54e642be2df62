"""Coalesced reads: whoever asks for keys at the same time shares one command.

What a process spends on a command is much the same however many keys it names. So a read waits for
the end of the turn of the event loop in which it was asked for and, while `IN_FLIGHT` commands of
its kind are under way, until one of them ends: under load commands get larger, not more, and a slow
one does not stop the rest.

A command is sent only after every read that it answers was asked for. So a read sees whatever was
written before it.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from store.deadline import deadline, latest
from store.driver import stop
from store.errors import StoreUnavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Parts = frozenset[str] | None
"""Which attributes of the values are needed; nothing means all of them."""

IN_FLIGHT = 4
"""Commands of one kind that may be under way at once."""
MOST_KEYS = 1000
"""Reads are put together until they name so many keys; one read is never divided."""


class Waiting(NamedTuple, Generic[K, V]):
    """A read that was asked for, and who waits for it."""

    keys: Sequence[K]
    parts: Parts
    answer: "asyncio.Future[list[V | None]]"
    deadline: float


class CoalescedReads(Generic[K, V]):
    """Reads of one kind, by key.

    `command` gives the values that exist for some distinct keys, with at least these parts. Values
    are shared between readers: nobody may change them. A command goes on for as long as one of its
    readers waits: it has the latest of their deadlines.
    """

    def __init__(
        self, command: Callable[[list[K], Parts], Coroutine[Any, Any, Mapping[K, V]]]
    ) -> None:
        self._command = command
        self._waiting: list[Waiting[K, V]] = []
        self._under_way: dict[asyncio.Task[Mapping[K, V]], list[Waiting[K, V]]] = {}
        self._is_due = False

    def read(self, keys: Sequence[K], parts: Parts = None) -> "asyncio.Future[list[V | None]]":
        """The values in the order of the keys, nothing for what does not exist.

        Awaiting it raises: StoreFault.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[V | None]] = loop.create_future()
        if not keys:
            answer.set_result([])
            return answer
        self._waiting.append(Waiting(keys, parts, answer, deadline()))
        if not self._is_due and len(self._under_way) < IN_FLIGHT:
            self._is_due = True
            loop.call_soon(self._send)
        return answer

    def drop_unwanted(self) -> bool:
        """Ends commands whose readers are all gone; whether there were any."""
        unwanted = [
            command
            for command, reads in self._under_way.items()
            if all(read.answer.done() for read in reads)
        ]
        for command in unwanted:
            command.cancel()
        return bool(unwanted)

    async def close(self) -> None:
        """Ends what is under way; whoever still waits is told that the store is closed."""
        waiting, self._waiting = self._waiting, []
        _fail(waiting, StoreUnavailable("the store was closed"))
        for command in list(self._under_way):
            await stop(command)

    def _send(self) -> None:
        self._is_due = False
        while len(self._under_way) < IN_FLIGHT and (reads := self._next_reads()):
            keys = list(dict.fromkeys(key for read in reads for key in read.keys))
            with latest(read.deadline for read in reads):
                command = asyncio.create_task(self._command(keys, _union(reads)))
            self._under_way[command] = reads
            command.add_done_callback(partial(self._answer, reads))

    def _next_reads(self) -> list[Waiting[K, V]]:
        """What the next command answers: reads whose readers are still there."""
        waiting = [read for read in self._waiting if not read.answer.done()]
        count = 0
        for index, read in enumerate(waiting):
            count += len(read.keys)
            if index and count > MOST_KEYS:
                self._waiting = waiting[index:]
                return waiting[:index]
        self._waiting = []
        return waiting

    def _answer(
        self, reads: Sequence[Waiting[K, V]], command: "asyncio.Task[Mapping[K, V]]"
    ) -> None:
        del self._under_way[command]
        if command.cancelled():
            _fail(reads, StoreUnavailable("the store was closed"))
        elif error := command.exception():
            _fail(reads, error)
        else:
            found = command.result()
            for read in reads:
                if not read.answer.done():
                    read.answer.set_result(list(map(found.get, read.keys)))
        if self._waiting and not self._is_due:
            self._send()


def _union(reads: Sequence[Waiting[K, V]]) -> Parts:
    """The parts that all these reads need."""
    union: frozenset[str] = frozenset()
    for read in reads:
        if read.parts is None:
            return None
        union |= read.parts
    return union


def _fail(reads: Sequence[Waiting[K, V]], error: BaseException) -> None:
    for read in reads:
        if not read.answer.done():
            read.answer.set_exception(error)
