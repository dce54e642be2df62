"""History: every change with author and values, the user as it was, and taking back a change."""

from datetime import timedelta
from typing import Any

import pytest

from resolvers.lists import Origin, cursor_to
from tests.at_rest import at_rest
from tests.conftest import Commands
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

HISTORY = """query ($id: ID!, $first: Int = 20, $after: String) {
  user(by: {id: $id}) { private { history(first: $first, after: $after) {
    edges { cursor node { rev kind author authorId clientId changes { field before after } } }
    pageInfo { hasNextPage endCursor }
  } } }
}"""
PROFILE = """id status rev handle displayName bio pronouns profileColor links { url label }
  private { locale timeZone handleChangedAt createdAt }"""
AS_OF = f"query ($id: ID!, $at: DateTime) {{ user(by: {{id: $id}}, asOf: $at) {{ {PROFILE} }} }}"
UNDO = """mutation ($control: MutationControl) { undoLastChange(input: {control: $control}) {
  user { rev bio pronouns links { url label } }
  errors { code ... on NotAllowedError { reason } }
  dryRun { changes { field before after } events }
} }"""
RENAME = """mutation ($handle: String!) { changeHandle(input: {handle: $handle}) {
  errors { code } } }"""


async def past(subgraph: Subgraph, token: str, user_id: str, **page: Any) -> list[dict[str, Any]]:
    data = await subgraph.data(HISTORY, token=token, id=user_id, **page)
    return [edge["node"] for edge in data["user"]["private"]["history"]["edges"]]


async def staff(subgraph: Subgraph) -> str:
    """The token of somebody else, who is staff."""
    return subgraph.token(await subgraph.register("staff.one"), ["users:staff"])


