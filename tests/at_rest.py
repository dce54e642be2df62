"""The database beneath a test: what rests in it, and crashes at one of its writes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from collections.abc import Collection as Some
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bson import encode

from store.driver import Collection
from store.errors import StoreFault
from store.records import Document
from store.store import Store

WRITES = ("insert", "update", "replace", "delete", "delete_all")
READS = ("find", "find_one")


async def copied(store: Store) -> dict[str, list[Document]]:
    """All documents in the database, by collection: a backup."""
    database: Any = store._database._database
    return {
        name: await store._database.collection(name).find({})
        for name in await database.list_collection_names()
    }


async def restore(store: Store, backup: Mapping[str, list[Document]]) -> None:
    """Lets the collections of a backup be what they were."""
    for name, rows in backup.items():
        collection = store._database.collection(name)
        await collection.delete_all({})
        if rows:
            await collection.insert_new(rows)


async def at_rest(store: Store) -> dict[str, bytes]:
    """All that rests in the database, as BSON by collection."""
    return {name: b"".join(map(encode, rows)) for name, rows in (await copied(store)).items()}


class Crash:
    """Lets one write, counted from 1, be the last command; `is_late` when it still happens."""

    def __init__(self, at: int, spared: Some[str], *, is_late: bool) -> None:
        self.at = at
        self.is_late = is_late
        self.writes = 0
        self._spared = spared

    def wrap(self, name: str, command: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        """A command of a collection that fails when the process is gone."""

        async def run(collection: Collection, *args: Any, **options: Any) -> Any:
            if collection.name in self._spared:
                return await command(collection, *args, **options)
            self.writes += name in WRITES
            is_it = name in WRITES and self.writes == self.at
            if self.at and (self.writes > self.at or (is_it and not self.is_late)):
                raise StoreFault("the process is gone")
            given = await command(collection, *args, **options)
            if is_it:
                raise StoreFault("the process is gone")
            return given

        return run


@asynccontextmanager
async def crashing(
    at: int, *, is_late: bool = False, spared: Some[str] = ()
) -> AsyncIterator[Crash]:
    """From that write on nothing reaches the database, but for the collections that are spared."""
    crash = Crash(at, spared, is_late=is_late)
    with pytest.MonkeyPatch.context() as patch:
        for name in (*WRITES, *READS):
            patch.setattr(Collection, name, crash.wrap(name, getattr(Collection, name)))
        yield crash
