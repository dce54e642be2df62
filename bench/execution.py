"""Execution alone, in one process: stock Strawberry, ours in both ways, and written by hand.

What is measured begins with the text of an operation and ends with its data, before it is written
as JSON. There is no HTTP and no database: all work on the same documents in memory, in turns.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import orjson
import uvloop

from bench.data import sample_documents
from bench.memory import MemoryDatabase, memory_store
from bench.peers import stock
from bench.peers.documents import MemoryDocuments
from bench.peers.identity import PeerViewer
from bench.peers.raw import Handlers
from bench.results import markdown, short
from bench.workload import USERS, Asked, Cast, Shape, cast_of, shapes
from pipelines.seed import seed
from resolvers.authorization import AUTHORIZATION
from resolvers.request import Request, Viewer
from schema.federation import FederatedSchema
from schema.roots import build_schema
from store.store import Store

SCOPES = frozenset(AUTHORIZATION.rules["Mutation.updateProfile"].scopes.values())
WARM_UP_REQUESTS = 5
VERIFIED = 5

Answer = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""From a request, as its JSON has it, to its data."""


class Way(NamedTuple):
    """One way to execute an operation."""

    name: str
    title: str
    answer: Answer


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.execution", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of one turn, about")
    parser.add_argument("--shapes", default="", metavar="NAME,...", help="some of them only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    cast = cast_of()
    wanted = [name for name in options.shapes.split(",") if name]
    asked = [shape for shape in shapes(cast) if not wanted or shape.name in wanted]
    if len(wanted) > len(asked):
        sys.exit(f"shapes are: {', '.join(shape.name for shape in shapes(cast))}")
    uvloop.run(_run(cast, asked, options))


async def _run(cast: Cast, asked: Sequence[Shape], options: argparse.Namespace) -> None:
    found = await ways(cast)
    for shape in asked:
        await verify(found, shape)
    figures = {}
    for shape in asked:
        figures[shape.name] = await measured(found, shape, options.rounds, options.seconds)
        print(f"bench: {shape.title}", file=sys.stderr, flush=True)
    print(_table(found, asked, figures))
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


async def ways(cast: Cast) -> list[Way]:
    """Every way, over sample documents of its own."""
    database = MemoryDatabase()
    store = memory_store(database)
    await seed(store, USERS, lambda *_: None)
    with NamedTemporaryFile() as file:
        file.write(await sample_documents())
        file.flush()
        documents = MemoryDocuments(file.name)
        by_hand = MemoryDocuments(file.name)
    gc.freeze()  # a database would keep the data out of sight of the garbage collector
    person = cast.persons[0]
    return [
        Way("plain", "stock, no caches", _stock(documents, person, is_cached=False)),
        Way("stock", "stock Strawberry", _stock(documents, person, is_cached=True)),
        Way(
            "reference", "ours, reference", ours(build_schema(execution="reference"), store, person)
        ),
        Way("compiled", "ours, compiled", ours(build_schema(execution="compiled"), store, person)),
        Way("raw", "by hand", _by_hand(by_hand, person)),
    ]


def ours(schema: FederatedSchema, store: Store, person: str) -> Answer:
    """Our schema; a mutation is made by the person, everything else is asked by nobody."""
    until = datetime.now(UTC) + timedelta(days=1)
    viewer = Viewer("bench", person, SCOPES, until)

    async def answer(request: Mapping[str, Any]) -> Any:
        is_signed = request["operationName"] == "Update"
        result = await schema.execute(
            request["query"],
            request.get("variables"),
            Request(
                viewer=viewer if is_signed else None, store=store, now=lambda: datetime.now(UTC)
            ),
            operation_name=request["operationName"],
        )
        assert not result.errors, result.errors
        return result.data

    return answer


def _stock(documents: MemoryDocuments, person: str, *, is_cached: bool) -> Answer:
    schema = stock.build_schema(is_cached=is_cached)
    viewer = PeerViewer(person, SCOPES, time.time() + 86_400)

    async def answer(request: Mapping[str, Any]) -> Any:
        result = await schema.execute(
            request["query"],
            request.get("variables"),
            stock.Context(documents, viewer),
            operation_name=request["operationName"],
        )
        assert not result.errors, result.errors
        return result.data

    return answer


def _by_hand(documents: MemoryDocuments, person: str) -> Answer:
    viewer = PeerViewer(person, SCOPES, time.time() + 86_400)
    handlers = Handlers(documents, lambda _: viewer)

    async def answer(request: Mapping[str, Any]) -> Any:
        return await handlers.by_name[request["operationName"]](
            query=request["query"], variables=request.get("variables", {}), authorization=""
        )

    return answer


async def verify(found: Sequence[Way], shape: Shape) -> None:
    """Insists on equal data. Exits with both when they differ."""
    for asked in islice(shape.requests(), VERIFIED):
        answers = [orjson.dumps(await way.answer(_read(asked))) for way in found]
        for way, answer in zip(found, answers, strict=True):
            if orjson.loads(answer) != orjson.loads(answers[0]):
                sys.exit(f"{shape.title}, {way.title}: {answer!r} instead of {answers[0]!r}")


async def measured(
    found: Sequence[Way], shape: Shape, rounds: int, seconds: float
) -> dict[str, list[float]]:
    """CPU seconds per request of each way, one figure for each round."""
    feeds = {way.name: map(_read, shape.requests()) for way in found}
    numbers = {}
    for way in found:
        once = await cpu_seconds(way.answer, feeds[way.name], WARM_UP_REQUESTS)
        numbers[way.name] = max(3, min(3000, round(seconds / once)))
    spent: dict[str, list[float]] = {way.name: [] for way in found}
    for round_ in range(rounds):
        for turn in range(len(found)):
            way = found[(turn + round_) % len(found)]
            cost = await cpu_seconds(way.answer, feeds[way.name], numbers[way.name])
            spent[way.name].append(cost)
    return spent


async def cpu_seconds(answer: Answer, feed: Iterator[Mapping[str, Any]], number: int) -> float:
    """What one of so many requests costs; making them does not count."""
    requests = list(islice(feed, number))
    await asyncio.sleep(0)
    before = time.process_time()
    for request in requests:
        await answer(request)
    return (time.process_time() - before) / number


def _table(
    found: Sequence[Way],
    asked: Sequence[Shape],
    figures: Mapping[str, Mapping[str, Sequence[float]]],
) -> str:
    heads = [
        "CPU per request, µs",
        *(way.title for way in found),
        "stock / compiled",
        "compiled / by hand",
    ]

    def ratio(shape: Shape, one: str, other: str) -> str:
        pairs = zip(figures[shape.name][one], figures[shape.name][other], strict=True)
        return short(median(first / second for first, second in pairs))

    rows = [
        [
            shape.title,
            *(short(median(figures[shape.name][way.name]) * 1e6) for way in found),
            ratio(shape, "stock", "compiled"),
            ratio(shape, "compiled", "raw"),
        ]
        for shape in asked
    ]
    return markdown(heads, rows)


def _read(asked: Asked) -> Mapping[str, Any]:
    request: Mapping[str, Any] = orjson.loads(asked.body)
    return request


if __name__ == "__main__":
    main()
