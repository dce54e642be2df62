"""A client of the subgraph in one process with it: asks over HTTP, as anybody."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from httpx import ASGITransport, AsyncClient, Response
from starlette.applications import Starlette

from resolvers.request import Policy
from server.app import create_app
from server.identity import identity_of
from server.keys import DevelopmentKey
from server.settings import Settings
from server.tokens import PERSON_SCOPES, SERVICE_TOKEN_SCOPES
from store.store import Store
from tests.listening import until

REGISTER = """mutation ($input: RegisterUserInput!) {
  registerUser(input: $input) { user { id } errors { code message path } }
}"""

SET_VISIBILITY = """mutation ($choices: [VisibilityChoice!]!) {
  setVisibility(input: {choices: $choices}) { errors { code } }
}"""

SET_BIRTH_DATE = """mutation ($birthDate: Date!) {
  setBirthDate(input: {birthDate: $birthDate}) { errors { code } }
}"""

UPDATE = """mutation ($input: UpdateProfileInput!) {
  updateProfile(input: $input) { errors { code } }
}"""


class Clock:
    """The time as the subgraph sees it; starts at the real one, because tokens do."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **duration: float) -> None:
        """Lets time pass, as `timedelta` names it."""
        self.moment += timedelta(**duration)


class HTTPClient:
    """Asks one address over HTTP; `token_of` signs for the people it asks as."""

    def __init__(self, http: AsyncClient, address: str, token_of: Callable[[str], str]) -> None:
        self.http = http
        self.address = address
        self._token_of = token_of

    async def post(self, query: str, token: str | None = None, **variables: Any) -> Response:
        """The HTTP answer to an operation."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables}
        return await self.http.post(self.address, json=body, headers=headers)

    async def ask(
        self, query: str, viewer: str | None = None, *, token: str | None = None, **variables: Any
    ) -> Any:
        """The whole answer to an operation of this person; anonymous without one."""
        if viewer is not None:
            token = self._token_of(viewer)
        return (await self.post(query, token, **variables)).json()

    async def data(
        self, query: str, viewer: str | None = None, *, token: str | None = None, **variables: Any
    ) -> Any:
        """The data of an answer that has no errors."""
        answer = await self.ask(query, viewer, token=token, **variables)
        assert "errors" not in answer, answer
        return answer["data"]


class Subgraph(HTTPClient):
    """The whole subgraph over a store, and what tests do with it again and again."""

    def __init__(self, settings: Settings, store: Store, clock: Clock) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.key = DevelopmentKey(settings.data_dir)
        self.identity = identity_of(settings)
        self.app: Starlette = create_app(settings, store, self.identity, now=clock)
        transport = ASGITransport(self.app, raise_app_exceptions=True)
        http = AsyncClient(transport=transport, base_url="http://subgraph")
        super().__init__(http, "/graphql", self.token)

    @property
    def policy(self) -> Policy:
        return self.settings.policy

    def token(
        self,
        user_id: str | None,
        scopes: Iterable[str] | None = None,
        *,
        lifetime_seconds: int = 3600,
    ) -> str:
        """A token for a person, or for a service when there is no user."""
        default = PERSON_SCOPES if user_id else SERVICE_TOKEN_SCOPES
        return self.key.token(
            issuer=self.settings.token_issuer,
            audience=self.settings.token_audience,
            user_id=user_id,
            scopes=default if scopes is None else scopes,
            lifetime_seconds=lifetime_seconds,
        )

    def service_token(self, name: str, scopes: Iterable[str]) -> str:
        """The token of a service of this name."""
        return self.key.token(
            issuer=self.settings.token_issuer,
            audience=self.settings.token_audience,
            user_id=None,
            scopes=scopes,
            lifetime_seconds=3600,
            client_id=name,
        )

    async def register(self, handle: str, **values: Any) -> str:
        """The id of a new user."""
        data = await self.data(REGISTER, token=self.token(None), input={"handle": handle, **values})
        assert data["registerUser"]["errors"] == []
        user_id: str = data["registerUser"]["user"]["id"]
        return user_id

    async def update(self, viewer: str, bio: str, **values: Any) -> None:
        """Changes the viewer's profile."""
        data = await self.data(UPDATE, viewer, input={"bio": bio, **values})
        assert data == {"updateProfile": {"errors": []}}

    async def show(self, viewer: str, **levels: str | None) -> None:
        """Makes the viewer choose who sees what, as in `BIO="FOLLOWERS"`."""
        choices = [{"field": field, "visibility": level} for field, level in levels.items()]
        data = await self.data(SET_VISIBILITY, viewer, choices=choices)
        assert data == {"setVisibility": {"errors": []}}

    async def set_birth_date(self, viewer: str, birth_date: str) -> None:
        """Sets the viewer's birth date."""
        data = await self.data(SET_BIRTH_DATE, viewer, birthDate=birth_date)
        assert data == {"setBirthDate": {"errors": []}}

    async def until_watched(self, user_id: str) -> None:
        """Waits until somebody who follows the user is told what happens."""
        await until(lambda: user_id in self.store.changes.watched)

    async def until_unwatched(self) -> None:
        """Waits until nobody follows anybody any more."""
        await until(lambda: not self.store.changes.watched)

    async def follow(self, viewer: str, *targets: str) -> None:
        """Makes the viewer follow the others, one after the other, a second apart."""
        for target in targets:
            self.clock.advance(seconds=1)
            await self._tie("follow", viewer, target)

    async def block(self, viewer: str, target: str) -> None:
        """Makes the viewer block the other."""
        await self._tie("block", viewer, target)

    async def _tie(self, mutation: str, viewer: str, target: str) -> None:
        query = (
            f"mutation ($id: ID!) {{ {mutation}(input: {{userId: $id}}) {{ errors {{ code }} }} }}"
        )
        assert await self.data(query, viewer, id=target) == {mutation: {"errors": []}}

    async def set_status(self, user_id: str, status: str) -> None:
        """Puts an account into a state that no mutation leads to yet."""
        found = await self.store.users.collection.update(
            {"_id": user_id}, {"$set": {"status.value": status}}
        )
        assert found
