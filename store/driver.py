"""The port to MongoDB: the same few verbs over motor and over PyMongo's own asynchronous client."""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC
from typing import Any, Literal

# motor runs every operation in one thread pool, sized when it is imported.
os.environ.setdefault("MOTOR_MAX_WORKERS", "48")

import pymongo
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ASCENDING, AsyncMongoClient, IndexModel
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)
from pymongo.monitoring import CommandListener

from store.deadline import remaining_seconds
from store.errors import DuplicateKey, HistoryLost, StoreFault, StoreTimeout, StoreUnavailable

DriverName = Literal["motor", "pymongo"]
Document = dict[str, Any]
Filter = Mapping[str, Any]

DUPLICATE_KEY = 11000
CANNOT_RESUME = frozenset({9, 260, 280, 286, 50811})
"""Codes of a server that does not understand a resume token, or no longer has what comes next."""
STOP_SECONDS = 0.5
GRACE_SECONDS = 0.02
"""How long after its deadline a command is ended: whoever waits for it is told first."""
UNUSABLE = (
    "the connection string cannot be used: expected mongodb://user:password@host:port/?options, "
    "with user and password percent-encoded, hosts that are found and options that are known"
)
ONE_REPLY = 100_000
"""Documents that one reply may hold: left alone, a server stops at 101 and is asked for more."""


class Database:
    """One database on one server, through one of the two drivers.

    Concerns are set here and not left to the connection string: a write is acknowledged when a
    majority has it in its journal, a read sees only such writes, and nothing waits longer than
    `timeout_seconds`.
    """

    def __init__(
        self,
        uri: str,
        name: str,
        *,
        driver: DriverName = "motor",
        timeout_seconds: float = 5.0,
        listeners: Sequence[CommandListener] = (),
    ) -> None:
        client_class: Any = AsyncIOMotorClient if driver == "motor" else AsyncMongoClient
        self.name = name
        self.driver: DriverName = driver
        self._timeout_seconds = timeout_seconds
        with _connecting(uri):
            self._client = client_class(
                uri,
                appname="usergraph",
                tz_aware=True,
                tzinfo=UTC,
                w="majority",
                journal=True,
                readConcernLevel="majority",
                readPreference="primary",
                retryReads=True,
                retryWrites=True,
                timeoutMS=int(timeout_seconds * 1000),
                connectTimeoutMS=2000,
                maxPoolSize=48,
                event_listeners=list(listeners),
            )
        self._database = self._client[name]

    def collection(self, name: str) -> "Collection":
        """The collection of this name."""
        return Collection(self._database[name], self.driver, self._timeout_seconds)

    async def ping(self) -> Document:
        """The server's own description of itself (`hello`).

        Raises: StoreFault.
        """
        with translated():
            reply: Document = await self._client.admin.command("hello")
            return reply

    async def drop(self) -> None:
        """Deletes the whole database."""
        with translated():
            await self._client.drop_database(self.name)

    async def close(self) -> None:
        """Closes every connection."""
        if self.driver == "motor":
            self._client.close()
        else:
            await self._client.close()


