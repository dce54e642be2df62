"""Changes: a user's profile as it changes."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Self

import strawberry
from strawberry import ID, UNSET

from resolvers import changes as resolvers
from resolvers.fields import shown_as
from resolvers.visibility import SeenUser
from schema.mutations import given
from schema.users import Ask, User
from schema.values import field_path


@strawberry.type(description="A revision of a user.")
class ProfileChange:
    """A revision of a user."""

    rev: int = strawberry.field(description="The revision; give it as `sinceRev` to go on.")
    at: datetime = strawberry.field(description="When the change was made.")
    fields: list[str] = strawberry.field(
        description="Which fields of User changed, as in `private.locale`, sorted; "
        "those that the viewer may not see are left out."
    )
    user: SeenUser = strawberry.field(
        graphql_type=User, description="The user as it is now, maybe newer than `rev`."
    )

    @classmethod
    def of(cls, change: resolvers.ProfileChange) -> Self:
        """The change as its GraphQL type."""
        paths = sorted({field_path(shown_as(name)) for name in change.fields})
        return cls(
            rev=change.rev,
            at=change.at,
            fields=[path for path in paths if change.user.sees(f"User.{path.partition('.')[0]}")],
            user=change.user,
        )


@strawberry.type
class ChangeSubscriptions:
    """What can be followed as it happens."""

    @strawberry.subscription(
        description="The changes of a user, whoever makes them; docs/subscriptions.md tells more."
    )
    async def profile_changed(
        self,
        info: Ask,
        id: Annotated[ID, strawberry.argument(description="The user's id.")],
        since_rev: Annotated[
            int | None,
            strawberry.argument(
                description="Every revision after this one arrives exactly once, also those that "
                "happened meanwhile; without it a slow client gets the newest one only."
            ),
        ] = UNSET,
    ) -> AsyncIterator[ProfileChange]:
        """The changes of a user, whoever makes them."""
        async with aclosing(
            resolvers.profile_changed(info.context, id, given(since_rev))
        ) as changes:
            async for change in changes:
                yield ProfileChange.of(change)
