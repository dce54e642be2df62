"""Running the application on uvicorn, until a signal stops it."""

import socket
from collections.abc import Callable

import uvicorn

from server.app import create_app
from server.explorer import Session
from server.identity import Identity
from server.settings import Settings
from store.store import Store

DRAIN_SECONDS = 5


def run_server(
    settings: Settings,
    store: Store,
    identity: Identity,
    session: Session | None,
    listening: socket.socket,
    *,
    greet: Callable[[], None],
) -> None:
    """Serves on the socket; calls `greet` once it does, and returns after the last request."""
    config = uvicorn.Config(
        create_app(settings, store, identity, session=session),
        http="httptools",
        ws="websockets-sansio",
        log_config=None,
        log_level="debug" if settings.log_level == "debug" else "warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _GreetingServer(config, greet)
    try:
        server.run([listening])
    except KeyboardInterrupt:
        return


class _GreetingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, greet: Callable[[], None]) -> None:
        super().__init__(config)
        self._greet = greet

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._greet()
