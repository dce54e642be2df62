"""Following a profile through torn connections and killed servers: every revision, none twice."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest

from pipelines.seed import sample_id
from store.driver import DriverName
from store.store import Store
from tests.conftest import DRIVERS, KEY_ENCRYPTION, Commands
from tests.listening import listening
from tests.revising import fields_of, revise, revising
from tests.running import RunningServer
from tests.subgraph import Subgraph
from tests.test_changes import without_streams
from tests.websocket import opened

pytestmark = pytest.mark.own_database

REVISIONS = 1000
CUTS = 100
DEATHS = {25, 50, 75}
"""After which cuts the server is killed."""
CHANGES_PER_SECOND = 60

CHANGES = """subscription ($id: ID!, $sinceRev: Int) {
  profileChanged(id: $id, sinceRev: $sinceRev) { rev fields user { rev bio } }
}"""


class Reader:
    """A client that notes every revision it is told and goes on from the last one."""

    def __init__(self, user_id: str, token: str | None, rev: int) -> None:
        self.revs = [rev]
        self._user_id = user_id
        self._token = token

    async def read(self, address: str, count: int) -> None:
        """Reads so many changes over a new connection, and tears it."""
        async with opened(address, self._token) as connection:
            await connection.subscribe("1", CHANGES, id=self._user_id, sinceRev=self.revs[-1])
            for _ in range(count):
                change = await connection.change()
                self._check(change["rev"], change["user"])
                assert change["fields"] == fields_of(change["rev"])
                self.revs.append(change["rev"])
            connection.tear()

    def _check(self, rev: int, user: dict[str, object]) -> None:
        """The user is as it was at one moment, at this revision or later."""
        assert user["bio"] == str(user["rev"])
        assert int(str(user["bio"])) >= rev


async def read_with_cuts(
    reader: Reader, address: Callable[[], str], until_rev: int, cuts: int
) -> AsyncIterator[int]:
    """Reads up to a revision over connections that are torn; gives the number of each cut."""
    random = Random("cuts")
    for cut in range(1, cuts + 1):
        missing = until_rev - reader.revs[-1]
        if cut < cuts:
            missing = min(missing, random.randrange(2 * missing // (cuts - cut + 1) + 1))
        await reader.read(address(), missing)
        yield cut


@pytest.mark.skipif(
    "USERGRAPH_MONGODB_URI" in os.environ,
    reason="USERGRAPH_MONGODB_URI is set: somebody else's database is not ours to kill",
)
async def test_every_revision_arrives_once_through_100_torn_connections_and_3_deaths(
    tmp_path: Path,
) -> None:
    ada, until_rev = sample_id(0), 1 + REVISIONS
    with RunningServer(tmp_path, mongodb_driver=DRIVERS[0], mongodb_timeout_seconds="2") as server:
        reader = Reader(ada, server.token(ada), 1)
        cuts = read_with_cuts(
            reader, lambda: server.address.replace("http://", "ws://"), until_rev, CUTS
        )
        arguments = (str(tmp_path), "usergraph", DRIVERS[0], ada, until_rev)
        with revising(*arguments, per_second=CHANGES_PER_SECOND):
            async for cut in cuts:
                if cut in DEATHS:  # the engine dies with it, under the other process too
                    server.kill()
                    server.start()
    assert reader.revs == list(range(1, until_rev + 1))


@pytest.fixture
async def address(subgraph: Subgraph) -> AsyncIterator[str]:
    """The subgraph on a real port."""
    async with listening(subgraph.app) as address:
        yield f"ws://{address}/graphql"
        await subgraph.store.changes.close()


@pytest.fixture
async def elsewhere(
    mongodb_uri: str, subgraph: Subgraph, driver: DriverName
) -> AsyncIterator[Store]:
    """The same database over other connections, whose commands are not counted."""
    store = Store.connect(
        mongodb_uri, subgraph.store._database.name, driver=driver, encryption=KEY_ENCRYPTION
    )
    yield store
    await store.close()


@pytest.mark.parametrize("streams", [True, False], ids=["with streams", "without streams"])
async def test_every_revision_arrives_once_with_and_without_change_streams(
    subgraph: Subgraph,
    address: str,
    mongodb_uri: str,
    driver: DriverName,
    monkeypatch: pytest.MonkeyPatch,
    streams: bool,
) -> None:
    if not streams:
        without_streams(subgraph.store, monkeypatch)
    ada = await subgraph.register("ada.berg")
    reader = Reader(ada, subgraph.token(ada), 1)
    name = subgraph.store._database.name
    with revising(mongodb_uri, name, driver, ada, 201, per_second=100):
        async for _ in read_with_cuts(reader, lambda: address, 201, 20):
            pass
    assert reader.revs == list(range(1, 202))
    await subgraph.until_unwatched()


@pytest.mark.one_driver
async def test_a_reader_that_does_not_read_holds_nothing_up_and_misses_nothing(
    subgraph: Subgraph, address: str, elsewhere: Store, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    fat = " ".join(f"bio{n}: bio" for n in range(60))
    query = CHANGES.replace("user { rev bio }", f"user {{ rev bio {fat} }}")
    port = int(address.rpartition(":")[2].partition("/")[0])
    with socket.socket() as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.connect(("127.0.0.1", port))
        narrow.setblocking(False)
        async with opened(address, sock=narrow, max_queue=1, compression=None) as connection:
            await connection.subscribe("1", query, id=ada, sinceRev=1)
            await subgraph.until_watched(ada)
            await revise(elsewhere, ada, 401, padding=" " + "x" * 290)
            await settled(commands)
            assert Counter(commands.taken())["find"] < 300
            revs = [(await connection.change())["rev"] for _ in range(2, 402)]
    assert revs == list(range(2, 402))


async def test_two_hundred_subscribers_are_told_every_revision(
    subgraph: Subgraph, address: str, elsewhere: Store, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(opened(address)) for _ in range(10)]
        for connection in connections:
            for key in range(20):
                await connection.subscribe(str(key), CHANGES, id=ada, sinceRev=1)
        for rev in range(2, 13):
            await revise(elsewhere, ada, rev)
            for connection in connections:
                told = [(await connection.change())["rev"] for _ in range(20)]
                assert told == [rev] * 20
            if rev == 2:
                commands.taken()
    # One read for all of them, or two when some were still busy with the last one.
    assert 10 <= Counter(commands.taken())["find"] <= 20


async def settled(commands: Commands) -> None:
    """Waits until nothing more is read."""
    count = -1
    while count != commands.names.count("find"):
        count = commands.names.count("find")
        await asyncio.sleep(0.5)  # nothing tells that nothing happens any more
