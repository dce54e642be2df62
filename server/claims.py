"""Claims: what a token or a router says of who asks, read so that it can mean one thing only."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from resolvers.viewer import Viewer
from store.ids import PATTERN as ID

MAX_BYTES = 8192
"""Of a token, and of the claims that a router forwards."""

LATEST = 253_402_300_799.0
"""The end of the year 9999 in seconds: no time comes after it."""

_CLIENT_ID = re.compile(r"[\x20-\x7e]{1,255}")
_SCOPE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]{0,4096}")


class InvalidToken(Exception):
    """The request does not say properly who asks; the message says why not."""


def object_in(text: bytes) -> dict[str, Any]:
    """The JSON object in a text, whose members occur once. Raises: ValueError."""
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=_once_each, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("the JSON is too deep") from None
    if not isinstance(value, dict):
        raise ValueError("the JSON is no object")
    return value


def time_in(claims: Mapping[str, Any], name: str) -> float:
    """A time in seconds (RFC 7519, NumericDate). Raises: InvalidToken."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        raise InvalidToken(f"Expected {name} to be a time in seconds.")
    return float(value)


def viewer_of(claims: Mapping[str, Any]) -> Viewer:
    """Who asks, by `sub`, `client_id`, `scope` and `exp`, which is not compared with the time.

    Raises: InvalidToken.
    """
    require(claims, ("sub", "client_id", "exp"))
    subject, client_id, scope = claims["sub"], claims["client_id"], claims.get("scope", "")
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id):
        raise InvalidToken("Expected client_id to be 1 to 255 printable ASCII characters.")
    if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):  # RFC 6749, section 3.3
        raise InvalidToken("Expected scope to be names separated by spaces.")
    expires_at = datetime.fromtimestamp(time_in(claims, "exp"), UTC)
    scopes = frozenset(scope.split())
    if subject == client_id:  # RFC 9068, section 2.2: no resource owner is involved
        return Viewer(client_id, None, scopes, expires_at)
    if not isinstance(subject, str) or not ID.fullmatch(subject):
        raise InvalidToken("Expected sub to be a user id.")
    return Viewer(client_id, subject, scopes, expires_at)


def require(claims: Mapping[str, Any], names: Iterable[str]) -> None:
    """Insists that all of the claims are there. Raises: InvalidToken."""
    missing = [name for name in names if claims.get(name) is None]
    if missing:
        raise InvalidToken(f"Expected the claims {', '.join(missing)} as well.")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member of the JSON occurs twice")
    return members


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
