"""Crowds of clients that hold a server up: they leave in the middle, or never come to the point.

    python -m tests.attacks.crowd --disconnects 1000 --bodies 1000 --idle 10000

prints what is left of them, and how long others wait meanwhile. Tests run it with fewer.
"""

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from server.encryption import key_encryption_of
from server.ledger import ledger_key_of
from server.settings import Settings
from store.engine import start_engine
from store.store import Store
from tests.listening import listening, until
from tests.proxy import Proxy, proxied, tasks_since
from tests.raw import Client, connected, head, post
from tests.running import RunningServer
from tests.subgraph import Clock, Subgraph

QUERY = "query ($id: ID!) { user(by: {id: $id}) { handle followers { edges { cursor } } } }"
TYPE = "{ __typename }"
ROUNDS = 5
ASKED = 40


class Waits(NamedTuple):
    """How long a small request takes, in seconds: alone, and beside a crowd."""

    quiet: float
    crowded: float

    @property
    def ratio(self) -> float:
        """How many times longer it takes."""
        return self.crowded / self.quiet


async def leave_midway(proxy: Proxy, subgraph: Subgraph, count: int) -> tuple[int, int]:
    """So many clients ask while the database hangs, and leave.

    How many tasks were at work for them, and how many of these are left after 0.5 seconds.
    """
    ada = await subgraph.register("ada.berg")
    async with listening(subgraph.app) as address, AsyncExitStack() as clients:
        before = asyncio.all_tasks()
        proxy.fault = "hang"
        leaving = [await clients.enter_async_context(connected(address)) for _ in range(count)]
        for client in leaving:
            await client.send(post({"query": QUERY, "variables": {"id": ada}}))
        await until(lambda: len(tasks_since(before)) >= count)
        at_work = len(tasks_since(before))
        for client in leaving:
            client.tear()
        await asyncio.sleep(0.5)
        left = len(tasks_since(before))
        proxy.fault = None
    return at_work, left


async def hold_up(server: RunningServer, *, bodies: int, idle: int) -> dict[str, Waits]:
    """How long others wait beside so many half-sent bodies, and so many idle connections."""
    address = urlsplit(server.address).netloc
    return {
        "half-sent bodies": await _beside(address, bodies, head("content-length: 100") + b"{"),
        "idle connections": await _beside(address, idle, b""),
        "connections between requests": await _beside(address, idle, post({"query": TYPE})),
    }


async def _beside(address: str, count: int, sent: bytes) -> Waits:
    quiet, crowded = [], []
    async with connected(address) as client:
        for _ in range(ROUNDS):
            quiet.append(await _wait(client))
        async with AsyncExitStack() as crowd:
            for _ in range(count):
                member = await crowd.enter_async_context(connected(address))
                if sent:
                    await member.send(sent)
                if sent.startswith(b"POST") and sent.endswith(b"}"):
                    await member.answer()
            for _ in range(ROUNDS):
                crowded.append(await _wait(client))
        for _ in range(ROUNDS):
            quiet.append(await _wait(client))
    return Waits(statistics.median(quiet), statistics.median(crowded))


async def _wait(client: Client) -> float:
    began = time.perf_counter()
    for _ in range(ASKED):
        await client.ask(TYPE)
    return (time.perf_counter() - began) / ASKED


async def _show(disconnects: int, bodies: int, idle: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = start_engine(Path(folder) / "engine")
        async with proxied(engine.uri) as (proxy, uri):
            settings = Settings(data_dir=Path(folder), max_in_flight_queries=disconnects)
            store = Store.connect(
                uri,
                "crowd",
                encryption=key_encryption_of(settings),
                ledger_key=ledger_key_of(settings),
            )
            subgraph = Subgraph(settings, store, Clock())
            at_work, left = await leave_midway(proxy, subgraph, disconnects)
            print(f"{disconnects} clients left: {at_work} tasks, {left} of them after 0.5 s")
        await store.close()
        engine.stop()
        with RunningServer(Path(folder) / "server") as server:
            for name, waits in (await hold_up(server, bodies=bodies, idle=idle)).items():
                print(
                    f"beside {name}: {waits.crowded * 1e6:.0f} µs for {waits.quiet * 1e6:.0f} µs, "
                    f"{waits.ratio:.2f} times"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--disconnects", type=int, default=1000)
    parser.add_argument("--bodies", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=10_000)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_show(**vars(parser.parse_args())))
