"""Keys: they follow what the issuer publishes, and outlast it when it fails."""

import asyncio
import json
import logging
import re
import stat
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx import ASGITransport, AsyncClient
from joserfc import jwt
from joserfc.jwk import Key
from starlette.types import Receive, Scope, Send
from websockets.exceptions import ConnectionClosed

from server import keys as module
from server.app import create_app
from server.doctor import examine
from server.identity import Identity
from server.keys import (
    DevelopmentKey,
    Keys,
    Source,
    UnusableKeys,
    address_source,
    file_source,
    kept_text,
    keys_of,
    parse_keys,
    read_keys,
    reason,
)
from server.logs import only_known
from server.settings import Settings
from store.ids import PATTERN as ID
from store.ids import new_id
from store.store import Store
from tests.issuer import NAME, USER, ec_key, encoded, key_set, rsa_key, token
from tests.listening import listening, until
from tests.subgraph import Clock
from tests.websocket import opened

pytestmark = pytest.mark.one_driver

KEY = ec_key("one")
MOST = 256 * 1024
"""The bytes that a key set may have."""
QUERY = {"query": "{ __typename }"}
NOT_TRUSTED = {
    "errors": [
        {
            "message": "The token is not signed by its issuer.",
            "extensions": {"code": "UNAUTHENTICATED"},
        }
    ]
}
UNAVAILABLE = {
    "errors": [
        {
            "message": "Tokens cannot be verified at the moment.",
            "extensions": {"code": "UNAVAILABLE"},
        }
    ]
}


class KeyServer:
    """An issuer's key set over HTTP, which can break in several ways."""

    def __init__(self, *keys: Key) -> None:
        self.body = key_set(*keys)
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.requests = 0
        self.asked: dict[bytes, bytes] = {}
        """The headers of the last request."""
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.tail = b""
        """Comes a moment after the body; then the answer has no end."""

    def publish(self, *keys: Key) -> None:
        self.body = key_set(*keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        self.asked = dict(scope["headers"])
        await self.may_answer.wait()
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)
        body = {"type": "http.response.body", "body": self.body}
        await send({**body, "more_body": bool(self.tail)})
        if self.tail:
            await asyncio.sleep(0.05)
            await send({**body, "body": self.tail, "more_body": True})
            self.may_answer.clear()
            await self.may_answer.wait()


@pytest.fixture
async def server() -> KeyServer:
    return KeyServer(KEY)


@pytest.fixture
async def source(server: KeyServer) -> AsyncIterator[Source]:
    async with listening(server) as address:
        yield address_source(f"http://{address}/jwks.json", 300)
        server.may_answer.set()


@asynccontextmanager
async def following(keys: Keys) -> AsyncIterator[Keys]:
    task = asyncio.create_task(keys.follow())
    try:
        yield keys
    finally:
        task.cancel()
        await asyncio.wait([task])


def identity_with(keys: Keys, **options: Any) -> Identity:
    return Identity(keys, issuer=NAME, audience="usergraph", leeway_seconds=30, **options)


@asynccontextmanager
async def asking(keys: Keys, settings: Settings, store: Store) -> AsyncIterator[AsyncClient]:
    app = create_app(settings, store, identity_with(keys), now=Clock())
    async with AsyncClient(transport=ASGITransport(app), base_url="http://subgraph") as http:
        yield http


async def ask(http: AsyncClient, text: str) -> httpx.Response:
    return await http.post("/graphql", json=QUERY, headers={"authorization": f"Bearer {text}"})


UNREAD = "the keys of the issuer cannot be read: those that are known stay"
READ = "the keys of the issuer can be read again"


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str | None, int | None]]:
    """What was logged of keys, as it is written: the text, the failure, how many there are."""
    lines = []
    for record in caplog.records:
        if record.name == "server.keys":
            known = only_known(None, "", dict(record.__dict__))
            lines.append((record.getMessage(), known.get("failure"), known.get("counted")))
    return lines


def kids(keys: Keys) -> set[str]:
    return set(keys._keys)


def giving(*outcomes: Exception | bytes) -> Callable[[], Awaitable[bytes]]:
    """What a source reads, one after the other."""
    left = iter(outcomes)

    async def read() -> bytes:
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return read


# What a key set may hold


