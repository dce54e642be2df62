"""Compiled operations answer as graphql-core does, on random schemas, operations and faults."""

import asyncio
from collections import Counter
from secrets import randbelow

import pytest
from graphql import parse, validate

from tests.execution.fuzz import (
    NOT_BY_CONSTRUCTION,
    Bench,
    CaseName,
    Tally,
    fuzz,
    run_case,
    smaller_documents,
)
from tests.execution.mutants import MUTANTS, found
from tests.mutants.planting import mutated

pytestmark = pytest.mark.one_driver


@pytest.fixture(scope="module")
def tally() -> Tally:
    return fuzz(2500, 1)


def test_compiled_operations_answer_as_graphql_core_does(tally: Tally) -> None:
    assert tally.failure() is None, "\n".join(tally.differences)


def test_compiled_operations_answer_so_with_a_fresh_seed_too() -> None:
    seed = randbelow(1 << 31)
    print(f"python -m tests.execution.fuzz --cases 2500 --seed {seed}")
    tally = fuzz(2500, seed)
    assert tally.failure() is None, "\n".join(tally.differences)


def test_the_fuzzer_reaches_what_can_go_wrong(tally: Tally) -> None:
    cases = tally.counts["cases"]
    assert cases > 2300
    assert tally.counts["mutation"] > cases / 20
    assert tally.counts["subscription"] > cases / 100
    assert tally.counts["with errors"] > cases / 10
    assert tally.counts["nulled roots"] > cases / 50
    assert cases / 5 < tally.counts["waited"] < cases / 1.5


def test_too_few_compiled_operations_are_a_failure() -> None:
    tally = Tally(counts=Counter(cases=100, compiled=84, unsupported=16))
    assert tally.failure() == "only 84% of the operations were compiled"


def test_the_same_number_is_the_same_case() -> None:
    one, other = Bench(5, 3).operation(7), Bench(5, 3).operation(7)
    assert one == other
    assert one != Bench(5, 3).operation(8)
    assert one != Bench(6, 3).operation(7)


def test_a_case_can_be_run_again_alone() -> None:
    assert asyncio.run(run_case(CaseName(1, 0, 0, 2))) is None


def test_operations_keep_the_rules_of_validation_that_are_not_checked() -> None:
    for number in range(4):
        bench = Bench(2, number)
        for index in range(24):
            document = parse(bench.operation(index).text)
            if not validate(bench.flavoured.schema, document, NOT_BY_CONSTRUCTION):
                assert validate(bench.flavoured.schema, document) == []


def test_a_document_becomes_smaller_by_one_thing_at_a_time() -> None:
    texts = [
        " ".join(document.loc.source.body.split())
        for document in smaller_documents(parse("{ a: b { c } ...F } fragment F on Query { d }"))
        if document.loc
    ]
    assert texts == [
        "fragment F on Query { d }",
        "{ a: b { c } ...F }",
        "{ a: b { c } ...F } fragment F on Query { __typename }",
        "{ a: b { c } } fragment F on Query { d }",
        "{ ...F } fragment F on Query { d }",
        "{ a: b { __typename } ...F } fragment F on Query { d }",
        "{ a: b { c } ...F } fragment F on Query { d }",
        "{ a: b { c } d } fragment F on Query { d }",
        "{ b { c } ...F } fragment F on Query { d }",
        "{ a: b { c } ...F } fragment F on Query { d }",
    ]


EARLY = [
    "any class may be a source",
    "a number may stand for an ID",
    "an error at the root leaves the data",
]


@pytest.mark.parametrize("breaks", EARLY)
def test_a_seeded_bug_is_found(breaks: str) -> None:
    (mutant,) = (mutant for mutant in MUTANTS if mutant.breaks == breaks)
    assert found(mutant, 2000) is not None


def test_every_seeded_bug_can_still_be_planted() -> None:
    for mutant in MUTANTS:
        mutated(mutant)
