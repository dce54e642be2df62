"""Blocks: blocking and unblocking somebody."""

from typing import Annotated

import strawberry

from resolvers import blocks as resolvers
from schema.follows import UserInput
from schema.mutations import Payload, control_of
from schema.users import Ask


@strawberry.input(description="Whom to block.")
class BlockInput(UserInput):
    """Whom to block."""


@strawberry.input(description="Whom to block no longer.")
class UnblockInput(UserInput):
    """Whom to block no longer."""


@strawberry.type(description="What came of blocking somebody.")
class BlockPayload(Payload):
    """What came of blocking somebody."""


@strawberry.type(description="What came of unblocking somebody.")
class UnblockPayload(Payload):
    """What came of unblocking somebody."""


@strawberry.type
class BlockMutations:
    """What can be done with blocks."""

    @strawberry.mutation(
        description="Hides the viewer from somebody and ends follows; needs `me:blocks:write`."
    )
    async def block(
        self,
        info: Ask,
        input: Annotated[BlockInput, strawberry.argument(description="Whom to block.")],
    ) -> BlockPayload | None:
        """Hides the viewer from somebody and ends the follows between them."""
        control = control_of(input.control)
        outcome = await resolvers.block(info.context, input.user_id, control)
        return await BlockPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Ends a block, not the end of follows; needs the scope `me:blocks:write`."
    )
    async def unblock(
        self,
        info: Ask,
        input: Annotated[UnblockInput, strawberry.argument(description="Whom to unblock.")],
    ) -> UnblockPayload | None:
        """Ends a block; the follows stay ended."""
        control = control_of(input.control)
        outcome = await resolvers.unblock(info.context, input.user_id, control)
        return await UnblockPayload.of(info.context, outcome)
