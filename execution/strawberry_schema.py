"""A Strawberry schema whose operations are executed by plans.

Strawberry's own pipeline stays where something in it has to act: a schema extension, or `stream`,
which carries subscriptions. There the compiled executor takes the place of graphql-core's.
"""

from collections.abc import Collection, Iterable
from typing import Any, Literal

from graphql import DocumentNode, GraphQLError, GraphQLSchema, specified_rules
from graphql.execution import ExecutionResult as CoreResult
from strawberry import Schema
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext, validate_document
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from execution.cache import OperationCache, PreparedOperation
from execution.executor import compiled_executor

Execution = Literal["compiled", "reference"]
"""By plans, or by Strawberry and graphql-core alone."""

EVERY_TYPE = frozenset(OperationType)


class CompiledSchema(Schema):
    """A schema that executes queries and mutations by plans; with "reference" it does not.

    `checked_before` are those of its extensions that only look at the document: `check` does their
    work. Any other extension acts in Strawberry's pipeline.
    """

    checked_before: Collection[type[SchemaExtension]] = ()

    def __init__(self, *arguments: Any, execution: Execution = "compiled", **parts: Any) -> None:
        if execution == "compiled":
            parts["execution_context_class"] = compiled_executor(
                StrawberryGraphQLCoreExecutionContext
            )
        super().__init__(*arguments, **parts)
        self.execution: Execution = execution
        self.operations = OperationCache(
            self._schema, self._validated, executor_class=StrawberryGraphQLCoreExecutionContext
        )

    def check(self, document: DocumentNode, operation_name: str | None) -> list[GraphQLError]:
        """What is wrong with a document before it is validated; nothing here."""
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
    ) -> ExecutionResult:
        """What came of a query or mutation, as Strawberry has it.

        Raises: CannotGetOperationTypeError, InvalidOperationTypeError, MissingQueryError.
        """
        prepared = self._prepared(query, operation_name) if not operation_extensions else None
        if prepared is None:
            return await super().execute(
                query,
                variable_values,
                context_value,
                root_value,
                operation_name,
                allowed_operation_types,
                operation_extensions,
            )
        if prepared.document is not None:
            if prepared.type is None:
                raise CannotGetOperationTypeError(operation_name)
            type_ = OperationType(prepared.type.value)
            if type_ not in (allowed_operation_types or EVERY_TYPE):
                raise InvalidOperationTypeError(type_)
        if prepared.compiled is None:
            return self._failed(prepared.errors, query, context_value)
        try:
            answer = prepared.compiled.execute(root_value, context_value, variable_values)
            result = answer if isinstance(answer, CoreResult) else await answer
        except Exception as error:
            if not isinstance(error, GraphQLError):
                error = GraphQLError(str(error), original_error=error)
            return self._failed([error], query, context_value)
        if result.errors:
            context = self._create_execution_context(query, EVERY_TYPE, context_value=context_value)
            context.result = result
            self._process_errors(result.errors, context)
        return ExecutionResult(data=result.data, errors=result.errors)

    def _prepared(self, query: str | None, operation_name: str | None) -> PreparedOperation | None:
        """The operation, ready; None when Strawberry's pipeline has to carry it out."""
        if self.execution == "reference" or not query:
            return None
        if any(extension not in self.checked_before for extension in self.extensions):
            return None
        try:
            return self.operations.find(query, operation_name)
        except RecursionError:
            return None

    def _validated(
        self, schema: GraphQLSchema, document: DocumentNode, operation_name: str | None
    ) -> list[GraphQLError]:
        return self.check(document, operation_name) or validate_document(
            schema, document, tuple(specified_rules)
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
