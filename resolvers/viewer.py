"""The viewer: who asks."""

from dataclasses import dataclass
from datetime import datetime

STAFF_SCOPE = "users:staff"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, from a verified token.

    A person has `user_id`. A service (another subgraph, a job) has none: its token is its own.
    """

    client_id: str
    user_id: str | None
    scopes: frozenset[str]
    expires_at: datetime

    @property
    def is_service(self) -> bool:
        """Whether a service asks in its own name."""
        return self.user_id is None

    @property
    def is_staff(self) -> bool:
        """Whether a person with the staff scope asks."""
        return self.user_id is not None and STAFF_SCOPE in self.scopes
