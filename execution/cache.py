"""Operations that came before: parsed, validated and compiled once, as many as fit."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    parse,
)
from graphql.execution import Executor

from execution.operation import CompiledOperation, compile_operation

MAX_OPERATIONS = 1000
MAX_CHARACTERS = 1_000_000
"""Of all documents together: what is made of a document takes about a hundred times its text."""

Validate = Callable[[GraphQLSchema, DocumentNode, str | None], Sequence[GraphQLError]]
"""Schema, document and operation name in, what is wrong out."""


@dataclass(slots=True)
class PreparedOperation:
    """An operation of a document: ready to be executed, or what is wrong with it.

    `type` is missing when the document has no such operation. What others work out from the
    document is kept with it in `attached`.
    """

    document: DocumentNode | None
    type: OperationType | None
    errors: Sequence[GraphQLError]
    compiled: CompiledOperation | None = None
    attached: dict[str, Any] = field(default_factory=dict)


class OperationCache:
    """Prepares the operations on one schema; those used least go first."""

    def __init__(
        self,
        schema: GraphQLSchema,
        validate: Validate,
        *,
        executor_class: type[Executor[Any]] | None = None,
    ) -> None:
        self._schema = schema
        self._validate = validate
        self._executor_class = executor_class
        self._prepared: OrderedDict[tuple[str, str | None], PreparedOperation] = OrderedDict()
        self._characters = 0

    def __len__(self) -> int:
        return len(self._prepared)

    def find(self, text: str, operation_name: str | None) -> PreparedOperation:
        """The operation of a text. Raises: RecursionError, when it is too deep to be validated.

        What is not valid is not kept, so that nobody fills the memory with it.
        """
        key = (text, operation_name)
        prepared = self._prepared.get(key)
        if prepared is not None:
            self._prepared.move_to_end(key)
            return prepared
        prepared = self._prepare(text, operation_name)
        if not prepared.errors and prepared.type is not None:
            self._keep(key, prepared)
        return prepared

    def _prepare(self, text: str, operation_name: str | None) -> PreparedOperation:
        try:
            document = parse(text)
        except GraphQLError as error:
            return PreparedOperation(None, None, [error])
        type_ = _type_of(document, operation_name)
        if type_ is None:
            return PreparedOperation(document, None, ())
        errors = self._validate(self._schema, document, operation_name)
        if errors:
            return PreparedOperation(document, type_, errors)
        compiled = compile_operation(
            self._schema, document, operation_name, executor_class=self._executor_class
        )
        return PreparedOperation(document, type_, (), compiled)

    def _keep(self, key: tuple[str, str | None], prepared: PreparedOperation) -> None:
        if len(key[0]) > MAX_CHARACTERS:
            return
        self._prepared[key] = prepared
        self._characters += len(key[0])
        while len(self._prepared) > MAX_OPERATIONS or self._characters > MAX_CHARACTERS:
            (text, _), _ = self._prepared.popitem(last=False)
            self._characters -= len(text)


def _type_of(document: DocumentNode, name: str | None) -> OperationType | None:
    """The type of the operation of that name; without a name, of the first one."""
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode) and (
            name is None or (definition.name is not None and definition.name.value == name)
        ):
            return definition.operation
    return None
