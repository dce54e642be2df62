"""graphql-core's executor, with compiled plans in it, for whoever drives execution through it."""

from collections.abc import Awaitable
from typing import Any

from graphql import DocumentNode, OperationType
from graphql.execution import ExecutionResult, Executor
from graphql.execution.executor import default_field_resolver

from execution.operation import CompiledOperation, compile_operation


def compiled_executor(executor_class: type[Executor[Any]]) -> type[Executor[Any]]:
    """The executor class, but it runs plans; what they cannot do, it does itself."""

    class CompiledExecutor(executor_class):  # type: ignore[misc, valid-type]
        plan: CompiledOperation | None = None

        def build_per_event_executor(self, payload: Any) -> Executor[Any]:
            """A copy for one event of a subscription; all of them share the plan."""
            self._compiled()
            executor: Executor[Any] = super().build_per_event_executor(payload)
            return executor

        def execute_operation(
            self, serially: bool | None = None
        ) -> ExecutionResult | Awaitable[ExecutionResult]:
            """The answer, by a plan if there can be one."""
            answer = None
            # graphql-core says of a subscription's events that they are not to be run serially.
            is_mutation = self.operation.operation is OperationType.MUTATION
            if serially in (None, is_mutation) and self._is_plain():
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
            if self.plan is None:
                definitions = (self.operation, *self.fragment_definitions.values())
                self.plan = compile_operation(
                    self.schema,
                    DocumentNode(definitions=definitions),
                    executor_class=executor_class,
                    type_resolver=self.type_resolver,
                )
            return self.plan

    return CompiledExecutor
