"""The model of contacts (docs/contacts.md)."""

from datetime import datetime, timedelta

from tests.model.people import (
    MERGED,
    Contact,
    Letters,
    Person,
    Platform,
    Refused,
    check_active,
    denied,
    invalid,
    too_soon,
)

APART = timedelta(seconds=30)
HOUR = timedelta(hours=1)
CODE_LASTS = timedelta(minutes=10)
TRIES = 5
PER_ADDRESS, PER_USER = 5, 20


def owner_of(platform: Platform, value: str) -> Person | None:
    """Who verified the address, unless they were merged since."""
    for person in platform.people:
        if person.status != MERGED and any(
            one.is_verified and one.value == value for one in person.contacts
        ):
            return person
    return None


def add(platform: Platform, person: Person, kind: str, value: str) -> None:
    """Gives somebody a contact, which has no id until the service gave one."""
    check_active(person)
    _check_new(person, value)
    _send(platform, person, value)
    person.contacts.append(Contact("", kind, value))


def change(platform: Platform, person: Person, contact_id: str, value: str) -> None:
    """Gives a contact another address."""
    contact = _contact(person, contact_id)
    _check_new(person, value)
    _send(platform, person, value)
    if contact.is_verified:
        contact.pending = value
    else:
        contact.value = value


def resend(platform: Platform, person: Person, contact_id: str) -> None:
    """Sends another code."""
    _send(platform, person, _waiting(_contact(person, contact_id)))


def verify(platform: Platform, person: Person, contact_id: str, code: str) -> None:
    """Takes a code back."""
    contact = _contact(person, contact_id)
    value = _waiting(contact)
    _check_code(person.letters.get(value), code, platform.now)
    if owner_of(platform, value) not in (None, person):
        raise denied("CONTACT_TAKEN", "contactId")
    contact.value, contact.pending, contact.is_verified = value, None, True
    if not any(one.is_primary for one in person.contacts if one.kind == contact.kind):
        contact.is_primary = True


def remove(person: Person, contact_id: str) -> None:
    """Takes a contact away."""
    contact = _contact(person, contact_id)
    person.contacts.remove(contact)
    rest = [one for one in person.contacts if one.kind == contact.kind and one.is_verified]
    if contact.is_primary and rest:
        rest[0].is_primary = True


def make_primary(person: Person, contact_id: str) -> None:
    """Makes a contact the one of its kind to write to."""
    contact = _contact(person, contact_id)
    if not contact.is_verified:
        raise invalid("VERIFIED", "contactId")
    for one in person.contacts:
        if one.kind == contact.kind:
            one.is_primary = one is contact


def _contact(person: Person, contact_id: str) -> Contact:
    check_active(person)
    for contact in person.contacts:
        if contact.id == contact_id:
            return contact
    raise Refused("NOT_FOUND", "contactId")


def _waiting(contact: Contact) -> str:
    if contact.waiting is None:
        raise invalid("UNVERIFIED", "contactId")
    return contact.waiting


def _check_new(person: Person, value: str) -> None:
    if any(value in (one.value, one.pending) for one in person.contacts):
        raise invalid("DISTINCT", "value")


def _send(platform: Platform, person: Person, value: str) -> None:
    """Sends a message, unless there were too many; the code is known once it arrived."""
    now, letters = platform.now, person.letters.setdefault(value, Letters())
    waits = [_wait(letters.sent, PER_ADDRESS, now), _wait(person.sent, PER_USER, now)]
    if letters.sent:
        waits.append(letters.sent[-1] + APART - now)
    if max(waits) > timedelta():
        raise too_soon(max(waits))
    letters.sent.append(now)
    person.sent.append(now)
    letters.code, letters.until, letters.tries, letters.is_used = None, now + CODE_LASTS, 0, False


def _wait(sent: list[datetime], most: int, now: datetime) -> timedelta:
    """How long until fewer than so many were sent in the hour before."""
    return sent[-most] + HOUR - now if len(sent) >= most else timedelta()


def _check_code(letters: Letters | None, code: str, now: datetime) -> None:
    is_good = letters is not None and letters.until is not None and letters.until > now
    if letters is None or not is_good or letters.is_used or letters.tries >= TRIES:
        raise invalid("CODE_VOID", "code")
    letters.tries += 1
    if code != letters.code:
        raise invalid("CODE", "code")
    letters.is_used = True
