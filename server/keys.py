"""Keys: the public keys that verify tokens, from a file or an address, as they change there."""

import asyncio
import json
import logging
import math
import os
import ssl
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, JWKRegistry, Key

from server.addresses import parse_address
from server.settings import Settings
from store.ids import new_id
from store.sealing import new_key_text

ALGORITHMS = ("ES256", "ES384", "ES512", "PS256", "RS256", "EdDSA", "Ed25519")
"""Asymmetric signatures only; which of them holds for a key is written with the key."""

SECRET_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""What private and symmetric keys have (RFC 7518, section 6)."""

MAX_SET_BYTES = 262_144
READ_SECONDS = 5.0
WAIT_SECONDS = 2.0
"""The longest that a request waits for a key that is not known yet."""
RETRY_SECONDS = 5.0
FILE_POLL_SECONDS = 5.0

UNREADABLE = (OSError, ValueError, httpx.HTTPError)
"""What comes of a source that cannot be read, or has no usable key set."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a key set is read, and how often at most: by itself, and for an unknown kid."""

    name: str
    read: Callable[[], Awaitable[bytes]]
    poll_seconds: float
    again_seconds: float


class UnusableKeys(ValueError):
    """Something else than a key set that can be used; the message repeats nothing of it."""


class Keys:
    """Keys by their kid; with a source, those that it has.

    Until the source gave some there are none. When it fails, those that it gave stay.
    """

    def __init__(
        self,
        known: Mapping[str, Key] | None = None,
        source: Source | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._keys = dict(known or {})
        self._source = source
        self._clock = clock
        self._sleep = sleep
        self._text: bytes | None = None
        self._asked_at = -math.inf
        self._reading: asyncio.Task[bool] | None = None
        self._is_failing = False

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, kid: str) -> Key | None:
        """The key of this kid: the same object until it changes or goes."""
        return self._keys.get(kid)

    async def follow(self) -> None:
        """Reads the source again and again, for ever."""
        while self._source is not None:
            went_well = await self._begin(self._source)
            poll_seconds = self._source.poll_seconds
            await self._sleep(poll_seconds if went_well else min(poll_seconds, RETRY_SECONDS))

    async def update(self) -> None:
        """Takes what the source has now. Raises: UNREADABLE."""
        if self._source is None:
            return
        async with asyncio.timeout(READ_SECONDS):
            text = await self._source.read()
        if text != self._text:
            self._take(parse_keys(text))
            self._text = text

    async def look_again(self) -> None:
        """Reads the source for a kid that is unknown, unless that was done not long ago.

        Everybody waits for the same reading, and at most WAIT_SECONDS.
        """
        if self._source is None:
            return
        if self._reading is None:
            if self._clock() - self._asked_at < self._source.again_seconds:
                return
            self._asked_at = self._clock()
        await asyncio.wait([self._begin(self._source)], timeout=WAIT_SECONDS)

    def _begin(self, source: Source) -> asyncio.Task[bool]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._try(source))
            self._reading.add_done_callback(self._ended)
        return self._reading

    def _ended(self, _: asyncio.Task[bool]) -> None:
        self._reading = None

    async def _try(self, source: Source) -> bool:
        """Takes what the source has now; whether that could be done."""
        try:
            await self.update()
        except Exception as error:  # whatever it is, the next poll has to come
            if not self._is_failing:
                failure = str(error) if isinstance(error, UnusableKeys) else type(error).__name__
                logger.warning(
                    "the keys of the issuer cannot be read: those that are known stay",
                    extra={"failure": failure, "counted": len(self)},
                )
            self._is_failing = True
            return False
        if self._is_failing:
            logger.warning("the keys of the issuer can be read again", extra={"counted": len(self)})
        self._is_failing = False
        return True

    def _take(self, found: Mapping[str, Key]) -> None:
        # A key that stays is the same object, so that the tokens verified with it stay verified.
        self._keys = {
            kid: self._keys[kid] if self._keys.get(kid) == key else key
            for kid, key in found.items()
        }


