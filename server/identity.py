"""Identity: who asks, from a bearer token (a JWT access token, RFC 9068)."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from math import inf
from typing import Any, NamedTuple

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64decode

from resolvers.viewer import Viewer
from server.claims import MAX_BYTES, InvalidToken, object_in, require, time_in, viewer_of
from server.keys import Keys, keys_of
from server.settings import Settings

TOKEN_TYPES = ("at+jwt", "application/at+jwt")
CLAIMS = ("iss", "aud", "sub", "client_id", "iat", "exp")
REFUSED_PARAMETERS = frozenset({"crit", "b64", "zip", "enc", "jku", "jwk", "x5u", "x5c"})
"""Extensions, none of which is known here, and keys that a token would bring itself (RFC 7515)."""

MAX_REMEMBERED = 10_000

NOT_BEARER = "Expected the Authorization header to be: Bearer <token>."
TOO_LONG = f"Expected a token of at most {MAX_BYTES} bytes."
NOT_A_TOKEN = "Expected a signed JSON Web Token, in which no member occurs twice."
NOT_AN_ACCESS_TOKEN = "Expected a token of type at+jwt."
NOT_PLAIN = "Expected a token without keys and extensions of its own in its header."
NOT_TRUSTED = "The token is not signed by its issuer."


class KeysUnavailable(Exception):
    """No token can be verified yet, because there are no keys."""


class Verified(NamedTuple):
    """What a token said, until which second that holds, and the key that it was signed with."""

    viewer: Viewer
    until: float
    kid: str
    key: Key


class Identity:
    """Verifies tokens of one issuer for one audience; those that it verified it remembers.

    `now` is the time in seconds since 1970.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        leeway_seconds: int,
        max_lifetime_seconds: float = inf,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway_seconds
        self._max_lifetime = max_lifetime_seconds
        self._now = now
        self._remembered: OrderedDict[bytes, Verified] = OrderedDict()

    async def viewer(self, authorization: str | None) -> Viewer | None:
        """Who asks, from an Authorization header; nobody when there is none.

        Raises: InvalidToken, KeysUnavailable.
        """
        if authorization is None:
            return None
        token = _token_in(authorization)
        digest = sha256(token).digest()
        known = self._remembered.get(digest)
        if known is not None:
            if known.until > self._now() and self.keys.get(known.kid) is known.key:
                self._remembered.move_to_end(digest)
                return known.viewer
            self._remembered.pop(digest, None)
        verified = await self._verify(token)
        self._remember(digest, verified)
        return verified.viewer

    async def _verify(self, token: bytes) -> Verified:
        kid = _kid_of(token)
        key = self.keys.get(kid)
        if key is None:
            await self.keys.look_again()
            key = self.keys.get(kid)
        if key is None:
            if not self.keys:
                raise KeysUnavailable
            raise InvalidToken(NOT_TRUSTED)
        claims = _claims_in(token, key)
        self._check(claims)
        return Verified(viewer_of(claims), time_in(claims, "exp") + self._leeway, kid, key)

    def _check(self, claims: Mapping[str, Any]) -> None:
        require(claims, CLAIMS)
        if claims["iss"] != self._issuer:
            raise InvalidToken("The token is of another issuer.")
        if self._audience not in _audiences(claims["aud"]):
            raise InvalidToken("The token is for another audience.")
        now, expires = self._now(), time_in(claims, "exp")
        if expires + self._leeway <= now:
            raise InvalidToken("The token has expired.")
        if expires - self._leeway > now + self._max_lifetime:
            message = f"Expected a token that expires within {self._max_lifetime:.0f} seconds."
            raise InvalidToken(message)
        for name in ("iat", "nbf"):
            if name in claims and time_in(claims, name) - self._leeway > now:
                raise InvalidToken("The token is not valid yet.")

    def _remember(self, digest: bytes, verified: Verified) -> None:
        self._remembered[digest] = verified
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


def identity_of(settings: Settings) -> Identity:
    """Who may ask, by the settings' keys. Raises: OSError, ValueError when they cannot be used."""
    return Identity(
        keys_of(settings),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        leeway_seconds=settings.token_leeway_seconds,
        max_lifetime_seconds=settings.max_token_lifetime_seconds if settings.has_issuer else inf,
    )


def seconds_until(expires_at: datetime) -> float:
    """How long a token is still valid, in seconds; 0 for one that has expired."""
    return max(0.0, (expires_at - datetime.now(UTC)).total_seconds())


def _token_in(authorization: str) -> bytes:
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii():
        raise InvalidToken(NOT_BEARER)
    if len(token) > MAX_BYTES:
        raise InvalidToken(TOO_LONG)
    return token.encode()


def _kid_of(token: bytes) -> str:
    """The key that the token asks to be verified with. Raises: InvalidToken."""
    segments = token.split(b".")
    try:
        header = object_in(urlsafe_b64decode(segments[0]))
    except ValueError:
        raise InvalidToken(NOT_A_TOKEN) from None
    if not REFUSED_PARAMETERS.isdisjoint(header):
        raise InvalidToken(NOT_PLAIN)
    if len(segments) != 3:
        raise InvalidToken(NOT_A_TOKEN)
    if str(header.get("typ", "")).lower() not in TOKEN_TYPES:
        raise InvalidToken(NOT_AN_ACCESS_TOKEN)
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise InvalidToken(NOT_TRUSTED)
    return kid


def _claims_in(token: bytes, key: Key) -> dict[str, Any]:
    """What the token says, if it is signed with this key by this key's own algorithm."""
    registry = jws.JWSRegistry(algorithms=[str(key.alg)], strict_check_header=False)
    try:
        signed = jws.deserialize_compact(token, key, registry=registry)
    except (JoseError, ValueError, TypeError):
        raise InvalidToken(NOT_TRUSTED) from None
    try:
        return object_in(signed.payload or b"")
    except ValueError:
        raise InvalidToken(NOT_A_TOKEN) from None


def _audiences(claim: object) -> list[object]:
    return claim if isinstance(claim, list) else [claim]
