"""Budgets and rates: what is too much is refused at once, and what was let in is carried out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Any

import pytest
from graphql import get_operation_ast, parse

from execution.cache import Found, PreparedOperation
from server.budgets import Budgets
from server.errors import RequestError
from server.rates import Rate, RateLimit, parse_rate
from server.settings import Settings, SettingsError, load_settings
from store.store import Store
from tests import websocket
from tests.listening import listening, until
from tests.raw import connected, head, post
from tests.subgraph import Clock, Subgraph

pytestmark = [pytest.mark.one_driver, pytest.mark.own_database]

TYPE = "{ __typename }"
BY_HANDLE = '{ handleAvailability(handle: "ada.berg") { state } }'
ENTITIES = "query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }"
REGISTER = 'mutation { registerUser(input: {handle: "ada.berg"}) { errors { code } } }'
CHANGES = "subscription ($id: ID!) { profileChanged(id: $id) { rev } }"
OVERLOADED = {"code": "OVERLOADED"}

Make = Callable[..., Subgraph]


@pytest.fixture
async def make(settings: Settings, store: Store, clock: Clock) -> AsyncIterator[Make]:
    """Makes a subgraph with other settings."""
    made: list[Subgraph] = []

    def make(**changes: Any) -> Subgraph:
        made.append(Subgraph(settings.model_copy(update=changes), store, clock))
        return made[-1]

    yield make
    for subgraph in made:
        await subgraph.http.aclose()


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (BY_HANDLE, {}),
        (ENTITIES, {"r": [{"__typename": "User", "id": "a" * 22}]}),
        (REGISTER, {}),
    ],
)
async def test_what_is_too_much_at_once_is_503_and_the_rest_is_carried_out(
    make: Make, query: str, variables: dict[str, Any]
) -> None:
    most = {f"max_in_flight_{kind}": 3 for kind in ("entities", "queries", "mutations")}
    subgraph = make(**most)
    token = subgraph.token(None)
    answers = await asyncio.gather(*(subgraph.post(query, token, **variables) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [503] * 7
    for answer in answers:
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["errors"][0]["extensions"] == OVERLOADED
    assert (await subgraph.post(query, token, **variables)).status_code == 200


async def test_each_kind_has_a_budget_of_its_own(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    subgraph = make(max_in_flight_queries=1, max_in_flight_entities=1, max_in_flight_mutations=1)
    ada = await subgraph.register("ada.berg")
    goes_on = asyncio.Event()
    by_handles, by_ids = subgraph.store.handles.by_handles, subgraph.store.users.by_ids

    async def late_handles(handles: Any) -> Any:
        await goes_on.wait()
        return await by_handles(handles)

    async def late_users(ids: Any, parts: Any = None) -> Any:
        await goes_on.wait()
        return await by_ids(ids, parts)

    monkeypatch.setattr(subgraph.store.handles, "by_handles", late_handles)
    monkeypatch.setattr(subgraph.store.users, "by_ids", late_users)
    entities: dict[str, Any] = {"r": [{"__typename": "User", "id": ada}]}
    begun = [
        asyncio.create_task(subgraph.post(BY_HANDLE)),
        asyncio.create_task(
            subgraph.post(ENTITIES.replace("__typename", "... on User { id }"), **entities)
        ),
    ]
    await asyncio.sleep(0.05)
    assert [task.done() for task in begun] == [False, False]
    assert (await subgraph.post(BY_HANDLE)).status_code == 503
    assert (await subgraph.post(ENTITIES, **entities)).status_code == 503
    token = subgraph.token(None)
    registered = await subgraph.post(REGISTER.replace("ada.berg", "bob.berg"), token)
    assert registered.json() == {"data": {"registerUser": {"errors": []}}}
    goes_on.set()
    assert [(await task).status_code for task in begun] == [200, 200]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("{ viewer { scopes } }", "queries"),
        ("{ _entities(representations: []) { __typename } }", "entities"),
        ("{ x: __typename ... { ... on Query { e: _entities } } }", "entities"),
        ("{ ...A } fragment A on Query { ...B } fragment B on Query { _entities }", "entities"),
        ("{ ...A } fragment A on Query { ...B ...A } fragment B on Query { x }", "queries"),
        ("{ user { _entities } }", "queries"),
        ("mutation { follow }", "mutations"),
        ("subscription { profileChanged }", "subscriptions"),
        ("fragment A on Query { _entities }", "queries"),
    ],
)
def test_the_kind_of_an_operation_is_that_of_its_root_fields(text: str, kind: str) -> None:
    document = parse(text)
    operation = get_operation_ast(document, None)
    prepared = PreparedOperation(document, operation.operation if operation else None, ())
    assert Budgets().of(Found(prepared, {}), None).kind == kind


@pytest.mark.parametrize(
    ("kind", "most"),
    [("entities", 256), ("queries", 256), ("mutations", 64), ("subscriptions", 5000)],
)
def test_a_budget_takes_as_many_as_it_has_and_gets_them_back(kind: str, most: int) -> None:
    budget = getattr(Budgets(), kind)
    with ExitStack() as stack:
        for _ in range(most):
            stack.enter_context(budget)
        with pytest.raises(RequestError) as refusal:
            stack.enter_context(budget)
        assert (refusal.value.status, refusal.value.code) == (503, "OVERLOADED")
    assert budget.taken == 0


async def test_open_streams_are_counted_over_all_transports(make: Make) -> None:
    subgraph = make(max_subscriptions=2, heartbeat_seconds=0.05)
    ada = await subgraph.register("ada.berg")
    body = {"query": CHANGES, "variables": {"id": ada}}
    events = "accept: text/event-stream"

    async def watchers(count: int) -> None:
        await until(lambda: len(subgraph.store.changes._watchers.get(ada, ())) == count)

    async with listening(subgraph.app) as address:
        ws = f"ws://{address}/graphql"
        async with websocket.opened(ws) as socket, connected(address) as client:
            await socket.subscribe("one", CHANGES, id=ada)
            await client.send(post(body, events))
            await subgraph.until_watched(ada)
            await watchers(2)
            async with connected(address) as other:
                await other.send(post(body, events))
                answer = await other.answer()
            assert (answer.status, answer.code) == (503, "OVERLOADED")
            await socket.subscribe("two", CHANGES, id=ada)
            assert await socket.refusal() == OVERLOADED
            await socket.subscribe("three", TYPE)  # a query takes from another budget
            assert (await socket.receive())["payload"] == {"data": {"__typename": "Query"}}
            assert (await socket.receive())["type"] == "complete"
            await socket.send(id="one", type="complete")
            await watchers(1)
            await socket.subscribe("four", CHANGES, id=ada)
            await watchers(2)
            await subgraph.update(ada, "new")
            assert await socket.change() == {"rev": 2}
        await subgraph.until_unwatched()
        async with websocket.opened(ws) as socket:  # what is closed gives everything back
            for key in ("one", "two"):
                await socket.subscribe(key, CHANGES, id=ada)
            await watchers(2)
            await subgraph.update(ada, "newer")
            assert [await socket.change() for _ in range(2)] == [{"rev": 3}] * 2
        await subgraph.store.changes.close()


async def test_one_who_asks_too_often_is_429_and_others_are_not(make: Make) -> None:
    subgraph = make(rate_limit_per_user="2/hour")
    ada, bob = subgraph.token("a" * 22), subgraph.token("b" * 22)
    statuses = [(await subgraph.post(TYPE, ada)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = await subgraph.post(TYPE, ada)
    assert refused.json()["errors"][0]["extensions"] == {"code": "RATE_LIMITED"}
    assert 1790 <= int(refused.headers["retry-after"]) <= 1800
    assert (await subgraph.post(TYPE, bob)).status_code == 200
    assert (await subgraph.post(TYPE)).status_code == 200


async def test_clients_are_counted_apart_from_those_without_a_token(make: Make) -> None:
    subgraph = make(rate_limit_per_client="1/hour")
    service = subgraph.token(None)
    statuses = [(await subgraph.post(TYPE, token)).status_code for token in (None, service) * 2]
    assert statuses == [200, 200, 429, 429]


async def test_what_costs_more_takes_more_of_the_rate(make: Make) -> None:
    subgraph = make(rate_limit_per_user="100/hour")
    query = "query ($ids: [ID!]!) { users(ids: $ids) { id } }"
    for person, size, statuses in (("a", 40, [200, 200, 429]), ("b", 10, [200, 200, 200])):
        token, ids = subgraph.token(person * 22), ["c" * 22] * size
        asked = [await subgraph.post(query, token, ids=ids) for _ in statuses]
        assert [answer.status_code for answer in asked] == statuses


@pytest.mark.parametrize("query", ["{ nowhere }", "{"])
async def test_what_is_wrong_takes_one_of_the_rate(make: Make, query: str) -> None:
    subgraph = make(rate_limit_per_client="3/hour")
    statuses = [(await subgraph.post(query)).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]


def test_who_asked_for_nothing_may_ask_for_all_at_any_moment() -> None:
    now = 0.0
    limit = RateLimit(Rate(1, 3600), now=lambda: now)
    for number in range(1000):
        now = 62_000 + number / 7  # of which rounding makes more than an hour hence
        limit.take(f"user{number}", 1)


def test_a_rate_is_paid_off_in_time_and_weighs_costs() -> None:
    clock = [0.0]
    limit = RateLimit(Rate(60, 60), now=lambda: clock[0])
    limit.take("ada", 40)
    with pytest.raises(RequestError) as refusal:
        limit.take("ada", 40)
    assert refusal.value.headers == {"Retry-After": "20"}
    limit.take("ada", 20)
    limit.take("bob", 60)
    clock[0] = 40.0
    limit.take("ada", 40)
    clock[0] = 1000.0
    limit.take("ada", 1_000_000)  # dearer than the rate allows at all, so it takes all of it
    with pytest.raises(RequestError):
        limit.take("ada", 1)


def test_who_asked_longest_ago_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.rates.MOST_KEPT", 2)
    limit = RateLimit(Rate(2, 60), now=lambda: 0.0)
    for name in ("ada", "bob", "ada", "cai"):  # the third makes bob the one who asked first
        limit.take(name, 1)
    with pytest.raises(RequestError):
        limit.take("ada", 1)
    limit.take("bob", 2)
    with pytest.raises(RequestError):
        limit.take("bob", 1)


def test_a_rate_is_so_much_in_so_many_seconds() -> None:
    rates = [parse_rate(f"10/{unit}") for unit in ("second", "minute", "hour", "day")]
    assert rates == [(10, 1), (10, 60), (10, 3600), (10, 86_400)]


@pytest.mark.parametrize(
    "text",
    ["", "0/minute", "10", "10/", "-1/day", "10/fortnight", "1e3/hour", "10 / minute", "²/day"],
)
def test_a_malformed_rate_is_refused_at_the_start(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="expected a number per"):
        parse_rate(text)
    monkeypatch.setenv("USERGRAPH_RATE_LIMIT_PER_USER", text)
    with pytest.raises(SettingsError, match="USERGRAPH_RATE_LIMIT_PER_USER"):
        load_settings()


async def test_half_sent_requests_take_from_no_budget(make: Make) -> None:
    subgraph = make(max_in_flight_queries=1)
    async with listening(subgraph.app) as address, connected(address) as slow:
        await slow.send(head("content-length: 100") + b"{")
        async with connected(address) as client:
            assert await client.ask(TYPE) == {"data": {"__typename": "Query"}}
