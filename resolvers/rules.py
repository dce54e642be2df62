"""Rules for what clients send: each gives the clean value or names the rule that was broken."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from resolvers.errors import HandleTakenRefusal, ValidationRefusal
from store.ids import PATTERN as ID
from store.records import Link, to_stored_precision

HANDLE_LENGTH = (3, 30)
HANDLE = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")
LOCALE = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?")
COUNTRY = re.compile(r"[A-Z]{2}")
COLOR = re.compile(r"#[0-9a-f]{6}")
KEY = re.compile(r"[\x21-\x7e]{1,128}")

RESERVED_HANDLES = frozenset(
    {
        *("about", "account", "admin", "api", "app", "contact", "help", "legal", "me"),
        *("moderator", "null", "official", "privacy", "root", "security", "settings", "staff"),
        *("support", "system", "terms", "undefined", "usergraph", "verified", "viewer", "www"),
    }
)

DISPLAY_NAME_LENGTH = 50
BIO_LENGTH = 300
PRONOUNS_LENGTH = 40
LINKS = 5
LINK_LABEL_LENGTH = 50
URL_LENGTH = 300
QUERY_LENGTH = 50
REASON_LENGTH = 300
FIRST_BIRTH_DATE = date(1900, 1, 1)
IDS = 100
PAGE_SIZE = 100
LONGEST_DECOMPOSITION = 4
"""Code points that NFC may make one of, at most: what is this much too long stays too long."""


def refuse(path: Sequence[str], rule: str, expected: str) -> ValidationRefusal:
    """The refusal of an argument: the rule's name and one sentence on what was expected."""
    return ValidationRefusal(message=f"Expected {expected}.", path=tuple(path), rule=rule)


def identifier(value: str, *path: str) -> str:
    """A well-formed identifier."""
    if not ID.fullmatch(value):
        raise refuse(path, "ID_FORMAT", "an id of 22 letters and digits")
    return value


def handle(value: str, *path: str) -> str:
    """A well-formed handle, in lower case and without a leading `@`."""
    clean = value.removeprefix("@").lower()
    shortest, longest = HANDLE_LENGTH
    if not (value.isascii() and shortest <= len(clean) <= longest and HANDLE.fullmatch(clean)):
        raise refuse(
            path,
            "HANDLE_FORMAT",
            f"{shortest} to {longest} letters a-z, digits, underscores and single dots inside",
        )
    return clean


def unreserved_handle(value: str, *path: str) -> str:
    """A well-formed handle that people may have. Raises: ValidationRefusal, HandleTakenRefusal."""
    clean = handle(value, *path)
    if clean in RESERVED_HANDLES:
        raise HandleTakenRefusal(message="The handle is reserved.", path=path)
    return clean


def line(value: str | None, longest: int, *path: str) -> str | None:
    """One line of visible text, trimmed and NFC; None when nothing is left."""
    clean = text(value, longest, *path)
    if clean is not None and "\n" in clean:
        raise refuse(path, "SINGLE_LINE", "a single line")
    return clean


def text(value: str | None, longest: int, *path: str) -> str | None:
    """Visible text, trimmed and NFC, line breaks allowed; None when nothing is left.

    Lengths count code points. Control and format characters, lone surrogates and text without
    anything to see are refused: they disguise what the text says (Unicode TR 36), or cannot be
    stored.
    """
    if value is None:
        return None
    if len(value) > longest * LONGEST_DECOMPOSITION:  # before what takes quadratic time of it
        raise _too_long(path, longest)
    if value.strip() and not any(_is_visible(character) for character in value):
        raise refuse(path, "VISIBLE", "text that can be seen")
    if any(_is_forbidden(character) for character in value):
        raise refuse(path, "PRINTABLE", "text without control or direction characters")
    clean = unicodedata.normalize("NFC", value).strip()
    if len(clean) > longest:
        raise _too_long(path, longest)
    return clean or None


def url(value: str, *path: str) -> str:
    """An absolute http or https address."""
    expected = f"an http or https address of at most {URL_LENGTH} characters"
    if len(value) > URL_LENGTH or not value.isascii() or not value.isprintable() or " " in value:
        raise refuse(path, "URL_FORMAT", expected)
    try:
        parts = urlsplit(value)
    except ValueError:
        raise refuse(path, "URL_FORMAT", expected) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise refuse(path, "URL_FORMAT", expected)
    return value