class Collection:
    """One collection: reads give plain documents, writes say whether they found their document."""

    def __init__(self, handle: Any, driver: DriverName, timeout_seconds: float) -> None:
        self.name: str = handle.name
        self._handle = handle
        self._driver = driver
        self._timeout_seconds = timeout_seconds

    async def find(
        self,
        where: Filter,
        *,
        sort: str | None = None,
        limit: int = 0,
        only: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> list[Document]:
        """The matching documents, ascending by `sort`, at most `limit` (0: all)."""
        projection = dict.fromkeys(only, True) or dict.fromkeys(without, False) or None
        with self._in_time():
            cursor = self._handle.find(where, projection, limit=limit, batch_size=ONE_REPLY)
            if sort:
                cursor = cursor.sort(sort, ASCENDING)
            documents: list[Document] = await cursor.to_list(None)
            return documents

    async def by_keys(
        self, keys: Sequence[str], *, only: Sequence[str] = (), without: Sequence[str] = ()
    ) -> list[Document]:
        """The documents with these `_id`s, in no order."""
        where = keys[0] if len(keys) == 1 else {"$in": keys}
        return await self.find({"_id": where}, only=only, without=without)

    async def find_one(self, key: str, *, without: Sequence[str] = ()) -> Document | None:
        """The document with this `_id`, or nothing."""
        projection = dict.fromkeys(without, False) or None
        with self._in_time():
            document: Document | None = await self._handle.find_one({"_id": key}, projection)
            return document

    async def aggregate(self, pipeline: Sequence[Document]) -> list[Document]:
        """What the pipeline gives."""
        with self._in_time():
            cursor = self._handle.aggregate(list(pipeline), batchSize=ONE_REPLY)
            if self._driver == "pymongo":
                cursor = await cursor
            documents: list[Document] = await cursor.to_list(None)
            return documents

    async def insert(self, document: Document) -> None:
        """Writes a new document.

        Raises: DuplicateKey when its `_id` is taken.
        """
        with self._in_time():
            await self._handle.insert_one(document)

    async def insert_new(self, documents: Sequence[Document]) -> list[str]:
        """Writes those of the documents whose `_id` is free; gives the `_id`s of the others."""
        with self._in_time():
            try:
                await self._handle.insert_many(documents, ordered=False)
            except BulkWriteError as error:
                problems = error.details["writeErrors"]
                if any(problem["code"] != DUPLICATE_KEY for problem in problems):
                    raise
                return [documents[problem["index"]]["_id"] for problem in problems]
            return []

    async def update(
        self, where: Filter, change: Mapping[str, Any], *, upsert: bool = False
    ) -> bool:
        """Applies the change to the one matching document; false when there was none.

        Raises: DuplicateKey when an upsert meets a document that the rest of the filter excludes.
        """
        with self._in_time():
            result = await self._handle.update_one(where, change, upsert=upsert)
            return bool(result.matched_count or result.upserted_id is not None)

    async def replace(self, where: Filter, document: Document) -> bool:
        """Puts this in the place of the one matching document; false when there was none."""
        with self._in_time():
            result = await self._handle.replace_one(where, document)
            return bool(result.matched_count)

    async def delete(self, where: Filter) -> bool:
        """Deletes the one matching document; false when there was none."""
        with self._in_time():
            result = await self._handle.delete_one(where)
            return bool(result.deleted_count)

    async def delete_all(self, where: Filter) -> int:
        """Deletes every matching document; gives how many there were."""
        with self._in_time():
            result = await self._handle.delete_many(where)
            return int(result.deleted_count)

    async def ensure_indexes(self, indexes: Sequence[IndexModel]) -> None:
        """Creates the indexes that are missing."""
        if indexes:
            with self._in_time():
                await self._handle.create_indexes(list(indexes))

    async def index_names(self) -> set[str]:
        """The names of the indexes that exist."""
        with self._in_time():
            cursor = self._handle.list_indexes()
            if self._driver == "pymongo":
                cursor = await cursor
            return {index["name"] for index in await cursor.to_list(None)}

    @asynccontextmanager
    async def watch(
        self, pipeline: Sequence[Document], *, wait_seconds: float, after: Document | None = None
    ) -> AsyncIterator[Any]:
        """An open change stream; its `try_next()` waits at most `wait_seconds` for a change.

        It begins now, or behind the resume token `after`. Raises: HistoryLost.
        """
        with translated(), _following():
            stream = self._handle.watch(
                list(pipeline),
                max_await_time_ms=int(wait_seconds * 1000),
                resume_after=after,
            )
            if self._driver == "pymongo":
                stream = await stream
            async with stream:
                yield stream

    def _in_time(self) -> AbstractContextManager[None]:
        """Ends a command with the deadline, where that is before the client's own time limit."""
        seconds = remaining_seconds() + GRACE_SECONDS
        return translated() if seconds >= self._timeout_seconds else _limited(seconds)


async def stop(task: asyncio.Future[Any]) -> None:
    """Cancels a task that reads or writes, and waits for its end.

    PyMongo sometimes swallows a cancellation and carries on: then it is said again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=STOP_SECONDS)


@contextmanager
def translated() -> Iterator[None]:
    """Turns what a driver raises into the store's own errors."""
    try:
        yield
    except DuplicateKeyError as error:
        raise DuplicateKey(_brief(error)) from error
    except ServerSelectionTimeoutError as error:
        raise StoreUnavailable(_brief(error)) from error
    except (ExecutionTimeout, WTimeoutError) as error:
        raise StoreTimeout(_brief(error)) from error
    except ConnectionFailure as error:
        raise (StoreTimeout if error.timeout else StoreUnavailable)(_brief(error)) from error
    except OperationFailure as error:
        raise StoreFault(f"{error.code}: {error}") from error
    except PyMongoError as error:
        raise StoreFault(_brief(error)) from error


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    with translated(), pymongo.timeout(max(seconds, GRACE_SECONDS)):  # 0 would be no limit at all
        yield


@contextmanager
def _connecting(uri: str) -> Iterator[None]:
    """Keeps what a driver says of a connection string to itself: it quotes parts of passwords.

    An option that it would warn of and pass over is refused.
    """
    behind_hosts = uri.partition("://")[2].partition("/")[2]
    if "@" in behind_hosts:  # of a password with a slash, which would be taken for a port
        raise StoreFault(UNUSABLE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            yield
    except (PyMongoError, ValueError, TypeError, OSError, UserWarning):
        raise StoreFault(UNUSABLE) from None


@contextmanager
def _following() -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code in CANNOT_RESUME:
            raise HistoryLost(f"{error.code}: {error}") from error
        raise


def _brief(error: PyMongoError) -> str:
    """What happened, without the driver's view of timeouts and topology."""
    return str(error).partition(" (configured timeouts")[0]
