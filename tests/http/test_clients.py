"""Client libraries of other people, unchanged: Apollo Client and graphql-sse."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.listening import listening
from tests.node import install
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

FOLDER = Path(__file__).parent


@pytest.mark.parametrize(
    "client", ["apollo-multipart", "graphql-sse-distinct", "graphql-sse-single"]
)
async def test_a_client_asks_and_follows(subgraph: Subgraph, client: str) -> None:
    install(FOLDER)
    ada = await subgraph.register("ada.berg", displayName="Ada")
    async with listening(subgraph.app) as address:
        url = f"http://{address}/graphql"
        node = await asyncio.create_subprocess_exec(
            "node", "clients.mjs", client, url, ada, cwd=FOLDER, stdout=asyncio.subprocess.PIPE
        )
        try:
            await subgraph.until_watched(ada)
            for rev in (2, 3):
                await subgraph.update(ada, str(rev))
            output, _ = await asyncio.wait_for(node.communicate(), 20)
        finally:
            if node.returncode is None:
                node.kill()
        await subgraph.until_unwatched()
        await subgraph.store.changes.close()
    assert json.loads(output) == {
        "answers": [{"user": {"displayName": "Ada"}}] * 2,
        "changes": [{"profileChanged": {"rev": 2}}, {"profileChanged": {"rev": 3}}],
    }
