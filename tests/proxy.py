"""A proxy between a driver and its engine that does to the bytes what networks do."""

import asyncio
import re
from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager
from typing import Any, Literal

Fault = Literal["hang", "cut", "reset"]


class Proxy:
    """Passes on bytes, `latency_seconds` later; with a fault the engine's answers do not arrive.

    They hang, the connection ends within them (`cut`), or it is reset.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.fault: Fault | None = None
        self.latency_seconds = 0.0
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection."""
        back, forth = await asyncio.open_connection(*self._target)
        for pair in ((reader, forth, False), (back, writer, True)):
            task = asyncio.create_task(self._pass_on(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool
    ) -> None:
        try:
            while data := await reader.read(65_536):
                await asyncio.sleep(self.latency_seconds)
                fault = self.fault if is_answer else None
                if fault == "hang":
                    continue
                if fault == "reset":
                    writer.transport.abort()
                    return
                writer.write(data[: len(data) // 2] if fault == "cut" else data)
                await writer.drain()
                if fault == "cut":
                    return
        except ConnectionError:
            return
        finally:
            writer.close()

    async def close(self) -> None:
        """Ends every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # in which the connections are closed


@asynccontextmanager
async def proxied(uri: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before the first server of a connection string, and the string that leads to it."""
    scheme, _, rest = uri.partition("://")
    servers, _, options = rest.partition("/")
    credentials, at, server = servers.rpartition("@")
    host, _, port = server.split(",")[0].partition(":")
    proxy = Proxy((host, int(port or 27017)))
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    here = "{}:{}".format(*listening.sockets[0].getsockname()[:2])
    separator = "&" if "?" in options else "?"
    direct = f"{options}{separator}directConnection=true"
    try:
        yield proxy, f"{scheme}://{credentials}{at}{here}/{direct}"
    finally:
        listening.close()
        await proxy.close()


def tasks_since(before: Set[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """The tasks that were begun since then and go on; without those of proxies and drivers."""
    tasks = asyncio.all_tasks() - before - {asyncio.current_task()}
    return [task for task in tasks if not re.search("Proxy|/pymongo/", repr(task))]
