"""An application on a real port, and waiting for something that nobody tells."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from server.connections import Connection, Limits, WebSocketConnection


async def until(condition: Callable[[], bool]) -> None:
    """Waits at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(app: ASGIApp, limits: Limits | None = None) -> AsyncIterator[str]:
    """The application on a free port; gives `127.0.0.1:PORT`."""
    config = uvicorn.Config(
        app,
        port=0,
        backlog=2048,
        http=cast(type[asyncio.Protocol], partial(Connection, limits=limits)),
        timeout_keep_alive=75,
        lifespan="off",
        log_config=None,
        ws=WebSocketConnection,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
