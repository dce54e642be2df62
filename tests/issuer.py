"""An issuer of tokens: signs good ones, and whatever a test wants to be signed."""

import json
import time
from base64 import urlsafe_b64encode
from typing import Any

from joserfc.jwk import ECKey, Key, KeySet, RSAKey
from joserfc.jws import JWSRegistry

from server.settings import Settings
from store.ids import encode

NAME = "https://issuer.example"
USER = encode(2026)
CLIENT = "web-app"
SECONDS = 3600


def ec_key(kid: str) -> ECKey:
    """A key for ES256."""
    return ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256", "use": "sig"})


def rsa_key(kid: str, alg: str = "PS256") -> RSAKey:
    """A key for PS256, or for another algorithm."""
    return RSAKey.generate_key(2048, {"kid": kid, "alg": alg, "use": "sig"})


def key_set(*keys: Key) -> bytes:
    """What an issuer publishes: the public parts of its keys."""
    return json.dumps(KeySet(list(keys)).as_dict(private=False)).encode()


def claims(now: float | None = None, **changes: Any) -> dict[str, Any]:
    """Good claims with changes; None leaves one out."""
    now = int(time.time() if now is None else now)
    good = {
        "iss": NAME,
        "aud": Settings().token_audience,
        "sub": USER,
        "client_id": CLIENT,
        "iat": now,
        "exp": now + SECONDS,
        "scope": "me:profile:write",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def header(key: Key, **changes: Any) -> dict[str, Any]:
    """A good header for a key with changes; None leaves a parameter out."""
    good = {"typ": "at+jwt", "alg": key.alg, "kid": key.kid}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def encoded(part: object) -> str:
    """A part of a token: bytes and text as they are, anything else as JSON."""
    if isinstance(part, str):
        part = part.encode()
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return urlsafe_b64encode(text).decode().rstrip("=")


def signed(key: Key, head: object, body: object, alg: str | None = None) -> str:
    """Any header and any body, signed with a key by its algorithm, or another one."""
    content = f"{encoded(head)}.{encoded(body)}"
    signature = JWSRegistry.algorithms[alg or str(key.alg)].sign(content.encode(), key)
    return f"{content}.{encoded(signature)}"


def token(key: Key, now: float | None = None, **changes: Any) -> str:
    """A good token with changes in its claims."""
    return signed(key, header(key), claims(now, **changes))
