"""GraphQL over HTTP: every answer is GraphQL JSON with a code, whatever was sent."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

JSON = {"content-type": "application/json"}


async def test_a_query_is_answered_by_post_and_by_get(subgraph: Subgraph) -> None:
    body = {"query": "query Q($n: String!) { user(by: {handle: $n}) { id } }"}
    variables = {"n": "nobody"}
    posted = await subgraph.http.post("/graphql", json={**body, "variables": variables})
    got = await subgraph.http.get(
        "/graphql", params={**body, "variables": '{"n": "nobody"}', "operationName": "Q"}
    )
    assert posted.json() == got.json() == {"data": {"user": None}}
    assert posted.headers["content-type"] == "application/json; charset=utf-8"
    assert posted.headers["cache-control"] == "max-age=60, public"


async def test_the_new_media_type_is_spoken_to_those_who_ask(subgraph: Subgraph) -> None:
    headers = {"accept": "application/graphql-response+json, application/json;q=0.9"}
    good = await subgraph.http.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    bad = await subgraph.http.post("/graphql", json={"query": "{ nope }"}, headers=headers)
    assert good.status_code == 200
    assert bad.status_code == 400
    assert bad.headers["content-type"].startswith("application/graphql-response+json")
    assert bad.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "data" not in bad.json()


async def test_a_mutation_by_get_is_405(subgraph: Subgraph) -> None:
    query = 'mutation { updateProfile(input: {bio: "x"}) { errors { code } } }'
    answer = await subgraph.http.get("/graphql", params={"query": query})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["errors"][0]["extensions"]["code"] == "METHOD_NOT_ALLOWED"


async def test_a_wrong_token_is_401_and_not_anonymous(subgraph: Subgraph) -> None:
    answer = await subgraph.post("{ viewer { scopes } }", "not.a.token")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    body = answer.json()
    assert set(body) == {"errors"}
    assert body["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_only_post_changes_anything(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    query = 'mutation { updateProfile(input: {bio: "x"}) { errors { code } } }'
    headers = {"authorization": f"Bearer {subgraph.token(ada)}"}
    for method in ("HEAD", "GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await subgraph.http.request(
            method, "/graphql", json={"query": query}, params={"query": query}, headers=headers
        )
        assert answer.status_code == 405
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.rev == 1


async def test_a_body_that_does_not_come_is_not_waited_for(
    subgraph: Subgraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.requests.READ_SECONDS", 0.05)

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    answer = await subgraph.http.post("/graphql", content=body(), headers=JSON)
    assert answer.status_code == 408
    assert answer.json()["errors"][0]["extensions"]["code"] == "REQUEST_TIMEOUT"


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "BAD_REQUEST"),
    "null": (b"null", 400, "BAD_REQUEST"),
    "number": (b"5", 400, "BAD_REQUEST"),
    "string": (b'"{ viewer }"', 400, "BAD_REQUEST"),
    "list": (b'[{"query": "{ __typename }"}]', 400, "BAD_REQUEST"),
    "no query": (b"{}", 400, "BAD_REQUEST"),
    "query null": (b'{"query": null}', 400, "BAD_REQUEST"),
    "query empty": (b'{"query": " "}', 400, "BAD_REQUEST"),
    "query a list": (b'{"query": []}', 400, "BAD_REQUEST"),
    "variables a list": (b'{"query": "{ __typename }", "variables": []}', 400, "BAD_REQUEST"),
    "variables text": (b'{"query": "{ __typename }", "variables": "x"}', 400, "BAD_REQUEST"),
    "name a number": (b'{"query": "{ __typename }", "operationName": 1}', 400, "BAD_REQUEST"),
    "unknown name": (
        b'{"query": "query A { __typename }", "operationName": "B"}',
        400,
        "OPERATION_RESOLUTION_FAILURE",
    ),
    "two operations and no name": (
        b'{"query": "query A { __typename } query B { __typename }"}',
        200,
        "OPERATION_RESOLUTION_FAILURE",
    ),
    "a number of 5,000 digits": (
        b'{"query": "{ searchUsers(query: \\"x\\", first: '
        + b"9" * 5000
        + b') { edges { cursor } } }"}',
        200,
        "BAD_USER_INPUT",
    ),
    "only a fragment": (
        b'{"query": "fragment F on User { id }"}',
        400,
        "OPERATION_RESOLUTION_FAILURE",
    ),
    "not utf-8": (b'{"query": "\xff"}', 400, "BAD_REQUEST"),
    "lone surrogate": (b'{"query": "{ __typename }", "x": "\\ud800"}', 400, "BAD_REQUEST"),
    "nan": (b'{"query": "{ __typename }", "variables": {"x": NaN}}', 400, "BAD_REQUEST"),
    "deep json": (b"[" * 100_000, 400, "BAD_REQUEST"),
    "deep query": (b'{"query": "' + b"{a" * 20_000 + b'"}', 200, "MAX_TOKENS_LIMIT"),
    "too long": (b'{"query": "' + b"x" * 1_000_000 + b'"}', 413, "PAYLOAD_TOO_LARGE"),
    "syntax": (b'{"query": "{"}', 200, "GRAPHQL_PARSE_FAILED"),
    "unknown field": (b'{"query": "{ nope }"}', 200, "GRAPHQL_VALIDATION_FAILED"),
    "missing variable": (
        b'{"query": "query ($n: String!) { user(by: {handle: $n}) { id } }"}',
        200,
        "BAD_USER_INPUT",
    ),
    "huge integer": (
        b'{"query": "{ searchUsers(query: \\"x\\", first: 99999999999999999999) '
        b'{ edges { cursor } } }"}',
        200,
        "GRAPHQL_VALIDATION_FAILED",
    ),
    "subscription": (
        b'{"query": "subscription { profileChanged(id: \\"x\\") { id } }"}',
        406,
        "NOT_ACCEPTABLE",
    ),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_body_is_a_coded_error(subgraph: Subgraph, name: str) -> None:
    body, status, code = BODIES[name]
    answer = await subgraph.http.post("/graphql", content=body, headers=JSON)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x"])
async def test_another_content_type_is_415(subgraph: Subgraph, content_type: str) -> None:
    answer = await subgraph.http.post(
        "/graphql", content=b'{"query": "{ __typename }"}', headers={"content-type": content_type}
    )
    assert answer.status_code == 415
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNSUPPORTED_MEDIA_TYPE"


async def test_get_with_broken_variables_is_400(subgraph: Subgraph) -> None:
    params = {"query": "{ __typename }", "variables": "{"}
    answer = await subgraph.http.get("/graphql", params=params)
    assert answer.status_code == 400


async def test_a_query_string_of_thousands_of_parameters_is_read_at_once(
    subgraph: Subgraph,
) -> None:
    many = "".join(f"&{number:x}=" for number in range(10_000))
    began = time.perf_counter()
    answer = await subgraph.http.get(f"/graphql?query={{__typename}}{many}")
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert time.perf_counter() - began < 0.5


async def test_a_fault_is_masked_and_its_id_finds_the_log_line(
    subgraph: Subgraph, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "mongodb://user:hunter2@db"

    async def broken(_: Any) -> Any:
        raise RuntimeError(secret)

    monkeypatch.setattr(subgraph.store.handles, "by_handles", broken)
    answer = await subgraph.post('{ handleAvailability(handle: "ada.berg") { state } }')
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert secret not in answer.text
    assert error["extensions"]["incident"] in error["message"]
    [line] = caplog.records
    assert error["extensions"]["incident"] == line.__dict__["incident"]
    assert "handleAvailability(handle" not in caplog.text


async def test_health_tells_life_and_readiness(subgraph: Subgraph) -> None:
    assert (await subgraph.http.get("/health/live")).json() == {"status": "ok"}
    assert (await subgraph.http.get("/health/ready")).json() == {"status": "ok"}
