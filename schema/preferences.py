"""Preferences: changing what client teams keep of the viewer."""

from typing import Annotated, Any, Self

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from resolvers import preferences as resolvers
from resolvers.mutations import Outcome
from resolvers.request import Request
from schema.mutations import MutationControl, Payload, control_of, given
from schema.namespaces import NamespacePreferences
from schema.users import Ask


@strawberry.input(description="What to change in a namespace of the viewer's preferences.")
class SetPreferencesInput:
    """What to change in a namespace of the viewer's preferences."""

    namespace: str = strawberry.field(description="The name of the namespace.")
    patch: JSON = strawberry.field(
        description="An object with what to set; null goes back to the default (RFC 7396)."
    )
    if_rev: int | None = strawberry.field(
        default=UNSET, description="Refuse unless the namespace is at this revision."
    )
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out; its `ifRev` means nothing here."
    )


@strawberry.type(description="What came of changing preferences.")
class SetPreferencesPayload(Payload):
    """What came of changing preferences."""

    preferences: resolvers.Preferences | None = strawberry.field(
        default=None,
        graphql_type=NamespacePreferences | None,
        description="The whole namespace afterwards; null when refused.",
    )

    @classmethod
    async def of(cls, request: Request, outcome: Outcome, **others: Any) -> Self:
        """The outcome as its GraphQL type."""
        payload = await super().of(request, outcome, **others)
        if outcome.user_id is not None and outcome.made is not None:
            [payload.preferences] = await resolvers.preferences_of(
                request, outcome.user_id, [outcome.made]
            )
        return payload


@strawberry.type
class PreferencesMutations:
    """What can be done with preferences."""

    @strawberry.mutation(
        description="Changes the viewer's preferences in one namespace; needs the scope "
        "`me:preferences:write`, and a client to which the namespace belongs."
    )
    async def set_preferences(
        self,
        info: Ask,
        input: Annotated[SetPreferencesInput, strawberry.argument(description="What to set.")],
    ) -> SetPreferencesPayload | None:
        """Changes the viewer's preferences in one namespace."""
        outcome = await resolvers.set_preferences(
            info.context,
            input.namespace,
            input.patch,
            given(input.if_rev),
            control_of(input.control),
        )
        return await SetPreferencesPayload.of(info.context, outcome)
