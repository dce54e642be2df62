"""Random mutations without end: what a dry run tells is what the real one does.

    python -m tests.dry_runs --mutations 5000 --seed 7

A world of a few users lives for 200 mutations, then comes another one.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from pymongo import AsyncMongoClient

from server.settings import Settings
from store.engine import start_engine
from store.records import Document
from store.store import Store
from tests.conftest import KEY_ENCRYPTION, LEDGER_KEY
from tests.dry_runs.trials import Difference, random_trials
from tests.dry_runs.wishes import WISHES
from tests.subgraph import Clock, Subgraph

LIFETIME = 200
"""Mutations of a world."""


def main() -> int:
    """The command line; 1 when a dry run foresaw something else."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engine = start_engine(Path(folder) / "engine")
        try:
            return asyncio.run(_run(Path(folder), engine.uri, arguments))
        finally:
            engine.stop()


async def _run(folder: Path, uri: str, arguments: argparse.Namespace) -> int:
    began, wrong = time.monotonic(), 0
    told = {name: [0, 0, 0] for name in WISHES}
    worlds = -(-arguments.mutations // LIFETIME)
    for world in range(worlds):
        count = min(LIFETIME, arguments.mutations - world * LIFETIME)
        try:
            counts = await _world(folder, uri, f"{arguments.seed}:{world}", count)
        except Difference as difference:
            wrong += 1
            print(difference, flush=True)
            continue
        for name, came in counts.items():
            told[name] = [sum(pair) for pair in zip(told[name], came, strict=True)]
    for name, (changed, unchanged, refused) in told.items():
        print(f"{name:28}{changed:6} changed{unchanged:6} unchanged{refused:6} refused")
    tried = sum(map(sum, told.values()))
    print(f"{tried} mutations, {wrong} worlds with a difference, seed {arguments.seed}, ", end="")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


async def _world(folder: Path, uri: str, seed: str, count: int) -> dict[str, list[int]]:
    name = f"dry_runs_{seed.replace(':', '_')}"
    store = Store.connect(uri, name, encryption=KEY_ENCRYPTION, ledger_key=LEDGER_KEY)
    await store.ensure_indexes()
    subgraph = Subgraph(Settings(data_dir=folder), store, Clock())
    async with subgraph.http, AsyncMongoClient[Document](uri) as client:
        try:
            return await random_trials(subgraph, client[name], seed, count)
        finally:
            await store.drop()
            await store.close()


if __name__ == "__main__":
    sys.exit(main())
