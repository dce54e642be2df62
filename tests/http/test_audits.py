"""The audits of graphql-http, and requests that no well-behaved client sends."""

from collections.abc import AsyncIterator

import pytest

from tests.http.audits import audits
from tests.http.malformed import CASES, Answer, answer_to
from tests.listening import listening
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver


@pytest.fixture
async def address(subgraph: Subgraph) -> AsyncIterator[str]:
    """The subgraph on a real port."""
    async with listening(subgraph.app) as address:
        yield address


async def test_every_audit_is_passed(address: str) -> None:
    results = await audits(address)
    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61


async def test_malformed_requests_are_answered_with_a_code(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    expected = {case.name: Answer(case.status, case.code) for case in CASES}
    assert {case.name: await answer_to(case.request, address) for case in CASES} == expected
    assert len(expected) == len(CASES) > 60
    assert "Traceback" not in caplog.text
