"""Deadlines: nothing is waited for longer than whoever asked waits, whatever the database does."""

import asyncio
import time
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from server.deadlines import Deadlines
from store.coalescing import CoalescedReads, Parts
from store.deadline import Until, deadline, remaining_seconds
from store.errors import StoreFault
from tests.listening import until
from tests.proxy import Proxy, tasks_since
from tests.subgraph import Subgraph

pytestmark = pytest.mark.own_database

HEADER = "x-envoy-expected-rq-timeout-ms"
NOISE_SECONDS = 1.0
"""Of a busy machine; a quiet one stays within 0.05. Without a deadline it would be 5 or more."""

ENTITIES = """query ($id: ID!) {
  _entities(representations: [{__typename: "User", id: $id}]) { ... on User { handle } }
}"""
QUERIES = {
    "a user": 'query { user(by: {handle: "ada.berg"}) { bio } }',
    "entities": ENTITIES,
    "a page": "query ($id: ID!) { user(by: {id: $id}) { followers { edges { cursor } } } }",
    "a search": 'query { searchUsers(query: "ada") { edges { cursor } } }',
    "a mutation": 'mutation { updateProfile(input: {bio: "new"}) { errors { code } } }',
}


async def asked(
    subgraph: Subgraph, query: str, viewer: str, milliseconds: float
) -> tuple[httpx.Response, float]:
    """The answer, and after how many seconds it came."""
    headers = {"authorization": f"Bearer {subgraph.token(viewer)}", HEADER: str(milliseconds)}
    variables = {"id": viewer} if "$id" in query else {}
    began = time.monotonic()
    answer = await subgraph.http.post(
        "/graphql", json={"query": query, "variables": variables}, headers=headers
    )
    return answer, time.monotonic() - began


async def test_a_hung_database_is_given_up_with_the_deadline(
    behind_proxy: tuple[Proxy, Subgraph],
) -> None:
    proxy, subgraph = behind_proxy
    ada = await subgraph.register("ada.berg")
    before = asyncio.all_tasks()
    proxy.fault = "hang"
    answers = await asyncio.gather(
        *(asked(subgraph, query, ada, 400) for query in QUERIES.values())
    )
    for name, (answer, seconds) in zip(QUERIES, answers, strict=True):
        assert answer.status_code == 504, (name, answer.text)
        assert answer.json()["errors"][0]["extensions"] == {"code": "TIMEOUT"}
        assert 0.39 < seconds < 0.4 + NOISE_SECONDS, name
    proxy.fault = None
    await until(lambda: not tasks_since(before))
    assert await subgraph.data(QUERIES["a user"]) == {"user": {"bio": None}}


@pytest.mark.parametrize("fault", ["cut", "reset"])
async def test_a_torn_connection_is_an_answer_in_time(
    behind_proxy: tuple[Proxy, Subgraph], fault: Any
) -> None:
    proxy, subgraph = behind_proxy
    ada = await subgraph.register("ada.berg")
    proxy.fault = fault
    for query in QUERIES.values():
        answer, seconds = await asked(subgraph, query, ada, 400)
        codes = {error["extensions"]["code"] for error in answer.json()["errors"]}
        assert codes <= {"TIMEOUT", "UNAVAILABLE"}
        assert seconds < 0.4 + NOISE_SECONDS
    proxy.fault = None
    assert await subgraph.data(QUERIES["a user"]) == {"user": {"bio": None}}


async def test_a_slow_database_is_no_fault_within_the_deadline(
    behind_proxy: tuple[Proxy, Subgraph],
) -> None:
    proxy, subgraph = behind_proxy
    ada = await subgraph.register("ada.berg")
    proxy.latency_seconds = 0.02
    answer, _ = await asked(subgraph, QUERIES["entities"], ada, 5000)
    assert answer.json() == {"data": {"_entities": [{"handle": "ada.berg"}]}}
    answer, seconds = await asked(subgraph, QUERIES["entities"], ada, 10)
    assert answer.status_code == 504
    assert seconds < 0.01 + NOISE_SECONDS


@pytest.mark.one_driver
@pytest.mark.parametrize("text", ["0", "-1", "soon", "1e3", "inf", "nan", "", "0.0", "1" * 20])
async def test_a_deadline_that_is_no_positive_number_is_400(subgraph: Subgraph, text: str) -> None:
    answer = await subgraph.http.post(
        "/graphql", json={"query": "{ __typename }"}, headers={HEADER: text}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}


@pytest.mark.one_driver
@pytest.mark.parametrize(
    ("sent", "seconds"), [([], 10), ([b"9000"], 9), ([b"20000"], 10), ([b"700", b"600.5"], 0.6005)]
)
async def test_a_deadline_is_so_many_seconds_from_now(sent: list[bytes], seconds: float) -> None:
    headers = [(HEADER.encode(), value) for value in sent]
    loop = asyncio.get_running_loop()
    began = loop.time()
    due = Deadlines().of(Request({"type": "http", "headers": headers}))
    assert began + seconds <= due <= loop.time() + seconds


@pytest.mark.one_driver
async def test_a_router_cannot_ask_for_more_time_than_there_is(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    async def by_handles(_: Any) -> Any:
        seen.append(remaining_seconds())
        raise StoreFault("seen")

    monkeypatch.setattr(subgraph.store.handles, "by_handles", by_handles)
    for milliseconds in ("999999999", "2500.5"):
        await subgraph.http.post(
            "/graphql", json={"query": QUERIES["a user"]}, headers={HEADER: milliseconds}
        )
    assert [round(seconds, 1) for seconds in seen] == [10.0, 2.5]
    assert remaining_seconds() == float("inf")


@pytest.mark.one_driver
async def test_a_shared_read_has_the_latest_deadline_of_its_readers() -> None:
    seen: list[float] = []

    async def command(keys: list[int], _: Parts) -> dict[int, int]:
        seen.append(deadline())
        return dict.fromkeys(keys, 1)

    reads = CoalescedReads(command)
    answers = []
    for at in (3.0, 7.0, 5.0):
        with Until(at):
            answers.append(reads.read([1]))
    await asyncio.gather(*answers)
    with Until(2.0):
        early = reads.read([1])
    late = reads.read([1])
    await asyncio.gather(early, late)
    assert seen == [7.0, float("inf")]
