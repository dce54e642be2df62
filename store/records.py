"""Records: documents as the rest of the service sees them, decoded in this one place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from functools import cache
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from store.tiers import Grant, Holding, Subscription, grants_from, holding_from, subscriptions_from

Document = dict[str, Any]
View = TypeVar("View", bound="User")

NOTHING: Mapping[str, Any] = MappingProxyType({})
WIDTH = itemgetter("width")


class Status(StrEnum):
    """Where an account is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DEACTIVATED = "DEACTIVATED"
    ERASURE_SCHEDULED = "ERASURE_SCHEDULED"
    ERASED = "ERASED"
    MERGED = "MERGED"


class ContactKind(StrEnum):
    """What an address is of."""

    EMAIL = "EMAIL"
    PHONE = "PHONE"


STATUSES: Mapping[str, Status] = {status.value: status for status in Status}


class Link(NamedTuple):
    """A link that a user shows on the profile."""

    url: str
    label: str | None = None


class Image(NamedTuple):
    """One rendition of a picture; sizes in pixels."""

    url: str
    width: int
    height: int


class Consent(NamedTuple):
    """What a user answered last about a purpose, and the ledger's entry of it.

    `state` is GRANTED, DENIED or WITHDRAWN; `version` is that of the policy it was said to.
    """

    purpose: str
    state: str
    version: str
    at: datetime
    receipt: str
    hash: str


class FormerHandle(NamedTuple):
    """A handle that its last owner gave up and that still resolves `until` then."""

    handle: str
    until: datetime


class Author(NamedTuple):
    """Who makes a change: a person by id, or a service; and the client that it came through."""

    user_id: str | None
    client_id: str


class Contact(NamedTuple):
    """An address of a user, sealed with the user's data key.

    `claim` names the row of the registry that leads here; only a verified one has it. `pending` is
    the address that takes its place once it is verified.
    """

    id: str
    kind: str
    sealed: bytes
    added_at: datetime
    verified_at: datetime | None = None
    primary: bool | None = None
    claim: str | None = None
    pending: bytes | None = None


class Absorption(NamedTuple):
    """The account that is being merged into a user, since when, and how long its handle leads on.

    It stays with the user until the merge is carried through (`store.merges`).
    """

    user_id: str
    at: datetime
    handle_until: datetime


class Age(NamedTuple):
    """The band that a user was in when this was written, and when the next ones begin.

    Moments that were over by then are missing.
    """

    band: str
    teen: datetime | None = None
    adult: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """One change of a user: the event it was, the operation that made it, and what it changed.

    `fields` are names of the record's fields; `diff` has their values, sealed (`store/diffs.py`).
    """

    rev: int
    kind: str
    operation: str
    at: datetime
    fields: tuple[str, ...]
    author: Author | None = None
    diff: bytes | None = None


class Avatar:
    """The renditions of a picture, at least one."""

    __slots__ = ("_images",)

    def __init__(self, images: Sequence[Document]) -> None:
        self._images = images

    def at_least(self, width: int) -> Image:
        """The smallest rendition that is so wide, else the widest."""
        enough = [image for image in self._images if image["width"] >= width]
        best = min(enough, key=WIDTH) if enough else max(self._images, key=WIDTH)
        return Image(best["url"], best["width"], best["height"])


class Stored(property):
    """An attribute that is read from the record's document when it is asked for."""

    path: str


def stored(path: str, decode: Callable[[Any], Any] | None = None, default: Any = None) -> Any:
    """The attribute at this path of the document, of one or two steps; nobody sets it."""
    step, _, name = path.partition(".")
    if not name:

        def found(record: "User") -> Any:
            return record._document.get(step, default)
    else:

        def found(record: "User") -> Any:
            return record._document.get(step, NOTHING).get(name, default)

    attribute = Stored(found if decode is None else lambda record: decode(found(record)))
    attribute.path = path
    return attribute