class DevelopmentKey:
    """A key of this data directory alone: signs tokens that only this server accepts.

    Raises: OSError, ValueError when the file cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / "development-key.json"
        try:
            self._key = ECKey.import_key(json.loads(kept_text(path, _new_key)))
            self._key.as_dict(private=True)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged; delete it to get a new one") from error

    @property
    def private_key(self) -> Key:
        """What signs."""
        return self._key

    @property
    def public_keys(self) -> Mapping[str, Key]:
        """What verifies its tokens, by kid."""
        return {str(self._key.kid): ECKey.import_key(self._key.as_dict(private=False))}

    def token(
        self,
        *,
        issuer: str,
        audience: str,
        user_id: str | None,
        scopes: Iterable[str],
        lifetime_seconds: int,
        client_id: str | None = None,
    ) -> str:
        """A token for a person, or for a service when there is no user."""
        client_id = client_id or ("development" if user_id else "development-service")
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": audience,
            "sub": user_id or client_id,
            "client_id": client_id,
            "iat": now,
            "exp": now + lifetime_seconds,
            "jti": new_id(),
            "scope": " ".join(sorted(scopes)),
        }
        header = {"typ": "at+jwt", "alg": "ES256", "kid": self._key.kid}
        return jwt.encode(header, claims, self._key)


def keys_of(settings: Settings) -> Keys:
    """The keys that the settings name. Raises: OSError, ValueError when they cannot be used.

    Those of an address are read when somebody follows them.
    """
    if settings.token_jwks_url is not None:
        return Keys(
            source=address_source(settings.token_jwks_url, settings.token_jwks_poll_seconds)
        )
    if settings.token_jwks_file is not None:
        path = settings.token_jwks_file
        return Keys(read_keys(path), file_source(path))
    return Keys(DevelopmentKey(settings.data_dir).public_keys)


def address_source(url: str, poll_seconds: float) -> Source:
    """A key set at an address; only its own answer counts, no redirect. Raises: ValueError."""
    address = str(parse_address(url))
    context = ssl.create_default_context()  # the system's authorities, or SSL_CERT_FILE

    async def read() -> bytes:
        async with (
            httpx.AsyncClient(
                verify=context,
                timeout=READ_SECONDS,
                trust_env=False,  # no proxy and no .netrc from the environment
                headers={"Accept-Encoding": "identity", "User-Agent": "usergraph"},
            ) as client,
            client.stream("GET", address) as answer,
        ):
            if answer.status_code != 200:
                raise UnusableKeys(f"expected the answer 200 and not {answer.status_code}")
            return await _bounded(answer)

    return Source(address, read, poll_seconds, again_seconds=30)


def file_source(path: Path) -> Source:
    """A key set in a file, which may change."""

    async def read() -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    return Source(str(path), read, FILE_POLL_SECONDS, again_seconds=1)


def read_keys(path: Path) -> Mapping[str, Key]:
    """The keys in a file, by kid. Raises: OSError, ValueError."""
    try:
        return parse_keys(path.read_bytes())
    except ValueError as error:
        raise UnusableKeys(f"{path}: {error}") from error


def parse_keys(text: bytes) -> Mapping[str, Key]:
    """The keys of a JSON Web Key Set (RFC 7517) that can verify tokens, by kid.

    Those without a kid or a known algorithm, or for encryption, are passed over.
    Raises: UnusableKeys.
    """
    found: dict[str, Key] = {}
    for member in _members(text):
        if not SECRET_MEMBERS.isdisjoint(member) or member.get("kty") == "oct":
            raise UnusableKeys("the key set holds a private or symmetric key")
        kid = member.get("kid")
        if not isinstance(kid, str) or not _is_for_tokens(member):
            continue
        if kid in found:
            raise UnusableKeys("the key set holds two keys of the same kid")
        found[kid] = _imported(member)
    if not found:
        raise UnusableKeys("the key set holds no key with a kid and a known asymmetric alg")
    return found


def reason(error: Exception) -> str:
    """What an error says; if nothing, what it is."""
    return str(error).rstrip(".") or type(error).__name__


def kept_text(path: Path, make: Callable[[], str]) -> str:
    """What is in a file that only its owner can read; made first when there is none.

    Of two processes that make it at once both get the same. Raises: OSError, ValueError.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent)  # readable by its owner only
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
        with suppress(FileExistsError):
            os.link(name, path)
        os.unlink(name)
    return path.read_text()


def kept_key_text(path: Path) -> str:
    """A key for sealing or digests as `kept_text`, under a name of its own."""
    return kept_text(path, lambda: new_key_text(f"d{new_id()[:8]}"))


def _members(text: bytes) -> list[dict[str, Any]]:
    if len(text) > MAX_SET_BYTES:
        raise UnusableKeys(f"the key set is longer than {MAX_SET_BYTES} bytes")
    try:
        members = json.loads(text)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        members = None
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise UnusableKeys("it is not a JSON Web Key Set")
    return members


def _is_for_tokens(member: Mapping[str, Any]) -> bool:
    return member.get("alg") in ALGORITHMS and member.get("use", "sig") == "sig"


def _imported(member: dict[str, Any]) -> Key:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SecurityWarning)  # an RSA key of less than 2048 bits
            key = JWKRegistry.import_key(member)
            assert key.public_key
    except Exception as error:  # whatever the parsers of numbers and curves say
        raise UnusableKeys("the key set holds a key that cannot be read or is too short") from error
    return key


async def _bounded(answer: httpx.Response) -> bytes:
    text = bytearray()
    async for chunk in answer.aiter_raw():
        text += chunk
        if len(text) > MAX_SET_BYTES:
            break
    return bytes(text)


def _new_key() -> str:
    key = ECKey.generate_key("P-256", {"kid": new_id(), "alg": "ES256", "use": "sig"})
    return json.dumps(key.as_dict(private=True))
