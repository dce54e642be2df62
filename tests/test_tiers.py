"""Tiers: what holds when, and billing that converges whatever the order of its events."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.tiers import Standing, TierState, standing
from store.ids import new_id
from store.tiers import SUBSCRIPTIONS, BillingKind, Subscription, Tier, joined
from tests.conftest import Commands
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

RECORD = """mutation ($input: RecordBillingEventInput!) {
  recordBillingEvent(input: $input) {
    user { id rev tier }
    subscription { tier state endsAt isShared }
    errors { __typename code path ... on ValidationError { rule } }
    dryRun { changes { field before after } events }
  }
}"""
TIER = "query ($id: ID!) { user(by: {id: $id}) { tier } }"
MINE = "{ viewer { subscription { tier state endsAt isShared } } }"

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def day(number: float) -> datetime:
    """Noon, so many days after the first day of these tests."""
    return NOON + timedelta(days=number)


def told(kind: str, tier: str = "PREMIUM_INDIVIDUAL", sequence: int = 1, **ends: Any) -> Any:
    """A subscription as an event of billing tells it."""
    values = {"id": "s1", "event": f"e{sequence}", "started_at": day(0), **ends}
    return Subscription(sequence=sequence, kind=BillingKind(kind), tier=Tier(tier), **values)


TRIAL = told("TRIAL_STARTED", trial_ends_at=day(14))
TRIAL_WITH_GRACE = TRIAL._replace(grace_ends_at=day(16))
PAID = told("STARTED", period_end=day(30))
PAID_WITH_GRACE = PAID._replace(grace_ends_at=day(33))
UNPAID = told("PAYMENT_FAILED", period_end=day(30), grace_ends_at=day(37))
CANCELLED = told("CANCELLED", period_end=day(30), grace_ends_at=day(37))
ENDED = told("ENDED", period_end=day(30))
FAMILY = told("STARTED", "PREMIUM_FAMILY", period_end=day(5))


@pytest.mark.parametrize(
    ("subscription", "at", "state", "ends"),
    [
        (TRIAL, 0, "TRIAL", 14),
        (TRIAL, 13.99, "TRIAL", 14),
        (TRIAL, 14, "EXPIRED", None),
        (TRIAL_WITH_GRACE, 13, "TRIAL", 16),
        (TRIAL_WITH_GRACE, 14, "GRACE", 16),
        (TRIAL_WITH_GRACE, 16, "EXPIRED", None),
        (PAID, 29.99, "ACTIVE", 30),
        (PAID, 30, "EXPIRED", None),
        (PAID_WITH_GRACE, 1, "ACTIVE", 33),
        (PAID_WITH_GRACE, 30, "GRACE", 33),
        (PAID_WITH_GRACE, 33, "EXPIRED", None),
        (UNPAID, 1, "GRACE", 37),
        (UNPAID, 37, "EXPIRED", None),
        (CANCELLED, 29, "CANCELLED", 30),
        (CANCELLED, 30, "EXPIRED", None),
        (ENDED, 1, "EXPIRED", None),
    ],
)
def test_what_holds_is_a_matter_of_the_event_and_the_time(
    subscription: Subscription, at: float, state: str, ends: float | None
) -> None:
    tier = Tier.FREE if ends is None else Tier.PREMIUM_INDIVIDUAL
    expected = Standing(tier, TierState(state), None if ends is None else day(ends))
    assert standing([subscription], day(at)) == expected


@pytest.mark.parametrize(
    ("others", "tier", "state", "ends"),
    [
        ([], "FREE", None, None),
        ([ENDED], "FREE", "EXPIRED", None),
        ([PAID, FAMILY], "PREMIUM_FAMILY", "ACTIVE", 5),
        ([PAID, UNPAID], "PREMIUM_INDIVIDUAL", "GRACE", 37),
        ([PAID, CANCELLED], "PREMIUM_INDIVIDUAL", "ACTIVE", 30),
        ([ENDED, TRIAL], "PREMIUM_INDIVIDUAL", "TRIAL", 14),
    ],
)
def test_of_several_the_highest_tier_counts_then_what_lasts_longest(
    others: list[Subscription], tier: str, state: str | None, ends: float | None
) -> None:
    expected = Standing(Tier(tier), state and TierState(state), ends and day(ends))  # type: ignore[arg-type]
    for order in permutations(others):
        assert standing(order, day(1)) == expected


MOMENTS = st.none() | st.integers(0, 60).map(day)
EVENTS = st.builds(
    Subscription,
    started_at=st.integers(0, 6).map(day),
    id=st.sampled_from(["s1", "s2", "s3"]),
    sequence=st.integers(0, 5),
    event=st.sampled_from(["e1", "e2", "e3", "e4"]),
    kind=st.sampled_from(BillingKind),
    tier=st.sampled_from(Tier),
    period_end=MOMENTS,
    trial_ends_at=MOMENTS,
    grace_ends_at=MOMENTS,
)


def folded(events: Sequence[Subscription]) -> tuple[Subscription, ...]:
    """What a user's document holds after these events, one after the other."""
    known: tuple[Subscription, ...] = ()
    for event in events:
        known = joined(known, event)
    return known


