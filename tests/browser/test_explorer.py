"""The explorer in a real browser, which can reach nothing else: GraphiQL and the plain page."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from pipelines.seed import sample_id, seed
from server.app import ENDPOINT
from server.examples import examples
from server.explorer import BUNDLE, Session, explorer_routes
from server.tokens import offered_tokens
from tests.listening import listening
from tests.node import install
from tests.subgraph import Subgraph

FOLDER = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")

pytestmark = pytest.mark.one_driver


@asynccontextmanager
async def serving(subgraph: Subgraph, bundle: Path) -> AsyncIterator[str]:
    """The subgraph with its explorer and thirty sample users, on a port."""
    await seed(subgraph.store, 30, lambda *_: None)
    session = Session(ENDPOINT, offered_tokens(subgraph.settings), examples())
    routes = [*subgraph.app.routes, *explorer_routes(session, bundle=bundle)]
    async with listening(Starlette(routes=routes)) as address:
        yield f"http://{address}/"


async def what_is_seen(program: str, address: str) -> Any:
    """What the program of this name tells of its visit."""
    visit = await asyncio.create_subprocess_exec(
        *("node", program, address),
        cwd=FOLDER,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        told, problem = await asyncio.wait_for(visit.communicate(), 150)
    except TimeoutError:
        visit.terminate()
        raise
    assert visit.returncode == 0, problem.decode()
    return json.loads(told)


async def test_graphiql_asks_as_whom_one_chooses_and_shows_changes_as_they_happen(
    subgraph: Subgraph,
) -> None:
    install(FOLDER, CHROMIUM)
    if not (BUNDLE / "index.html").is_file():
        reason = "explorer/dist is not built (scripts/serve builds it)"
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)
    async with serving(subgraph, BUNDLE) as address:
        followers = await first_answer(subgraph)
        seen = await what_is_seen("explorer.mjs", address)
    changes = [change["data"]["profileChanged"] for change in seen["changes"]]
    revs = [change.pop("rev") for change in changes]
    assert 2 < revs[0] < revs[1]
    assert all(change.pop("at") for change in changes)
    assert seen == {
        "theme": ["dark", "light", "dark"],
        "followers": followers,
        "viewers": {
            "nobody": None,
            "@ada": "ada",
            "@jonas.fischer.1": "jonas.fischer.1",
            "@hana.ek.6": "hana.ek.6",
            "@ada.ahmed.2": "ada.ahmed.2",
            "a service": None,
            "pasted": "jonas.fischer.1",
            "ownHeader": "hana.ek.6",
        },
        "reloaded": {
            "handle": "jonas.fischer.1",
            "who": "@jonas.fischer.1",
            "onDisk": {"graphiql:theme": "dark"},
        },
        "mutation": {
            "data": {
                "updateProfile": {
                    "user": {"handle": "ada", "rev": 2, "bio": "Written in GraphiQL."},
                    "dryRun": None,
                    "errors": [],
                }
            }
        },
        "changes": [
            {
                "data": {
                    "profileChanged": {
                        "fields": ["bio"],
                        "user": {"displayName": "Ada Ek", "bio": f"Seen by {who}."},
                    }
                }
            }
            for who in ("@jonas.fischer.1", "@hana.ek.6")
        ],
        "subscribers": ["@jonas.fischer.1", "@hana.ek.6"],
        "explored": True,
        "anotherWindow": {"theme": "dark", "who": "@ada"},
        "refused": "Socket closed with event 4403 Forbidden",
        "externalUrls": [],
        "consoleErrors": [],
    }


async def test_the_plain_page_asks_as_whom_one_chooses(subgraph: Subgraph) -> None:
    install(FOLDER, CHROMIUM)
    async with serving(subgraph, FOLDER / "no-bundle") as address:
        followers = await first_answer(subgraph)
        seen = await what_is_seen("plain.mjs", address)
    assert seen == {
        "followers": followers,
        "viewers": ["ada", "jonas.fischer.1", None],
        "externalUrls": [],
        "consoleErrors": [],
    }


async def first_answer(subgraph: Subgraph) -> Any:
    """The answer to the first example, as its page is to show it."""
    first = examples()[0]
    variables: dict[str, Any] = dict(first.variables or {})
    return await subgraph.ask(first.query, sample_id(0), **variables)
