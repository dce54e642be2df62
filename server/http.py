"""GraphQL over HTTP: one operation per request, every answer GraphQL JSON, every error coded.

Source: GraphQL over HTTP, working draft. Strawberry executes; this reads requests and writes
answers.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from resolvers.request import Request as GraphQLRequest
from resolvers.request import Viewer
from schema.federation import FederatedSchema
from server.errors import RequestError
from server.identity import Identity, InvalidToken

GRAPHQL_JSON = "application/graphql-response+json"
JSON = "application/json"
READ_ONLY = frozenset({OperationType.QUERY})
READ_AND_WRITE = frozenset({OperationType.QUERY, OperationType.MUTATION})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client asks to be carried out."""

    query: str
    variables: dict[str, Any] | None
    name: str | None


class GraphQLEndpoint:
    """The endpoint for queries and mutations."""

    def __init__(
        self,
        schema: FederatedSchema,
        identity: Identity,
        make_request: Callable[[Viewer | None], GraphQLRequest],
        *,
        max_body_bytes: int,
        timeout_seconds: float,
    ) -> None:
        self._schema = schema
        self._identity = identity
        self._make_request = make_request
        self._max_body_bytes = max_body_bytes
        self._timeout_seconds = timeout_seconds

    async def answer(self, request: Request) -> Response:
        """The answer to a request; never raises for anything a client can send."""
        media_type = GRAPHQL_JSON if GRAPHQL_JSON in request.headers.get("accept", "") else JSON
        try:
            result = await self._execute(request)
        except RequestError as error:
            return _error_response(error, media_type)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:
            incident = secrets.token_hex(6)
            logger.exception("incident %s", incident)
            message = f"Something went wrong here (incident {incident})."
            return _error_response(RequestError(500, "INTERNAL_SERVER_ERROR", message), media_type)
        refused = isinstance(result, PreExecutionError)
        return _response(
            _body(result), 400 if refused and media_type == GRAPHQL_JSON else 200, media_type
        )

    async def _execute(self, request: Request) -> ExecutionResult:
        try:
            viewer = self._identity.viewer(request.headers.get("authorization"))
        except InvalidToken as error:
            raise RequestError(
                401,
                "UNAUTHENTICATED",
                str(error),
                {"WWW-Authenticate": 'Bearer error="invalid_token"'},
            ) from error
        operation = await self._read(request)
        allowed = READ_AND_WRITE if request.method == "POST" else READ_ONLY
        try:
            async with asyncio.timeout(self._timeout_seconds):
                result = await self._schema.execute(
                    operation.query,
                    variable_values=operation.variables,
                    operation_name=operation.name,
                    context_value=self._make_request(viewer),
                    allowed_operation_types=allowed,
                )
        except TimeoutError:
            raise RequestError(
                504, "TIMEOUT", "It took too long; a mutation may have been carried out."
            ) from None
        except InvalidOperationTypeError as error:
            raise _wrong_operation(error, request.method) from error
        except CannotGetOperationTypeError as error:
            raise RequestError(
                400, "OPERATION_RESOLUTION_FAILURE", "The document has no such operation."
            ) from error
        assert isinstance(result, ExecutionResult)
        return result

    async def _read(self, request: Request) -> Operation:
        if request.method != "POST":
            return _from_parameters(request.query_params)
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != JSON:
            raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", f"Expected the content type {JSON}.")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise RequestError(
                    413,
                    "PAYLOAD_TOO_LARGE",
                    f"Expected a body of at most {self._max_body_bytes} bytes.",
                )
        return _from_document(_json(bytes(body), "The body"))


def _from_parameters(parameters: Mapping[str, str]) -> Operation:
    variables = parameters.get("variables")
    return _from_document(
        {
            "query": parameters.get("query"),
            "operationName": parameters.get("operationName"),
            "variables": _json(variables.encode(), "The parameter variables")
            if variables
            else None,
        }
    )


def _from_document(document: Any) -> Operation:
    if not isinstance(document, dict):
        raise _bad_request("Expected one JSON object with query, variables and operationName.")
    query, variables = document.get("query"), document.get("variables")
    name = document.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise _bad_request("Expected query to be a GraphQL document.")
    if variables is not None and not isinstance(variables, dict):
        raise _bad_request("Expected variables to be an object.")
    if name is not None and not isinstance(name, str):
        raise _bad_request("Expected operationName to be a string.")
    return Operation(query, variables, name)


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _bad_request(f"{what} is not JSON.") from None


def _bad_request(message: str) -> RequestError:
    return RequestError(400, "BAD_REQUEST", message)


def _wrong_operation(error: InvalidOperationTypeError, method: str) -> RequestError:
    if error.operation_type is OperationType.SUBSCRIPTION:
        message = "Subscriptions are served over WebSocket (graphql-transport-ws)."
        return RequestError(405 if method == "GET" else 400, "BAD_REQUEST", message)
    return RequestError(405, "METHOD_NOT_ALLOWED", "Send mutations by POST.", {"Allow": "POST"})


def _body(result: ExecutionResult) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    if not isinstance(result, PreExecutionError):
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    return body


def _error_response(error: RequestError, media_type: str) -> Response:
    body = {"errors": [{"message": str(error), "extensions": {"code": error.code}}]}
    return _response(body, error.status, media_type, error.headers)


def _response(
    body: Mapping[str, Any], status: int, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(body),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        f"{media_type}; charset=utf-8",
    )
