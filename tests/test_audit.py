"""Reads of personal data of others: each is written down before the answer leaves, or none does."""

import hashlib
import json
import logging
import os
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from resolvers.audit import Reading, Trail
from resolvers.authorization import AUTHORIZATION
from resolvers.viewer import STAFF_SCOPE
from server.app import create_app
from server.audit import UnusableAuditFile
from server.logs import as_json, formatter
from server.tokens import PERSON_SCOPES
from store.ids import new_id
from store.store import Store
from tests.listening import listening
from tests.running import environment, usergraph
from tests.subgraph import Clock, Subgraph
from tests.websocket import opened

COUNTRIES = "query Countries($ids: [ID!]!) { users(ids: $ids) { handle country } }"
PRIVATE = """query Support($ids: [ID!]!) {
  users(ids: $ids) { private { locale timeZone formerHandles { handle } } }
}"""
CHANGES = """subscription Watch($id: ID!) { profileChanged(id: $id, sinceRev: 1) {
  rev user { country }
} }"""
FOLLOW = "mutation Follow($id: ID!) { follow(input: {userId: $id}) { user { handle country } } }"
REQUIRED = {"code": "PURPOSE_REQUIRED"}
FULL = Path("/dev/full")
"""A file to which nothing can be written."""


class World(NamedTuple):
    """Two users with personal data, and one of the staff."""

    ada: str
    ben: str
    zoe: str


@pytest.fixture
async def world(subgraph: Subgraph) -> World:
    ada = await subgraph.register("ada.berg", country="SE", locale="sv-SE")
    ben = await subgraph.register("ben.ek", country="DE", timeZone="Europe/Berlin")
    return World(ada, ben, await subgraph.register("zoe", country="FR", locale="fr-FR"))


def staff(subgraph: Subgraph, user_id: str) -> str:
    return subgraph.token(user_id, [*PERSON_SCOPES, STAFF_SCOPE])


KEYS = ("kind", "client_id", "user_id", "purpose", "users", "fields")
OPERATION_KEYS = ("operation_name", "operation_hash")


def written(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """The lines since the last time."""
    found = [
        {"event": record.getMessage()}
        | {key: value for key in (*KEYS, *OPERATION_KEYS) if (value := vars(record).get(key))}
        for record in caplog.records
        if record.name == "usergraph.audit"
    ]
    caplog.clear()
    return found


def line(subgraph: Subgraph, document: str, **parts: Any) -> Any:
    """A line as it should be."""
    return {
        "event": "personal data read",
        "operation_hash": hashlib.sha256(document.encode()).hexdigest()[:16],
        **parts,
    }


def with_settings(subgraph: Subgraph, store: Store, clock: Clock, **values: Any) -> Subgraph:
    """Another subgraph over the same store."""
    return Subgraph(subgraph.settings.model_copy(update=values), store, clock)


async def post(subgraph: Subgraph, query: str, token: str, purpose: str, **variables: Any) -> Any:
    """The answer to an operation for a purpose."""
    return await subgraph.http.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {token}", "X-Data-Purpose": purpose},
    )


