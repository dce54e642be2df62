"""Fields: everything that is kept of a user, each declared once, and what follows from that.

From a declaration come the rule that cleans a value, who may write it, what the table of
authorization says of reading it, whether it is sealed, what a history and a dry run tell of it, how
it is masked, what an archive of a user's data holds, and its row in docs/personal-data.md.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from resolvers import rules
from resolvers.choices import Choice
from resolvers.contact_values import HIDDEN
from resolvers.contact_values import masked as masked_address


class PersonalData(StrEnum):
    """What a value tells of a person."""

    NONE = "NONE"
    PSEUDONYMOUS = "PSEUDONYMOUS"
    IDENTITY = "IDENTITY"
    CONTACT = "CONTACT"
    SENSITIVE = "SENSITIVE"
    CHILD = "CHILD"
    FINANCIAL = "FINANCIAL"


class Audience(StrEnum):
    """Who sees it where the user chose nothing; staff see what the owner sees but for one kind."""

    EVERYBODY = "everybody"
    SERVICES = "owner, services"
    OWNER = "owner"
    OWNER_ALONE = "owner alone"


class Writer(StrEnum):
    """Who may write it; a manager is that of the household that the user is in."""

    OWNER = "owner"
    STAFF = "staff"
    SERVICE = "service"
    MANAGER = "manager"


class Sealing(StrEnum):
    """What of it is ciphertext at rest: nothing, parts of it, or all."""

    NONE = ""
    PARTS = "in parts"
    WHOLE = "yes"


class Erasure(StrEnum):
    """What becomes of it when the user is erased."""

    GOES = "goes"
    STAYS = "stays in the tombstone"
    UNREADABLE = "goes, and its key is destroyed"
    LEDGER = "goes; the ledger keeps entries without a name"


Clean = Callable[..., Any]
"""Gives the clean value of a value and the path of its argument. Raises: Refusal."""


class Field(NamedTuple):
    """Something that is kept of a user: an attribute of the record, unless `kept_in` says where.

    `shown_as` is the attribute as which clients see it, where that is another one.
    """

    personal: PersonalData
    audience: Audience
    writers: frozenset[Writer] = frozenset()
    clean: Clean | None = None
    choice: Choice | None = None
    sealing: Sealing = Sealing.NONE
    is_exported: bool = True
    erasure: Erasure = Erasure.GOES
    mask: Callable[[Any], str] | None = None
    shown_as: str | None = None
    kept_in: str = "users"
    kept_for: str = ""

    @property
    def is_audited(self) -> bool:
        """Whether it is written down when others than the owner read it."""
        others = (Audience.SERVICES, Audience.OWNER)
        return self.personal is not PersonalData.NONE and self.audience in others


def exported_fields() -> Mapping[str, Field]:
    """What an archive of a user's data must hold, by name."""
    return {name: field for name, field in FIELDS.items() if field.is_exported}


def cleaning(writer: Writer) -> Mapping[str, Callable[[Any], Any]]:
    """The rule for each value that such a writer may send as it is."""
    return CLEANING[writer]


def check_writers(names: Iterable[str], writers: frozenset[Writer]) -> None:
    """Insists that one of the writers may write each of these attributes of a user.

    Raises: PermissionError, because what clients may do was decided before.
    """
    for name in names:
        if name not in BOOKKEEPING and writers.isdisjoint(FIELDS[name].writers):
            raise PermissionError(f"{name} is not to be written by {', '.join(sorted(writers))}")


def is_told(name: str) -> bool:
    """Whether histories and dry runs tell of the attribute."""
    return name in FIELDS


def is_sealed(name: str) -> bool:
    """Whether the attribute is stored as ciphertext, and nothing else."""
    return name in SEALED


def masked(name: str, value: Any) -> Any:
    """What those are shown who may know that there is such a value, but not what it is."""
    field = FIELDS[name]
    if value is None or field.personal is PersonalData.NONE:
        return value
    return HIDDEN if field.mask is None else field.mask(value)


def shown_as(name: str) -> str:
    """The attribute as which clients see what is kept as this one."""
    return (FIELDS[name].shown_as if name in FIELDS else None) or name


def coordinate(name: str) -> str:
    """The field of the schema that shows it, as in `User.bio`."""
    field = FIELDS[name]
    return f"{TYPES.get(field.audience, 'User')}.{_camel(shown_as(name))}"


