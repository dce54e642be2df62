"""Documents by name: automatic persisted queries, as clients and gateways speak them."""

import hashlib
from typing import Any

import pytest

from server.documents import MAX_LEARNED_BYTES, Documents
from server.errors import RequestError
from server.requests import Parameters
from tests.subgraph import Subgraph

QUERY = '{ user(by: {handle: "nobody"}) { id } }'
HASH = hashlib.sha256(QUERY.encode()).hexdigest()
NOBODY = {"data": {"user": None}}


def persisted(digest: str = HASH, version: object = 1) -> dict[str, Any]:
    return {"persistedQuery": {"version": version, "sha256Hash": digest}}


async def ask(subgraph: Subgraph, **body: Any) -> tuple[int, Any]:
    answer = await subgraph.http.post("/graphql", json=body)
    return answer.status_code, answer.json()


def refused(message: str, code: str) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


async def test_a_query_is_learned_with_its_hash_and_then_known_by_it(subgraph: Subgraph) -> None:
    unknown = refused("PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND")
    assert await ask(subgraph, extensions=persisted()) == (200, unknown)
    assert await ask(subgraph, query=QUERY, extensions=persisted()) == (200, NOBODY)
    assert await ask(subgraph, extensions=persisted()) == (200, NOBODY)
    got = await subgraph.http.get(
        "/graphql",
        params={"extensions": f'{{"persistedQuery": {{"version": 1, "sha256Hash": "{HASH}"}}}}'},
    )
    assert got.json() == NOBODY


@pytest.mark.parametrize("query", ["{", "{ nope }", "query A { a } query B { b }"])
async def test_what_cannot_be_carried_out_is_not_learned(subgraph: Subgraph, query: str) -> None:
    digest = hashlib.sha256(query.encode()).hexdigest()
    _, answer = await ask(subgraph, query=query, extensions=persisted(digest))
    assert answer["errors"]
    _, answer = await ask(subgraph, extensions=persisted(digest))
    assert answer["errors"][0]["message"] == "PersistedQueryNotFound"


async def test_a_hash_of_something_else_is_refused(subgraph: Subgraph) -> None:
    wrong = refused("provided sha does not match query", "PERSISTED_QUERY_HASH_MISMATCH")
    assert await ask(subgraph, query="{ __typename }", extensions=persisted()) == (400, wrong)


@pytest.mark.parametrize("version", [0, 2, "1", None])
async def test_another_version_is_refused(subgraph: Subgraph, version: object) -> None:
    expected = refused("Unsupported persisted query version", "BAD_REQUEST")
    answer = await ask(subgraph, query=QUERY, extensions=persisted(version=version))
    assert answer == (400, expected)


def test_documents_not_used_for_longest_are_forgotten() -> None:
    documents = Documents()

    def learn(text: str) -> str:
        digest = hashlib.sha256(text.encode()).hexdigest()
        documents.learn(Parameters(query=text, extensions=persisted(digest)), text)
        return digest

    def is_known(digest: str) -> bool:
        try:
            return bool(documents.text_of(Parameters(extensions=persisted(digest))))
        except RequestError:
            return False

    third = MAX_LEARNED_BYTES // 3 - 1000
    first, second, last = (learn(letter * third) for letter in "abc")
    assert is_known(first)
    newest = learn("d" * third)
    assert [is_known(digest) for digest in (first, second, last, newest)] == [
        True,
        False,
        True,
        True,
    ]
    too_long = learn("e" * (MAX_LEARNED_BYTES + 1))
    assert not is_known(too_long)
    assert is_known(newest)
    for number in range(MAX_LEARNED_BYTES // 300):
        learn(f"{{ a{number} }}")
    assert not is_known(newest)


TRUSTED = {"known": QUERY, f"sha256:{HASH}": QUERY, "other": "query Other { __typename }"}


@pytest.mark.parametrize("only", [False, True])
def test_a_trusted_document_is_found_by_id_and_by_hash(only: bool) -> None:
    documents = Documents(TRUSTED, trusted_only=only)
    for parameters in (
        Parameters(document_id="known"),
        Parameters(document_id=HASH),
        Parameters(document_id=f"sha256:{HASH}"),
        Parameters(extensions=persisted()),
        Parameters(query=QUERY),
    ):
        assert documents.text_of(parameters) == QUERY


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (Parameters(query="{ __typename }"), "QUERY_NOT_IN_SAFELIST"),
        (Parameters(query=f"{QUERY} "), "QUERY_NOT_IN_SAFELIST"),
        (Parameters(document_id="unknown"), "PERSISTED_QUERY_NOT_IN_LIST"),
        (Parameters(extensions=persisted("0" * 64)), "PERSISTED_QUERY_NOT_IN_LIST"),
        (
            Parameters(
                query="{ __typename }",
                extensions=persisted(hashlib.sha256(b"{ __typename }").hexdigest()),
            ),
            "QUERY_NOT_IN_SAFELIST",
        ),
    ],
)
def test_where_only_trusted_documents_are_carried_out_all_else_is_refused(
    parameters: Parameters, code: str
) -> None:
    documents = Documents(TRUSTED, trusted_only=True)
    with pytest.raises(RequestError) as refusal:
        documents.text_of(parameters)
    assert (refusal.value.status, refusal.value.code) == (400, code)
