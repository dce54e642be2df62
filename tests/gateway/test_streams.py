"""Subscriptions through gateways: changes of ours, joined with playlists, on each transport."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.gateway.conftest import Client, OtherTeams
from tests.gateway.door import Door, Received, fields_of
from tests.gateway.gateways import showing
from tests.subgraph import Subgraph

pytestmark = [pytest.mark.one_driver, pytest.mark.own_database]

CHANGES = """subscription ($id: ID!) {
  profileChanged(id: $id) { rev user { bio viewerRelation { isSelf } playlists { name } } }
}"""
FIELDS = {"profileChanged", "rev", "user", "bio", "viewerRelation", "isSelf"}
# Gateways add what they need to go on in other subgraphs.
ADDED = {"__typename", "id", "handle"}


def changed(rev: int, bio: str, *, is_self: bool | None, playlists: list[str]) -> Any:
    """The result that tells of a change."""
    relation = None if is_self is None else {"isSelf": is_self}
    named = [{"name": name} for name in playlists]
    user = {"bio": bio, "viewerRelation": relation, "playlists": named}
    return {"data": {"profileChanged": {"rev": rev, "user": user}}}


@asynccontextmanager
async def by_websocket(
    address: str, token: str | None, body: Any
) -> AsyncIterator[AsyncGenerator[Any, None]]:
    """Results as a client of `graphql-transport-ws` gets them."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = address.replace("http://", "ws://")
    protocols: Any = ["graphql-transport-ws"]
    async with connect(address, subprotocols=protocols, additional_headers=headers) as connection:

        async def results() -> AsyncGenerator[Any, None]:
            async for text in connection:
                message = json.loads(text)
                if message["type"] != "next":
                    return
                yield message["payload"]

        await connection.send(json.dumps({"type": "connection_init", "payload": headers}))
        assert json.loads(await connection.recv())["type"] == "connection_ack"
        await connection.send(json.dumps({"type": "subscribe", "id": "1", "payload": body}))
        async with aclosing(results()) as iterator:
            yield iterator


@asynccontextmanager
async def by_events(
    address: str, token: str | None, body: Any
) -> AsyncIterator[AsyncGenerator[Any, None]]:
    """Results as a client of server-sent events gets them."""
    headers = {"Accept": "text/event-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    async with (
        httpx.AsyncClient(timeout=30) as http,
        http.stream("POST", address, json=body, headers=headers) as response,
    ):

        async def results() -> AsyncGenerator[Any, None]:
            name = ""
            async for line in response.aiter_lines():
                if line.startswith("event:"):
                    name = line.removeprefix("event:").strip()
                elif line.startswith("data:") and name == "next":
                    yield json.loads(line.removeprefix("data:"))
                elif name == "complete":
                    return

        assert response.headers["content-type"].startswith("text/event-stream")
        async with aclosing(results()) as iterator:
            yield iterator


Subscribe = Callable[[str, str | None, Any], AbstractAsyncContextManager[AsyncGenerator[Any, None]]]
STREAMS = [name for feature in ("ws", "SSE", "callback") for name in showing(feature)]
each_client = pytest.mark.parametrize(
    "subscribe", [by_websocket, by_events], ids=["to a ws client", "to an SSE client"]
)


async def following(results: AsyncGenerator[Any, None]) -> Any:
    """The next result, soon."""
    return await asyncio.wait_for(anext(results), 10)


async def until_left(subgraph: Subgraph, gateway: Client, user_id: str) -> None:
    """Waits until nobody watches the user any more."""
    if gateway.setup in showing("callback"):
        # A gateway that has left says so when it is sent the next result.
        await subgraph.update(user_id, "for nobody")
    await subgraph.until_unwatched()


@each_client
@pytest.mark.parametrize("gateway", STREAMS, indirect=True)
async def test_changes_arrive_with_playlists_and_end_with_the_client(
    subgraph: Subgraph, gateway: Client, others: OtherTeams, subscribe: Subscribe
) -> None:
    ada = await subgraph.register("ada.berg")
    await others.playlist(ada, "One")
    body = {"query": CHANGES, "variables": {"id": ada}}
    async with subscribe(gateway.address, subgraph.token(ada), body) as results:
        pending = asyncio.ensure_future(following(results))
        await subgraph.until_watched(ada)
        await subgraph.update(ada, "one")
        assert await pending == changed(2, "one", is_self=True, playlists=["One"])
        await others.playlist(ada, "Two")
        await subgraph.update(ada, "two")
        told = await following(results)
        assert told == changed(3, "two", is_self=True, playlists=["One", "Two"])
    await until_left(subgraph, gateway, ada)


