"""Blocks: blocking and unblocking somebody."""

from resolvers import rules
from resolvers.follows import forecast_ties, other_user
from resolvers.mutations import Control, Operation, Outcome, active_user, carry_out
from resolvers.request import Request


async def block(request: Request, user_id: str, control: Control) -> Outcome:
    """Hides the viewer from the user and ends the follows between them; twice changes nothing."""
    viewer_id = request.require_user("Mutation.block")

    async def act(operation: Operation) -> Outcome:
        await active_user(request, viewer_id)
        target = await other_user(request, viewer_id, user_id, control)
        if control.dry_run:
            return await forecast_ties(
                request,
                viewer_id,
                target,
                is_blocking=True,
                is_following=False,
                is_followed_by=False,
            )
        await request.store.blocks.add(viewer_id, target.id, at=operation.now)
        return Outcome(target.id)

    return await carry_out(request, "block", control, {"userId": user_id}, act)


async def unblock(request: Request, user_id: str, control: Control) -> Outcome:
    """Shows the viewer to the user again; the follows stay ended."""
    viewer_id = request.require_user("Mutation.unblock")

    async def act(operation: Operation) -> Outcome:
        await active_user(request, viewer_id)
        pair = (viewer_id, rules.identifier(user_id, "userId"))
        is_blocking = bool(await request.store.blocks.existing([pair]))
        if control.dry_run or control.if_rev is not None or not is_blocking:
            # Somebody who blocks the viewer is not there for them, but a block of one's own is.
            target = await other_user(request, viewer_id, user_id, control)
            if control.dry_run:
                return await forecast_ties(request, viewer_id, target, is_blocking=False)
        await request.store.blocks.remove(*pair)
        return Outcome(user_id)

    return await carry_out(request, "unblock", control, {"userId": user_id}, act)
