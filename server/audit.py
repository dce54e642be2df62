"""Audit: a line of JSON for each operation that read personal data of others, never the data."""

import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from resolvers.audit import AuditFault, Reading
from resolvers.authorization import kind_of
from server.exchanges import current_facts, hash_of
from server.logs import AUDIT

logger = logging.getLogger(__name__)
lines = logging.getLogger(AUDIT)


class UnusableAuditFile(Exception):
    """The file for audit lines cannot be written; the message says why."""


class AuditLog:
    """Writes lines to a file, or to the logger `usergraph.audit` without one.

    Raises: UnusableAuditFile.
    """

    def __init__(self, path: Path | None, now: Callable[[], datetime]) -> None:
        self._now = now
        self._descriptor: int | None = None
        lines.setLevel(logging.INFO)  # no setting silences it
        if path is not None:
            try:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._descriptor = os.open(path, flags, 0o600)
            except OSError as error:
                raise UnusableAuditFile(f"{path}: {error.strerror}") from error

    def write(self, reading: Reading, document: str, operation_name: str | None) -> None:
        """Writes down what one operation read. Raises: AuditFault."""
        event = "personal data read"
        entry = _entry(reading, document, operation_name)
        if self._descriptor is None:
            lines.info(event, extra=entry)
            return
        asked = {"request_id": current_facts().get("request_id")}
        line = {"event": event, "at": self._now().isoformat(), **_present(asked), **entry}
        data = json.dumps(line).encode() + b"\n"
        try:
            written = os.write(self._descriptor, data)  # one write, so that lines stay whole
        except OSError as error:
            logger.exception("an audit line cannot be written")
            raise AuditFault from error
        if written != len(data):
            logger.error("an audit line was cut off", extra={"counted": written})
            raise AuditFault

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _entry(reading: Reading, document: str, operation_name: str | None) -> dict[str, Any]:
    """Who, what of how many, what for, and by which operation."""
    viewer = reading.viewer
    return _present(
        {
            "kind": kind_of(viewer).value,
            "client_id": viewer.client_id if viewer else None,
            "user_id": viewer.user_id if viewer else None,
            "purpose": reading.purpose,
            "users": reading.users,
            "fields": dict(reading.fields),
            "operation_name": operation_name,
            "operation_hash": hash_of(document),
        }
    )


def _present(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if value is not None}
