"""A Strawberry schema whose operations are executed by plans.

Strawberry's own pipeline stays where something in it has to act: a schema extension, or `stream`,
which carries subscriptions. There the compiled executor takes the place of graphql-core's.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any, Literal

from graphql import DocumentNode, GraphQLError
from graphql.execution import ExecutionResult as CoreResult
from strawberry import Schema
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from execution.acceptance import validation_errors
from execution.cache import Found, OperationCache, PreparedOperation
from execution.executor import compiled_executor
from execution.lifting import Lifted

Execution = Literal["compiled", "reference"]
"""By plans, or by Strawberry and graphql-core alone."""

EVERY_TYPE = frozenset(OperationType)


class CompiledSchema(Schema):
    """A schema that executes queries and mutations by plans; with "reference" it does not.

    `checked_before` are those of its extensions that only look at the document: `check` does their
    work. Any other extension acts in Strawberry's pipeline.
    """

    checked_before: Collection[type[SchemaExtension]] = ()
    max_validation_errors: int | None = None
    """How many errors of a document are told; as many as graphql-core does, unless set."""

    def __init__(self, *arguments: Any, execution: Execution = "compiled", **parts: Any) -> None:
        if execution == "compiled":
            parts["execution_context_class"] = compiled_executor(
                StrawberryGraphQLCoreExecutionContext
            )
        super().__init__(*arguments, **parts)
        self.execution: Execution = execution
        self.operations = OperationCache(
            self._schema,
            validate=partial(validation_errors, max_errors=self.max_validation_errors),
            check=self.check,
            check_text=self.check_text,
            executor_class=StrawberryGraphQLCoreExecutionContext,
        )

    def check_text(self, text: str) -> list[GraphQLError]:
        """What is wrong with a text before it is parsed; nothing here."""
        return []

    def check(self, document: DocumentNode, operation_name: str | None) -> list[GraphQLError]:
        """What is wrong with a document before it is validated; nothing here."""
        return []

    def refusals(
        self, found: Found, variable_values: Mapping[str, Any] | None
    ) -> list[GraphQLError]:
        """What forbids to execute an operation, valid or not, by any pipeline; nothing here."""
        return []

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
        found: Found | None = None,
    ) -> ExecutionResult:
        """What came of a query or mutation, as Strawberry has it; `found` is its operation.

        Raises: CannotGetOperationTypeError, InvalidOperationTypeError, MissingQueryError.
        """
        if found is None and query:
            found = self.find(query, operation_name)
        if found is None or operation_extensions or not self._runs_plans:
            if found is not None and (errors := self.refusals(found, variable_values)):
                return self._failed(errors, query, context_value)
            return await super().execute(
                query,
                variable_values,
                context_value,
                root_value,
                operation_name,
                allowed_operation_types,
                operation_extensions,
            )
        operation = found.operation
        if operation.document is not None:
            if operation.type is None:
                raise CannotGetOperationTypeError(operation_name)
            type_ = OperationType(operation.type.value)
            if type_ not in (allowed_operation_types or EVERY_TYPE):
                raise InvalidOperationTypeError(type_)
        if operation.compiled is None:
            return self._failed(operation.errors, query, context_value)
        if errors := self.refusals(found, variable_values):
            return self._failed(errors, query, context_value)
        variables = {**(variable_values or {}), **found.literals}
        try:
            result = await _result(operation, root_value, context_value, variables)
            if operation.lifted and result.errors:
                if not nothing_executed(result):
                    _relocate(result.errors, operation.lifted, query or "")
                else:  # in the words for the text that was sent
                    operation = self.operations.prepare(query or "", operation_name)
                    result = await _result(operation, root_value, context_value, variable_values)
        except Exception as error:
            if not isinstance(error, GraphQLError):
                error = GraphQLError(str(error), original_error=error)
            return self._failed([error], query, context_value)
        if result.errors:
            context = self._create_execution_context(query, EVERY_TYPE, context_value=context_value)
            context.result = result
            self._process_errors(result.errors, context)
        return ExecutionResult(data=result.data, errors=result.errors)

    def find(self, query: str, operation_name: str | None) -> Found:
        """The operation of a text, ready to be executed, or what is wrong with it."""
        try:
            return self.operations.find(query, operation_name)
        except RecursionError:
            error = GraphQLError("The document is too deep.")
            return Found(PreparedOperation(None, None, [error]), {})

    @property
    def _runs_plans(self) -> bool:
        """Whether nothing has to act in Strawberry's pipeline."""
        return self.execution == "compiled" and all(
            extension in self.checked_before for extension in self.extensions
        )

    def _failed(
        self, errors: Iterable[GraphQLError], query: str | None, context_value: Any
    ) -> ExecutionResult:
        """The answer when nothing was executed."""
        found = list(errors)
        context: ExecutionContext = self._create_execution_context(
            query, EVERY_TYPE, context_value=context_value
        )
        context.pre_execution_errors = found
        self._process_errors(found, context)
        return PreExecutionError(data=None, errors=found)


def nothing_executed(result: CoreResult | ExecutionResult) -> bool:
    """Whether nothing was executed, because the variables do not fit or the document is wrong.

    Source: GraphQL specification, section 7.1.6, errors: a request error has no path.
    """
    return result.data is None and not any(error.path for error in result.errors or ())


async def _result(
    operation: PreparedOperation,
    root_value: Any,
    context_value: Any,
    variable_values: Mapping[str, Any] | None,
) -> CoreResult:
    assert operation.compiled is not None
    answer = operation.compiled.execute(root_value, context_value, variable_values)
    return answer if isinstance(answer, CoreResult) else await answer


def _relocate(errors: Iterable[GraphQLError], lifted: Lifted, text: str) -> None:
    for error in errors:
        error.locations = lifted.relocated(error, text)
