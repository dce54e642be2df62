"""Codes: how long one is good, how often it may be guessed, and how often it is sent."""

import asyncio
from typing import Any

import pytest

from server.settings import Settings
from store.store import Store
from tests.conftest import Commands
from tests.contacts import (
    EMAIL,
    add,
    added,
    code_for,
    contacts,
    lookup,
    mailbox,
    mutate,
    told,
    verified,
    verify,
    wrong,
)
from tests.subgraph import Clock, Subgraph
from tests.test_contacts import refused


def too_soon(seconds: int) -> list[dict[str, Any]]:
    """The errors of a payload that has to wait."""
    error = {"__typename": "TooSoonError", "code": "TOO_SOON", "path": []}
    return [{**error, "retryAfterSeconds": seconds}]


async def resend(subgraph: Subgraph, viewer: str, contact: str, **control: Any) -> Any:
    """The payload of asking for another code."""
    return await mutate(subgraph, viewer, "resendContactCode", contactId=contact, control=control)


async def test_a_wrong_code_changes_nothing_and_says_what_is_left(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    contact, code = await added(subgraph, ada)
    payload = await verify(subgraph, ada, contact, wrong(code))
    assert payload["errors"][0]["message"] == (
        "Expected the code that was sent; 4 more may be tried."
    )
    assert told(payload) == refused("CODE", "code")
    assert payload["user"] is payload["contact"] is None
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.rev == 2
    assert await lookup(subgraph) is None
    assert (await verify(subgraph, ada, contact, code))["errors"] == []


@pytest.mark.parametrize("code", ["", "12345", "1234567", "\uff11" * 6, "\x00", "x" * 10_000])
async def test_what_is_no_code_is_wrong(subgraph: Subgraph, code: str) -> None:
    ada = await subgraph.register("ada.berg")
    contact, _ = await added(subgraph, ada)
    assert told(await verify(subgraph, ada, contact, code)) == refused("CODE", "code")


async def test_after_five_wrong_guesses_the_right_one_is_void(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    contact, code = await added(subgraph, ada)
    for _ in range(5):
        assert told(await verify(subgraph, ada, contact, wrong(code))) == refused("CODE", "code")
    assert told(await verify(subgraph, ada, contact, code)) == refused("CODE_VOID", "code")
    assert await lookup(subgraph) is None
    subgraph.clock.advance(seconds=30)
    assert (await resend(subgraph, ada, contact))["errors"] == []
    newer = await code_for(subgraph)
    assert (await verify(subgraph, ada, contact, newer))["errors"] == []


async def test_of_50_guesses_at_the_same_time_five_are_looked_at(
    settings: Settings, store: Store, clock: Clock
) -> None:
    roomy = settings.model_copy(update={"max_in_flight_mutations": 200})
    subgraph = Subgraph(roomy, store, clock)
    ada = await subgraph.register("ada.berg")
    contact, code = await added(subgraph, ada)
    payloads = await asyncio.gather(
        *(verify(subgraph, ada, contact, wrong(code)) for _ in range(50))
    )
    rules = [error["rule"] for payload in payloads for error in payload["errors"]]
    assert sorted(rules) == ["CODE"] * 5 + ["CODE_VOID"] * 45
    assert told(await verify(subgraph, ada, contact, code)) == refused("CODE_VOID", "code")
    await subgraph.http.aclose()


async def test_of_those_who_use_a_code_at_the_same_time_one_does(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    contact, code = await added(subgraph, ada)
    payloads = await asyncio.gather(*(verify(subgraph, ada, contact, code) for _ in range(5)))
    assert sum(not payload["errors"] for payload in payloads) == 1
    rules = {error["rule"] for payload in payloads for error in payload["errors"]}
    assert rules <= {"CODE_VOID", "UNVERIFIED"}
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.rev == 3


async def test_a_code_is_good_for_ten_minutes(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    contact, code = await added(subgraph, ada)
    subgraph.clock.advance(minutes=10)
    assert told(await verify(subgraph, ada, contact, code)) == refused("CODE_VOID", "code")
    await resend(subgraph, ada, contact)
    code = await code_for(subgraph)
    subgraph.clock.advance(minutes=9, seconds=59)
    assert (await verify(subgraph, ada, contact, code))["errors"] == []


async def test_a_code_is_good_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    contact, code = await added(subgraph, ada)
    await verify(subgraph, ada, contact, code)
    payload = await verify(subgraph, ada, contact, code)
    assert told(payload) == refused("UNVERIFIED", "contactId")
    await mutate(subgraph, ada, "removeContact", contactId=contact)
    subgraph.clock.advance(seconds=30)
    again, newer = await added(subgraph, ada)
    if newer != code:
        assert told(await verify(subgraph, ada, again, code)) == refused("CODE", "code")


async def test_a_code_is_for_one_address_of_one_user(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    one, code = await added(subgraph, ada)
    two, other = await added(subgraph, ada, "two@example.com")
    three, _ = await added(subgraph, ben)
    if code != other:
        assert told(await verify(subgraph, ada, two, code)) == refused("CODE", "code")
    if code != await code_for(subgraph):
        assert told(await verify(subgraph, ben, three, code)) == refused("CODE", "code")
    assert (await verify(subgraph, ada, one, code))["errors"] == []


async def test_another_code_may_follow_after_30_seconds_and_voids_the_one_before(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada.berg")
    contact, first = await added(subgraph, ada)
    assert told(await resend(subgraph, ada, contact)) == too_soon(30)
    subgraph.clock.advance(seconds=29)
    assert told(await resend(subgraph, ada, contact)) == too_soon(1)
    assert len(await mailbox(subgraph)) == 1
    subgraph.clock.advance(seconds=1)
    payload = await resend(subgraph, ada, contact)
    assert (payload["errors"], payload["isSent"], payload["user"]) == ([], True, {"rev": 2})
    second = await code_for(subgraph)
    if first != second:
        assert told(await verify(subgraph, ada, contact, first)) == refused("CODE", "code")
    assert (await verify(subgraph, ada, contact, second))["errors"] == []
    subgraph.clock.advance(seconds=30)
    payload = await resend(subgraph, ada, contact)
    assert told(payload) == refused("UNVERIFIED", "contactId")


async def test_an_address_gets_five_codes_in_an_hour_however_they_are_asked_for(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada.berg")
    for _ in range(2):
        contact, _ = await added(subgraph, ada)
        subgraph.clock.advance(minutes=1)
        await mutate(subgraph, ada, "removeContact", contactId=contact)
    contact, _ = await added(subgraph, ada)
    for _ in range(2):
        subgraph.clock.advance(minutes=1)
        assert (await resend(subgraph, ada, contact))["errors"] == []
    subgraph.clock.advance(minutes=1)
    assert told(await resend(subgraph, ada, contact)) == too_soon(55 * 60)
    await mutate(subgraph, ada, "removeContact", contactId=contact)
    assert told(await add(subgraph, ada)) == too_soon(55 * 60)
    assert await contacts(subgraph, ada) == []
    assert len(await mailbox(subgraph)) == 5
    subgraph.clock.advance(minutes=55)
    await added(subgraph, ada)
    assert told(await add(subgraph, ada, EMAIL.upper())) == refused("DISTINCT", "value")


async def test_a_user_has_20_codes_sent_in_an_hour_wherever_they_go(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    for number in range(20):
        contact, _ = await added(subgraph, ada, f"a{number}@x.se")
        await mutate(subgraph, ada, "removeContact", contactId=contact)
    assert told(await add(subgraph, ada)) == too_soon(3600)
    assert await contacts(subgraph, ada) == []
    subgraph.clock.advance(hours=1)
    await added(subgraph, ada)


async def test_at_the_same_time_one_code_is_sent(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    contact, _ = await added(subgraph, ada)
    subgraph.clock.advance(seconds=30)
    payloads = await asyncio.gather(*(resend(subgraph, ada, contact) for _ in range(10)))
    errors = [error["code"] for payload in payloads for error in payload["errors"]]
    assert errors == ["TOO_SOON"] * 9
    assert len(await mailbox(subgraph)) == 2


async def test_a_dry_run_of_sending_says_whether_it_may(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    contact, _ = await added(subgraph, ada)
    commands.taken()
    assert told(await resend(subgraph, ada, contact, dryRun=True)) == too_soon(30)
    subgraph.clock.advance(seconds=30)
    payload = await resend(subgraph, ada, contact, dryRun=True)
    assert payload["dryRun"] == {"changes": [], "events": []}
    assert payload["isSent"] is False
    assert set(commands.taken()) == {"find"}
    assert len(await mailbox(subgraph)) == 1


async def test_what_each_mutation_asks_of_the_database(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    await verified(subgraph, ada, "first@example.com")  # so that there is a data key
    commands.taken()

    def counts() -> dict[str, int]:
        names = commands.taken()
        return {name: names.count(name) for name in dict.fromkeys(names)}

    contact, code = await added(subgraph, ada)
    assert counts() == {"find": 5, "update": 3}
    await verify(subgraph, ada, contact, code)
    assert counts() == {"find": 4, "insert": 1, "update": 3}
    await mutate(subgraph, ada, "makeContactPrimary", contactId=contact)
    assert counts() == {"find": 3, "update": 1}
    await mutate(subgraph, ada, "removeContact", contactId=contact)
    assert counts() == {"find": 2, "update": 1, "delete": 1}
