"""Erasure: what is kept can be had, then nothing is left of it, and others say the same."""

import asyncio
import hashlib
import json
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key

from pipelines.erasure import erase_again, erase_due
from server.certificates import CERTIFICATE, Receipts, proofs_of
from server.keys import parse_keys
from server.settings import Settings
from server.supergraph import UnreadableSupergraph, holders
from store.errors import LedgerBroken, StoreFault
from store.ids import new_id
from store.keys import Keys
from tests.at_rest import at_rest, copied, crashing, restore
from tests.conftest import KEY_ENCRYPTION, Commands
from tests.contacts import added, lookup, verified
from tests.issuer import ec_key, key_set
from tests.running import environment, usergraph
from tests.subgraph import Subgraph
from tests.test_commands import COMMANDS
from tests.test_households import Home

pytestmark = pytest.mark.one_driver

CANARIES = {
    "handle": "canary.handle",
    "former handle": "canary.first",
    "display name": "Canary Display",
    "bio": "canary of a bio",
    "older bio": "canary of an older bio",
    "pronouns": "canary/pronoun",
    "link": "https://canary.example/link",
    "birth date": "1987-06-05",
    "e-mail": "canary@mail.example",
    "pending e-mail": "pending@canary.example",
    "phone": "+46700000042",
    "preference": "canary-device",
}
"""Somebody's data, in each place where data can rest."""

NOTES = {
    "namespace": "notes",
    "owner": "a team",
    "clients": ["development"],
    "schemaVersion": 1,
    "schema": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"note": {"type": "string", "maxLength": 50}},
    },
}

SUBGRAPHS = ("likes", "playlists")
OWED = """query ($after: String) { owedErasures(first: 1, after: $after) {
  edges { cursor node { userId state owing receipts { subgraph } } } pageInfo { hasNextPage }
} }"""
ACKNOWLEDGE = """mutation ($input: AcknowledgeErasureInput!) { acknowledgeErasure(input: $input) {
  user { id status handle }
  erasure { state owing receipts { subgraph outcome records } certificate }
  errors { code path ... on ValidationError { rule } ... on NotAllowedError { reason } }
  dryRun { changes { field before after } events }
} }"""
DO = {
    "changeHandle": 'handle: "canary.handle"',
    "setBirthDate": 'birthDate: "1987-06-05"',
    "setPreferences": 'namespace: "notes", patch: {note: "canary-device"}',
}


def seen_in(texts: dict[str, bytes]) -> set[tuple[str, str]]:
    """Which canaries are where."""
    return {
        (name, where)
        for where, text in texts.items()
        for name, canary in CANARIES.items()
        if canary.encode() in text
    }


async def do(subgraph: Subgraph, viewer: str, mutation: str, arguments: str = "") -> None:
    query = f"mutation {{ {mutation}(input: {{{arguments}}}) {{ errors {{ code message }} }} }}"
    data = await subgraph.data(query, viewer)
    assert data == {mutation: {"errors": []}}


@pytest.fixture
async def canary(subgraph: Subgraph) -> str:
    """Somebody who left data everywhere."""
    user_id = await subgraph.register(
        CANARIES["former handle"], displayName=CANARIES["display name"], country="SE"
    )
    friend = await subgraph.register("friend")
    await subgraph.update(user_id, CANARIES["older bio"])
    links = [{"url": CANARIES["link"]}]
    pronouns = CANARIES["pronouns"]
    await subgraph.update(user_id, CANARIES["bio"], links=links, pronouns=pronouns)
    for mutation, arguments in DO.items():
        await do(subgraph, user_id, mutation, arguments)
    await subgraph.follow(user_id, friend)
    await subgraph.follow(friend, user_id)
    home = Home(subgraph, await subgraph.register("manager"), [])
    await home.pay("PREMIUM_DUO")
    await home.join(user_id)
    contact = await verified(subgraph, user_id, CANARIES["e-mail"])
    change = f'contactId: "{contact}", value: "{CANARIES["pending e-mail"]}"'
    await do(subgraph, user_id, "changeContact", change)
    await added(subgraph, user_id, CANARIES["phone"], "PHONE")
    return user_id


async def schedule(subgraph: Subgraph, user_id: str) -> None:
    """Lets the time of an erasure come."""
    await do(subgraph, user_id, "scheduleErasure")
    subgraph.clock.advance(days=15)