@given(st.lists(EVENTS, max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_any_events_in_any_order_any_number_of_times_are_one_state(
    events: list[Subscription], random: random.Random
) -> None:
    expected = folded(events)
    assert len(expected) <= SUBSCRIPTIONS
    for _ in range(5):
        again = [*events, *random.sample(events, len(events) // 2)]
        random.shuffle(again)
        assert folded(again) == expected
        half = len(again) // 2
        assert joined(folded(again[:half]), *folded(again[half:])) == expected


def life() -> list[Any]:
    """The events of two subscriptions of a user, one after the other, with ends in days."""
    return [
        ("s1", 1, "TRIAL_STARTED", "PREMIUM_INDIVIDUAL", {"trialEndsAt": 14}),
        ("s1", 2, "STARTED", "PREMIUM_INDIVIDUAL", {"periodEnd": 44}),
        ("s1", 3, "PAYMENT_FAILED", "PREMIUM_INDIVIDUAL", {"graceEndsAt": 51}),
        ("s1", 4, "CANCELLED", "PREMIUM_INDIVIDUAL", {"periodEnd": 44}),
        ("s2", 1, "STARTED", "PREMIUM_DUO", {"periodEnd": 75}),
        ("s2", 2, "CHANGED", "PREMIUM_FAMILY", {"periodEnd": 75, "graceEndsAt": 78}),
    ]


def as_input(subgraph: Subgraph, user_id: str, event: Any, **control: Any) -> dict[str, Any]:
    """An event of `life` as billing sends it; days count from the subgraph's clock."""
    subscription, sequence, kind, tier, ends = event
    start = subgraph.clock.moment.replace(microsecond=0)
    begun = start + timedelta(days=0 if subscription == "s1" else 1)
    return {
        "eventId": f"{subscription}/{sequence}",
        "subscriptionId": subscription,
        "userId": user_id,
        "sequence": sequence,
        "kind": kind,
        "tier": tier,
        "startedAt": begun.isoformat(),
        **{name: (start + timedelta(days=days)).isoformat() for name, days in ends.items()},
        "control": control,
    }


async def record(subgraph: Subgraph, input: dict[str, Any]) -> Any:
    data = await subgraph.data(RECORD, token=subgraph.token(None), input=input)
    return data["recordBillingEvent"]


async def subscriptions(subgraph: Subgraph, user_id: str) -> tuple[Subscription, ...]:
    user = await subgraph.store.users.by_id(user_id)
    assert user is not None
    return user.subscriptions


def test_a_life_of_events_shuffled_and_doubled_1000_times_is_one_state() -> None:
    events = [
        told(kind, tier, sequence, id=name, started_at=day(0 if name == "s1" else 1),
             **{{"periodEnd": "period_end", "trialEndsAt": "trial_ends_at",
                 "graceEndsAt": "grace_ends_at"}[end]: day(days) for end, days in ends.items()})
        for name, sequence, kind, tier, ends in life()
    ]  # fmt: skip
    expected = folded(events)
    assert [(one.id, one.sequence) for one in expected] == [("s1", 4), ("s2", 2)]
    dice = random.Random(6)
    for _ in range(1000):
        shuffled = dice.choices(events, k=4) + events
        dice.shuffle(shuffled)
        assert folded(shuffled) == expected


async def test_billing_in_any_order_leads_to_one_state(subgraph: Subgraph) -> None:
    dice = random.Random(7)
    states = set()
    for number in range(12):
        user_id = await subgraph.register(f"user{number}")
        events = life() + dice.choices(life(), k=2)
        dice.shuffle(events)
        for event in events:
            assert (await record(subgraph, as_input(subgraph, user_id, event)))["errors"] == []
        states.add(await subscriptions(subgraph, user_id))
    [state] = states
    assert [(one.id, one.sequence) for one in state] == [("s1", 4), ("s2", 2)]


async def test_billing_all_at_once_leads_to_the_same_state(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await asyncio.gather(
        *(record(subgraph, as_input(subgraph, ada, event)) for event in life() + life())
    )
    for event in life():
        await record(subgraph, as_input(subgraph, ben, event))
    assert await subscriptions(subgraph, ada) == await subscriptions(subgraph, ben)


async def test_an_event_is_one_write_and_a_late_one_none(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "so that there is a key of hers")
    events = life()
    commands.taken()
    payload = await record(subgraph, as_input(subgraph, ada, events[1]))
    ends = (subgraph.clock.moment.replace(microsecond=0) + timedelta(days=44)).isoformat()
    active = {"tier": "PREMIUM_INDIVIDUAL", "state": "ACTIVE", "endsAt": ends, "isShared": False}
    done: Any = {
        "user": {"id": ada, "rev": 3, "tier": "PREMIUM_INDIVIDUAL"},
        "subscription": active,
        "errors": [],
        "dryRun": None,
    }
    assert payload == done
    assert commands.taken() == ["find", "find", "update"]
    assert await record(subgraph, as_input(subgraph, ada, events[0])) == done
    assert await record(subgraph, as_input(subgraph, ada, events[1])) == done
    assert commands.taken() == ["find"] * 4


async def test_an_event_under_a_key_is_taken_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    first = as_input(subgraph, ada, life()[1], idempotencyKey="k")
    assert await record(subgraph, first) == await record(subgraph, first)
    other = as_input(subgraph, ada, life()[2], idempotencyKey="k")
    [error] = (await record(subgraph, other))["errors"]
    assert error["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert [one.sequence for one in await subscriptions(subgraph, ada)] == [2]


async def test_a_dry_run_tells_the_event_and_writes_nothing(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await record(subgraph, as_input(subgraph, ada, life()[1], dryRun=True))
    fields = [change["field"] for change in payload["dryRun"]["changes"]]
    assert fields == ["subscriptions", "rev"]
    assert payload["dryRun"]["changes"][0]["after"][0]["kind"] == "STARTED"
    assert payload["dryRun"]["events"] == ["TIER_CHANGED"]
    assert payload["subscription"] is None
    assert await subscriptions(subgraph, ada) == ()


@pytest.mark.parametrize(
    ("change", "path", "rule"),
    [
        ({"eventId": ""}, ["eventId"], "KEY_FORMAT"),
        ({"subscriptionId": "ö"}, ["subscriptionId"], "KEY_FORMAT"),
        ({"userId": "x"}, ["userId"], "ID_FORMAT"),
        ({"sequence": -1}, ["sequence"], "SEQUENCE"),
        ({"tier": "FREE"}, ["tier"], "PAID_TIER"),
        ({"periodEnd": None}, ["periodEnd"], "REQUIRED"),
        ({"periodEnd": "2026-12-01T00:00:00"}, ["periodEnd"], "MOMENT"),
        ({"periodEnd": "0001-01-01T00:00:00+14:00"}, ["periodEnd"], "MOMENT"),
        ({"startedAt": "9999-12-31T23:59:59-12:00"}, ["startedAt"], "MOMENT"),
        ({"kind": "PAYMENT_FAILED"}, ["graceEndsAt"], "REQUIRED"),
        ({"kind": "TRIAL_STARTED"}, ["trialEndsAt"], "REQUIRED"),
    ],
)
async def test_an_event_that_says_too_little_is_refused(
    subgraph: Subgraph, change: dict[str, Any], path: list[str], rule: str
) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await record(subgraph, {**as_input(subgraph, ada, life()[1]), **change})
    error = {"__typename": "ValidationError", "code": "BAD_USER_INPUT", "path": path, "rule": rule}
    assert payload == {"user": None, "subscription": None, "errors": [error], "dryRun": None}
    assert await subscriptions(subgraph, ada) == ()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("SUSPENDED", None),
        ("DEACTIVATED", None),
        ("ERASURE_SCHEDULED", None),
        ("ERASED", "NOT_ALLOWED"),
        ("MERGED", "NOT_ALLOWED"),
    ],
)
async def test_billing_goes_on_while_an_account_is_closed(
    subgraph: Subgraph, status: str, code: str | None
) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.set_status(ada, status)
    payload = await record(subgraph, as_input(subgraph, ada, life()[1]))
    assert [error["code"] for error in payload["errors"]] == ([code] if code else [])
    assert len(await subscriptions(subgraph, ada)) == (0 if code else 1)


async def test_nobody_has_no_tier(subgraph: Subgraph) -> None:
    [error] = (await record(subgraph, as_input(subgraph, new_id(), life()[1])))["errors"]
    assert (error["code"], error["path"]) == ("NOT_FOUND", ["userId"])


async def test_a_tier_ends_by_itself(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await record(subgraph, as_input(subgraph, ada, life()[0]))
    start = subgraph.clock.moment
    seen = []
    for days in (0, 13, 15):
        subgraph.clock.moment = start + timedelta(days=days)
        found = await subgraph.data(TIER, token=lasting_token(subgraph), id=ada)
        seen.append(found["user"]["tier"])
    assert seen == ["PREMIUM_INDIVIDUAL", "PREMIUM_INDIVIDUAL", "FREE"]


def lasting_token(subgraph: Subgraph) -> str:
    """A service's token that the clock of these tests does not outlive."""
    return subgraph.token(None, lifetime_seconds=86_400 * 100)


async def test_the_owner_sees_their_subscription(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    free = {"tier": "FREE", "state": None, "endsAt": None, "isShared": False}
    assert await subgraph.data(MINE, ada) == {"viewer": {"subscription": free}}
    payload = await record(subgraph, as_input(subgraph, ada, life()[5]))
    mine = await subgraph.data(MINE, ada)
    assert mine == {"viewer": {"subscription": payload["subscription"]}}


@pytest.mark.parametrize("count", [1, 40])
async def test_the_tiers_of_many_users_are_one_command(
    subgraph: Subgraph, commands: Commands, count: int
) -> None:
    ids = [await subgraph.register(f"user{number}") for number in range(count)]
    await record(subgraph, as_input(subgraph, ids[0], life()[1]))
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { tier } } }"
    representations = [{"__typename": "User", "id": user_id} for user_id in ids]
    commands.taken()
    data = await subgraph.data(query, token=subgraph.token(None), r=representations)
    tiers = [user["tier"] for user in data["_entities"]]
    assert tiers == ["PREMIUM_INDIVIDUAL"] + ["FREE"] * (count - 1)
    assert commands.taken() == ["find"]
