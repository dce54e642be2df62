"""Changing a profile: one guarded write that carries its event, tried again after faster ones."""

import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.peers.documents import Document, Documents

ATTEMPTS = 20
ARCHIVE_EVERY = 16
KEPT_FOR = timedelta(days=30)
LONGEST = {"displayName": 50, "bio": 300}
STORED_NAMES = {"displayName": "display_name", "bio": "bio"}


@dataclass(frozen=True)
class NotDone:
    """Why a profile was not changed."""

    code: str
    message: str
    path: tuple[str, ...] = ()


async def update_profile(
    documents: Documents, user_id: str, wish: Mapping[str, str | None]
) -> Document | NotDone:
    """The document after setting the fields of the wish; None removes one."""
    clean: dict[str, str | None] = {}
    for name, value in wish.items():
        clean[name] = unicodedata.normalize("NFC", value).strip() or None if value else None
        if len(clean[name] or "") > LONGEST[name]:
            return NotDone("VALIDATION", f"Expected at most {LONGEST[name]} characters.", (name,))
    for _ in range(ATTEMPTS):
        document = await documents.read(user_id)
        if document is None or document["status"]["value"] != "ACTIVE":
            return NotDone("NOT_ALLOWED", "The account is not active.")
        profile = document.get("profile", {})
        changed = {name: value for name, value in clean.items() if value != profile.get(name)}
        if not changed:
            return document
        after = await _change(documents, document, changed)
        if after is not None:
            return after
    raise RuntimeError("too many others changed this user at the same time")


async def _change(
    documents: Documents, document: Document, changed: Mapping[str, str | None]
) -> Document | None:
    values: dict[str, Any] = {f"profile.{name}": value for name, value in changed.items()}
    if "displayName" in changed:
        name = changed["displayName"]
        values["nameKey"] = f"{name.casefold()}\x00{document['_id']}" if name else None
    event = {
        "rev": document["rev"] + 1,
        "kind": "PROFILE_CHANGED",
        "op": secrets.token_hex(16),
        "at": datetime.now(UTC),
        "fields": sorted(STORED_NAMES[name] for name in changed),
    }
    return await documents.update(document, values, event, await _archived(documents, document))


async def _archived(documents: Documents, document: Document) -> int | None:
    """The newest revision that was archived just now; nothing when it is not time for that."""
    archived = document.get("archivedRev", 0)
    due = [event for event in document.get("outbox", ()) if event["rev"] > archived]
    if len(due) < ARCHIVE_EVERY:
        return None
    newest: int = due[-1]["rev"]
    await documents.archive(
        {
            "_id": f"{document['_id']}:{newest:010d}",
            "owner": document["_id"],
            "rev": newest,
            "revisions": due,
            "expiresAt": datetime.now(UTC) + KEPT_FOR,
        }
    )
    return newest
