"""What every resolver is given: who asks, the store, fresh loaders, the clock and the rules."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from loaders.loaders import Loaders
from resolvers.audit import Audit, Trail
from resolvers.authorization import AUTHORIZATION, SERVICES, STAFF, Authorization, kind_of
from resolvers.caching import CacheTags
from resolvers.catalogue import Catalogue, default_catalogue
from resolvers.errors import Forbidden, Unauthenticated
from resolvers.namespaces import Namespaces, shipped_namespaces
from resolvers.proofs import NO_PROOFS, Proofs
from resolvers.purposes import Purposes, shipped_purposes
from resolvers.senders import Sender
from resolvers.viewer import Viewer as Viewer
from resolvers.visibility import SeenUsers
from store.coalescing import Parts
from store.digests import DigestKeys
from store.store import Store


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers and registries behind the rules that differ between deployments."""

    handle_cooldown: timedelta = timedelta(days=30)
    handle_change_interval: timedelta = timedelta(days=7)
    erasure_delay: timedelta = timedelta(days=14)
    max_entities: int = 1000
    operation_timeout: timedelta = timedelta(seconds=10)
    purpose_required: bool = False
    purposes: Purposes = field(default_factory=shipped_purposes)
    namespaces: Namespaces = field(default_factory=shipped_namespaces)
    catalogue: Catalogue = field(default_factory=default_catalogue)


@dataclass
class Request:
    """One operation of one viewer; `viewer` is missing when the request is anonymous.

    `cache_tags` is there when somebody wants to know them. `needs` are the attributes of users that
    the operation looks at (`schema.users.needs_of`); without, whole users are read. `purpose`
    is what personal data of others is read for; `audit` writes down that it was.
    Contacts need `digest_keys`, and a `sender` for the codes that verify them; erasures `proofs`.
    """

    viewer: Viewer | None
    store: Store
    now: Callable[[], datetime]
    policy: Policy = field(default_factory=Policy)
    cache_tags: CacheTags | None = None
    needs: Parts = None
    purpose: str | None = None
    audit: Audit | None = None
    authorization: Authorization = AUTHORIZATION
    digest_keys: DigestKeys | None = None
    sender: Sender | None = None
    proofs: Proofs = NO_PROOFS
    trail: Trail = field(init=False)
    loaders: Loaders = field(init=False)
    users: SeenUsers = field(init=False)

    def __post_init__(self) -> None:
        lacks_purpose = self.policy.purpose_required and self.purpose is None
        self.trail = Trail(lacks_purpose=lacks_purpose)
        self.renew_loaders()

    def renew_loaders(self) -> None:
        """Forgets everything that was read, after a write or before an event."""
        self.loaders = Loaders(self.store, self.now, self.needs)
        self.users = SeenUsers(
            self.viewer, self.loaders, self.trail, self.now, self.needs, self.authorization
        )

    def give_up(self) -> None:
        """Ends what is being read for it, because nobody waits for the answer any more."""
        self.users.close()
        self.loaders.close()

    def fresh(self) -> "Request":
        """A request of the same viewer that has read nothing yet."""
        return replace(self, cache_tags=None, needs=None)

    def require_user(self, field: str) -> str:
        """The identifier of the signed-in person, who may ask for the root field.

        Raises: Unauthenticated, Forbidden.
        """
        viewer = self._require(field)
        assert viewer.user_id is not None, field
        return viewer.user_id

    def require_service(self, field: str) -> None:
        """Insists on a service that may ask for the root field. Raises: as before."""
        assert self._require(field).is_service, field

    def write_down(self, document: str, operation_name: str | None) -> None:
        """Writes down what was read of others since the last time. Raises: AuditFault."""
        if self.trail and self.audit:
            self.audit(self.trail.taken(self.viewer, self.purpose), document, operation_name)

    def _require(self, field: str) -> Viewer:
        """The viewer, whom the table permits to ask for the root field."""
        if self.viewer is None:
            raise Unauthenticated("Sign in: send a bearer token in the Authorization header.")
        kind, rule = kind_of(self.viewer), self.authorization.rules[field]
        if kind not in rule.kinds:
            who = {SERVICES: "services", STAFF: "staff"}.get(rule.kinds, "people")
            raise Forbidden(f"Only {who} may do this.")
        if not self.authorization.allows(field, kind, self.viewer.scopes):
            raise Forbidden(f"The token lacks the scope {rule.scopes[kind]!r}.")
        return self.viewer
