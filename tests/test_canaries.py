"""Canaries in everything that a client, a router or a database can send: none gets out."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.canaries import MARK, Canaries, canaries_in
from tests.listening import listening, until
from tests.quoting_server import CRASHING, REFUSED
from tests.running import RunningServer
from tests.websocket import opened

pytestmark = [pytest.mark.one_driver, pytest.mark.own_database]

REGISTER = """mutation ($input: RegisterUserInput!) {
  registerUser(input: $input) { user { id } errors { code } }
}"""
UPDATE = """mutation ($input: UpdateProfileInput!) {
  updateProfile(input: $input) { user { rev } errors { code message } }
}"""
CHANGES = "subscription ($id: ID!) { profileChanged(id: $id) { rev user { bio } } }"
PUBLIC = "{ user(by: {id: %s}) { handle displayName bio pronouns links { url label } } }"


class Run:
    """A server, and canaries on their way into it."""

    def __init__(self, server: RunningServer, http: httpx.AsyncClient) -> None:
        self.server = server
        self.http = http
        self.canary = Canaries()
        self.incidents: set[str] = set()

    async def post(self, query: object, token: str | None = None, **more: Any) -> Any:
        """The answer to an operation; notes the incidents that it tells."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= more.pop("headers", {})
        answer = await self.http.post(
            self.server.address, json={"query": query, **more}, headers=headers
        )
        body = answer.json()
        for error in body.get("errors", ()):
            if incident := error["extensions"].get("incident"):
                self.incidents.add(incident)
        return body

    @property
    def outputs(self) -> list[str]:
        """Everything that the server wrote: its standard streams and files."""
        files = [path for path in self.server.data_dir.rglob("*") if path.is_file()]
        return [self.server.greeting, *(path.read_text(errors="replace") for path in files)]


@asynccontextmanager
async def router_of_canaries() -> AsyncIterator[tuple[str, list[Any]]]:
    """A router that takes everything, says canaries, and keeps what it took."""
    taken: list[Any] = []

    async def take(scope: Any, receive: Any, send: Any) -> None:
        taken.append(await Request(scope, receive).json())
        status = 204 if taken[-1]["action"] == "check" else 400
        headers = {"subscription-protocol": "callback/1.0", "x-said": f"{MARK}said"}
        await Response(None if status == 204 else f"{MARK}said", status, headers)(
            scope, receive, send
        )

    async with listening(take) as address:
        yield address, taken


@pytest.fixture(params=["json", "text"])
async def run(
    request: pytest.FixtureRequest, tmp_path: Path, mongodb_uri: str, database_name: str
) -> AsyncIterator[tuple[Run, str, list[Any]]]:
    """A server that logs all that it can, and the router that it may call."""
    async with router_of_canaries() as (address, taken):
        server = RunningServer(
            tmp_path,
            program="tests.quoting_server",
            mongodb_uri=mongodb_uri,
            mongodb_database=database_name,
            log_level="debug",
            log_format=request.param,
            callback_urls=f"http://{address}",
        )
        server.start()
        try:
            async with httpx.AsyncClient(timeout=20) as http:
                yield Run(server, http), address, taken
        finally:
            if server.is_running:
                server.kill()


async def test_no_canary_gets_out(run: tuple[Run, str, list[Any]]) -> None:
    running, router, taken = run
    user_id = await into_data(running)
    own = running.server.token(user_id)
    await into_documents(running, user_id)
    await into_variables(running, own)
    await into_requests(running)
    await into_faults(running)
    await into_sockets(running, user_id)
    await into_streams(running)
    await into_callbacks(running, user_id, router, taken)
    others = await running.post(PUBLIC % json.dumps(user_id))
    told = await running.post("{ user(by: {handle: 5}) { id } }")
    assert running.server.stop() == 0
    assert len(running.canary.seeded) >= 50
    assert canaries_in(*running.outputs) == set()
    public = {"handle", "displayName", "bio", "pronouns", "linkurl", "linklabel"}
    assert canaries_in(json.dumps(others)) == {f"{MARK}{name}" for name in public}
    assert canaries_in(json.dumps(told)) == set()
    log = running.server.log.read_text()
    assert len(running.incidents) == 2
    assert all(incident in log for incident in running.incidents)
    assert log.count("usergraph.access") > 50