def links(values: Sequence[Mapping[str, Any]] | None, *path: str) -> tuple[Link, ...]:
    """The links of a profile, each with an `url` and a `label`."""
    at_most(values or (), LINKS, *path)
    return tuple(
        Link(
            url(value["url"], *path, str(index), "url"),
            line(value["label"], LINK_LABEL_LENGTH, *path, str(index), "label"),
        )
        for index, value in enumerate(values or ())
    )


def color(value: str | None, *path: str) -> str | None:
    """A colour as `#rrggbb`, in lower case."""
    clean = value.lower() if value is not None else None
    return _matching(clean, COLOR, path, "COLOR_FORMAT", "a colour like #1db954")


def locale(value: str | None, *path: str) -> str | None:
    """A language tag (BCP 47: language, script, region)."""
    return _matching(value, LOCALE, path, "LOCALE_FORMAT", "a language tag like en or pt-BR")


def country(value: str | None, *path: str) -> str | None:
    """A country code (ISO 3166-1 alpha-2)."""
    return _matching(value, COUNTRY, path, "COUNTRY_FORMAT", "two capital letters like SE")


def time_zone(value: str | None, *path: str) -> str | None:
    """The name of a time zone in the IANA database."""
    if value is not None and value not in _time_zones():
        raise refuse(path, "TIME_ZONE", "an IANA time zone like Europe/Stockholm")
    return value


def birth_date(value: date, today: date, *path: str) -> date:
    """The birth date of somebody who may be alive."""
    if not FIRST_BIRTH_DATE <= value <= today:
        raise refuse(path, "BIRTH_DATE", f"a date from {FIRST_BIRTH_DATE} to today")
    return value


def idempotency_key(value: str, *path: str) -> str:
    """A client's own name for a request."""
    if not KEY.fullmatch(value):
        raise refuse(path, "KEY_FORMAT", "1 to 128 visible ASCII characters")
    return value


def key(value: str, *path: str) -> str:
    """Another service's own name for something."""
    if not KEY.fullmatch(value):
        raise refuse(path, "KEY_FORMAT", "1 to 128 visible ASCII characters")
    return value


def sequence(value: int, *path: str) -> int:
    """A place in an order of events."""
    if value < 0:
        raise refuse(path, "SEQUENCE", "a number from 0 on")
    return value


def moment(value: datetime | None, *path: str) -> datetime | None:
    """A moment of these times with its offset from UTC, as it is stored."""
    if value is not None and (value.tzinfo is None or not 2000 <= value.year < 3000):
        raise refuse(path, "MOMENT", "a time of the years 2000 to 2999 with its offset from UTC")
    return None if value is None else to_stored_precision(value)


def page_size(value: int, *path: str) -> int:
    """How many edges a page may hold."""
    if not 0 <= value <= PAGE_SIZE:
        raise refuse(path, "PAGE_SIZE", f"a number from 0 to {PAGE_SIZE}")
    return value


def since_rev(value: int, current: int, *path: str) -> int:
    """A revision that a user at `current` is or was at; 0 stands for none yet."""
    if not 0 <= value <= current:
        raise refuse(path, "SINCE_REV", f"a revision from 0 to {current}, the current one")
    return value


def future(value: datetime | None, now: datetime, *path: str) -> datetime | None:
    """A moment after now, as the database keeps it."""
    try:
        moment = None if value is None else to_stored_precision(value)
    except (OverflowError, ValueError):  # the first and last hours that a datetime can hold
        moment = now
    if value is not None and (value.tzinfo is None or moment is None or moment <= now):
        raise refuse(path, "FUTURE", "a moment that is yet to come, with its offset from UTC")
    return moment


def at_most(values: Sequence[object], longest: int, *path: str) -> None:
    """Insists that a list is not too long."""
    if len(values) > longest:
        raise refuse(path, "MAX_ITEMS", f"at most {longest} items, not {len(values)}")


def _matching(
    value: str | None, pattern: re.Pattern[str], path: Sequence[str], rule: str, expected: str
) -> str | None:
    if value is not None and not pattern.fullmatch(value):
        raise refuse(path, rule, expected)
    return value


def _too_long(path: Sequence[str], longest: int) -> ValidationRefusal:
    return refuse(path, "MAX_LENGTH", f"at most {longest} characters")


def _is_forbidden(character: str) -> bool:
    if character == "\n":
        return False
    if character in "\u200c\u200d":  # joiners, which scripts and emoji need
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")


# Letters and symbols that look like nothing: fillers of Hangul, the empty Braille pattern.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in _BLANK


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones()) - {"Factory", "localtime", "posixrules"}
