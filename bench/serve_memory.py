"""`usergraph serve` over sample data in memory; no way to run the product, but to measure it."""

import asyncio
import gc
import signal
import socket
import sys

from bench.memory import MemoryDatabase, memory_store
from bench.workload import USERS
from pipelines.seed import seed
from server.app import ENDPOINT
from server.identity import identity_of
from server.running import run_server
from server.settings import load_settings


def main() -> None:
    """Serves until it is stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = load_settings()
    store = memory_store(MemoryDatabase())
    asyncio.run(seed(store, USERS, lambda *_: None))
    gc.freeze()  # a database would keep the data out of sight of the garbage collector
    listening = socket.socket()
    listening.bind((settings.host, 0))
    port = listening.getsockname()[1]
    address = f"http://{settings.host}:{port}{ENDPOINT}"
    run_server(
        settings,
        store,
        identity_of(settings),
        None,
        listening,
        greet=lambda: print(f"Usergraph answers at {address}", flush=True),
    )


if __name__ == "__main__":
    main()
