"""Who asks, from a bearer token: verified once, remembered until it expires."""

import json
import time
from pathlib import Path
from typing import NamedTuple

from joserfc import jwt
from joserfc.jwk import KeySet

from bench.peers.settings import PeerSettings

REMEMBERED = 1000


class PeerViewer(NamedTuple):
    """A person, and what the token permits."""

    user_id: str
    scopes: frozenset[str]
    expires_at: float

    def require(self, scope: str) -> str:
        """The person's id. Raises: PermissionError without the scope."""
        if scope not in self.scopes:
            raise PermissionError(f"The token lacks {scope}.")
        return self.user_id


class PeerIdentity:
    """Verifies tokens of one issuer."""

    def __init__(self, settings: PeerSettings) -> None:
        self._keys = KeySet.import_key_set(json.loads(Path(settings.jwks).read_text()))
        self._claims = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
            exp={"essential": True},
        )
        self._known: dict[str, PeerViewer] = {}

    def viewer(self, authorization: str | None) -> PeerViewer | None:
        """Who asks. Raises: JoseError for a token that is not valid."""
        if authorization is None:
            return None
        token = authorization.removeprefix("Bearer ")
        known = self._known.get(token)
        if known is not None and known.expires_at > time.time():
            return known
        decoded = jwt.decode(token, self._keys, algorithms=["Ed25519"])
        self._claims.validate(decoded.claims)
        claims = decoded.claims
        viewer = PeerViewer(claims["sub"], frozenset(claims["scope"].split()), claims["exp"])
        if len(self._known) >= REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[token] = viewer
        return viewer
