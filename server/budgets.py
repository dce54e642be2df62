"""Budgets: how much is carried out at once; what is too much is refused at once.

They are taken once a request was read and its operation is known, so that those who send slowly
take none; and each kind has its own, so that none starves the others.
"""

from types import TracebackType
from typing import Literal

from graphql import OperationType

from execution.cache import Found, PreparedOperation
from schema.federation import asked_of
from server.errors import RequestError

Kind = Literal["entities", "queries", "mutations", "subscriptions"]


class Budget:
    """How many may be in the block at once. Raises: RequestError, when there are as many."""

    def __init__(self, kind: Kind, most: int) -> None:
        self.kind: Kind = kind
        self.taken = 0
        self._most = most

    def check(self) -> None:
        """Insists on a free place. Raises: RequestError."""
        if self.taken >= self._most:
            message = f"Too many {self.kind} are being carried out here; try again."
            raise RequestError(503, "OVERLOADED", message, {"Retry-After": "1"})

    def __enter__(self) -> None:
        self.check()
        self.taken += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.taken -= 1


class Budgets:
    """One budget for each kind of operation."""

    def __init__(
        self,
        *,
        entities: int = 256,
        queries: int = 256,
        mutations: int = 64,
        subscriptions: int = 5000,
    ) -> None:
        self.entities = Budget("entities", entities)
        self.queries = Budget("queries", queries)
        self.mutations = Budget("mutations", mutations)
        self.subscriptions = Budget("subscriptions", subscriptions)

    def of(self, found: Found, name: str | None) -> Budget:
        """The budget of an operation."""
        budget: Budget = getattr(self, _kind(found.operation, name))
        return budget


def _kind(operation: PreparedOperation, name: str | None) -> Kind:
    """The kind of an operation; what does not parse is a query."""
    if operation.type is OperationType.MUTATION:
        return "mutations"
    if operation.type is OperationType.SUBSCRIPTION:
        return "subscriptions"
    return "entities" if "_entities" in asked_of(operation, name) else "queries"
