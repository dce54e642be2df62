"""Results of a comparison: ratios to one contender, as tables and as JSON."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from bench.load import Sample


@dataclass(frozen=True)
class Turn:
    """What one turn of one contender showed."""

    cpu_us: float
    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int

    @classmethod
    def of(cls, sample: Sample) -> "Turn":
        """A sample in a person's units."""
        delays = sorted(sample.delays)
        hundredths = (
            quantiles(delays, n=100, method="inclusive") if len(delays) > 1 else delays * 99
        )
        return cls(
            cpu_us=sample.cpu_per_request * 1e6,
            per_second=sample.per_second,
            p50_ms=hundredths[49] * 1e3,
            p99_ms=hundredths[98] * 1e3,
            answers=sample.answers,
        )


@dataclass(frozen=True)
class Metric:
    """A figure that is compared."""

    name: str
    title: str
    unit: str
    of: Callable[[Turn], float]


METRICS = (
    Metric("cpu", "Server CPU per request", "µs", lambda turn: turn.cpu_us),
    Metric("throughput", "Requests per second", "1/s", lambda turn: turn.per_second),
    Metric("p50", "Median delay (p50)", "ms", lambda turn: turn.p50_ms),
    Metric("p99", "Delay of the slowest hundredth (p99)", "ms", lambda turn: turn.p99_ms),
)

Turns = Mapping[str, Mapping[str, Sequence[Turn]]]
"""Shape -> contender -> its turns, one for each round."""


def ratio(turns: Turns, shape: str, name: str, reference: str, metric: Metric) -> float:
    """The median over the rounds of one contender's figure by that of the reference."""
    pairs = zip(turns[shape][name], turns[shape][reference], strict=True)
    return median(metric.of(turn) / metric.of(other) for turn, other in pairs)


def absolute(turns: Turns, shape: str, name: str, metric: Metric) -> float:
    """The median over the rounds of one contender's figure."""
    return median(metric.of(turn) for turn in turns[shape][name])


def ratio_table(
    turns: Turns,
    metric: Metric,
    reference: str,
    titles: Mapping[str, str],
    shape_titles: Mapping[str, str],
) -> str:
    """A Markdown table: a row for each contender but the reference, a column for each shape."""
    caption = f"{metric.title}, relative to {titles[reference]}"
    rows = [
        [titles[name], *(short(ratio(turns, shape, name, reference, metric)) for shape in turns)]
        for name in titles
        if name != reference
    ]
    return markdown([caption, *(shape_titles[shape] for shape in turns)], rows)


def absolute_table(
    turns: Turns, metric: Metric, titles: Mapping[str, str], shape_titles: Mapping[str, str]
) -> str:
    """A Markdown table of the figures themselves."""
    rows = [
        [title, *(short(absolute(turns, shape, name, metric)) for shape in turns)]
        for name, title in titles.items()
    ]
    return markdown(
        [f"{metric.title}, {metric.unit}", *(shape_titles[shape] for shape in turns)], rows
    )


def ratios(turns: Turns, reference: str) -> dict[str, Any]:
    """Metric -> shape -> contender -> ratio."""
    return {
        metric.name: {
            shape: {
                name: round(ratio(turns, shape, name, reference, metric), 4)
                for name in turns[shape]
            }
            for shape in turns
        }
        for metric in METRICS
    }


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that reads well as plain text too."""
    columns = list(zip(heads, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]

    def lines() -> Iterator[str]:
        yield _line(heads, widths)
        yield (
            "|"
            + "|".join(
                "-" * (width + 2) if index == 0 else "-" * (width + 1) + ":"
                for index, width in enumerate(widths)
            )
            + "|"
        )
        for row in rows:
            yield _line(row, widths)

    return "\n".join(lines())


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cells[0].ljust(widths[0])
    rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "| " + " | ".join([first, *rest]) + " |"


def short(value: float) -> str:
    """Two digits that matter below ten, whole numbers from a hundred on."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
