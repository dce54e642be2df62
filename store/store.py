"""The store: every collection of one database behind one door."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

from pymongo import IndexModel
from pymongo.monitoring import CommandListener

from store.blocks import Blocks
from store.chains import LedgerKey
from store.changes import ChangeFeed
from store.coalescing import CoalescedReads
from store.consents import ConsentLedger
from store.contacts import Contacts
from store.data_requests import DataRequests
from store.driver import Collection, Database, Document, DriverName
from store.follows import Follows
from store.handles import Handles
from store.history import History
from store.households import Households
from store.idempotency import Idempotency
from store.keys import Keys
from store.merges import Merges
from store.preferences import Preferences
from store.revisions import Revisions
from store.sealing import HeldKeys, KeyEncryption
from store.users import Users
from store.verifications import Verifications

DROP_SECONDS = 0.05


class Part(Protocol):
    """A collection with the indexes that it needs."""

    collection: Collection

    @property
    def indexes(self) -> Sequence[IndexModel]:
        """Its indexes."""
        ...


class Reader(Part, Protocol):
    """One that is read in commands that readers share."""

    def reads(self) -> Iterator[CoalescedReads[Any, Any]]:
        """Its coalesced reads."""
        ...

    async def close(self) -> None:
        """Ends the reads that are under way."""


class Store:
    """Users, what is theirs in other collections, and what changed.

    Without `encryption` nothing personal can be sealed or opened, without `ledger_key` no consent
    recorded, and nothing done under an idempotency key.
    """

    def __init__(
        self,
        database: Database,
        encryption: KeyEncryption | None = None,
        ledger_key: LedgerKey | None = None,
    ) -> None:
        self._database = database
        self.keys = Keys(database, encryption or HeldKeys({}))
        self.revisions = Revisions(database)
        self.users = Users(database, self.revisions)
        self.handles = Handles(database, self.users)
        self.contacts = Contacts(database, self.users)
        self.verifications = Verifications(database)
        self.follows = Follows(database, self.users)
        self.blocks = Blocks(database, self.follows)
        self.consents = ConsentLedger(database, self.users, ledger_key)
        self.preferences = Preferences(database)
        self.households = Households(database)
        self.merges = Merges(
            *(self.users, self.keys, self.handles, self.follows, self.blocks),
            *(self.contacts, self.households),
        )
        self.idempotency = Idempotency(database, ledger_key)
        self.changes = ChangeFeed(database, self.users)
        self.data_requests = DataRequests(database)
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
        encryption: KeyEncryption | None = None,
        ledger_key: LedgerKey | None = None,
    ) -> "Store":
        """A store over a connection that is opened with its first use."""
        database = Database(
            uri, name, driver=driver, timeout_seconds=timeout_seconds, listeners=listeners
        )
        return cls(database, encryption, ledger_key)

    @property
    def owned(self) -> tuple[tuple[Collection, str], ...]:
        """The collections whose rows belong to one user each, with the field that says to whom.

        Follows are not among them: each is in the list of another as well.
        """
        return (
            (self.handles.collection, "userId"),
            (self.contacts.collection, "userId"),
            (self.preferences.collection, "owner"),
            (self.households.collection, "_id"),
            (self.blocks.blocked.collection, "source"),
            (self.blocks.blocked.collection, "target"),
            (self.revisions.collection, "owner"),
        )

    async def ensure_indexes(self) -> None:
        """Creates the indexes that are missing. Raises: StoreFault."""
        for part in self._parts():
            await part.collection.ensure_indexes(part.indexes)

    async def missing_indexes(self) -> list[str]:
        """The declared indexes that do not exist, as `collection.index`."""
        missing = []
        for part in self._parts():
            existing = await part.collection.index_names()
            names = [index.document["name"] for index in part.indexes]
            missing += [f"{part.collection.name}.{name}" for name in names if name not in existing]
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
        for part in self._readers():
            await part.close()
        await self._database.close()

    def _parts(self) -> tuple[Part, ...]:
        others = (self.revisions, self.idempotency, self.verifications, self.consents)
        return (*self._readers(), *others, self.data_requests)

    def _readers(self) -> tuple[Reader, ...]:
        edges = (self.follows.following, self.follows.followers, self.blocks.blocked)
        own = (self.users, self.handles, self.keys, self.contacts, self.preferences)
        return (*own, self.households, *edges)

    def _drop_unwanted(self) -> None:
        self._dropping = None
        every = chain.from_iterable(part.reads() for part in self._readers())
        if any([reads.drop_unwanted() for reads in every]):
            self.drop_unwanted_soon()
