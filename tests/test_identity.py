"""Tokens: the right one names the viewer, and is remembered no longer than it holds."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc.jwk import Key

from resolvers.viewer import Viewer
from server import identity as module
from server.claims import MAX_BYTES, InvalidToken
from server.identity import Identity, KeysUnavailable, identity_of, seconds_until
from server.keys import Keys, Source, parse_keys
from server.settings import Settings
from server.tokens import TOKEN_DAYS, development_token
from tests.issuer import (
    CLIENT,
    NAME,
    SECONDS,
    USER,
    claims,
    ec_key,
    header,
    key_set,
    rsa_key,
    signed,
    token,
)

pytestmark = pytest.mark.one_driver

KEY = ec_key("one")
RSA = rsa_key("two")
LEEWAY = 30
START = 1_700_000_000.0


class Moment:
    """The time in seconds, as tests set it."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds


class Counting(Keys):
    """Keys that count how often one was needed to verify."""

    def __init__(self, *keys: Key, source: Source | None = None) -> None:
        super().__init__(parse_keys(key_set(*keys)) if keys else {}, source)

    def change(self, *keys: Key) -> None:
        self._take(parse_keys(key_set(*keys)))


def identity_with(keys: Keys, now: Callable[[], float], **options: Any) -> Identity:
    return Identity(
        keys,
        issuer=NAME,
        audience="usergraph",
        leeway_seconds=LEEWAY,
        now=now,
        **{"max_lifetime_seconds": 86_400, **options},
    )


@pytest.fixture
def now() -> Moment:
    return Moment()


@pytest.fixture
def keys() -> Counting:
    return Counting(KEY, RSA)


