"""Consents: what holds when, who may record it, and what a client is told."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from resolvers.authorization import ViewerKind
from resolvers.consents import allows
from resolvers.purposes import UnusablePurposes, months_later, read_purposes, shipped_purposes
from resolvers.viewer import STAFF_SCOPE
from server.settings import Settings
from store.ids import new_id
from store.records import Status
from tests.conftest import LEDGER_KEY, Commands
from tests.subgraph import Clock, Subgraph

pytestmark = pytest.mark.one_driver

RECORD = """mutation ($input: RecordConsentInput!) {
  recordConsent(input: $input) {
    user { rev }
    consent { purpose state version receipt { id hash } }
    errors {
      __typename code path
      ... on ValidationError { rule }
      ... on ConflictError { currentRev }
      ... on NotAllowedError { reason }
    }
    dryRun { changes { field before after } events }
  }
}"""
RECORD_FOR = """mutation ($input: RecordConsentForInput!) {
  recordConsentFor(input: $input) {
    consent { purpose state version receipt { id } }
    errors { __typename code path ... on ValidationError { rule } }
  }
}"""
VIEWER = "{ viewer { consents { purpose state version at expiresAt policy { version } } } }"
STATES = "{ viewer { consents { purpose state } } }"
OF_USER = """query ($id: ID!, $purposes: [String!]) {
  user(by: {id: $id}) { consents(purposes: $purposes) { purpose state version } }
}"""
HASH = "0" * 64


def policy(version: str, valid_from: datetime, **more: Any) -> dict[str, Any]:
    return {"version": version, "textHash": HASH, "validFrom": valid_from.isoformat(), **more}


def purpose(name: str, *policies: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"For {name}.", "policies": list(policies), **more}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path, clock: Clock) -> Settings:
    """Settings with purposes around the time of the clock."""

    def days(number: int) -> datetime:
        return clock.moment + timedelta(days=number)

    ads = (
        *(policy("v1", days(-400)), policy("v2", days(-100))),
        *(policy("v2.1", days(-50), asksAgain=False), policy("v3", days(30))),
    )
    purposes = [
        purpose("ads", *ads),
        purpose("research", policy("v1", days(-10)), lapsesAfterMonths=6),
        purpose("dreams", policy("v1", days(60))),
    ]
    path = tmp_path / "purposes.json"
    path.write_text(json.dumps({"purposes": purposes}))
    return settings.model_copy(update={"purposes": path})


async def record(
    subgraph: Subgraph,
    viewer: str,
    granted: bool = True,
    purpose: str = "ads",
    version: str = "v2",
    **control: Any,
) -> Any:
    input = {"purpose": purpose, "granted": granted, "policyVersion": version, "control": control}
    return (await subgraph.data(RECORD, viewer, input=input))["recordConsent"]


async def states(subgraph: Subgraph, viewer: str) -> dict[str, str]:
    data = await subgraph.data(STATES, viewer)
    return {consent["purpose"]: consent["state"] for consent in data["viewer"]["consents"]}


async def entries(subgraph: Subgraph) -> list[Any]:
    return await subgraph.store.consents.collection.find({}, sort="_id")


async def rev_of(subgraph: Subgraph, user_id: str) -> int:
    user = await subgraph.store.users.by_id(user_id)
    assert user is not None
    return user.rev


async def test_nobody_agreed_before_they_were_asked(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    nothing = {"state": "NEVER_ASKED", "version": None, "at": None, "expiresAt": None}
    assert await subgraph.data(VIEWER, ada) == {
        "viewer": {
            "consents": [
                {"purpose": "ads", **nothing, "policy": {"version": "v2.1"}},
                {"purpose": "research", **nothing, "policy": {"version": "v1"}},
            ]
        }
    }


async def test_an_answer_is_kept_with_its_entry_of_the_ledger(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await record(subgraph, ada)
    [entry] = await entries(subgraph)
    assert payload == {
        "user": {"rev": 2},
        "consent": {
            "purpose": "ads",
            "state": "GRANTED",
            "version": "v2",
            "receipt": {"id": entry["receipt"], "hash": entry["hash"]},
        },
        "errors": [],
        "dryRun": None,
    }
    subject = LEDGER_KEY.subject(ada)
    assert {name: entry[name] for name in entry if name not in ("hash", "seal", "at")} == {
        "_id": f"{subject}:0000000001",
        "subject": subject,
        "seq": 1,
        "purpose": "ads",
        "state": "GRANTED",
        "version": "v2",
        "textHash": HASH,
        "actor": "person",
        "client": "development",
        "receipt": LEDGER_KEY.receipt(ada, 1),
        "previous": HASH,
    }
    assert ada not in json.dumps(entry, default=str)
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert (user.consent_head, user.consent_due) == ({"seq": 1, "hash": entry["hash"]}, None)
    assert user.recent_revisions[-1].kind == "CONSENT_RECORDED"


async def test_what_was_granted_can_be_withdrawn_and_what_was_not_is_denied(
    subgraph: Subgraph,
) -> None:
    ada = await subgraph.register("ada.berg")
    told = [
        (await record(subgraph, ada, granted))["consent"]["state"]
        for granted in (False, True, False, True)
    ]
    assert told == ["DENIED", "GRANTED", "WITHDRAWN", "GRANTED"]
    assert [(entry["seq"], entry["state"]) for entry in await entries(subgraph)] == [
        *((1, "DENIED"), (2, "GRANTED"), (3, "WITHDRAWN"), (4, "GRANTED")),
    ]


@pytest.mark.parametrize("status", Status)
async def test_who_is_not_active_may_withdraw_and_not_agree(
    subgraph: Subgraph, status: Status
) -> None:
    ada = await subgraph.register("ada.berg")
    await record(subgraph, ada)
    await subgraph.set_status(ada, status.value)
    is_active, is_gone = status is Status.ACTIVE, status is Status.ERASED
    for granted, is_taken in ((False, not is_gone), (True, is_active)):
        errors = (await record(subgraph, ada, granted))["errors"]
        assert [error["reason"] for error in errors] == ([] if is_taken else ["ACCOUNT_STATUS"])
    kept = await subgraph.store.users.by_id(ada)
    assert kept is not None
    [answer] = kept.consents
    assert answer.state == ("GRANTED" if is_active or is_gone else "WITHDRAWN")


@pytest.mark.parametrize("granted", [True, False])
async def test_an_answer_that_holds_already_is_no_other_one(
    subgraph: Subgraph, granted: bool
) -> None:
    ada = await subgraph.register("ada.berg")
    once = await record(subgraph, ada, granted)
    assert await record(subgraph, ada, granted) == once
    assert len(await entries(subgraph)) == 1


async def test_consent_lapses_and_can_be_given_again(subgraph: Subgraph, clock: Clock) -> None:
    ada = await subgraph.register("ada.berg")
    await record(subgraph, ada, purpose="research", version="v1")
    at = clock.moment
    [_, consent] = (await subgraph.data(VIEWER, ada))["viewer"]["consents"]
    lapses = datetime.fromisoformat(consent["expiresAt"])
    assert lapses == months_later(datetime.fromisoformat(consent["at"]), 6)
    clock.moment = lapses - timedelta(milliseconds=1)
    assert (await states(subgraph, ada))["research"] == "GRANTED"
    clock.moment = lapses
    assert (await states(subgraph, ada))["research"] == "EXPIRED"
    clock.moment = at  # a token does not live so long
    clock.advance(days=200)
    payload = await record(subgraph, ada, purpose="research", version="v1")
    assert (payload["consent"]["state"], payload["user"]["rev"]) == ("GRANTED", 3)
    assert len(await entries(subgraph)) == 2


async def test_a_policy_that_asks_again_makes_consent_outdated(
    subgraph: Subgraph, clock: Clock
) -> None:
    ada = await subgraph.register("ada.berg")
    await record(subgraph, ada, version="v2")  # of v2.1, which is valid too, nobody is asked again
    assert (await states(subgraph, ada))["ads"] == "GRANTED"
    clock.advance(days=30, seconds=1)
    assert (await states(subgraph, ada))["ads"] == "OUTDATED"
    [error] = (await record(subgraph, ada, version="v2"))["errors"]
    assert (error["path"], error["rule"]) == (["policyVersion"], "POLICY_VERSION")
    assert (await record(subgraph, ada, version="v3"))["consent"]["state"] == "GRANTED"
    clock.advance(days=30)
    assert (await states(subgraph, ada))["dreams"] == "NEVER_ASKED"


async def test_allows_counts_nothing_but_consent_that_holds(
    subgraph: Subgraph, clock: Clock
) -> None:
    ada = await subgraph.register("ada.berg")
    ads = subgraph.policy.purposes["ads"]

    async def is_allowed() -> bool:
        user = await subgraph.store.users.by_id(ada)
        assert user is not None
        return allows(user, ads, clock())

    assert await is_allowed() is False
    for granted in (False, True, False, True):
        await record(subgraph, ada, granted)
        assert await is_allowed() is granted
    clock.advance(days=31)
    assert await is_allowed() is False


@pytest.mark.parametrize(
    ("wish", "path", "rule"),
    [
        ({"purpose": "mining"}, ["purpose"], "PURPOSE"),
        ({"purpose": "dreams", "version": "v1"}, ["purpose"], "PURPOSE"),
        ({"purpose": ""}, ["purpose"], "PURPOSE"),
        ({"version": "v1"}, ["policyVersion"], "POLICY_VERSION"),
        ({"version": "v3"}, ["policyVersion"], "POLICY_VERSION"),
        ({"version": "v9", "granted": False}, ["policyVersion"], "POLICY_VERSION"),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_cannot_be_agreed_to_is_refused_and_nothing_is_written(
    subgraph: Subgraph, wish: dict[str, Any], path: list[str], rule: str, dry_run: bool
) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await record(subgraph, ada, **wish, dryRun=dry_run)
    error = {"__typename": "ValidationError", "code": "BAD_USER_INPUT", "path": path, "rule": rule}
    assert payload == {"user": None, "consent": None, "errors": [error], "dryRun": None}
    assert await entries(subgraph) == []
    assert await rev_of(subgraph, ada) == 1


async def test_an_old_version_is_enough_to_withdraw(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await record(subgraph, ada)
    assert (await record(subgraph, ada, False, version="v1"))["consent"]["state"] == "WITHDRAWN"


async def test_a_stale_revision_is_a_conflict(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "new")
    [error] = (await record(subgraph, ada, ifRev=1))["errors"]
    assert (error["code"], error["currentRev"]) == ("CONFLICT", 2)
    assert await entries(subgraph) == []


async def test_a_dry_run_tells_the_very_answer_and_writes_nothing(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    commands.taken()
    planned = (await record(subgraph, ada, dryRun=True))["dryRun"]
    assert commands.taken() == ["find", "find"]
    assert await entries(subgraph) == []
    receipt = (await record(subgraph, ada))["consent"]["receipt"]
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    [answer] = user.consents
    assert planned == {
        "changes": [
            {
                "field": "consents",
                "before": [],
                "after": [
                    {
                        "purpose": "ads",
                        "state": "GRANTED",
                        "version": "v2",
                        "at": answer.at.isoformat(),
                        "receipt": receipt["id"],
                        "hash": receipt["hash"],
                    }
                ],
            },
            {"field": "rev", "before": 1, "after": 2},
        ],
        "events": ["CONSENT_RECORDED"],
    }
    planned = (await record(subgraph, ada, dryRun=True))["dryRun"]
    assert planned == {"changes": [], "events": []}


async def test_a_key_makes_an_answer_happen_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    first = await record(subgraph, ada, idempotencyKey="k1")
    await record(subgraph, ada, False)
    replayed = await record(subgraph, ada, idempotencyKey="k1")
    assert (replayed["errors"], replayed["consent"]["state"]) == ([], "WITHDRAWN")
    assert first["consent"]["state"] == "GRANTED"
    assert len(await entries(subgraph)) == 2


async def test_how_many_commands_an_answer_takes(subgraph: Subgraph, commands: Commands) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.update(ada, "new")  # from now on there is a key of the user's
    commands.taken()
    await record(subgraph, ada)
    assert commands.taken() == ["find", "find", "insert", "update", "update"]
    await states(subgraph, ada)
    assert commands.taken() == ["find"]
    await subgraph.data("{ viewer { consents { state } user { handle } } }", ada)
    assert commands.taken() == ["find"]


async def test_the_history_has_the_answer_and_nothing_of_the_ledger(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await record(subgraph, ada)
    query = """{ viewer { user { private { history(first: 1) { edges { node {
      kind changes { field } } } } } } } }"""
    history = (await subgraph.data(query, ada))["viewer"]["user"]["private"]["history"]
    change = {"kind": "CONSENT_RECORDED", "changes": [{"field": "consents"}]}
    assert history == {"edges": [{"node": change}]}
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.recent_revisions[-1].fields == ("consents",)


async def test_answers_at_the_same_time_are_one_chain(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    wishes = [("ads", "v2"), ("research", "v1")] * 5
    payloads = await asyncio.gather(
        *(
            record(subgraph, ada, bool(number % 3), name, version)
            for number, (name, version) in enumerate(wishes)
        )
    )
    assert [payload["errors"] for payload in payloads] == [[]] * 10
    chain = await entries(subgraph)
    assert [entry["seq"] for entry in chain] == list(range(1, len(chain) + 1))
    assert [entry["previous"] for entry in chain] == [HASH, *(e["hash"] for e in chain[:-1])]


# For services


async def record_for(subgraph: Subgraph, user_id: str, **wish: Any) -> Any:
    answer = {"purpose": "ads", "granted": True, "policyVersion": "v2", "source": "call 4711"}
    input = {"userId": user_id, **answer, **wish}
    token = subgraph.token(None)
    return (await subgraph.data(RECORD_FOR, token=token, input=input))["recordConsentFor"]


async def test_a_service_records_what_it_can_show(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await record_for(subgraph, ada)
    [entry] = await entries(subgraph)
    assert payload == {
        "consent": {
            "purpose": "ads",
            "state": "GRANTED",
            "version": "v2",
            "receipt": {"id": entry["receipt"]},
        },
        "errors": [],
    }
    told = {name: entry[name] for name in ("actor", "client", "source")}
    assert told == {"actor": "service", "client": "development-service", "source": "call 4711"}


@pytest.mark.parametrize(
    ("wish", "path", "rule"),
    [
        ({"source": " "}, ["source"], "MIN_LENGTH"),
        ({"source": "x" * 201}, ["source"], "MAX_LENGTH"),
        ({"source": "two\nlines"}, ["source"], "SINGLE_LINE"),
        ({"userId": "ada"}, ["userId"], "ID_FORMAT"),
        ({"purpose": "mining"}, ["purpose"], "PURPOSE"),
    ],
)
async def test_a_service_that_shows_nothing_is_refused(
    subgraph: Subgraph, wish: dict[str, Any], path: list[str], rule: str
) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await record_for(subgraph, ada, **wish)
    error = {"__typename": "ValidationError", "code": "BAD_USER_INPUT", "path": path, "rule": rule}
    assert payload == {"consent": None, "errors": [error]}
    assert await entries(subgraph) == []


async def test_a_service_records_nothing_for_nobody(subgraph: Subgraph) -> None:
    payload = await record_for(subgraph, new_id())
    error = {"__typename": "NotFoundError", "code": "NOT_FOUND", "path": []}
    assert payload == {"consent": None, "errors": [error]}
    assert await entries(subgraph) == []


@pytest.mark.parametrize(
    ("kind", "scopes", "sees"),
    [
        (ViewerKind.ANONYMOUS, [], False),
        (ViewerKind.STRANGER, ["me:consents:write"], False),
        (ViewerKind.SELF, [], True),
        (ViewerKind.SERVICE, ["users:consents:write", "users:country:read"], False),
        (ViewerKind.SERVICE, ["users:consents:read"], True),
        (ViewerKind.STAFF, [STAFF_SCOPE], True),
    ],
)
async def test_who_sees_consents(
    subgraph: Subgraph, kind: ViewerKind, scopes: list[str], sees: bool
) -> None:
    ada, zoe = await subgraph.register("ada.berg"), await subgraph.register("zoe.ek")
    await record(subgraph, ada)
    who = {ViewerKind.SELF: ada, ViewerKind.SERVICE: None}.get(kind, zoe)
    token = None if kind is ViewerKind.ANONYMOUS else subgraph.token(who, scopes)
    data = await subgraph.data(OF_USER, token=token, id=ada, purposes=["research", "ads"])
    never = {"purpose": "research", "state": "NEVER_ASKED", "version": None}
    granted = {"purpose": "ads", "state": "GRANTED", "version": "v2"}
    assert data == {"user": {"consents": [never, granted] if sees else None}}


async def test_an_unknown_purpose_is_an_error_and_not_an_empty_answer(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    answer = await subgraph.ask(OF_USER, token=subgraph.token(None), id=ada, purposes=["mining"])
    [error] = answer["errors"]
    assert error["extensions"] == {
        "code": "BAD_USER_INPUT",
        "argument": ["purposes", "0"],
        "rule": "PURPOSE",
    }
    assert answer["data"] == {"user": {"consents": None}}


# The registry


def test_the_samples_can_be_used() -> None:
    assert list(shipped_purposes()) == ["personalisation", "marketing-email", "partner-analytics"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "expected JSON"),
        ("[]", "is not of type 'object'"),
        ('{"purposes": [{"name": "Ads"}]}', "$.purposes[0]"),
        (
            json.dumps({"purposes": [purpose("ads")]}),
            r"$.purposes[0].policies: [] should be non-empty",
        ),
        (
            json.dumps({"purposes": [purpose("ads", {**policy("1", datetime(2026, 1, 1))})]}),
            "2026-01-01T00:00:00: expected a time with its zone",
        ),
        (
            json.dumps(
                {
                    "purposes": [
                        purpose(
                            "ads",
                            policy("2", datetime.fromisoformat("2026-02-01T00:00:00Z")),
                            policy("1", datetime.fromisoformat("2026-01-01T00:00:00Z")),
                        )
                    ]
                }
            ),
            "ads: expected each version once, the oldest first",
        ),
        (
            json.dumps(
                {
                    "purposes": [
                        purpose("ads", policy("1", datetime.fromisoformat("2026-02-01T00:00:00Z")))
                    ]
                    * 2
                }
            ),
            "expected each name once",
        ),
    ],
)
def test_a_registry_that_cannot_be_used_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "purposes.json"
    path.write_text(text)
    with pytest.raises(UnusablePurposes) as refused:
        read_purposes(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("at", "months", "later"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2027-12-31", 2, "2028-02-29"),
        ("2026-11-30", 24, "2028-11-30"),
        ("2026-12-01", 1, "2027-01-01"),
    ],
)
def test_months_end_where_calendars_do(at: str, months: int, later: str) -> None:
    assert months_later(datetime.fromisoformat(at), months) == datetime.fromisoformat(later)
