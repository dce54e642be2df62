"""Accounts: what owners, staff and services do with the state of an account."""

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry import ID, UNSET

from resolvers import accounts as resolvers
from schema.mutations import MutationControl, Payload, control_of, given
from schema.users import Ask


@strawberry.input(description="What is to happen to the viewer's own account.")
class OwnAccountInput:
    """What is to happen to the viewer's own account."""

    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.input(description="Whose account it is about.")
class AccountInput:
    """Whose account it is about."""

    user_id: ID = strawberry.field(description="The user's id.")
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.input(description="That the viewer's own account is to be closed.")
class DeactivateAccountInput(OwnAccountInput):
    """That the viewer's own account is to be closed."""


@strawberry.input(description="That the viewer's own account is to be open again.")
class ReactivateAccountInput(OwnAccountInput):
    """That the viewer's own account is to be open again."""


@strawberry.input(description="That the viewer's own account is to be erased.")
class ScheduleErasureInput(OwnAccountInput):
    """That the viewer's own account is to be erased."""


@strawberry.input(description="That the viewer's own account is not to be erased.")
class CancelErasureInput(OwnAccountInput):
    """That the viewer's own account is not to be erased."""


@strawberry.input(description="Whose pending account is confirmed.")
class ConfirmUserInput(AccountInput):
    """Whose pending account is confirmed."""


@strawberry.input(description="Whose account to close, and for how long.")
class SuspendUserInput(AccountInput):
    """Whose account to close, and for how long."""

    until: datetime | None = strawberry.field(
        default=UNSET, description="When the suspension ends by itself; without, it does not."
    )
    reason: str | None = strawberry.field(
        default=UNSET, description="What the owner is told, one line of at most 300 characters."
    )


@strawberry.input(description="Whose suspension to end.")
class LiftSuspensionInput(AccountInput):
    """Whose suspension to end."""


@strawberry.type(description="What came of closing the account.")
class DeactivateAccountPayload(Payload):
    """What came of closing the account."""


@strawberry.type(description="What came of opening the account again.")
class ReactivateAccountPayload(Payload):
    """What came of opening the account again."""


@strawberry.type(description="What came of scheduling the erasure.")
class ScheduleErasurePayload(Payload):
    """What came of scheduling the erasure."""


@strawberry.type(description="What came of cancelling the erasure.")
class CancelErasurePayload(Payload):
    """What came of cancelling the erasure."""


@strawberry.type(description="What came of confirming the account.")
class ConfirmUserPayload(Payload):
    """What came of confirming the account."""


@strawberry.type(description="What came of suspending the user.")
class SuspendUserPayload(Payload):
    """What came of suspending the user."""


@strawberry.type(description="What came of lifting the suspension.")
class LiftSuspensionPayload(Payload):
    """What came of lifting the suspension."""


@strawberry.type
class AccountMutations:
    """What can be done with the state of an account."""

    @strawberry.mutation(
        description="Closes the viewer's own account until it is reactivated; "
        "needs the scope `me:account:write`."
    )
    async def deactivate_account(
        self,
        info: Ask,
        input: Annotated[DeactivateAccountInput, strawberry.argument(description="How.")],
    ) -> DeactivateAccountPayload | None:
        """Closes the viewer's own account."""
        outcome = await resolvers.deactivate_account(info.context, control_of(input.control))
        return await DeactivateAccountPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Opens the viewer's own account again after it was deactivated; "
        "needs the scope `me:account:write`."
    )
    async def reactivate_account(
        self,
        info: Ask,
        input: Annotated[ReactivateAccountInput, strawberry.argument(description="How.")],
    ) -> ReactivateAccountPayload | None:
        """Opens the viewer's own account again."""
        outcome = await resolvers.reactivate_account(info.context, control_of(input.control))
        return await ReactivateAccountPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Has the viewer's own account erased after a while in which that can be "
        "cancelled; needs the scope `me:account:write`."
    )
    async def schedule_erasure(
        self,
        info: Ask,
        input: Annotated[ScheduleErasureInput, strawberry.argument(description="How.")],
    ) -> ScheduleErasurePayload | None:
        """Has the viewer's own account erased after a while."""
        outcome = await resolvers.schedule_erasure(info.context, control_of(input.control))
        return await ScheduleErasurePayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Keeps the viewer's own account, in the state before its erasure was "
        "scheduled; needs the scope `me:account:write`."
    )
    async def cancel_erasure(
        self,
        info: Ask,
        input: Annotated[CancelErasureInput, strawberry.argument(description="How.")],
    ) -> CancelErasurePayload | None:
        """Keeps the viewer's own account."""
        outcome = await resolvers.cancel_erasure(info.context, control_of(input.control))
        return await CancelErasurePayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Makes a pending account active; "
        "for services with the scope `users:accounts:write`."
    )
    async def confirm_user(
        self,
        info: Ask,
        input: Annotated[ConfirmUserInput, strawberry.argument(description="Whose account.")],
    ) -> ConfirmUserPayload | None:
        """Makes a pending account active."""
        control = control_of(input.control)
        outcome = await resolvers.confirm_user(info.context, input.user_id, control)
        return await ConfirmUserPayload.of(info.context, outcome)

    @strawberry.mutation(
        description="Closes somebody's account, for a time or until that is lifted; for staff."
    )
    async def suspend_user(
        self,
        info: Ask,
        input: Annotated[SuspendUserInput, strawberry.argument(description="Whose account.")],
    ) -> SuspendUserPayload | None:
        """Closes somebody's account."""
        wish = resolvers.Suspension(input.user_id, given(input.until), given(input.reason))
        outcome = await resolvers.suspend_user(info.context, wish, control_of(input.control))
        return await SuspendUserPayload.of(info.context, outcome)

    @strawberry.mutation(description="Ends a suspension before its time; for staff.")
    async def lift_suspension(
        self,
        info: Ask,
        input: Annotated[LiftSuspensionInput, strawberry.argument(description="Whose account.")],
    ) -> LiftSuspensionPayload | None:
        """Ends a suspension before its time."""
        control = control_of(input.control)
        outcome = await resolvers.lift_suspension(info.context, input.user_id, control)
        return await LiftSuspensionPayload.of(info.context, outcome)