def held() -> Any:
    """The attribute that gives the user's holding, which is read from several parts."""
    attribute = Stored(lambda record: holding_from(record._document))
    attribute.path = "tier"
    return attribute


class User:
    """A user as stored: its document, read attribute by attribute, which nobody changes.

    `rev` grows by one with every change of the account or the profile, not with follower counts.
    `recent_revisions` are the newest ones, oldest first; those up to `archived_rev` are archived
    too. Neither is there when many users were read at once.
    """

    __slots__ = ("_document",)

    def __init__(self, document: Document) -> None:
        self._document = document

    def __eq__(self, other: object) -> bool:
        return isinstance(other, User) and self._document == other._document

    def __hash__(self) -> int:
        return hash((self.id, self.rev))

    def __repr__(self) -> str:
        return f"<User {self.id} at {self.rev}>"

    id: str = stored("_id")
    rev: int = stored("rev")
    status: Status = stored("status.value", STATUSES.__getitem__)
    status_changed_at: datetime = stored("status.at")
    status_reason: str | None = stored("status.reason")
    status_before: Status | None = stored("status.before", STATUSES.get)
    suspended_until: datetime | None = stored("status.until")
    erase_at: datetime | None = stored("status.eraseAt")
    merged_into: str | None = stored("mergedInto")
    absorption: Absorption | None = stored("absorbs", lambda absorbs: _absorption(absorbs))
    created_at: datetime = stored("createdAt")
    joined_year: int = stored("createdAt", attrgetter("year"))
    handle: str | None = stored("handle")
    handle_changed_at: datetime | None = stored("handleChangedAt")
    former_handles: tuple[FormerHandle, ...] = stored(
        "formerHandles", lambda formers: _former_handles(formers), ()
    )
    display_name: str | None = stored("profile.displayName")
    bio: str | None = stored("profile.bio")
    pronouns: str | None = stored("profile.pronouns")
    links: tuple[Link, ...] = stored("profile.links", lambda links: _links(links), ())
    avatar: Avatar | None = stored("profile.avatar", lambda images: images and Avatar(images))
    profile_color: str | None = stored("profile.color")
    visibility: Mapping[str, str] = stored("privacy.visibility", default=NOTHING)
    age_band: Age | None = stored("privacy.age", lambda age: age and _age(age))
    is_narrowed: bool = stored("privacy", bool)
    birth_date: bytes | None = stored("sealed.birthDate")
    country: str | None = stored("locale.country")
    locale: str | None = stored("locale.language")
    time_zone: str | None = stored("locale.timeZone")
    consents: tuple[Consent, ...] = stored(
        "consents.answers", lambda answers: tuple([Consent(**answer) for answer in answers]), ()
    )
    consent_head: Mapping[str, Any] | None = stored("consents.head")
    consent_due: Document | None = stored("consents.due")
    contacts: tuple[Contact, ...] = stored("contacts", lambda contacts: _contacts(contacts), ())
    follower_count: int = stored("counts.followers", default=0)
    following_count: int = stored("counts.following", default=0)
    tier: Holding = held()
    entitlements: Holding = held()
    subscriptions: tuple[Subscription, ...] = stored("tier.subscriptions", subscriptions_from, ())
    seat: str | None = stored("tier.seat")
    grants: tuple[Grant, ...] = stored("tier.grants", grants_from, ())
    archived_rev: int = stored("archivedRev", default=0)
    recent_revisions: tuple[Revision, ...] = stored(
        "outbox", lambda events: tuple(map(revision_from_document, events)), ()
    )
    recent_operations: frozenset[str] = stored(
        "outbox", lambda events: frozenset(event["op"] for event in events), ()
    )

    def seen_as(
        self,
        views: Mapping[str, Callable[[Document], View]],
        narrowed: Callable[["User"], View],
    ) -> View:
        """The user as the view for its status shows it; views go by the status's value.

        Of one whose choices or age may take away from that `narrowed` gives what is seen.
        """
        document = self._document
        if document.get("privacy"):
            return narrowed(self)
        return views[document["status"]["value"]](document)

    def as_of(self, now: datetime) -> "User":
        """The user at this moment: who was suspended until then is active again."""
        if not is_over(self._document["status"], now):
            return self
        return User(
            {**self._document, "status": {"value": Status.ACTIVE.value, "at": self.suspended_until}}
        )

    def seen_at(self, at: datetime) -> "User":
        """The same user, who is to be seen as of that moment and not as of now."""
        return User({**self._document, "seenAt": at})

    def moment(self, now: datetime) -> datetime:
        """As of when the user is to be seen: now, unless somebody looks back."""
        at: datetime = self._document.get("seenAt", now)
        return at

    def changed(self, rev: int, values: Mapping[str, Any]) -> "User":
        """The user at a later revision, which differs by these values of its attributes.

        Like a user that was read with others, it has no recent revisions.
        """
        document = {**self._document, "rev": rev}
        document.pop("outbox", None)
        document.pop("archivedRev", None)
        return User(_with_values(document, values))

    def at(self, path: str) -> Any:
        """The stored value at a path of the document, of one or two steps; None without one."""
        step, _, name = path.partition(".")
        value = self._document.get(step)
        return value.get(name) if name and value is not None else value

    def with_stored(self, rev: int, values: Mapping[str, Any]) -> "User":
        """The user at another revision, with these stored values by path; None takes one away."""
        return User(_with_stored({**self._document, "rev": rev}, values))

    def without_handle(self) -> "User":
        """The same user, as if it had no handle."""
        return User({name: value for name, value in self._document.items() if name != "handle"})

    def stored(self) -> Document:
        """A copy of the document, to be written."""
        return dict(self._document)


