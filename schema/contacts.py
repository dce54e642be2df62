"""Contacts: the mutations of one's own, and finding a user by a verified address."""

from typing import Annotated, Any, Self

import strawberry
from strawberry import ID, UNSET

from resolvers import contacts as resolvers
from resolvers.mutations import Outcome
from resolvers.request import Request
from resolvers.sealed_contacts import OpenContact
from resolvers.visibility import SeenUser
from schema.enums import ContactKind
from schema.mutations import MutationControl, Payload, control_of
from schema.users import Ask, Contact, User


@strawberry.input(description="An address to be reached at from now on.")
class AddContactInput:
    """An address to be reached at from now on."""

    kind: ContactKind = strawberry.field(description="What the address is of.")
    value: str = strawberry.field(
        description="An e-mail address, or a phone number with `+` and the country's code."
    )
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.input(description="A contact, and the code that was sent to its address.")
class VerifyContactInput:
    """A contact, and the code that was sent to its address."""

    contact_id: ID = strawberry.field(description="The contact's id.")
    code: str = strawberry.field(description="The six digits.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.input(description="A contact whose address waits for a code.")
class ResendContactCodeInput:
    """A contact whose address waits for a code."""

    contact_id: ID = strawberry.field(description="The contact's id.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.input(description="A contact, and the address that it is to have.")
class ChangeContactInput:
    """A contact, and the address that it is to have."""

    contact_id: ID = strawberry.field(description="The contact's id.")
    value: str = strawberry.field(description="The new address, of the same kind.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.input(description="A contact that is to go.")
class RemoveContactInput:
    """A contact that is to go."""

    contact_id: ID = strawberry.field(description="The contact's id.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.input(description="A verified contact that is to be the one of its kind to write to.")
class MakeContactPrimaryInput:
    """A verified contact that is to be the one of its kind to write to."""

    contact_id: ID = strawberry.field(description="The contact's id.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type
class ContactPayload(Payload):
    """What a mutation of one contact gives."""

    made: strawberry.Private[str | None] = None

    @strawberry.field(
        graphql_type=Contact | None,
        description="The contact afterwards; null when refused.",
    )
    async def contact(self, info: Ask) -> OpenContact | None:
        """The contact afterwards."""
        contacts = await resolvers.contacts_of(info.context, self.user) if self.user else None
        made = (self.made or "").removeprefix(resolvers.UNSENT)
        return next((contact for contact in contacts or () if contact.id == made), None)

    @classmethod
    async def of(cls, request: Request, outcome: Outcome, **others: Any) -> Self:
        """The outcome as its GraphQL type."""
        payload = await super().of(request, outcome, **others)
        payload.made = outcome.made
        return payload


@strawberry.type
class SendingPayload(ContactPayload):
    """What a mutation gives that sends a code."""

    @strawberry.field(
        description="Whether a message is on its way; if not, ask for it again at once."
    )
    def is_sent(self) -> bool:
        """Whether a message is on its way."""
        made = self.made or resolvers.UNSENT
        return self.dry_run is None and not made.startswith(resolvers.UNSENT)


@strawberry.type(description="What came of adding a contact.")
class AddContactPayload(SendingPayload):
    """What came of adding a contact."""


@strawberry.type(description="What came of verifying a contact.")
class VerifyContactPayload(ContactPayload):
    """What came of verifying a contact."""


@strawberry.type(description="What came of asking for another code.")
class ResendContactCodePayload(SendingPayload):
    """What came of asking for another code."""


@strawberry.type(description="What came of changing a contact.")
class ChangeContactPayload(SendingPayload):
    """What came of changing a contact."""


@strawberry.type(description="What came of removing a contact.")
class RemoveContactPayload(Payload):
    """What came of removing a contact."""


@strawberry.type(description="What came of making a contact the primary one.")
class MakeContactPrimaryPayload(ContactPayload):
    """What came of making a contact the primary one."""


@strawberry.type
class ContactQueries:
    """What can be asked about contacts."""

    @strawberry.field(
        graphql_type=User | None,
        description="The user who verified an address; for services with the scope "
        "`users:contacts:lookup`.",
    )
    async def user_by_contact(
        self,
        info: Ask,
        kind: Annotated[ContactKind, strawberry.argument(description="What the address is of.")],
        value: Annotated[str, strawberry.argument(description="The address.")],
    ) -> SeenUser | None:
        """The user who verified an address."""
        return await resolvers.user_by_contact(info.context, kind, value)


@strawberry.type
class ContactMutations:
    """What can be done with one's own contacts."""

    @strawberry.mutation(
        description="Adds an address of the viewer, and sends a code there; needs the scope "
        "`me:contacts:write`."
    )
    async def add_contact(
        self,
        info: Ask,
        input: Annotated[AddContactInput, strawberry.argument(description="The address.")],
    ) -> AddContactPayload | None:
        """Adds an address of the viewer, and sends a code there."""
        control = control_of(input.control)
        outcome = await resolvers.add_contact(info.context, input.kind, input.value, control)
        return await AddContactPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Makes an address lead to the viewer, with the code that was sent there; needs "
        "the scope `me:contacts:write`."
    )
    async def verify_contact(
        self,
        info: Ask,
        input: Annotated[
            VerifyContactInput, strawberry.argument(description="The contact and its code.")
        ],
    ) -> VerifyContactPayload | None:
        """Makes an address lead to the viewer, with the code that was sent there."""
        control = control_of(input.control)
        outcome = await resolvers.verify_contact(
            info.context, input.contact_id, input.code, control
        )
        return await VerifyContactPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Sends another code, 30 seconds after the last one or later; needs the scope "
        "`me:contacts:write`."
    )
    async def resend_contact_code(
        self,
        info: Ask,
        input: Annotated[ResendContactCodeInput, strawberry.argument(description="The contact.")],
    ) -> ResendContactCodePayload | None:
        """Sends another code, 30 seconds after the last one or later."""
        control = control_of(input.control)
        outcome = await resolvers.resend_contact_code(info.context, input.contact_id, control)
        return await ResendContactCodePayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Gives a contact another address; one that is verified keeps its own until the "
        "other is; needs the scope `me:contacts:write`."
    )
    async def change_contact(
        self,
        info: Ask,
        input: Annotated[ChangeContactInput, strawberry.argument(description="The new address.")],
    ) -> ChangeContactPayload | None:
        """Gives a contact another address."""
        control = control_of(input.control)
        outcome = await resolvers.change_contact(
            info.context, input.contact_id, input.value, control
        )
        return await ChangeContactPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Takes a contact away, so that its address leads to nobody; needs the scope "
        "`me:contacts:write`."
    )
    async def remove_contact(
        self,
        info: Ask,
        input: Annotated[RemoveContactInput, strawberry.argument(description="The contact.")],
    ) -> RemoveContactPayload | None:
        """Takes a contact away, so that its address leads to nobody."""
        control = control_of(input.control)
        outcome = await resolvers.remove_contact(info.context, input.contact_id, control)
        return await RemoveContactPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Makes a verified contact the one of its kind to write to; needs the scope "
        "`me:contacts:write`."
    )
    async def make_contact_primary(
        self,
        info: Ask,
        input: Annotated[MakeContactPrimaryInput, strawberry.argument(description="The contact.")],
    ) -> MakeContactPrimaryPayload | None:
        """Makes a verified contact the one of its kind to write to."""
        control = control_of(input.control)
        outcome = await resolvers.make_contact_primary(info.context, input.contact_id, control)
        return await MakeContactPrimaryPayload.of(info.context, outcome)
