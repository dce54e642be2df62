"""How the cost of an operation grows: with representations, width, depth, and operations ever seen.

One process, data in memory, no HTTP. Growth that is a straight line has an R² of 1, and twice the
size costs at most twice the time. Linux only, for the memory of the process.
"""

import argparse
import gc
import json
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice, repeat
from pathlib import Path
from random import Random
from statistics import linear_regression, median
from typing import Any, NamedTuple

import uvloop

from bench.chart import Plot, Series, line_plots
from bench.execution import Answer, cpu_seconds, ours
from bench.memory import MemoryDatabase, memory_store
from bench.results import markdown, short
from bench.workload import ENTITIES, cast_of, never_seen
from guard import Limits
from pipelines.seed import sample_user
from schema.roots import build_schema
from store.records import Status
from store.store import Store

USERS = 1200
REPRESENTATIONS = (1, 50, 100, 200, 300, 400, 500, 600, 800, 1000)
WIDTHS = (1, 10, 25, 50, 75, 100, 125, 150, 175, 200)
DEPTHS = tuple(range(1, 11))
DISTINCT_OPERATIONS = 10_000
WINDOW = 500
ROUNDS = 7
SECONDS = 0.05
WIDE = Limits(characters=10**6, tokens=10**5, depth=100, root_fields=1000, cost=10**6)
"""So that the guard lets everything through."""
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "scaling.svg"

Request = Mapping[str, Any]
Point = tuple[float, float]


class Growth(NamedTuple):
    """CPU µs of a request by its size."""

    title: str
    unit: str
    points: Sequence[Point]


class Fit(NamedTuple):
    """The straight line through points, how well it fits, and what twice the size costs."""

    slope: float
    start: float
    r_squared: float
    doubling: float


def main() -> None:
    """Prints the fits and draws the picture."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--operations", type=int, default=DISTINCT_OPERATIONS, help="for the cache")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every point there")
    parser.add_argument("--chart", type=Path, default=PICTURE, metavar="FILE.svg")
    parser.add_argument("--execution", choices=["compiled", "reference"], default="compiled")
    options = parser.parse_args()
    growths, windows, memory = uvloop.run(_measured(options))
    fits = [fit(growth.points) for growth in growths]
    rows = [
        [
            growth.title,
            f"{short(found.start)} + {short(found.slope)} n",
            f"{found.r_squared:.4f}",
            short(found.doubling),
        ]
        for growth, found in zip(growths, fits, strict=True)
    ]
    print(markdown(["CPU µs by size", "straight line", "R²", "time(2n) / time(n)"], rows))
    print(f"\n{_told(windows, memory)}")
    options.chart.parent.mkdir(parents=True, exist_ok=True)
    options.chart.write_text(_picture(growths, fits, windows, memory))
    if options.json is not None:
        points = {growth.title: growth.points for growth in growths}
        found_all = {**points, "cache churn": windows, "memory": memory}
        options.json.write_text(json.dumps(found_all, indent=2) + "\n")


def _told(windows: Sequence[Point], memory: Sequence[Point]) -> str:
    half = len(windows) // 2
    cost = [
        median(cost for _, cost in part) for part in (windows[:half] or windows, windows[half:])
    ]
    sizes = [f"{memory[index][1]:.0f} MB" for index in (0, half, -1)]
    return (
        f"{windows[-1][0]:.0f} distinct operations: {short(cost[0])} µs each in the first half, "
        f"{short(cost[1])} µs in the second; the process has {sizes[0]} after the first window, "
        f"{sizes[1]} after half of them and {sizes[2]} at the end."
    )


def fit(points: Sequence[Point]) -> Fit:
    """The least-squares line through points of at least two sizes."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    slope, start = linear_regression(xs, ys)
    mean = sum(ys) / len(ys)
    off = sum((y - start - slope * x) ** 2 for x, y in points)
    spread = sum((y - mean) ** 2 for y in ys)
    known = dict(points)
    pairs = [(known[x], known[2 * x]) for x in xs if 2 * x in known]
    once, twice = pairs[-1] if pairs else (ys[0], ys[-1])
    return Fit(slope, start, 1 - off / spread if spread else 1.0, twice / once)


