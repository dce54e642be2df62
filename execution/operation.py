"""A compiled operation: made once, executed many times; by graphql-core where it cannot be."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from graphql import DocumentNode, GraphQLSchema, OperationType
from graphql import execute as reference_execute
from graphql.execution import ExecutionResult, Executor
from graphql.execution.executor import default_field_resolver, default_type_resolver
from graphql.execution.values import VariableValues

from execution.analysis import INCREMENTAL, Analysis, Operation, Tools
from execution.builders import Generator
from execution.plan import Build, ObjectPlan, UnsupportedOperation, columns_of, fields_of
from execution.running import Run, run_operation
from execution.variables import Variables

MAX_VARIANTS = 16
"""Plans of one operation, for different values of `@skip` and `@include`."""
RUNS_BEFORE_GENERATION = 2
"""How often closures run before source is generated instead."""

Answer = ExecutionResult | Awaitable[ExecutionResult]


@dataclass(slots=True)
class Variant:
    """The plan for one set of values of `@skip` and `@include`."""

    plan: ObjectPlan
    runs: int = 0
    generated: Generator | None = None


class CompiledOperation:
    """One operation, ready to be executed on its schema."""

    def __init__(
        self,
        tools: Tools,
        document: DocumentNode,
        operation_name: str | None = None,
        *,
        executor_class: type[Executor[Any]] | None = None,
        type_resolver: Callable[..., Any] = default_type_resolver,
    ) -> None:
        self.document = document
        self.operation_name = operation_name
        self.unsupported: str | None = None
        """Why graphql-core executes it as a whole; None when it is compiled."""
        self._tools = tools
        self._executor_class = executor_class
        self._type_resolver = type_resolver
        self._variants: dict[tuple[bool, ...], Variant] = {}
        try:
            self._operation = Operation(document, operation_name)
            self._variables = Variables(tools.schema, self._operation.node)
            if not self._operation.conditions:
                self._variants[()] = self._planned({})
        except UnsupportedOperation as reason:
            self.unsupported = str(reason)

    def execute(
        self,
        root_value: Any = None,
        context_value: Any = None,
        variable_values: Mapping[str, Any] | None = None,
    ) -> Answer:
        """What came of it; an awaitable, when something in it had to be awaited."""
        if self.unsupported is None:
            variables = self._variables.coerced(variable_values or {})
            if isinstance(variables, list):
                return ExecutionResult(None, variables)
            variant = self._variant(variables)
            if variant is not None:
                make = partial(self._executor, variable_values or {})
                run = Run(make, self._tools.sources, root_value, context_value, variables)
                return self._run(run, variant)
        return self._by_reference(root_value, context_value, variable_values)

    def execute_in(self, executor: "Executor[Any]") -> Answer | None:
        """The same for an executor of graphql-core that is made already; None: not compiled."""
        if self.unsupported is not None:
            return None
        variables = executor.variable_values.coerced
        variant = self._variant(variables)
        if variant is None:
            return None
        run = Run(
            lambda run: executor,
            self._tools.sources,
            executor.root_value,
            executor.context_value,
            variables,
        )
        return self._run(run, variant)

    @property
    def plans(self) -> list[ObjectPlan]:
        """The plans that were made, one for each set of values of `@skip` and `@include`."""
        return [variant.plan for variant in self._variants.values()]

    def plan_for(self, variable_values: Mapping[str, Any]) -> ObjectPlan | None:
        """The plan that these variables lead to; None when they do not fit, or there is none."""
        if self.unsupported is not None:
            return None
        variables = self._variables.coerced(variable_values)
        variant = None if isinstance(variables, list) else self._variant(variables)
        return None if variant is None else variant.plan

    def fields_of(self, type_name: str) -> Collection[str] | None:
        """The fields that it selects on a type, wherever; None when the plan does not tell."""
        if self.unsupported is not None or self._operation.conditions:
            return None
        columns = (column for plan in self.plans for column in columns_of(plan))
        if any(column.shape is None and not column.objects for column in columns):
            return None
        return {name for plan in self.plans for name in fields_of(plan, type_name)}

    def source(self) -> str:
        """The Python that was generated; for what did not run often enough, what would be."""
        return "\n\n".join(
            (variant.generated or self._generate(variant)).source
            for variant in self._variants.values()
        )

    def _run(self, run: Run, variant: Variant) -> Answer:
        variant.runs += 1
        if variant.runs == RUNS_BEFORE_GENERATION:
            self._generate(variant)
        is_mutation = self._operation.node.operation is OperationType.MUTATION
        answer: Answer = run_operation(run, variant.plan, serially=is_mutation)
        return answer

    def _variant(self, variables: Mapping[str, Any]) -> Variant | None:
        """The plan for these variables; None when graphql-core has to tell what they mean."""
        key = tuple(variables.get(name) for name in self._operation.conditions)
        variant = self._variants.get(key)  # type: ignore[arg-type]
        if variant is None:
            if len(self._variants) >= MAX_VARIANTS or any(v.__class__ is not bool for v in key):
                return None
            try:
                values = dict(zip(self._operation.conditions, key, strict=True))
                variant = self._planned(values)  # type: ignore[arg-type]
            except UnsupportedOperation as reason:
                self.unsupported = str(reason)
                return None
            self._variants[key] = variant  # type: ignore[index]
        return variant

    def _planned(self, conditions: Mapping[str, bool]) -> Variant:
        analysis = Analysis(self._tools, self._operation, conditions, self._type_resolver)
        return Variant(analysis.plan())

    def _generate(self, variant: Variant) -> Generator:
        """Puts generated builders in the place of closures."""
        generator = variant.generated = Generator(self._tools.sources)
        for column in columns_of(variant.plan):
            if column.shape is not None and column.build is not None:
                column.build = _or(partial(generator.of, column.shape), column.build)
            for plan in column.objects.values():
                plan.build = _or(partial(generator.of_object, plan.shape), plan.build)
        return generator

    def _executor(self, inputs: Mapping[str, Any], run: Run) -> "Executor[Any]":
        values = self._variables.reference(inputs)
        assert isinstance(values, VariableValues)
        return (self._executor_class or Executor)(
            self._tools.schema,
            self._operation.fragment_definitions,
            self._operation.fragments,
            run.root,
            run.context,
            self._operation.node,
            # Resolvers may have been given the values that were coerced first.
            VariableValues(values.sources, dict(run.variables)),
            default_field_resolver,
            self._type_resolver,
            default_field_resolver,
        )

    def _by_reference(
        self, root_value: Any, context_value: Any, variable_values: Mapping[str, Any] | None
    ) -> Answer:
        result: Any = reference_execute(
            self._tools.schema,
            self.document,
            root_value,
            context_value,
            dict(variable_values or {}),
            self.operation_name,
            type_resolver=self._type_resolver,
            executor_class=self._executor_class,
        )
        answer: Answer = result
        return answer


TOOLS = "compiled-operations"
"""The schema's extension in which they are kept."""


