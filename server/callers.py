"""Callers: who sends a request and what for, found out before anything is read of what it asks."""

import re
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import HTTPConnection, Request

from resolvers.viewer import Viewer
from server.errors import RequestError, bad_request
from server.identity import Identity, InvalidToken

PURPOSE_HEADER = "x-data-purpose"
PURPOSE = re.compile(r"[\x21-\x7e]{1,100}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request; `viewer` is missing when nobody is signed in.

    `purpose` is what they read personal data of others for, if they say so.
    """

    viewer: Viewer | None
    address: str = ""
    """Where the request comes from; often that of a router or balancer."""
    purpose: str | None = None

    @property
    def client(self) -> str:
        """The client that the token was given to; where it comes from when nobody is signed in."""
        return f"client {self.viewer.client_id}" if self.viewer else f"address {self.address}"

    @property
    def client_id(self) -> str | None:
        """The application that the viewer's token was given to."""
        return self.viewer.client_id if self.viewer else None

    @property
    def expires_at(self) -> datetime | None:
        """When the viewer's token expires."""
        return self.viewer.expires_at if self.viewer else None


class Callers:
    """Tells who sends a request."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def of(self, request: Request) -> Caller:
        """Who sends it. Raises: RequestError, when its token does not say so, or the purpose."""
        purposes = request.headers.getlist(PURPOSE_HEADER)
        purpose = checked_purpose(", ".join(purposes)) if purposes else None
        try:
            viewer = self._identity.viewer(request.headers.get("authorization"))
        except InvalidToken as error:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise RequestError(401, "UNAUTHENTICATED", str(error), challenge) from error
        return Caller(viewer, address_of(request), purpose)


def address_of(connection: HTTPConnection) -> str:
    """Where a request or connection comes from; nothing when that is not known."""
    client = connection.scope.get("client")
    return str(client[0]) if client else ""


def checked_purpose(text: object) -> str:
    """What somebody says that they read personal data for. Raises: RequestError."""
    if not isinstance(text, str) or not PURPOSE.fullmatch(text):
        raise bad_request(f"Expected {PURPOSE_HEADER} to be 1 to 100 visible ASCII characters.")
    return text