STANDING = ("status", "status_changed_at", "suspended_until", "status_reason")
"""The attributes that change when a suspension is over."""

PATHS: Mapping[str, str] = {
    name: attribute.path for name, attribute in vars(User).items() if isinstance(attribute, Stored)
}
"""Where a record's attribute lives in the document."""


NAMES: Mapping[str, str] = {path: name for name, path in PATHS.items() if name != "joined_year"}
"""The attribute at each path."""

SEALED = frozenset(name for name, path in PATHS.items() if path.startswith("sealed."))
"""The attributes that are stored as ciphertext; the record has just that."""


def new_user(
    *,
    id: str,
    rev: int,
    status: Status,
    created_at: datetime,
    follower_count: int = 0,
    following_count: int = 0,
    **values: Any,
) -> User:
    """A user that is not stored yet; `values` goes from an attribute's name to its value."""
    document: Document = {
        "_id": id,
        "rev": rev,
        "status": {"value": status.value, "at": created_at},
        "createdAt": created_at,
        "profile": {},
        "locale": {},
        "counts": {"followers": follower_count, "following": following_count},
    }
    return User(_with_values(document, values))


def to_stored(value: Any) -> Any:
    """An attribute's value as stored: its parts become sub-documents without what is missing."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Absorption | Age):
        return _without_missing(value)
    if isinstance(value, tuple):
        return list(map(_without_missing, value))
    return value


class HandleClaim(NamedTuple):
    """A row of the handle registry; `user_id` is missing when the handle is reserved."""

    handle: str
    user_id: str | None
    claimed_at: datetime


class ContactClaim(NamedTuple):
    """A row of the registry of contacts; `claim` names it in the user's document too."""

    digest: str
    user_id: str
    claim: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Verification:
    """A code that was sent, as its digest; `used_by` is the operation that it was good for."""

    code: str
    tries: int
    used_by: str | None


class Edge(NamedTuple):
    """One end of a relation as seen from a list's owner; `order` sorts the newest first."""

    user_id: str
    order: str
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredPreferences:
    """What a user set in a namespace, by the schema of that version; defaults are left out.

    `operations` are the newest that wrote it.
    """

    values: Mapping[str, Any]
    schema_version: int
    rev: int
    operations: frozenset[str]


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


