"""What every mutation shares: control, typed user errors, the dry run, and the payload."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Self, TypeVar

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from resolvers import errors as refusals
from resolvers.mutations import Control, Forecast, Outcome
from resolvers.request import Request
from resolvers.users import user_by_id
from resolvers.visibility import SeenUser
from schema.enums import DenialReason
from schema.users import User
from schema.values import told

T = TypeVar("T")


@strawberry.input(description="How a mutation is to be carried out.")
class MutationControl:
    """How a mutation is to be carried out."""

    idempotency_key: str | None = strawberry.field(
        default=UNSET,
        description="Your name for this request, which is done once however often it is sent "
        "within 48 hours; 1 to 128 visible ASCII characters.",
    )
    if_rev: int | None = strawberry.field(
        default=UNSET, description="Refuse unless the user is at this revision."
    )
    dry_run: bool = strawberry.field(
        default=False, description="Tell what would change and write nothing."
    )


@strawberry.interface(description="Why a mutation was refused, in a way a client can act on.")
class UserError:
    """Why a mutation was refused, in a way a client can act on."""

    message: str = strawberry.field(description="One sentence for people.")
    code: str = strawberry.field(description="A stable name for programs, as in docs/errors.md.")
    path: list[str] = strawberry.field(description="The argument it is about, inside the input.")


@strawberry.type(description="An argument breaks a rule.")
class ValidationError(UserError):
    """An argument breaks a rule."""

    rule: str = strawberry.field(description="A stable name of the rule.")


@strawberry.type(description="There is nobody there, as far as the viewer may see.")
class NotFoundError(UserError):
    """There is nobody there, as far as the viewer may see."""


@strawberry.type(description="What is to be changed is at another revision than expected.")
class ConflictError(UserError):
    """What is to be changed is at another revision than expected."""

    current_rev: int = strawberry.field(description="The revision that it is at.")


@strawberry.type(description="Somebody else has the handle, or it is reserved or cooling down.")
class HandleTakenError(UserError):
    """Somebody else has the handle, or it is reserved or cooling down."""

    suggestions: list[str] = strawberry.field(description="Free handles that look like it.")
    available_at: datetime | None = strawberry.field(
        description="When it becomes free, if that is known."
    )


@strawberry.type(description="Possible, but only after a while.")
class TooSoonError(UserError):
    """Possible, but only after a while."""

    retry_after_seconds: int = strawberry.field(description="How long to wait, in seconds.")


@strawberry.type(description="Not possible for this viewer or in this state.")
class NotAllowedError(UserError):
    """Not possible for this viewer or in this state."""

    reason: DenialReason = strawberry.field(description="Why it is not allowed.")


@strawberry.type(description="The idempotency key stands for another request.")
class IdempotencyError(UserError):
    """The idempotency key stands for another request."""


ERROR_TYPES: dict[type[refusals.Refusal], type[UserError]] = {
    refusals.ValidationRefusal: ValidationError,
    refusals.NotFoundRefusal: NotFoundError,
    refusals.ConflictRefusal: ConflictError,
    refusals.HandleTakenRefusal: HandleTakenError,
    refusals.TooSoonRefusal: TooSoonError,
    refusals.NotAllowedRefusal: NotAllowedError,
    refusals.IdempotencyRefusal: IdempotencyError,
}


@strawberry.type(description="A field that a mutation would change.")
class PlannedChange:
    """A field that a mutation would change."""

    field: str = strawberry.field(description="Where the field is on User, as in `private.locale`.")
    before: JSON | None = strawberry.field(description="Its value now.")
    after: JSON | None = strawberry.field(description="Its value afterwards.")


@strawberry.type(description="What a mutation would do; nothing was written.")
class DryRun:
    """What a mutation would do; nothing was written."""

    changes: list[PlannedChange] = strawberry.field(
        description="Every field that would change, as far as the viewer sees it."
    )
    events: list[str] = strawberry.field(description="The events that would be kept with the user.")


@strawberry.type
class Payload:
    """What a mutation gives; each mutation has its own type with these fields."""

    user: SeenUser | None = strawberry.field(
        graphql_type=User | None,
        description="The user afterwards; null when refused, or when not visible to the viewer.",
    )
    errors: list[UserError] = strawberry.field(description="Why it was refused; empty when done.")
    dry_run: DryRun | None = strawberry.field(
        description="What would have been done, when that was asked for."
    )

    @classmethod
    async def of(cls, request: Request, outcome: Outcome, **others: Any) -> Self:
        """The outcome as its GraphQL type; `others` are the fields of this mutation's own."""
        return cls(
            **others,
            user=await user_by_id(request, outcome.user_id) if outcome.user_id else None,
            errors=[_error(refusal) for refusal in outcome.refusals],
            dry_run=_dry_run(outcome.forecast) if outcome.forecast else None,
        )


def given(value: T | None) -> T | None:
    """The value, or None when it was left out."""
    return None if value is UNSET else value


def control_of(control: MutationControl | None) -> Control:
    """The input as the resolvers take it."""
    if not control:
        return Control()
    return Control(
        idempotency_key=given(control.idempotency_key),
        if_rev=given(control.if_rev),
        dry_run=control.dry_run,
    )


def _error(refusal: refusals.Refusal) -> UserError:
    return ERROR_TYPES[type(refusal)](code=refusal.code, **asdict(refusal))


def _dry_run(forecast: Forecast) -> DryRun:
    changes = [PlannedChange(**change) for change in told(forecast.changes)]
    return DryRun(changes=changes, events=list(forecast.events))
