"""Handles: whether one is free, and changing one's own."""

from typing import Annotated

import strawberry
from strawberry import UNSET

from resolvers import handles as resolvers
from schema.enums import HandleState
from schema.mutations import MutationControl, Payload, control_of
from schema.users import Ask


@strawberry.type(description="Whether a handle could be registered now.")
class HandleAvailability:
    """Whether a handle could be registered now."""

    handle: str = strawberry.field(description="The handle as it would be stored.")
    state: HandleState = strawberry.field(description="What stands in the way.")

    @strawberry.field(description="Up to three free handles that look like it, unless it is free.")
    async def suggestions(self, info: Ask) -> list[str]:
        """Up to three free handles that look like it, unless it is free."""
        if self.state in (HandleState.AVAILABLE, HandleState.INVALID):
            return []
        return list(await resolvers.suggestions(info.context, self.handle))


@strawberry.type
class HandleQueries:
    """What can be asked about handles."""

    @strawberry.field(description="Whether a handle could be registered now.")
    async def handle_availability(
        self, info: Ask, handle: Annotated[str, strawberry.argument(description="The handle.")]
    ) -> HandleAvailability:
        """Whether a handle could be registered now."""
        found = await resolvers.handle_availability(info.context, handle)
        return HandleAvailability(handle=found.handle, state=found.state)


@strawberry.input(description="The handle to have from now on.")
class ChangeHandleInput:
    """The handle to have from now on."""

    handle: str = strawberry.field(
        description="3 to 30 letters a-z, digits, underscores and single dots inside."
    )
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of changing the handle.")
class ChangeHandlePayload(Payload):
    """What came of changing the handle."""


@strawberry.type
class HandleMutations:
    """What can be done with handles."""

    @strawberry.mutation(
        description="Gives the viewer another handle; needs the scope `me:profile:write`."
    )
    async def change_handle(
        self,
        info: Ask,
        input: Annotated[ChangeHandleInput, strawberry.argument(description="The new handle.")],
    ) -> ChangeHandlePayload | None:
        """Gives the viewer another handle."""
        control = control_of(input.control)
        outcome = await resolvers.change_handle(info.context, input.handle, control)
        return await ChangeHandlePayload.of(info.context, outcome)
