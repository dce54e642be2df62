"""The store: every collection of one database behind one door."""

import asyncio
from collections.abc import Sequence
from itertools import chain

from pymongo import IndexModel
from pymongo.monitoring import CommandListener

from store.blocks import Blocks
from store.changes import ChangeFeed
from store.driver import Collection, Database, Document, DriverName
from store.follows import Follows
from store.handles import Handles
from store.history import History
from store.idempotency import Idempotency
from store.lists import EdgeList
from store.revisions import Revisions
from store.users import Users

DROP_SECONDS = 0.05


class Store:
    """Users and their revisions, handles, follows, blocks, idempotency keys, and what changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.revisions = Revisions(database)
        self.users = Users(database, self.revisions)
        self.handles = Handles(database, self.users)
        self.follows = Follows(database, self.users)
        self.blocks = Blocks(database, self.follows)
        self.idempotency = Idempotency(database)
        self.changes = ChangeFeed(database, self.users)
        self.history = History(database)
        self._dropping: asyncio.TimerHandle | None = None

    @classmethod
    def connect(
        cls,
        uri: str,
        name: str,
        *,
        driver: DriverName = "motor",
        timeout_seconds: float = 5.0,
        listeners: Sequence[CommandListener] = (),
    ) -> "Store":
        """A store over a connection that is opened with its first use."""
        return cls(
            Database(uri, name, driver=driver, timeout_seconds=timeout_seconds, listeners=listeners)
        )

    async def ensure_indexes(self) -> None:
        """Creates the indexes that are missing. Raises: StoreFault."""
        for collection, indexes in self._declared():
            await collection.ensure_indexes(indexes)

    async def missing_indexes(self) -> list[str]:
        """The declared indexes that do not exist, as `collection.index`."""
        missing = []
        for collection, indexes in self._declared():
            existing = await collection.index_names()
            names = [index.document["name"] for index in indexes]
            missing += [f"{collection.name}.{name}" for name in names if name not in existing]
        return missing

    async def ping(self) -> Document:
        """The server's description of itself. Raises: StoreFault."""
        return await self._database.ping()

    async def drop(self) -> None:
        """Deletes the whole database."""
        await self._database.drop()

    def drop_unwanted_soon(self) -> None:
        """Ends commands that nobody waits for any more, a moment later: for all who leave by then.

        PyMongo sometimes swallows a cancellation: so it looks again, until there are none.
        """
        if self._dropping is None:
            loop = asyncio.get_running_loop()
            self._dropping = loop.call_later(DROP_SECONDS, self._drop_unwanted)

    async def close(self) -> None:
        """Stops the change feed, ends reads and closes every connection."""
        await self.changes.close()
        await self.users.close()
        await self.handles.close()
        for edges in self._lists():
            await edges.close()
        await self._database.close()

    def _declared(self) -> list[tuple[Collection, Sequence[IndexModel]]]:
        return [
            (self.users.collection, self.users.indexes),
            (self.revisions.collection, self.revisions.indexes),
            (self.handles.collection, self.handles.indexes),
            (self.idempotency.collection, self.idempotency.indexes),
            *((edges.collection, edges.indexes) for edges in self._lists()),
        ]

    def _drop_unwanted(self) -> None:
        self._dropping = None
        lists = (edges.reads() for edges in self._lists())
        every = chain(self.users.reads(), self.handles.reads(), *lists)
        if any([reads.drop_unwanted() for reads in every]):
            self.drop_unwanted_soon()

    def _lists(self) -> tuple[EdgeList, ...]:
        return self.follows.following, self.follows.followers, self.blocks.blocked
