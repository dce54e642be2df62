"""What the audits of graphql-http say of the subgraph, and a page of it: `scripts/audit`."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from server.settings import Settings
from store.engine import start_engine
from store.store import Store
from tests.conftest import KEY_ENCRYPTION
from tests.http.malformed import CASES, answer_to
from tests.listening import listening
from tests.node import install
from tests.subgraph import Clock, Subgraph

FOLDER = Path(__file__).parent


async def audits(address: str) -> list[dict[str, Any]]:
    """The verdict of each audit: its id, name, status and reason."""
    install(FOLDER)
    node = await asyncio.create_subprocess_exec(
        "node", "audit.mjs", f"http://{address}/graphql", cwd=FOLDER, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(node.communicate(), 60)
    return [json.loads(line) for line in output.splitlines()]


async def report() -> bool:
    """Prints every audit and every malformed request; tells whether all is as it shall be."""
    with tempfile.TemporaryDirectory() as folder:
        engine = start_engine(Path(folder) / "engine")
        store = Store.connect(engine.uri, "audit", encryption=KEY_ENCRYPTION)
        try:
            subgraph = Subgraph(Settings(data_dir=Path(folder)), store, Clock())
            async with listening(subgraph.app) as address:
                audits_passed = _print_audits(await audits(address))
                return await _print_malformed(address) and audits_passed
        finally:
            await store.close()
            engine.stop()


def _print_audits(results: list[dict[str, Any]]) -> bool:
    passed = [result["status"] for result in results].count("ok")
    title = f"graphql-http: {passed} of {len(results)} audits passed"
    rows = [[result["id"], result["name"], result["status"]] for result in results]
    _print(title, ["audit", "what", "verdict"], rows)
    return passed == len(results)


async def _print_malformed(address: str) -> bool:
    rows, right = [], 0
    for case in CASES:
        answer = await answer_to(case.request, address)
        is_right = (answer.status, answer.code) == (case.status, case.code)
        right += is_right
        verdict = "" if is_right else f"expected {case.status} {case.code}"
        rows.append([case.name, str(answer.status), answer.code or "-", verdict])
    title = f"malformed requests: {right} of {len(CASES)} answered as they shall be"
    _print(title, ["request", "status", "code", ""], rows)
    return right == len(CASES)


def _print(title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)


if __name__ == "__main__":
    sys.exit(not asyncio.run(report()))
