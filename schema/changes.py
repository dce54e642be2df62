"""Changes: a user's profile as it changes."""

from collections.abc import AsyncIterator
from typing import Annotated

import strawberry
from strawberry import ID

from resolvers import changes as resolvers
from schema.users import Ask, User


@strawberry.type
class ChangeSubscriptions:
    """What can be followed as it happens."""

    @strawberry.subscription(
        description="The user after each change; a slow client gets the newest state only."
    )
    async def profile_changed(
        self, info: Ask, id: Annotated[ID, strawberry.argument(description="The user's id.")]
    ) -> AsyncIterator[User]:
        """The user after each change, whichever process made it."""
        async for seen in resolvers.profile_changed(info.context, id):
            yield User.from_seen(seen)
