"""Profiles: registering a user, and changing what the owner may set."""

from dataclasses import fields
from typing import Annotated, Any

import strawberry
from strawberry import UNSET

from resolvers import profiles as resolvers
from resolvers.history import undo_last_change
from schema.mutations import MutationControl, Payload, control_of, given
from schema.users import Ask


@strawberry.input(description="What a new user starts with.")
class RegisterUserInput:
    """What a new user starts with."""

    handle: str = strawberry.field(
        description="3 to 30 letters a-z, digits, underscores and single dots inside."
    )
    display_name: str | None = strawberry.field(
        default=UNSET, description="The name to show, at most 50 characters."
    )
    country: str | None = strawberry.field(
        default=UNSET, description="Country of the account, in capitals (ISO 3166-1 alpha-2)."
    )
    locale: str | None = strawberry.field(
        default=UNSET, description="Language of the app as a BCP 47 tag."
    )
    time_zone: str | None = strawberry.field(default=UNSET, description="IANA time zone.")
    pending: bool = strawberry.field(
        default=False, description="Whether the account is not active before it is confirmed."
    )
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of registering a user.")
class RegisterUserPayload(Payload):
    """What came of registering a user."""


@strawberry.input(description="A link to show on the profile.")
class ProfileLinkInput:
    """A link to show on the profile."""

    url: str = strawberry.field(description="An http or https address, at most 300 characters.")
    label: str | None = strawberry.field(
        default=UNSET, description="What to show instead of the address, at most 50 characters."
    )


@strawberry.input(description="What to set on the profile; null clears, leaving out keeps.")
class UpdateProfileInput:
    """What to set on the profile; null clears, leaving out keeps."""

    display_name: str | None = strawberry.field(
        default=UNSET, description="The name to show, at most 50 characters."
    )
    bio: str | None = strawberry.field(
        default=UNSET, description="At most 300 characters, line breaks allowed."
    )
    pronouns: str | None = strawberry.field(default=UNSET, description="At most 40 characters.")
    links: list[ProfileLinkInput] | None = strawberry.field(
        default=UNSET, description="At most five; they replace those there are."
    )
    profile_color: str | None = strawberry.field(
        default=UNSET, description="A colour as `#rrggbb`."
    )
    locale: str | None = strawberry.field(
        default=UNSET, description="Language of the app as a BCP 47 tag."
    )
    time_zone: str | None = strawberry.field(default=UNSET, description="IANA time zone.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of changing the profile.")
class UpdateProfilePayload(Payload):
    """What came of changing the profile."""


@strawberry.input(description="How to take back the last change.")
class UndoLastChangeInput:
    """How to take back the last change."""

    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of taking back the last change.")
class UndoLastChangePayload(Payload):
    """What came of taking back the last change."""


@strawberry.type
class ProfileMutations:
    """What can be done with profiles."""

    @strawberry.mutation(
        description="Makes a new user; for services with the scope `users:register`."
    )
    async def register_user(
        self,
        info: Ask,
        input: Annotated[RegisterUserInput, strawberry.argument(description="The new user.")],
    ) -> RegisterUserPayload | None:
        """Makes a new user."""
        wish = resolvers.Registration(
            handle=input.handle,
            display_name=given(input.display_name),
            country=given(input.country),
            locale=given(input.locale),
            time_zone=given(input.time_zone),
        )
        control = control_of(input.control)
        outcome = await resolvers.register_user(info.context, wish, input.pending, control)
        return await RegisterUserPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Changes the viewer's own profile; needs the scope `me:profile:write`."
    )
    async def update_profile(
        self,
        info: Ask,
        input: Annotated[UpdateProfileInput, strawberry.argument(description="What to set.")],
    ) -> UpdateProfilePayload | None:
        """Changes the viewer's own profile."""
        wish = _given(input)
        if input.links:
            wish["links"] = [{"url": link.url, "label": given(link.label)} for link in input.links]
        outcome = await resolvers.update_profile(info.context, wish, control_of(input.control))
        return await UpdateProfilePayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Sets back what the viewer's last change of the profile set; once more, and it "
        "is done again; needs the scope `me:profile:write`."
    )
    async def undo_last_change(
        self,
        info: Ask,
        input: Annotated[UndoLastChangeInput, strawberry.argument(description="How.")],
    ) -> UndoLastChangePayload | None:
        """Sets back what the viewer's last change of the profile set."""
        outcome = await undo_last_change(info.context, control_of(input.control))
        return await UndoLastChangePayload.of(info.context, outcome)


def _given(input: UpdateProfileInput) -> dict[str, Any]:
    """What the client sent, null included, without the control."""
    values = {field.name: getattr(input, field.name) for field in fields(input)}
    del values["control"]
    return {name: value for name, value in values.items() if value is not UNSET}
