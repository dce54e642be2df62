"""The change feed: which users changed, as told by the database, so that other processes count too.

One change stream per process, opened with the first watcher and fanned out in memory. A watcher
gets the newest revision only: a slow one skips the revisions in between. So a lost stream need not
be resumed: it is opened anew and the watched users are read by key, which is also what happens
every second where the server offers no change streams.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from store.driver import Collection, Database
from store.errors import StoreFault
from store.records import Document

WAIT_SECONDS = 0.5
RETRY_SECONDS = 1.0

# Updates of counts alone carry no revision and are left out.
REVISIONS: list[Document] = [
    {
        "$match": {
            "$or": [
                {"operationType": {"$in": ["insert", "replace"]}},
                {
                    "operationType": "update",
                    "updateDescription.updatedFields.rev": {"$exists": True},
                },
            ]
        }
    }
]

logger = logging.getLogger(__name__)


class Watcher:
    """Waits for revisions of one user after a known one."""

    def __init__(self, since: int) -> None:
        self._newest = since
        self._news = asyncio.Event()

    def notify(self, rev: int) -> None:
        """Tells that the user is at this revision now."""
        if rev > self._newest:
            self._newest = rev
            self._news.set()

    async def __aiter__(self) -> AsyncIterator[int]:
        """Every newest revision that comes in, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            yield self._newest


class ChangeFeed:
    """Tells watchers about new revisions of users."""

    def __init__(self, database: Database) -> None:
        self._users: Collection = database.collection("users")
        self._watchers: dict[str, set[Watcher]] = {}
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @asynccontextmanager
    async def watch(self, user_id: str, *, since: int) -> AsyncIterator[Watcher]:
        """A watcher of the user's revisions after `since`; live when this returns."""
        watcher = Watcher(since)
        self._watchers.setdefault(user_id, set()).add(watcher)
        try:
            if self._task is None:
                self._task = asyncio.create_task(self._run())
            await self._ready.wait()
            await self._catch_up([user_id])  # what changed since the caller looked
            yield watcher
        finally:
            watchers = self._watchers[user_id]
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[user_id]

    async def close(self) -> None:
        """Stops listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._follow_stream()
            except StoreFault as fault:
                logger.warning("no change stream, reading the watched users by key: %s", fault)
            try:
                await self._catch_up(list(self._watchers))
                self._ready.set()
            except StoreFault as fault:
                logger.warning("watched users could not be read: %s", fault)
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow_stream(self) -> None:
        stream: Any
        async with self._users.watch(REVISIONS, wait_seconds=WAIT_SECONDS) as stream:
            await self._catch_up(list(self._watchers))
            self._ready.set()
            while True:
                change = await stream.try_next()
                if change is not None:
                    self._notify(change["documentKey"]["_id"], _revision(change))

    async def _catch_up(self, user_ids: Sequence[str]) -> None:
        if user_ids:
            for document in await self._users.find({"_id": {"$in": list(user_ids)}}):
                self._notify(document["_id"], document["rev"])

    def _notify(self, user_id: str, rev: int) -> None:
        for watcher in self._watchers.get(user_id, ()):
            watcher.notify(rev)


def _revision(change: Document) -> int:
    if change["operationType"] == "update":
        return int(change["updateDescription"]["updatedFields"]["rev"])
    return int(change["fullDocument"]["rev"])
