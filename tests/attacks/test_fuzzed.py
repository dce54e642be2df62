"""Hostile requests without end, some with a fixed seed and some with a fresh one."""

import secrets

import pytest

from tests.attacks.fuzz import run

INPUTS = 50_000


@pytest.mark.parametrize("seed", [20261122, None])
def test_no_request_is_a_fault_or_tells_a_secret(seed: int | None) -> None:
    seed = secrets.randbits(32) if seed is None else seed
    tally = run(INPUTS, seed, jobs=2)
    assert tally.counts["inputs"] == INPUTS
    assert tally.counts["status 200"] > INPUTS / 4
    assert tally.counts["status 400"] > INPUTS / 10
    assert tally.findings == []
