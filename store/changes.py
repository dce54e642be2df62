"""The change feed: which users changed, as told by the database, so that other processes count too.

One change stream per process, opened with the first watcher and fanned out in memory. What it tells
is only that there is something newer: the user is then read, with its newest revisions, once for
all who watch it. So nothing queues up here, and a lost stream need not be resumed: it is opened
anew and the watched users are looked at by key, which is also what happens every second where the
server offers no change streams.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Set
from contextlib import asynccontextmanager
from typing import Any

from store.driver import Collection, Database, stop
from store.errors import StoreFault, StoreUnavailable
from store.records import Document, User
from store.revisions import let_through
from store.users import Users

WAIT_SECONDS = 0.5
RETRY_SECONDS = 1.0
READY_SECONDS = 10.0
"""The longest wait for the feed to begin."""

REVISIONS = [let_through("insert", "replace")]

logger = logging.getLogger(__name__)


class Watcher:
    """Waits for revisions of one user, and reads the user."""

    def __init__(self, read: Callable[[], Awaitable[User | None]]) -> None:
        self._read = read
        self._newest = 0
        self._news = asyncio.Event()

    def notify(self, rev: int) -> None:
        """Tells that the user is at this revision now."""
        if rev > self._newest:
            self._newest = rev
            self._news.set()

    async def user_past(self, rev: int) -> User | None:
        """The user as of now, once it is at a later revision. Raises: StoreFault."""
        while True:
            while self._newest <= rev:
                self._news.clear()
                await self._news.wait()
            user = await self._read()
            if user is not None:
                self.notify(user.rev)
            if user is None or user.rev > rev:
                return user
            await asyncio.sleep(RETRY_SECONDS)  # the reply is older than the news


class ChangeFeed:
    """Tells watchers about new revisions of users."""

    def __init__(self, database: Database, users: Users) -> None:
        self._collection: Collection = database.collection("users")
        self._users = users
        self._watchers: dict[str, set[Watcher]] = {}
        self._reads: dict[str, asyncio.Task[User | None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def watched(self) -> Set[str]:
        """The users whose revisions are told to somebody; none before the feed has begun."""
        return self._watchers.keys() if self._ready.is_set() else frozenset()

    @asynccontextmanager
    async def watch(self, user_id: str) -> AsyncIterator[Watcher]:
        """A watcher of the user; live when this returns. Raises: StoreFault."""
        watcher = Watcher(lambda: self.user(user_id))
        self._watchers.setdefault(user_id, set()).add(watcher)
        try:
            await self._begin()
            user = await self.user(user_id)  # what changed since the caller looked
            if user is not None:
                watcher.notify(user.rev)
            yield watcher
        finally:
            watchers = self._watchers[user_id]
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[user_id]

    async def user(self, user_id: str) -> User | None:
        """The user as of now with its newest revisions. Raises: StoreFault.

        One command for all who ask before it is sent.
        """
        reading = self._reads.get(user_id)
        if reading is None:
            reading = self._reads[user_id] = asyncio.create_task(self._read_soon(user_id))
            # Those who asked may be gone by then.
            reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(reading)

    async def close(self) -> None:
        """Stops listening."""
        task, self._task = self._task, None
        if task is not None:
            await stop(task)

    async def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._ready.clear()
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise StoreUnavailable("the change feed could not begin") from None

    async def _run(self) -> None:
        while True:
            try:
                await self._follow_stream()
            except StoreFault as fault:
                logger.warning("no change stream, reading the watched users by key", exc_info=fault)
            try:
                await self._catch_up(list(self._watchers))
                self._ready.set()
            except StoreFault as fault:
                logger.warning("watched users could not be read", exc_info=fault)
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow_stream(self) -> None:
        stream: Any
        async with self._collection.watch(REVISIONS, wait_seconds=WAIT_SECONDS) as stream:
            await self._catch_up(list(self._watchers))
            self._ready.set()
            while stream.alive:  # a collection that is dropped ends it
                change = await stream.try_next()
                if change is not None:
                    self._notify(change["documentKey"]["_id"], _revision(change))

    async def _catch_up(self, user_ids: Sequence[str]) -> None:
        if user_ids:
            where = {"_id": {"$in": list(user_ids)}}
            for document in await self._collection.find(where, only=("rev",)):
                self._notify(document["_id"], document["rev"])

    def _notify(self, user_id: str, rev: int) -> None:
        for watcher in self._watchers.get(user_id, ()):
            watcher.notify(rev)

    async def _read_soon(self, user_id: str) -> User | None:
        await asyncio.sleep(0)  # until everybody whom the same news woke has asked
        del self._reads[user_id]
        return await self._users.by_id(user_id)


def _revision(change: Document) -> int:
    if change["operationType"] == "update":
        return int(change["updateDescription"]["updatedFields"]["rev"])
    return int(change["fullDocument"]["rev"])
