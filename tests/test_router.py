"""Routers: they prove themselves, speak for viewers, and alone ask what is for them."""

import hashlib
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr
from starlette.requests import HTTPConnection

from server.app import create_app
from server.claims import InvalidToken
from server.errors import RequestError
from server.greeting import greeting
from server.identity import Identity
from server.keys import Keys, parse_keys
from server.router import Nonces, Router, agreed
from server.settings import Settings
from store.store import Store
from tests.issuer import CLIENT, NAME, SECONDS, USER, ec_key, key_set, token
from tests.listening import listening
from tests.subgraph import Clock
from tests.websocket import opened

pytestmark = pytest.mark.one_driver

KEY = ec_key("one")
OLD, NEW = "the old secret of the router, 1234", "the new secret of the router, 5678"
HMAC_OLD, HMAC_NEW = "the-old-key-of-the-router-1234567", "the-new-key-of-the-router-7654321"
OLD, NEW = OLD.replace(" ", "-"), NEW.replace(" ", "-")
CLAIMS = "x-claims"
NONCE = "0123456789abcdef"

TYPENAME = "{ __typename }"
SERVICE = "{ _service { sdl } }"
ENTITIES = '{ _entities(representations: [{__typename: "User", id: "x"}]) { __typename } }'
ASKING = {
    "the service": SERVICE,
    "entities": ENTITIES,
    "under another name": "{ a: _service { __typename } }",
    "in an inline fragment": "{ ... on Query { ... { _service { __typename } } } }",
    "in a fragment": (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { _service { sdl } }"
    ),
    "beside others": "{ __typename a: __typename _service { sdl } }",
    "that is skipped": "{ __typename _service @skip(if: true) { sdl } }",
}
NOT_ASKING = [
    TYPENAME,
    "{ _service: __typename }",
    "{ ..._service } fragment _service on Query { __typename }",
    "query _service { __typename }",
]
MAY = (200, None)
REQUIRED = (403, "ROUTER_REQUIRED")
FORBIDDEN = (403, "FORBIDDEN")
BAD = (400, "BAD_REQUEST")
UNAUTHENTICATED = (401, "UNAUTHENTICATED")


