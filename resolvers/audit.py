"""The trail of personal data: what an operation read of others than the viewer, never the values.

A user's view notes what is read of it (`resolvers/visibility.py`); what was noted is written down
before the answer leaves. An answer that cannot be written down does not leave.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from resolvers.errors import PurposeRequired
from resolvers.viewer import Viewer

PURPOSE_REQUIRED = "Say what personal data of others is read for, in the header x-data-purpose."


class AuditFault(Exception):
    """What was read could not be written down."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Who read which personal data of others, and what for; `fields` goes to numbers of users."""

    viewer: Viewer | None
    purpose: str | None
    users: int
    fields: Mapping[str, int]


Audit = Callable[[Reading, str, str | None], None]
"""Writes down a reading, by the operation's document and name. Raises: AuditFault."""


class Trail:
    """The personal fields that one operation read, each with the users whose they are."""

    __slots__ = ("_lacks_purpose", "_reads", "was_refused")

    def __init__(self, *, lacks_purpose: bool = False) -> None:
        self.was_refused = False
        self._lacks_purpose = lacks_purpose
        self._reads: defaultdict[str, set[str]] | None = None

    def __bool__(self) -> bool:
        return self._reads is not None

    def note(self, field: str, user_id: str) -> None:
        """Notes that a field of a user is read. Raises: PurposeRequired, before it is."""
        if self._lacks_purpose:
            self.was_refused = True
            raise PurposeRequired(PURPOSE_REQUIRED)
        if self._reads is None:
            self._reads = defaultdict(set)
        self._reads[field].add(user_id)

    def taken(self, viewer: Viewer | None, purpose: str | None) -> Reading:
        """What was noted since the last time."""
        reads: Mapping[str, set[str]] = self._reads or {}
        self._reads = None
        fields = {field: len(users) for field, users in sorted(reads.items())}
        return Reading(viewer, purpose, len(set().union(*reads.values())), fields)
