"""Clients that go away: what is done for them alone ends at once."""

import asyncio
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

from starlette.requests import ClientDisconnect

WORK = "usergraph.work"
"""Where an ASGI scope keeps what its client waits for."""


class Presence:
    """Ends the block, and what it awaits, when the client of an ASGI scope goes away.

    Only `server/connections.py` tells that; with another server the block goes on. The block then
    raises: ClientDisconnect.
    """

    __slots__ = ("_is_over", "_scope", "_task")

    def __init__(self, scope: MutableMapping[str, Any]) -> None:
        self._scope = scope
        self._task: asyncio.Task[Any] | None = None
        self._is_over = False

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._scope[WORK] = self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        del self._scope[WORK]
        task, self._task = self._task, None
        if self._is_over and task is not None and task.uncancel() == 0 and kind is not None:
            raise ClientDisconnect from None

    def end(self) -> None:
        """Ends the block."""
        if self._task is not None:
            self._is_over = True
            self._task.cancel()


def client_left(scope: MutableMapping[str, Any]) -> None:
    """Tells that the client of the scope is gone."""
    work: Presence | None = scope.get(WORK)
    if work is not None:
        work.end()
