"""The explorer in a real browser: GraphiQL and the plain page run the first example."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette

from pipelines.seed import sample_id, seed
from server.app import ENDPOINT
from server.examples import examples
from server.explorer import BUNDLE, OfferedToken, Session, explorer_routes
from tests.listening import listening
from tests.node import install
from tests.subgraph import Subgraph

FOLDER = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


@pytest.fixture(params=["graphiql", "plain"])
async def page(
    request: pytest.FixtureRequest, subgraph: Subgraph
) -> AsyncIterator[tuple[str, str]]:
    """Which page is served, and where."""
    install(FOLDER, CHROMIUM)
    if request.param == "graphiql" and not (BUNDLE / "index.html").is_file():
        if os.environ.get("CI"):
            pytest.fail("explorer/dist is not built")
        pytest.skip("explorer/dist is not built (scripts/serve builds it)")
    await seed(subgraph.store, 30, lambda *_: None)
    tokens = [OfferedToken("@ada", "all", subgraph.token(sample_id(0)))]
    session = Session(ENDPOINT, tokens, examples())
    bundle = BUNDLE if request.param == "graphiql" else FOLDER / "no-bundle"
    routes = [*subgraph.app.routes, *explorer_routes(session, bundle=bundle)]
    async with listening(Starlette(routes=routes)) as address:
        yield request.param, f"http://{address}/"


async def test_the_first_example_runs_without_any_other_origin(page: tuple[str, str]) -> None:
    kind, address = page
    browser = await asyncio.create_subprocess_exec(
        "node", "explorer.mjs", address, cwd=FOLDER, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(browser.communicate(), 90)
    assert browser.returncode == 0, output.decode()
    told = json.loads(output)
    assert told["page"] == kind
    assert told["externalRequests"] == 0
    assert told["consoleErrors"] == []
    assert '"displayName"' in told["answer"]
