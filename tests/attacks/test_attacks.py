"""Attacks on a real server: each is refused, and costs it next to nothing.

`python -m tests.attacks.test_attacks` prints the worst ten.
"""

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from operator import le
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.attacks.documents import DOCUMENTS
from tests.attacks.probe import Damage, Probe
from tests.attacks.websocket import TALKS, code_of
from tests.http.malformed import CASES, answer_to
from tests.running import RunningServer

SETTINGS = {"introspection": "false", "log_level": "info"}
MOST = Damage(cpu=0.10, memory=5.0, wait=0.10)
TRIES = 8
"""A busy machine makes some look dear, and what is first asked is first loaded."""


class Attack(NamedTuple):
    """What is done to a server, and what must come of it."""

    name: str
    carried_out: Callable[[RunningServer], Awaitable[Any]]
    outcome: Any


def _by_http(request: bytes) -> Callable[[RunningServer], Awaitable[Any]]:
    async def carried_out(server: RunningServer) -> Any:
        answer = await answer_to(request, _host(server))
        return answer.status, answer.code

    return carried_out


def _by_websocket(talk: Any) -> Callable[[RunningServer], Awaitable[Any]]:
    return lambda server: code_of(talk, server.address.replace("http:", "ws:"))


ATTACKS = [
    *(
        Attack(f"http: {case.name}", _by_http(case.request), (case.status, case.code))
        for case in (*CASES, *DOCUMENTS)
    ),
    *(Attack(f"ws: {talk.name}", _by_websocket(talk), talk.code) for talk in TALKS),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("attacked"), **SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def probe(server: RunningServer) -> Probe:
    return Probe(server.pid, _host(server))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
async def test_an_attack_is_refused_and_does_no_harm(
    server: RunningServer, probe: Probe, attack: Attack
) -> None:
    outcome, damage = await _least(server, probe, attack)
    assert outcome == attack.outcome
    assert all(map(le, damage, MOST)), damage


def test_there_are_enough_attacks() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(set(names)) == len(names) >= 150


def test_no_attack_left_a_traceback(server: RunningServer) -> None:
    log = server.log.read_text()
    assert "Traceback" not in log
    assert not re.search(r'"status":500|incident', log)


async def _least(server: RunningServer, probe: Probe, attack: Attack) -> tuple[Any, Damage]:
    """What came of an attack, and the least harm of some tries."""
    outcome, least = None, Damage(9e9, 9e9, 9e9)
    for _ in range(TRIES):
        outcome, damage = await probe.damage(partial(attack.carried_out, server))
        least = Damage(*map(min, least, damage))
        if outcome != attack.outcome or all(map(le, least, MOST)):
            break
    return outcome, least


def _host(server: RunningServer) -> str:
    return server.address.removeprefix("http://").partition("/")[0]


async def _print_worst(number: int) -> None:
    with tempfile.TemporaryDirectory() as folder, RunningServer(Path(folder), **SETTINGS) as server:
        probe = Probe(server.pid, _host(server))
        done = [(attack, *await _least(server, probe, attack)) for attack in ATTACKS]
    for attack, outcome, damage in sorted(done, key=lambda row: row[2], reverse=True)[:number]:
        figures = f"{damage.cpu * 1e3:6.1f} ms CPU {damage.memory:5.1f} MB"
        print(f"{figures} {damage.wait * 1e3:6.1f} ms wait  {outcome}  {attack.name}")
    wrong = [(attack, outcome) for attack, outcome, _ in done if outcome != attack.outcome]
    print(f"{len(done)} attacks, {len(done) - len(wrong)} as expected")
    for attack, outcome in wrong:
        print(f"  {attack.name}: {outcome} instead of {attack.outcome}")


if __name__ == "__main__":
    asyncio.run(_print_worst(10))
