"""Handles: who holds one, for how long after giving it up, and what a crash or a race leaves."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from server.settings import Settings
from store.ids import new_id
from store.store import Store
from tests.subgraph import REGISTER, Clock, Subgraph

AVAILABILITY = """query ($handle: String!) {
  handleAvailability(handle: $handle) { handle state suggestions }
}"""
CHANGE = """mutation ($input: ChangeHandleInput!) {
  changeHandle(input: $input) {
    user { handle rev private { formerHandles { handle } } }
    errors {
      __typename code path
      ... on HandleTakenError { suggestions availableAt }
      ... on TooSoonError { retryAfterSeconds }
    }
    dryRun { changes { field before after } events }
  }
}"""
BY_HANDLE = "query ($handle: String!) { user(by: {handle: $handle}) { id handle } }"

FORMERS = "{ viewer { user { private { formerHandles { handle } } } } }"


def lasting(subgraph: Subgraph, user_id: str) -> str:
    """A token that outlives a handle that cools down."""
    return subgraph.token(user_id, lifetime_seconds=86_400 * 60)


async def change(subgraph: Subgraph, viewer: str, handle: str, **control: Any) -> Any:
    input = {"handle": handle, "control": control}
    return (await subgraph.data(CHANGE, viewer, input=input))["changeHandle"]


async def state(subgraph: Subgraph, handle: str) -> str:
    data = await subgraph.data(AVAILABILITY, handle=handle)
    found: str = data["handleAvailability"]["state"]
    return found


async def test_a_free_handle_is_available(subgraph: Subgraph) -> None:
    data = await subgraph.data(AVAILABILITY, handle="@Ada.Berg")
    assert data["handleAvailability"] == {
        "handle": "ada.berg",
        "state": "AVAILABLE",
        "suggestions": [],
    }


async def test_a_taken_handle_comes_with_free_ones_like_it(subgraph: Subgraph) -> None:
    await subgraph.register("ada.berg")
    data = await subgraph.data(AVAILABILITY, handle="ada.berg")
    suggestions = data["handleAvailability"]["suggestions"]
    assert data["handleAvailability"]["state"] == "TAKEN"
    assert len(suggestions) == 3
    assert {suggestion[:8] for suggestion in suggestions} == {"ada.berg"}
    assert {await state(subgraph, suggestion) for suggestion in suggestions} == {"AVAILABLE"}


async def test_reserved_and_malformed_handles_are_told_apart(subgraph: Subgraph) -> None:
    assert await state(subgraph, "admin") == "RESERVED"
    assert await state(subgraph, "no spaces") == "INVALID"
    assert await state(subgraph, "x" * 31) == "INVALID"


async def test_a_handle_can_be_registered_once(subgraph: Subgraph) -> None:
    await subgraph.register("ada.berg")
    for wanted in ("ada.berg", "ADA.berg", "@ada.berg", "admin"):
        data = await subgraph.data(REGISTER, token=subgraph.token(None), input={"handle": wanted})
        assert [error["code"] for error in data["registerUser"]["errors"]] == ["HANDLE_TAKEN"]


async def test_the_old_handle_still_leads_to_the_user_for_a_while(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await change(subgraph, ada, "ada.ek")
    assert payload == {
        "user": {
            "handle": "ada.ek",
            "rev": 2,
            "private": {"formerHandles": [{"handle": "ada.berg"}]},
        },
        "errors": [],
        "dryRun": None,
    }
    for handle in ("ada.berg", "ada.ek"):
        data = await subgraph.data(BY_HANDLE, handle=handle)
        assert data == {"user": {"id": ada, "handle": "ada.ek"}}
    assert await state(subgraph, "ada.berg") == "COOLDOWN"

    subgraph.clock.advance(days=30, seconds=1)
    assert await subgraph.data(BY_HANDLE, handle="ada.berg") == {"user": None}
    assert await state(subgraph, "ada.berg") == "AVAILABLE"
    assert await subgraph.data(FORMERS, token=lasting(subgraph, ada)) == {
        "viewer": {"user": {"private": {"formerHandles": []}}}
    }
    ben = await subgraph.register("ada.berg")
    data = await subgraph.data(BY_HANDLE, handle="ada.berg")
    assert data == {"user": {"id": ben, "handle": "ada.berg"}}


async def test_a_handle_that_cools_down_is_refused_to_others(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await change(subgraph, ada, "ada.ek")
    [error] = (await change(subgraph, ben, "ada.berg"))["errors"]
    until = subgraph.clock.moment + subgraph.policy.handle_cooldown
    assert error["code"] == "HANDLE_TAKEN"
    assert error["availableAt"][:19] == until.isoformat()[:19]
    assert len(error["suggestions"]) == 3


async def test_its_last_owner_may_take_it_back(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await change(subgraph, ada, "ada.ek")
    subgraph.clock.advance(days=7, seconds=1)
    payload = await change(subgraph, ada, "ada.berg")
    assert payload["user"]["handle"] == "ada.berg"
    assert payload["user"]["private"]["formerHandles"] == [{"handle": "ada.ek"}]


async def test_changing_again_has_to_wait(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await change(subgraph, ada, "ada.ek")
    subgraph.clock.advance(days=6)
    payload = await change(subgraph, ada, "ada.holm")
    assert payload["errors"] == [
        {
            "__typename": "TooSoonError",
            "code": "TOO_SOON",
            "path": ["handle"],
            "retryAfterSeconds": 86_400,
        }
    ]
    assert await state(subgraph, "ada.holm") == "AVAILABLE"


async def test_a_dry_run_claims_nothing(subgraph: Subgraph) -> None:
    ada, _ = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    payload = await change(subgraph, ada, "ada.ek", dryRun=True)
    changed = {change["field"]: change["after"] for change in payload["dryRun"]["changes"]}
    assert payload["dryRun"]["events"] == ["HANDLE_CHANGED"]
    assert set(changed) == {"handle", "private.handleChangedAt", "private.formerHandles", "rev"}
    assert changed["handle"] == "ada.ek"
    assert changed["rev"] == 2
    assert [former["handle"] for former in changed["private.formerHandles"]] == ["ada.berg"]
    assert await state(subgraph, "ada.ek") == "AVAILABLE"
    refused = await change(subgraph, ada, "ben.ek", dryRun=True)
    assert [error["code"] for error in refused["errors"]] == ["HANDLE_TAKEN"]


async def test_of_200_claims_on_one_handle_one_wins(
    settings: Settings, store: Store, clock: Clock
) -> None:
    roomy = settings.model_copy(update={"max_in_flight_mutations": 200})
    subgraph = Subgraph(roomy, store, clock)
    token = subgraph.token(None)
    answers = await asyncio.gather(
        *(subgraph.data(REGISTER, token=token, input={"handle": "ada.berg"}) for _ in range(200))
    )
    payloads = [answer["registerUser"] for answer in answers]
    winners = [payload["user"]["id"] for payload in payloads if not payload["errors"]]
    codes = [error["code"] for payload in payloads for error in payload["errors"]]
    assert codes == ["HANDLE_TAKEN"] * 199
    assert await subgraph.data(BY_HANDLE, handle="ada.berg") == {
        "user": {"id": winners[0], "handle": "ada.berg"}
    }
    assert len(await subgraph.store.users.collection.find({"handle": "ada.berg"})) == 1


async def test_a_crash_between_the_claim_and_the_user_heals_by_itself(subgraph: Subgraph) -> None:
    # What a crash right after the claim leaves: a row without its user.
    now = subgraph.clock()
    assert await subgraph.store.handles.claim("ada.berg", new_id(), now=now)
    assert await state(subgraph, "ada.berg") == "TAKEN"
    assert await subgraph.data(BY_HANDLE, handle="ada.berg") == {"user": None}

    subgraph.clock.advance(seconds=61)
    assert await state(subgraph, "ada.berg") == "AVAILABLE"
    ada = await subgraph.register("ada.berg")
    data = await subgraph.data(BY_HANDLE, handle="ada.berg")
    assert data == {"user": {"id": ada, "handle": "ada.berg"}}


async def test_a_crash_while_changing_leaves_the_user_as_it_was(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    assert await subgraph.store.handles.claim("ada.ek", ada, now=subgraph.clock())
    assert await subgraph.data(BY_HANDLE, handle="ada.ek") == {"user": None}
    assert (await subgraph.data(BY_HANDLE, handle="ada.berg"))["user"]["id"] == ada
    payload = await change(subgraph, ada, "ada.ek")
    assert payload["user"]["handle"] == "ada.ek"


async def test_of_two_who_take_over_a_dead_claim_one_wins(subgraph: Subgraph) -> None:
    then = subgraph.clock() - timedelta(minutes=5)
    assert await subgraph.store.handles.claim("ada.berg", new_id(), now=then)
    token = subgraph.token(None)
    answers = await asyncio.gather(
        *(subgraph.data(REGISTER, token=token, input={"handle": "ada.berg"}) for _ in range(20))
    )
    refused = [payload for answer in answers if (payload := answer["registerUser"])["errors"]]
    assert len(refused) == 19


@pytest.mark.parametrize("handle", ["ada.berg", "ADA.BERG"])
async def test_changing_to_the_handle_one_has_changes_nothing(
    subgraph: Subgraph, handle: str
) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await change(subgraph, ada, handle)
    assert payload["user"] == {
        "handle": "ada.berg",
        "rev": 1,
        "private": {"formerHandles": []},
    }
