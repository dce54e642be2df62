"""Purposes: what consent is asked for, and what a user answered."""

from datetime import datetime
from typing import Self

import strawberry

from resolvers.consents import PurposeConsent
from resolvers.purposes import PolicyVersion as PolicyVersionRecord
from schema.enums import ConsentState


@strawberry.type(description="A version of the policy that people agree to.")
class PolicyVersion:
    """A version of the policy that people agree to."""

    version: str = strawberry.field(description="Its name; give it with the answer.")
    text_hash: str = strawberry.field(description="The SHA-256 of its text, in hex.")
    valid_from: datetime = strawberry.field(description="When it became valid.")

    @classmethod
    def of(cls, policy: PolicyVersionRecord) -> Self:
        """The version as its GraphQL type."""
        return cls(version=policy.version, text_hash=policy.text_hash, valid_from=policy.valid_from)


@strawberry.type(description="What names and proves an answer in the ledger of consents.")
class ConsentReceipt:
    """What names and proves an answer in the ledger of consents."""

    id: str = strawberry.field(description="The entry, without telling whose it is.")
    hash: str = strawberry.field(description="The SHA-256 of the entry, in hex.")


@strawberry.type(description="Where a user stands towards a purpose.")
class Consent:
    """Where a user stands towards a purpose."""

    purpose: str = strawberry.field(description="The name of the purpose.")
    description: str = strawberry.field(description="What the data is used for, in one sentence.")
    state: ConsentState = strawberry.field(description="GRANTED alone is consent.")
    policy: PolicyVersion = strawberry.field(description="The policy that is valid now.")
    version: str | None = strawberry.field(
        description="The version of the policy that was answered; null when nothing was."
    )
    at: datetime | None = strawberry.field(description="When it was answered.")
    expires_at: datetime | None = strawberry.field(
        description="When what was granted ends by itself; null when it does not."
    )
    receipt: ConsentReceipt | None = strawberry.field(
        description="The answer's entry in the ledger, for the user to keep."
    )

    @classmethod
    def of(cls, consent: PurposeConsent) -> Self:
        """Where the user stands, as its GraphQL type."""
        purpose, answer = consent.purpose, consent.answer
        return cls(
            purpose=purpose.name,
            description=purpose.description,
            state=consent.state,
            policy=PolicyVersion.of(consent.policy),
            version=answer.version if answer else None,
            at=answer.at if answer else None,
            expires_at=consent.expires_at,
            receipt=ConsentReceipt(id=answer.receipt, hash=answer.hash) if answer else None,
        )