def _camel(name: str) -> str:
    head, *others = name.split("_")
    return head + "".join(map(str.capitalize, others))


def _cleaned(clean: Clean, path: str, value: Any) -> Any:
    return clean(value, path)


def _line(longest: int) -> Clean:
    return lambda value, *path: rules.line(value, longest, *path)


def _text(longest: int) -> Clean:
    return lambda value, *path: rules.text(value, longest, *path)


def _address(address: tuple[str, str]) -> str:
    """Enough of an address, which comes with its kind, to recognise one's own."""
    return masked_address(*address)


TYPES = {Audience.OWNER: "UserPrivate", Audience.OWNER_ALONE: "Viewer"}
"""The types whose fields show what not everybody sees."""

BY_OWNER = frozenset({Writer.OWNER})
BY_SERVICE = frozenset({Writer.SERVICE})
BY_STAFF = frozenset({Writer.STAFF})

_seen_by_all = partial(Field, audience=Audience.EVERYBODY)
_seen_by_services = partial(Field, audience=Audience.SERVICES)
_of_viewer = partial(Field, audience=Audience.OWNER_ALONE)
_private = partial(Field, audience=Audience.OWNER)

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        "id": _seen_by_all(PersonalData.PSEUDONYMOUS, erasure=Erasure.STAYS),
        "status": _seen_by_all(
            PersonalData.PSEUDONYMOUS,
            writers=BY_OWNER | BY_STAFF | BY_SERVICE,
            erasure=Erasure.STAYS,
        ),
        "status_changed_at": _private(
            PersonalData.PSEUDONYMOUS,
            writers=BY_OWNER | BY_STAFF | BY_SERVICE,
            erasure=Erasure.STAYS,
        ),
        "status_reason": _private(PersonalData.PSEUDONYMOUS, writers=BY_OWNER | BY_STAFF),
        "status_before": _private(PersonalData.PSEUDONYMOUS, writers=BY_OWNER | BY_STAFF),
        "suspended_until": _private(PersonalData.PSEUDONYMOUS, writers=BY_OWNER | BY_STAFF),
        "erase_at": _private(PersonalData.PSEUDONYMOUS, writers=BY_OWNER | BY_STAFF),
        "merged_into": _seen_by_all(PersonalData.PSEUDONYMOUS, writers=BY_STAFF),
        "created_at": _private(PersonalData.PSEUDONYMOUS),
        "joined_year": _seen_by_all(
            PersonalData.PSEUDONYMOUS, choice=Choice.JOINED_YEAR, is_exported=False
        ),
        "handle": _seen_by_all(
            PersonalData.IDENTITY, writers=BY_OWNER | BY_SERVICE, clean=rules.unreserved_handle
        ),
        "handle_changed_at": _private(PersonalData.PSEUDONYMOUS, writers=BY_OWNER),
        "former_handles": _private(
            PersonalData.IDENTITY, writers=BY_OWNER, kept_for="until others may have them"
        ),
        "display_name": _seen_by_all(
            PersonalData.IDENTITY,
            writers=BY_OWNER | BY_SERVICE,
            clean=_line(rules.DISPLAY_NAME_LENGTH),
            choice=Choice.DISPLAY_NAME,
        ),
        "avatar": _seen_by_all(PersonalData.IDENTITY, choice=Choice.AVATAR),
        "bio": _seen_by_all(
            PersonalData.IDENTITY,
            writers=BY_OWNER,
            clean=_text(rules.BIO_LENGTH),
            choice=Choice.BIO,
        ),
        "pronouns": _seen_by_all(
            PersonalData.IDENTITY,
            writers=BY_OWNER,
            clean=_line(rules.PRONOUNS_LENGTH),
            choice=Choice.PRONOUNS,
        ),
        "links": _seen_by_all(
            PersonalData.IDENTITY, writers=BY_OWNER, clean=rules.links, choice=Choice.LINKS
        ),
        "profile_color": _seen_by_all(
            PersonalData.NONE, writers=BY_OWNER, clean=rules.color, choice=Choice.PROFILE_COLOR
        ),
        "follower_count": _seen_by_all(PersonalData.PSEUDONYMOUS, choice=Choice.FOLLOWS),
        "following_count": _seen_by_all(PersonalData.PSEUDONYMOUS, choice=Choice.FOLLOWS),
        "followers": _seen_by_all(
            PersonalData.PSEUDONYMOUS, choice=Choice.FOLLOWS, kept_in="followers"
        ),
        "following": _seen_by_all(
            PersonalData.PSEUDONYMOUS,
            writers=BY_OWNER,
            choice=Choice.FOLLOWS,
            kept_in="follows",
        ),
        "blocked_users": _of_viewer(PersonalData.PSEUDONYMOUS, writers=BY_OWNER, kept_in="blocks"),
        "preferences": _of_viewer(
            PersonalData.PSEUDONYMOUS, writers=BY_OWNER, kept_in="preferences"
        ),
        "country": _seen_by_services(
            PersonalData.PSEUDONYMOUS, writers=BY_SERVICE, clean=rules.country
        ),
        "locale": _private(
            PersonalData.PSEUDONYMOUS, writers=BY_OWNER | BY_SERVICE, clean=rules.locale
        ),
        "time_zone": _private(
            PersonalData.PSEUDONYMOUS, writers=BY_OWNER | BY_SERVICE, clean=rules.time_zone
        ),
        "visibility": _private(PersonalData.PSEUDONYMOUS, writers=BY_OWNER),
        "birth_date": _private(
            PersonalData.SENSITIVE,
            writers=BY_OWNER | BY_STAFF,
            sealing=Sealing.WHOLE,
            erasure=Erasure.UNREADABLE,
        ),
        "age_band": _seen_by_services(
            PersonalData.CHILD,
            writers=BY_OWNER | BY_STAFF,
            kept_for="birthdays until they are over",
        ),
        "contacts": _seen_by_services(
            PersonalData.CONTACT,
            writers=BY_OWNER,
            sealing=Sealing.PARTS,
            erasure=Erasure.UNREADABLE,
            mask=_address,
        ),
        "consents": _seen_by_services(
            PersonalData.PSEUDONYMOUS, writers=BY_OWNER | BY_SERVICE, erasure=Erasure.LEDGER
        ),
        "tier": _seen_by_services(PersonalData.FINANCIAL, is_exported=False),
        "subscriptions": _seen_by_services(
            PersonalData.FINANCIAL,
            writers=BY_SERVICE,
            shown_as="tier",
            kept_for="the newest eight",
        ),
        "seat": _seen_by_services(
            PersonalData.PSEUDONYMOUS,
            writers=BY_OWNER | BY_STAFF | {Writer.MANAGER},
            shown_as="tier",
        ),
        "entitlements": _seen_by_services(PersonalData.FINANCIAL, is_exported=False),
        "grants": _seen_by_services(
            PersonalData.FINANCIAL, writers=BY_SERVICE, shown_as="entitlements"
        ),
        "history": _private(
            PersonalData.SENSITIVE,
            sealing=Sealing.PARTS,
            erasure=Erasure.UNREADABLE,
            kept_in="revisions",
            kept_for="a year and a month",
        ),
    }
)
"""The table that holds."""

