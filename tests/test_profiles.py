"""Registering users and changing profiles: rules, revisions, dry runs, idempotency, races."""

import asyncio
from typing import Any

import pytest

from store.ids import new_id
from store.records import to_stored_precision
from tests.conftest import Commands
from tests.subgraph import REGISTER, Subgraph

UPDATE = """mutation ($input: UpdateProfileInput!) {
  updateProfile(input: $input) {
    user {
      rev displayName bio pronouns profileColor links { url label }
      private { locale timeZone }
    }
    errors {
      __typename code path
      ... on ValidationError { rule }
      ... on ConflictError { currentRev }
    }
    dryRun { changes { field before after } events }
  }
}"""


async def update(subgraph: Subgraph, viewer: str, **input: Any) -> Any:
    return (await subgraph.data(UPDATE, viewer, input=input))["updateProfile"]


async def test_a_profile_is_changed_kept_and_cleared(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada", locale="sv-SE")
    link = {"url": "https://ada.example/", "label": None}
    payload = await update(
        subgraph,
        ada,
        bio="  Line one\nline two ",
        pronouns="she/her",
        profileColor="#1DB954",
        links=[link],
        timeZone="Europe/Stockholm",
    )
    changed = {
        "rev": 2,
        "displayName": "Ada",
        "bio": "Line one\nline two",
        "pronouns": "she/her",
        "profileColor": "#1db954",
        "links": [link],
        "private": {"locale": "sv-SE", "timeZone": "Europe/Stockholm"},
    }
    assert payload == {"user": changed, "errors": [], "dryRun": None}

    payload = await update(subgraph, ada, bio=None, links=[], displayName="", timeZone=None)
    cleared: dict[str, Any] = {"bio": None, "links": [], "displayName": None}
    private = {"locale": "sv-SE", "timeZone": None}
    assert payload["user"] == {**changed, **cleared, "private": private, "rev": 3}


async def test_what_changes_nothing_is_no_revision(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    assert (await update(subgraph, ada, displayName="Ada", bio=None))["user"]["rev"] == 1
    assert (await update(subgraph, ada))["user"]["rev"] == 1


@pytest.mark.parametrize(
    ("input", "path", "rule"),
    [
        ({"displayName": "x" * 51}, ["displayName"], "MAX_LENGTH"),
        ({"displayName": "two\nlines"}, ["displayName"], "SINGLE_LINE"),
        ({"displayName": "nul\x00"}, ["displayName"], "PRINTABLE"),
        ({"displayName": "\u200b\u3164\u2800"}, ["displayName"], "VISIBLE"),
        ({"displayName": "x\u061c"}, ["displayName"], "PRINTABLE"),
        ({"timeZone": "localtime"}, ["timeZone"], "TIME_ZONE"),
        (
            {"bio": "x", "control": {"idempotencyKey": "", "dryRun": True}},
            ["control", "idempotencyKey"],
            "KEY_FORMAT",
        ),
        ({"bio": "x" * 301}, ["bio"], "MAX_LENGTH"),
        ({"bio": "turn\u202earound"}, ["bio"], "PRINTABLE"),
        ({"pronouns": "x" * 41}, ["pronouns"], "MAX_LENGTH"),
        ({"profileColor": "green"}, ["profileColor"], "COLOR_FORMAT"),
        ({"locale": "Swedish"}, ["locale"], "LOCALE_FORMAT"),
        ({"timeZone": "Mars/Olympus"}, ["timeZone"], "TIME_ZONE"),
        ({"timeZone": "../../etc/passwd"}, ["timeZone"], "TIME_ZONE"),
        ({"links": [{"url": "javascript:alert(1)"}]}, ["links", "0", "url"], "URL_FORMAT"),
        ({"links": [{"url": "https://u:p@x.example"}]}, ["links", "0", "url"], "URL_FORMAT"),
        ({"links": [{"url": "https://[x"}]}, ["links", "0", "url"], "URL_FORMAT"),
        ({"links": [{"url": "https://x.example"}] * 6}, ["links"], "MAX_ITEMS"),
        (
            {"links": [{"url": "https://x.example", "label": "x" * 51}]},
            ["links", "0", "label"],
            "MAX_LENGTH",
        ),
        (
            {"bio": "x", "control": {"idempotencyKey": "späce"}},
            ["control", "idempotencyKey"],
            "KEY_FORMAT",
        ),
    ],
)
async def test_a_broken_rule_is_named_and_nothing_is_written(
    subgraph: Subgraph, input: dict[str, Any], path: list[str], rule: str
) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await update(subgraph, ada, **input)
    error = {"__typename": "ValidationError", "code": "BAD_USER_INPUT", "path": path, "rule": rule}
    assert payload == {"user": None, "errors": [error], "dryRun": None}
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.rev == 1


async def test_every_broken_rule_is_told_at_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await update(subgraph, ada, profileColor="green", pronouns="x" * 41, bio="fine")
    assert [(error["path"], error["rule"]) for error in payload["errors"]] == [
        (["pronouns"], "MAX_LENGTH"),
        (["profileColor"], "COLOR_FORMAT"),
    ]
    assert (await update(subgraph, ada))["user"]["bio"] is None


async def test_a_stale_revision_is_a_conflict_that_tells_the_current_one(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await update(subgraph, ada, bio="one", control={"ifRev": 1})
    assert payload["user"]["rev"] == 2
    payload = await update(subgraph, ada, bio="two", control={"ifRev": 1})
    assert payload["errors"] == [
        {
            "__typename": "ConflictError",
            "code": "CONFLICT",
            "path": ["control", "ifRev"],
            "currentRev": 2,
        }
    ]
    assert (await update(subgraph, ada))["user"]["bio"] == "one"


async def test_of_50_updates_of_one_revision_one_wins(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payloads = await asyncio.gather(
        *(update(subgraph, ada, bio=f"{n}", control={"ifRev": 1}) for n in range(50))
    )
    winners = [payload["user"] for payload in payloads if not payload["errors"]]
    assert [winner["rev"] for winner in winners] == [2]
    losers = [payload["errors"][0] for payload in payloads if payload["errors"]]
    assert {(error["code"], error["currentRev"]) for error in losers} == {("CONFLICT", 2)}
    assert (await update(subgraph, ada))["user"] == winners[0]


async def test_no_update_is_lost_among_concurrent_ones(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    wishes = [
        {"displayName": "Ada"},
        {"bio": "b"},
        {"pronouns": "p"},
        {"locale": "sv-SE"},
        {"timeZone": "Europe/Stockholm"},
    ]
    payloads = await asyncio.gather(*(update(subgraph, ada, **wish) for wish in wishes))
    assert [payload["errors"] for payload in payloads] == [[]] * 5
    user = (await update(subgraph, ada))["user"]
    assert user["rev"] == 6
    assert (user["displayName"], user["bio"], user["pronouns"]) == ("Ada", "b", "p")
    assert user["private"] == {"locale": "sv-SE", "timeZone": "Europe/Stockholm"}


async def test_a_dry_run_tells_the_difference_and_writes_nothing(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    commands.taken()
    link = {"url": "https://ada.example/", "label": "Home"}
    payload = await update(
        subgraph, ada, displayName="Ada", bio="new", links=[link], control={"dryRun": True}
    )
    assert payload["dryRun"] == {
        "changes": [
            {"field": "bio", "before": None, "after": "new"},
            {"field": "links", "before": [], "after": [link]},
            {"field": "rev", "before": 1, "after": 2},
        ],
        "events": ["PROFILE_CHANGED"],
    }
    assert payload["user"]["bio"] is None
    assert set(commands.taken()) == {"find"}


async def test_a_key_makes_a_request_happen_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    request = {"bio": "one", "control": {"idempotencyKey": "k1", "ifRev": 1}}
    first = await update(subgraph, ada, **request)
    assert first["user"]["rev"] == 2
    assert await update(subgraph, ada, **request) == first

    other = await update(subgraph, ada, bio="two", control={"idempotencyKey": "k1", "ifRev": 1})
    assert [error["code"] for error in other["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]
    ben = await subgraph.register("ben.ek")
    assert (await update(subgraph, ben, **request))["user"]["rev"] == 2


async def test_a_refusal_is_replayed_too(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    request = {"bio": "one", "control": {"idempotencyKey": "k1", "ifRev": 7}}
    first = await update(subgraph, ada, **request)
    await update(subgraph, ada, bio="other")
    assert first["errors"][0]["currentRev"] == 1
    assert await update(subgraph, ada, **request) == first


async def test_the_same_request_at_the_same_time_happens_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    request = {"bio": "one", "control": {"idempotencyKey": "k1"}}
    payloads = await asyncio.gather(*(update(subgraph, ada, **request) for _ in range(10)))
    codes = [error["code"] for payload in payloads for error in payload["errors"]]
    assert set(codes) <= {"TOO_SOON"}
    assert len(codes) < 10
    assert (await update(subgraph, ada))["user"]["rev"] == 2


async def test_a_crash_before_the_outcome_was_recorded_does_not_repeat_the_work(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada.berg")
    request = {"bio": "one", "control": {"idempotencyKey": "k1", "ifRev": 1}}
    first = await update(subgraph, ada, **request)
    # What a crash right after the write leaves: the attempt without its outcome.
    assert await subgraph.store.idempotency.collection.update({}, {"$unset": {"outcome": ""}})
    busy = await update(subgraph, ada, **request)
    assert [error["code"] for error in busy["errors"]] == ["TOO_SOON"]
    subgraph.clock.advance(seconds=31)
    assert await update(subgraph, ada, **request) == first


async def test_a_registration_under_a_key_makes_one_user(subgraph: Subgraph) -> None:
    token = subgraph.token(None)
    request = {"handle": "ada.berg", "control": {"idempotencyKey": "k1"}}
    first = await subgraph.data(REGISTER, token=token, input=request)
    assert await subgraph.data(REGISTER, token=token, input=request) == first
    await subgraph.store.idempotency.collection.update({}, {"$unset": {"outcome": ""}})
    subgraph.clock.advance(seconds=61)
    assert await subgraph.data(REGISTER, token=token, input=request) == first


async def test_a_dry_registration_tells_what_it_would_write(subgraph: Subgraph) -> None:
    mutation = """mutation { registerUser(input: {
      handle: "Ada.Berg", displayName: "Ada", control: {dryRun: true}
    }) { user { id } errors { code } dryRun { changes { field before after } events } } }"""
    data = await subgraph.data(mutation, token=subgraph.token(None))
    now = to_stored_precision(subgraph.clock()).isoformat()
    assert data["registerUser"] == {
        "user": None,
        "errors": [],
        "dryRun": {
            "changes": [
                {"field": "private.createdAt", "before": None, "after": now},
                {"field": "displayName", "before": None, "after": "Ada"},
                {"field": "handle", "before": None, "after": "ada.berg"},
                {"field": "rev", "before": None, "after": 1},
                {"field": "status", "before": None, "after": "ACTIVE"},
                {"field": "private.statusChangedAt", "before": None, "after": now},
            ],
            "events": ["USER_REGISTERED"],
        },
    }
    assert await subgraph.store.users.any() is False
    assert await subgraph.store.handles.by_handles(["ada.berg"]) == [None]


@pytest.mark.parametrize(
    ("mutation", "needs"),
    [
        ('registerUser(input: {handle: "ada.berg"})', "users:register"),
        ('updateProfile(input: {bio: "x"})', "me:profile:write"),
        ('changeHandle(input: {handle: "ada.berg"})', "me:profile:write"),
        ("follow(input: {userId: $id})", "me:follows:write"),
        ("unfollow(input: {userId: $id})", "me:follows:write"),
        ("block(input: {userId: $id})", "me:blocks:write"),
        ("unblock(input: {userId: $id})", "me:blocks:write"),
    ],
)
async def test_who_may_do_what(
    subgraph: Subgraph, commands: Commands, mutation: str, needs: str
) -> None:
    query = "mutation ($id: ID = null) { it: " + mutation + " { errors { code } } }"
    query = query if "$id}" in mutation else query.replace("($id: ID = null) ", "")
    query = query.replace("ID = null", "ID!")
    is_for_services = needs == "users:register"
    wrong_kind = subgraph.token(new_id() if is_for_services else None, [needs])
    wrong_scope = subgraph.token(None if is_for_services else new_id(), ["users:staff"])
    variables = {"id": new_id()} if "$id" in query else {}
    for token, code in (
        (None, "UNAUTHENTICATED"),
        (wrong_kind, "FORBIDDEN"),
        (wrong_scope, "FORBIDDEN"),
    ):
        answer = await subgraph.ask(query, token=token, **variables)
        assert answer["data"] == {"it": None}
        assert [error["extensions"] for error in answer["errors"]] == [{"code": code}]
    assert set(commands.taken()) == {"createIndexes"}


@pytest.mark.parametrize("status", ["SUSPENDED", "DEACTIVATED", "ERASED"])
async def test_an_account_that_is_not_active_changes_nothing(
    subgraph: Subgraph, status: str
) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.set_status(ada, status)
    payload = await update(subgraph, ada, bio="x")
    assert payload["errors"] == [
        {"__typename": "NotAllowedError", "code": "NOT_ALLOWED", "path": []}
    ]


async def test_later_mutations_of_an_operation_see_the_earlier_ones(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    data = await subgraph.data(
        """mutation {
          one: updateProfile(input: {bio: "one"}) { user { rev bio } }
          two: updateProfile(input: {bio: "two"}) { user { rev bio } }
        }""",
        ada,
    )
    assert data == {
        "one": {"user": {"rev": 2, "bio": "one"}},
        "two": {"user": {"rev": 3, "bio": "two"}},
    }


async def test_a_payload_shows_what_was_stored(subgraph: Subgraph, commands: Commands) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    everything = """id rev status handle displayName bio pronouns links { url label } profileColor
      country followerCount joinedYear private { locale timeZone createdAt handleChangedAt
      formerHandles { handle until } }"""
    mutations = (
        'updateProfile(input: {bio: "b", links: [{url: "http://a.se"}], timeZone: "Asia/Tokyo"})',
        'updateProfile(input: {displayName: null, links: [], profileColor: "#ABCDEF"})',
        'changeHandle(input: {handle: "ada.lind"})',
        'updateProfile(input: {bio: "nothing", control: {dryRun: true}})',
    )
    for mutation in mutations:
        commands.taken()
        changed = await subgraph.data(
            f"mutation {{ it: {mutation} {{ user {{ {everything} }} }} }}", ada
        )
        writes = {"insert", "update"} & set(commands.taken())
        assert bool(writes) is ("dryRun" not in mutation)
        stored = await subgraph.data(f"{{ viewer {{ user {{ {everything} }} }} }}", ada)
        assert changed["it"]["user"] == stored["viewer"]["user"]


async def test_a_dry_run_of_a_registration_tells_all_that_it_would_write(
    subgraph: Subgraph,
) -> None:
    query = """mutation ($input: RegisterUserInput!) { registerUser(input: $input) {
      user { id } errors { code } dryRun { changes { field before after } events }
    } }"""
    input = {"handle": "ada.berg", "country": "SE", "control": {"dryRun": True}}
    data = await subgraph.data(query, token=subgraph.token(None), input=input)
    now = to_stored_precision(subgraph.clock()).isoformat()
    written = {
        "country": "SE",
        "private.createdAt": now,
        "handle": "ada.berg",
        "rev": 1,
        "status": "ACTIVE",
        "private.statusChangedAt": now,
    }
    changes = [{"field": name, "before": None, "after": written[name]} for name in written]
    planned = {"changes": changes, "events": ["USER_REGISTERED"]}
    assert data["registerUser"] == {"user": None, "errors": [], "dryRun": planned}
    assert await subgraph.store.users.collection.find({}) == []