async def _measured(
    options: argparse.Namespace,
) -> tuple[list[Growth], list[Point], list[Point]]:
    database = MemoryDatabase()
    store = memory_store(database)
    ids = await _ring(store)
    gc.freeze()  # a database would keep the data out of sight of the garbage collector
    schema = build_schema(execution=options.execution, limits=WIDE)
    answer = ours(schema, store, ids[0])
    growths = []
    for title, unit, requests in (
        ("Representations", "representations", {n: _entities(ids, n) for n in REPRESENTATIONS}),
        ("Width: aliased fields", "users asked for by alias", {n: _wide(ids, n) for n in WIDTHS}),
        ("Depth: lists in lists", "levels", {n: _deep(ids, n) for n in DEPTHS}),
    ):
        points = await _growth(answer, requests, options.rounds)
        growths.append(Growth(title, unit, points))
        print(f"bench: {title}", file=sys.stderr, flush=True)
    windows, memory = await _churn(answer, options.operations)
    return growths, windows, memory


async def _growth(answer: Answer, requests: Mapping[int, Request], rounds: int) -> list[Point]:
    """The median cost of a request of each size; the sizes take turns."""
    numbers = {}
    for size, request in requests.items():
        once = await cpu_seconds(answer, repeat(request), 3)
        numbers[size] = max(2, min(500, round(SECONDS / once)))
    spent: dict[int, list[float]] = {size: [] for size in requests}
    for _ in range(rounds):
        for size, request in requests.items():
            spent[size].append(await cpu_seconds(answer, repeat(request), numbers[size]))
    return [(size, median(costs) * 1e6) for size, costs in spent.items()]


async def _churn(answer: Answer, operations: int) -> tuple[list[Point], list[Point]]:
    """Cost of an operation, and MB of the process, window by window of ones never seen."""
    random = Random("churn")
    readers = cast_of(200).readers
    windows: list[Point] = []
    memory: list[Point] = []

    def texts() -> Iterator[Request]:
        while True:
            yield {"operationName": "NeverSeen", "query": never_seen(random, readers)}

    feed = texts()
    for done in range(WINDOW, operations + 1, WINDOW):
        windows.append((done, await cpu_seconds(answer, feed, WINDOW) * 1e6))
        memory.append((done, _resident_megabytes()))
    return windows, memory


async def _ring(store: Store) -> list[str]:
    """Ids of active users, each followed by the next one, and the first by the last."""
    users = [sample_user(index, followers=1, following=1) for index in range(USERS)]
    active = [user for user in users if user.status is Status.ACTIVE]
    await store.users.insert_new(active, operation="seed", event="USER_REGISTERED")
    ids = [user.id for user in active]
    now = datetime.now(UTC)
    edges = [
        (follower, followed, now - timedelta(seconds=index))
        for index, (followed, follower) in enumerate(zip(ids, [*ids[1:], ids[0]], strict=True))
    ]
    await store.follows.insert_new(edges)
    return ids


def _entities(ids: Sequence[str], number: int) -> Request:
    chosen = islice(cycle(ids), number)
    representations = [{"__typename": "User", "id": user_id} for user_id in chosen]
    return {
        "operationName": "Entities",
        "query": ENTITIES,
        "variables": {"r": representations},
    }


def _wide(ids: Sequence[str], number: int) -> Request:
    declared = ", ".join(f"$u{index}: ID!" for index in range(number))
    fields = "\n".join(
        f"u{index}: user(by: {{id: $u{index}}}) {{ id handle displayName bio }}"
        for index in range(number)
    )
    variables = {f"u{index}": user_id for index, user_id in enumerate(ids[:number])}
    query = f"query Wide({declared}) {{ {fields} }}"
    return {"operationName": "Wide", "query": query, "variables": variables}


def _deep(ids: Sequence[str], number: int) -> Request:
    selection = "id handle"
    for _ in range(number):
        selection = f"id handle followers(first: 1) {{ edges {{ node {{ {selection} }} }} }}"
    query = f"query Deep($id: ID!) {{ user(by: {{id: $id}}) {{ {selection} }} }}"
    return {"operationName": "Deep", "query": query, "variables": {"id": ids[0]}}


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _picture(
    growths: Sequence[Growth],
    fits: Sequence[Fit],
    windows: Sequence[Point],
    memory: Sequence[Point],
) -> str:
    plots = [
        Plot(
            growth.title,
            growth.unit,
            "CPU µs per request",
            [Series(growth.title, growth.points, (found.slope, found.start))],
            f"R² {found.r_squared:.3f}",
        )
        for growth, found in zip(growths, fits, strict=True)
    ]
    plots += [
        Plot(
            "Cache churn: no operation comes twice",
            "distinct operations",
            "CPU µs per operation",
            [Series("cost", windows)],
        ),
        Plot(
            "Memory meanwhile",
            "distinct operations",
            "MB of the process",
            [Series("memory", memory)],
        ),
    ]
    return line_plots("How the cost of an operation grows", plots)


if __name__ == "__main__":
    main()
