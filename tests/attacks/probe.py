"""What an attack does to a server: its CPU and memory, and how long a neighbour waits."""

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from tests.http.malformed import QUERY, answer_to, post

T = TypeVar("T")
NEIGHBOUR = post(QUERY)
PAUSE_SECONDS = 0.005


class Damage(NamedTuple):
    """CPU seconds, megabytes, and seconds that the slowest neighbour waited."""

    cpu: float
    memory: float
    wait: float


class Probe:
    """Looks at the process of the server at `HOST:PORT`; Linux only."""

    def __init__(self, pid: int, address: str) -> None:
        self.pid = pid
        self.address = address
        self._neighbour_seconds: float | None = None

    async def damage(self, attack: Callable[[], Awaitable[T]]) -> tuple[T, Damage]:
        """What came of an attack, and what it did; the neighbours' own work is taken off."""
        if self._neighbour_seconds is None:
            self._neighbour_seconds = await self._cost_of_neighbour()
        waits: list[float] = []
        neighbours = asyncio.create_task(self._ask_on(waits))
        cpu, memory = self._cpu_seconds(), self._megabytes()
        try:
            outcome = await attack()
            spent = self._cpu_seconds() - cpu - self._neighbour_seconds * len(waits)
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            neighbours.cancel()
        wait = max(waits, default=0.0)
        return outcome, Damage(max(0.0, spent), self._megabytes() - memory, wait)

    async def _cost_of_neighbour(self) -> float:
        for _ in range(20):
            await answer_to(NEIGHBOUR, self.address)
        before = self._cpu_seconds()
        for _ in range(50):
            await answer_to(NEIGHBOUR, self.address)
        return (self._cpu_seconds() - before) / 50

    async def _ask_on(self, waits: list[float]) -> None:
        pause = PAUSE_SECONDS
        while True:
            asked_at = time.monotonic()
            await answer_to(NEIGHBOUR, self.address)
            waits.append(time.monotonic() - asked_at)
            await asyncio.sleep(pause)
            pause *= 1.05  # what they cost is not known so well that many can be taken off

    def _cpu_seconds(self) -> float:
        """What all its threads have used."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except OSError:
                continue  # it ended
        return total / 1e9

    def _megabytes(self) -> float:
        """What it holds in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6
