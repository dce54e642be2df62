"""Proofs: reading what other subgraphs sign, and signing what we say; the server has the keys."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from store.data_requests import Erasure, Receipt


class BadReceipt(ValueError):
    """A text that is no receipt, or that nobody signed whom we know."""


def _no_receipts(_: str) -> tuple[str, Receipt]:
    raise BadReceipt


@dataclass(frozen=True, slots=True)
class Proofs:
    """How receipts are read, with the user whom they are about, and certificates signed.

    `read` raises BadReceipt. Without `certify` there are no certificates.
    """

    read: Callable[[str], tuple[str, Receipt]] = _no_receipts
    certify: Callable[[Erasure, datetime], str] | None = None


NO_PROOFS = Proofs()
