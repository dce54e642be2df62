"""Seeded bugs can be planted, and one of each subject is found."""

import pytest

from tests.mutants.killing import killer
from tests.mutants.planting import mutated
from tests.mutants.subjects import SUBJECTS

EARLY = {
    "guard": "max(self._paid_at",
    "identity": "server/router.py",
    "authorization": "scopes are not asked",
}


def test_every_mutant_that_was_written_can_still_be_planted() -> None:
    for subject in SUBJECTS.values():
        for mutant in subject.written:
            compile(mutated(mutant), mutant.file, "exec")


@pytest.mark.parametrize("name", EARLY)
def test_a_mutant_of_each_subject_is_found(name: str, mongodb_uri: str) -> None:
    mutant = next(each for each in SUBJECTS[name].mutants() if EARLY[name] in each.breaks)
    found = killer(mongodb_uri, mutant, SUBJECTS[name].tests[mutant.file])
    assert found is not None
    assert found.startswith("FAILED")
