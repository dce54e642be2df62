"""Exchanges: a request and its answer, as far as logs tell of them; each has an id.

A connection over WebSocket is one exchange, with all its operations.
"""

import re
import secrets
import time
from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from graphql import get_operation_ast
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from execution.cache import PreparedOperation

AccessLog = Literal["on", "off", "slow"]
"""A line for every request, for none, or for those that are slow or fail here."""

REQUEST_ID = b"x-request-id"
ID = re.compile(rb"[A-Za-z0-9._-]{1,100}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
SLOW_SECONDS = 1.0
BEGINNINGS = frozenset({"http.response.start", "websocket.accept", "websocket.close"})
CLIENT_GONE = 499

Facts = dict[str, Any]


@dataclass(slots=True)
class Exchange:
    """What is known of an exchange while it goes on."""

    request_id: str
    method: str
    path: str
    began: float = field(default_factory=time.perf_counter)
    status: int | None = None
    code: str | None = None
    client_id: str | None = None
    text: str | None = None
    operation: PreparedOperation | None = None
    name: str | None = None
    type: str | None = None

    def facts(self) -> Facts:
        """What every line of the exchange says; what is not known is None."""
        operation, name, type_ = self.operation, self.name, self.type
        if operation is not None:
            type_ = operation.type.value if operation.type else None
            name = name or operation.once("name", lambda: _name_of(operation))
        return {
            "request_id": self.request_id,
            "operation_name": name,
            "operation_type": type_,
            "operation_hash": None if self.text is None else hash_of(self.text),
            "client_id": self.client_id,
        }


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class Exchanges:
    """Gives exchanges their ids, and writes a line for each that ends.

    Only the given paths are written as they are.
    """

    def __init__(
        self, paths: Collection[str], logger: FilteringBoundLogger | None, wanted: AccessLog
    ) -> None:
        self._paths = frozenset(paths)
        self._logger = None if wanted == "off" else logger
        self._slow_seconds = SLOW_SECONDS if wanted == "slow" else 0.0

    async def observe(self, handle: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request be handled; its answer gets the id, and its lines do."""
        exchange = Exchange(
            _identifier(scope) or secrets.token_hex(8), scope.get("method", "GET"), scope["path"]
        )
        _current.set(exchange)  # and never reset: the server has a task for each request
        header = (REQUEST_ID, exchange.request_id.encode())
        try:
            await handle(scope, receive, lambda message: send(_marked(message, header, exchange)))
        except Exception:
            exchange.status = exchange.status or 500
            raise
        finally:
            if self._logger is not None:
                self._tell(self._logger, exchange)

    def _tell(self, logger: FilteringBoundLogger, exchange: Exchange) -> None:
        seconds = time.perf_counter() - exchange.began
        status = exchange.status or CLIENT_GONE
        if seconds < self._slow_seconds and not 500 <= status < 600:
            return
        logger.info(
            "request",
            **exchange.facts(),
            method=exchange.method if exchange.method in METHODS else "OTHER",
            path=exchange.path if exchange.path in self._paths else "other",
            status=status,
            duration_ms=round(seconds * 1000, 3),
            code=exchange.code,
        )


def current_facts() -> Facts:
    """What a line says of the exchange during which it is written."""
    exchange = _current.get()
    return exchange.facts() if exchange else {}


def note_operation(
    text: str,
    *,
    operation: PreparedOperation | None = None,
    name: str | None = None,
    type_: str | None = None,
    client_id: str | None = None,
) -> None:
    """Notes which operation is carried out, and for which client."""
    exchange = _current.get()
    if exchange is not None:
        exchange.text, exchange.operation, exchange.name = text, operation, name
        exchange.type, exchange.client_id = type_, client_id


def note_code(code: str | None) -> None:
    """Notes the code of the first error of the answer."""
    exchange = _current.get()
    if exchange is not None and exchange.code is None:
        exchange.code = code


def hash_of(text: str) -> str:
    """What stands for a document in logs: 16 hexadecimal digits of its SHA-256."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _identifier(scope: Scope) -> str | None:
    """The id that the client gave, if it is one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID:
            return value.decode() if ID.fullmatch(value) else None
    return None


def _marked(message: Message, header: tuple[bytes, bytes], exchange: Exchange) -> Message:
    kind = message["type"]
    if kind not in BEGINNINGS:
        return message
    exchange.status = message.get("status") or message.get("code") or 101
    if kind == "websocket.close":
        return message
    return {**message, "headers": [*(message.get("headers") or ()), header]}


def _name_of(operation: PreparedOperation) -> str | None:
    node = get_operation_ast(operation.document) if operation.document else None
    return node.name.value if node and node.name else None