BOOKKEEPING: Mapping[str, str] = MappingProxyType(
    {
        "rev": "counts changes",
        "absorption": "how a merge is carried out",
        "is_narrowed": "whether something else is there",
        "consent_head": "where the ledger goes on",
        "consent_due": "how an answer gets into the ledger",
        "archived_rev": "up to where the history lies in the archive",
        "recent_revisions": "the end of the history that is not in the archive yet",
        "recent_operations": "the same, for who asks whether they came before",
    }
)
"""The attributes of the record that hold nothing of a person besides, and what they are for."""

SHOWN: Mapping[str, Field] = {
    coordinate(name): field for name, field in FIELDS.items() if field.shown_as is None
}
"""The declaration behind each field of the schema that shows one."""

PRIVATE = frozenset(
    name
    for name, field in FIELDS.items()
    if field.audience is Audience.OWNER and field.kept_in == "users"
)
"""The attributes of the record that the private part shows."""

SEALED = frozenset(name for name, field in FIELDS.items() if field.sealing is Sealing.WHOLE)

CLEANING: Mapping[Writer, Mapping[str, Callable[[Any], Any]]] = {
    writer: {
        name: partial(_cleaned, field.clean, _camel(name))
        for name, field in FIELDS.items()
        if field.clean is not None and writer in field.writers
    }
    for writer in Writer
}
