"""Clients that go away: what was done for them alone ends, what others wait for goes on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.attacks.crowd import QUERY, TYPE, hold_up, leave_midway
from tests.conftest import Commands
from tests.listening import listening, until
from tests.proxy import Proxy, tasks_since
from tests.raw import connected, post
from tests.running import RunningServer
from tests.subgraph import Subgraph

pytestmark = pytest.mark.own_database

UPDATE = 'mutation { updateProfile(input: {bio: "new"}) { errors { code } } }'

Behind = tuple[Proxy, Subgraph]


@pytest.fixture
async def address(behind_proxy: Behind) -> AsyncIterator[str]:
    """The subgraph behind the proxy on a real port."""
    async with listening(behind_proxy[1].app) as address:
        yield address


async def test_queries_of_clients_that_left_are_given_up(
    behind_proxy: Behind, caplog: pytest.LogCaptureFixture
) -> None:
    at_work, left = await leave_midway(*behind_proxy, 100)
    assert at_work >= 100
    assert left == 0
    assert caplog.text == ""
    answer = await behind_proxy[1].ask(TYPE)
    assert answer == {"data": {"__typename": "Query"}}


async def test_who_waits_for_the_same_read_still_gets_it(
    behind_proxy: Behind, address: str, commands: Commands
) -> None:
    proxy, subgraph = behind_proxy
    ada = await subgraph.register("ada.berg")
    question = post({"query": QUERY, "variables": {"id": ada}})
    before = asyncio.all_tasks()
    async with connected(address) as leaving, connected(address) as staying:
        commands.taken()
        proxy.latency_seconds = 0.3
        await leaving.send(question)
        await staying.send(question)
        await until(lambda: commands.names == ["find"])
        leaving.tear()
        answer = await staying.answer()
        assert b'"handle":"ada.berg"' in answer.body
        assert commands.taken() == ["find", "find"]
    await until(lambda: not tasks_since(before))


async def test_a_mutation_is_carried_through(behind_proxy: Behind, address: str) -> None:
    proxy, subgraph = behind_proxy
    ada = await subgraph.register("ada.berg")
    proxy.latency_seconds = 0.1
    before = asyncio.all_tasks()
    async with connected(address) as leaving:
        authorization = f"authorization: Bearer {subgraph.token(ada)}"
        await leaving.send(post({"query": UPDATE}, authorization))
        await until(lambda: bool(tasks_since(before)))
        leaving.tear()
    await until(lambda: not tasks_since(before))
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert (user.bio, user.rev) == ("new", 2)


async def test_a_request_behind_another_of_its_connection_ends_with_it(
    behind_proxy: Behind, address: str, commands: Commands
) -> None:
    proxy, subgraph = behind_proxy
    ada = await subgraph.register("ada.berg")
    before = asyncio.all_tasks()
    proxy.fault = "hang"
    async with connected(address) as leaving:
        await leaving.send(2 * post({"query": QUERY, "variables": {"id": ada}}))
        await until(lambda: bool(tasks_since(before)))
    await asyncio.sleep(0.5)
    assert tasks_since(before) == []


@pytest.mark.one_driver
async def test_a_crowd_that_says_little_holds_up_nobody(variant: object, tmp_path: Path) -> None:
    with RunningServer(tmp_path) as server:
        waits = await hold_up(server, bodies=200, idle=1000)
    assert {name: wait.ratio < 2 for name, wait in waits.items()} == dict.fromkeys(waits, True)
