"""Killing: the tests run on a mutant until the first of them fails."""

import subprocess
import sys
from collections.abc import Sequence

from tests.mutants.planting import Mutant, planted, surroundings

SECONDS = 300
"""A mutant that hangs is found too."""

PYTEST = (sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider")
CHOSEN = "not 5000_mutated_tokens and not crowd"
"""The fuzzer of tokens finds what their table finds; crowds fail on a machine that is busy."""


def killer(uri: str, mutant: Mutant | None, tests: Sequence[str]) -> str | None:
    """The test that finds the mutant; None when none does. Raises: Stale.

    Without a mutant, the test that fails anyway.
    """
    with planted(mutant) as folder:
        try:
            run = subprocess.run(
                [*PYTEST, "-k", CHOSEN, *(f"tests/{name}.py" for name in tests)],
                cwd=folder,
                env={
                    **surroundings(folder),
                    "USERGRAPH_MONGODB_URI": uri,
                    "USERGRAPH_MONGODB_DRIVER": "motor",
                    "USERGRAPH_EXECUTION": "compiled",
                },
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"nothing within {SECONDS} seconds"
    if run.returncode == 0:
        return None
    failed = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0] if failed else (run.stdout + run.stderr)[-300:]
