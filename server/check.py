"""What `usergraph schema check` says, to people and to programs."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schema.check import Change
from schema.harm import Severity

COLOURS = {Severity.BREAKING: "bold red", Severity.DANGEROUS: "yellow", Severity.SAFE: "green"}


class FailOn(StrEnum):
    """The mildest severity for which the command fails."""

    BREAKING = "breaking"
    DANGEROUS = "dangerous"
    NEVER = "never"


def fails(changes: Sequence[Change], fail_on: FailOn) -> bool:
    """Whether one of the changes is at least as severe."""
    failing = {
        FailOn.BREAKING: {Severity.BREAKING},
        FailOn.DANGEROUS: {Severity.BREAKING, Severity.DANGEROUS},
        FailOn.NEVER: set[Severity](),
    }
    return any(change.severity in failing[fail_on] for change in changes)


def print_changes(changes: Sequence[Change]) -> None:
    """A table on a terminal, aligned lines elsewhere; then the counts."""
    console = Console(highlight=False)
    if console.is_terminal and changes:
        console.print(_table(changes))
    else:
        _print_lines(changes)
    counts = _counts(changes)
    print(", ".join(f"{counts[severity]} {severity}" for severity in Severity))


def print_json(changes: Sequence[Change]) -> None:
    """One object: the counts by severity, and the changes in order."""
    print(json.dumps({"counts": _counts(changes), "changes": list(map(asdict, changes))}, indent=2))


def _counts(changes: Sequence[Change]) -> dict[Severity, int]:
    found = Counter(change.severity for change in changes)
    return {severity: found[severity] for severity in Severity}


def _table(changes: Sequence[Change]) -> Table:
    table = Table("Severity", "Where", "What", "Whom it hurts", header_style="bold")
    for change in changes:
        severity = Text(change.severity, style=COLOURS[change.severity])
        cells = (change.coordinate, change.what, change.hurts)
        table.add_row(severity, *(Text(cell, overflow="fold") for cell in cells))
    return table


def _print_lines(changes: Sequence[Change]) -> None:
    widest = max((len(change.coordinate) for change in changes), default=0)
    for change in changes:
        start = f"{change.severity:<9}  {change.coordinate:<{widest}}"
        print(f"{start}  {change.what} {change.hurts}")
