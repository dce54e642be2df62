"""Profiles: registering a user, and changing what the owner may set."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from resolvers import rules
from resolvers.ages import moved
from resolvers.errors import Refusal, Refusals
from resolvers.fields import Writer, cleaning
from resolvers.handles import check_free, claim
from resolvers.mutations import (
    Control,
    Operation,
    Outcome,
    author_of,
    carry_out,
    change_user,
    forecast_of_new,
)
from resolvers.request import Request
from store.records import Status, User, new_user

REGISTERED = "USER_REGISTERED"
PROFILE_CHANGED = "PROFILE_CHANGED"


@dataclass(frozen=True, slots=True)
class Registration:
    """What a new user starts with."""

    handle: str
    display_name: str | None
    country: str | None
    locale: str | None
    time_zone: str | None


async def register_user(
    request: Request, wish: Registration, is_pending: bool, control: Control
) -> Outcome:
    """Makes a new user with this handle, to be confirmed or not; for services."""
    request.require_service("Mutation.registerUser")

    async def act(operation: Operation) -> Outcome:
        if control.if_rev is not None:
            raise rules.refuse(
                ("control", "ifRev"), "ABSENT", "no revision, because there is no user yet"
            )
        user = new_user(
            id=operation.new_id,
            rev=1,
            status=Status.PENDING if is_pending else Status.ACTIVE,
            created_at=operation.now,
            **_clean(asdict(wish), Writer.SERVICE),
        )
        assert user.handle is not None
        if control.dry_run:
            await check_free(request, user.handle, None)
            return Outcome(forecast=forecast_of_new(user, REGISTERED))
        await claim(request, user.handle, user.id, operation)
        # When it is there already, an earlier attempt crashed after this.
        is_new = await request.store.users.insert(
            user, operation=operation.id, event=REGISTERED, author=author_of(request)
        )
        return Outcome(user.id, user=user if is_new else None)

    arguments = {**asdict(wish), "pending": is_pending}
    return await carry_out(request, "registerUser", control, arguments, act)


async def update_profile(request: Request, wish: Mapping[str, Any], control: Control) -> Outcome:
    """Sets the fields of the viewer's profile that the wish names; None clears one."""
    viewer_id = request.require_user("Mutation.updateProfile")

    async def act(operation: Operation) -> Outcome:
        values = _clean(wish, Writer.OWNER)
        return await change_user(
            request,
            operation,
            viewer_id,
            PROFILE_CHANGED,
            lambda user: _with_age(user, values, operation),
        )

    return await carry_out(request, "updateProfile", control, wish, act)


def _with_age(user: User, values: Mapping[str, Any], operation: Operation) -> Mapping[str, Any]:
    """The values, with the age: its bands begin at midnight where the user is."""
    age, zone = user.age_band, values.get("time_zone")
    if age is None or "time_zone" not in values or zone == user.time_zone:
        return values
    return {**values, "age_band": moved(age, user.time_zone, zone, operation.now)}


def _clean(wish: Mapping[str, Any], writer: Writer) -> dict[str, Any]:
    """The values by their rules. Raises: Refusals, one for each that breaks its rule."""
    clean = cleaning(writer)
    values: dict[str, Any] = {}
    refusals: list[Refusal] = []
    for name, value in wish.items():
        try:
            values[name] = clean[name](value)
        except Refusal as refusal:
            refusals.append(refusal)
    if refusals:
        raise Refusals(refusals)
    return values
