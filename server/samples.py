"""Sample data for a database of one's own: written when it is empty, and how far that is."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipelines.seed import is_seeded, seed
from store.store import Store

SAMPLE_USERS = 1000


async def prepare(open_store: Callable[[], Store], *, with_samples: bool) -> None:
    """Finds out early whether the database can be used, and fills an empty one with samples."""
    store = open_store()
    try:
        await store.ensure_indexes()
        needs_samples = with_samples and not await is_seeded(store, SAMPLE_USERS)
    finally:
        await store.close()
    if needs_samples:
        await write_samples(open_store(), SAMPLE_USERS)


async def write_samples(store: Store, users: int) -> None:
    """Writes so many sample users, and closes the store; the same ones for the same number."""
    try:
        await store.ensure_indexes()
        with _progress() as progress:
            await seed(store, users, progress)
    finally:
        await store.close()


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each step on a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _log_progress
        return
    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bars:
        tasks: dict[str, Any] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done)

        yield show


def _log_progress(step: str, done: int, total: int) -> None:
    if done == total or done % 10_000 == 0:
        print(f"seed: {done} of {total} {step}", file=sys.stderr, flush=True)
