"""Records: documents as the rest of the service sees them, decoded in this one place."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Document = dict[str, Any]


class Status(StrEnum):
    """Where an account is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DEACTIVATED = "DEACTIVATED"
    ERASURE_SCHEDULED = "ERASURE_SCHEDULED"
    ERASED = "ERASED"
    MERGED = "MERGED"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that a user shows on the profile."""

    url: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """One rendition of a picture; sizes in pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class FormerHandle:
    """A handle that its last owner gave up and that still resolves `until` then."""

    handle: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Revision:
    """One change of a user: the event it was, the operation that made it, and what it changed.

    `fields` are names of the record's fields.
    """

    rev: int
    kind: str
    operation: str
    at: datetime
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user as stored.

    `rev` grows by one with every change of the account or the profile, not with follower counts.
    `recent_revisions` are the newest ones, oldest first; those up to `archived_rev` are archived
    too. Neither is there when many users were read at once.
    """

    id: str
    rev: int
    status: Status
    created_at: datetime
    handle: str | None = None
    handle_changed_at: datetime | None = None
    former_handles: tuple[FormerHandle, ...] = ()
    display_name: str | None = None
    bio: str | None = None
    pronouns: str | None = None
    links: tuple[Link, ...] = ()
    avatar: tuple[Image, ...] = ()
    profile_color: str | None = None
    country: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    follower_count: int = 0
    following_count: int = 0
    archived_rev: int = 0
    recent_revisions: tuple[Revision, ...] = ()

    @property
    def joined_year(self) -> int:
        """The year the account was made, in UTC."""
        return self.created_at.year

    @property
    def recent_operations(self) -> frozenset[str]:
        """The operations behind the newest revisions."""
        return frozenset(revision.operation for revision in self.recent_revisions)


@dataclass(frozen=True, slots=True)
class HandleClaim:
    """A row of the handle registry; `user_id` is missing when the handle is reserved."""

    handle: str
    user_id: str | None
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Edge:
    """One end of a relation as seen from a list's owner; `order` sorts the newest first."""

    user_id: str
    order: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """A mutation that was begun under an idempotency key.

    `outcome` is missing until the attempt ended; `new_id` is the identifier that anything
    created by this attempt gets, whoever finishes it.
    """

    operation: str
    request_hash: str
    started_at: datetime
    new_id: str
    outcome: Document | None


def user_from_document(document: Document) -> User:
    """A `users` document as a record."""
    get = document.get
    profile = get("profile", {})
    locale = get("locale", {})
    counts = get("counts", {})
    return User(
        id=document["_id"],
        rev=document["rev"],
        status=Status(document["status"]["value"]),
        created_at=document["createdAt"],
        handle=get("handle"),
        handle_changed_at=get("handleChangedAt"),
        former_handles=tuple(
            FormerHandle(former["handle"], former["until"]) for former in get("formerHandles", ())
        ),
        display_name=profile.get("displayName"),
        bio=profile.get("bio"),
        pronouns=profile.get("pronouns"),
        links=tuple(Link(link["url"], link.get("label")) for link in profile.get("links", ())),
        avatar=tuple(
            Image(image["url"], image["width"], image["height"])
            for image in profile.get("avatar", ())
        ),
        profile_color=profile.get("color"),
        country=locale.get("country"),
        locale=locale.get("language"),
        time_zone=locale.get("timeZone"),
        follower_count=counts.get("followers", 0),
        following_count=counts.get("following", 0),
        archived_rev=get("archivedRev", 0),
        recent_revisions=tuple(revision_from_document(event) for event in get("outbox", ())),
    )


def revision_from_document(document: Document) -> Revision:
    """An event of an outbox or of the archive as a record."""
    return Revision(
        rev=document["rev"],
        kind=document["kind"],
        operation=document["op"],
        at=document["at"],
        fields=tuple(document["fields"]),
    )


def handle_claim_from_document(document: Document) -> HandleClaim:
    """A `handles` document as a record."""
    return HandleClaim(document["_id"], document.get("userId"), document["claimedAt"])


def attempt_from_document(document: Document) -> Attempt:
    """An `idempotency` document as a record."""
    return Attempt(
        operation=document["_id"],
        request_hash=document["requestHash"],
        started_at=document["startedAt"],
        new_id=document["newId"],
        outcome=document.get("outcome"),
    )


def edge_from_document(document: Document, other_end: str) -> Edge:
    """A row of a list as a record; `other_end` is the field that names the listed user."""
    return Edge(document[other_end], document["order"], document["at"])


def to_stored_precision(moment: datetime) -> datetime:
    """The moment as the database keeps it: UTC, whole milliseconds."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
