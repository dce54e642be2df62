"""Privacy: choosing who sees what of one's profile, and the birth date."""

from datetime import date
from typing import Annotated

import strawberry
from strawberry import ID, UNSET

from resolvers import privacy as resolvers
from schema.enums import ProfileField, Visibility
from schema.mutations import MutationControl, Payload, control_of, given
from schema.users import Ask


@strawberry.input(description="Who is to see a part of the profile.")
class VisibilityChoice:
    """Who is to see a part of the profile."""

    field: ProfileField = strawberry.field(description="The part.")
    visibility: Visibility | None = strawberry.field(
        default=UNSET, description="Who is to see it; null goes back to the default."
    )


@strawberry.input(description="What to show to whom; what is not named stays as it is.")
class SetVisibilityInput:
    """What to show to whom; what is not named stays as it is."""

    choices: list[VisibilityChoice] = strawberry.field(description="Each part at most once.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of choosing what to show.")
class SetVisibilityPayload(Payload):
    """What came of choosing what to show."""


@strawberry.input(description="When a user was born.")
class SetBirthDateInput:
    """When a user was born."""

    birth_date: date = strawberry.field(description="From 1900-01-01 to today, where the user is.")
    user_id: ID | None = strawberry.field(
        default=UNSET, description="Whose it is, for staff; without it the viewer's."
    )
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of setting a birth date.")
class SetBirthDatePayload(Payload):
    """What came of setting a birth date."""


@strawberry.type
class PrivacyMutations:
    """What can be done about privacy."""

    @strawberry.mutation(
        description="Chooses who sees the viewer's profile; needs the scope `me:privacy:write`."
    )
    async def set_visibility(
        self,
        info: Ask,
        input: Annotated[SetVisibilityInput, strawberry.argument(description="The choices.")],
    ) -> SetVisibilityPayload | None:
        """Chooses who sees the viewer's profile."""
        wishes = [(choice.field, given(choice.visibility)) for choice in input.choices]
        outcome = await resolvers.set_visibility(info.context, wishes, control_of(input.control))
        return await SetVisibilityPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Sets the viewer's birth date, once; later only staff set it. Needs the scope "
        "`me:privacy:write`."
    )
    async def set_birth_date(
        self,
        info: Ask,
        input: Annotated[SetBirthDateInput, strawberry.argument(description="The date.")],
    ) -> SetBirthDatePayload | None:
        """Sets the viewer's birth date."""
        outcome = await resolvers.set_birth_date(
            info.context, input.birth_date, given(input.user_id), control_of(input.control)
        )
        return await SetBirthDatePayload.of(info.context, outcome)
