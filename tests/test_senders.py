"""Senders: the mailbox page of development, an address that takes messages, and nobody."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers import codes
from resolvers.senders import Message, Purpose
from server import senders
from server.doctor import examine
from server.greeting import greeting
from server.keys import DevelopmentKey
from server.mailbox import KEPT, Mailbox
from server.settings import Settings
from server.tokens import PERSON_SCOPES
from store.records import ContactKind
from store.sealing import new_key_text
from store.store import Store
from tests.conftest import Commands
from tests.contacts import (
    EMAIL,
    add,
    added,
    code_for,
    contacts,
    mailbox,
    mutate,
    told,
    verify,
)
from tests.listening import listening
from tests.running import environment, usergraph
from tests.subgraph import Clock, Subgraph
from tests.test_contacts import not_allowed

pytestmark = pytest.mark.one_driver

KEY = "s" * 40
INDEX_KEY = new_key_text("k")


@dataclass
class Receiver:
    """Who takes messages over HTTP."""

    status: int = 204
    headers: list[str | None] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: Request) -> Response:
        self.headers.append(request.headers.get("authorization"))
        self.messages.append(json.loads(await request.body()))
        await self.answers.wait()
        return Response(status_code=self.status, headers={"location": "/elsewhere"})


@asynccontextmanager
async def receiving(
    settings: Settings, store: Store, clock: Clock
) -> AsyncIterator[tuple[Receiver, Subgraph]]:
    """Somebody who takes messages, and a subgraph that sends them there."""
    receiver = Receiver()
    receiver.answers.set()
    app = Starlette(routes=[Route("/messages", receiver.take, methods=["POST"])])
    async with listening(app) as address:
        sender = {"contact_sender": f"http://{address}/messages", "contact_sender_key": KEY}
        sending = Settings(**{**settings.model_dump(), **sender})
        subgraph = Subgraph(sending, store, clock)
        async with subgraph.http:
            yield receiver, subgraph


async def test_a_message_is_posted_with_what_it_takes_to_write_it(
    settings: Settings, store: Store, clock: Clock
) -> None:
    async with receiving(settings, store, clock) as (receiver, subgraph):
        ada = await subgraph.register("ada.berg", locale="sv-SE")
        ben = await subgraph.register("ben.ek", locale="de-DE")
        payload = await add(subgraph, ada)
        assert payload["isSent"] is True
        [message] = receiver.messages
        code, id_ = message["code"], message["id"]
        assert message == {
            "id": id_,
            "kind": "EMAIL",
            "to": EMAIL,
            "purpose": "CODE",
            "code": code,
            "locale": "sv-SE",
        }
        assert receiver.headers == [f"Bearer {KEY}"]
        assert (await verify(subgraph, ada, payload["contact"]["id"], code))["errors"] == []
        await add(subgraph, ben)
        notice = receiver.messages[1]
        assert notice.pop("id") != id_
        # Nothing of who tried it.
        assert notice == {
            "kind": "EMAIL",
            "to": EMAIL,
            "purpose": "NOTICE",
            "code": None,
            "locale": None,
        }
        assert (await subgraph.http.get("/mailbox")).status_code == 404


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_a_message_that_nobody_took_may_be_sent_again_at_once(
    settings: Settings, store: Store, clock: Clock, status: int
) -> None:
    async with receiving(settings, store, clock) as (receiver, subgraph):
        ada = await subgraph.register("ada.berg")
        receiver.status = status
        payload = await add(subgraph, ada, idempotencyKey="k")
        assert (payload["errors"], payload["isSent"]) == ([], False)
        assert payload["contact"]["value"] == EMAIL
        assert await add(subgraph, ada, idempotencyKey="k") == payload
        receiver.status = 200
        contact = payload["contact"]["id"]
        again = await mutate(subgraph, ada, "resendContactCode", contactId=contact)
        assert (again["errors"], again["isSent"]) == ([], True)
        assert len(receiver.messages) == 2
        code = receiver.messages[1]["code"]
        assert (await verify(subgraph, ada, contact, code))["errors"] == []


async def test_nobody_waits_long_for_a_receiver(
    settings: Settings, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "SEND_SECONDS", 0.2)
    async with receiving(settings, store, clock) as (receiver, subgraph):
        ada = await subgraph.register("ada.berg")
        receiver.answers.clear()
        payload = await add(subgraph, ada)
        assert (payload["errors"], payload["isSent"]) == ([], False)
        assert len(await contacts(subgraph, ada)) == len(receiver.messages) == 1
        receiver.answers.set()
        contact = payload["contact"]["id"]
        again = await mutate(subgraph, ada, "resendContactCode", contactId=contact)
        assert (again["errors"], again["isSent"]) == ([], True)


async def test_a_message_to_nobody_is_not_sent(
    settings: Settings, store: Store, clock: Clock
) -> None:
    unreachable = {"contact_sender": "http://127.0.0.1:9/messages"}
    subgraph = Subgraph(Settings(**{**settings.model_dump(), **unreachable}), store, clock)
    async with subgraph.http:
        payload = await add(subgraph, await subgraph.register("ada.berg"))
        assert (payload["errors"], payload["isSent"]) == ([], False)


async def test_without_a_sender_in_production_contacts_are_refused(
    settings: Settings, store: Store, clock: Clock, tmp_path: Path, commands: Commands
) -> None:
    subgraph = Subgraph(settings, store, clock)
    ada = await subgraph.register("ada.berg")
    contact, code = await added(subgraph, ada)
    jwks = tmp_path / "jwks.json"
    keys = [key.as_dict() for key in DevelopmentKey(settings.data_dir).public_keys.values()]
    jwks.write_text(json.dumps({"keys": keys}))
    production = Settings(**{**settings.model_dump(), "token_jwks_file": jwks})
    bare = Subgraph(production, store, clock)
    async with bare.http:
        inputs: dict[str, dict[str, Any]] = {
            "addContact": {"kind": "EMAIL", "value": "b@x.se"},
            "changeContact": {"contactId": contact, "value": "b@x.se"},
            "resendContactCode": {"contactId": contact},
            "verifyContact": {"contactId": contact, "code": code},
        }
        for name, input in inputs.items():
            clock.advance(minutes=1)
            commands.taken()
            payload = await mutate(bare, ada, name, **input)
            assert told(payload) == not_allowed("NOT_SET_UP")
            assert set(commands.taken()) <= {"find"}
        lookup = f'{{ userByContact(kind: EMAIL, value: "{EMAIL}") {{ id }} }}'
        answer = await bare.ask(lookup, token=bare.token(None))
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_ALLOWED"]
        assert (await bare.http.get("/mailbox", headers={"Host": "localhost"})).status_code == 404
        # What needs neither works.
        assert len(await contacts(bare, ada)) == 1
        payload = await mutate(bare, ada, "removeContact", contactId=contact)
        assert payload["errors"] == []


async def test_the_mailbox_shows_codes_to_this_machine_alone(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await add(subgraph, ada)
    code = await code_for(subgraph)
    page = await subgraph.http.get("/mailbox", headers={"Host": "127.0.0.1:8000"})
    assert code in page.text
    assert page.headers["content-security-policy"] == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "://" not in page.text
    for host in ("attacker.example", "localhost.attacker.example", "", "192.0.2.1"):
        refused = await subgraph.http.get("/mailbox", headers={"Host": host})
        assert (refused.status_code, code in refused.text) == (403, False)


async def test_the_mailbox_is_not_there_where_others_reach_it(
    settings: Settings, store: Store, clock: Clock
) -> None:
    public = settings.model_copy(update={"host": "0.0.0.0"})
    subgraph = Subgraph(public, store, clock)
    async with subgraph.http:
        answer = await subgraph.http.get("/mailbox", headers={"Host": "localhost"})
        assert answer.status_code == 404
    assert "/mailbox" not in greeting(public, "http://h/graphql", None)
    assert "http://h/mailbox" in greeting(settings, "http://h/graphql", None)


async def test_the_mailbox_shows_texts_and_keeps_the_newest(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    hostile = "<img/src=x'onerror=alert&lt;>@x.se".replace("<", "").replace(">", "")
    await add(subgraph, ada, hostile.replace(";", ""))
    page = await subgraph.http.get("/mailbox", headers={"Host": "localhost"})
    assert "&#x27;onerror=alert&amp;lt@x.se" in page.text
    kept = Mailbox()
    for number in range(KEPT + 1):
        to = f"a{number}@x.se"
        message = Message("i", ContactKind.EMAIL, to, Purpose.CODE, "123456", None)
        await kept.send(message)
        assert "123456" not in repr(message)
        assert to not in repr(message)
    shown = [one.to for one in kept._messages]
    assert (len(shown), shown[0], shown[-1]) == (KEPT, f"a{KEPT}@x.se", "a1@x.se")
    assert len(await mailbox(subgraph)) == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"contact_sender": "http://mail.example/"}, "Expected https, or http on this machine"),
        ({"contact_sender": "post"}, "expected http"),
        (
            {"token_jwks_file": "x", "contact_sender": "mailbox"},
            "Expected an address where tokens come from an issuer",
        ),
        ({"contact_sender_key": "two\nlines"}, "Expected printable ASCII"),
        ({"contact_index_keys": "k:abc"}, "key 1: expected 32 bytes in base64"),
        ({"contact_index_keys": "a-b:abc"}, "key 1: expected a name"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict[str, str], says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**values)  # type: ignore[arg-type]
    assert says in str(refused.value)


def test_a_sender_is_chosen_by_the_settings(tmp_path: Path) -> None:
    assert isinstance(senders.sender_of(Settings(data_dir=tmp_path)), Mailbox)
    address = "https://mail.example/messages"
    chosen = senders.sender_of(Settings(contact_sender=address, contact_sender_key=SecretStr(KEY)))
    assert isinstance(chosen, senders.HTTPSender)
    assert KEY not in repr(chosen)
    assert PERSON_SCOPES.count("me:contacts:write") == 1


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, "ok   contacts: are not set up, and refused"),
        ({"contact_sender": "https://m.example/"}, "FAIL contacts: have no keys, and are refused"),
        ({"contact_index_keys": INDEX_KEY}, "FAIL contacts: have no sender, and are refused"),
        (
            {"contact_sender": "https://m.example/", "contact_index_keys": INDEX_KEY},
            "ok   contacts: get their messages",
        ),
    ],
)
async def test_the_doctor_says_what_contacts_lack(
    store: Store, tmp_path: Path, chosen: dict[str, str], found: str
) -> None:
    settings = Settings(token_jwks_file=tmp_path / "jwks.json", **chosen)  # type: ignore[arg-type]
    lines = [str(finding).partition("\n")[0] for finding in await examine(settings, store)]
    assert found in lines


async def test_the_doctor_looks_at_the_key_of_development(store: Store, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    lines = map(str, await examine(settings, store))
    assert "ok   contacts: wait in the mailbox" in lines


def test_a_damaged_key_of_development_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "development-contact-index-key.txt").write_text("damaged")
    ended = usergraph("contacts", "reindex", env=environment(tmp_path))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "The keys of the index of contacts cannot be used: key 1: expected" in ended.stderr
    assert "Traceback" not in ended.stderr