async def into_data(run: Run) -> str:
    """A user whose every value is a canary, so far as its form allows."""
    canary = run.canary
    service = run.server.token(None)
    given = {"handle": canary("handle"), "displayName": canary("displayName")}
    registered = (await run.post(REGISTER, service, variables={"input": given}))["data"]
    user_id: str = registered["registerUser"]["user"]["id"]
    link = {"url": f"https://example.com/{canary('linkurl')}", "label": canary("linklabel")}
    profile = {"bio": canary("bio"), "pronouns": canary("pronouns"), "links": [link]}
    updated = await run.post(UPDATE, run.server.token(user_id), variables={"input": profile})
    assert updated["data"]["updateProfile"]["errors"] == []
    await run.post(REGISTER, service, variables={"input": given})  # taken: the database refuses
    return user_id


async def into_documents(run: Run, user_id: str) -> None:
    """Documents: what is valid, what is not, and what is no document at all."""
    canary = run.canary
    for document in (
        f'{{ user(by: {{handle: "{canary("literal")}"}}) {{ id }} }}',
        f'{{ user(by: {{handle: """{canary("block")}"""}}) {{ id }} }}',
        f"{{ {canary('alias')}: __typename }}",
        f'{{ {canary("path")}: user(by: {{id: "{canary("literalid")}"}}) {{ id }} }}',
        f"{{ __typename # {canary('comment')}\n }}",
        f"{{ {canary('field')} }}",
        f'{{ user(by: {{handle: "a"}}, {canary("argument")}: 1) {{ id }} }}',
        f"{{ user(by: {{handle: {canary('enum')}}}) {{ id }} }}",
        f"{{ __typename @{canary('directive')} }}",
        f"{{ ...{canary('spread')} }}",
        f"fragment {canary('fragment')} on Query {{ __typename }} {{ __typename }}",
        f"query (${canary('variable')}: {canary('type')}) {{ __typename }}",
        f"query {canary('nooperation')}@ {{",
        f'mutation {{ updateProfile(input: {{bio: "{canary("mutation")}"}}) {{ nothing }} }}',
        f'{{ _entities(representations: [{{__typename: "{canary("stub")}"}}]) {{ __typename }} }}',
        f'"{canary("string")}',
        canary("document"),
    ):
        await run.post(document, headers={"apollo-federation-include-trace": "none"})
    await run.post("{ __typename }", operationName=f"{canary('name')} @")
    await run.post("{ __typename }", documentId=canary("documentid"))
    hashed = {"persistedQuery": {"version": 1, "sha256Hash": canary("hash")}}
    await run.post("{ __typename }", extensions=hashed)
    traced = await run.post(
        'query ($h: String!) { user(by: {handle: $h}) { id } users(ids: ["'
        + canary("tracedliteral")
        + '"]) { id } }',
        variables={"h": canary("tracedvariable")},
        headers={"apollo-federation-include-trace": "ftv1"},
    )
    trace = base64.b64decode(traced["extensions"]["ftv1"]).decode(errors="replace")
    # The trace repeats the errors of its own answer, and says nothing else of what was sent.
    assert canaries_in(trace) <= canaries_in(json.dumps(traced.get("errors")))
    await run.post(PUBLIC % json.dumps(user_id))


async def into_variables(run: Run, token: str) -> None:
    """Variables: of the right type, of a wrong one, and too many."""
    canary = run.canary
    query = (
        "query ($id: ID!, $n: Int) { user(by: {id: $id}) { followers(first: $n) { totalCount } } }"
    )
    for variables in (
        {"id": canary("wrongid")},
        {"id": "x", "n": canary("stringforint")},
        {"id": {canary("objectkey"): canary("objectforid")}},
        {"id": [canary("listforid")]},
        {canary("unknownvariable"): canary("unknownvalue")},
    ):
        await run.post(query, variables=variables)
    for value in (
        {"bio": [canary("listforbio")]},
        {canary("inputfield"): 1},
        {"locale": canary("locale")},
        {"timeZone": canary("timezone")},
        {"profileColor": canary("color")},
        {"links": [{"url": f"http://u:{canary('linkpassword')}@example.com"}]},
        {"profileColor": "#102030", "control": {"idempotencyKey": canary("idempotencykey")}},
        {"bio": canary("longbio") * 50},
    ):
        await run.post(UPDATE, token, variables={"input": value})
    entities = "query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }"
    representations = [
        {"__typename": canary("representationtype"), "id": "x"},
        {"__typename": "User", "id": canary("representationid")},
        {"__typename": "User", "handle": {"$ne": canary("operator")}},
        {"__typename": "User", canary("representationkey"): 1},
        canary("representation"),
    ]
    await run.post(entities, variables={"r": representations})