def test_only_keys_that_can_verify_tokens_are_taken() -> None:
    published = json.loads(key_set(KEY, rsa_key("two")))
    ec = published["keys"][0]
    published["keys"] += [
        {**ec, "kid": "for encryption", "use": "enc"},
        {**ec, "kid": "of an algorithm nobody knows", "alg": "ES256K"},
        {**ec, "kid": 1},
        {**{name: value for name, value in ec.items() if name != "kid"}},
        {"kty": "AKP", "kid": "of a later time", "alg": "ML-DSA-44", "pub": "AA"},
    ]
    assert set(parse_keys(json.dumps(published).encode())) == {"one", "two"}


def members(**changes: Any) -> bytes:
    """A key set of one key with changes."""
    return json.dumps({"keys": [{**KEY.as_dict(private=False), **changes}]}).encode()


SHORT = {"kty": "RSA", "kid": "a", "alg": "PS256", "e": "AQAB", "n": encoded(b"\xff" * 128)}
BAD_SETS = {
    "nothing": (b"", "it is not a JSON Web Key Set"),
    "no JSON": (b"<html>", "it is not a JSON Web Key Set"),
    "a list": (b"[]", "it is not a JSON Web Key Set"),
    "no keys": (b"{}", "it is not a JSON Web Key Set"),
    "keys that are no list": (b'{"keys": {}}', "it is not a JSON Web Key Set"),
    "a key that is no object": (b'{"keys": ["x"]}', "it is not a JSON Web Key Set"),
    "no UTF-8": (b'{"keys": "\xff"}', "it is not a JSON Web Key Set"),
    "too deep": (b"[" * 100_000, "it is not a JSON Web Key Set"),
    "an empty list": (b'{"keys": []}', "the key set holds no key with a kid and a known"),
    "no usable key": (members(alg="none"), "the key set holds no key with a kid and a known"),
    "a private key": (
        json.dumps({"keys": [KEY.as_dict(private=True)]}).encode(),
        "the key set holds a private or symmetric key",
    ),
    "a symmetric key": (
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}]}',
        "the key set holds a private or symmetric key",
    ),
    "a symmetric key without a value": (
        b'{"keys": [{"kty": "oct", "kid": "a", "alg": "ES256"}]}',
        "the key set holds a private or symmetric key",
    ),
    "a private key that is for something else": (
        json.dumps({"keys": [{**KEY.as_dict(private=True), "use": "enc"}]}).encode(),
        "the key set holds a private or symmetric key",
    ),
    "two of a kid": (
        json.dumps({"keys": [KEY.as_dict(private=False)] * 2}).encode(),
        "the key set holds two keys of the same kid",
    ),
    "a point that is not on the curve": (
        members(x="AAAA"),
        "the key set holds a key that cannot be read or is too short",
    ),
    "a key without numbers": (
        b'{"keys": [{"kty": "RSA", "kid": "a", "alg": "PS256"}]}',
        "the key set holds a key that cannot be read or is too short",
    ),
    "a short RSA key": (
        json.dumps({"keys": [SHORT]}).encode(),
        "the key set holds a key that cannot be read or is too short",
    ),
    "too many bytes": (
        key_set(KEY).ljust(MOST + 1),
        f"the key set is longer than {MOST} bytes",
    ),
}


@pytest.mark.parametrize("name", BAD_SETS)
def test_a_key_set_that_cannot_be_used_is_refused(tmp_path: Path, name: str) -> None:
    text, says = BAD_SETS[name]
    with pytest.raises(ValueError, match=f"^{says}"):
        parse_keys(text)
    path = tmp_path / "jwks.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=f"^{path}: {says}"):
        read_keys(path)


@pytest.mark.parametrize("name", BAD_SETS)
async def test_a_key_set_that_cannot_be_used_changes_nothing(
    name: str, server: KeyServer, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    keys = Keys(parse_keys(key_set(KEY)), source)
    server.body, says = BAD_SETS[name]
    with caplog.at_level(logging.WARNING, "server.keys"):
        await keys.look_again()
    assert kids(keys) == {"one"}
    [line] = told(caplog)
    assert line[0] == UNREAD
    assert (line[1] or "").startswith(says)
    assert line[2] == 1


def test_a_key_set_may_be_as_long_as_it_may_be() -> None:
    assert set(parse_keys(key_set(KEY).ljust(MOST))) == {"one"}


def test_a_short_rsa_key_is_refused_where_nobody_heeds_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnusableKeys, match=r"is too short$"):
            parse_keys(json.dumps({"keys": [SHORT]}).encode())


