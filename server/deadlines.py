"""Deadlines: when an answer is due, because nobody waits for it any longer."""

import asyncio
import re

from starlette.requests import Request

from server.errors import bad_request

ENVOY_HEADER = "x-envoy-expected-rq-timeout-ms"
MILLISECONDS = re.compile(rb"(?=.*[1-9])[0-9]{1,9}(\.[0-9]{1,9})?")


class Deadlines:
    """Tells when answers are due: as the router says in a header, and never later than allowed."""

    def __init__(self, header: str = ENVOY_HEADER, longest_seconds: float = 10) -> None:
        self._header = header
        self._name = header.lower().encode()
        self._longest_seconds = longest_seconds

    def of(self, request: Request) -> float:
        """When the answer is due, in the event loop's time. Raises: RequestError."""
        seconds = self._longest_seconds
        for name, value in request.scope["headers"]:
            if name == self._name:  # the smallest, should there be several
                seconds = min(seconds, self._seconds(value))
        return asyncio.get_running_loop().time() + seconds

    def _seconds(self, milliseconds: bytes) -> float:
        if not MILLISECONDS.fullmatch(milliseconds):
            raise bad_request(f"Expected {self._header} to be a positive number.")
        return float(milliseconds) / 1000
