"""What every resolver is given: who asks, the store, fresh loaders, the clock and the rules."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from loaders.loaders import Loaders
from resolvers.caching import CacheTags
from resolvers.errors import Forbidden, Unauthenticated
from resolvers.viewer import Viewer as Viewer
from resolvers.visibility import SeenUsers
from store.coalescing import Parts
from store.store import Store


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers behind the rules that differ between deployments."""

    handle_cooldown: timedelta = timedelta(days=30)
    handle_change_interval: timedelta = timedelta(days=7)
    max_entities: int = 1000
    operation_timeout: timedelta = timedelta(seconds=10)


@dataclass
class Request:
    """One operation of one viewer; `viewer` is missing when the request is anonymous.

    `cache_tags` is there when somebody wants to know them. `needs` are the attributes of users that
    the operation looks at (`schema.users.needed_parts`); without, whole users are read.
    """

    viewer: Viewer | None
    store: Store
    now: Callable[[], datetime]
    policy: Policy = field(default_factory=Policy)
    cache_tags: CacheTags | None = None
    needs: Parts = None
    loaders: Loaders = field(init=False)
    users: SeenUsers = field(init=False)

    def __post_init__(self) -> None:
        self.renew_loaders()

    def renew_loaders(self) -> None:
        """Forgets everything that was read, after a write or before an event."""
        self.loaders = Loaders(self.store, self.now, self.needs)
        self.users = SeenUsers(self.viewer, self.loaders, self.needs)

    def give_up(self) -> None:
        """Ends what is being read for it, because nobody waits for the answer any more."""
        self.users.close()
        self.loaders.close()

    def fresh(self) -> "Request":
        """A request of the same viewer that has read nothing yet."""
        return Request(viewer=self.viewer, store=self.store, now=self.now, policy=self.policy)

    def require_user(self, scope: str) -> str:
        """The identifier of the signed-in person. Raises: Unauthenticated, Forbidden."""
        viewer = self._require_viewer(scope)
        if viewer.user_id is None:
            raise Forbidden("A service token cannot act as a person.")
        return viewer.user_id

    def require_service(self, scope: str) -> None:
        """Insists on a service. Raises: Unauthenticated, Forbidden."""
        if not self._require_viewer(scope).is_service:
            raise Forbidden("Only a service token may do this.")

    def _require_viewer(self, scope: str) -> Viewer:
        if self.viewer is None:
            raise Unauthenticated("Sign in: send a bearer token in the Authorization header.")
        if scope not in self.viewer.scopes:
            raise Forbidden(f"The token lacks the scope {scope!r}.")
        return self.viewer