async def test_a_service_that_reads_countries_leaves_a_line(
    subgraph: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [world.ada, world.ben, new_id(), world.ada]
    answer = await post(subgraph, COUNTRIES, subgraph.token(None), "invoice-tax:7", ids=ids)
    assert [user and user["country"] for user in answer.json()["data"]["users"]] == [
        *("SE", "DE", None, "SE")
    ]
    assert written(caplog) == [
        line(
            subgraph,
            COUNTRIES,
            kind="service",
            client_id="development-service",
            purpose="invoice-tax:7",
            users=2,
            fields={"User.country": 2},
            operation_name="Countries",
        )
    ]


async def test_staff_who_read_the_private_part_leave_a_line_without_their_own(
    subgraph: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    token = staff(subgraph, world.zoe)
    data = await subgraph.data(PRIVATE, token=token, ids=[world.zoe])
    assert data["users"][0]["private"]["locale"] == "fr-FR"
    assert written(caplog) == []
    await subgraph.data(PRIVATE, token=token, ids=list(world))
    assert written(caplog) == [
        line(
            subgraph,
            PRIVATE,
            kind="staff",
            client_id="development",
            user_id=world.zoe,
            users=2,
            fields={
                "UserPrivate.formerHandles": 2,
                "UserPrivate.locale": 2,
                "UserPrivate.timeZone": 2,
            },
            operation_name="Support",
        )
    ]


async def test_every_personal_field_is_noted(
    subgraph: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    query = """query ($id: ID!) { user(by: {id: $id}) {
      country ageBand consents { state } contacts { id } tier entitlements { key }
      private {
        locale timeZone createdAt handleChangedAt formerHandles { until } birthDate
        statusChangedAt statusReason statusBefore suspendedUntil eraseAt
        visibility { field } history { edges { cursor } }
      }
    } }"""
    for _ in range(3):  # the third time by generated code
        await subgraph.data(query, token=staff(subgraph, world.zoe), id=world.ada)
        [found] = written(caplog)
        assert found["fields"] == dict.fromkeys(AUTHORIZATION.personal, 1)
        assert "operation_name" not in found


async def test_only_what_was_read_is_noted(
    subgraph: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    query = """query ($ada: ID!, $all: [ID!]!, $skip: Boolean!) {
      user(by: {id: $ada}) { country @skip(if: $skip) } users(ids: $all) { handle bio }
    }"""
    for skip, fields in ((False, [{"User.country": 1}]), (True, [])):
        variables: Any = {"ada": world.ada, "all": list(world), "skip": skip}
        await subgraph.data(query, token=subgraph.token(None), **variables)
        assert [found["fields"] for found in written(caplog)] == fields


async def test_what_reads_no_personal_data_of_others_leaves_nothing(
    subgraph: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    own = "{ viewer { user { country private { locale createdAt } } } }"
    handles = "query ($ids: [ID!]!) { users(ids: $ids) { handle joinedYear } }"
    ids = list(world)
    await subgraph.data(own, world.ada)
    await subgraph.data(own, token=staff(subgraph, world.zoe))
    await subgraph.data(COUNTRIES, world.ada, ids=ids)
    await subgraph.data(COUNTRIES, ids=ids)
    await subgraph.data(COUNTRIES, token=subgraph.token(None, []), ids=ids)
    await subgraph.data(PRIVATE, token=subgraph.token(None), ids=ids)
    await subgraph.data(handles, token=subgraph.token(None), ids=ids)
    await subgraph.data(handles, token=staff(subgraph, world.zoe), ids=ids)
    assert written(caplog) == []


@pytest.mark.parametrize(
    "query",
    [
        '{ searchUsers(query: "ada") { edges { node { country } } } }',
        '{ user(by: {handle: "ada.berg"}) { country } }',
        """{ _entities(representations: [{__typename: "User", handle: "ada.berg"}]) {
          ... on User { country } } }""",
        '{ user(by: {handle: "ben.ek"}) { followers { edges { node { country } } } } }',
        'mutation { registerUser(input: {handle: "eva", country: "NO"}) { user { country } } }',
    ],
)
async def test_every_path_leaves_a_line(
    subgraph: Subgraph, world: World, caplog: pytest.LogCaptureFixture, query: str
) -> None:
    await subgraph.follow(world.ada, world.ben)
    await subgraph.data(query, token=subgraph.token(None))
    assert [found["fields"] for found in written(caplog)] == [{"User.country": 1}]


@pytest.mark.one_driver
def test_what_was_written_down_is_not_written_down_again() -> None:
    trail = Trail()
    trail.note("User.country", "ada")
    trail.note("User.country", "ben")
    assert trail
    assert trail.taken(None, "ads") == Reading(None, "ads", 2, {"User.country": 2})
    assert not trail
    assert trail.taken(None, None) == Reading(None, None, 0, {})


async def test_no_value_is_ever_written_down(
    subgraph: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    canaries = {"country": "ZW", "locale": "gsw-Latn-LI", "timeZone": "Antarctica/Troll"}
    user_id = await subgraph.register("canary", displayName="Canary Bird", **canaries)
    caplog.clear()
    query = """query ($id: ID!) { user(by: {id: $id}) {
      handle displayName country private { locale timeZone createdAt } } }"""
    await subgraph.data(query, token=staff(subgraph, world.zoe), id=user_id)
    [record] = [record for record in caplog.records if record.name == "usergraph.audit"]
    text = formatter(as_json).format(record)
    assert "UserPrivate.timeZone" in text
    secret = [*canaries.values(), "canary", "Canary Bird", user_id]
    text = text.replace(world.zoe, "")  # which may hold the two letters of a country
    assert [value for value in secret if value in text] == []


@pytest.mark.parametrize("purpose", ["x" * 101, "", "two words", "tab\tin", "ünïcode", "nul\x00"])
async def test_a_purpose_that_is_none_is_refused(subgraph: Subgraph, purpose: str) -> None:
    answer = await subgraph.http.post(
        "/graphql",
        json={"query": "{ __typename }"},
        headers=[(b"X-Data-Purpose", purpose.encode("latin-1"))],
    )
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {
            "message": "Expected x-data-purpose to be 1 to 100 visible ASCII characters.",
            "extensions": {"code": "BAD_REQUEST"},
        }
    ]


async def test_a_purpose_is_said_once_and_may_be_long(subgraph: Subgraph) -> None:
    for headers, status in (
        ([("X-Data-Purpose", "!~" * 50)], 200),
        ([("X-Data-Purpose", "a"), ("X-Data-Purpose", "b")], 400),
    ):
        answer = await subgraph.http.post(
            "/graphql", json={"query": "{ __typename }"}, headers=headers
        )
        assert answer.status_code == status


@pytest.fixture
async def strict(subgraph: Subgraph, store: Store, clock: Clock) -> Subgraph:
    """A subgraph where it has to be said what personal data is read for."""
    return with_settings(subgraph, store, clock, audit_purpose_required=True)


async def test_who_does_not_say_what_for_is_refused_where_that_is_required(
    strict: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for query, token in (
        (COUNTRIES, strict.token(None)),
        (COUNTRIES, staff(strict, world.zoe)),
        (PRIVATE, staff(strict, world.zoe)),
    ):
        answer = await strict.post(query, token, ids=[world.ada])
        assert (answer.status_code, answer.json()) == (
            403,
            {
                "errors": [
                    {
                        "message": "Say what personal data of others is read for, "
                        "in the header x-data-purpose.",
                        "extensions": REQUIRED,
                    }
                ]
            },
        )
        assert written(caplog) == []
        answer = await post(strict, query, token, "support", ids=[world.ada])
        assert (answer.status_code, "errors" in answer.json()) == (200, False)
        assert [found["purpose"] for found in written(caplog)] == ["support"]


async def test_who_reads_no_personal_data_of_others_need_not_say_what_for(
    strict: Subgraph, world: World
) -> None:
    own = "{ viewer { user { country private { locale } } } }"
    assert (await strict.data(own, world.ada))["viewer"]["user"]["country"] == "SE"
    assert (await strict.data(own, token=staff(strict, world.zoe)))["viewer"] is not None
    await strict.data(COUNTRIES, world.ben, ids=[world.ada])
    await strict.data(COUNTRIES, token=strict.token(None, []), ids=[world.ada])


async def test_a_mutation_without_a_purpose_happens_and_tells_nothing(
    strict: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await strict.post(FOLLOW, staff(strict, world.zoe), id=world.ada)
    assert answer.status_code == 200
    body = answer.json()
    assert body["data"] == {"follow": {"user": {"handle": "ada.berg", "country": None}}}
    [error] = body["errors"]
    assert (error["path"], error["extensions"]) == (["follow", "user", "country"], REQUIRED)
    assert await strict.store.follows.existing([(world.zoe, world.ada)])
    assert written(caplog) == []


@asynccontextmanager
async def served(subgraph: Subgraph) -> AsyncIterator[str]:
    """The subgraph on a real port."""
    async with listening(subgraph.app) as address:
        yield address
        await subgraph.store.changes.close()


async def first_event(address: str, token: str, **options: Any) -> Any:
    """The first result of a subscription over WebSocket."""
    user_id = options.pop("user_id")
    async with opened(f"ws://{address}/graphql", token, **options) as socket:
        await socket.subscribe("1", CHANGES, id=user_id)
        message = await socket.receive()
        assert message["type"] == "next"
        return message["payload"]


@pytest.mark.own_database
async def test_each_event_leaves_a_line(
    subgraph: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for bio in ("one", "two"):
        await subgraph.update(world.ada, bio)
    async with (
        served(subgraph) as address,
        opened(f"ws://{address}/graphql", subgraph.token(None), purpose="ads") as socket,
    ):
        await socket.subscribe("1", CHANGES, id=world.ada)
        for rev in (2, 3):
            assert await socket.change() == {"rev": rev, "user": {"country": "SE"}}
    expected = line(
        subgraph,
        CHANGES,
        kind="service",
        client_id="development-service",
        purpose="ads",
        users=1,
        fields={"User.country": 1},
        operation_name="Watch",
    )
    assert written(caplog) == [expected, expected]


@pytest.mark.own_database
async def test_events_need_a_purpose_where_that_is_required(
    strict: Subgraph, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await strict.update(world.ada, "one")
    token = strict.token(None)
    async with served(strict) as address:
        refused = await first_event(address, token, user_id=world.ada)
        assert [error["extensions"] for error in refused["errors"]] == [REQUIRED]
        assert refused["data"] == {"profileChanged": {"rev": 2, "user": {"country": None}}}
        assert written(caplog) == []
        given = await first_event(address, token, user_id=world.ada, purpose="ads")
        assert given == {"data": {"profileChanged": {"rev": 2, "user": {"country": "SE"}}}}
        assert [found["purpose"] for found in written(caplog)] == ["ads"]
        for purpose in ("two words", 7):
            with pytest.raises(ConnectionClosed) as closed:
                await first_event(address, token, user_id=world.ada, purpose=purpose)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4403
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        for more, country in (({}, None), ({"X-Data-Purpose": "ads"}, "SE")):
            body = {"query": CHANGES, "variables": {"id": world.ada}}
            async with (
                httpx.AsyncClient(base_url=f"http://{address}", timeout=10) as http,
                http.stream("POST", "/graphql", json=body, headers={**headers, **more}) as answer,
            ):
                lines = answer.aiter_lines()
                [data] = [text async for text in _until_data(lines)]
                event = json.loads(data.removeprefix("data: "))
                assert event["data"]["profileChanged"]["user"]["country"] == country


async def _until_data(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    async for text in lines:
        if text.startswith("data: "):
            yield text
            return


async def test_lines_are_added_to_a_file_that_only_its_owner_reads(
    subgraph: Subgraph, world: World, store: Store, clock: Clock, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    for purpose in ("first", "second"):
        filed = with_settings(subgraph, store, clock, audit_file=path)
        await post(filed, COUNTRIES, filed.token(None), purpose, ids=[world.ada])
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    assert all(re.fullmatch("[0-9a-f]{16}", line.pop("request_id")) for line in lines)
    assert lines == [
        line(
            subgraph,
            COUNTRIES,
            at=clock().isoformat(),
            kind="service",
            client_id="development-service",
            purpose=purpose,
            users=1,
            fields={"User.country": 1},
            operation_name="Countries",
        )
        for purpose in ("first", "second")
    ]


def test_no_level_of_the_log_silences_it(subgraph: Subgraph, store: Store) -> None:
    lines = logging.getLogger("usergraph.audit")
    lines.setLevel("ERROR")
    create_app(subgraph.settings, store, subgraph.identity)
    assert lines.isEnabledFor(logging.INFO)


@pytest.mark.one_driver
def test_a_file_that_cannot_be_written_refuses_the_start(
    subgraph: Subgraph, store: Store, tmp_path: Path
) -> None:
    settings = subgraph.settings.model_copy(update={"audit_file": tmp_path})
    with pytest.raises(UnusableAuditFile, match="Is a directory"):
        create_app(settings, store, subgraph.identity)
    env = environment(tmp_path, audit_file=str(tmp_path / "missing" / "audit.jsonl"))
    done = usergraph("serve", env=env)
    assert done.returncode == 1
    assert "The audit file cannot be written: " in done.stderr
    assert "No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no file that is always full")
async def test_what_cannot_be_written_down_does_not_leave(
    subgraph: Subgraph, world: World, store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    full = with_settings(subgraph, store, clock, audit_file=FULL)
    token = full.token(None)
    answer = await post(full, COUNTRIES, token, "ads", ids=[world.ada])
    assert (answer.status_code, answer.json()) == (
        503,
        {
            "errors": [
                {
                    "message": "What was read cannot be written down; "
                    "a mutation may have been carried out.",
                    "extensions": {"code": "UNAVAILABLE"},
                }
            ]
        },
    )
    assert "an audit line cannot be written" in caplog.text
    unaudited = await full.post("{ __typename }", token)
    assert unaudited.json() == {"data": {"__typename": "Query"}}


@pytest.mark.own_database
@pytest.mark.skipif(not FULL.exists(), reason="no file that is always full")
async def test_an_event_that_cannot_be_written_down_ends_the_stream(
    subgraph: Subgraph, world: World, store: Store, clock: Clock
) -> None:
    full = with_settings(subgraph, store, clock, audit_file=FULL)
    await full.update(world.ada, "one")
    async with served(full) as address, opened(f"ws://{address}/graphql", full.token(None)) as ws:
        await ws.subscribe("1", CHANGES, id=world.ada)
        message = await ws.receive()
        assert message["type"] == "error"
        assert [error["extensions"] for error in message["payload"]] == [{"code": "UNAVAILABLE"}]
