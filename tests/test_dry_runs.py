"""A dry run tells exactly what the real one does: random mutations of all kinds, in random states.

`python -m tests.dry_runs --mutations 5000` tries more.
"""

from random import SystemRandom

import pytest
from pymongo import AsyncMongoClient

from schema.roots import build_schema
from store.records import Document
from tests.dry_runs.trials import random_trials
from tests.dry_runs.wishes import WISHES
from tests.subgraph import Subgraph

FRESH = f"{SystemRandom().randrange(10**6)}:0"


def test_every_mutation_of_the_schema_is_tried() -> None:
    mutations = build_schema().graphql.mutation_type
    assert mutations is not None
    # What subgraphs sign is tried with erasures.
    assert {*WISHES, "acknowledgeErasure"} == mutations.fields.keys()


@pytest.mark.one_driver
@pytest.mark.parametrize("seed", ["11:0", "12:0", "13:0", FRESH], ids=["11", "12", "13", "fresh"])
async def test_a_dry_run_tells_what_the_real_one_does(
    subgraph: Subgraph,
    databases: AsyncMongoClient[Document],
    database_name: str,
    seed: str,
) -> None:
    counts = await random_trials(subgraph, databases[database_name], seed, 100)
    assert sum(map(sum, counts.values())) == 100
