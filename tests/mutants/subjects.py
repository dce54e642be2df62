"""Subjects: what is changed, which tests must find it, and how much of it at least."""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.mutants import privacy
from tests.mutants.authorization import MUTANTS
from tests.mutants.changes import mutants_of
from tests.mutants.planting import Mutant


class Subject(NamedTuple):
    """The tests for each file, and the mutants that were written; without any, all derived ones.

    `parts` are the functions of a file that belong to the subject, where not all of them do.
    """

    tests: Mapping[str, Sequence[str]]
    written: Sequence[Mutant] = ()
    parts: Mapping[str, Sequence[str]] = {}
    least: float = 0.9

    def mutants(self, sample: int | None = None) -> list[Mutant]:
        """The mutants; of each file only so many, always the same, where a sample is asked for."""
        chosen: list[Mutant] = []
        for file in self.tests:
            every = [mutant for mutant in self.written if mutant.file == file]
            every = every or list(mutants_of(file, self.parts.get(file)))
            is_part = sample is not None and sample < len(every)
            chosen += random.Random(1).sample(every, sample or 0) if is_part else every
        return chosen


GUARD_TESTS = ("test_guard", "test_budgets")

SUBJECTS = {
    "guard": Subject(
        {
            "guard/asked.py": GUARD_TESTS,
            "guard/cost.py": GUARD_TESTS,
            "guard/counts.py": GUARD_TESTS,
            "guard/limits.py": GUARD_TESTS,
            "schema/federation.py": GUARD_TESTS,
            "server/budgets.py": ("test_budgets",),
            "server/rates.py": ("test_budgets",),
            "server/connections.py": ("test_connections", "test_disconnects"),
            "server/deadlines.py": ("test_deadlines",),
        },
        parts={
            "schema/federation.py": (
                "check_text",
                "check",
                "refusals",
                "actual_cost_of",
                "cost_if_valid",
                "cost_of",
                "several_operations",
            )
        },
    ),
    "identity": Subject(
        {
            "server/claims.py": ("test_identity", "test_bad_tokens", "test_router"),
            "server/identity.py": ("test_identity", "test_bad_tokens", "test_keys"),
            "server/keys.py": ("test_keys", "test_identity"),
            "server/router.py": ("test_router",),
        }
    ),
    "authorization": Subject(
        {mutant.file: ("test_authorization", "test_audit") for mutant in MUTANTS},
        MUTANTS,
        least=1.0,
    ),
    "privacy": Subject(
        {
            **dict.fromkeys(
                (mutant.file for mutant in privacy.MUTANTS),
                ("test_privacy", "test_redactions", "test_ages"),
            ),
            **dict.fromkeys(
                ("resolvers/households.py", "resolvers/seats.py"), ("test_households",)
            ),
        },
        privacy.MUTANTS,
        least=1.0,
    ),
}
