"""What the guard costs, how it grows, and how much an accepted operation can cost at most.

The costliest operation is searched for: random ones are made as large as they are accepted, and
the worst of them are varied. Requests go through the whole application in this process and the
driver to the embedded engine; only this process's CPU counts.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import uvloop
from graphql import parse

from bench.execution import cpu_seconds, ours
from bench.memory import MemoryDatabase, memory_store
from bench.results import markdown, short
from bench.workload import LEAVES, SMALL, USERS, Cast, cast_of, shapes
from execution.cache import Found
from guard import Limits, excesses_of_document, excesses_of_text
from pipelines.seed import seed
from schema.federation import FederatedSchema
from schema.roots import build_schema
from server.app import create_app
from server.encryption import key_encryption_of
from server.identity import identity_of
from server.keys import DevelopmentKey
from server.ledger import ledger_key_of
from server.settings import Settings
from server.tokens import KNOWN_SCOPES
from store.engine import start_engine
from store.store import Store

SIZES = (1, 2, 3, 5, 10, 20, 50, 100)
KEPT = 8
"""How many of the worst are varied."""

Send = Callable[[bytes], Awaitable[Mapping[str, Any]]]
"""The body of a request in, its answer out."""


def main() -> None:
    """Prints three tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for the search, about")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    options = parser.parse_args()
    growths = _growths()
    print(markdown(["µs to look at a document", "n", "2n", "time(2n) / time(n)"], growths))
    overheads = uvloop.run(_overheads())
    print("\n" + markdown(["CPU of execution", "without, µs", "with / without"], overheads))
    worst, baseline = uvloop.run(_searched(options.seconds, options.seed))
    rows = [[str(found), short(cost * 1e3), short(cost / baseline)] for found, cost in worst]
    print("\n" + markdown(["costliest accepted operations", "ms", "of a small request"], rows))
    if options.json is not None:
        found_all = {"growth": growths, "overhead": overheads, "costliest": rows}
        options.json.write_text(json.dumps(found_all, indent=2) + "\n")


# How the looking grows.

