"""Operations that came before: parsed, validated and compiled once, as many as fit.

Operations that differ only in their literals are found together: the second one of them that comes
is lifted, and all that follow are neither parsed nor validated.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
)
from graphql.execution import Executor
from strawberry.utils.operation import get_first_operation

from execution.acceptance import validation_errors
from execution.lifting import Lifted, Skeleton, lift, skeleton_of
from execution.operation import CompiledOperation, compile_operation
from execution.parsing import parse_operation

MAX_OPERATIONS = 1000
MAX_CHARACTERS = 1_000_000
"""Of all documents together: what is made of a document takes about a hundred times its text."""
MAX_SEEN = 5000
"""Skeletons that came once, as hashes."""

T = TypeVar("T")
Validate = Callable[[GraphQLSchema, DocumentNode], Sequence[GraphQLError]]
Check = Callable[[DocumentNode, str | None], Sequence[GraphQLError]]
CheckText = Callable[[str], Sequence[GraphQLError]]


@dataclass(slots=True)
class PreparedOperation:
    """An operation of a document: ready to be executed, or what is wrong with it.

    `type` is missing when the document has no such operation; `lifted` is there when its literals
    are variables. What others work out from the document is kept with it in `attached`.
    """

    document: DocumentNode | None
    type: OperationType | None
    errors: Sequence[GraphQLError]
    compiled: CompiledOperation | None = None
    lifted: Lifted | None = None
    attached: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, work_out: Callable[[], T]) -> T:
        """What somebody works out from the document, kept with it under a name."""
        if name not in self.attached:
            self.attached[name] = work_out()
        found: T = self.attached[name]
        return found


class Found(NamedTuple):
    """A prepared operation, with the values of the literals of the text that was asked for."""

    operation: PreparedOperation
    literals: Mapping[str, Any]


class OperationCache:
    """Prepares the operations on one schema; those not used for longest go first.

    `validate` gives what is wrong with a document by the schema, `check` what else is, and
    `check_text` what is wrong with a text before it is parsed.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        validate: Validate = validation_errors,
        check: Check = lambda document, name: (),
        check_text: CheckText = lambda text: (),
        executor_class: type[Executor[Any]] | None = None,
    ) -> None:
        self._schema = schema
        self._validate = validate
        self._check = check
        self._check_text = check_text
        self._executor_class = executor_class
        # By text and name; by skeleton and name, where a NUL that no document has tells it apart.
        self._prepared: OrderedDict[tuple[str, str | None], PreparedOperation] = OrderedDict()
        self._characters = 0
        self._seen: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._prepared)

    def find(self, text: str, operation_name: str | None) -> Found:
        """The operation of a text. Raises: RecursionError, when it is too deep to be validated."""
        prepared = self._known((text, operation_name))
        if prepared is not None:
            return Found(prepared, {})
        if errors := self._check_text(text):
            return Found(PreparedOperation(None, None, errors), {})
        skeleton = skeleton_of(text)
        if skeleton is None:
            return Found(self.prepare(text, operation_name), {})
        return self._by_skeleton(skeleton, text, operation_name)

    def prepare(self, text: str, operation_name: str | None) -> PreparedOperation:
        """The operation of this very text. Raises: RecursionError.

        What is not valid is not kept, so that nobody fills the memory with it.
        """
        prepared = self._made(text, operation_name)
        if prepared.compiled is not None:
            self._keep((text, operation_name), prepared)
        return prepared

    def _by_skeleton(self, skeleton: Skeleton, text: str, operation_name: str | None) -> Found:
        key = (f"\0{skeleton.key}", operation_name)
        prepared = self._known(key)
        if prepared is None:
            prepared = self._made(text, operation_name)
            if prepared.document is None or prepared.compiled is None:
                return Found(prepared, {})
            if not self._was_seen(hash(key)):
                self._keep((text, operation_name), prepared)
                return Found(prepared, {})
            lifted = lift(self._schema, text, prepared.document, operation_name)
            if lifted is None:
                return Found(prepared, {})
            compiled = self._compiled(lifted.document, operation_name)
            prepared = PreparedOperation(lifted.document, prepared.type, (), compiled, lifted)
            self._keep(key, prepared)
        assert prepared.lifted is not None
        values = prepared.lifted.variables(skeleton.literals)
        if values is None:
            return Found(self.prepare(text, operation_name), {})
        return Found(prepared, values)

    def _made(self, text: str, operation_name: str | None) -> PreparedOperation:
        try:
            document = parse_operation(text)
        except GraphQLError as error:
            return PreparedOperation(None, None, [error])
        operation = operation_of(document, operation_name)
        if operation is None:
            return PreparedOperation(document, None, ())
        type_ = operation.operation
        errors = self._check(document, operation_name) or self._validate(self._schema, document)
        if errors:
            return PreparedOperation(document, type_, errors)
        return PreparedOperation(document, type_, (), self._compiled(document, operation_name))

    def _compiled(self, document: DocumentNode, operation_name: str | None) -> CompiledOperation:
        return compile_operation(
            self._schema, document, operation_name, executor_class=self._executor_class
        )

    def _known(self, key: tuple[str, str | None]) -> PreparedOperation | None:
        prepared = self._prepared.get(key)
        if prepared is not None:
            self._prepared.move_to_end(key)
        return prepared

    def _keep(self, key: tuple[str, str | None], prepared: PreparedOperation) -> None:
        if len(key[0]) > MAX_CHARACTERS or key in self._prepared:
            return
        self._prepared[key] = prepared
        self._characters += len(key[0])
        while len(self._prepared) > MAX_OPERATIONS or self._characters > MAX_CHARACTERS:
            (text, _), _ = self._prepared.popitem(last=False)
            self._characters -= len(text)

    def _was_seen(self, skeleton: int) -> bool:
        """Whether the skeleton came before; remembers that it came."""
        if skeleton in self._seen:
            return True
        self._seen[skeleton] = None
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)
        return False


def operation_of(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    """The operation of that name; without a name, the first one."""
    return get_first_operation(document) if name is None else get_operation_ast(document, name)
