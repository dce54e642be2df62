"""Requests that no well-behaved client sends, as bytes, and what comes back for each."""

import asyncio
import gzip
import json
import re
from dataclasses import dataclass

JSON_TYPE = "application/json"
QUERY = b'{"query": "{ __typename }"}'
LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """A request and what it must be answered with: no code where HTTP itself is broken."""

    name: str
    request: bytes
    status: int
    code: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    code: str | None


def raw(method: str, target: str, body: bytes = b"", **headers: str | None) -> bytes:
    """A request; a header given as None is left out, `_` in a name stands for `-`."""
    lines: dict[str, str | None] = {
        "host": "usergraph",
        "content-type": JSON_TYPE,
        "content-length": str(len(body)),
    }
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
    return f"{method} {target} HTTP/1.1\r\n{head}connection: close\r\n\r\n".encode("latin-1") + body


def post(body: bytes, **headers: str | None) -> bytes:
    """A POST to the endpoint."""
    return raw("POST", "/graphql", body, **headers)


def get(query_string: str) -> bytes:
    """A GET of the endpoint."""
    return raw("GET", f"/graphql?{query_string}", content_type=None, content_length=None)


def ask(query: str, **parts: object) -> bytes:
    """A POST of an operation."""
    return post(json.dumps({"query": query, **parts}).encode())


BAD = (400, "BAD_REQUEST")
MEDIA_TYPE = (415, "UNSUPPORTED_MEDIA_TYPE")
TOO_LARGE = (413, "PAYLOAD_TOO_LARGE")
NO_METHOD = (405, "METHOD_NOT_ALLOWED")
NO_OPERATION = (400, "OPERATION_RESOLUTION_FAILURE")
NOT_ACCEPTABLE = (406, "NOT_ACCEPTABLE")
NOT_PARSED = (200, "GRAPHQL_PARSE_FAILED")
NOT_VALID = (200, "GRAPHQL_VALIDATION_FAILED")
BAD_INPUT = (200, "BAD_USER_INPUT")
BROKEN = (400, "BAD_REQUEST")