@pytest.fixture
def identity(keys: Counting, now: Moment) -> Identity:
    return identity_with(keys, now)


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The tokens whose signatures were looked at."""
    seen: list[bytes] = []
    look = module._claims_in

    def counted(text: bytes, key: Key) -> dict[str, Any]:
        seen.append(text)
        return look(text, key)

    monkeypatch.setattr(module, "_claims_in", counted)
    return seen


def person(**changes: Any) -> Viewer:
    good = {
        "client_id": CLIENT,
        "user_id": USER,
        "scopes": frozenset({"me:profile:write"}),
        "expires_at": datetime.fromtimestamp(START + SECONDS, UTC),
    }
    return Viewer(**{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "viewer"),
    [
        ({}, person()),
        ({"aud": ["x", "usergraph"]}, person()),
        ({"scope": "a b a"}, person(scopes=frozenset("ab"))),
        ({"scope": None}, person(scopes=frozenset())),
        ({"sub": CLIENT}, person(user_id=None)),
        ({"iat": START + LEEWAY, "nbf": START + LEEWAY}, person()),
        ({"exp": START + 9.5}, person(expires_at=datetime.fromtimestamp(START + 9.5, UTC))),
        ({"exp": START - LEEWAY + 1}, person(expires_at=datetime.fromtimestamp(START - 29, UTC))),
        (
            {"exp": START + 86_400 + LEEWAY},
            person(expires_at=datetime.fromtimestamp(START + 86_430, UTC)),
        ),
        ({"act": {"sub": "x"}, "unknown": [1]}, person()),
        ({"client_id": "a" * 255}, person(client_id="a" * 255)),
    ],
)
@pytest.mark.parametrize("key", [KEY, RSA], ids=["ES256", "PS256"])
async def test_a_good_token_names_the_viewer(
    identity: Identity, key: Key, changes: dict[str, Any], viewer: Viewer
) -> None:
    assert await identity.viewer(f"Bearer {token(key, START, **changes)}") == viewer


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": START - LEEWAY},
        {"exp": START + 86_400 + LEEWAY + 1},
        {"iat": START + LEEWAY + 1},
        {"nbf": START + LEEWAY + 1},
    ],
    ids=str,
)
async def test_times_count_to_the_second(identity: Identity, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        await identity.viewer(f"Bearer {token(KEY, START, **changes)}")


async def test_a_header_may_say_more_and_its_type_in_any_letters(identity: Identity) -> None:
    for changes in ({"x5t": "abc"}, {"typ": "AT+JWT"}, {"typ": "application/at+jwt"}, {"foo": 1}):
        text = signed(KEY, header(KEY, **changes), claims(START))
        assert await identity.viewer(f"bearer {text}") == person()


async def test_a_token_may_be_as_long_as_it_may_be(identity: Identity) -> None:
    texts = [
        signed(KEY, header(KEY, x="x" * head), claims(START, jti="x" * body))
        for head in range(4)
        for body in range(5820, 5860)
    ]
    lengths = {len(text): text for text in texts}
    assert min(lengths) < MAX_BYTES < max(lengths)
    assert await identity.viewer(f"Bearer {lengths[MAX_BYTES]}") == person()


async def test_no_header_is_nobody(identity: Identity) -> None:
    assert await identity.viewer(None) is None


async def test_a_token_is_verified_once(identity: Identity, verifications: list[bytes]) -> None:
    good = token(KEY, START)
    assert [await identity.viewer(f"Bearer {good}") for _ in range(3)] == [person()] * 3
    assert verifications == [good.encode()]


async def test_a_bad_token_is_never_remembered(
    identity: Identity, verifications: list[bytes]
) -> None:
    for _ in range(2):
        with pytest.raises(InvalidToken):
            await identity.viewer(f"Bearer {token(KEY, START, sub='x')}")
    assert len(verifications) == 2


async def test_a_remembered_token_expires(
    identity: Identity, now: Moment, verifications: list[bytes]
) -> None:
    good = token(KEY, START)
    await identity.viewer(f"Bearer {good}")
    now.seconds += SECONDS + LEEWAY - 1
    assert await identity.viewer(f"Bearer {good}") == person()
    now.seconds += 1
    for _ in range(2):
        with pytest.raises(InvalidToken, match="expired"):
            await identity.viewer(f"Bearer {good}")
    assert len(verifications) == 3
    assert len(identity._remembered) == 0


async def test_a_remembered_token_is_forgotten_when_its_key_goes(
    identity: Identity, keys: Counting
) -> None:
    good = token(KEY, START)
    await identity.viewer(f"Bearer {good}")
    keys.change(RSA)
    with pytest.raises(InvalidToken, match="not signed by its issuer"):
        await identity.viewer(f"Bearer {good}")


async def test_a_remembered_token_is_forgotten_when_its_kid_names_another_key(
    identity: Identity, keys: Counting
) -> None:
    good = token(KEY, START)
    await identity.viewer(f"Bearer {good}")
    keys.change(ec_key("one"))
    with pytest.raises(InvalidToken, match="not signed by its issuer"):
        await identity.viewer(f"Bearer {good}")


async def test_a_remembered_token_stays_when_other_keys_change(
    identity: Identity, keys: Counting, verifications: list[bytes]
) -> None:
    good = token(KEY, START)
    await identity.viewer(f"Bearer {good}")
    keys.change(KEY, ec_key("three"))
    assert await identity.viewer(f"Bearer {good}") == person()
    assert len(verifications) == 1


async def test_what_is_remembered_is_bounded_and_what_was_not_used_goes_first(
    identity: Identity, verifications: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    first, second, third = (token(KEY, START, jti=str(number)) for number in range(3))
    for text in (first, second, first, third, first, second):
        assert await identity.viewer(f"Bearer {text}") == person()
    assert verifications == [text.encode() for text in (first, second, third, second)]
    assert len(identity._remembered) == 2


async def test_without_any_key_no_token_is_called_bad(now: Moment) -> None:
    identity = identity_with(Keys(), now)
    assert await identity.viewer(None) is None
    with pytest.raises(KeysUnavailable):
        await identity.viewer(f"Bearer {token(KEY, START)}")
    with pytest.raises(InvalidToken):
        await identity.viewer("Bearer x")


async def test_development_tokens_may_live_longer_than_those_of_an_issuer(
    settings: Settings,
) -> None:
    text = development_token(settings, USER, [], days=TOKEN_DAYS)
    viewer = await identity_of(settings).viewer(f"Bearer {text}")
    assert viewer is not None
    assert seconds_until(viewer.expires_at) > 86_400 * (TOKEN_DAYS - 1)
    assert seconds_until(datetime.fromtimestamp(START, UTC)) == 0
