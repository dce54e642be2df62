"""Federation: `_service`, `_entities`, and errors that say neither too much nor too little.

Source: Apollo Federation subgraph specification, version 2.
"""

import asyncio
import copy
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple, Protocol, cast

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLID,
    GraphQLSchema,
    GraphQLString,
    GraphQLSyntaxError,
    GraphQLUnionType,
    OperationDefinitionNode,
    OperationType,
    get_nullable_type,
    get_operation_ast,
    is_object_type,
)
from strawberry import Info
from strawberry.extensions import SchemaExtension
from strawberry.federation import Schema
from strawberry.federation.schema import FederationAny
from strawberry.federation.schema_directives import Key
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType as StrawberryOperationType

from execution.cache import Found, PreparedOperation
from execution.strawberry_schema import EVERY_TYPE, CompiledSchema
from guard import (
    CostModel,
    Limits,
    asked_fields,
    excess,
    excesses_of_document,
    excesses_of_text,
    introspections,
    is_refusal,
    without_suggestions,
)
from resolvers.audit import AuditFault
from resolvers.caching import tags_of
from resolvers.errors import AccessError, Refusal, ValidationRefusal
from resolvers.request import Request
from schema.caching import MAX_TEXT, CachePolicy, cache_policy
from schema.costs import LIST_SIZES, WEIGHTS
from schema.field_sets import (
    CoercionError,
    Shape,
    check_field_sets,
    coerced,
    directives_of_types,
    is_whole,
    key_shape,
    merged,
    required_shape,
)
from schema.incidents import incident_of
from schema.sdl import VERSION, Profile, sdl_of
from schema.tracing import Tracing
from store.errors import StoreFault

TOO_LONG = "It took too long; a mutation may have been carried out."
NOT_AUDITED = "What was read cannot be written down; a mutation may have been carried out."

logger = logging.getLogger(__name__)


class EntityError(TypeError):
    """A type with `@key` cannot be resolved."""


class EntityClass(Protocol):
    """What a type with `@key` offers: one batch for all its representations."""

    async def resolve_references(
        self, request: Request, keys: Sequence[Mapping[str, Any]]
    ) -> list[Any]:
        """The entities that the keys name, in order: entity, None or the exception for each.

        Each has the fields of one key and, as far as the gateway sent them, those that fields of
        the type require; all by their GraphQL names, and coerced.
        """


class EntityKey(NamedTuple):
    """One key of an entity: as it is written, its fields, and these with the required ones."""

    fields: str
    shape: Shape
    taken: Shape

    @property
    def is_plain(self) -> bool:
        """Whether it takes only strings, which are their own coerced values."""
        return self.taken == self.shape and all(
            get_nullable_type(taken.type) in (GraphQLID, GraphQLString)
            for taken in self.shape.values()
        )


class Entity(NamedTuple):
    """A type, or an interface, with `@key`: its class, and the keys by which it is resolved."""

    resolver: EntityClass
    keys: tuple[EntityKey, ...]


class Checked(SchemaExtension):
    """Has documents checked and validated as everywhere, where Strawberry carries out operations.

    Its own rule for oneOf inputs fails on some documents instead of judging them.
    """

    def on_parse(self) -> Iterator[None]:
        """Looks at the document once it is parsed."""
        yield
        context = self.execution_context
        if context.graphql_document is not None:
            schema = cast(FederatedSchema, context.schema)
            found = schema.find(context.query or "", context._provided_operation_name)
            context.pre_execution_errors = list(found.operation.errors) or None
            context.validation_rules = ()


