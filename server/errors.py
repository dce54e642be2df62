"""What is wrong with a request before or besides its operation: an HTTP status and a code."""

import sys
from collections.abc import Mapping
from typing import Any

from schema.incidents import incident_of


class RequestError(Exception):
    """A request that cannot be carried out; becomes an answer with this status and code.

    `details` are what the error's extensions tell besides the code.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}
        self.details = details or {}


def bad_request(message: str) -> RequestError:
    """What says that a request is not of the form that was expected."""
    return RequestError(400, "BAD_REQUEST", message)


def masked_fault() -> RequestError:
    """What says that something failed here; logs the exception that is being handled."""
    incident = incident_of(sys.exception())
    message = f"Something went wrong here (incident {incident})."
    return RequestError(500, "INTERNAL_SERVER_ERROR", message, details={"incident": incident})