CASES = [
    Case(name, request, *expected)
    for name, request, expected in (
        # bodies
        ("no body", post(b""), BAD),
        ("null", post(b"null"), BAD),
        ("true", post(b"true"), BAD),
        ("a number", post(b"5"), BAD),
        ("a string", post(b'"{ __typename }"'), BAD),
        ("a list", post(b"[" + QUERY + b"]"), BAD),
        ("an empty object", post(b"{}"), BAD),
        ("half an object", post(b'{"query": '), BAD),
        ("two objects", post(QUERY + QUERY), BAD),
        ("a BOM", post(b"\xef\xbb\xbf" + QUERY), BAD),
        ("UTF-16", post(QUERY.decode().encode("utf-16")), BAD),
        ("not UTF-8", post(b'{"query": "\xff\xfe"}'), BAD),
        ("overlong UTF-8", post(b'{"query": "\xc0\xaf"}'), BAD),
        ("half a surrogate pair", post(b'{"query": "{ __typename }", "x": "\\ud800"}'), BAD),
        ("half a surrogate pair, raw", post(b'{"query": "\xed\xa0\x80"}'), BAD),
        ("NUL", post(b"\x00" * 10), BAD),
        ("NaN", post(b'{"query": "{ __typename }", "variables": {"x": NaN}}'), BAD),
        ("Infinity", post(b'{"query": "{ __typename }", "variables": {"x": -Infinity}}'), BAD),
        ("single quotes", post(b"{'query': '{ __typename }'}"), BAD),
        ("a comment", post(b"/**/" + QUERY), BAD),
        ("100,000 lists deep", post(b"[" * 100_000), BAD),
        ("100,000 objects deep", post(b'{"a":' * 100_000), BAD),
        ("a form", post(b"query=%7B__typename%7D"), BAD),
        # headers
        ("Accept continued", post(QUERY, accept="application/json; a*=x; a*0=y"), NOT_ACCEPTABLE),
        (
            "Content-Type continued",
            post(QUERY, content_type="application/json; a*=x; a*0=y"),
            MEDIA_TYPE,
        ),
        (
            "Content-Type continued too far",
            post(QUERY, content_type=f"application/json; a*{'9' * 5000}=x"),
            MEDIA_TYPE,
        ),
        # their members
        ("query null", post(b'{"query": null}'), BAD),
        ("query a number", post(b'{"query": 0}'), BAD),
        ("query a list", post(b'{"query": ["{ __typename }"]}'), BAD),
        ("query blank", post(b'{"query": " \\n "}'), BAD),
        ("query of commas", ask(",,,"), NOT_PARSED),
        ("variables a list", ask("{ __typename }", variables=[]), BAD),
        ("variables a string", ask("{ __typename }", variables="{}"), BAD),
        ("operationName a number", ask("{ __typename }", operationName=1), BAD),
        ("extensions a list", ask("{ __typename }", extensions=[]), BAD),
        ("extensions a string", ask("{ __typename }", extensions="x"), BAD),
        ("documentId a number", post(b'{"documentId": 1}'), BAD),
        ("documentId and query", ask("{ __typename }", documentId="x"), BAD),
        ("unknown documentId", post(b'{"documentId": "x"}'), (400, "PERSISTED_QUERY_NOT_IN_LIST")),
        ("persistedQuery null hash", ask("{ a }", extensions={"persistedQuery": {}}), BAD),
        ("persistedQuery a list", ask("{ a }", extensions={"persistedQuery": []}), BAD),
        (
            "persistedQuery of version 2",
            ask("{ a }", extensions={"persistedQuery": {"version": 2, "sha256Hash": "x"}}),
            BAD,
        ),
        (
            "persistedQuery of another hash",
            ask("{ a }", extensions={"persistedQuery": {"version": 1, "sha256Hash": "x"}}),
            (400, "PERSISTED_QUERY_HASH_MISMATCH"),
        ),
        (
            "persistedQuery nobody sent",
            post(b'{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "x"}}}'),
            (200, "PERSISTED_QUERY_NOT_FOUND"),
        ),
        # documents
        ("no document", ask("x"), NOT_PARSED),
        ("an open brace", ask("{"), NOT_PARSED),
        ("20,000 fields deep", ask("{a" * 20_000), (200, "MAX_TOKENS_LIMIT")),
        ("NUL in the document", ask("{ __typename \x00 }"), NOT_PARSED),
        ("an escape of half a pair", ask('{ user(by: {handle: "\\ud800"}) { id } }'), NOT_PARSED),
        ("an unknown field", ask("{ nope }"), NOT_VALID),
        ("fragments in a circle", ask("{ ...A } fragment A on Query { ...A }"), NOT_VALID),
        ("only a fragment", ask("fragment A on Query { __typename }"), NO_OPERATION),
        (
            "two operations",
            ask("query A { __typename } query B { __typename }"),
            (200, "OPERATION_RESOLUTION_FAILURE"),
        ),
        ("an unknown operation", ask("query A { __typename }", operationName="B"), NO_OPERATION),
        ("an empty operationName", ask("query A { __typename }", operationName=""), NO_OPERATION),
        (
            "a variable missing",
            ask("query ($i: [ID!]!) { users(ids: $i) { id } }"),
            BAD_INPUT,
        ),
        (
            "a variable of another type",
            ask("query ($i: [ID!]!) { users(ids: $i) { id } }", variables={"i": [{"$ne": 1}]}),
            BAD_INPUT,
        ),
        (
            "a variable of 5,000 digits",
            post(
                b'{"query": "query ($n: Int!) { searchUsers(query: \\"a\\", first: $n) '
                b'{ edges { cursor } } }", "variables": {"n": ' + b"9" * 5000 + b"}}"
            ),
            BAD,
        ),
        (
            "an integer of 5,000 digits",
            ask('{ searchUsers(query: "a", first: ' + "9" * 5000 + ") { edges { cursor } } }"),
            BAD_INPUT,
        ),
        (
            "an integer of 80 bits",
            ask('{ searchUsers(query: "a", first: 999999999999999999999) { edges { cursor } } }'),
            NOT_VALID,
        ),
        # headers
        ("no content type", post(QUERY, content_type=None), MEDIA_TYPE),
        ("an empty content type", post(QUERY, content_type=""), MEDIA_TYPE),
        ("text/plain", post(QUERY, content_type="text/plain"), MEDIA_TYPE),
        ("a multipart form", post(QUERY, content_type="multipart/form-data"), MEDIA_TYPE),
        ("application/graphql", post(b"{ a }", content_type="application/graphql"), MEDIA_TYPE),
        ("another charset", post(QUERY, content_type=f"{JSON_TYPE}; charset=utf-16"), MEDIA_TYPE),
        ("a broken charset", post(QUERY, content_type=f"{JSON_TYPE}; charset*0*=x'"), MEDIA_TYPE),
        ("content coding br", post(QUERY, content_encoding="br"), MEDIA_TYPE),
        ("content coding gzip, gzip", post(QUERY, content_encoding="gzip, gzip"), MEDIA_TYPE),
        ("gzip that is none", post(QUERY, content_encoding="gzip"), BAD),
        (
            "gzip that ends too early",
            post(gzip.compress(QUERY)[:-5], content_encoding="gzip"),
            BAD,
        ),
        (
            "gzip with garbage behind it",
            post(gzip.compress(QUERY) + b"garbage", content_encoding="gzip"),
            BAD,
        ),
        (
            "gzip of 100 MB",
            post(gzip.compress(b" " * 100_000_000), content_encoding="gzip"),
            TOO_LARGE,
        ),
        (
            "49,000 empty gzip members",
            post(gzip.compress(b"") * 49_000, content_encoding="gzip"),
            BAD,
        ),
        (
            "a content type of 31,000 semicolons",
            post(QUERY, content_type=JSON_TYPE + ";" * 31_000),
            MEDIA_TYPE,
        ),
        ("accept an image", post(QUERY, accept="image/png"), NOT_ACCEPTABLE),
        ("accept nothing", post(QUERY, accept="application/json;q=0"), NOT_ACCEPTABLE),
        ("accept a list of commas", post(QUERY, accept=",,,"), NOT_ACCEPTABLE),
        ("a broken token", post(QUERY, authorization="Bearer x"), (401, "UNAUTHENTICATED")),
        ("another scheme", post(QUERY, authorization="Basic eDp5"), (401, "UNAUTHENTICATED")),
        ("a token of latin-1", post(QUERY, authorization="Bearer \xe9"), (401, "UNAUTHENTICATED")),
        ("a megabyte too much", post(b" " * (LIMIT + 1)), TOO_LARGE),
        # methods and targets
        ("PUT", raw("PUT", "/graphql", QUERY), NO_METHOD),
        ("DELETE", raw("DELETE", "/graphql", QUERY), NO_METHOD),
        ("OPTIONS", raw("OPTIONS", "/graphql"), NO_METHOD),
        ("TRACE", raw("TRACE", "/graphql"), NO_METHOD),
        ("a mutation by GET", get("query=mutation{__typename}"), NO_METHOD),
        ("a subscription by GET", get("query=subscription{__typename}"), NOT_ACCEPTABLE),
        ("GET without a query", get(""), BAD),
        ("GET with two queries", get("query={__typename}&query={a}"), BAD),
        ("GET with variables that are none", get("query={__typename}&variables={"), BAD),
        ("GET with variables of NaN", get("query={__typename}&variables=NaN"), BAD),
        ("GET with extensions a list", get("query={__typename}&extensions=[]"), BAD),
        ("GET with broken percent signs", get("query=%7b%zz"), NOT_PARSED),
        ("GET that is not UTF-8", get("query=%ff%fe"), NOT_PARSED),
        ("a stream without a token", raw("GET", "/graphql/stream"), (404, "NOT_FOUND")),
        ("a stream by PATCH", raw("PATCH", "/graphql/stream"), NO_METHOD),
        # HTTP itself
        ("no HTTP", b"hello\r\n\r\n", BROKEN),
        ("another version", b"POST /graphql HTTP/9.9\r\nhost: a\r\n\r\n", BROKEN),
        ("a header without a name", b"GET /graphql HTTP/1.1\r\n: x\r\n\r\n", BROKEN),
        ("a negative length", post(QUERY, content_length="-1"), BROKEN),
        ("a length of letters", post(QUERY, content_length="many"), BROKEN),
        (
            "a length and chunks",
            post(b"0\r\n\r\n", transfer_encoding="chunked"),
            BROKEN,
        ),
        (
            "a broken chunk",
            post(b"zz\r\n", content_length=None, transfer_encoding="chunked"),
            BROKEN,
        ),
    )
]


async def answer_to(request: bytes, address: str) -> Answer:
    """What the server at `HOST:PORT` answers to these bytes; waits at most ten seconds."""
    host, _, port = address.partition(":")
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(request)
            received = await reader.read()
        finally:
            writer.close()
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split(maxsplit=2)[1]) if head else 0
    content_type = re.search(rb"(?im)^content-type: *application/([a-z+-]*json)", head)
    errors = json.loads(body).get("errors") if content_type else None
    return Answer(status, errors[0]["extensions"]["code"] if errors else None)
