"""E-mail addresses and phone numbers: the one form of each, to send to and to compare.

Source: RFC 5321 section 4.5.3.1 (lengths), RFC 6531 (letters of other scripts), UTS 46 (domains);
ITU-T E.164.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, Self

import idna

from resolvers.rules import refuse
from store.contacts import folded
from store.records import ContactKind

LOCAL_BYTES = 64
ADDRESS_BYTES = 254
LONGEST = 4 * ADDRESS_BYTES
"""Characters, before anything is done with them."""

SPECIAL = frozenset('()<>[]:;@\\,"')
PUNCTUATION = re.compile(r"[\s\-./()\u2010-\u2015\u00a0]")
E164 = re.compile(r"\+[1-9][0-9]{7,14}")

HIDDEN = "\u2022\u2022\u2022"


class Address(NamedTuple):
    """An address of one kind: as it is written to, and folded, as it is compared."""

    kind: ContactKind
    value: str
    folded: str

    @classmethod
    def of(cls, kind: ContactKind, value: str) -> Self:
        """The address that was written in its one form before."""
        return cls(kind, value, folded(kind, value))


def address(kind: ContactKind, text: str, *path: str) -> Address:
    """The address that a text says. Raises: ValidationRefusal, which does not repeat it."""
    if kind is ContactKind.PHONE:
        return Address.of(kind, _phone(text, path))
    return Address.of(kind, _email(text, path))


def masked(kind: str, value: str) -> str:
    """Enough of an address to recognise one's own, as in `a•••@example.com`."""
    if kind == ContactKind.PHONE:
        return f"{value[:3]}{HIDDEN}{value[-2:]}"
    local, _, domain = value.rpartition("@")
    return f"{local[0]}{HIDDEN}@{domain}"


def _email(text: str, path: Sequence[str]) -> str:
    local, _, host = unicodedata.normalize("NFC", text[:LONGEST].strip()).rpartition("@")
    domain = _domain(host)
    is_good = (
        len(text) <= LONGEST
        and domain is not None
        and local
        and not any(_is_forbidden(character) for character in local)
        and all(local.split("."))
        and len(local.encode()) <= LOCAL_BYTES
        and len(f"{local}@{domain}".encode()) <= ADDRESS_BYTES
    )
    if not is_good or domain is None:
        raise refuse(path, "EMAIL_FORMAT", "an e-mail address like ada@example.com")
    return f"{local}@{domain}"


def _domain(host: str) -> str | None:
    """The domain as it is looked up; nothing where there cannot be one."""
    try:
        if any(unicodedata.category(character)[0] == "C" for character in host):
            return None
        domain = idna.encode(host, uts46=True, std3_rules=True).decode()
    except (idna.IDNAError, UnicodeError):
        return None
    labels = domain.split(".")
    return domain if len(labels) > 1 and all(labels) and not labels[-1].isdigit() else None


def _phone(text: str, path: Sequence[str]) -> str:
    number = PUNCTUATION.sub("", text[:LONGEST])
    if len(text) > LONGEST or not E164.fullmatch(number):
        raise refuse(path, "PHONE_FORMAT", "a phone number like +46 70 123 45 67")
    return number


def _is_forbidden(character: str) -> bool:
    return character in SPECIAL or unicodedata.category(character)[0] in "CZ"