@each_client
@pytest.mark.parametrize("gateway", STREAMS, indirect=True)
async def test_anybody_may_subscribe_through_a_gateway(
    subgraph: Subgraph, gateway: Client, subscribe: Subscribe
) -> None:
    ada = await subgraph.register("ada.berg")
    body = {"query": CHANGES, "variables": {"id": ada}}
    async with subscribe(gateway.address, None, body) as results:
        pending = asyncio.ensure_future(following(results))
        await subgraph.until_watched(ada)
        await subgraph.update(ada, "one")
        assert await pending == changed(2, "one", is_self=None, playlists=[])
    await until_left(subgraph, gateway, ada)


@each_client
@pytest.mark.parametrize("gateway", STREAMS, indirect=True)
async def test_a_subscription_that_is_refused_tells_why(
    gateway: Client, subscribe: Subscribe
) -> None:
    body = {"query": CHANGES, "variables": {"id": "short"}}
    async with subscribe(gateway.address, None, body) as results:
        told = await following(results)
    [error] = told["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["rule"] == "ID_FORMAT"


@pytest.mark.parametrize("gateway", showing("ws"), indirect=True)
async def test_ws_is_one_connection_with_the_token(
    subgraph: Subgraph, gateway: Client, door: Door
) -> None:
    ada = await subgraph.register("ada.berg")
    [connection], token = await one_subscription(subgraph, gateway, door, ada)
    assert connection.method == "WEBSOCKET"
    assert connection.headers["sec-websocket-protocol"] == "graphql-transport-ws"
    init, subscribe, complete = connection.bodies
    assert init == {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}
    assert subscribe["type"] == "subscribe"
    assert fields_of(subscribe["payload"]["query"]) - ADDED == FIELDS
    assert subscribe["payload"]["variables"] == {"id": ada}
    assert complete == {"id": subscribe["id"], "type": "complete"}


@pytest.mark.parametrize("gateway", showing("SSE"), indirect=True)
async def test_sse_is_one_request_with_the_token(
    subgraph: Subgraph, gateway: Client, door: Door
) -> None:
    ada = await subgraph.register("ada.berg")
    [request], token = await one_subscription(subgraph, gateway, door, ada)
    assert request.method == "GET"
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["authorization"] == f"Bearer {token}"
    assert fields_of(request.body["query"]) - ADDED == FIELDS
    assert request.body["variables"] == {"id": ada}


@pytest.mark.parametrize("gateway", showing("callback"), indirect=True)
async def test_callback_is_one_request_that_names_where_to_call(
    subgraph: Subgraph, gateway: Client, door: Door
) -> None:
    ada = await subgraph.register("ada.berg")
    [request], token = await one_subscription(subgraph, gateway, door, ada)
    assert request.headers["accept"] == "application/json;callbackSpec=1.0; charset=utf-8"
    assert request.headers["authorization"] == f"Bearer {token}"
    assert fields_of(request.body["query"]) - ADDED == FIELDS
    assert request.body["variables"] == {"id": ada}
    subscription = request.body["extensions"]["subscription"]
    address = gateway.address.replace("/graphql", "/callback")
    assert subscription["callbackUrl"] == f"{address}/{subscription['subscriptionId']}"
    assert subscription["heartbeatIntervalMs"] == 50_000
    assert subscription["verifier"]


async def one_subscription(
    subgraph: Subgraph, gateway: Client, door: Door, user_id: str
) -> tuple[list[Received], str]:
    """What comes in for one subscription to one change, and the token that it was asked with."""
    token = subgraph.token(user_id)
    body = {"query": CHANGES, "variables": {"id": user_id}}
    async with by_events(gateway.address, token, body) as results:
        pending = asyncio.ensure_future(following(results))
        await subgraph.until_watched(user_id)
        await subgraph.update(user_id, "one")
        await pending
    await until_left(subgraph, gateway, user_id)
    return door.taken(), token
