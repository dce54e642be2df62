"""Privacy: what users show to whom, and the birth date that limits it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from resolvers import rules
from resolvers.accounts import check_staff
from resolvers.ages import GATES, AgeBand, age_of, band_at, level_of, today
from resolvers.choices import Choice, Level, stricter
from resolvers.errors import DenialReason, NotAllowedRefusal, NotFoundRefusal
from resolvers.mutations import Control, Operation, Outcome, carry_out, change_user
from resolvers.request import Request
from resolvers.sealing import opened_value
from resolvers.visibility import SeenPrivate, SeenUser
from store.records import User

VISIBILITY_CHANGED = "VISIBILITY_CHANGED"
BIRTH_DATE_SET = "BIRTH_DATE_SET"


class ChoiceLevel(NamedTuple):
    """Who sees something now, who would if nothing were chosen, and who may at most."""

    field: Choice
    visibility: Level
    default: Level
    loosest: Level


def visibility_of(request: Request, private: SeenPrivate) -> list[ChoiceLevel]:
    """All that a user may choose, in the order of `Choice`."""
    chosen, band = private.visibility, band_at(private.age(), private.moment(request.now()))
    return [
        ChoiceLevel(choice, level_of(choice, chosen, band), *GATES[band][choice])
        for choice in Choice
    ]


def age_band(request: Request, user: SeenUser) -> AgeBand | None:
    """How old the user is by now; nothing when the viewer may not know."""
    if not user.sees("User.ageBand"):
        return None
    return band_at(user.age_band, user.moment(request.now()))


async def birth_date(request: Request, private: SeenPrivate) -> date | None:
    """The birth date, unsealed. Raises: KeyUnavailable, SealBroken."""
    return await _opened(request, private.whose(), private.birth_date)


async def set_visibility(
    request: Request, wishes: Sequence[tuple[Choice, Level | None]], control: Control
) -> Outcome:
    """Chooses who sees parts of the viewer's profile; no level goes back to the default."""
    viewer_id = request.require_user("Mutation.setVisibility")

    async def act(operation: Operation) -> Outcome:
        _check_distinct([choice for choice, _ in wishes])

        def decide(user: User) -> Mapping[str, Any]:
            band = band_at(user.age_band, operation.now)
            return {"visibility": _chosen(user.visibility, wishes, band)}

        return await change_user(request, operation, viewer_id, VISIBILITY_CHANGED, decide)

    return await carry_out(request, "setVisibility", control, {"choices": wishes}, act)


async def set_birth_date(
    request: Request, born: date, user_id: str | None, control: Control
) -> Outcome:
    """Sets the viewer's birth date, once; staff set anybody's, and correct it."""
    viewer_id = request.require_user("Mutation.setBirthDate")
    assert request.viewer is not None
    owner_id = user_id or viewer_id
    is_staff = request.viewer.is_staff and owner_id != viewer_id

    async def act(operation: Operation) -> Outcome:
        rules.identifier(owner_id, "userId")
        if is_staff:
            await check_staff(request, viewer_id)
        elif owner_id != viewer_id:
            raise NotFoundRefusal(message="There is no such user.", path=("userId",))

        async def decide(user: User) -> Mapping[str, Any]:
            rules.birth_date(born, today(user.time_zone, operation.now), "birthDate")
            known = await _opened(request, user.id, user.birth_date)
            if known == born:
                return {}
            if known is not None and not is_staff:
                raise NotAllowedRefusal(
                    message="The birth date was set before; staff may correct it.",
                    path=("birthDate",),
                    reason=DenialReason.ALREADY_SET,
                )
            age = age_of(born, user.time_zone, operation.now)
            return {"age_band": age, "birth_date": born.isoformat()}

        return await change_user(request, operation, owner_id, BIRTH_DATE_SET, decide)

    arguments = {"birthDate": born.isoformat(), "userId": user_id}
    return await carry_out(request, "setBirthDate", control, arguments, act)


def _check_distinct(choices: Sequence[Choice]) -> None:
    for index, choice in enumerate(choices):
        if choice in choices[:index]:
            path = ("choices", str(index), "field")
            raise rules.refuse(path, "DISTINCT", "each field once")


def _chosen(
    chosen: Mapping[str, str], wishes: Sequence[tuple[Choice, Level | None]], band: AgeBand
) -> dict[str, str]:
    """What is kept of the choices: those that are public anyway are left out.

    What somebody chose is kept when it is the default of the age, so that it stays chosen later.
    Raises: NotAllowedRefusal.
    """
    kept = dict(chosen)
    for index, (choice, level) in enumerate(wishes):
        default, loosest = GATES[band][choice]
        if level is not None and stricter(level, loosest) is not level:
            raise NotAllowedRefusal(
                message=f"At this age it may be seen by {loosest} at most.",
                path=("choices", str(index), "visibility"),
                reason=DenialReason.MINOR,
            )
        if level is None or level is default is Level.PUBLIC:
            kept.pop(choice.value, None)
        else:
            kept[choice.value] = level.value
    return kept


async def _opened(request: Request, user_id: str, stored: bytes | None) -> date | None:
    """The birth date; nothing when the user's key was destroyed."""
    if stored is None:
        return None
    [key] = await request.store.keys.by_user_ids([user_id])
    text = opened_value("birth_date", stored, key)
    return date.fromisoformat(text) if text else None
