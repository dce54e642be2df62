"""Callers: who sends a request, found out before anything is read of what it asks."""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from resolvers.viewer import Viewer
from server.errors import RequestError
from server.identity import Identity, InvalidToken


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request; `viewer` is missing when nobody is signed in."""

    viewer: Viewer | None

    @property
    def expires_at(self) -> datetime | None:
        """When the viewer's token expires."""
        return self.viewer.expires_at if self.viewer else None


class Callers:
    """Tells who sends a request."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def of(self, request: Request) -> Caller:
        """Who sends it. Raises: RequestError, when its token does not say so."""
        try:
            return Caller(self._identity.viewer(request.headers.get("authorization")))
        except InvalidToken as error:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise RequestError(401, "UNAUTHENTICATED", str(error), challenge) from error
