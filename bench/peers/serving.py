"""Running a Python peer on uvicorn, with the same parts as Usergraph."""

import socket
from typing import Any

import uvicorn


def serve(app: Any) -> None:
    """Serves on a free port of this machine, and tells the bench which one."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        server_header=False,
    )
    # The socket takes connections from here on, and uvicorn answers them.
    listening.listen()
    port = listening.getsockname()[1]
    print(f"This peer answers at http://127.0.0.1:{port}/graphql", flush=True)
    uvicorn.Server(config).run([listening])