FAMILIES: Mapping[str, Callable[[int], str]] = {
    "fields": lambda n: "{ " + " ".join(f"f{index}" for index in range(n)) + " }",
    "nested": lambda n: "{ a" * (n // 10) + " }" * (n // 10),
    "fragments in a chain": lambda n: (
        "{ ...F0 } "
        + " ".join(f"fragment F{i} on Q {{ a ...F{i + 1} }}" for i in range(n // 5))
        + f" fragment F{n // 5} on Q {{ a }}"
    ),
    "fragments that multiply": lambda n: (
        "{ ...F0 } "
        + " ".join(f"fragment F{i} on Q {{ ...F{i + 1} ...F{i + 1} }}" for i in range(n // 5))
        + f" fragment F{n // 5} on Q {{ a }}"
    ),
    "fragments that all spread all": lambda n: (
        "{ ...F0 } "
        + " ".join(
            f"fragment F{i} on Q {{ a {' '.join(f'...F{j}' for j in range(i + 1, int(n**0.5)))} }}"
            for i in range(int(n**0.5))
        )
    ),
    "comments": lambda n: "#\n" * n + "{ a }",
    "strings": lambda n: '{ a(b: "' + "\\u0041 " * n + '") }',
}


def _growths() -> list[list[str]]:
    limits = Limits(
        characters=10**9,
        tokens=0,  # so that they are counted
        fragments=10**9,
        depth=10**9,
        nesting=10**9,
        height=10**9,
        root_fields=10**9,
    )
    rows = []
    for name, text in FAMILIES.items():
        times = [_time_to_look(text(size), limits) for size in (1000, 2000)]
        rows.append([name, *(short(time * 1e6) for time in times), short(times[1] / times[0])])
    return rows


def _time_to_look(text: str, limits: Limits) -> float:
    """Seconds for text and document, the parsing left out; the best of many."""
    document = parse(text, no_location=True)
    best = 1.0
    for _ in range(50):
        started_at = time.perf_counter()
        excesses_of_text(text, limits)
        excesses_of_document(document, limits)
        best = min(best, time.perf_counter() - started_at)
    return best


# What it adds to requests.


class Unguarded(FederatedSchema):
    """The schema without the guard."""

    def check_text(self, text: str) -> list[Any]:
        """Nothing is wrong."""
        return []

    def refusals(self, found: Found, variable_values: Mapping[str, Any] | None) -> list[Any]:
        """Nothing is refused."""
        return []


async def _overheads() -> list[list[str]]:
    cast = cast_of()
    store = memory_store(MemoryDatabase())
    await seed(store, USERS, lambda *_: None)
    gc.freeze()
    guarded = build_schema()
    unguarded = build_schema.__wrapped__()
    unguarded.__class__ = Unguarded
    ways = [ours(schema, store, cast.persons[0]) for schema in (unguarded, guarded)]
    rows = []
    for shape in shapes(cast):
        feeds = [map(orjson.loads, (asked.body for asked in shape.requests())) for _ in ways]
        once = await cpu_seconds(ways[0], feeds[0], 5)
        number = max(3, min(2000, round(0.15 / once)))
        turns = []
        for _ in range(9):
            turns.append(
                [
                    await cpu_seconds(way, feed, number)
                    for way, feed in zip(ways, feeds, strict=True)
                ]
            )
        without = median(first for first, _ in turns)
        rows.append([shape.title, short(without * 1e6), short(median(b / a for a, b in turns))])
    return rows


# The costliest operation that is accepted.


@dataclass(frozen=True)
class Operation:
    """A kind of operation, and how often and how large its parts are."""

    kind: str
    roots: int = 1
    size: int = 1
    inner: int = 1
    copies: int = 1
    with_relation: bool = False
    with_pictures: bool = False

    def request(self, cast: Cast) -> Mapping[str, Any]:
        """The operation with its variables."""
        copies = " ".join(
            f"{leaf if not copy else f'x{copy}: {leaf}'}"
            for copy in range(self.copies)
            for leaf in LEAVES
        )
        user = f"__typename {copies}"
        if self.with_pictures:
            user += " avatar(size: LARGE) { url width height } links { url label }"
        if self.with_relation:
            user += " viewerRelation { isSelf isFollowing isFollowedBy isBlocking canFollow }"
        page = f"(first: {self.inner}) {{ edges {{ cursor node {{ {user} }} }} }}"
        ids = [*cast.popular, *cast.readers][: self.size]
        fields, types = [], {}
        variables: dict[str, Any] = {}
        for root in range(self.roots):
            reader = cast.readers[(root * 7 + self.size) % len(cast.readers)]
            types[f"v{root}"], value, text = {
                "entities": (
                    "[_Any!]!",
                    [{"__typename": "User", "id": user_id} for user_id in ids],
                    f"_entities(representations: $V) {{ ... on User {{ {user} }} }}",
                ),
                "users": ("[ID!]!", ids, f"users(ids: $V) {{ {user} }}"),
                "user": ("ID!", reader, f"user(by: {{id: $V}}) {{ {user} }}"),
                "search": (
                    "String!",
                    reader[:1],
                    f"searchUsers(query: $V, first: {self.size})"
                    f" {{ edges {{ node {{ {user} }} }} }}",
                ),
                "handle": (
                    "String!",
                    f"no.body.{root}",
                    "handleAvailability(handle: $V) { handle state suggestions }",
                ),
                "followers": ("[ID!]!", ids, f"users(ids: $V) {{ followers{page} }}"),
                "following": ("[ID!]!", ids, f"users(ids: $V) {{ following{page} }}"),
            }[self.kind]
            variables[f"v{root}"] = value
            fields.append(f"r{root}: {text.replace('$V', f'$v{root}')}")
        declared = ", ".join(f"${name}: {type_}" for name, type_ in types.items())
        return {
            "query": f"query ({declared}) {{ {' '.join(fields)} }}",
            "variables": variables,
        }

    def varied(self, random: Random) -> "Operation":
        """One that differs in one part."""
        return replace(self, **random.choice(_variations(random)))


KINDS = ("entities", "users", "search", "user", "handle", "followers", "following")


def _variations(random: Random) -> list[dict[str, Any]]:
    return [
        {"kind": random.choice(KINDS)},
        {"roots": random.choice(SIZES)},
        {"size": random.choice((*SIZES, 300, 900))},
        {"inner": random.choice(SIZES)},
        {"copies": random.choice((1, 2, 5, 10, 15))},
        {"with_relation": random.random() < 0.5},
        {"with_pictures": random.random() < 0.5},
    ]


async def _searched(
    seconds: float, seed_number: int
) -> tuple[list[tuple[Operation, float]], float]:
    """The worst operations with their CPU seconds, and those of a small request."""
    cast = cast_of()
    with TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        engine = start_engine(Path(folder) / "engine")
        try:
            store = Store.connect(
                engine.uri,
                "bench",
                encryption=key_encryption_of(settings),
                ledger_key=ledger_key_of(settings),
            )
            await store.ensure_indexes()
            await seed(store, USERS, lambda *_: None)
            send = _sender(settings, store, cast)
            small = _small(cast)
            baseline = median([await _cost(send, small, 100) for _ in range(5)])
            worst = await _worst(send, cast, Random(seed_number), seconds)
            await store.close()
            return worst, baseline
        finally:
            engine.stop()


def _small(cast: Cast) -> bytes:
    return orjson.dumps({"query": SMALL, "variables": {"id": cast.readers[0]}})


async def _worst(
    send: Send, cast: Cast, random: Random, seconds: float
) -> list[tuple[Operation, float]]:
    found: dict[Operation, float] = {}
    ends_at = time.monotonic() + seconds
    tried = refused = 0
    while time.monotonic() < ends_at:
        ranking = sorted(found, key=found.__getitem__, reverse=True)[:KEPT]
        operation = (
            random.choice(ranking) if ranking and random.random() < 0.8 else Operation("user")
        )
        for _ in range(random.choice((1, 1, 2, 7))):
            operation = operation.varied(random)
        if operation in found:
            continue
        tried += 1
        body = orjson.dumps(operation.request(cast))
        answer = await send(body)
        if "data" not in answer:
            refused += 1
            continue
        found[operation] = await _cost(send, body, 1)
        if tried % 200 == 0:
            print(f"bench: {tried} tried, {refused} refused", file=sys.stderr, flush=True)
    ranking = sorted(found, key=found.__getitem__, reverse=True)[:KEPT]
    print(f"bench: {tried} tried, {refused} refused", file=sys.stderr, flush=True)
    again = {
        operation: median(
            [await _cost(send, orjson.dumps(operation.request(cast)), 1) for _ in range(7)]
        )
        for operation in ranking
    }
    return sorted(again.items(), key=lambda pair: -pair[1])


async def _cost(send: Send, body: bytes, times: int) -> float:
    """CPU seconds of one request, those of the driver's threads too."""
    before = time.process_time()
    for each in repeat(body, times):
        await send(each)
    return (time.process_time() - before) / times


def _sender(settings: Settings, store: Store, cast: Cast) -> Send:
    app = create_app(settings, store, identity_of(settings))
    token = DevelopmentKey(settings.data_dir).token(
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        user_id=cast.persons[0],
        scopes=KNOWN_SCOPES,
        lifetime_seconds=3600,
    )
    headers = [
        (b"content-type", b"application/json"),
        (b"authorization", f"Bearer {token}".encode()),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": headers,
    }

    async def send(body: bytes) -> Mapping[str, Any]:
        sent: list[Any] = []

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Any) -> None:
            sent.append(message)

        await app(dict(scope), receive, keep)  # type: ignore[arg-type]
        answer: Mapping[str, Any] = orjson.loads(sent[1]["body"])
        return answer

    return send


if __name__ == "__main__":
    main()
