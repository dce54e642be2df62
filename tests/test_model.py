"""The service does what a model of it does that was written from its docs, whatever is asked."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from store.driver import DriverName
from tests.model.machine import Machine
from tests.model.people import ERASED
from tests.model.running import run
from tests.model.service import Service, served

pytestmark = pytest.mark.one_driver

PROGRAMS, STEPS = 4, 40


@pytest.fixture
def service(mongodb_uri: str, data_dir: Path, driver: DriverName) -> Iterator[Service]:
    """A service with a database of its own."""
    with served(mongodb_uri, data_dir, driver) as service:
        yield service


@pytest.mark.parametrize("seed", [20261123, None])
def test_the_service_does_what_the_model_does(service: Service, seed: int | None) -> None:
    seed = secrets.randbits(31) if seed is None else seed
    print(f"python -m tests.model --examples {PROGRAMS} --steps {STEPS} --seed {seed}")
    run(service, examples=PROGRAMS, steps=STEPS, seed=seed)
    assert service.examples >= PROGRAMS
    assert service.asked > PROGRAMS * STEPS


def test_a_handle_that_has_cooled_down_is_not_told_any_more(service: Service) -> None:
    """Seed 2: `private.formerHandles` told it until the handle was changed again."""
    state = Machine(service)
    state.begin()
    state.change_handle(who=1, handle=3, dry=False)
    state.everybody_sees_what_the_model_says()
    state.wait("a month")
    state.everybody_sees_what_the_model_says()


def test_who_is_erased_leaves_seats_follows_and_addresses_to_others(service: Service) -> None:
    state = Machine(service)
    state.begin()
    state.register(handle=2, pending=False)
    bill = {"sequence": 1, "kind": "STARTED", "tier": "PREMIUM_DUO", "duration": "a month"}
    state.bill(whom=0, dry=False, **bill)
    state.invite(who=0, dry=False)
    state.accept(who=1, which=0, dry=False)
    state.follow(who=0, whom=1, dry=False)
    state.block(who=2, whom=1, dry=False)
    state.add_contact(who=1, address=0, dry=False)
    state.verify(who=1, contact=0, guess=False)
    for who in (1, 0):
        state.change_account(who=who, mutation="scheduleErasure", dry=False)
        state.erase()
        state.everybody_sees_what_the_model_says()
        assert state.platform.people[who].status == ERASED
        state.bill(whom=0, dry=False, **{**bill, "sequence": 2})
        state.invite(who=0, dry=False)
        state.accept(who=2, which=0, dry=False)
        state.add_contact(who=2, address=0, dry=False)
        state.everybody_sees_what_the_model_says()


def test_the_seat_of_a_member_who_was_merged_is_free(service: Service) -> None:
    state = Machine(service)
    state.begin()
    state.register(handle=2, pending=False)
    state.bill(
        whom=0, sequence=1, kind="STARTED", tier="PREMIUM_DUO", duration="a month", dry=False
    )
    state.invite(who=0, dry=False)
    state.accept(who=1, which=0, dry=False)
    state.merge(keep=2, merged=1, dry=False)
    state.everybody_sees_what_the_model_says()
    state.remove_member(who=0, whom=1, dry=False)
    state.invite(who=0, dry=False)
    state.accept(who=2, which=0, dry=False)
    state.everybody_sees_what_the_model_says()
    state.merge(keep=2, merged=0, dry=False)
    state.bill(
        whom=0,
        sequence=2,
        kind="CHANGED",
        tier="PREMIUM_FAMILY",
        duration="a week",
        to_end=True,
        dry=True,
    )
    state.everybody_sees_what_the_model_says()
