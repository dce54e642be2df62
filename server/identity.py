"""Identity: who asks, from a bearer token (a JWT access token, RFC 9068)."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol, Key, KeySet

from resolvers.request import Viewer
from server.settings import Settings
from store.ids import PATTERN as ID
from store.ids import new_id

ALGORITHMS = ("ES256", "ES384", "ES512", "PS256", "RS256", "EdDSA", "Ed25519")
"""Asymmetric signatures only; which of them holds for a key is written with the key."""

TOKEN_TYPES = ("at+jwt", "application/at+jwt")


class InvalidToken(Exception):
    """The request carries a token that does not say who asks; the message says why not."""


class Identity:
    """Verifies tokens of one issuer for one audience with a fixed set of public keys."""

    def __init__(self, keys: KeySet, *, issuer: str, audience: str, leeway_seconds: int) -> None:
        self._keys: dict[str, Key] = {}
        for key in keys.keys:
            if key.kid and key.get("alg") in ALGORITHMS:
                self._keys[key.kid] = key
        if not self._keys:
            raise ValueError("the key set holds no key with a kid and a known asymmetric alg")
        self._claims = jwt.JWTClaimsRegistry(
            leeway=leeway_seconds,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            client_id={"essential": True},
        )

    def viewer(self, authorization: str | None) -> Viewer | None:
        """Who asks, from an Authorization header; nobody when there is none.

        Raises: InvalidToken.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise InvalidToken("Expected the Authorization header to be: Bearer <token>.")
        try:
            decoded = jwt.decode(token.strip(), self._key_for, algorithms=list(ALGORITHMS))
            if str(decoded.header.get("typ", "")).lower() not in TOKEN_TYPES:
                raise InvalidToken("Expected a token of type at+jwt.")
            self._claims.validate(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise InvalidToken(f"The token is not valid: {_reason(error)}.") from error
        return _viewer(decoded.claims)

    def _key_for(self, token: GuestProtocol) -> Key:
        headers = token.headers()
        key = self._keys.get(str(headers.get("kid")))
        if key is None:
            raise InvalidToken("The token is signed with an unknown key.")
        if headers.get("alg") != key.get("alg"):
            raise InvalidToken("The token's algorithm is not the one of its key.")
        return key


class DevelopmentKey:
    """A key of this data directory alone: signs tokens that only this server accepts.

    Raises: OSError, ValueError when the file cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / "development-key.json"
        if not path.exists():
            _write_private(path, _new_key())
        try:
            self._key = ECKey.import_key(json.loads(path.read_text()))
            self._key.as_dict(private=True)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged; delete it to get a new one") from error

    @property
    def public_keys(self) -> KeySet:
        """The key set that verifies its tokens."""
        return KeySet([ECKey.import_key(self._key.as_dict(private=False))])

    def token(
        self,
        *,
        issuer: str,
        audience: str,
        user_id: str | None,
        scopes: Iterable[str],
        lifetime_seconds: int,
    ) -> str:
        """A token for a person, or for a service when there is no user."""
        client_id = "development" if user_id else "development-service"
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


def identity_of(settings: Settings) -> Identity:
    """Who may ask, by the settings' keys. Raises: OSError, ValueError when they cannot be used."""
    if settings.token_jwks_file is not None:
        keys = read_keys(settings.token_jwks_file)
    else:
        keys = DevelopmentKey(settings.data_dir).public_keys
    return Identity(
        keys,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        leeway_seconds=settings.token_leeway_seconds,
    )


def seconds_until(expires_at: datetime) -> float:
    """How long a token is still valid, in seconds; 0 for one that has expired."""
    return max(0.0, (expires_at - datetime.now(UTC)).total_seconds())


def read_keys(path: Path) -> KeySet:
    """The key set in a file. Raises: OSError, ValueError."""
    try:
        return KeySet.import_key_set(json.loads(path.read_text()))
    except (JoseError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a JSON Web Key Set: {_reason(error)}") from error


def _viewer(claims: Mapping[str, Any]) -> Viewer:
    subject, client_id, scope = claims["sub"], claims["client_id"], claims.get("scope", "")
    if not all(isinstance(value, str) for value in (subject, client_id, scope)):
        raise InvalidToken("Expected sub, client_id and scope to be strings.")
    scopes = frozenset(scope.split())
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    if subject == client_id:  # RFC 9068, section 2.2: no resource owner is involved
        return Viewer(client_id, None, scopes, expires_at)
    if not ID.fullmatch(subject):
        raise InvalidToken("Expected sub to be a user id.")
    return Viewer(client_id, subject, scopes, expires_at)


def _reason(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__


def _new_key() -> str:
    key = ECKey.generate_key("P-256", {"kid": new_id(), "alg": "ES256", "use": "sig"})
    return json.dumps(key.as_dict(private=True))


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