async def test_keys_without_a_source_stay_as_they_are() -> None:
    keys = Keys(parse_keys(key_set(KEY)))
    await keys.update()
    await keys.look_again()
    await keys.follow()
    assert kids(keys) == {"one"}


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("It is odd."), "It is odd"),
        (OSError("gone"), "gone"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_says_what_it_says_or_what_it_is(error: Exception, says: str) -> None:
    assert reason(error) == says


# A file


async def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(KEY))
    keys = keys_of(Settings(token_jwks_file=path))
    keys._source = replace(file_source(path), poll_seconds=0.01)
    async with following(keys):
        path.write_bytes(key_set(KEY, ec_key("two")))
        await until(lambda: kids(keys) == {"one", "two"})
        path.write_bytes(b"half of")
        await until(lambda: keys._is_failing)
        assert kids(keys) == {"one", "two"}
        path.unlink()
        path.write_bytes(key_set(ec_key("three")))
        await until(lambda: kids(keys) == {"three"})


async def test_a_file_is_read_for_a_kid_that_is_new(tmp_path: Path) -> None:
    path, new = tmp_path / "jwks.json", ec_key("two")
    path.write_bytes(key_set(KEY))
    identity = identity_with(keys_of(Settings(token_jwks_file=path)))
    path.write_bytes(key_set(KEY, new))
    assert await identity.viewer(f"Bearer {token(new)}") is not None


async def test_a_file_is_read_for_unknown_kids_at_most_every_second(tmp_path: Path) -> None:
    path, seconds, seen = tmp_path / "jwks.json", 0.0, []
    keys = Keys({}, file_source(path), clock=lambda: seconds)
    for seconds in (0.0, 0.9, 1.0):
        path.write_bytes(key_set(ec_key(f"at {seconds}")))
        await keys.look_again()
        seen.append(kids(keys))
    assert seen == [{"at 0.0"}, {"at 0.0"}, {"at 1.0"}]
    assert file_source(path).poll_seconds == 5


# An address


