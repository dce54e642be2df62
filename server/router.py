"""The router: how it proves itself, whom it speaks for, and what only it may ask for.

A router sends one of the live secrets with every request, or a signature made with one of the live
keys; docs/identity.md says how. Without settings for either nothing here applies.
"""

import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256

from pydantic import SecretStr
from starlette.requests import HTTPConnection, Request

from execution.cache import PreparedOperation
from resolvers.viewer import Viewer
from schema.federation import asked_of
from server.claims import MAX_BYTES, InvalidToken, object_in, viewer_of
from server.errors import RequestError, bad_request
from server.requests import raw_body
from server.settings import Settings

SECRET = "x-router-authorization"
SIGNATURE = "x-router-signature"
TIMESTAMP = "x-router-timestamp"
NONCE = "x-router-nonce"

WINDOW_SECONDS = 60
MAX_NONCES = 500_000
"""About 60 MB; they are kept for two minutes at most."""

ROUTER_FIELDS = frozenset({"_entities", "_service"})

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")


class Router:
    """Tells whether the router sends a request; a wrong proof is refused.

    `now` is the time in seconds since 1970.
    """

    def __init__(
        self,
        *,
        secrets: Sequence[SecretStr] = (),
        hmac_keys: Sequence[SecretStr] = (),
        claims_header: str | None = None,
        leeway_seconds: int = 0,
        max_body_bytes: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        # Digests are as long as each other, so that comparing them tells nothing of the secrets.
        self._secrets = [sha256(secret.get_secret_value().encode()).digest() for secret in secrets]
        self._hmac_keys = [key.get_secret_value().encode() for key in hmac_keys]
        self._claims_header = claims_header
        self._leeway = leeway_seconds
        self._max_body_bytes = max_body_bytes
        self._now = now
        self._nonces = Nonces()

    async def sends(self, connection: HTTPConnection) -> bool:
        """Whether the router sends it. Raises: RequestError, when it proves that wrongly."""
        secret = _header(connection, SECRET)
        signature = _header(connection, SIGNATURE)
        if secret is not None:
            self._check_secret(secret)
        if signature is not None:
            await self._check_signature(connection, signature)
        return secret is not None or signature is not None

    def viewer(self, connection: HTTPConnection, is_router: bool) -> Viewer | None:
        """Who asks, by the claims that the router forwards. Raises: RequestError, InvalidToken."""
        text = _header(connection, self._claims_header) if self._claims_header else None
        if text is None:
            return None
        if not is_router:
            raise _forbidden(f"Only the router may send {self._claims_header}.")
        try:
            claims = object_in(text.encode("latin-1") if len(text) <= MAX_BYTES else b"")
        except ValueError:
            raise InvalidToken("Expected the forwarded claims to be a JSON object.") from None
        viewer = viewer_of(claims)
        if viewer.expires_at.timestamp() + self._leeway <= self._now():
            raise InvalidToken("The forwarded claims have expired.")
        return viewer

    def _check_secret(self, secret: str) -> None:
        digest = sha256(secret.encode("latin-1")).digest()
        if not any([hmac.compare_digest(digest, live) for live in self._secrets]):
            raise _forbidden(f"{SECRET} is not a secret of the router.")

    async def _check_signature(self, connection: HTTPConnection, signature: str) -> None:
        timestamp = _header(connection, TIMESTAMP) or ""
        nonce = _header(connection, NONCE) or ""
        if not _TIMESTAMP.fullmatch(timestamp) or not _NONCE.fullmatch(nonce):
            raise _forbidden(
                f"Expected {TIMESTAMP} in seconds, and {NONCE} of 16 to 64 letters and digits."
            )
        text = await self._signed_text(connection, timestamp, nonce)
        sent = signature.encode("latin-1")
        if not any([hmac.compare_digest(sent, _signed(text, key)) for key in self._hmac_keys]):
            raise _forbidden(f"{SIGNATURE} is not the router's for this request.")
        if abs(int(timestamp) - self._now()) > WINDOW_SECONDS:
            raise _forbidden(f"{TIMESTAMP} is more than {WINDOW_SECONDS} seconds away.")
        self._nonces.take(nonce, now=self._now(), until=int(timestamp) + WINDOW_SECONDS)

    async def _signed_text(self, connection: HTTPConnection, timestamp: str, nonce: str) -> bytes:
        scope = connection.scope
        body = b""
        if isinstance(connection, Request):
            body = await raw_body(connection, self._max_body_bytes)
        query = scope.get("query_string", b"")
        claims = _header(connection, self._claims_header) if self._claims_header else None
        return b"\n".join(
            [
                scope.get("method", "GET").encode(),
                (scope.get("raw_path") or scope["path"].encode())
                + (b"?" + query if query else b""),
                sha256(body).hexdigest().encode(),
                timestamp.encode(),
                nonce.encode(),
                (claims or "").encode("latin-1"),
            ]
        )


class Nonces:
    """Nonces that were taken, as long as anybody could send them again."""

    def __init__(self, most: int = MAX_NONCES) -> None:
        self._most = most
        self._until: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def take(self, nonce: str, *, now: float, until: float) -> None:
        """Takes a nonce that is good until then. Raises: RequestError, when it was taken."""
        self._forget(now)
        if nonce in self._until:
            raise _forbidden(f"{NONCE} was sent before.")
        if len(self._until) >= self._most:
            message = "Too many signed requests came in the last two minutes."
            raise RequestError(503, "UNAVAILABLE", message, {"Retry-After": "5"})
        self._until[nonce] = until

    def _forget(self, now: float) -> None:
        while self._until and next(iter(self._until.values())) < now:
            self._until.popitem(last=False)


class RouterOnly:
    """Refuses what only the router may ask for: `_entities` and `_service`, or everything."""

    def __init__(self, *, everything: bool = False) -> None:
        self._everything = everything

    def check(self, operation: PreparedOperation, operation_name: str | None) -> None:
        """Refuses an operation of somebody else, if it is the router's. Raises: RequestError."""
        if self._everything or ROUTER_FIELDS & asked_of(operation, operation_name):
            message = "Only the router may ask for this; it did not prove that it asks."
            raise RequestError(403, "ROUTER_REQUIRED", message)


def router_of(settings: Settings) -> Router | None:
    """The router that the settings know; nothing when they know none."""
    if not settings.knows_router:
        return None
    return Router(
        secrets=settings.router_secrets,
        hmac_keys=settings.router_hmac_keys,
        claims_header=settings.router_claims_header,
        leeway_seconds=settings.token_leeway_seconds,
        max_body_bytes=settings.max_body_bytes,
    )


def router_only_of(settings: Settings) -> RouterOnly | None:
    """What only the router may ask for, by the settings; nothing when anybody may ask for all."""
    required_for = settings.router_required_for
    if not settings.knows_router or required_for == "nothing":
        return None
    return RouterOnly(everything=required_for == "everything")


def headers_of_router(settings: Settings) -> tuple[str, ...]:
    """The headers by which a router is told from others, and whom it speaks for."""
    if not settings.knows_router:
        return ()
    claims = settings.router_claims_header
    return (SECRET, SIGNATURE, *([claims] if claims else ()))


def agreed(signed: Viewer | None, forwarded: Viewer | None) -> Viewer | None:
    """The viewer of a token and of forwarded claims, one or both. Raises: RequestError."""
    if signed is None or forwarded is None:
        return signed or forwarded
    expires_at = min(signed.expires_at, forwarded.expires_at)
    if replace(signed, expires_at=expires_at) != replace(forwarded, expires_at=expires_at):
        raise bad_request("The token and the forwarded claims name different viewers.")
    return replace(signed, expires_at=expires_at)


def _signed(text: bytes, key: bytes) -> bytes:
    return hmac.new(key, text, sha256).hexdigest().encode()


def _header(connection: HTTPConnection, name: str) -> str | None:
    values = connection.headers.getlist(name)
    if len(values) > 1:
        raise bad_request(f"Expected the header {name} once.")
    return values[0] if values else None


def _forbidden(message: str) -> RequestError:
    return RequestError(403, "FORBIDDEN", message)