def revision_from_document(document: Document) -> Revision:
    """An event of an outbox or of the archive as a record."""
    return Revision(
        rev=document["rev"],
        kind=document["kind"],
        operation=document["op"],
        at=document["at"],
        fields=tuple(document["fields"]),
        author=Author(*document["by"]) if "by" in document else None,
        diff=document.get("diff"),
    )


def handle_claim_from_document(document: Document) -> HandleClaim:
    """A `handles` document as a record."""
    return HandleClaim(document["_id"], document.get("userId"), document["claimedAt"])


def contact_claim_from_document(document: Document) -> ContactClaim:
    """A `contact_index` document as a record."""
    return ContactClaim(
        document["_id"], document["userId"], document["claim"], document["claimedAt"]
    )


def verification_from_document(document: Document) -> Verification:
    """A `verifications` document of an address as a record."""
    return Verification(document["code"], document["tries"], document.get("usedBy"))


def attempt_from_document(document: Document) -> Attempt:
    """An `idempotency` document as a record."""
    return Attempt(
        operation=document["_id"],
        request_hash=document["requestHash"],
        started_at=document["startedAt"],
        new_id=document["newId"],
        outcome=document.get("outcome"),
    )


def preferences_from_document(document: Document) -> StoredPreferences:
    """A `preferences` document as a record."""
    return StoredPreferences(
        values=document["values"],
        schema_version=document["schemaVersion"],
        rev=document["rev"],
        operations=frozenset(document["operations"]),
    )


def edge_from_document(document: Document, other_end: str) -> Edge:
    """A row of a list as a record; `other_end` is the field that names the listed user."""
    return Edge(document[other_end], document["order"], document["at"])


def is_over(status: Mapping[str, Any], now: datetime) -> bool:
    """Whether a stored status is a suspension that ended by then."""
    until: datetime | None = status.get("until")
    return status["value"] == Status.SUSPENDED.value and until is not None and until <= now


def to_stored_precision(moment: datetime) -> datetime:
    """The moment as the database keeps it: UTC, whole milliseconds."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _without_missing(part: Any) -> Document:
    return {_camel(name): value for name, value in part._asdict().items() if value is not None}


def _absorption(absorbs: Document | None) -> Absorption | None:
    return absorbs and Absorption(absorbs["userId"], absorbs["at"], absorbs["handleUntil"])  # type: ignore[return-value]


def _age(age: Document) -> Age:
    return Age(age["band"], age.get("teen"), age.get("adult"))


def _links(links: Sequence[Document]) -> tuple[Link, ...]:
    return tuple([Link(link["url"], link.get("label")) for link in links])


def _former_handles(formers: Sequence[Document]) -> tuple[FormerHandle, ...]:
    return tuple([FormerHandle(former["handle"], former["until"]) for former in formers])


def _contacts(contacts: Sequence[Document]) -> tuple[Contact, ...]:
    return tuple(
        [
            Contact(
                contact["id"],
                contact["kind"],
                bytes(contact["sealed"]),
                contact["addedAt"],
                contact.get("verifiedAt"),
                contact.get("primary"),
                contact.get("claim"),
                contact.get("pending"),
            )
            for contact in contacts
        ]
    )


@cache
def _camel(name: str) -> str:
    """An attribute's name as documents have it."""
    head, *others = name.split("_")
    return head + "".join(map(str.capitalize, others))


def _with_values(document: Document, values: Mapping[str, Any]) -> Document:
    """The document with these values of attributes; what is empty is left out."""
    return _with_stored(document, {PATHS[name]: to_stored(value) for name, value in values.items()})


def _with_stored(document: Document, values: Mapping[str, Any]) -> Document:
    changed = dict(document)
    for path, value in values.items():
        step, _, last = path.partition(".")
        if last:  # the part may belong to another record
            part = changed[step] = dict(changed.get(step, NOTHING))
        else:
            part, last = changed, step
        part.pop(last, None)
        if value:
            part[last] = value
    return changed