class FederatedSchema(CompiledSchema, Schema):
    """A schema that answers a gateway; representations are hostile until coerced."""

    checked_before = (Checked,)
    max_validation_errors = 10

    def __init__(
        self,
        *,
        profile: Profile = Profile.PORTABLE,
        limits: Limits | None = None,
        **parts: Any,
    ) -> None:
        self.limits = limits or Limits()
        super().__init__(federation_version=VERSION, extensions=[Checked], **parts)
        self._costs = CostModel(self.graphql, WEIGHTS, LIST_SIZES)
        check_field_sets(self.graphql)
        self._entities = dict(_entities(self.graphql))
        self._plain_keys = {
            name: tuple(entity.keys[0].shape)
            for name, entity in self._entities.items()
            if entity.keys[0].is_plain
        }
        self.sdl = sdl_of(self.as_str(), Profile(profile))

    def check_text(self, text: str) -> list[GraphQLError]:
        """What is wrong with a text before it is parsed: its length."""
        return excesses_of_text(text, self.limits)

    def check(self, document: DocumentNode, operation_name: str | None) -> list[GraphQLError]:
        """What is wrong with a document before it is validated: its size, or what it asks for."""
        return (
            several_operations(document, operation_name)
            or excesses_of_document(document, self.limits)
            or introspections(document, operation_name, self.limits)
        )

    def refusals(
        self, found: Found, variable_values: Mapping[str, Any] | None
    ) -> list[GraphQLError]:
        """What an operation has too much of, or that it costs too much."""
        if found.operation.compiled is None:
            return [error for error in found.operation.errors if is_refusal(error)]
        cost = self.cost_of(found, variable_values)
        if cost <= self.limits.cost:
            return []
        if not self.limits.enforces_cost:
            logger.warning(
                "an operation costs more than is allowed",
                extra={"counted": ceil(cost), "maximum": self.limits.cost},
            )
            return []
        return [excess("cost", self.limits.cost, ceil(cost))]

    def actual_cost_of(self, found: Found, data: Any) -> float:
        """What the answer to an operation was worth."""
        compiled = found.operation.compiled
        assert compiled is not None
        return self._costs.actual(compiled.document, compiled.operation_name, data)

    def cost_if_valid(self, found: Found, variable_values: Mapping[str, Any] | None) -> float:
        """The estimated cost of an operation, at least 1, which is what costs nothing or is wrong.

        An error in its variables is told when it is executed.
        """
        if found.operation.compiled is None:
            return 1.0
        return max(1.0, self.cost_of(found, variable_values))

    def cost_of(self, found: Found, variable_values: Mapping[str, Any] | None) -> float:
        """The estimated cost of a valid operation with these variables."""
        operation = found.operation
        compiled = operation.compiled
        assert compiled is not None
        price = operation.once(
            "price", lambda: self._costs.price(compiled.document, compiled.operation_name)
        )
        return price.of({**(variable_values or {}), **found.literals})

    def cache_policy(self, query: str, operation_name: str | None) -> CachePolicy | None:
        """The cache policy of an operation; None when its answer is not to be kept."""
        return self.cache_policy_of(self.find(query, operation_name), query)

    def cache_policy_of(self, found: Found, query: str) -> CachePolicy | None:
        """The same for an operation that was found; it is worked out once."""
        operation = found.operation
        document, compiled = operation.document, operation.compiled
        if document is None or compiled is None or len(query) > MAX_TEXT:
            return None
        return operation.once(
            "cache policy", lambda: cache_policy(self.graphql, document, compiled.operation_name)
        )

    @property
    def graphql(self) -> GraphQLSchema:
        """The schema as graphql-core has it."""
        return self._schema

    @cached_property
    def traced(self) -> "FederatedSchema":
        """The same schema; its answers carry a trace in `extensions.ftv1`."""
        traced = copy.copy(self)
        traced.extensions = (*self.extensions, Tracing)
        return traced

    async def entities_resolver(  # type: ignore[override]
        self, info: Info, representations: list[FederationAny]
    ) -> list[FederationAny]:
        """Entities for representations: same length, same order, one batch per type.

        A bad representation, or one whose entity failed, is an exception at its place, which
        becomes null and an error at that path. Raises: ValidationRefusal when there are too many.
        """
        request: Request = info.context
        limit = request.policy.max_entities
        if len(representations) > limit:
            raise ValidationRefusal(
                message=f"Expected at most {limit} representations, not {len(representations)}.",
                path=("representations",),
                rule="MAX_ITEMS",
            )
        results: list[Any] = [None] * len(representations)
        tags: list[list[str]] = [[] for _ in representations]
        batches: defaultdict[str, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
        for index, representation in enumerate(representations):
            try:
                name, key = self._coerce(representation)
                batches[name].append((index, key))
            except Refusal as refusal:
                results[index] = refusal

        async def resolve(name: str, batch: list[tuple[int, Mapping[str, Any]]]) -> None:
            keys = [key for _, key in batch]
            try:
                values = await self._entities[name].resolver.resolve_references(request, keys)
            except Exception as error:  # the other types' entities are not to suffer
                values = [error] * len(keys)
            for (index, key), value in zip(batch, values, strict=True):
                results[index] = value
                if request.cache_tags and not isinstance(value, Exception):
                    tags[index] = tags_of(key, getattr(value, "id", None))

        if len(batches) == 1:
            await resolve(*batches.popitem())
        else:
            await asyncio.gather(*(resolve(name, batch) for name, batch in batches.items()))
        if request.cache_tags:
            request.cache_tags.of_entities.append(tags)
        return results

    async def stream(
        self, query: str | None, *args: Any, found: Found | None = None, **options: Any
    ) -> Any:
        """Results as they come, for one of many operations over the same connection.

        Only a subscription may take longer than the policy allows; `found` is the operation.
        """
        context: Request = options["context_value"].fresh()
        found = found or self.find(query or "", options.get("operation_name"))
        refusals = self.refusals(found, options.get("variable_values"))
        if errors := refusals or _errors_of(found, options.get("allowed_operation_types")):
            return _one(self._failed(errors, query, context))
        results = await super().stream(query, *args, **{**options, "context_value": context})
        results = _audited(results, lambda: self.write_down(context, found, query or ""))
        if found.operation.type is OperationType.SUBSCRIPTION:
            return results
        return _limited(results, context.policy.operation_timeout.total_seconds())

    def write_down(self, request: Request, found: Found, text: str) -> None:
        """Writes down the personal data of others that the operation read. Raises: AuditFault."""
        if request.trail:
            operation = _asked_for(found)
            request.write_down(text, operation.name.value if operation and operation.name else None)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Gives every error a code, and hides faults behind an id that finds the log line.

        Neither the query nor its variables are logged.
        """
        for error in errors:
            if not self.limits.introspection:
                error.message = without_suggestions(error.message)
            original = error.original_error
            extensions = error.extensions or {}
            if "code" in extensions or isinstance(original, (Refusal, AccessError)):
                continue
            if isinstance(original, InvalidOperationTypeError):
                error.extensions = {**extensions, "code": "METHOD_NOT_ALLOWED"}
            elif isinstance(original, CannotGetOperationTypeError):
                error.extensions = {**extensions, "code": "OPERATION_RESOLUTION_FAILURE"}
            elif isinstance(original, StoreFault):
                _hide(error, original.code, "The database did not do what was asked of it")
            elif isinstance(original, ValueError) and not error.path:
                error.message = "A value in the operation cannot be read."
                error.extensions = {**extensions, "code": "BAD_USER_INPUT"}
            elif original is None or isinstance(original, GraphQLError):
                error.extensions = {**extensions, "code": _code(error, execution_context)}
            else:
                _hide(error, "INTERNAL_SERVER_ERROR", "Something went wrong here")

    def _coerce(self, representation: object) -> tuple[str, Mapping[str, Any]]:
        """The type name and the coerced key of a representation; everything else is dropped."""
        if representation.__class__ is dict:
            plain = self._plain_key(representation)
            if plain is not None:
                return plain
        if not isinstance(representation, Mapping):
            raise _bad_representation("an object")
        name = representation.get("__typename")
        entity = self._entities.get(name) if isinstance(name, str) else None
        if entity is None:
            raise _bad_representation(
                f"__typename to be one of: {', '.join(sorted(self._entities))}"
            )
        for key in entity.keys:
            if is_whole(key.shape, representation):
                try:
                    return cast(str, name), coerced(key.taken, representation)
                except CoercionError as error:
                    raise _bad_representation(f"field {error}") from None
        keys = " or ".join("{" + key.fields + "}" for key in entity.keys)
        raise _bad_representation(f"a key of {name}: {keys}")

    def _plain_key(self, representation: Any) -> tuple[str, Mapping[str, Any]] | None:
        """The same for a plain key: most representations have one, and it is soon read."""
        name = representation.get("__typename")
        if name.__class__ is not str or name not in self._plain_keys:
            return None
        key = {}
        for field in self._plain_keys[name]:
            value = representation.get(field)
            if value.__class__ is not str:
                return None
            key[field] = value
        return name, key


def several_operations(document: DocumentNode, operation_name: str | None) -> list[GraphQLError]:
    """An error, when the document holds several operations and none is named.

    Source: GraphQL specification, section 6.1, GetOperation.
    """
    operations = [
        node for node in document.definitions if isinstance(node, OperationDefinitionNode)
    ]
    if operation_name is not None or len(operations) < 2:
        return []
    message = "Expected operationName to name one of the operations."
    return [GraphQLError(message, extensions={"code": "OPERATION_RESOLUTION_FAILURE"})]


def asked_of(operation: PreparedOperation, operation_name: str | None) -> frozenset[str]:
    """The names of the root fields that an operation asks for, worked out once.

    Empty when its document does not parse.
    """
    document = operation.document
    if document is None:
        return frozenset()
    return operation.once("asked", lambda: asked_fields(document, operation_name))


@strawberry.type(name="_Service", description="What a gateway asks a subgraph about itself.")
class Service:
    """What a gateway asks a subgraph about itself."""

    sdl: str = strawberry.field(description="The schema of this subgraph.")


@strawberry.type
class ServiceQuery:
    """The part of Query that describes the subgraph."""

    @strawberry.field(name="_service", description="This subgraph itself.")
    def service(self, info: Info) -> Service:
        """This subgraph itself."""
        return Service(sdl=cast(FederatedSchema, info.schema).sdl)


def _errors_of(
    found: Found, allowed: Iterable[StrawberryOperationType] | None
) -> Sequence[GraphQLError]:
    """What is wrong with an operation; that its type is not allowed is told first, elsewhere."""
    type_ = found.operation.type
    is_allowed = type_ is None or StrawberryOperationType(type_.value) in (allowed or EVERY_TYPE)
    return found.operation.errors if is_allowed else ()


async def _one(result: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield result


def _asked_for(found: Found) -> OperationDefinitionNode | None:
    document, compiled = found.operation.document, found.operation.compiled
    if document is None or compiled is None:
        return None
    return get_operation_ast(document, compiled.operation_name)


async def _audited(
    results: Any, write_down: Callable[[], None]
) -> AsyncGenerator[ExecutionResult, None]:
    """The results, each after what was read for it was written down; an error where it cannot."""
    async with aclosing(results):
        async for result in results:
            try:
                write_down()
            except AuditFault:
                error = GraphQLError(NOT_AUDITED, extensions={"code": "UNAVAILABLE"})
                yield PreExecutionError(data=None, errors=[error])
                return
            yield result


async def _limited(results: Any, seconds: float) -> AsyncGenerator[ExecutionResult, None]:
    async with aclosing(results):
        while True:
            try:
                async with asyncio.timeout(seconds):
                    result = await anext(results)
            except StopAsyncIteration:
                return
            except TimeoutError:
                error = GraphQLError(TOO_LONG, extensions={"code": "TIMEOUT"})
                yield PreExecutionError(data=None, errors=[error])
                return
            yield result


def _bad_representation(expected: str) -> ValidationRefusal:
    return ValidationRefusal(
        message=f"Expected {expected}.", path=("representations",), rule="REPRESENTATION"
    )


def _hide(error: GraphQLError, code: str, message: str) -> None:
    node = error.nodes[0] if error.nodes else None
    field = node.name.value if isinstance(node, FieldNode) else None
    incident = incident_of(error.original_error, field)
    error.message = f"{message} (incident {incident})."
    error.extensions = {"code": code, "incident": incident}


def _code(error: GraphQLError, context: ExecutionContext | None) -> str:
    """The code of an error that GraphQL itself found in a request."""
    if isinstance(error, GraphQLSyntaxError):
        return "GRAPHQL_PARSE_FAILED"
    was_executed = error.path or (context is not None and context.result is not None)
    return "BAD_USER_INPUT" if was_executed else "GRAPHQL_VALIDATION_FAILED"


def _entities(schema: GraphQLSchema) -> Iterator[tuple[str, Entity]]:
    """The entities that can be asked for by name. Raises: EntityError, FieldSetError."""
    union = schema.type_map.get("_Entity")
    members = union.types if isinstance(union, GraphQLUnionType) else ()
    keys: defaultdict[Any, list[EntityKey]] = defaultdict(list)
    for type_, directive in directives_of_types(schema):
        if isinstance(directive, Key) and directive.resolvable is not False:
            shape = key_shape(schema, type_, directive)
            fields = " ".join(str(directive.fields).split())
            taken = merged(shape, required_shape(schema, type_), type_.name)
            keys[type_].append(EntityKey(fields, shape, taken))
    for type_, resolvable in keys.items():
        resolver = type_.extensions["strawberry-definition"].origin
        if not hasattr(resolver, "resolve_references"):
            raise EntityError(f"{type_} has a resolvable @key but no resolve_references")
        if is_object_type(type_) and type_ not in members:
            raise EntityError(f"{type_} has a @key but no field leads to it: name it in types=")
        yield type_.name, Entity(resolver, tuple(resolvable))
