"""Consents: what a user says about a purpose."""

from typing import Annotated, Any, Self

import strawberry
from strawberry import ID, UNSET

from resolvers import consents as resolvers
from resolvers.mutations import Outcome
from resolvers.request import Request
from schema.mutations import MutationControl, Payload, control_of
from schema.purposes import Consent
from schema.users import Ask


@strawberry.input(description="What the viewer says about a purpose.")
class RecordConsentInput:
    """What the viewer says about a purpose."""

    purpose: str = strawberry.field(description="The name of the purpose.")
    granted: bool = strawberry.field(description="Whether the viewer agrees.")
    policy_version: str = strawberry.field(
        description="The version of the policy that the viewer was shown."
    )
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.input(description="What a user said to a service about a purpose.")
class RecordConsentForInput:
    """What a user said to a service about a purpose."""

    user_id: ID = strawberry.field(description="Who said so.")
    purpose: str = strawberry.field(description="The name of the purpose.")
    granted: bool = strawberry.field(description="Whether the user agrees.")
    policy_version: str = strawberry.field(
        description="The version of the policy that the user was shown."
    )
    source: str = strawberry.field(
        description="What shows that the user said so, as in `call 4711`, without personal data; "
        "at most 200 characters."
    )
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type
class ConsentPayload(Payload):
    """What came of recording consent."""

    consent: Consent | None = strawberry.field(
        default=None, description="Where the user stands towards the purpose afterwards."
    )

    @classmethod
    async def of(cls, request: Request, outcome: Outcome, **others: Any) -> Self:
        """The outcome as its GraphQL type."""
        payload = await super().of(request, outcome, **others)
        consent = await resolvers.recorded(request, outcome)
        payload.consent = Consent.of(consent) if consent else None
        return payload


@strawberry.type(description="What came of recording what the viewer says.")
class RecordConsentPayload(ConsentPayload):
    """What came of recording what the viewer says."""


@strawberry.type(description="What came of recording what a user said.")
class RecordConsentForPayload(ConsentPayload):
    """What came of recording what a user said."""


@strawberry.type
class ConsentMutations:
    """What can be done with consents."""

    @strawberry.mutation(
        description="Keeps whether the viewer agrees to a purpose; "
        "needs the scope `me:consents:write`."
    )
    async def record_consent(
        self,
        info: Ask,
        input: Annotated[RecordConsentInput, strawberry.argument(description="The answer.")],
    ) -> RecordConsentPayload | None:
        """Keeps whether the viewer agrees to a purpose."""
        answer = resolvers.Answer(input.purpose, input.granted, input.policy_version)
        control = control_of(input.control)
        outcome = await resolvers.record_consent(info.context, answer, control)
        return await RecordConsentPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Keeps whether a user agrees to a purpose; for services with the scope "
        "`users:consents:write`."
    )
    async def record_consent_for(
        self,
        info: Ask,
        input: Annotated[RecordConsentForInput, strawberry.argument(description="The answer.")],
    ) -> RecordConsentForPayload | None:
        """Keeps whether a user agrees to a purpose."""
        answer = resolvers.Answer(
            input.purpose, input.granted, input.policy_version, source=input.source
        )
        control = control_of(input.control)
        outcome = await resolvers.record_consent_for(info.context, input.user_id, answer, control)
        return await RecordConsentForPayload.of(info.context, outcome)
