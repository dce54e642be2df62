"""Running the application on uvicorn, until a signal stops it."""

import asyncio
import gc
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import cast

import uvicorn
from structlog.typing import FilteringBoundLogger

from server.app import create_app
from server.connections import Connection, Limits, WebSocketConnection
from server.explorer import Session
from server.identity import Identity
from server.settings import Settings
from server.streams import Streams
from store.driver import DriverName
from store.store import Store

DRAIN_SECONDS = 5
GC_THRESHOLDS = (50_000, 20, 100)
"""A request makes thousands of objects and hardly a circle: Python would look for some at 700."""
SWITCH_SECONDS = 0.0005
KEEP_ALIVE_SECONDS = 75
"""Longer than gateways keep an idle connection, so that none is closed under a request."""


def run_server(
    settings: Settings,
    store: Store,
    identity: Identity,
    session: Session | None,
    listening: socket.socket,
    *,
    logger: FilteringBoundLogger | None = None,
    greet: Callable[[], None],
) -> None:
    """Serves on the socket; calls `greet` once it does, and returns after the last request."""
    app = create_app(settings, store, identity, session=session, logger=logger)
    config = uvicorn.Config(
        app,
        http=cast(type[asyncio.Protocol], partial(Connection, limits=_limits(settings))),
        ws=WebSocketConnection,
        ws_max_size=settings.max_body_bytes,
        log_config=None,
        log_level="debug" if settings.log_level == "debug" else "warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _Server(config, app.state.streams, greet)
    _let_threads_in(settings.mongodb_driver)
    try:
        server.run([listening])
    except KeyboardInterrupt:
        return


def _limits(settings: Settings) -> Limits:
    return Limits(header_bytes=settings.max_header_bytes, headers=settings.max_headers)


class _Server(uvicorn.Server):
    """Greets once it serves, and ends what would never end by itself before it stops."""

    def __init__(self, config: uvicorn.Config, streams: Streams, greet: Callable[[], None]) -> None:
        super().__init__(config)
        self._streams = streams
        self._greet = greet

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            _spare_what_stays()
            self._greet()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.close()
        await super().shutdown(sockets)


def _let_threads_in(driver: DriverName) -> None:
    """Lets motor's threads have the interpreter soon: each of their steps would wait for 5 ms."""
    if driver == "motor":
        sys.setswitchinterval(SWITCH_SECONDS)


def _spare_what_stays() -> None:
    """Lets the garbage collector pass over what was made until now: modules and the schema."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
