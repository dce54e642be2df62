"""Contacts: adding, verifying, changing and removing addresses, and whom an address leads to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from resolvers import rules
from resolvers.codes import Sending, check_code
from resolvers.contact_values import Address, address
from resolvers.errors import DenialReason, NotAllowedRefusal
from resolvers.mutations import (
    Control,
    Forecast,
    Operation,
    Outcome,
    active_user,
    carry_out,
    change_user,
    check_revision,
)
from resolvers.request import Request
from resolvers.sealed_contacts import (
    OpenContact,
    Safe,
    contact_in,
    index_digests,
    is_waiting,
    opened,
)
from resolvers.visibility import NOBODY, SeenUser
from store.records import Contact, ContactKind, User

ADDED = "CONTACT_ADDED"
CHANGED = "CONTACT_CHANGED"
VERIFIED = "CONTACT_VERIFIED"
REMOVED = "CONTACT_REMOVED"
MADE_PRIMARY = "CONTACT_MADE_PRIMARY"

MOST_OF_A_KIND = 5
UNSENT = "unsent:"
"""Before the id in what an outcome made, when the message did not leave."""

Formers = list[tuple[tuple[str, ...], str]]
"""Digests and claims of addresses that no longer lead to the user."""


async def contacts_of(request: Request, user: SeenUser) -> tuple[OpenContact, ...] | None:
    """The contacts of the user, oldest first; nothing for those who do not see them."""
    contacts = user.contacts
    if contacts is None:
        return None
    if not contacts:
        return ()
    return opened(await request.loaders.data_key_by_user_id.load(user.id), contacts)


async def user_by_contact(request: Request, kind: ContactKind, value: str) -> SeenUser | None:
    """The user who verified the address, for services; two commands, whatever they find.

    Raises: ValidationRefusal, NotAllowedRefusal where contacts are not set up.
    """
    field = "Query.userByContact"
    request.require_service(field)
    digests = index_digests(request, address(kind, value, "value"))
    user = await request.loaders.user_by_contact.load(digests)
    request.trail.note(field, user.id if user else NOBODY)
    [seen] = await request.users.seen([user])
    return seen


async def add_contact(request: Request, kind: ContactKind, value: str, control: Control) -> Outcome:
    """Gives the viewer one more contact, and sends a code to its address."""
    viewer_id = request.require_user("Mutation.addContact")

    async def act(operation: Operation) -> Outcome:
        safe, sending = Safe(request, operation, viewer_id), Sending(request, operation)

        async def decide(user: User) -> Mapping[str, Any]:
            to = address(kind, value, "value")
            await safe.unlock(user)
            _check_room(user, kind)
            _check_new(safe, user, to)
            await sending.begin(user, to)
            sealed = safe.seal(operation.new_id, to)
            contact = Contact(operation.new_id, kind.value, sealed, operation.now)
            return {"contacts": (*user.contacts, contact)}

        outcome = await change_user(request, operation, viewer_id, ADDED, decide)
        return await _sent(safe, sending, outcome, operation.new_id)

    arguments = {"kind": kind.value, "value": value}
    return await carry_out(request, "addContact", control, arguments, act)


async def change_contact(
    request: Request, contact_id: str, value: str, control: Control
) -> Outcome:
    """Gives a contact another address: at once, or if this one is verified once that one is."""
    viewer_id = request.require_user("Mutation.changeContact")

    async def act(operation: Operation) -> Outcome:
        safe, sending = Safe(request, operation, viewer_id), Sending(request, operation)

        async def decide(user: User) -> Mapping[str, Any]:
            contact = contact_in(user, contact_id)
            to = address(ContactKind(contact.kind), value, "value")
            await safe.unlock(user)
            _check_new(safe, user, to)
            await sending.begin(user, to)
            sealed = safe.seal(contact_id, to)
            if contact.verified_at is None:
                return {"contacts": _with(user, contact._replace(sealed=sealed))}
            return {"contacts": _with(user, contact._replace(pending=sealed))}

        outcome = await change_user(request, operation, viewer_id, CHANGED, decide)
        return await _sent(safe, sending, outcome, contact_id)

    arguments = {"contactId": contact_id, "value": value}
    return await carry_out(request, "changeContact", control, arguments, act)


async def resend_contact_code(request: Request, contact_id: str, control: Control) -> Outcome:
    """Sends another code to the address that waits for one; the code before is void."""
    viewer_id = request.require_user("Mutation.resendContactCode")

    async def act(operation: Operation) -> Outcome:
        safe, sending = Safe(request, operation, viewer_id), Sending(request, operation)
        user = await active_user(request, viewer_id)
        check_revision(user, control)
        contact = contact_in(user, contact_id)
        await safe.unlock(user)
        await sending.begin(user, safe.unverified(contact))
        forecast = Forecast() if control.dry_run else None
        outcome = Outcome(user.id, forecast=forecast, user=user)
        return await _sent(safe, sending, outcome, contact_id)

    arguments = {"contactId": contact_id}
    return await carry_out(request, "resendContactCode", control, arguments, act)


async def verify_contact(request: Request, contact_id: str, code: str, control: Control) -> Outcome:
    """Makes an address whose code the viewer has lead to the viewer, and to nobody else.

    A dry run looks neither at the code nor at whose the address is: it would tell anybody.
    """
    viewer_id = request.require_user("Mutation.verifyContact")

    async def act(operation: Operation) -> Outcome:
        safe, formers = Safe(request, operation, viewer_id), Formers()

        async def decide(user: User) -> Mapping[str, Any]:
            contact = contact_in(user, contact_id)
            await safe.unlock(user)
            to = safe.unverified(contact)
            if not control.dry_run:
                await check_code(request, operation, user, to, code)
                await _claim(request, operation, user, to)
            formers[:] = _claims_of(request, safe, contact)
            is_first = not any(one.primary for one in user.contacts if one.kind == contact.kind)
            verified = contact._replace(
                sealed=contact.pending or contact.sealed,
                pending=None,
                verified_at=operation.now,
                claim=operation.new_id,
                primary=contact.primary or is_first or None,
            )
            return {"contacts": _with(user, verified)}

        outcome = await change_user(request, operation, viewer_id, VERIFIED, decide)
        await _release(request, formers, outcome)
        return replace(safe.shown(outcome), made=contact_id)

    arguments = {"contactId": contact_id, "code": code}
    return await carry_out(request, "verifyContact", control, arguments, act)


async def remove_contact(request: Request, contact_id: str, control: Control) -> Outcome:
    """Takes a contact away; its address leads to nobody from then on."""
    viewer_id = request.require_user("Mutation.removeContact")

    async def act(operation: Operation) -> Outcome:
        safe, formers = Safe(request, operation, viewer_id), Formers()

        async def decide(user: User) -> Mapping[str, Any]:
            contact = contact_in(user, contact_id)
            await safe.unlock(user)
            formers[:] = _claims_of(request, safe, contact)
            left = tuple(one for one in user.contacts if one.id != contact_id)
            return {"contacts": _with_a_primary(left, contact.kind) if contact.primary else left}

        outcome = await change_user(request, operation, viewer_id, REMOVED, decide)
        await _release(request, formers, outcome)
        return safe.shown(outcome)

    return await carry_out(request, "removeContact", control, {"contactId": contact_id}, act)


async def make_contact_primary(request: Request, contact_id: str, control: Control) -> Outcome:
    """Makes a verified contact the one of its kind to write to."""
    viewer_id = request.require_user("Mutation.makeContactPrimary")

    async def act(operation: Operation) -> Outcome:
        safe = Safe(request, operation, viewer_id)

        async def decide(user: User) -> Mapping[str, Any]:
            contact = contact_in(user, contact_id)
            if contact.verified_at is None:
                raise rules.refuse(("contactId",), "VERIFIED", "a contact that is verified")
            await safe.unlock(user)
            return {"contacts": _with_primary(user.contacts, contact)}

        outcome = await change_user(request, operation, viewer_id, MADE_PRIMARY, decide)
        return replace(safe.shown(outcome), made=contact_id)

    arguments = {"contactId": contact_id}
    return await carry_out(request, "makeContactPrimary", control, arguments, act)


async def _sent(safe: Safe, sending: Sending, outcome: Outcome, contact_id: str) -> Outcome:
    """The outcome, once the code has been handed over; an attempt before may have crashed."""
    user = outcome.user
    assert user is not None
    if outcome.forecast is not None:
        return replace(safe.shown(outcome), made=contact_id)
    if not sending.is_begun:
        await safe.unlock(user)
        waiting = [one for one in user.contacts if one.id == contact_id and is_waiting(one)]
        if not waiting:  # the code arrived, and more was done since
            return replace(outcome, made=contact_id)
        await sending.begin(user, safe.unverified(waiting[0]))
    is_sent = await sending.send(user)
    return replace(outcome, made=contact_id if is_sent else f"{UNSENT}{contact_id}")


async def _claim(request: Request, operation: Operation, user: User, to: Address) -> None:
    digests = index_digests(request, to)
    claim = operation.new_id
    if not await request.store.contacts.claim(digests, user.id, claim, now=operation.now):
        raise NotAllowedRefusal(
            message="The address belongs to another account.",
            path=("contactId",),
            reason=DenialReason.CONTACT_TAKEN,
        )


def _claims_of(request: Request, safe: Safe, contact: Contact) -> Formers:
    if contact.claim is None:
        return []
    return [(index_digests(request, safe.address_of(contact)), contact.claim)]


async def _release(request: Request, formers: Formers, outcome: Outcome) -> None:
    """Takes away rows that hold nothing any more; where a crash comes first `reindex` does."""
    if outcome.forecast is None:
        for digests, claim in formers:
            await request.store.contacts.release(digests, claim)


def _check_room(user: User, kind: ContactKind) -> None:
    if sum(one.kind == kind for one in user.contacts) >= MOST_OF_A_KIND:
        raise rules.refuse(("kind",), "MAX_ITEMS", f"at most {MOST_OF_A_KIND} of a kind")


def _check_new(safe: Safe, user: User, to: Address) -> None:
    if any(
        (one.kind, one.folded) == (to.kind, to.folded) for one in safe.addresses_of(user.contacts)
    ):
        raise rules.refuse(("value",), "DISTINCT", "an address that is not there yet")


def _with(user: User, changed: Contact) -> tuple[Contact, ...]:
    return tuple(changed if one.id == changed.id else one for one in user.contacts)


def _with_primary(contacts: Sequence[Contact], primary: Contact) -> tuple[Contact, ...]:
    return tuple(
        one._replace(primary=one.id == primary.id or None) if one.kind == primary.kind else one
        for one in contacts
    )


def _with_a_primary(contacts: tuple[Contact, ...], kind: str) -> tuple[Contact, ...]:
    """The contacts, of which the one of this kind that was added first is made the primary one."""
    verified = [one for one in contacts if one.kind == kind and one.verified_at is not None]
    return _with_primary(contacts, verified[0]) if verified else contacts
