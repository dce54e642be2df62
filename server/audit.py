"""Audit: a line of JSON for each operation that read personal data of others, never the data."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from resolvers.audit import AuditFault, Reading
from resolvers.authorization import kind_of

HASH_LENGTH = 16

logger = logging.getLogger(__name__)
lines = logging.getLogger("usergraph.audit")


class UnusableAuditFile(Exception):
    """The file for audit lines cannot be written; the message says why."""


class AuditLog:
    """Writes lines to a file, or to the logger `usergraph.audit` without one.

    Raises: UnusableAuditFile.
    """

    def __init__(self, path: Path | None, now: Callable[[], datetime]) -> None:
        self._now = now
        self._descriptor: int | None = None
        lines.setLevel(logging.INFO)  # whatever else is not worth a line
        if path is not None:
            try:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._descriptor = os.open(path, flags, 0o600)
            except OSError as error:
                raise UnusableAuditFile(f"{path}: {error.strerror}") from error

    def write(self, reading: Reading, document: str, operation_name: str | None) -> None:
        """Writes down what one operation read. Raises: AuditFault."""
        line = audit_line(reading, document, operation_name, self._now())
        if self._descriptor is None:
            lines.info("%s", line)
            return
        data = line.encode() + b"\n"
        try:
            written = os.write(self._descriptor, data)  # one write, so that lines stay whole
        except OSError as error:
            logger.error("an audit line cannot be written: %s", error.strerror)
            raise AuditFault from error
        if written != len(data):
            logger.error("an audit line was cut off after %d bytes", written)
            raise AuditFault

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def audit_line(
    reading: Reading,
    document: str,
    operation_name: str | None,
    at: datetime,
    request_id: str | None = None,
) -> str:
    """The line: who, what of how many, what for, and by which operation; JSON in ASCII."""
    viewer = reading.viewer
    entry = {
        "event": "personal data read",
        "at": at.isoformat(),
        "kind": kind_of(viewer).value,
        "client_id": viewer.client_id if viewer else None,
        "user_id": viewer.user_id if viewer else None,
        "purpose": reading.purpose,
        "users": reading.users,
        "fields": reading.fields,
        "operation": operation_name,
        "document": _hash(document),
        "request_id": request_id,
    }
    return json.dumps({name: value for name, value in entry.items() if value is not None})


def _hash(document: str) -> str:
    digest = hashlib.sha256(document.encode(errors="surrogatepass"))
    return digest.hexdigest()[:HASH_LENGTH]
