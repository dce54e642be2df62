"""Fixtures: gateways for the session, in front of the subgraph of each test."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.gateway.door import Door, bad_gateway
from tests.gateway.gateways import Gateways, free_port
from tests.listening import listening, until
from tests.subgraph import HTTPClient, Subgraph

CREATE = """mutation ($name: String!, $ownerId: ID!, $ownerColor: String) {
  createPlaylist(name: $name, ownerId: $ownerId, ownerColor: $ownerColor) { id }
}"""
LIKE = "mutation ($id: ID!, $userId: ID!) { like(mediaId: $id, userId: $userId) { id } }"


class Client(HTTPClient):
    """A client of one address; `setup` is how the gateway is run that answers there."""

    def __init__(
        self, http: httpx.AsyncClient, address: str, subgraph: Subgraph, setup: str = ""
    ) -> None:
        super().__init__(http, address, subgraph.token)
        self.setup = setup


class OtherTeams:
    """What happens in the subgraphs of other teams."""

    def __init__(self, playlists: Client, likes: Client) -> None:
        self._playlists = playlists
        self._likes = likes

    async def playlist(self, owner_id: str, name: str, *, owner_color: str | None = None) -> str:
        """The id of a new playlist."""
        variables = {"name": name, "ownerId": owner_id, "ownerColor": owner_color}
        data = await self._playlists.data(CREATE, **variables)
        playlist_id: str = data["createPlaylist"]["id"]
        return playlist_id

    async def like(self, user_id: str, playlist_id: str) -> None:
        """Makes the user like the playlist."""
        await self._likes.data(LIKE, id=playlist_id, userId=user_id)


@pytest.fixture(scope="session")
async def entrance() -> AsyncIterator[Door]:
    """The one address for our subgraph that gateways know."""
    door = Door()
    async with listening(door) as address:
        door.address = f"http://{address}"
        yield door


@pytest.fixture(scope="session")
def callback_port() -> int:
    """Where gateways want results of subscriptions to be sent."""
    return free_port()


@pytest.fixture(autouse=True)
def _callbacks_are_allowed(callback_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERGRAPH_CALLBACK_URLS", f"http://127.0.0.1:{callback_port}/callback")


@pytest.fixture(scope="session")
def gateways(
    entrance: Door, callback_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateways]:
    """The gateways, started one by one as tests ask for them."""
    folder = tmp_path_factory.mktemp("gateways")
    gateways = Gateways(folder, entrance.address, callback_port)
    yield gateways
    gateways.stop()


@pytest.fixture
async def door(entrance: Door, subgraph: Subgraph) -> AsyncIterator[Door]:
    """What gateways ask of the subgraph of this test."""
    entrance.app = subgraph.app
    yield entrance
    await until(lambda: entrance.connections == 0)
    await subgraph.app.state.callbacks.close()
    entrance.app = bad_gateway
    await subgraph.store.changes.close()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """Connections of clients."""
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


@pytest.fixture
async def gateway(
    request: pytest.FixtureRequest,
    gateways: Gateways,
    door: Door,
    http: httpx.AsyncClient,
    subgraph: Subgraph,
) -> Client:
    """The gateway of the setup that the test names, in front of the subgraph."""
    address = await gateways.address(request.param)
    door.taken()
    return Client(http, address, subgraph, request.param)


@pytest.fixture
async def others(gateways: Gateways, http: httpx.AsyncClient, subgraph: Subgraph) -> OtherTeams:
    """The subgraphs of other teams, asked without a gateway."""
    addresses = await gateways.subgraphs()
    return OtherTeams(
        Client(http, addresses["playlists"], subgraph), Client(http, addresses["likes"], subgraph)
    )
