"""Wishes: a random input for each mutation of the schema, mostly one that can be fulfilled."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from resolvers.tiers import seats_of
from store.records import Status
from store.tiers import BillingKind, Tier
from tests.dry_runs.worlds import SERVICE, STAFF, World

USERS = 5
"""So many are active, before anything else is wished."""
CLOSING = ("deactivateAccount", "scheduleErasure", "suspendUser", "mergeUsers", "leaveHousehold")
NEEDY = ("verifyContact", "makeContactPrimary", "acceptHouseholdInvitation", "removeFromHousehold")
NEEDED = ("undoLastChange", "recordBillingEvent", "inviteToHousehold", "addContact")
WEIGHTS: Mapping[str, int] = {
    **dict.fromkeys(CLOSING, 1),
    **dict.fromkeys(NEEDY, 6),
    **dict.fromkeys(NEEDED, 4),
}
"""How often a mutation is wished, where that is not 2."""
LIVING = (Status.PENDING, Status.ACTIVE, Status.SUSPENDED, Status.DEACTIVATED)
POLICIES: Mapping[str, tuple[str, ...]] = {
    "personalisation": ("2026-01", "2026-01", "1999-01"),
    "marketing-email": ("2026-01", "2026-01", "2025-06"),
    "partner-analytics": ("2026-03", "2026-03", "2026-01"),
    "nothing": ("2026-01",),
}
"""The purposes there are, and one more, with what is taken for the versions of their policies."""
PATCHES: Mapping[str, tuple[Any, ...]] = {
    "notifications": (
        *({"newReleases": False}, {"newReleases": None, "mutedArtists": ["a"]}, {}, []),
        *({"quietHours": {"from": "22:00"}}, {"quietHours": {"from": None}}, {"newReleases": 1}),
    ),
    "player": (
        *({"quality": "HIGH"}, {"quality": None}, {"quality": "BEST", "crossfadeSeconds": 99}),
        *({"equalizer": {"enabled": True, "gains": [1, 2.5]}}, {"equalizer": {"gains": None}}),
    ),
    "nothing": ({},),
}
ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "EMAIL": (*(f"{name}@example.com" for name in "abcdefgh"), "A@Example.COM", "nobody"),
    "PHONE": ("+46701234567", "+46 70 123 45 68", "+4670123456", "12"),
}
PARTS = ("DISPLAY_NAME", "AVATAR", "BIO", "PRONOUNS", "LINKS", "JOINED_YEAR", "FOLLOWS")
LINKS: tuple[Any, ...] = (
    [],
    None,
    [{"url": "https://a.example/", "label": "A"}],
    [{"url": "ftp://a"}] * 2,
)
PROFILE: Mapping[str, tuple[Any, ...]] = {
    "displayName": (None, "Ada", "Ada Berg", "A" * 51, "two\nlines"),
    "bio": (None, "", "Hello", "one\ntwo", "b" * 301),
    "pronouns": (None, "she/her", "they"),
    "links": LINKS,
    "profileColor": (None, "#1db954", "#000000", "red"),
    "locale": (None, "sv-SE", "en", "klingon"),
    "timeZone": (None, "Europe/Stockholm", "Asia/Tokyo", "Pacific/Apia", "Moon"),
}


class Wish(NamedTuple):
    """A mutation that somebody (a user's id, staff or a service) wants.

    `about` is the user in its payload; None for one who is new.
    """

    name: str
    who: str
    about: str | None
    input: Mapping[str, Any]


Made = tuple[str, str | None, dict[str, Any]]
"""Who wishes it, whom it is about, and the input."""


async def random_wish(world: World, among: Sequence[str] = ()) -> Wish:
    """One of these mutations, or any, those that need others more often; users while few."""
    names = (among or sorted(WISHES)) if len(world.users()) >= USERS else ["registerUser"]
    [name] = world.dice.choices(names, [WEIGHTS.get(name, 2) for name in names])
    making = WISHES[name](world)
    who, about, input = await making if isinstance(making, Awaitable) else making
    if world.chance(0.03):
        is_own, who = who == about, world.maybe([STAFF, SERVICE, world.one()])
        about = who if is_own else about
    if "userId" in input and world.chance(0.03):
        about = input["userId"] = "not an id"
    return Wish(name, who, about, {**input, "control": _control(world, about)})


def _control(world: World, about: str | None) -> dict[str, Any]:
    """How it is to be carried out; at times at a revision, the right one or another."""
    control: dict[str, Any] = {}
    if world.chance(0.1):
        control["idempotencyKey"] = world.maybe([world.name(), "", "ä"])
    if world.chance(0.15):
        user = world.rows["users"].get(about or "", {})
        control["ifRev"] = user.get("rev", 1) + world.maybe([0, 0, 0, 1])
    return control


def _register_user(world: World) -> Made:
    taken = [user.handle for user in world.users() if user.handle]
    handle = world.name() if world.chance(0.85) else world.maybe([*taken, "admin", "x", "Per.Son"])
    chosen = {name: world.maybe(PROFILE[name]) for name in ("displayName", "locale", "timeZone")}
    country = world.maybe([None, "SE", "se", "DE"])
    return (
        SERVICE,
        None,
        {
            "handle": handle,
            "country": country,
            "pending": world.chance(0.1),
            **(chosen if world.chance(0.3) else {}),
        },
    )


def _update_profile(world: World) -> Made:
    chosen = world.dice.sample(sorted(PROFILE), world.dice.randrange(4))
    return _own(world, **{name: world.maybe(PROFILE[name]) for name in chosen})


def _undo_last_change(world: World) -> Made:
    newest = {user.id: world.rows["users"][user.id]["outbox"][-1] for user in world.users()}
    undoable = [
        user_id
        for user_id, one in newest.items()
        if one["kind"] in ("PROFILE_CHANGED", "CHANGE_UNDONE")
    ]
    who = world.maybe(undoable) if undoable and world.chance(0.8) else world.one()
    return who, who, {}


def _change_handle(world: World) -> Made:
    who, others = world.one(), world.users()
    known = [former.handle for user in others for former in user.former_handles]
    known += [user.handle for user in others if user.handle]
    handle = world.maybe(known) if known and world.chance(0.3) else world.name()
    return who, who, {"handle": world.maybe([handle, handle, handle.upper(), "root"])}


def _own_account(*statuses: Status) -> Callable[[World], Made]:
    def made(world: World) -> Made:
        who = world.one(*statuses)
        return who, who, {}

    return made


def _confirm_user(world: World) -> Made:
    about = world.one(Status.PENDING)
    return SERVICE, about, {"userId": about}


def _suspend_user(world: World) -> Made:
    about = world.one(Status.ACTIVE, Status.ACTIVE, Status.SUSPENDED)
    until = world.moment(-1, 0.01, 3, 30) if world.chance(0.8) else None
    return (
        STAFF,
        about,
        {"userId": about, "until": until, "reason": world.maybe([None, "Spam", "a\nb"])},
    )


def _lift_suspension(world: World) -> Made:
    about = world.one(Status.SUSPENDED)
    return STAFF, about, {"userId": about}


def _merge_users(world: World) -> Made:
    keep = world.one()
    return STAFF, keep, {"keepId": keep, "mergeId": world.one(*LIVING)}


def _tie(collection: str) -> Callable[[World], Made]:
    def made(world: World) -> Made:
        who, other = world.pair(collection)
        return who, other, {"userId": other}

    return made


def _answer(world: World) -> dict[str, Any]:
    purpose = world.maybe(sorted(POLICIES))
    version = world.maybe(POLICIES[purpose])
    return {"purpose": purpose, "granted": world.chance(0.6), "policyVersion": version}


def _record_consent(world: World) -> Made:
    return _own(world, **_answer(world))


def _record_consent_for(world: World) -> Made:
    about = world.one()
    source = world.maybe(["call 4711", "call 4712", "  "])
    return SERVICE, about, {"userId": about, "source": source, **_answer(world)}


def _set_preferences(world: World) -> Made:
    namespace = world.maybe(sorted(PATCHES))
    wish = {"namespace": namespace, "patch": world.maybe(PATCHES[namespace])}
    return _own(world, **wish, ifRev=world.maybe([None, None, None, 0, 1]))


def _add_contact(world: World) -> Made:
    kind = world.maybe(["EMAIL", "EMAIL", "PHONE"])
    has_some = [user.id for user in world.users() if user.contacts]
    who = world.maybe(has_some) if has_some and world.chance(0.6) else world.one()
    return who, who, {"kind": kind, "value": world.maybe(ADDRESSES[kind])}


async def _verify_contact(world: World) -> Made:
    who, contact = world.waiting()
    code = await world.code(who, contact) if world.chance(0.85) else "123456"
    return who, who, {"contactId": contact, "code": code}


def _change_contact(world: World) -> Made:
    who, contact = world.contact()
    value = world.maybe(ADDRESSES[world.maybe(sorted(ADDRESSES))])
    return who, who, {"contactId": contact, "value": value}


def _resend_contact_code(world: World) -> Made:
    who, contact = world.waiting()
    return who, who, {"contactId": contact}


def _some_contact(world: World) -> Made:
    who, contact = world.contact()
    return who, who, {"contactId": contact}


def _record_billing_event(world: World) -> Made:
    about = world.one()
    started = world.began + timedelta(days=world.dice.randrange(-2, 1))
    wish = {
        "eventId": f"event-{world.dice.randrange(5)}",
        "subscriptionId": f"s{world.dice.randrange(2)}",
        "userId": about,
        "sequence": world.dice.randrange(-1 if world.chance(0.1) else 0, 9),
        "kind": world.maybe(list(BillingKind)).value,
        "tier": world.maybe([*Tier, *[Tier.PREMIUM_FAMILY, Tier.PREMIUM_DUO] * 3]).value,
        "startedAt": started.isoformat(),
    }
    ends = [end for end in ("periodEnd", "trialEndsAt", "graceEndsAt") if world.chance(0.8)]
    return SERVICE, about, {**wish, **{end: world.moment(-1, 1, 90, 365) for end in ends}}


def _grant_promotion(world: World) -> Made:
    about = world.one()
    names = ["AD_FREE_WEEK", "LOSSLESS_MONTH", "NOTHING"]
    return SERVICE, about, {"userId": about, "promotion": world.maybe(names)}


def _invite_to_household(world: World) -> Made:
    now = world.subgraph.clock()
    paying = [user.id for user in world.users() if seats_of(user, now)]
    who = world.maybe(paying) if paying and world.chance(0.9) else world.one()
    return who, who, {}


def _accept_household_invitation(world: World) -> Made:
    token = world.maybe(world.invitations[-4:]) if world.invitations else "a.b.c"
    alone = [user.id for user in world.users() if not user.seat]
    who = world.maybe(alone) if alone and world.chance(0.8) else world.one()
    return who, who, {"token": token if world.chance(0.9) else f"{token[:-1]}!"}


def _leave_household(world: World) -> Made:
    seated = [user.id for user in world.users() if user.seat]
    who = world.maybe(seated) if seated and world.chance(0.8) else world.one()
    return who, who, {}


def _remove_from_household(world: World) -> Made:
    rows = world.members()
    manager, member = (
        world.maybe(rows) if rows and world.chance(0.9) else (world.one(), world.one())
    )
    return manager, member, {"userId": member}


def _set_visibility(world: World) -> Made:
    parts = world.dice.choices(PARTS, k=world.dice.randrange(4))
    levels = [None, "PUBLIC", "FOLLOWERS", "NOBODY"]
    return _own(
        world, choices=[{"field": part, "visibility": world.maybe(levels)} for part in parts]
    )


def _set_birth_date(world: World) -> Made:
    who = world.one()
    born = world.subgraph.clock() - timedelta(days=world.maybe([-9, 4000, 4747, 6500, 6575, 9000]))
    wish: dict[str, Any] = {"birthDate": born.date().isoformat()}
    if world.chance(0.4):
        return STAFF, who, {**wish, "userId": who}
    return who, who, wish


def _own(world: World, **input: Any) -> Made:
    who = world.one()
    return who, who, input


WISHES: Mapping[str, Callable[[World], Made | Awaitable[Made]]] = {
    "registerUser": _register_user,
    "updateProfile": _update_profile,
    "undoLastChange": _undo_last_change,
    "changeHandle": _change_handle,
    "deactivateAccount": _own_account(Status.ACTIVE),
    "reactivateAccount": _own_account(Status.DEACTIVATED),
    "scheduleErasure": _own_account(*LIVING),
    "cancelErasure": _own_account(Status.ERASURE_SCHEDULED),
    "confirmUser": _confirm_user,
    "suspendUser": _suspend_user,
    "liftSuspension": _lift_suspension,
    "mergeUsers": _merge_users,
    "follow": _tie("follows"),
    "unfollow": _tie("follows"),
    "block": _tie("blocks"),
    "unblock": _tie("blocks"),
    "recordConsent": _record_consent,
    "recordConsentFor": _record_consent_for,
    "setPreferences": _set_preferences,
    "addContact": _add_contact,
    "verifyContact": _verify_contact,
    "resendContactCode": _resend_contact_code,
    "changeContact": _change_contact,
    "removeContact": _some_contact,
    "makeContactPrimary": _some_contact,
    "recordBillingEvent": _record_billing_event,
    "grantPromotion": _grant_promotion,
    "inviteToHousehold": _invite_to_household,
    "acceptHouseholdInvitation": _accept_household_invitation,
    "leaveHousehold": _leave_household,
    "removeFromHousehold": _remove_from_household,
    "setVisibility": _set_visibility,
    "setBirthDate": _set_birth_date,
}
"""How to wish each mutation of the schema."""
