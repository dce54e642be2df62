"""Chains: entries of a ledger, each of which holds the hash of the one before, and a seal.

The hash is the SHA-256 of the entry's content as JSON with sorted keys; the seal is an HMAC of that
hash. So nobody without the key can write an entry, or another one in its place.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from store.ids import encode
from store.records import Document

FIRST = "0" * 64
"""What the first entry of a chain holds for the hash of the one before."""
CONTENT = frozenset(
    "subject seq purpose state version textHash at actor client source receipt previous".split()
)
OPTIONAL = frozenset({"source"})


class LedgerKey:
    """Names subjects and requests without telling who and what, and seals entries; of 32 bytes.

    What it names and seals is found and checked with the same key alone: it is for ever.
    """

    def __init__(self, secret: bytes) -> None:
        self._secrets = {
            purpose: hmac.digest(secret, f"usergraph ledger {purpose}".encode(), "sha256")
            for purpose in ("subject", "receipt", "seal", "request")
        }

    def subject(self, user_id: str) -> str:
        """The user's pseudonym, 32 hex digits."""
        return self._digest("subject", user_id)[:32]

    def receipt(self, user_id: str, seq: int) -> str:
        """The name of an entry that does not tell whose it is, 22 letters and digits."""
        return encode(int(self._digest("receipt", f"{user_id}:{seq}")[:32], 16))

    def seal(self, entry_hash: str) -> str:
        """What proves that somebody with the key wrote the entry."""
        return self._digest("seal", entry_hash)

    def request(self, text: str) -> str:
        """What tells a request from others, and cannot be found by trying what it may have said."""
        return self._digest("request", text)

    def _digest(self, purpose: str, text: str) -> str:
        return hmac.digest(self._secrets[purpose], text.encode(), "sha256").hex()


def next_entry(
    key: LedgerKey, user_id: str, head: Mapping[str, Any] | None, content: Mapping[str, Any]
) -> Document:
    """The entry behind a chain's head, whole; it depends on nothing else."""
    seq = head["seq"] + 1 if head else 1
    entry = {
        **{name: value for name, value in content.items() if value is not None},
        "subject": key.subject(user_id),
        "seq": seq,
        "receipt": key.receipt(user_id, seq),
        "previous": head["hash"] if head else FIRST,
    }
    entry_hash = hash_of(entry)
    entry_id = id_of(entry["subject"], seq)
    return {"_id": entry_id, **entry, "hash": entry_hash, "seal": key.seal(entry_hash)}


def id_of(subject: str, seq: int) -> str:
    """The `_id` of an entry; the entries of a chain sort by it."""
    return f"{subject}:{seq:010d}"


def hash_of(entry: Mapping[str, Any]) -> str:
    """The SHA-256 of an entry's content, in hex."""
    content = {name: _plain(entry[name]) for name in CONTENT if name in entry}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def first_problem(entries: Sequence[Document], key: LedgerKey) -> str | None:
    """What is wrong with a whole chain where it is first broken; nothing when it is whole."""
    before: Document | None = None
    for entry in entries:
        problem = problem_of(entry, before, key)
        if problem is not None:
            return f"entry {before['seq'] + 1 if before else 1}: {problem}"
        before = entry
    return None


def problem_of(entry: Document, before: Document | None, key: LedgerKey) -> str | None:
    """What is wrong with the entry behind this one; nothing when it follows."""
    seq = before["seq"] + 1 if before else 1
    names = entry.keys() - {"_id", "hash", "seal"}
    if not CONTENT - OPTIONAL <= names <= CONTENT or not {"hash", "seal"} <= entry.keys():
        return "fields are missing or added"
    if entry["seq"] != seq:
        return f"it is missing, what comes instead is entry {entry['seq']!r}"
    if entry["_id"] != f"{entry['subject']}:{seq:010d}":
        return "it lies under another key than its own"
    if entry["previous"] != (before["hash"] if before else FIRST):
        return "it does not follow the one before"
    if entry["hash"] != hash_of(entry):
        return "its hash is not that of its content"
    if not hmac.compare_digest(str(entry["seal"]).encode(), key.seal(entry["hash"]).encode()):
        return "its seal was not made with the key"
    return None


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
