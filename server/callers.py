"""Callers: who sends a request and what for, found out before anything is read of what it asks."""

import re
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import HTTPConnection

from resolvers.viewer import Viewer
from server.claims import InvalidToken
from server.errors import RequestError, bad_request
from server.identity import Identity, KeysUnavailable
from server.router import Router, agreed

PURPOSE_HEADER = "x-data-purpose"
PURPOSE = re.compile(r"[\x21-\x7e]{1,100}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request; `viewer` is missing when nobody is signed in.

    `purpose` is what they read personal data of others for, if they say so. With `is_router` the
    router sends it, for the viewer or for itself.
    """

    viewer: Viewer | None
    address: str = ""
    """Where the request comes from; often that of a router or balancer."""
    purpose: str | None = None
    is_router: bool = False

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
    """Tells who sends a request; without a router nobody is one."""

    def __init__(self, identity: Identity, router: Router | None = None) -> None:
        self._identity = identity
        self._router = router

    async def of(self, request: HTTPConnection) -> Caller:
        """Who sends it. Raises: RequestError, when its token does not say so, or the purpose."""
        purposes = request.headers.getlist(PURPOSE_HEADER)
        purpose = checked_purpose(", ".join(purposes)) if purposes else None
        values = request.headers.getlist("authorization")
        if len(values) > 1:
            raise bad_request("Expected the header authorization once.")
        return await self.with_token(request, values[0] if values else None, purpose)

    async def with_token(
        self, request: HTTPConnection, authorization: str | None, purpose: str | None
    ) -> Caller:
        """The same, when these two are not in the headers of the request. Raises: RequestError."""
        address = address_of(request)
        try:
            viewer = await self._identity.viewer(authorization)
            if self._router is None:
                return Caller(viewer, address, purpose)
            is_router = await self._router.sends(request)
            forwarded = self._router.viewer(request, is_router)
        except InvalidToken as error:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise RequestError(401, "UNAUTHENTICATED", str(error), challenge) from error
        except KeysUnavailable:
            message = "Tokens cannot be verified at the moment."
            raise RequestError(503, "UNAVAILABLE", message, {"Retry-After": "5"}) from None
        return Caller(agreed(viewer, forwarded), address, purpose, is_router)


def address_of(connection: HTTPConnection) -> str:
    """Where a request or connection comes from; nothing when that is not known."""
    client = connection.scope.get("client")
    return str(client[0]) if client else ""


def checked_purpose(text: object) -> str:
    """What somebody says that they read personal data for. Raises: RequestError."""
    if not isinstance(text, str) or not PURPOSE.fullmatch(text):
        raise bad_request(f"Expected {PURPOSE_HEADER} to be 1 to 100 visible ASCII characters.")
    return text
