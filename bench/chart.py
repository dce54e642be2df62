"""Charts as SVG, written by hand: readable on light and on dark ground, and without a library."""

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import NamedTuple

COLOURS = ("#1a9e55", "#d97706", "#a855f7", "#64748b", "#e11d48", "#2563eb", "#0891b2")
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2937 }
  .title { font-size: 15px; font-weight: 600 }
  .strong { font-weight: 700 }
  .quiet { fill: #6b7280 }
  .grid { stroke: #9ca3af; stroke-opacity: .35 }
  .unit { stroke: #6b7280; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e5e7eb } .quiet { fill: #9ca3af } .unit { stroke: #d1d5db }
  }
"""

Point = tuple[float, float]


class Series(NamedTuple):
    """Points of a line plot, and the line that fits them when there is one."""

    title: str
    points: Sequence[Point]
    fit: tuple[float, float] | None = None


class Plot(NamedTuple):
    """One of the line plots of a picture."""

    title: str
    x: str
    y: str
    series: Sequence[Series]
    note: str = ""


def dot_plot(title: str, rows: Mapping[str, Mapping[str, float]], *, emphasised: str) -> str:
    """A row for each shape, a dot for each contender, on a logarithmic scale."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    colours = dict(zip(names, COLOURS, strict=False))
    values = [value for row in rows.values() for value in row.values()]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    width, left, right, top, step = 860, 130, 30, 78, 34
    bottom = top + step * len(rows)

    def at(value: float) -> float:
        return left + (width - left - right) * (log10(value) - low) / max(high - low, 1)

    parts = [_text(16, 24, title, "title"), *_legend(names, colours, emphasised, 16, 48, width)]
    for exponent in range(low, high + 1):
        for factor in (1, 2, 5) if exponent < high else (1,):
            value = factor * 10.0**exponent
            kind = "unit" if value == 1 else "grid"
            parts.append(_line(at(value), top - 8, at(value), bottom, kind))
            parts.append(_text(at(value), bottom + 16, f"{value:g}", "quiet", "middle"))
    for index, (name, row) in enumerate(rows.items()):
        y = top + step * (index + 0.5)
        parts.append(_line(left, y, width - right, y, "grid"))
        parts.append(_text(left - 12, y + 4, name, "", "end"))
        for contender, value in sorted(row.items(), key=lambda item: item[0] == emphasised):
            parts.append(_dot(at(value), y, colours[contender], contender == emphasised))
            if contender == emphasised:
                parts.append(_text(at(value), y - 9, _short(value), "strong", "middle"))
    return _svg(width, bottom + 30, title, parts)


def line_plots(title: str, plots: Sequence[Plot]) -> str:
    """Line plots beside each other, two in a row, each with its own linear scales."""
    width, height, across = 430, 280, min(2, len(plots))
    parts = [_text(16, 24, title, "title")]
    for index, plot in enumerate(plots):
        x, y = (index % across) * width, 36 + (index // across) * height
        parts.append(f'<g transform="translate({x} {y})">{"".join(_plot(plot))}</g>')
    rows = ceil(len(plots) / across)
    return _svg(width * across, 44 + height * rows, title, parts)


def _plot(plot: Plot) -> list[str]:
    left, right, top, bottom = 62.0, 410.0, 40.0, 220.0
    xs = [x for series in plot.series for x, _ in series.points]
    ys = [y for series in plot.series for _, y in series.points]
    high_x, high_y = max(xs), max(ys) * 1.1

    def at(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * x / high_x, bottom - (bottom - top) * y / high_y

    parts = [_text(16, 18, plot.title, "strong"), _text(left, top - 8, plot.y, "quiet")]
    for tick in ticks(high_y):
        _, y = at(0, tick)
        parts.append(_line(left, y, right, y, "grid"))
        parts.append(_text(left - 6, y + 4, f"{tick:g}", "quiet", "end"))
    for tick in ticks(high_x):
        x, _ = at(tick, 0)
        parts.append(_text(x, bottom + 16, f"{tick:g}", "quiet", "middle"))
    parts.append(_text(right, bottom + 32, plot.x, "quiet", "end"))
    if plot.note:
        parts.append(_text(left, bottom + 32, plot.note, "quiet"))
    for series, colour in zip(plot.series, COLOURS, strict=False):
        if series.fit is not None:
            slope, start = series.fit
            (x1, y1), (x2, y2) = at(0, max(start, 0)), at(high_x, start + slope * high_x)
            parts.append(
                f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                f'stroke="{colour}" stroke-opacity=".5" stroke-width="2"/>'
            )
        parts += [_dot(*at(x, y), colour, False) for x, y in series.points]
    if len(plot.series) > 1:
        colours = {
            series.title: colour for series, colour in zip(plot.series, COLOURS, strict=False)
        }
        parts += _legend(list(colours), colours, "", left + 8, top + 8, right)
    return parts


def ticks(high: float) -> list[float]:
    """Round numbers from zero to `high`, four to nine of them."""
    step = 10.0 ** floor(log10(high))
    for finer in (1.0, 0.5, 0.2):
        if high / (step * finer) >= 4:
            step *= finer
            break
    return [round(number * step, 10) for number in range(int(high / step) + 1)]


def _legend(
    names: Sequence[str],
    colours: Mapping[str, str],
    emphasised: str,
    x: float,
    y: float,
    width: float,
) -> list[str]:
    parts, start = [], x
    for name in names:
        length = 28 + (7.4 if name == emphasised else 6.6) * len(name)
        if x + length > width:
            x, y = start, y + 16
        parts.append(_dot(x + 5, y - 4, colours[name], name == emphasised))
        parts.append(_text(x + 15, y, name, "strong" if name == emphasised else ""))
        x += length
    return parts


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _dot(x: float, y: float, colour: str, is_strong: bool) -> str:
    radius = 6.5 if is_strong else 4.5
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}"/>'


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'role="img" aria-label="{escape(title)}">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )
