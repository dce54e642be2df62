"""graphql-core's executor, with compiled plans in it, for whoever drives execution through it."""

from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any

from graphql import DocumentNode, OperationDefinitionNode
from graphql.execution import ExecutionResult, Executor
from graphql.execution.executor import default_field_resolver

from execution.operation import CompiledOperation, tools_of

MAX_OPERATIONS = 1000


def compiled_executor(executor_class: type[Executor[Any]]) -> type[Executor[Any]]:
    """The executor class, but it runs plans; what they cannot do, it does itself.

    Plans are kept by the operation's node, so that a subscription, whose events are executed one
    by one, and whoever keeps parsed documents find them again.
    """
    plans: OrderedDict[int, tuple[OperationDefinitionNode, CompiledOperation]] = OrderedDict()

    class CompiledExecutor(executor_class):  # type: ignore[misc, valid-type]
        def execute_operation(
            self, serially: bool | None = None
        ) -> ExecutionResult | Awaitable[ExecutionResult]:
            """The answer, by a plan if there can be one."""
            answer = None
            if serially is None and self._is_plain():
                answer = self._compiled().execute_in(self)
            return super().execute_operation(serially) if answer is None else answer

        def _is_plain(self) -> bool:
            middleware = self.middleware_manager
            return (
                not (middleware and middleware.middlewares)
                and self.abort_signal is None
                and self.hooks is None
                and self.error_propagation
                and self.field_resolver is default_field_resolver
            )

        def _compiled(self) -> CompiledOperation:
            key = id(self.operation)
            found = plans.get(key)
            if found is None or found[0] is not self.operation:
                definitions = (self.operation, *self.fragment_definitions.values())
                document = DocumentNode(definitions=definitions)
                compiled = CompiledOperation(
                    tools_of(self.schema),
                    document,
                    executor_class=executor_class,
                    type_resolver=self.type_resolver,
                )
                found = plans[key] = self.operation, compiled
                if len(plans) > MAX_OPERATIONS:
                    plans.popitem(last=False)
            return found[1]

    return CompiledExecutor
