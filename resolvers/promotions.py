"""Promotions: granting a user what the catalogue promises, once."""

from collections.abc import Mapping
from typing import Any

from resolvers import rules
from resolvers.catalogue import Version
from resolvers.errors import ValidationRefusal
from resolvers.mutations import Control, Operation, Outcome, carry_out, change_user
from resolvers.request import Request
from store.records import User
from store.tiers import Grant

PROMOTION_GRANTED = "PROMOTION_GRANTED"


async def grant_promotion(
    request: Request, user_id: str, promotion: str, control: Control
) -> Outcome:
    """Grants the promotion, which ends by itself; to grant it again changes nothing."""
    request.require_service("Mutation.grantPromotion")

    async def act(operation: Operation) -> Outcome:
        rules.identifier(user_id, "userId")
        version = request.policy.catalogue.at(operation.now)

        def decide(user: User) -> Mapping[str, Any]:
            if any(grant.name == promotion for grant in user.grants):
                return {}
            grant = _grant(version, promotion, operation)
            kept = [
                one
                for one in user.grants
                if one.expires_at > operation.now or one.name in version.promotions
            ]
            return {"grants": (*kept, grant)}

        return await change_user(request, operation, user_id, PROMOTION_GRANTED, decide)

    arguments = {"userId": user_id, "promotion": promotion}
    return await carry_out(request, "grantPromotion", control, arguments, act)


def _grant(version: Version, name: str, operation: Operation) -> Grant:
    """What the user gets. Raises: ValidationRefusal when it cannot be granted now."""
    promotion = version.promotions.get(name)
    if promotion is None or not promotion.from_ <= operation.now < promotion.until:
        raise _unknown()
    return Grant(name, operation.now, promotion.expires_at(operation.now))


def _unknown() -> ValidationRefusal:
    return rules.refuse(("promotion",), "PROMOTION", "a promotion of the catalogue that runs now")
