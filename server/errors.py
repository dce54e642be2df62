"""What is wrong with a request before or besides its operation: an HTTP status and a code."""

from collections.abc import Mapping


class RequestError(Exception):
    """A request that cannot be carried out; becomes an answer with this status and code."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}


def bad_request(message: str) -> RequestError:
    """What says that a request is not of the form that was expected."""
    return RequestError(400, "BAD_REQUEST", message)
