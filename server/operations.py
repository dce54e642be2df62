"""Operations: carried out once for one result, or followed for many, whatever the transport."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, nullcontext
from typing import Any, NamedTuple

from graphql import OperationType as CoreOperationType
from starlette.requests import ClientDisconnect
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from execution.cache import Found
from execution.strawberry_schema import nothing_executed
from resolvers.audit import PURPOSE_REQUIRED, AuditFault
from resolvers.errors import PurposeRequired
from resolvers.request import Request
from schema.caching import NO_STORE, VARY, cache_extensions, cache_headers
from schema.federation import NOT_AUDITED, TOO_LONG, FederatedSchema
from schema.users import needs_of
from server.budgets import Budget, Budgets
from server.callers import Caller
from server.disconnects import Presence
from server.documents import Documents, checked_document
from server.errors import RequestError
from server.exchanges import note_operation
from server.rates import RateLimits
from server.requests import Parameters
from server.router import RouterOnly
from store.deadline import Until

Body = dict[str, Any]
"""What a client gets for one result: `errors`, `data`, `extensions`."""

READS = frozenset({OperationType.QUERY})
READS_AND_WRITES = frozenset({OperationType.QUERY, OperationType.MUTATION})
SUBSCRIPTIONS = frozenset({OperationType.SUBSCRIPTION})


class Outcome(NamedTuple):
    """What came of an operation, and the headers that tell who may keep it."""

    result: ExecutionResult
    headers: Mapping[str, str]


class Operations:
    """Carries out operations on one schema."""

    def __init__(
        self,
        schema: FederatedSchema,
        documents: Documents,
        make_request: Callable[..., Request],
        budgets: Budgets,
        rates: RateLimits,
        *,
        gives_traces: bool = True,
        router_only: RouterOnly | None = None,
        varying: Sequence[str] = VARY,
    ) -> None:
        self._schema = schema
        self._documents = documents
        self._make_request = make_request
        self._budgets = budgets
        self._rates = rates
        self._gives_traces = gives_traces
        self._router_only = router_only
        self._varying = varying

    def check(self, parameters: Parameters) -> None:
        """Insists on a valid document that holds the operation. Raises: RequestError."""
        checked_document(self._schema, self._documents.text_of(parameters), parameters.name)

    def admit(self, found: Found, parameters: Parameters, caller: Caller) -> Budget:
        """The budget that an operation takes from. Raises: RequestError, when it may not."""
        if self._router_only is not None and not caller.is_router:
            self._router_only.check(found.operation, parameters.name)
        budget = self._budgets.of(found, parameters.name)
        budget.check()
        if self._rates.are_set:
            cost = self._schema.cost_if_valid(found, parameters.variables)
            self._rates.take(caller.viewer, caller.client, cost)
        return budget

    async def execute(
        self,
        parameters: Parameters,
        caller: Caller,
        allowed: frozenset[OperationType],
        *,
        due: float,
        presence: Presence,
        traced: bool = False,
    ) -> Outcome:
        """What came of a query or mutation; with a trace in its extensions when that is wanted.

        It is due at a moment of the event loop. A query ends when its client goes away; a mutation
        goes on, so that it is not left half done.

        Raises: RequestError; ClientDisconnect; InvalidOperationTypeError when the operation is of
        another type.
        """
        text = self._documents.text_of(parameters)
        schema = self._schema.traced if traced and self._gives_traces else self._schema
        found = schema.find(text, parameters.name)
        operation = found.operation
        note_operation(text, operation=operation, name=parameters.name, client_id=caller.client_id)
        if operation.type is CoreOperationType.SUBSCRIPTION:  # it is counted when followed
            raise InvalidOperationTypeError(OperationType.SUBSCRIPTION)
        budget = self.admit(found, parameters, caller)
        context = self._make_request(caller.viewer, needs_of(operation), caller.purpose)
        is_read = budget.kind in ("entities", "queries")
        try:
            with budget, Until(due), presence if is_read else nullcontext():
                async with asyncio.timeout_at(due):
                    result = await schema.execute(
                        text,
                        variable_values=parameters.variables,
                        operation_name=parameters.name,
                        context_value=context,
                        allowed_operation_types=allowed,
                        found=found,
                    )
        except (TimeoutError, ClientDisconnect) as error:
            context.give_up()
            if isinstance(error, ClientDisconnect):
                raise
            raise RequestError(504, "TIMEOUT", TOO_LONG) from None
        except CannotGetOperationTypeError as error:
            raise RequestError(
                400, "OPERATION_RESOLUTION_FAILURE", "The document has no such operation."
            ) from error
        assert isinstance(result, ExecutionResult)
        if isinstance(result, PreExecutionError):
            return Outcome(result, NO_STORE)
        self._documents.learn(parameters, text)
        self._audit(context, found, text)
        if traced:
            return Outcome(result, NO_STORE)
        policy = self._schema.cache_policy_of(found, text)
        if tags := cache_extensions(policy, context.cache_tags, result):
            result.extensions = {**(result.extensions or {}), **tags}
        if parameters.extensions.get("cost") is True and found.operation.compiled is not None:
            cost = self._cost(found, parameters.variables, result.data)
            result.extensions = {**(result.extensions or {}), "cost": cost}
        headers = cache_headers(policy, caller.viewer, result, self._varying)
        return Outcome(result, headers)

    def _audit(self, context: Request, found: Found, text: str) -> None:
        """Lets an answer with personal data of others go once that is written down.

        Raises: RequestError.
        """
        if context.trail.was_refused and found.operation.type is not CoreOperationType.MUTATION:
            raise RequestError(403, PurposeRequired.code, PURPOSE_REQUIRED)
        try:
            self._schema.write_down(context, found, text)
        except AuditFault:
            raise RequestError(503, "UNAVAILABLE", NOT_AUDITED) from None

    def _cost(
        self, found: Found, variables: Mapping[str, Any] | None, data: Any
    ) -> dict[str, float]:
        """What an operation was thought to cost, and what it did, as its client asked to know."""
        estimated = self._schema.cost_of(found, variables)
        actual = self._schema.actual_cost_of(found, data)
        limit = self._schema.limits.cost
        return {"estimated": round(estimated, 2), "actual": round(actual, 2), "maximum": limit}

    def follow(
        self,
        parameters: Parameters,
        caller: Caller,
        allowed: frozenset[OperationType],
    ) -> AsyncGenerator[Body, None]:
        """The results of an operation as they come; errors of validation are a result too.

        Raises: RequestError, at once.
        """
        text = self._documents.text_of(parameters)
        found = self._schema.find(text, parameters.name)
        operation = found.operation
        note_operation(text, operation=operation, name=parameters.name, client_id=caller.client_id)
        budget = self.admit(found, parameters, caller)
        return self._follow(budget, text, found, parameters, caller, allowed)

    async def _follow(
        self,
        budget: Budget,
        text: str,
        found: Found,
        parameters: Parameters,
        caller: Caller,
        allowed: frozenset[OperationType],
    ) -> AsyncGenerator[Body, None]:
        try:
            budget.check()
        except RequestError as error:  # others were there before the first result was asked for
            yield error_body(error)
            return
        with budget:
            results = await self._schema.stream(
                text,
                variable_values=parameters.variables,
                operation_name=parameters.name,
                context_value=self._make_request(caller.viewer, purpose=caller.purpose),
                allowed_operation_types=allowed,
                found=found,
            )
            async with aclosing(results):
                async for result in results:
                    if not isinstance(result, PreExecutionError):
                        self._documents.learn(parameters, text)
                    yield body_of(result)


def is_request_error(result: ExecutionResult) -> bool:
    """Whether nothing was carried out, because the document or its variables do not fit."""
    return isinstance(result, PreExecutionError) or nothing_executed(result)


def body_of(result: ExecutionResult) -> Body:
    """A result as its client gets it; without `data` when nothing was carried out."""
    body: Body = {}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    if not is_request_error(result):
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def error_body(error: RequestError) -> Body:
    """What is wrong with a request, as its client gets it."""
    return {
        "errors": [{"message": str(error), "extensions": {"code": error.code, **error.details}}]
    }