async def test_a_change_is_kept_with_its_author_and_its_values(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    await subgraph.update(ada, "Hello", displayName=None, links=[{"url": "https://ada.example/"}])
    registered = {
        "rev": 1,
        "kind": "USER_REGISTERED",
        "author": "SERVICE",
        "authorId": None,
        "clientId": "development-service",
        "changes": [],
    }
    changed = {
        "rev": 2,
        "kind": "PROFILE_CHANGED",
        "author": "SELF",
        "authorId": None,
        "clientId": "development",
        "changes": [
            {"field": "bio", "before": None, "after": "Hello"},
            {"field": "displayName", "before": "Ada", "after": None},
            {
                "field": "links",
                "before": [],
                "after": [{"url": "https://ada.example/", "label": None}],
            },
        ],
    }
    assert await past(subgraph, subgraph.token(ada), ada) == [changed, registered]
    told = await past(subgraph, await staff(subgraph), ada)
    assert told == [{**changed, "authorId": ada}, {**registered, "authorId": "development-service"}]


async def test_history_is_for_the_owner_and_staff(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    for token in (subgraph.token(ben), subgraph.token(None), None):
        data = await subgraph.data(HISTORY, token=token, id=ada)
        assert data == {"user": {"private": None}}


async def test_pages_reach_back_through_the_archive(subgraph: Subgraph, commands: Commands) -> None:
    ada = await subgraph.register("ada.berg")
    for rev in range(2, 72):
        await subgraph.update(ada, str(rev))
    token, after, found = subgraph.token(ada), None, []
    while True:
        data = await subgraph.data(HISTORY, token=token, id=ada, first=15, after=after)
        page = data["user"]["private"]["history"]
        found += [edge["node"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert [change["rev"] for change in found] == list(range(71, 0, -1))
    values = [change["changes"][0] for change in found[:-1]]
    assert values == [
        {"field": "bio", "before": str(rev - 1) if rev > 2 else None, "after": str(rev)}
        for rev in range(71, 1, -1)
    ]
    commands.taken()
    await past(subgraph, token, ada, first=5)
    assert commands.taken() == ["find"] * 3  # the user, then with its revisions, and the key
    await past(subgraph, token, ada, first=50)
    assert commands.taken() == ["find"] * 4  # and the archive


@pytest.mark.parametrize("place", ["abc", "-1", "9" * 40, "1.5", ""])
async def test_a_made_up_cursor_is_refused(subgraph: Subgraph, place: str) -> None:
    ada = await subgraph.register("ada.berg")
    after = cursor_to(Origin("history", ada), place)
    [error] = (await subgraph.ask(HISTORY, ada, id=ada, after=after))["errors"]
    assert error["extensions"] == {
        "code": "BAD_USER_INPUT",
        "argument": ["after"],
        "rule": "CURSOR",
    }


async def test_what_was_changed_rests_nowhere_in_plain_text(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "a-canary-of-a-bio")
    assert b"a-canary-of-a-bio" in b"".join((await at_rest(subgraph.store)).values())
    for rev in range(40):
        await subgraph.update(ada, str(rev))
    assert b"a-canary-of-a-bio" not in b"".join((await at_rest(subgraph.store)).values())
    [*_, first] = await past(subgraph, subgraph.token(ada), ada, first=41)
    assert first["changes"] == [{"field": "bio", "before": None, "after": "a-canary-of-a-bio"}]


async def test_without_the_key_nothing_is_left_of_the_values(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "Hello")
    await subgraph.store.keys.destroy(ada, now=subgraph.clock())
    [changed, _] = await past(subgraph, subgraph.token(ada), ada)
    assert (changed["rev"], changed["changes"]) == (2, [])
    answer = await subgraph.ask(AS_OF, token=await staff(subgraph), id=ada, at=_iso(subgraph, -1))
    assert answer["data"] == {"user": None}


def _iso(subgraph: Subgraph, seconds: float) -> str:
    return (subgraph.clock() + timedelta(seconds=seconds)).isoformat()


async def test_looking_back_is_for_staff(subgraph: Subgraph, commands: Commands) -> None:
    ada = await subgraph.register("ada.berg")
    commands.taken()
    for token in (subgraph.token(ada), subgraph.token(None), None):
        answer = await subgraph.ask(AS_OF, token=token, id=ada, at=_iso(subgraph, -1))
        assert answer["data"] == {"user": None}
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    assert commands.taken() == []


async def test_before_the_registration_there_was_nobody(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    at = _iso(subgraph, -1)
    assert await subgraph.data(AS_OF, token=await staff(subgraph), id=ada, at=at) == {"user": None}


async def test_what_is_no_longer_kept_is_said(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    for rev in range(2, 60):
        subgraph.clock.advance(seconds=1)
        await subgraph.update(ada, str(rev))
    [row, *_] = await subgraph.store.revisions.collection.find({}, sort="rev")
    await subgraph.store.revisions.collection.delete({"_id": row["_id"]})
    token = await staff(subgraph)
    answer = await subgraph.ask(AS_OF, token=token, id=ada, at=_iso(subgraph, -55))
    [error] = answer["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": ["asOf"], "rule": "KEPT"}
    kept = await subgraph.data(AS_OF, token=token, id=ada, at=_iso(subgraph, -30))
    assert kept["user"]["bio"] == "29"


async def test_the_last_change_is_undone_and_done_again(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    link = {"url": "https://ada.example/", "label": None}
    await subgraph.update(ada, "one", links=[link])
    await subgraph.update(ada, "two", pronouns="she/her", links=[])
    before = {"rev": 4, "bio": "one", "pronouns": None, "links": [link]}
    after = {"rev": 5, "bio": "two", "pronouns": "she/her", "links": []}
    for user in (before, after, {**before, "rev": 6}):
        data = await subgraph.data(UNDO, ada)
        assert data["undoLastChange"] == {"user": user, "errors": [], "dryRun": None}


async def test_a_dry_run_tells_what_would_be_undone(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "one")
    await subgraph.update(ada, "two")
    data = await subgraph.data(UNDO, ada, control={"dryRun": True})
    assert data["undoLastChange"]["dryRun"] == {
        "changes": [
            {"field": "bio", "before": "two", "after": "one"},
            {"field": "rev", "before": 3, "after": 4},
        ],
        "events": ["CHANGE_UNDONE"],
    }
    assert data["undoLastChange"]["user"]["rev"] == 3


async def test_only_the_last_change_of_the_profile_can_be_undone(subgraph: Subgraph) -> None:
    refused = [{"code": "NOT_ALLOWED", "reason": "NOTHING_TO_UNDO"}]
    ada = await subgraph.register("ada.berg")
    assert (await subgraph.data(UNDO, ada))["undoLastChange"]["errors"] == refused
    await subgraph.update(ada, "one")
    await subgraph.data(RENAME, ada, handle="ada.ek")
    data = await subgraph.data(UNDO, ada)
    assert data["undoLastChange"]["errors"] == refused
    [newest, *_] = await past(subgraph, subgraph.token(ada), ada)
    assert (newest["rev"], newest["kind"]) == (3, "HANDLE_CHANGED")


async def test_undoing_under_a_key_happens_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "one")
    await subgraph.update(ada, "two")
    control = {"idempotencyKey": "undo-1"}
    answers = [await subgraph.data(UNDO, ada, control=control) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["undoLastChange"]["user"]["bio"] == "one"