async def archived(subgraph: Subgraph, user_id: str) -> list[dict[str, Any]]:
    token = subgraph.token(user_id, ["me:archive:read"])
    headers = {"Authorization": f"Bearer {token}"}
    answer = await subgraph.http.get("/archive", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    *lines, last = answer.content.splitlines(keepends=True)
    assert json.loads(last) == {
        "entries": len(lines) - 1,
        "sha256": hashlib.sha256(b"".join(lines)).hexdigest(),
    }
    return [json.loads(line) for line in lines]


async def test_an_archive_has_everything_that_is_kept(subgraph: Subgraph, canary: str) -> None:
    [head, *entries] = await archived(subgraph, canary)
    assert (head["archive"], head["userId"]) == ("usergraph-archive/1", canary)
    text = json.dumps(entries, ensure_ascii=False)
    assert [name for name, value in CANARIES.items() if value not in text] == []
    kinds = [entry["kind"] for entry in entries]
    assert kinds[0] == "user"
    assert {"change", "following", "follower", "handle", "preferences"} <= set(kinds)
    assert kinds.count("change") == entries[0]["value"]["rev"]


@pytest.mark.parametrize(
    ("scopes", "status", "code"),
    [(None, 401, "UNAUTHENTICATED"), (["me:profile:write"], 403, "FORBIDDEN")],
)
async def test_an_archive_is_for_its_owner(
    subgraph: Subgraph, scopes: list[str] | None, status: int, code: str
) -> None:
    ada = await subgraph.register("ada.berg")
    headers = {"Authorization": f"Bearer {subgraph.token(ada, scopes)}"} if scopes else {}
    answer = await subgraph.http.get("/archive", headers=headers)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["extensions"] == {"code": code}


async def test_after_an_erasure_nothing_is_left_anywhere(subgraph: Subgraph, canary: str) -> None:
    store, before = subgraph.store, await at_rest(subgraph.store)
    assert seen_in(before), "there has to be something to find"
    elsewhere = Keys(store._database, KEY_ENCRYPTION)
    [key] = await elsewhere.by_user_ids([canary])
    assert key is not None
    await schedule(subgraph, canary)

    began = time.monotonic()
    assert await erase_due(store, subgraph.clock()) == 1
    assert list(await elsewhere.by_user_ids([canary])) == [None]
    assert time.monotonic() - began < 1
    assert await erase_due(store, subgraph.clock()) == 0

    after = await at_rest(store)
    assert seen_in(after) == set()
    text = json.dumps(await archived(subgraph, canary))
    assert [name for name, value in CANARIES.items() if value in text] == []
    holding = {name for name, rows in after.items() if canary.encode() in rows}
    assert holding <= {"users", "keys", "data_requests", "idempotency"}
    row = await store.users.collection.find_one(canary)
    assert row is not None
    assert row.keys() == {"_id", "rev", "status", "schemaVersion", "outbox"}
    assert [event["kind"] for event in row["outbox"]] == ["USER_ERASED"]


async def test_others_keep_what_is_theirs(subgraph: Subgraph, canary: str) -> None:
    other = await subgraph.register("other")
    await verified(subgraph, other, "other@example.com")
    await added(subgraph, other, "+46701234599", "PHONE")
    [_, *before] = await archived(subgraph, other)
    await schedule(subgraph, canary)
    assert await erase_due(subgraph.store, subgraph.clock()) == 1
    [_, *after] = await archived(subgraph, other)
    assert after == before
    assert await lookup(subgraph, "other@example.com") == other


async def test_another_process_has_nothing_either(
    subgraph: Subgraph, canary: str, mongodb_uri: str, tmp_path: Path
) -> None:
    keys = f"test:{b64encode(bytes(range(32))).decode()}"
    name = subgraph.store._database.name
    env = environment(
        tmp_path, mongodb_uri=mongodb_uri, mongodb_database=name, key_encryption_keys=keys
    )

    def archive() -> str:
        done = usergraph("archive", canary, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert CANARIES["e-mail"] in await asyncio.to_thread(archive)
    await schedule(subgraph, canary)
    await erase_due(subgraph.store, subgraph.clock())
    text = await asyncio.to_thread(archive)
    assert [name for name, value in CANARIES.items() if value in text] == []


async def test_who_cancels_in_time_keeps_everything(subgraph: Subgraph, canary: str) -> None:
    await do(subgraph, canary, "scheduleErasure")
    subgraph.clock.advance(days=13)
    assert await erase_due(subgraph.store, subgraph.clock()) == 0
    await do(subgraph, canary, "cancelErasure")
    subgraph.clock.advance(days=99)
    assert await erase_due(subgraph.store, subgraph.clock()) == 0
    assert await subgraph.store.data_requests.by_id(canary) is None
    text = json.dumps(await archived(subgraph, canary))
    assert CANARIES["e-mail"] in text


async def test_an_erased_user_nulls_nobody_elses_data(subgraph: Subgraph, canary: str) -> None:
    await schedule(subgraph, canary)
    await erase_due(subgraph.store, subgraph.clock())
    query = """query ($id: ID!) { _entities(representations: [{__typename: "User", id: $id}]) {
      ... on User { id status handle displayName } } }"""
    tombstone = {"id": canary, "status": "ERASED", "handle": None, "displayName": None}
    assert await subgraph.data(query, id=canary) == {"_entities": [tombstone]}
    counts = '{ user(by: {handle: "friend"}) { followerCount followingCount } }'
    assert await subgraph.data(counts) == {"user": {"followerCount": 0, "followingCount": 0}}
    free = '{ handleAvailability(handle: "canary.handle") { state } }'
    assert await subgraph.data(free) == {"handleAvailability": {"state": "AVAILABLE"}}


async def test_a_crash_at_any_write_is_carried_on(subgraph: Subgraph, canary: str) -> None:
    await schedule(subgraph, canary)
    at, is_whole = 0, False
    while not is_whole:
        at += 1
        async with crashing(1 + at // 2, is_late=bool(at % 2)) as crash:
            try:
                await erase_due(subgraph.store, subgraph.clock(), SUBGRAPHS)
                is_whole = True
            except StoreFault:
                assert crash.writes
    assert at >= 20
    assert seen_in(await at_rest(subgraph.store)) == set()
    erasure = await subgraph.store.data_requests.by_id(canary)
    assert erasure is not None
    assert (erasure.state, erasure.owing) == ("AWAITING_RECEIPTS", SUBGRAPHS)


async def test_two_who_erase_at_once_keep_the_proof(subgraph: Subgraph) -> None:
    ids = [await subgraph.register(f"user{number}") for number in range(10)]
    for user_id in ids:
        await do(subgraph, user_id, "scheduleErasure")
    subgraph.clock.advance(days=15)
    store, now = subgraph.store, subgraph.clock()
    await asyncio.gather(*(erase_due(store, now, SUBGRAPHS) for _ in range(3)))
    erasures = [await store.data_requests.by_id(user_id) for user_id in ids]
    assert [erasure and erasure.state for erasure in erasures] == ["AWAITING_RECEIPTS"] * 10


async def test_who_comes_late_carries_on_what_a_crash_left(
    subgraph: Subgraph, canary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await schedule(subgraph, canary)
    store, now = subgraph.store, subgraph.clock()
    due = await store.users.due_for_erasure(now, 10)
    async with crashing(2, is_late=True):
        with pytest.raises(StoreFault):
            await erase_due(store, now, SUBGRAPHS)

    async def listed_before(*_: Any) -> Any:
        return due

    monkeypatch.setattr(store.users, "due_for_erasure", listed_before)
    assert await erase_due(store, now, SUBGRAPHS) == 1
    assert seen_in(await at_rest(store)) == set()
    assert list(await store.keys.by_user_ids([canary])) == [None]
    erasure = await store.data_requests.by_id(canary)
    assert erasure is not None
    assert erasure.state == "AWAITING_RECEIPTS"


async def test_whom_the_account_was_merged_with_goes_too(subgraph: Subgraph, canary: str) -> None:
    staff = subgraph.token(await subgraph.register("staff.one"), ["users:staff"])
    kept = [await subgraph.register(f"kept.{number}") for number in range(2)]
    query = """mutation ($keep: ID!, $merge: ID!) {
      mergeUsers(input: {keepId: $keep, mergeId: $merge}) { errors { code } } }"""
    for merge, keep in ((canary, kept[0]), (kept[0], kept[1])):
        data = await subgraph.data(query, token=staff, keep=keep, merge=merge)
        assert data == {"mergeUsers": {"errors": []}}
        subgraph.clock.advance(minutes=1)
    assert CANARIES["bio"] in json.dumps(await archived(subgraph, kept[1]))
    await schedule(subgraph, kept[1])
    assert await erase_due(subgraph.store, subgraph.clock(), SUBGRAPHS) == 1
    assert seen_in(await at_rest(subgraph.store)) == set()
    for user_id in (canary, *kept):
        erasure = await subgraph.store.data_requests.by_id(user_id)
        assert erasure is not None
        assert (erasure.state, erasure.owing) == ("AWAITING_RECEIPTS", SUBGRAPHS)
    query = "query ($ids: [ID!]!) { users(ids: $ids) { status mergedInto { id } } }"
    tombstone = {"status": "ERASED", "mergedInto": None}
    assert await subgraph.data(query, ids=[canary, *kept]) == {"users": [tombstone] * 3}


async def test_a_broken_ledger_keeps_nobody_else_from_being_erased(
    subgraph: Subgraph, canary: str
) -> None:
    broken = await subgraph.register("broken")
    consent = 'purpose: "marketing-email", granted: true, policyVersion: "2026-01"'
    await do(subgraph, broken, "recordConsent", consent)
    [entry] = await subgraph.store.consents.chain(broken)
    forged = {"$set": {"consents.due": {**entry, "hash": "0" * 64}}}
    assert await subgraph.store.users.collection.update({"_id": broken}, forged)
    await do(subgraph, broken, "scheduleErasure")
    subgraph.clock.advance(seconds=5)
    await schedule(subgraph, canary)
    with pytest.raises(LedgerBroken):
        await erase_due(subgraph.store, subgraph.clock())
    statuses = [(await subgraph.store.users.by_id(one)).status for one in (broken, canary)]  # type: ignore[union-attr]
    assert statuses == ["ERASURE_SCHEDULED", "ERASED"]


async def test_who_is_not_there_any_more_is_erased(subgraph: Subgraph) -> None:
    nobody, store = new_id(), subgraph.store
    await store.data_requests.begin(nobody, owing=SUBGRAPHS, now=subgraph.clock())
    assert await erase_due(store, subgraph.clock()) == 1
    erasure = await store.data_requests.by_id(nobody)
    assert erasure is not None
    assert erasure.state == "AWAITING_RECEIPTS"


async def test_who_cancelled_in_time_is_not_erased_again(subgraph: Subgraph, canary: str) -> None:
    await schedule(subgraph, canary)
    store, now = subgraph.store, subgraph.clock()
    await store.data_requests.begin(canary, owing=SUBGRAPHS, now=now)
    await do(subgraph, canary, "cancelErasure")
    assert await erase_again(store, now) == 0
    assert await erase_due(store, now) == 0
    assert await store.data_requests.by_id(canary) is None
    assert CANARIES["e-mail"] in json.dumps(await archived(subgraph, canary))


async def test_nothing_fails_on_a_tombstone(subgraph: Subgraph, canary: str) -> None:
    before = subgraph.clock()
    await schedule(subgraph, canary)
    await erase_due(subgraph.store, subgraph.clock())
    token = subgraph.token(canary)
    data = await subgraph.data(
        "{ viewer { consents { state } entitlements { key } } }", token=token
    )
    assert {consent["state"] for consent in data["viewer"]["consents"]} == {"NEVER_ASKED"}
    staff = subgraph.token(await subgraph.register("staff.one"), ["users:staff"])
    query = "query ($id: ID!, $at: DateTime!) { user(by: {id: $id}, asOf: $at) { status } }"
    now = await subgraph.data(query, token=staff, id=canary, at=subgraph.clock().isoformat())
    assert now == {"user": {"status": "ERASED"}}
    answer = await subgraph.ask(query, token=staff, id=canary, at=before.isoformat())
    assert answer["errors"][0]["extensions"]["rule"] == "KEPT"


async def test_an_archive_names_nobody_who_acted_for_others(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada.berg"), await subgraph.register("staff.one")
    suspend = "mutation ($id: ID!) { suspendUser(input: {userId: $id}) { errors { code } } }"
    await subgraph.update(ada, "mine")
    await subgraph.data(suspend, token=subgraph.token(zoe, ["users:staff"]), id=ada)
    lines = await archived(subgraph, ada)
    changes = [entry["value"] for entry in lines if entry.get("kind") == "change"]
    told = {change["kind"]: change["author"]["isOwner"] for change in changes}
    assert told == {"USER_SUSPENDED": False, "PROFILE_CHANGED": True, "USER_REGISTERED": False}
    assert zoe not in json.dumps(lines)


async def test_who_comes_back_with_a_backup_is_erased_again(
    subgraph: Subgraph, canary: str
) -> None:
    store = subgraph.store
    backup = await copied(store)
    await schedule(subgraph, canary)
    await erase_due(store, subgraph.clock())
    # What was erased since the backup is kept where backups do not reach: see docs/erasure.md.
    del backup["data_requests"]
    await restore(store, backup)
    assert seen_in(await at_rest(store)) != set()
    assert await erase_again(store, subgraph.clock()) == 1
    assert seen_in(await at_rest(store)) == set()
    assert list(await store.keys.by_user_ids([canary])) == [None]
    assert await erase_again(store, subgraph.clock()) == 0


# Receipts of other subgraphs.


def receipt(
    key: Key, user_id: str, subgraph: str, typ: str = "erasure-receipt+jwt", **more: Any
) -> str:
    """What a subgraph signs."""
    claims = {
        "iss": subgraph,
        "sub": user_id,
        "outcome": "ERASED",
        "records": 7,
        "iat": 1_800_000_000,
        **more,
    }
    header = {"typ": typ, "alg": key.alg, "kid": key.kid}
    return jwt.encode(header, claims, key, algorithms=[str(key.alg)])


KEYS = {name: ec_key(f"{name}:1") for name in SUBGRAPHS}


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with the keys of the other subgraphs, and a place for any text."""
    path = tmp_path / "receipts.json"
    path.write_bytes(key_set(*KEYS.values()))
    folder = tmp_path / "preferences"
    folder.mkdir()
    (folder / "notes.json").write_text(json.dumps(NOTES))
    return settings.model_copy(update={"receipt_keys_file": path, "preferences": folder})


def service(subgraph: Subgraph, name: str) -> str:
    """The token of another subgraph."""
    return subgraph.service_token(name, ["users:erasures:acknowledge"])


async def acknowledge(subgraph: Subgraph, name: str, signed: str, **control: Any) -> Any:
    input = {"receipt": signed, "control": control}
    data = await subgraph.data(ACKNOWLEDGE, token=service(subgraph, name), input=input)
    return data["acknowledgeErasure"]


@pytest.fixture
async def erased(subgraph: Subgraph) -> str:
    """Somebody who is erased, and whom others have to forget."""
    user_id = await subgraph.register("ada.berg")
    await schedule(subgraph, user_id)
    assert await erase_due(subgraph.store, subgraph.clock(), SUBGRAPHS) == 1
    return user_id


async def test_each_subgraph_sees_what_it_owes_until_its_receipt_is_there(
    subgraph: Subgraph, erased: str
) -> None:
    owed = {"userId": erased, "state": "AWAITING_RECEIPTS", "owing": [*SUBGRAPHS], "receipts": []}
    for name in SUBGRAPHS:
        data = await subgraph.data(OWED, token=service(subgraph, name))
        assert [edge["node"] for edge in data["owedErasures"]["edges"]] == [owed]
    payload = await acknowledge(subgraph, "likes", receipt(KEYS["likes"], erased, "likes"))
    assert payload == {
        "user": {"id": erased, "status": "ERASED", "handle": None},
        "erasure": {
            "state": "AWAITING_RECEIPTS",
            "owing": ["playlists"],
            "receipts": [{"subgraph": "likes", "outcome": "ERASED", "records": 7}],
            "certificate": None,
        },
        "errors": [],
        "dryRun": None,
    }
    data = await subgraph.data(OWED, token=service(subgraph, "likes"))
    assert data["owedErasures"]["edges"] == []


async def test_the_last_receipt_completes_the_erasure_with_a_certificate(
    subgraph: Subgraph, erased: str
) -> None:
    signed = {name: receipt(KEYS[name], erased, name) for name in SUBGRAPHS}
    payload: Any = None
    for name in SUBGRAPHS:
        payload = await acknowledge(subgraph, name, signed[name])
    assert (payload["erasure"]["state"], payload["erasure"]["owing"]) == ("COMPLETED", [])
    token = jwt.decode(payload["erasure"]["certificate"], subgraph.key.private_key)
    assert token.header["typ"] == CERTIFICATE
    assert token.claims["sub"] == erased
    assert token.claims["receipts"] == [
        {"subgraph": name, "outcome": "ERASED", "signed": signed[name]} for name in SUBGRAPHS
    ]


async def test_without_others_an_erasure_is_complete_at_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await schedule(subgraph, ada)
    certify = proofs_of(subgraph.settings).certify
    assert await erase_due(subgraph.store, subgraph.clock(), (), certify) == 1
    erasure = await subgraph.store.data_requests.by_id(ada)
    assert erasure is not None
    assert erasure.state == "COMPLETED"
    assert erasure.certificate is not None
    assert jwt.decode(erasure.certificate, subgraph.key.private_key).claims["sub"] == ada


OTHER = ec_key("likes:1")
"""Somebody else's key of the same kid."""
STRONGER = ECKey.generate_key("P-384", {"kid": "likes:1", "alg": "ES384"})


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda user: receipt(OTHER, user, "likes"), id="another key"),
        pytest.param(lambda user: receipt(KEYS["playlists"], user, "likes"), id="another's name"),
        pytest.param(lambda user: receipt(KEYS["playlists"], user, "playlists"), id="another's"),
        pytest.param(lambda user: receipt(ec_key("likes:2"), user, "likes"), id="unknown kid"),
        pytest.param(lambda user: receipt(STRONGER, user, "likes"), id="algorithm"),
        pytest.param(lambda user: receipt(KEYS["likes"], user, "likes", "at+jwt"), id="a token"),
        pytest.param(
            lambda user: receipt(KEYS["likes"], user, "likes", outcome="DONE"), id="outcome"
        ),
        pytest.param(lambda user: receipt(KEYS["likes"], user, "likes", records=-1), id="records"),
        pytest.param(lambda user: receipt(KEYS["likes"], user, "likes", records=True), id="bool"),
        pytest.param(lambda user: receipt(KEYS["likes"], user, "likes", iat="now"), id="time"),
        pytest.param(lambda user: receipt(KEYS["likes"], "x", "likes"), id="nobody"),
        pytest.param(lambda user: receipt(KEYS["likes"], user, "likes") + "x", id="signature"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "a.b.c", id="nonsense"),
        pytest.param(lambda _: "x" * 5000, id="too long"),
    ],
)
async def test_a_forged_receipt_is_refused(
    subgraph: Subgraph, erased: str, forge: Callable[[str], str]
) -> None:
    payload = await acknowledge(subgraph, "likes", forge(erased))
    [error] = payload["errors"]
    assert error["code"] == "BAD_USER_INPUT"
    assert error["path"] == ["receipt"]
    assert error["rule"] in ("RECEIPT", "ID_FORMAT")
    erasure = await subgraph.store.data_requests.by_id(erased)
    assert erasure is not None
    assert erasure.receipts == ()


async def test_a_receipt_that_comes_again_is_refused(subgraph: Subgraph, erased: str) -> None:
    refused = [{"code": "NOT_ALLOWED", "path": ["receipt"], "reason": "NOTHING_OWED"}]
    signed = receipt(KEYS["likes"], erased, "likes")
    assert (await acknowledge(subgraph, "likes", signed))["errors"] == []
    assert (await acknowledge(subgraph, "likes", signed))["errors"] == refused
    ben = await subgraph.register("ben.ek")
    of_ben = receipt(KEYS["likes"], ben, "likes")
    assert (await acknowledge(subgraph, "likes", of_ben))["errors"] == refused
    erasure = await subgraph.store.data_requests.by_id(erased)
    assert erasure is not None
    assert [each.subgraph for each in erasure.receipts] == ["likes"]


async def test_a_receipt_takes_a_few_commands(
    subgraph: Subgraph, erased: str, commands: Commands
) -> None:
    for name in SUBGRAPHS:
        commands.taken()
        await acknowledge(subgraph, name, receipt(KEYS[name], erased, name))
        is_last = name == SUBGRAPHS[-1]
        more = ["update"] if is_last else []
        # The erasure before, afterwards and for the payload, with the tombstone.
        assert commands.taken() == sorted([*COMMANDS["Mutation.acknowledgeErasure"], *more])


async def test_a_receipt_under_a_key_is_taken_once(subgraph: Subgraph, erased: str) -> None:
    signed = receipt(KEYS["likes"], erased, "likes")
    first = await acknowledge(subgraph, "likes", signed, idempotencyKey="r")
    assert first == await acknowledge(subgraph, "likes", signed, idempotencyKey="r")
    assert first["errors"] == []


async def test_a_dry_run_tells_who_still_owes(subgraph: Subgraph, erased: str) -> None:
    signed = receipt(KEYS["likes"], erased, "likes")
    payload = await acknowledge(subgraph, "likes", signed, dryRun=True)
    assert payload["dryRun"] == {
        "changes": [{"field": "owing", "before": [*SUBGRAPHS], "after": ["playlists"]}],
        "events": ["ERASURE_ACKNOWLEDGED"],
    }
    assert payload["erasure"]["owing"] == [*SUBGRAPHS]


# Who owes one is read from the supergraph.

SUPERGRAPH = """
enum join__Graph {
  LIKES @join__graph(name: "likes", url: "http://likes")
  PLAYLISTS @join__graph(name: "playlists", url: "http://playlists")
  SHOP @join__graph(name: "shop", url: "http://shop")
  USERS @join__graph(name: "users", url: "http://users")
}
type Mutation @join__type(graph: LIKES) @join__type(graph: PLAYLISTS) @join__type(graph: USERS) {
  eraseLikes(userId: ID!): Boolean @join__field(graph: LIKES) @tag(name: "erases-user")
  erasePlaylists(userId: ID!): Boolean @join__field(graph: PLAYLISTS) @tag(name: "erases-user")
  follow: Boolean @join__field(graph: USERS)
}
type User
  @join__type(graph: LIKES, key: "id", resolvable: false)
  @join__type(graph: PLAYLISTS, key: "id")
  @join__type(graph: USERS, key: "id")
{ id: ID! }
type Product @join__type(graph: SHOP) { name: String }
"""


def test_who_knows_of_users_owes_a_receipt() -> None:
    found = holders(SUPERGRAPH, but_not="users")
    assert found == [("likes", "Mutation.eraseLikes"), ("playlists", "Mutation.erasePlaylists")]


def test_a_subgraph_without_a_handler_is_found() -> None:
    without = SUPERGRAPH.replace('@join__field(graph: LIKES) @tag(name: "erases-user")', "")
    assert holders(without.replace("@join__type(graph: LIKES)", ""), but_not="users") == [
        ("likes", None),
        ("playlists", "Mutation.erasePlaylists"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("type {", "it is not a schema"),
        ("type User { id: ID! }", "expected a subgraph 'users'; there is none"),
        (SUPERGRAPH.replace('name: "users"', 'name: "people"'), "expected a subgraph 'users'"),
    ],
)
def test_what_is_no_supergraph_is_said(text: str, says: str) -> None:
    with pytest.raises(UnreadableSupergraph, match=says):
        holders(text, but_not="users")


@pytest.mark.parametrize("is_whole", [True, False])
def test_the_check_fails_without_a_handler(tmp_path: Path, is_whole: bool) -> None:
    path = tmp_path / "supergraph.graphql"
    text = SUPERGRAPH if is_whole else SUPERGRAPH.replace('@tag(name: "erases-user")', "", 1)
    path.write_text(text)
    done = usergraph("erasure", "check", env=environment(tmp_path, supergraph_file=str(path)))
    said = "Mutation.eraseLikes" if is_whole else "FAIL: no mutation has the tag 'erases-user'"
    assert done.stdout == f"likes: {said}\nplaylists: Mutation.erasePlaylists\n"
    assert done.returncode == (0 if is_whole else 1)


def test_proofs_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    for name, text in (
        ("supergraph_file", "type {"),
        ("receipt_keys_file", "{}"),
        ("certificate_key_file", '{"kty": "EC", "k": "canary"}'),
    ):
        path = tmp_path / name
        path.write_text(text)
        done = usergraph("erasure", "run", env=environment(tmp_path, **{name: str(path)}))
        assert done.returncode == 1
        assert done.stderr.startswith("Erasures cannot be proved: USERGRAPH_")
        assert "canary" not in done.stderr


def test_a_certificate_key_of_ones_own_signs(tmp_path: Path) -> None:
    key = ECKey.generate_key("P-256", {"kid": "c1", "alg": "ES256"})
    settings = Settings(
        data_dir=tmp_path,
        certificate_key=json.dumps(key.as_dict(private=True)),
    )
    assert proofs_of(settings).certify is not None


def test_keys_of_receipts_are_read_as_tokens_keys_are() -> None:
    reader = Receipts(parse_keys(key_set(*KEYS.values())))
    user_id = "0" * 22
    found = reader.read(receipt(KEYS["likes"], user_id, "likes"))
    assert (found[0], found[1].subgraph) == (user_id, "likes")