def tools_of(schema: GraphQLSchema) -> Tools:
    """What plans on the schema are made with."""
    tools = schema.extensions.get(TOOLS)
    if not isinstance(tools, Tools) or tools.schema is not schema:
        tools = schema.extensions[TOOLS] = Tools(schema)
    return tools


def compile_operation(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation_name: str | None = None,
    *,
    executor_class: type[Executor[Any]] | None = None,
    type_resolver: Callable[..., Any] = default_type_resolver,
) -> CompiledOperation:
    """The operation of a valid document; one without a name must be the only one."""
    return CompiledOperation(
        tools_of(schema),
        document,
        operation_name,
        executor_class=executor_class,
        type_resolver=type_resolver,
    )


def execute(
    schema: GraphQLSchema,
    document: DocumentNode,
    root_value: Any = None,
    context_value: Any = None,
    variable_values: Mapping[str, Any] | None = None,
    operation_name: str | None = None,
    type_resolver: Callable[..., Any] | None = None,
    executor_class: type[Executor[Any]] | None = None,
    **options: Any,
) -> Answer:
    """The same as `graphql.execute`; what has other options is executed by graphql-core."""
    is_incremental = any(schema.get_directive(name) is not None for name in INCREMENTAL)
    if is_incremental or any(options.values()):
        result: Any = reference_execute(
            schema,
            document,
            root_value,
            context_value,
            variable_values,  # type: ignore[arg-type]
            operation_name,
            type_resolver=type_resolver,
            executor_class=executor_class,
            **options,
        )
        answer: Answer = result
        return answer
    compiled = compile_operation(
        schema,
        document,
        operation_name,
        executor_class=executor_class,
        type_resolver=type_resolver or default_type_resolver,
    )
    return compiled.execute(root_value, context_value, variable_values)


def _or(generate: Callable[[], Build], build: Build) -> Build:
    """What is generated; the builder that there is, when Python cannot compile it."""
    try:
        return generate()
    except (SyntaxError, RecursionError, MemoryError):
        return build
