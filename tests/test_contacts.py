"""Contacts: adding, verifying, changing and removing addresses, and who is found by one."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from server.settings import Settings
from store.ids import new_id
from store.store import Store
from tests.at_rest import at_rest
from tests.conftest import Commands
from tests.contacts import (
    CONTACTS,
    EMAIL,
    LOOKUP,
    RESULTS,
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

pytestmark = pytest.mark.one_driver

HIDDEN = "\u2022\u2022\u2022"
NOTICE = "Somebody tried to add your address to another account."


def refused(rule: str, *path: str) -> list[dict[str, Any]]:
    """The errors of a payload that breaks a rule."""
    code = "BAD_USER_INPUT"
    return [{"__typename": "ValidationError", "code": code, "path": list(path), "rule": rule}]


def not_allowed(reason: str, *path: str) -> list[dict[str, Any]]:
    """The errors of a payload that is not allowed."""
    code = "NOT_ALLOWED"
    return [{"__typename": "NotAllowedError", "code": code, "path": list(path), "reason": reason}]


async def test_an_address_leads_to_its_user_once_it_is_verified(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await add(subgraph, ada, "Ada@Example.COM")
    contact = payload["contact"]
    unverified = {
        "id": contact["id"],
        "kind": "EMAIL",
        "value": "Ada@example.com",
        "masked": f"A{HIDDEN}@example.com",
        "verifiedAt": None,
        "primary": False,
        "pending": None,
    }
    assert payload == {
        "user": {"rev": 2},
        "contact": unverified,
        "isSent": True,
        "errors": [],
        "dryRun": None,
    }
    assert await lookup(subgraph) is None

    code = await code_for(subgraph, "Ada@example.com")
    payload = await verify(subgraph, ada, contact["id"], code)
    at = payload["contact"]["verifiedAt"]
    assert at[:19] == subgraph.clock.moment.isoformat()[:19]
    assert payload == {
        "user": {"rev": 3},
        "contact": {**unverified, "verifiedAt": at, "primary": True},
        "errors": [],
        "dryRun": None,
    }
    assert await contacts(subgraph, ada) == [payload["contact"]]
    for written in (EMAIL, "ADA@EXAMPLE.COM", " Ada@example.com "):
        assert await lookup(subgraph, written) == ada


@pytest.mark.parametrize(
    ("kind", "written", "value", "shown", "others"),
    [
        ("EMAIL", "a.b+c@x.se", "a.b+c@x.se", f"a{HIDDEN}@x.se", ["A.B+C@X.SE"]),
        ("EMAIL", "x@STRASSE.de", "x@strasse.de", f"x{HIDDEN}@strasse.de", ["X@strasse.de"]),
        ("EMAIL", "x@straße.de", "x@xn--strae-oqa.de", f"x{HIDDEN}@xn--strae-oqa.de", []),
        ("EMAIL", "e\u0301@x.se", "é@x.se", f"é{HIDDEN}@x.se", ["É@x.se", "E\u0301@x.se"]),
        ("EMAIL", f"{'l' * 64}@x.se", f"{'l' * 64}@x.se", f"l{HIDDEN}@x.se", []),
        ("EMAIL", "x@\uff11.se", "x@1.se", f"x{HIDDEN}@1.se", ["x@1.se"]),
        ("PHONE", "+46 (70) 123-45 67", "+46701234567", f"+46{HIDDEN}67", ["+46701234567"]),
        ("PHONE", "+12345678", "+12345678", f"+12{HIDDEN}78", ["+1 234.56\u20117\u00a08"]),
        ("PHONE", "+123456789012345", "+123456789012345", f"+12{HIDDEN}45", []),
    ],
)
async def test_an_address_has_one_form(
    subgraph: Subgraph, kind: str, written: str, value: str, shown: str, others: list[str]
) -> None:
    ada = await subgraph.register("ada.berg")
    await verified(subgraph, ada, written, kind)
    [contact] = await contacts(subgraph, ada)
    assert (contact["value"], contact["masked"]) == (value, shown)
    for other in [written, value, *others]:
        assert await lookup(subgraph, other, kind) == ada
    assert told(await add(subgraph, ada, value, kind)) == refused("DISTINCT", "value")


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        *[("EMAIL", written) for written in ("", "@", "ada", "@x.se", "ada@", "ada@localhost")],
        ("EMAIL", f"{'l' * 65}@x.se"),
        ("EMAIL", f"é{'l' * 63}@x.se"),
        ("EMAIL", f"ada@{'x' * 63}.{'x' * 63}.{'x' * 63}.{'x' * 63}.se"),
        ("EMAIL", f"{'l' * 63}@{'x' * 63}.{'x' * 63}.{'x' * 61}.se"),
        ("EMAIL", "ada@x.se\x00"),
        ("EMAIL", "a\u200bda@x.se"),
        ("EMAIL", "ada@x\u200b.se"),
        ("EMAIL", "a da@x.se"),
        ("EMAIL", "ada@x.se\r\nBcc: ben@x.se"),
        ("EMAIL", '"ada"@x.se'),
        ("EMAIL", "ada@ben@x.se"),
        ("EMAIL", ".ada@x.se"),
        ("EMAIL", "a..da@x.se"),
        ("EMAIL", "ada@-x.se"),
        ("EMAIL", "ada@x..se"),
        ("EMAIL", "ada@127.0.0.1"),
        ("EMAIL", "ada@[127.0.0.1]"),
        ("EMAIL", "Ada <ada@x.se>"),
        ("EMAIL", "x" * 100_000),
        ("PHONE", ""),
        ("PHONE", "0701234567"),
        ("PHONE", "46701234567"),
        ("PHONE", "+0123456789"),
        ("PHONE", "+1234567"),
        ("PHONE", "+1234567890123456"),
        ("PHONE", "+46 70 123 45 6x"),
        ("PHONE", "+46\uff17\uff101234567"),
        ("PHONE", EMAIL),
    ],
)
async def test_what_is_no_address_is_refused(subgraph: Subgraph, kind: str, written: str) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await add(subgraph, ada, written, kind)
    assert len(written) < 6 or written not in str(payload)
    assert told(payload) == refused(f"{kind}_FORMAT", "value")
    assert payload["contact"] is None
    assert payload["isSent"] is False
    assert await contacts(subgraph, ada) == await mailbox(subgraph) == []
    variables = {"kind": kind, "value": written}
    answer = await subgraph.ask(LOOKUP, token=subgraph.token(None), **variables)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


async def test_of_each_kind_there_are_five_at_most(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    for number in range(5):
        await added(subgraph, ada, f"a{number}@x.se")
    assert told(await add(subgraph, ada, "a5@x.se")) == refused("MAX_ITEMS", "kind")
    assert len(await contacts(subgraph, ada)) == 5
    assert len(await mailbox(subgraph)) == 5
    await added(subgraph, ada, "+46701234567", "PHONE")


async def test_an_unverified_contact_keeps_nobody_from_the_address(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    contact, code = await added(subgraph, ada)
    await verified(subgraph, ben)
    assert await lookup(subgraph) == ben
    payload = await verify(subgraph, ada, contact, code)
    assert told(payload) == not_allowed("CONTACT_TAKEN", "contactId")
    assert await lookup(subgraph) == ben
    assert (await contacts(subgraph, ada))[0]["verifiedAt"] is None


async def test_an_address_of_somebody_else_looks_as_if_it_were_free(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await verified(subgraph, ada)
    await added(subgraph, ben, "ben@example.com")
    answers = []
    for value in (EMAIL, "eve@example.com"):
        commands.taken()
        payload = await add(subgraph, ben, value)
        contact = payload["contact"]
        del contact["id"], payload["user"]["rev"]
        assert contact.pop("value") == value
        assert contact.pop("masked") == f"{value[0]}{HIDDEN}@example.com"
        answers.append((payload, commands.taken()))
    assert answers[0] == answers[1]
    assert (await mailbox(subgraph))[1] == (EMAIL, NOTICE)
    assert (await mailbox(subgraph))[0][1] != NOTICE
    mine = [one for one in await contacts(subgraph, ben) if one["value"] == EMAIL]
    dry = await verify(subgraph, ben, mine[0]["id"], "000000", dryRun=True)
    assert dry["errors"] == []
    assert dry["dryRun"]["events"] == ["CONTACT_VERIFIED"]


async def test_of_those_who_verify_one_address_at_the_same_time_one_gets_it(
    subgraph: Subgraph,
) -> None:
    people = [await subgraph.register(f"user.{number}") for number in range(8)]
    ready = [await added(subgraph, user) for user in people]
    payloads = await asyncio.gather(
        *(
            verify(subgraph, user, contact, code)
            for user, (contact, code) in zip(people, ready, strict=True)
        )
    )
    winners = [
        user for user, payload in zip(people, payloads, strict=True) if not payload["errors"]
    ]
    assert len(winners) == 1
    assert await lookup(subgraph) == winners[0]
    reasons = [error["reason"] for payload in payloads for error in payload["errors"]]
    assert reasons == ["CONTACT_TAKEN"] * 7
    rows = await subgraph.store.contacts.collection.find({})
    assert [row["userId"] for row in rows] == winners


async def test_a_changed_address_stops_leading_anywhere_when_the_new_one_is_verified(
    subgraph: Subgraph,
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    contact = await verified(subgraph, ada)
    payload = await mutate(
        subgraph, ada, "changeContact", contactId=contact, value="new@example.com"
    )
    changed = payload["contact"]
    assert (changed["value"], changed["pending"]) == (EMAIL, "new@example.com")
    assert (await lookup(subgraph), await lookup(subgraph, "new@example.com")) == (ada, None)

    code = await code_for(subgraph, "new@example.com")
    payload = await verify(subgraph, ada, contact, code)
    assert payload["errors"] == []
    now = payload["contact"]
    assert (now["id"], now["value"], now["pending"], now["primary"]) == (
        contact,
        "new@example.com",
        None,
        True,
    )
    assert (await lookup(subgraph), await lookup(subgraph, "new@example.com")) == (None, ada)
    assert len(await subgraph.store.contacts.collection.find({})) == 1
    await verified(subgraph, ben)
    assert await lookup(subgraph) == ben


async def test_an_address_that_was_never_verified_is_changed_at_once(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    contact, old_code = await added(subgraph, ada)
    change = {"contactId": contact, "value": "new@example.com"}
    payload = await mutate(subgraph, ada, "changeContact", **change)
    assert (payload["contact"]["value"], payload["contact"]["pending"]) == (
        "new@example.com",
        None,
    )
    code = await code_for(subgraph, "new@example.com")
    if old_code != code:
        assert told(await verify(subgraph, ada, contact, old_code)) == refused("CODE", "code")
    assert (await verify(subgraph, ada, contact, code))["errors"] == []
    assert (await lookup(subgraph), await lookup(subgraph, "new@example.com")) == (None, ada)


async def test_a_removed_address_leads_nowhere_and_is_free(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    contact = await verified(subgraph, ada)
    payload = await mutate(subgraph, ada, "removeContact", contactId=contact)
    assert payload == {"user": {"rev": 4}, "errors": [], "dryRun": None}
    assert await lookup(subgraph) is None
    assert await contacts(subgraph, ada) == []
    assert await subgraph.store.contacts.collection.find({}) == []
    await verified(subgraph, ben)
    assert await lookup(subgraph) == ben


async def test_of_a_kind_one_verified_contact_is_the_primary_one(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")

    async def primary() -> dict[str, bool]:
        return {one["value"]: one["primary"] for one in await contacts(subgraph, ada)}

    one = await verified(subgraph, ada, "one@x.se")
    two = await verified(subgraph, ada, "two@x.se")
    await verified(subgraph, ada, "+46701234567", "PHONE")
    three, _ = await added(subgraph, ada, "three@x.se")
    rest = {"+46701234567": True, "three@x.se": False}
    assert await primary() == {"one@x.se": True, "two@x.se": False, **rest}
    payload = await mutate(subgraph, ada, "makeContactPrimary", contactId=three)
    assert told(payload) == refused("VERIFIED", "contactId")
    payload = await mutate(subgraph, ada, "makeContactPrimary", contactId=two)
    assert payload["contact"]["primary"] is True
    assert await primary() == {"one@x.se": False, "two@x.se": True, **rest}
    rev = payload["user"]["rev"]
    again = await mutate(subgraph, ada, "makeContactPrimary", contactId=two)
    assert again["user"]["rev"] == rev
    await mutate(subgraph, ada, "removeContact", contactId=two)
    assert await primary() == {"one@x.se": True, **rest}
    await mutate(subgraph, ada, "removeContact", contactId=one)
    assert await primary() == rest


@pytest.mark.parametrize("name", [name for name in RESULTS if name != "addContact"])
async def test_a_contact_of_somebody_else_is_not_there(subgraph: Subgraph, name: str) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    contact = await verified(subgraph, ada)
    before = await contacts(subgraph, ada)
    more = {"changeContact": {"value": "x@x.se"}, "verifyContact": {"code": "123456"}}.get(name, {})
    for contact_id in (contact, new_id(), "not an id"):
        payload = await mutate(subgraph, ben, name, contactId=contact_id, **more)
        assert told(payload) == [
            {"__typename": "NotFoundError", "code": "NOT_FOUND", "path": ["contactId"]}
        ]
    assert await contacts(subgraph, ada) == before


async def test_a_read_of_contacts_takes_one_more_command(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await verified(subgraph, ada)
    await verified(subgraph, ben, "ben@example.com")
    token = subgraph.token(None)
    commands.taken()
    query = "query ($ids: [ID!]!) { users(ids: $ids) { contacts { value } } }"
    data = await subgraph.data(query, token=token, ids=[ada, ben])
    values = [[one["value"] for one in user["contacts"]] for user in data["users"]]
    assert values == [[EMAIL], ["ben@example.com"]]
    assert commands.taken() == ["find", "find"]


async def test_a_lookup_takes_the_same_commands_whatever_it_finds(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg")
    await verified(subgraph, ada)
    await added(subgraph, ada, "pending@example.com")
    gone = await verified(subgraph, ada, "gone@example.com")
    # What a crash leaves before the row is taken away.
    row = await subgraph.store.contacts.collection.find({})
    await mutate(subgraph, ada, "removeContact", contactId=gone)
    await subgraph.store.contacts.collection.insert_new(row)
    commands.taken()
    for value, user in (
        (EMAIL, ada),
        ("nobody@example.com", None),
        ("pending@example.com", None),
        ("gone@example.com", None),
    ):
        assert await lookup(subgraph, value) == user
        assert commands.taken() == ["find", "find"]
    both = """query ($a: String!, $b: String!) {
      a: userByContact(kind: EMAIL, value: $a) { id }
      b: userByContact(kind: EMAIL, value: $b) { id }
    }"""
    token = subgraph.token(None)
    data = await subgraph.data(both, token=token, a=EMAIL, b="nobody@example.com")
    assert data == {"a": {"id": ada}, "b": None}
    assert commands.taken() == ["find", "find"]


@pytest.mark.parametrize("scopes", [None, [], ["users:contacts:lookup"], ["users:contacts:read"]])
async def test_services_need_a_scope_for_each(subgraph: Subgraph, scopes: list[str] | None) -> None:
    ada = await subgraph.register("ada.berg")
    await verified(subgraph, ada)
    token = subgraph.token(None, scopes) if scopes is not None else subgraph.token(new_id())
    answer = await subgraph.ask(LOOKUP, token=token, kind="EMAIL", value=EMAIL)
    if scopes == ["users:contacts:lookup"]:
        assert answer == {"data": {"userByContact": {"id": ada}}}
    else:
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
        assert answer["data"] == {"userByContact": None}
    data = await subgraph.data(CONTACTS, token=token, id=ada)
    seen = data["user"]["contacts"]
    assert [one["value"] for one in seen or ()] == [EMAIL] * (scopes == ["users:contacts:read"])
    assert (seen is None) is (scopes != ["users:contacts:read"])


async def test_with_its_key_everything_of_the_contacts_is_gone(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    contact = await verified(subgraph, ada)
    await subgraph.store.keys.destroy(ada, now=subgraph.clock())
    assert await contacts(subgraph, ada) == []
    payload = await mutate(subgraph, ada, "removeContact", contactId=contact)
    assert [error["code"] for error in payload["errors"]] == ["NOT_FOUND"]


async def test_nothing_at_rest_tells_an_address_or_a_code(
    subgraph: Subgraph, settings: Settings, store: Store, clock: Clock
) -> None:
    ada = await subgraph.register("zoe")
    contact, code = await added(subgraph, ada, "Zoe.Berg@Example.com")
    await verify(subgraph, ada, contact, wrong(code), idempotencyKey="w")
    await verify(subgraph, ada, contact, code, idempotencyKey="v")
    phone = await add(subgraph, ada, "+46701234567", "PHONE", idempotencyKey="a")
    change = {"contactId": contact, "value": "new.one@example.com"}
    await mutate(subgraph, ada, "changeContact", **change, control={"idempotencyKey": "c"})
    codes = [said for _, said in await mailbox(subgraph)]
    assert len(codes) == 3
    resting = b"".join((await at_rest(store)).values())
    assert phone["contact"]["id"].encode() in resting
    plain = ("Zoe.Berg", "zoe.berg", "Example.com", "example.com", "46701234567", "new.one", code)
    assert [text for text in plain if text.encode() in resting] == []
    # A digest without a key would be found by trying.
    for text in (code, "zoe.berg@example.com", "Zoe.Berg@example.com", "+46701234567"):
        assert hashlib.sha256(text.encode()).hexdigest().encode() not in resting
    arguments: list[Any] = [
        ["addContact", None, {"kind": "PHONE", "value": "+46701234567"}],
        ["verifyContact", None, {"code": code, "contactId": contact}],
        ["changeContact", None, change],
    ]
    for request in arguments:
        text = json.dumps(request, sort_keys=True)
        assert hashlib.sha256(text.encode()).hexdigest().encode() not in resting


async def test_who_reads_addresses_of_others_is_written_down(
    settings: Settings, store: Store, clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "audit"
    audited = {"audit_file": file, "audit_purpose_required": True}
    subgraph = Subgraph(settings.model_copy(update=audited), store, clock)
    ada = await subgraph.register("ada.berg")
    await verified(subgraph, ada)
    await contacts(subgraph, ada)  # one's own are not
    headers = {"Authorization": f"Bearer {subgraph.token(None)}"}

    async def ask(query: str, **variables: str) -> Any:
        body = {"query": query, "variables": variables}
        return (await subgraph.http.post("/graphql", json=body, headers=headers)).json()

    questions: list[tuple[str, dict[str, str]]] = [
        (CONTACTS, {"id": ada}),
        (LOOKUP, {"kind": "EMAIL", "value": EMAIL}),
        (LOOKUP, {"kind": "EMAIL", "value": "nobody@example.com"}),
    ]
    file.write_text("")
    for query, variables in questions:
        answer = await ask(query, **variables)
        assert answer["errors"][0]["extensions"]["code"] == "PURPOSE_REQUIRED"
        assert EMAIL not in str(answer)
    assert file.read_text() == ""
    headers["x-data-purpose"] = "a-test"
    for query, variables in questions:
        assert "errors" not in await ask(query, **variables)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    fields = [line["fields"] for line in lines]
    assert fields == [{"User.contacts": 1}, *[{"Query.userByContact": 1}] * 2]
    assert EMAIL not in file.read_text()
    await subgraph.http.aclose()


async def test_history_shows_contacts_as_their_owner_sees_them(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await verified(subgraph, ada)
    query = """{ viewer { user { private { history(first: 2) { edges { node {
      rev kind changes { field before after }
    } } } } } } }"""
    data = await subgraph.data(query, ada)
    edges = data["viewer"]["user"]["private"]["history"]["edges"]
    verifying, adding = [edge["node"] for edge in edges]
    assert (verifying["kind"], adding["kind"]) == ("CONTACT_VERIFIED", "CONTACT_ADDED")
    [change] = adding["changes"]
    assert (change["field"], change["before"]) == ("contacts", [])
    assert [one["value"] for one in change["after"]] == [EMAIL]
    [change] = verifying["changes"]
    before, after = change["before"][0], change["after"][0]
    assert set(before) == {"id", "kind", "value", "masked", "verifiedAt", "primary", "pending"}
    assert (before["verifiedAt"], after["primary"]) == (None, True)
    undo = "mutation { undoLastChange(input: {}) { errors { code } } }"
    payload = (await subgraph.data(undo, ada))["undoLastChange"]
    assert [error["code"] for error in payload["errors"]] == ["NOT_ALLOWED"]
    assert await lookup(subgraph) == ada
