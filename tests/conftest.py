"""Fixtures: an engine for the session, a database for each test, each driver and execution."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple, cast
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener

from execution.strawberry_schema import Execution
from server.settings import Settings
from store.chains import LedgerKey
from store.driver import DriverName
from store.engine import start_engine
from store.records import Document
from store.sealing import HeldKeys
from store.store import Store
from tests.proxy import Proxy, proxied
from tests.subgraph import Clock, Subgraph

pytest_plugins = ["tests.leaks"]

RUN = f"usergraph_test_{uuid4().hex[:12]}"
"""What the databases' names begin with."""
KEY_ENCRYPTION = HeldKeys({"test": bytes(range(32))})
LEDGER_KEY = LedgerKey(bytes(range(32)))


class Variant(NamedTuple):
    """What a test runs on; tests see it as the fixtures `driver` and `execution`."""

    driver: DriverName
    execution: Execution


def _chosen(setting: str, *every: str) -> list[str]:
    return [os.environ[setting]] if setting in os.environ else list(every)


DRIVERS = _chosen("USERGRAPH_MONGODB_DRIVER", "motor", "pymongo")
EXECUTIONS = _chosen("USERGRAPH_EXECUTION", "compiled", "reference")
# In pairs, so that both ways of execution cost no run more than both drivers alone.
PAIRS = islice(zip(cycle(DRIVERS), cycle(EXECUTIONS)), max(len(DRIVERS), len(EXECUTIONS)))
VARIANTS = [Variant(cast(DriverName, driver), cast(Execution, how)) for driver, how in PAIRS]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Asks first whether the engine can be trusted at all."""
    items.sort(key=lambda item: "contract" not in item.path.parts)


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server under test: the one of USERGRAPH_MONGODB_URI, else an embedded engine."""
    if uri := os.environ.get("USERGRAPH_MONGODB_URI"):
        yield uri
        return
    engine = start_engine(tmp_path_factory.mktemp("engine"), test_commands=True)
    yield engine.uri
    engine.stop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs tests on each variant, but those that do not see the store on the first one alone."""
    if "variant" in metafunc.fixturenames:
        is_alone = metafunc.definition.get_closest_marker("one_driver")
        variants = VARIANTS[:1] if is_alone else VARIANTS
        metafunc.parametrize("variant", variants, ids="-".join, indirect=True, scope="session")


@pytest.fixture(scope="session")
def variant(request: pytest.FixtureRequest) -> Variant:
    """What the test runs on."""
    return cast(Variant, request.param)


@pytest.fixture(scope="session")
def driver(variant: Variant) -> DriverName:
    """The driver of the test."""
    return variant.driver


@pytest.fixture(scope="session")
def execution(variant: Variant) -> Execution:
    """What runs the operations of the test."""
    return variant.execution


class Commands(CommandListener):
    """The database commands that were sent, by name."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: Any) -> None:
        if event.command_name not in ("hello", "ping", "endSessions"):
            self.names.append(event.command_name)

    def succeeded(self, event: Any) -> None: ...

    def failed(self, event: Any) -> None: ...

    def taken(self) -> list[str]:
        """The commands since the last time, sorted."""
        names, self.names = self.names, []
        return sorted(names)


@pytest.fixture
def commands() -> Commands:
    """What the store of this test sends to the database."""
    return Commands()


@pytest.fixture(scope="session")
async def databases(mongodb_uri: str) -> AsyncIterator[AsyncMongoClient[Document]]:
    """The databases of the server under test."""
    async with AsyncMongoClient[Document](mongodb_uri) as client:
        yield client
        for driver in DRIVERS:
            await client.drop_database(f"{RUN}_{driver}")


@pytest.fixture
async def database_name(
    request: pytest.FixtureRequest, databases: AsyncMongoClient[Document], driver: DriverName
) -> AsyncIterator[str]:
    """An empty database: one that the tests share, because making one is slow, unless marked."""
    if request.node.get_closest_marker("own_database"):
        name = f"{RUN}_{uuid4().hex[:12]}"
        yield name
        await databases.drop_database(name)
        return
    shared = databases[f"{RUN}_{driver}"]
    names = await shared.list_collection_names()
    await asyncio.gather(*(shared[name].delete_many({}) for name in names))
    yield shared.name


@pytest.fixture
async def store(
    mongodb_uri: str, database_name: str, driver: DriverName, commands: Commands
) -> AsyncIterator[Store]:
    """An empty database with its indexes."""
    store = Store.connect(
        mongodb_uri,
        database_name,
        driver=driver,
        timeout_seconds=20,
        listeners=[commands],
        encryption=KEY_ENCRYPTION,
        ledger_key=LEDGER_KEY,
    )
    await store.ensure_indexes()
    yield store
    await store.close()


@pytest.fixture
def clock() -> Clock:
    """The subgraph's clock."""
    return Clock()


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory, whose development key signs the tokens of the tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def settings(data_dir: Path, execution: Execution) -> Settings:
    """The settings of the subgraph."""
    return Settings(data_dir=data_dir, execution=execution)


@pytest.fixture
async def subgraph(settings: Settings, store: Store, clock: Clock) -> AsyncIterator[Subgraph]:
    """The subgraph over the store."""
    subgraph = Subgraph(settings, store, clock)
    async with subgraph.http:
        yield subgraph


@pytest.fixture
async def behind_proxy(
    subgraph: Subgraph, mongodb_uri: str, driver: DriverName, commands: Commands
) -> AsyncIterator[tuple[Proxy, Subgraph]]:
    """A proxy, and the subgraph over the same database behind it."""
    async with proxied(mongodb_uri) as (proxy, uri):
        name = subgraph.store._database.name
        store = Store.connect(
            uri,
            name,
            driver=driver,
            listeners=[commands],
            encryption=KEY_ENCRYPTION,
            ledger_key=LEDGER_KEY,
        )
        behind = Subgraph(subgraph.settings, store, subgraph.clock)
        async with behind.http:
            yield proxy, behind
    await store.close()  # motor's blocks the event loop, which the proxy needs
