"""Runs programs that Hypothesis makes from a seed."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as in_order
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.service import Service


def run(service: Service, *, examples: int, steps: int, seed: int, shrink: bool = True) -> None:
    """Raises the failure of the smallest program on which service and model differ."""
    how = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        report_multiple_bugs=False,
    )

    @in_order(seed)
    class Seeded(Machine):
        def __init__(self) -> None:
            super().__init__(service)

    run_state_machine_as_test(Seeded, settings=how)
