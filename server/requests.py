"""Reading a request: what the client accepts, and which operation it asks to be carried out.

Source: GraphQL over HTTP, working draft; RFC 9110, sections 8.4 (codings) and 12.5 (negotiation).
"""

import asyncio
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from functools import lru_cache
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect, Request

from server.errors import RequestError, bad_request

GRAPHQL_JSON = "application/graphql-response+json"
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"

GZIP_FORMAT = 16 + zlib.MAX_WBITS
MAX_ACCEPT_LENGTH = 4096
MAX_CONTENT_TYPE_LENGTH = 256
MAX_GZIP_MEMBERS = 16
"""Programs that pack a body piece by piece make a few; each takes a copy of all that follow."""
READ_SECONDS = 5.0
BODY = "usergraph.body"
"""Where the scope of a request keeps what was read of it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a client takes as an answer.

    `single` is the media type for one result; `stream` the one for many; either may be missing.
    `callback` tells that results may be sent to an address instead.
    """

    single: str | None
    stream: str | None
    callback: bool


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a client asks to be carried out; the document may be named instead of given."""

    query: str | None = None
    document_id: str | None = None
    name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=256)
def accepted(header: str) -> Accepted:
    """What an Accept header asks for; an empty one for `application/json`."""
    ranges = _ranges(header if 0 < len(header) <= MAX_ACCEPT_LENGTH else "*/*")
    single = stream = None
    callback = False
    for name, parameters in ranges:
        if single is None and name in (GRAPHQL_JSON, JSON):
            single = name
        elif single is None and name in ("*/*", "application/*"):
            single = JSON
        if stream is None and (
            name == EVENT_STREAM
            or (name == MULTIPART and parameters.get("subscriptionspec") == "1.0")
        ):
            stream = name
        callback = callback or (name == JSON and parameters.get("callbackspec") == "1.0")
    return Accepted(single, stream, callback)


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Whether a content type is that of JSON in UTF-8."""
    name, parameters = _media_type(content_type)
    return name == JSON and parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")


async def parameters_of(request: Request, max_body_bytes: int) -> Parameters:
    """The operation in the query string of a GET, or in the JSON body of any other request.

    Raises: RequestError.
    """
    if request.method in ("GET", "HEAD"):
        return _from_query_string(request.query_params)
    return parameters_from(_json(await _body(request, max_body_bytes), "The body"))


def parameters_from(document: Any) -> Parameters:
    """The operation in a JSON document. Raises: RequestError."""
    if not isinstance(document, dict):
        raise bad_request("Expected one JSON object with query, variables and operationName.")
    return Parameters(
        # graphql-ws sends an empty query beside a documentId.
        query=_optional(document, "query", str, "a string") or None,
        document_id=_optional(document, "documentId", str, "a string"),
        name=_optional(document, "operationName", str, "a string"),
        variables=_optional(document, "variables", dict, "an object"),
        extensions=_optional(document, "extensions", dict, "an object") or {},
    )


async def raw_body(request: Request, limit: int) -> bytes:
    """The body as it was sent; it is read once. Raises: RequestError."""
    known: bytes | None = request.scope.get(BODY)
    if known is not None:
        return known
    body, is_whole = bytearray(), False
    try:
        async with asyncio.timeout(READ_SECONDS):
            while not is_whole:
                received = await request.receive()
                if received["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += received.get("body", b"")
                is_whole = not received.get("more_body", False)
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        message = f"Expected the body within {READ_SECONDS:g} seconds."
        raise RequestError(408, "REQUEST_TIMEOUT", message, {"Connection": "close"}) from None
    read = request.scope[BODY] = bytes(body)
    return read


def _from_query_string(parameters: QueryParams) -> Parameters:
    counts = Counter(key for key, _ in parameters.multi_items())
    for name in sorted(key for key, count in counts.items() if count > 1):
        raise bad_request(f"Expected the parameter {name[:50]} once.")
    document: dict[str, Any] = dict(parameters)
    for name in ("variables", "extensions"):
        text = document.pop(name, "")
        document[name] = _json(text.encode(), f"The parameter {name}") if text else None
    if document.get("operationName") == "":
        document["operationName"] = None
    return parameters_from(document)


async def _body(request: Request, limit: int) -> bytes:
    _check_content_type(request.headers.get("content-type", ""))
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", "x-gzip"):
        raise RequestError(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            "Expected the body plain or as gzip.",
            {"Accept-Encoding": "gzip"},
        )
    body = await raw_body(request, limit)
    return body if coding == "identity" else _inflated(body, limit)


def _inflated(body: bytes, limit: int) -> bytes:
    """A gzip body of one or more members (RFC 1952), never more than `limit` bytes of it."""
    inflated = bytearray()
    for _ in range(MAX_GZIP_MEMBERS):
        if not body:
            return bytes(inflated)
        member = zlib.decompressobj(GZIP_FORMAT)
        try:
            inflated += member.decompress(body, limit + 1 - len(inflated))
        except zlib.error:
            raise bad_request("The body is not gzip.") from None
        if len(inflated) > limit:
            raise _too_large(limit)
        if not member.eof:
            raise bad_request("The gzip body ends too early.")
        body = member.unused_data
    if body:
        raise bad_request(f"Expected at most {MAX_GZIP_MEMBERS} gzip members.")
    return bytes(inflated)


def _check_content_type(header: str) -> None:
    if len(header) > MAX_CONTENT_TYPE_LENGTH or not is_json(header):
        message = f"Expected the content type {JSON}, in UTF-8."
        raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", message)


def _ranges(header: str) -> Sequence[tuple[str, Mapping[str, str]]]:
    """The media ranges of an Accept header with their parameters, the most wanted first."""
    weighted = []
    for part in header.split(","):
        name, parameters = _media_type(part)
        weight = _weight(parameters.get("q", "1"))
        if weight > 0:
            weighted.append((weight, name, parameters))
    weighted.sort(key=lambda entry: -entry[0])  # stable: what is wanted alike keeps its order
    return [(name, parameters) for _, name, parameters in weighted]


def _media_type(text: str) -> tuple[str, Mapping[str, str]]:
    message = Message()
    message["content-type"] = text.strip().replace("\r", "").replace("\n", "")
    try:
        name, *parameters = message.get_params(failobj=[("", "")])
    except (TypeError, ValueError):  # continuations of RFC 2231 that fit no order, or no integer
        return "", {}
    return name[0].lower(), {key.lower(): str(value) for key, value in parameters}


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _optional(document: Mapping[str, Any], name: str, type_: type, expected: str) -> Any:
    value = document.get(name)
    if value is not None and not isinstance(value, type_):
        raise bad_request(f"Expected {name} to be {expected}.")
    return value


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise bad_request(f"{what} is not JSON.") from None


def _too_large(limit: int) -> RequestError:
    return RequestError(
        413, "PAYLOAD_TOO_LARGE", f"Expected a body of at most {limit} bytes, also when unpacked."
    )