async def test_a_new_kid_is_fetched_once_for_all_who_ask(
    server: KeyServer, source: Source, settings: Settings, store: Store
) -> None:
    new = ec_key("two")
    keys = Keys(parse_keys(key_set(KEY)), source)
    server.publish(KEY, new)
    async with asking(keys, settings, store) as http:
        answers = await asyncio.gather(*(ask(http, token(new, jti=str(n))) for n in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert server.requests == 1


async def test_unknown_kids_fetch_at_most_every_thirty_seconds(
    server: KeyServer, source: Source
) -> None:
    moments = iter([0.0, 0.0, 1.0, 29.9, 30.0, 30.0, 31.0, 60.0, 60.0])
    keys = Keys({}, source, clock=lambda: next(moments))
    asked = []
    for _ in range(6):
        await keys.look_again()
        asked.append(server.requests)
    assert asked == [1, 1, 1, 2, 2, 3]


async def test_a_request_does_not_wait_for_ever_for_a_key(
    server: KeyServer,
    source: Source,
    settings: Settings,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    keys = Keys(parse_keys(key_set(KEY)), source)
    server.may_answer.clear()
    async with asking(keys, settings, store) as http:
        began = time.perf_counter()
        refused = await ask(http, token(ec_key("two")))
        assert (refused.status_code, refused.json()) == (401, NOT_TRUSTED)
        assert time.perf_counter() - began < 1
        assert (await ask(http, token(KEY))).status_code == 200
    assert module.READ_SECONDS > 2


async def test_a_key_server_that_hangs_is_given_up(
    server: KeyServer, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    server.may_answer.clear()
    with pytest.raises(TimeoutError):
        await Keys({}, source).update()


@pytest.mark.parametrize("status", [204, 301, 302, 404, 500, 503])
async def test_no_other_answer_counts(server: KeyServer, source: Source, status: int) -> None:
    server.status = status
    server.headers = [(b"location", source.name.encode())]
    server.body = b"" if status == 204 else server.body
    with pytest.raises(ValueError, match=f"expected the answer 200 and not {status}"):
        await Keys({}, source).update()
    assert server.requests == 1


async def test_an_answer_without_an_end_is_cut_off_at_the_first_byte_too_many(
    server: KeyServer, source: Source
) -> None:
    server.body, server.tail = key_set(KEY).ljust(MOST), b" "
    with pytest.raises(ValueError, match=f"^the key set is longer than {MOST} bytes$"):
        await Keys({}, source).update()


async def test_an_address_is_asked_for_its_plain_answer_and_told_who_asks(
    server: KeyServer, source: Source
) -> None:
    await Keys({}, source).update()
    assert server.asked[b"accept-encoding"] == b"identity"
    assert server.asked[b"user-agent"] == b"usergraph"
    assert server.asked.keys().isdisjoint({b"authorization", b"cookie"})


async def test_no_proxy_of_the_environment_is_asked(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # where nobody listens
    keys = Keys({}, source)
    await keys.update()
    assert kids(keys) == {"one"}


async def test_keys_rotate_under_load_without_a_false_refusal(
    server: KeyServer, source: Source, settings: Settings, store: Store
) -> None:
    keys = Keys({}, replace(source, poll_seconds=0.02))
    signing, rotations, statuses = [KEY], 6, list[int]()
    is_done = False

    async def go_on(http: AsyncClient) -> None:
        number = 0
        while not is_done:
            number += 1
            await asyncio.sleep(0)  # an application in this process never waits by itself
            statuses.append((await ask(http, token(signing[-1], jti=str(number)))).status_code)

    async with following(keys), asking(keys, settings, store) as http:
        await until(lambda: bool(keys))
        load = [asyncio.create_task(go_on(http)) for _ in range(4)]
        for number in range(rotations):
            old, new = signing[-1], ec_key(f"key {number}")
            server.publish(old, new)
            await until(lambda new=new: keys.get(str(new.kid)) is not None)  # type: ignore[misc]
            signing.append(new)
            seen = len(statuses)
            await until(lambda seen=seen: len(statuses) > seen + 40)  # type: ignore[misc]
            server.publish(new)
            await until(lambda old=old: keys.get(str(old.kid)) is None)  # type: ignore[misc]
        is_done = True
        await asyncio.gather(*load)
        withdrawn = [(await ask(http, token(key))).status_code for key in signing]
    assert set(statuses) == {200}
    assert len(statuses) > 40 * rotations
    assert withdrawn == [401] * rotations + [200]


async def test_a_token_is_refused_within_one_poll_once_its_key_left_the_set(
    server: KeyServer, source: Source, settings: Settings, store: Store
) -> None:
    keys = Keys({}, source)
    await keys.update()
    text = token(KEY)
    async with asking(keys, settings, store) as http:
        assert (await ask(http, text)).status_code == 200
        server.publish(ec_key("two"))
        assert (await ask(http, text)).status_code == 200
        await keys.update()  # which is what a poll does
        refused = await ask(http, text)
    assert (refused.status_code, refused.json()) == (401, NOT_TRUSTED)


async def test_the_key_server_may_be_down_for_an_hour(
    server: KeyServer, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = time.time()
    keys = Keys({}, source, clock=lambda: seconds)
    await keys.update()
    identity = identity_with(keys, now=lambda: seconds)
    server.status = 503
    with caplog.at_level(logging.WARNING, "server.keys"):
        for _ in range(12):
            seconds += 300
            await keys._begin(source)
            assert await identity.viewer(f"Bearer {token(KEY, seconds)}") is not None
        for server.status in (200, 200, 503):
            await keys._begin(source)
    assert server.requests == 16
    failed = (UNREAD, "expected the answer 200 and not 503", 1)
    assert told(caplog) == [failed, (READ, None, 1), failed]


async def test_whatever_a_source_does_it_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    read = giving(RuntimeError("odd"), OSError("gone"), httpx.ReadError("cut"), key_set(KEY))
    async with following(Keys({}, Source("here", read, 300, 30))) as keys:
        await until(lambda: kids(keys) == {"one"})


@pytest.mark.parametrize(("poll_seconds", "pauses"), [(300, [5, 300, 5, 300]), (2, [2, 2, 2, 2])])
async def test_after_a_failure_a_source_is_read_soon_and_else_at_its_poll(
    poll_seconds: float, pauses: list[float]
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == len(pauses):
            raise asyncio.CancelledError

    read = giving(OSError("gone"), key_set(KEY), OSError("gone"), key_set(KEY))
    with pytest.raises(asyncio.CancelledError):
        await Keys({}, Source("here", read, poll_seconds, 30), sleep=sleep).follow()
    assert slept == pauses


async def test_without_the_key_server_a_start_is_not_ready(
    server: KeyServer,
    source: Source,
    settings: Settings,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.02)
    server.status = 503
    keys = Keys({}, source)
    async with following(keys), asking(keys, settings, store) as http:
        await until(lambda: server.requests > 1)
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "token keys unavailable"})
        assert (await http.get("/health/live")).status_code == 200
        refused = await ask(http, token(KEY))
        assert (refused.status_code, refused.json()) == (503, UNAVAILABLE)
        assert refused.headers["retry-after"] == "5"
        assert (await http.post("/graphql", json=QUERY)).json() == {"data": {"__typename": "Query"}}
        server.status = 200
        await until(lambda: bool(keys))
        assert (await http.get("/health/ready")).json() == {"status": "ok"}
        assert (await ask(http, token(KEY))).status_code == 200


async def test_without_keys_a_websocket_is_to_try_again(settings: Settings, store: Store) -> None:
    app = create_app(settings, store, identity_with(Keys()), now=Clock())
    async with listening(app) as address:
        with pytest.raises(ConnectionClosed) as closed:
            async with opened(f"ws://{address}/graphql", token(KEY)):
                pass
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013


async def test_an_application_follows_its_keys(
    server: KeyServer, source: Source, settings: Settings, store: Store
) -> None:
    app = create_app(settings, store, identity_with(keys := Keys({}, source)), now=Clock())
    async with app.router.lifespan_context(app):
        await until(lambda: kids(keys) == {"one"})


# The key for development


def test_a_development_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    [(kid, key)] = DevelopmentKey(folder).public_keys.items()
    published = key.as_dict(private=False)
    assert published.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (published["kid"], published["alg"], published["use"]) == (kid, "ES256", "sig")
    assert stat.S_IMODE((folder / "development-key.json").stat().st_mode) == 0o600
    assert DevelopmentKey(folder).public_keys[kid].as_dict(private=False) == published


def test_who_begins_at_once_keeps_the_same(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / str(number) / "key"
        with ThreadPoolExecutor(8) as pool:
            texts = list(pool.map(lambda _, path=path: kept_text(path, new_id), range(8)))
        assert len(set(texts)) == 1
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("user_id", "client_id"), [(USER, "development"), (None, "development-service")]
)
def test_a_development_token_is_for_a_person_or_for_a_service(
    tmp_path: Path, user_id: str | None, client_id: str
) -> None:
    key = DevelopmentKey(tmp_path)
    began = int(time.time())
    text = key.token(
        issuer=NAME, audience="here", user_id=user_id, scopes={"b", "a"}, lifetime_seconds=60
    )
    [(kid, public)] = key.public_keys.items()
    read = jwt.decode(text, public)
    issued_at = read.claims["iat"]
    assert began <= issued_at <= time.time()
    assert ID.fullmatch(read.claims.pop("jti"))
    assert read.header == {"typ": "at+jwt", "alg": "ES256", "kid": kid}
    assert read.claims == {
        "iss": NAME,
        "aud": "here",
        "sub": user_id or client_id,
        "client_id": client_id,
        "iat": issued_at,
        "exp": issued_at + 60,
        "scope": "a b",
    }


DAMAGED = {
    "nothing": "",
    "half of it": '{"kty": "EC", ',
    "a list": "[]",
    "no key": "{}",
    "a public key": json.dumps(KEY.as_dict(private=False)),
    "a key of another kind": json.dumps(rsa_key("two").as_dict(private=True)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_development_key_is_said_to_be_and_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / "development-key.json"
    path.write_text(DAMAGED[name])
    says = re.escape(f"{path} is damaged; delete it to get a new one")
    with pytest.raises(ValueError, match=f"^{says}$"):
        DevelopmentKey(tmp_path)
    assert path.read_text() == DAMAGED[name]


# The doctor


@pytest.fixture
def published(source: Source, settings: Settings) -> Settings:
    return settings.model_copy(update={"token_jwks_url": source.name})


async def test_the_doctor_tells_how_many_keys_there_are(
    server: KeyServer, published: Settings, store: Store
) -> None:
    server.publish(KEY, ec_key("two"))
    told = [str(finding) for finding in await examine(published, store)]
    assert f"ok   token keys: 2 in {published.token_jwks_url}" in told


async def test_the_doctor_tells_why_there_are_no_keys(
    server: KeyServer, published: Settings, store: Store
) -> None:
    server.status = 500
    told = [str(finding) for finding in await examine(published, store)]
    assert (
        f"FAIL token keys: {published.token_jwks_url}: expected the answer 200 and not 500\n"
        "     -> see USERGRAPH_TOKEN_JWKS_URL"
    ) in told


async def test_the_doctor_names_the_file_once(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "jwks.json"
    path.write_text("{}")
    broken = settings.model_copy(update={"token_jwks_file": path})
    told = [str(finding) for finding in await examine(broken, store)]
    assert (
        f"FAIL token keys: {path}: it is not a JSON Web Key Set\n"
        "     -> see USERGRAPH_TOKEN_JWKS_FILE"
    ) in told
