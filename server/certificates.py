"""Certificates: the word of other subgraphs that they erased a user, and ours that all did.

Both are JSON Web Tokens (RFC 7519) with a type of their own, so that nothing else passes for one.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import JWSRegistry

from resolvers.proofs import NO_PROOFS, BadReceipt, Proofs
from server.keys import ALGORITHMS, DevelopmentKey, read_keys
from server.settings import PREFIX, Settings
from server.supergraph import Holder, holders
from store.data_requests import Erasure, Receipt

RECEIPT = "erasure-receipt+jwt"
CERTIFICATE = "erasure-certificate+jwt"
MAX_RECEIPT = 4096
OUTCOMES = ("ERASED", "NOTHING_KEPT")


class UnusableProofs(Exception):
    """A supergraph, or keys of receipts and certificates, that cannot be used."""


def proofs_of(settings: Settings) -> Proofs:
    """How receipts are read and certificates signed. Raises: UnusableProofs."""
    path = settings.receipt_keys_file
    try:
        receipts = Receipts(read_keys(path)) if path is not None else None
    except (OSError, ValueError) as error:
        raise UnusableProofs(f"{PREFIX}RECEIPT_KEYS_FILE: {error}") from error
    key = _certificate_key(settings)
    return Proofs(
        read=receipts.read if receipts else NO_PROOFS.read,
        certify=Certifier(key, settings.token_audience).certify if key else None,
    )


def owing(settings: Settings) -> list[Holder]:
    """The subgraphs that owe a receipt for every erasure. Raises: UnusableProofs."""
    path = settings.supergraph_file
    if path is None:
        return []
    try:
        return holders(path.read_text("utf-8"), but_not=settings.invalidation_subgraph)
    except (OSError, ValueError) as error:
        raise UnusableProofs(f"{PREFIX}SUPERGRAPH_FILE: {error}") from error


class Receipts:
    """Reads receipts; each subgraph has keys whose kid begins with its name and a colon."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._keys = keys

    def read(self, text: str) -> tuple[str, Receipt]:
        """The user whom a receipt is about, and the receipt. Raises: BadReceipt."""
        try:
            if len(text) > MAX_RECEIPT:
                raise BadReceipt
            token = jwt.decode(text, self._key_of, algorithms=list(ALGORITHMS))
        except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadReceipt from error
        subgraph = str(token.header["kid"]).partition(":")[0]
        return _receipt(subgraph, token.header, token.claims, text)

    def _key_of(self, signed: Any) -> Key:
        header = signed.headers()
        key = self._keys[header["kid"]]
        if header.get("alg") != key.alg:
            raise BadReceipt
        return key


class Certifier:
    """Signs certificates with our own key."""

    def __init__(self, key: Key, issuer: str) -> None:
        self._key = key
        self._issuer = issuer

    def certify(self, erasure: Erasure, now: datetime) -> str:
        """The certificate of an erasure: who was erased, when, and who said so."""
        claims = {
            "iss": self._issuer,
            "sub": erasure.id,
            "iat": int(now.timestamp()),
            "began_at": erasure.began_at.isoformat(),
            "erased_at": erasure.erased_at.isoformat() if erasure.erased_at else None,
            "receipts": [
                {"subgraph": each.subgraph, "outcome": each.outcome, "signed": each.signed}
                for each in erasure.receipts
            ],
        }
        header = {"typ": CERTIFICATE, "alg": self._key.alg, "kid": self._key.kid}
        registry = JWSRegistry(algorithms=list(ALGORITHMS))
        registry.max_payload_length = 1_000_000
        return jwt.encode(header, claims, self._key, registry=registry)


def _certificate_key(settings: Settings) -> Key | None:
    """The private key that signs certificates. Raises: ValueError, which repeats nothing of it."""
    if settings.certificate_key is None:
        return None if settings.has_issuer else DevelopmentKey(settings.data_dir).private_key
    expected = f"{PREFIX}CERTIFICATE_KEY: expected a private JSON Web Key with kid and alg"
    try:
        key = JWKRegistry.import_key(json.loads(settings.certificate_key.get_secret_value()))
    except (JoseError, ValueError, KeyError, TypeError):
        raise UnusableProofs(expected) from None
    if not (key.is_private and key.alg in ALGORITHMS and key.kid):
        raise UnusableProofs(expected)
    return key


def _receipt(
    subgraph: str, header: Mapping[str, Any], claims: Mapping[str, Any], text: str
) -> tuple[str, Receipt]:
    """What a signed receipt says. Raises: BadReceipt when it is not one."""
    user_id, outcome = claims.get("sub"), claims.get("outcome")
    records, at = claims.get("records"), claims.get("iat")
    if (
        header.get("typ") != RECEIPT
        or claims.get("iss") != subgraph
        or not isinstance(user_id, str)
        or outcome not in OUTCOMES
        or type(records) is not int
        or type(at) is not int
        or not 0 <= records <= 2**53
        or not 0 <= at <= 2**33
    ):
        raise BadReceipt
    return user_id, Receipt(subgraph, outcome, records, datetime.fromtimestamp(at, UTC), text)