async def into_requests(run: Run) -> None:
    """Headers, addresses and bodies."""
    canary, http, address = run.canary, run.http, run.server.address
    body = {"query": "{ __typename }"}
    for headers in (
        {"Authorization": f"Bearer {canary('bearer')}"},
        {"Authorization": f"Basic {canary('basic')}"},
        {"Cookie": f"session={canary('cookie')}"},
        {"X-Request-Id": f"{canary('requestid')} @"},
        {"User-Agent": canary("useragent")},
        {"X-Data-Purpose": canary("purpose") + "\u00e9"},
        {"Referer": f"http://{canary('referer')}/"},
        {"Origin": f"http://{canary('origin')}"},
        {"Accept": canary("accept")},
        {"Content-Type": canary("contenttype")},
        {"Content-Encoding": canary("contentencoding")},
        {"X-Forwarded-For": canary("forwarded")},
        {"Apollographql-Client-Name": canary("clientname")},
        {canary("headername"): "1"},
    ):
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        await http.post(address, json=body, headers=encoded)
    await http.get(f"{address}?query={{__typename}}&{canary('parameter')}={canary('value')}")
    await http.get(f"{address}/{canary('address')}")
    await http.request(canary("method").upper(), address)
    json_type = {"Content-Type": "application/json"}
    await http.post(address, content=f'{{"query": "{canary("body")}', headers=json_type)


async def into_faults(run: Run) -> None:
    """A database whose errors quote values; a fault of ours that does."""
    for kind in (REFUSED, CRASHING):
        handle = f"{kind}.{run.canary(kind)}"
        alias = run.canary("faultyalias")
        answer = await run.post(f'{{ {alias}: user(by: {{handle: "{handle}"}}) {{ bio }} }}')
        [error] = answer["errors"]
        assert canaries_in(error["message"], json.dumps(error["extensions"])) == set()


async def into_sockets(run: Run, user_id: str) -> None:
    """Messages over WebSocket, such as the protocol has them and others."""
    canary = run.canary
    address = run.server.address.replace("http", "ws")
    for message in (
        canary("garbage"),
        json.dumps({"type": canary("messagetype")}),
        json.dumps({"type": "connection_init", "payload": {"Authorization": canary("inittoken")}}),
        json.dumps({"type": "connection_init", "payload": canary("initpayload")}),
    ):
        async with connect(address, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
            await socket.send(message)
            with suppress(ConnectionClosed):
                await socket.recv()
    async with opened(address) as client:
        for query in (
            f"{{ {canary('wsfield')} }}",
            f'subscription {{ a(b: "{canary("wsliteral")}")',
        ):
            await client.subscribe(canary("operationid"), query)
            assert (await client.receive())["type"] == "error"
        await client.subscribe("1", CHANGES, id=canary("wsvariable"))
        assert (await client.receive())["payload"]
        await client.subscribe(canary("watching"), CHANGES, id=user_id)


async def into_streams(run: Run) -> None:
    """Server-sent events, in both modes."""
    canary, http, address = run.canary, run.http, run.server.address
    body = {"query": CHANGES, "variables": {"id": canary("ssevariable")}}
    answer = await http.post(address, json=body, headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    named = {"X-GraphQL-Event-Stream-Token": canary("streamtoken")}
    assert (await http.post(f"{address}/stream", json=body, headers=named)).status_code == 404
    token = {"X-GraphQL-Event-Stream-Token": (await http.put(f"{address}/stream")).text}
    extensions = {"operationId": canary("sseoperation")}
    await http.post(f"{address}/stream", json={**body, "extensions": extensions}, headers=token)


async def into_callbacks(run: Run, user_id: str, router: str, taken: list[Any]) -> None:
    """A subscription whose router refuses its first result."""
    canary = run.canary
    subscription = {
        "callbackUrl": f"http://{router}/{canary('callbackpath')}",
        "subscriptionId": canary("subscriptionid"),
        "verifier": canary("verifier"),
        "heartbeatIntervalMs": 0,
    }
    accept = {"Accept": "application/json;callbackSpec=1.0"}
    elsewhere = {**subscription, "callbackUrl": f"http://{canary('callbackhost')}/"}
    for extension in (elsewhere, subscription):
        await run.post(
            CHANGES,
            variables={"id": canary("callbackvariable")},
            extensions={"subscription": extension},
            headers=accept,
        )
    await until(lambda: [message["action"] for message in taken] == ["check", "next"])
