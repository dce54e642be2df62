"""Sealed contacts: the addresses of a user, opened and sealed with the user's data key."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from resolvers.contact_values import Address
from resolvers.errors import DenialReason, NotAllowedRefusal, NotFoundRefusal
from resolvers.fields import masked
from resolvers.mutations import FieldChange, Operation, Outcome
from resolvers.request import Request
from resolvers.rules import refuse
from store.contacts import address_in, digests_of, sealed_for
from store.digests import DigestKeys
from store.records import Contact, ContactKind, User
from store.sealing import DataKey, new_data_key


class OpenContact(NamedTuple):
    """A contact as its owner sees it; `pending` is the address that is to take its place."""

    id: str
    kind: ContactKind
    value: str
    masked: str
    verified_at: datetime | None
    primary: bool
    pending: str | None


class Safe:
    """The contacts of the viewer during one operation.

    The key is asked for at once, so that it is read in one command with what else needs it.
    """

    def __init__(self, request: Request, operation: Operation, user_id: str) -> None:
        self._request = request
        self._operation = operation
        self._key: DataKey | None = None
        self._reading = asyncio.ensure_future(request.store.keys.by_user_ids([user_id]))
        self._reading.add_done_callback(_look_at)

    async def unlock(self, user: User) -> None:
        """Gets the user's data key ready; a user without one gets one, but not in a dry run.

        Raises: NotFoundRefusal when it was destroyed.
        """
        if self._key is not None:
            return
        [self._key] = await self._reading
        if self._key is None and self._operation.control.dry_run:
            self._key = DataKey(user.id, new_data_key())
        elif self._key is None:
            self._key = await self._request.store.keys.ensure(user.id, now=self._operation.now)
        if self._key is None:
            raise NotFoundRefusal(message="There is no such user.")

    def seal(self, contact_id: str, to: Address) -> bytes:
        """An address of the contact as it is stored."""
        assert self._key is not None
        return sealed_for(self._key, contact_id, to.value)

    def address_of(self, contact: Contact) -> Address:
        """The address that the contact has."""
        assert self._key is not None
        return _address(self._key, contact, contact.sealed)

    def addresses_of(self, contacts: Sequence[Contact]) -> list[Address]:
        """All addresses that the contacts have or are to have."""
        assert self._key is not None
        pending = [_address(self._key, one, one.pending) for one in contacts if one.pending]
        return [*map(self.address_of, contacts), *pending]

    def unverified(self, contact: Contact) -> Address:
        """The address of the contact that waits for its code. Raises: ValidationRefusal."""
        assert self._key is not None
        if not is_waiting(contact):
            raise refuse(("contactId",), "UNVERIFIED", "a contact that waits for its code")
        return _address(self._key, contact, contact.pending or contact.sealed)

    def shown(self, outcome: Outcome) -> Outcome:
        """The outcome, whose forecast tells contacts as their owner sees them."""
        if outcome.forecast is None:
            return outcome
        changes = tuple(
            FieldChange(one.field, opened(self._key, one.before), opened(self._key, one.after))
            if one.field == "contacts"
            else one
            for one in outcome.forecast.changes
        )
        return replace(outcome, forecast=replace(outcome.forecast, changes=changes))


def opened(key: DataKey | None, contacts: Sequence[Contact]) -> tuple[OpenContact, ...]:
    """The contacts as their owner sees them; none without a key. Raises: SealBroken."""
    if key is None:
        return ()
    return tuple([_opened(key, contact) for contact in contacts])


def is_waiting(contact: Contact) -> bool:
    """Whether an address of the contact waits for its code."""
    return contact.verified_at is None or contact.pending is not None


def contact_in(user: User, contact_id: str) -> Contact:
    """The user's contact of this id. Raises: NotFoundRefusal."""
    for contact in user.contacts:
        if contact.id == contact_id:
            return contact
    raise NotFoundRefusal(message="There is no such contact.", path=("contactId",))


def index_keys(request: Request) -> DigestKeys:
    """What makes the digests of addresses. Raises: NotAllowedRefusal where there is nothing."""
    if request.digest_keys is None:
        raise not_set_up()
    return request.digest_keys


def index_digests(request: Request, to: Address) -> tuple[str, ...]:
    """The digests under which the registry may have an address, the newest first."""
    return digests_of(index_keys(request), to.kind, to.value)


def not_set_up() -> NotAllowedRefusal:
    """The refusal where the settings lack something."""
    return NotAllowedRefusal(
        message="This server is not set up for contacts.", reason=DenialReason.NOT_SET_UP
    )


def _look_at(reading: asyncio.Future[Any]) -> None:
    """Keeps a failure that nobody waited for from being logged."""
    _ = reading.cancelled() or reading.exception()


def _opened(key: DataKey, contact: Contact) -> OpenContact:
    value = address_in(key, contact, contact.sealed)
    return OpenContact(
        id=contact.id,
        kind=ContactKind(contact.kind),
        value=value,
        masked=masked("contacts", (contact.kind, value)),
        verified_at=contact.verified_at,
        primary=bool(contact.primary),
        pending=address_in(key, contact, contact.pending) if contact.pending else None,
    )


def _address(key: DataKey, contact: Contact, sealed: bytes) -> Address:
    return Address.of(ContactKind(contact.kind), address_in(key, contact, sealed))