@dataclass
class App:
    """An application whose settings know a router, and the identity that it asks."""

    http: AsyncClient
    settings: Settings

    async def ask(
        self, query: str = SERVICE, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        return await self.http.post(
            "/graphql", content=json.dumps({"query": query}), headers=head(headers), **options
        )

    async def said(self, query: str = SERVICE, **headers: str) -> tuple[int, str | None]:
        """Status and code of the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return outcome(await self.ask(query, named))


def head(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {"content-type": "application/json", **(headers or {})}


def outcome(answer: httpx.Response) -> tuple[int, str | None]:
    errors = answer.json().get("errors")
    return answer.status_code, errors[0]["extensions"]["code"] if errors else None


def message(answer: httpx.Response) -> str:
    said: str = answer.json()["errors"][0]["message"]
    return said


def secrets(*texts: str) -> tuple[SecretStr, ...]:
    return tuple(SecretStr(text) for text in texts)


Making = Callable[..., App]


@pytest.fixture
async def making(settings: Settings, store: Store) -> AsyncIterator[Making]:
    """Makes applications with settings."""
    clients = []

    def make(**changes: Any) -> App:
        changed = settings.model_copy(update=changes)
        identity = Identity(
            Keys(parse_keys(key_set(KEY))), issuer=NAME, audience="usergraph", leeway_seconds=30
        )
        app = create_app(changed, store, identity, now=Clock())
        clients.append(AsyncClient(transport=ASGITransport(app), base_url="http://subgraph"))
        return App(clients[-1], changed)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def by_secret(making: Making) -> App:
    return making(router_secrets=secrets(OLD, NEW), router_claims_header=CLAIMS)


@pytest.fixture
def by_hmac(making: Making) -> App:
    return making(router_hmac_keys=secrets(HMAC_OLD, HMAC_NEW), router_claims_header=CLAIMS)


# By a secret


async def test_without_settings_for_routers_nothing_is_asked_for(making: Making) -> None:
    app = making()
    assert await app.said(SERVICE) == MAY
    assert await app.said(SERVICE, x_router_authorization="anything") == MAY


@pytest.mark.parametrize("query", ASKING.values(), ids=ASKING)
async def test_only_the_router_asks_for_what_is_its_own(by_secret: App, query: str) -> None:
    assert await by_secret.said(query) == REQUIRED
    assert await by_secret.said(query, authorization=f"Bearer {token(KEY)}") == REQUIRED
    for secret in (OLD, NEW):
        status, code = await by_secret.said(query, x_router_authorization=secret)
        assert (status, code) in [MAY, (200, "BAD_USER_INPUT")]


async def test_a_shared_cache_tells_a_router_from_others(by_secret: App, making: Making) -> None:
    query = "{ users(ids: []) { id } }"
    for headers in ({}, {"x-router-authorization": NEW}):
        kept = (await by_secret.ask(query, headers)).headers
        assert kept["cache-control"] == "max-age=60, public"
        assert kept["vary"] == (
            "Authorization, Accept, x-router-authorization, x-router-signature, x-claims"
        )
    assert (await making().ask(query)).headers["vary"] == "Authorization, Accept"


@pytest.mark.parametrize("query", NOT_ASKING)
async def test_anybody_asks_for_the_rest(by_secret: App, query: str) -> None:
    assert await by_secret.said(query) == MAY
    assert await by_secret.said(query, x_router_authorization=NEW) == MAY


@pytest.mark.parametrize(
    "secret", ["", "x", OLD[:-1], f"{OLD}x", OLD.upper(), f"Bearer {OLD}", "é"]
)
async def test_a_wrong_secret_is_refused_and_never_anonymous(by_secret: App, secret: str) -> None:
    for query in (SERVICE, TYPENAME):
        answer = await by_secret.http.post(
            "/graphql",
            json={"query": query},
            headers={b"x-router-authorization": secret.encode("latin-1")},
        )
        assert outcome(answer) == FORBIDDEN
        assert message(answer) == "x-router-authorization is not a secret of the router."


async def test_two_secrets_are_refused(by_secret: App) -> None:
    headers = [("x-router-authorization", OLD), ("x-router-authorization", NEW)]
    answer = await by_secret.http.post("/graphql", json={"query": TYPENAME}, headers=headers)
    assert outcome(answer) == BAD


async def test_everything_may_be_for_the_router_alone(making: Making) -> None:
    app = making(router_secrets=secrets(NEW), router_required_for="everything")
    assert await app.said(TYPENAME) == REQUIRED
    assert await app.said("{ nope }") == REQUIRED
    assert await app.said(TYPENAME, x_router_authorization=NEW) == MAY


async def test_nothing_may_be_for_the_router_alone(making: Making) -> None:
    app = making(router_secrets=secrets(NEW), router_required_for="nothing")
    assert await app.said(SERVICE) == MAY
    assert await app.said(SERVICE, x_router_authorization=OLD) == FORBIDDEN


async def test_no_way_leads_around_it(by_secret: App) -> None:
    """GET, streams, documents that came before, other executions and operations by name."""
    http, query = by_secret.http, {"query": SERVICE}
    assert outcome(await http.get("/graphql", params=query)) == REQUIRED
    stream = {"accept": "text/event-stream"}
    assert outcome(await http.post("/graphql", json=query, headers=stream)) == REQUIRED
    parts = {"accept": "multipart/mixed;subscriptionSpec=1.0"}
    assert outcome(await http.post("/graphql", json=query, headers=parts)) == REQUIRED
    traced = {"apollo-federation-include-trace": "ftv1"}
    assert outcome(await http.post("/graphql", json=query, headers=traced)) == REQUIRED
    assert await by_secret.said(SERVICE, x_router_authorization=NEW) == MAY
    for _ in range(3):  # kept with its plan by now
        assert await by_secret.said(SERVICE) == REQUIRED
    both = {"query": f"query A {TYPENAME} query B {SERVICE}"}
    for name, expected in (("A", MAY), ("B", REQUIRED)):
        asked = {**both, "operationName": name}
        assert outcome(await http.post("/graphql", json=asked)) == expected
    token_ = (await http.put("/graphql/stream")).text
    shared = await http.post(
        "/graphql/stream",
        json={**query, "extensions": {"operationId": "1"}},
        headers={"x-graphql-event-stream-token": token_},
    )
    assert outcome(shared) == REQUIRED


async def test_the_reference_execution_asks_for_it_too(making: Making) -> None:
    app = making(router_secrets=secrets(NEW), execution="reference")
    assert await app.said(SERVICE) == REQUIRED
    assert await app.said(TYPENAME) == MAY
    assert await app.said("{") == (200, "GRAPHQL_PARSE_FAILED")


async def test_over_a_websocket_the_handshake_proves_the_router(by_secret: App) -> None:
    transport: Any = by_secret.http._transport
    async with listening(transport.app) as address:
        url = f"ws://{address}/graphql"
        async with opened(url) as socket:
            await socket.subscribe("1", SERVICE)
            assert await socket.refusal() == {"code": "ROUTER_REQUIRED"}
            await socket.subscribe("2", TYPENAME)
            assert (await socket.receive())["payload"] == {"data": {"__typename": "Query"}}
        headers = {"x-router-authorization": NEW}
        async with opened(url, additional_headers=headers) as socket:
            await socket.subscribe("1", "{ _service { __typename } }")
            assert (await socket.receive())["payload"] == {
                "data": {"_service": {"__typename": "_Service"}}
            }


# By a signature


def signature(
    key: str = HMAC_NEW,
    *,
    method: str = "POST",
    target: str = "/graphql",
    body: str = json.dumps({"query": SERVICE}),
    seconds: float | None = None,
    nonce: str = NONCE,
    claims: str = "",
) -> dict[str, str]:
    """The three headers, as docs/identity.md says."""
    timestamp = str(int(time.time() if seconds is None else seconds))
    digest = hashlib.sha256(body.encode()).hexdigest()
    text = "\n".join([method, target, digest, timestamp, nonce, claims])
    return {
        "x-router-signature": hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest(),
        "x-router-timestamp": timestamp,
        "x-router-nonce": nonce,
    }


@pytest.mark.parametrize("key", [HMAC_OLD, HMAC_NEW])
async def test_a_signature_proves_the_router(by_hmac: App, key: str) -> None:
    assert outcome(await by_hmac.ask(headers=signature(key))) == MAY
    assert outcome(await by_hmac.ask()) == REQUIRED


async def test_a_signature_covers_the_whole_target_of_a_get(by_hmac: App) -> None:
    target = "/graphql?query=%7B_service%7Bsdl%7D%7D"
    headers = signature(method="GET", target=target, body="")
    assert outcome(await by_hmac.http.get(target, headers=headers)) == MAY
    headers = signature(method="GET", target="/graphql", body="", nonce="f" * 16)
    assert outcome(await by_hmac.http.get(target, headers=headers)) == FORBIDDEN


NOT_SIGNED = "x-router-signature is not the router's for this request."
NOT_FORMED = (
    "Expected x-router-timestamp in seconds, and x-router-nonce of 16 to 64 letters and digits."
)
NOT_NOW = "x-router-timestamp is more than 60 seconds away."


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (signature("another-key-of-nobody-at-all-1234"), NOT_SIGNED),
        (signature(method="GET"), NOT_SIGNED),
        (signature(target="/graphql/stream"), NOT_SIGNED),
        (signature(body="{}"), NOT_SIGNED),
        (signature(claims="{}"), NOT_SIGNED),
        ({**signature(), "x-router-nonce": "f" * 16}, NOT_SIGNED),
        ({**signature(), "x-router-timestamp": str(int(time.time()) + 5)}, NOT_SIGNED),
        ({**signature(), "x-router-signature": ""}, NOT_SIGNED),
        ({**signature(), "x-router-signature": "0" * 64}, NOT_SIGNED),
        ({**signature(), "x-router-timestamp": "now"}, NOT_FORMED),
        ({**signature(), "x-router-timestamp": "-1"}, NOT_FORMED),
        ({**signature(), "x-router-timestamp": "1" * 13}, NOT_FORMED),
        (signature(nonce="short"), NOT_FORMED),
        (signature(nonce="n" * 65), NOT_FORMED),
        (signature(nonce="n" * 16 + "!"), NOT_FORMED),
        ({"x-router-signature": signature()["x-router-signature"]}, NOT_FORMED),
        (signature(seconds=time.time() - 62), NOT_NOW),
        (signature(seconds=time.time() + 3600), NOT_NOW),
    ],
)
async def test_a_wrong_signature_is_refused(
    by_hmac: App, headers: dict[str, str], says: str
) -> None:
    answer = await by_hmac.ask(headers=headers)
    assert (outcome(answer), message(answer)) == (FORBIDDEN, says)


async def test_a_nonce_is_good_for_one_request(by_hmac: App) -> None:
    headers = signature()
    assert outcome(await by_hmac.ask(headers=headers)) == MAY
    again = await by_hmac.ask(headers=headers)
    assert (outcome(again), message(again)) == (FORBIDDEN, "x-router-nonce was sent before.")
    assert outcome(await by_hmac.ask(headers=signature(nonce="f" * 16))) == MAY


def handshake(headers: Mapping[str, str], **scope: Any) -> HTTPConnection:
    """A handshake for a WebSocket, which has neither a body nor a method."""
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "websocket", "path": "/graphql", "headers": sent, **scope})


async def test_a_signature_is_good_for_a_minute_each_way_and_once() -> None:
    seconds = 1000.0
    router = Router(hmac_keys=secrets(HMAC_NEW), max_body_bytes=0, now=lambda: seconds)

    def signed_at(moment: int) -> HTTPConnection:
        return handshake(signature(method="GET", body="", seconds=moment, nonce=f"{moment:016}"))

    for early_or_late in (939, 1061):
        with pytest.raises(RequestError, match=NOT_NOW):
            await router.sends(signed_at(early_or_late))
    for just_in_time in (940, 1060):
        assert await router.sends(signed_at(just_in_time))
    seconds = 1120.0
    with pytest.raises(RequestError, match="sent before"):
        await router.sends(signed_at(1060))
    assert not await router.sends(handshake({}))


async def test_a_signature_covers_the_path_as_it_was_sent() -> None:
    router = Router(hmac_keys=secrets(HMAC_NEW), max_body_bytes=0)
    headers = signature(method="GET", body="", target="/%67raphql")
    assert await router.sends(handshake(headers, raw_path=b"/%67raphql"))


async def test_a_signature_of_nobody_uses_no_nonce_up(by_hmac: App) -> None:
    stolen = {**signature(), "x-router-signature": "0" * 64}
    assert outcome(await by_hmac.ask(headers=stolen)) == FORBIDDEN
    assert outcome(await by_hmac.ask(headers=signature())) == MAY


async def test_a_signed_body_is_limited_as_every_body(making: Making) -> None:
    app = making(router_hmac_keys=secrets(HMAC_NEW), max_body_bytes=1000)
    assert outcome(await app.ask("x" * 1000, signature())) == (413, "PAYLOAD_TOO_LARGE")


async def test_both_proofs_must_hold_when_both_are_sent(making: Making) -> None:
    app = making(router_secrets=secrets(NEW), router_hmac_keys=secrets(HMAC_NEW))
    good = {"x-router-authorization": NEW}
    assert outcome(await app.ask(headers={**good, **signature()})) == MAY
    bad = {**signature(), "x-router-signature": "0" * 64}
    assert outcome(await app.ask(headers={**good, **bad})) == FORBIDDEN
    headers = {"x-router-authorization": OLD, **signature(nonce="f" * 16)}
    assert outcome(await app.ask(headers=headers)) == FORBIDDEN


def test_nonces_are_kept_as_long_as_they_are_good_and_bounded() -> None:
    nonces = Nonces(most=2)
    nonces.take("a", now=0, until=60)
    nonces.take("b", now=1, until=61)
    with pytest.raises(RequestError, match="Too many signed requests") as full:
        nonces.take("c", now=60, until=120)
    assert (full.value.status, full.value.code) == (503, "UNAVAILABLE")
    with pytest.raises(RequestError, match="sent before"):
        nonces.take("a", now=60, until=120)
    nonces.take("c", now=60.5, until=120)
    assert len(nonces) == 2
    with pytest.raises(RequestError, match="sent before"):
        nonces.take("c", now=60.5, until=120)


# Whom it speaks for

VIEWER = "query { viewer { user { id } scopes } }"


def forwarded(**changes: Any) -> str:
    good = {"sub": USER, "client_id": CLIENT, "scope": "a b", "exp": int(time.time()) + SECONDS}
    return json.dumps(
        {name: value for name, value in {**good, **changes}.items() if value is not None}
    )


async def scopes_of(app: App, **headers: str) -> Any:
    """The scopes of the viewer, who has to exist; nothing when nobody is signed in."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = (await app.ask(VIEWER, named)).json()["data"]
    return data["viewer"] and data["viewer"]["scopes"]


async def test_the_claims_of_the_router_name_the_viewer(making: Making) -> None:
    app = making(router_secrets=secrets(NEW), router_claims_header=CLAIMS)
    registered = (
        'mutation { registerUser(input: {handle: "ada.berg"}) { user { id } errors { code } } }'
    )
    service = forwarded(sub=CLIENT, scope="users:register")
    answer = await app.ask(registered, {"x-router-authorization": NEW, CLAIMS: service})
    user_id = answer.json()["data"]["registerUser"]["user"]["id"]
    claims = forwarded(sub=user_id)
    assert await scopes_of(app, x_router_authorization=NEW, x_claims=claims) == ["a", "b"]
    bearer = f"Bearer {token(KEY, sub=user_id, scope='b a')}"
    named = {"x_router_authorization": NEW, "x_claims": claims, "authorization": bearer}
    assert await scopes_of(app, **named) == ["a", "b"]
    assert await scopes_of(app, x_router_authorization=NEW) is None


NO_OBJECT = "Expected the forwarded claims to be a JSON object."


BAD_CLAIMS = [
    ("", NO_OBJECT),
    ("[]", NO_OBJECT),
    ('{"sub":"a","sub":"b"}', NO_OBJECT),
    (forwarded(x="y" * 9000), NO_OBJECT),
    ("{}", "Expected the claims sub, client_id, exp as well."),
    (forwarded(exp=None), "Expected the claims exp as well."),
    (forwarded(exp=int(time.time()) - 31), "The forwarded claims have expired."),
    (forwarded(exp="x"), "Expected exp to be a time in seconds."),
    (forwarded(exp=253_402_300_800), "Expected exp to be a time in seconds."),
    (forwarded(sub="admin"), "Expected sub to be a user id."),
    (forwarded(scope=["a"]), "Expected scope to be names separated by spaces."),
]


@pytest.mark.parametrize(("claims", "says"), BAD_CLAIMS, ids=range(len(BAD_CLAIMS)))
async def test_bad_claims_are_refused(by_secret: App, claims: str, says: str) -> None:
    answer = await by_secret.ask(TYPENAME, {"x-router-authorization": NEW, CLAIMS: claims})
    assert (outcome(answer), message(answer)) == (UNAUTHENTICATED, says)
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_forwarded_claims_count_to_the_second_and_to_the_byte() -> None:
    router = Router(claims_header=CLAIMS, leeway_seconds=30, max_body_bytes=0, now=lambda: 1000.0)

    def viewer(text: str) -> Any:
        return router.viewer(handshake({CLAIMS: text}), is_router=True)

    good = forwarded(exp=971)
    assert viewer(good).user_id == USER
    assert viewer(good.ljust(8192)) == viewer(good)
    for bad, says in ((good.ljust(8193), NO_OBJECT), (forwarded(exp=970), "have expired")):
        with pytest.raises(InvalidToken, match=says):
            viewer(bad)


async def test_only_the_router_forwards_claims(by_secret: App, by_hmac: App) -> None:
    answer = await by_secret.ask(TYPENAME, {CLAIMS: forwarded()})
    assert (outcome(answer), message(answer)) == (FORBIDDEN, "Only the router may send x-claims.")
    answer = await by_hmac.ask(TYPENAME, {CLAIMS: forwarded()})
    assert outcome(answer) == FORBIDDEN


async def test_signed_claims_cannot_be_exchanged(by_hmac: App) -> None:
    mine, theirs = forwarded(), forwarded(scope="users:staff")
    headers = signature(claims=mine)
    assert outcome(await by_hmac.ask(headers={**headers, CLAIMS: theirs})) == FORBIDDEN
    assert outcome(await by_hmac.ask(headers={**headers, CLAIMS: mine})) == MAY


@pytest.mark.parametrize("changes", [{"sub": CLIENT}, {"client_id": "x"}, {"scope": "a b c"}])
async def test_a_token_and_claims_must_agree(by_secret: App, changes: dict[str, Any]) -> None:
    headers = {
        "x-router-authorization": NEW,
        "authorization": f"Bearer {token(KEY, scope='a b')}",
    }
    answer = await by_secret.ask(TYPENAME, {**headers, CLAIMS: forwarded(**changes)})
    assert outcome(answer) == BAD
    assert message(answer) == "The token and the forwarded claims name different viewers."
    answer = await by_secret.ask(TYPENAME, {**headers, CLAIMS: forwarded(exp=int(time.time()) + 9)})
    assert outcome(answer) == MAY


async def test_what_expires_first_counts() -> None:
    identity = Identity(
        Keys(parse_keys(key_set(KEY))), issuer=NAME, audience="usergraph", leeway_seconds=0
    )
    now = int(time.time())
    early = await identity.viewer(f"Bearer {token(KEY, exp=now + 10)}")
    late = await identity.viewer(f"Bearer {token(KEY, exp=now + 20)}")
    assert agreed(early, late) == agreed(late, early) == early
    assert agreed(early, None) == agreed(None, early) == early
    assert agreed(None, None) is None


# What is told


async def test_neither_logs_nor_answers_tell_a_secret(
    making: Making, caplog: pytest.LogCaptureFixture
) -> None:
    app = making(router_secrets=secrets(OLD, NEW), router_hmac_keys=secrets(HMAC_OLD, HMAC_NEW))
    sent = token(KEY)
    told = []
    with caplog.at_level(logging.DEBUG):
        for headers in (
            {"x-router-authorization": NEW},
            {"x-router-authorization": OLD[:-1]},
            {"authorization": f"Bearer {sent}"},
            {"authorization": f"Bearer {sent[:-2]}"},
            signature(),
            {**signature(), "x-router-nonce": "f" * 16},
        ):
            told.append((await app.ask(headers=headers)).text)
    told.append(caplog.text)
    for text in (OLD[:-1], NEW, HMAC_OLD, HMAC_NEW, sent[-40:], signature()["x-router-signature"]):
        assert [line for line in told if text in line] == []


def test_a_server_with_a_router_does_not_propose_to_ask_in_its_place(settings: Settings) -> None:
    known = settings.model_copy(update={"router_secrets": (SecretStr("s" * 32),)})
    told = [greeting(each, "http://localhost/graphql", "TOKEN") for each in (settings, known)]
    assert ["_entities" in text for text in told] == [True, False]
