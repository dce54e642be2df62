"""The deadline of what is being done now: until when the database is waited for."""

import time
from collections.abc import Iterable
from contextvars import ContextVar, Token
from math import inf
from types import TracebackType

_deadline: ContextVar[float] = ContextVar("deadline", default=inf)


class Until:
    """In the block, and in tasks that it starts, commands end by then, in `time.monotonic()`."""

    __slots__ = ("_at", "_token")

    def __init__(self, at: float) -> None:
        self._at = at
        self._token: Token[float] | None = None

    def __enter__(self) -> None:
        self._token = _deadline.set(self._at)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _deadline.reset(self._token)


def deadline() -> float:
    """When what is being done has to end; infinity when nobody said so."""
    return _deadline.get()


def latest(deadlines: Iterable[float]) -> Until:
    """For what several wait for: it ends when the last of them does not wait any longer."""
    return Until(max(deadlines))


def remaining_seconds() -> float:
    """How long it may still take; negative when it is too late."""
    at = _deadline.get()
    return at if at == inf else at - time.monotonic()
