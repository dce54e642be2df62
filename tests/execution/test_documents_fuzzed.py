"""Random documents: parser, acceptance and lifting held against graphql-core."""

from tests.execution.fuzz_documents import run


def test_random_documents_are_what_graphql_core_makes_of_them() -> None:
    found = run(cases=400, seed=2026)
    valid = found["written accepted"] + found["written missed"]
    assert found["written accepted"] > 0.95 * valid > 200
    assert found["lifting: lifted"] > 50
