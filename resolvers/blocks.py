"""Blocks: blocking and unblocking somebody."""

from resolvers import rules
from resolvers.follows import other_user
from resolvers.mutations import (
    Control,
    FieldChange,
    Forecast,
    Operation,
    Outcome,
    active_user,
    carry_out,
)
from resolvers.request import Request
from resolvers.visibility import MUTATION_SCOPES

BLOCKED = "USER_BLOCKED"
UNBLOCKED = "USER_UNBLOCKED"


async def block(request: Request, user_id: str, control: Control) -> Outcome:
    """Hides the viewer from the user and ends the follows between them; twice changes nothing."""
    viewer_id = request.require_user(MUTATION_SCOPES["block"])

    async def act(operation: Operation) -> Outcome:
        await active_user(request, viewer_id)
        target = await other_user(request, viewer_id, user_id, control)
        if control.dry_run:
            return await _forecast(request, viewer_id, target.id, blocks=True)
        await request.store.blocks.add(viewer_id, target.id, at=operation.now)
        return Outcome(target.id)

    return await carry_out(request, "block", control, {"userId": user_id}, act)


async def unblock(request: Request, user_id: str, control: Control) -> Outcome:
    """Shows the viewer to the user again; the follows stay ended."""
    viewer_id = request.require_user(MUTATION_SCOPES["unblock"])

    async def act(operation: Operation) -> Outcome:
        await active_user(request, viewer_id)
        pair = (viewer_id, rules.identifier(user_id, "userId"))
        is_blocking = bool(await request.store.blocks.existing([pair]))
        if not is_blocking or control.if_rev is not None:
            # Somebody who blocks the viewer is not there for them, but a block of one's own is.
            await other_user(request, viewer_id, user_id, control)
        if control.dry_run:
            return await _forecast(request, viewer_id, user_id, blocks=False)
        await request.store.blocks.remove(*pair)
        return Outcome(user_id)

    return await carry_out(request, "unblock", control, {"userId": user_id}, act)


async def _forecast(request: Request, viewer_id: str, target_id: str, *, blocks: bool) -> Outcome:
    out, back = (viewer_id, target_id), (target_id, viewer_id)
    if bool(await request.store.blocks.existing([out])) == blocks:
        return Outcome(target_id, forecast=Forecast())
    changes = [FieldChange("viewer_relation.is_blocking", not blocks, blocks)]
    if blocks:
        ended = await request.store.follows.existing([out, back])
        if back in ended:
            changes.append(FieldChange("viewer_relation.is_followed_by", True, False))
        if out in ended:
            changes.append(FieldChange("viewer_relation.is_following", True, False))
    event = BLOCKED if blocks else UNBLOCKED
    return Outcome(target_id, forecast=Forecast(tuple(changes), (event,)))
