"""Hostile requests without end: nothing that a client can send is a fault, or tells a secret.

    python -m tests.attacks.fuzz --inputs 100000 --seed 7 --jobs 2
    python -m tests.attacks.fuzz --input 7:4711        # one input, as a finding names it

Each input begins as a request that fits the schema, and is then spoiled: its tokens, its text, its
variables, its bytes, its headers. It goes through the whole application to a real engine. A finding
is a status over 499 (but for a time limit), an answer that is not JSON with coded errors, a code
that docs/errors.md does not know, anything secret in the answer, or an incident in the log.
"""

import argparse
import asyncio
import gzip
import json
import logging
import multiprocessing
import random
import re
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import orjson
import uvloop
from starlette.types import ASGIApp

from pipelines.seed import sample_id, seed
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
from tests.execution.documents import DocumentWriter, mutated, render, scratched
from tests.execution.resolving import input_value

USERS = 100
TOGETHER = 8
"""Inputs that are sent at the same time."""
ERRORS = Path(__file__).parent.parent.parent / "docs" / "errors.md"
SECRETS = re.compile(
    r"Traceback|File \\?\"/|site-packages|pymongo|motor|mongodb://|bson|asyncio|strawberry\.|"
    r"object at 0x|Did you mean|0000-canary"
)
NAUGHTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, -(2**31) - 1, 2**53, 2**63 - 1, 0.1, -0.0, 1e308),
    *("", " ", "a", "null", "true", "0", "\x00", "\u202e", "\ufeff", "\U0001f600", "é" * 300),
    *("$ne", "../../etc/passwd", "' or 1=1 --", "<script>", "%s%n", "{{7*7}}", "a" * 5000),
    *("0" * 22, "@ada", "9" * 400, "2026-13-45T99:99:99Z", "\u200b"),
    *([], {}, [[]], [None], {"": None}, {"$ne": None}, {"$where": "1"}, {"__typename": "User"}),
    *([1] * 200, {"id": {"$gt": ""}}, {"id": sample_id(1)}, sample_id(2), [sample_id(3)] * 3),
)
HEADERS: Mapping[str, tuple[str, ...]] = {
    "content-type": ("", "text/plain", "application/json;charset=utf-8", "application/json;;", "x"),
    "accept": ("", "*/*", "application/*;q=0.1", "image/png", "a/b;q=x,c", ";", "," * 500),
    "content-encoding": ("gzip", "br", "identity", "gzip,gzip", "\x80"),
    "authorization": ("", "Bearer", "Bearer x.y.z", "Basic YQ==", "bearer  a", "a" * 9000),
    "apollo-federation-include-trace": ("ftv1", "ftv2"),
    "x-request-id": ("a", "\x80", "b" * 5000, "../x"),
    "content-length": ("0", "5", "99999999"),
    "cookie": ("a=b", "a" * 9000),
    "origin": ("null", "https://evil.example"),
    "sec-fetch-site": ("cross-site", "none", "x"),
}  # fmt: skip
METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
PATHS = ("/graphql", "/graphql/stream", "/graphql/", "//graphql", "/health/ready", "/nowhere")


class Request(NamedTuple):
    """What is sent."""

    method: str
    path: str
    query_string: bytes
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What comes back."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


@dataclass
class Tally:
    """What came of many inputs."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def note(self, name: str, answer: Answer | str, wrong: str | None) -> None:
        """Counts one input, and keeps what is wrong with it."""
        self.counts["inputs"] += 1
        if isinstance(answer, Answer):
            self.counts[f"status {answer.status}"] += 1
        if wrong:
            self.findings.append(f"{name}: {wrong}")

    def add(self, other: "Tally") -> None:
        """Adds what another one counted."""
        self.counts += other.counts
        self.findings += other.findings


class Fuzzer:
    """Makes inputs from numbers; the same one for the same seed and number."""

    def __init__(self, seed_number: int, tokens: tuple[str, ...]) -> None:
        self._seed = seed_number
        self._tokens = tokens
        self._schema = build_schema().graphql

    def request(self, number: int) -> Request:
        """The input of a number."""
        rng = random.Random(f"{self._seed}:{number}")
        headers = {"content-type": "application/json", "host": "usergraph"}
        if rng.random() < 0.3:
            headers["authorization"] = f"Bearer {rng.choice(self._tokens)}"
        document = self._document(rng)
        method, path, query_string = "POST", "/graphql", b""
        body = json.dumps(document).encode()
        if rng.random() < 0.1:
            body = body.replace(b"0.1", b"NaN").replace(b", ", b" ,\n\t")
        if rng.random() < 0.08:
            method, body = "GET", b""
            query_string = "&".join(
                f"{key}={quote_plus(_text(value), errors='surrogatepass')}"
                for key, value in document.items()
            ).encode()
        if rng.random() < 0.15:
            body = _spoiled(body, rng)
        if rng.random() < 0.05:
            body, headers["content-encoding"] = gzip.compress(body, 1), "gzip"
            body = _spoiled(body, rng) if rng.random() < 0.5 else body
        for _ in range(rng.choice((0, 0, 0, 0, 1, 2))):
            name = rng.choice(list(HEADERS))
            headers[name] = rng.choice(HEADERS[name])
        if headers.get("authorization") and rng.random() < 0.2:
            headers["authorization"] = scratched(headers["authorization"], rng)
        if rng.random() < 0.02:
            method, path = rng.choice(METHODS), rng.choice(PATHS)
        return Request(method, path, query_string, headers, body)

    def _document(self, rng: random.Random) -> dict[str, Any]:
        if rng.random() < 0.2:
            return _representations(rng)
        writer = DocumentWriter(self._schema, rng, rng.choice((0.0, 0.02, 0.1)))
        tokens = writer.document()
        for _ in range(rng.choice((0, 0, 0, 1, 1, 3))):
            tokens = mutated(tokens, rng)
        text = render(tokens, rng)
        if rng.random() < 0.1:
            text = scratched(text, rng)
        variables: dict[str, Any] = {}
        for name, type_ in writer.variable_types.items():
            if rng.random() < 0.9:
                variables[name] = input_value(type_, rng)
        if rng.random() < 0.4:
            variables = _with_naughty(variables, rng)
        document: dict[str, Any] = {"query": text, "variables": variables}
        if rng.random() < 0.2:
            key = rng.choice(("operationName", "extensions", "documentId", "query", "variables"))
            document[key] = rng.choice(NAUGHTY)
        return document


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _representations(rng: random.Random) -> dict[str, Any]:
    keys = ("id", "handle", "__typename", "country", "private", "$where", "")
    made = []
    for _ in range(rng.choice((0, 1, 1, 2, 5, 30))):
        representation: Any = {"__typename": rng.choice(("User", "User", "User", "Viewer", "_Any"))}
        for _ in range(rng.choice((0, 1, 1, 2, 4))):
            value = sample_id(rng.randrange(USERS)) if rng.random() < 0.5 else rng.choice(NAUGHTY)
            representation[rng.choice(keys)] = value
        made.append(representation if rng.random() < 0.9 else rng.choice(NAUGHTY))
    fields = rng.choice(("id", "__typename", "id handle avatar { url }", "private { locale }", "x"))
    field = f"_entities(representations: $r) {{ ... on User {{ {fields} }} }}"
    return {
        "query": f"query ($r: [_Any!]!) {{ {field} }}",
        "variables": {"r": made if rng.random() < 0.95 else rng.choice(NAUGHTY)},
    }


def _with_naughty(value: Any, rng: random.Random) -> Any:
    """The same JSON, with something in it that does not belong."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        return {**value, key: _with_naughty(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.6:
        at = rng.randrange(len(value))
        return [*value[:at], _with_naughty(value[at], rng), *value[at + 1 :]]
    return (
        {rng.choice(("a", "", "input", "r")): rng.choice(NAUGHTY)}
        if value == {}
        else rng.choice(NAUGHTY)
    )


def _spoiled(body: bytes, rng: random.Random) -> bytes:
    spoiled = bytearray(body or b"{}")
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(spoiled))
        match rng.randrange(4):
            case 0:
                spoiled[at] = rng.randrange(256)
            case 1:
                del spoiled[at : at + rng.choice((1, 1, 5, 500))]
            case 2:
                spoiled[at:at] = bytes(spoiled[: rng.choice((1, 5, 50))])
            case _:
                spoiled[at:at] = rng.choice((b"\x00", b"\xff", b'"', b"}", b"\\ud800", b"[" * 2000))
        spoiled = spoiled or bytearray(b" ")
    return bytes(spoiled)


class Incidents(logging.Handler):
    """Keeps what is logged as a fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one line."""
        self.lines.append(f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}")

    def taken(self) -> list[str]:
        """The lines since the last time."""
        taken, self.lines = self.lines, []
        return taken


def wrong_with(request: Request, answer: Answer | str, codes: frozenset[str]) -> str | None:
    """What is wrong with an answer, or what was raised instead of one; None when nothing is."""
    if isinstance(answer, str):
        return answer
    text = answer.body.decode("utf-8", "replace")
    if answer.status > 499 and answer.status != 504:
        return f"status {answer.status}"
    if found := SECRETS.search(text):
        sent = request.body.decode("utf-8", "replace") + request.query_string.decode("latin-1")
        if found[0] not in sent:
            return f"it tells {found[0]!r}"
    if request.path != "/graphql" or request.method == "HEAD" or not text:
        return None
    if b"json" not in answer.headers.get(b"content-type", b""):
        is_stream = answer.headers.get(b"content-type", b"").startswith(
            (b"text/event", b"multipart")
        )
        return None if is_stream else "it is no JSON"
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return "it is broken JSON"
    for error in document.get("errors", ()):
        code = error.get("extensions", {}).get("code")
        if code not in codes or code == "INTERNAL_SERVER_ERROR":
            return f"code {code!r}"
    return None if "data" in document or document.get("errors") else "neither data nor errors"


async def sent(app: ASGIApp, request: Request) -> Answer:
    """What the application answers."""
    messages: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": request.method,
        "path": request.path,
        "raw_path": request.path.encode(),
        "root_path": "",
        "query_string": request.query_string,
        "headers": [
            (key.encode(), value.encode("latin-1", "replace"))
            for key, value in request.headers.items()
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }
    incoming = [
        {"type": "http.request", "body": request.body, "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return incoming.pop(0) if len(incoming) > 1 else incoming[0]

    async def send(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return Answer(messages[0]["status"], dict(messages[0]["headers"]), body)


@asynccontextmanager
async def attacked(folder: Path) -> Any:
    """The application over an engine with sample users, and tokens for it."""
    settings = Settings(data_dir=folder, introspection=False)
    engine = start_engine(folder / "engine")
    try:
        store = Store.connect(
            engine.uri,
            "attacked",
            encryption=key_encryption_of(settings),
            ledger_key=ledger_key_of(settings),
        )
        await store.ensure_indexes()
        await seed(store, USERS, lambda *_: None)
        key = DevelopmentKey(folder)
        people = (sample_id(0), sample_id(1), None)
        tokens = tuple(
            key.token(
                issuer=settings.token_issuer,
                audience=settings.token_audience,
                user_id=user_id,
                scopes=KNOWN_SCOPES,
                lifetime_seconds=80_000,
            )
            for user_id in people
        )
        yield create_app(settings, store, identity_of(settings)), tokens
        await store.close()
    finally:
        engine.stop()


async def _run(seed_number: int, numbers: range) -> Tally:
    tally, incidents = Tally(), Incidents()
    codes = frozenset(re.findall(r"`([A-Z][A-Z_]+)`", ERRORS.read_text()))
    logging.getLogger().addHandler(incidents)
    with tempfile.TemporaryDirectory() as folder:
        async with attacked(Path(folder)) as (app, tokens):
            fuzzer = Fuzzer(seed_number, tokens)
            for start in range(numbers.start, numbers.stop, TOGETHER):
                group = range(start, min(start + TOGETHER, numbers.stop))
                requests = [fuzzer.request(number) for number in group]
                answers = await asyncio.gather(*(_answer(app, request) for request in requests))
                for number, request, answer in zip(group, requests, answers, strict=True):
                    tally.note(
                        f"{seed_number}:{number}", answer, wrong_with(request, answer, codes)
                    )
                tally.findings += [f"{seed_number}:{group}: {line}" for line in incidents.taken()]
    return tally


async def _answer(app: ASGIApp, request: Request) -> Answer | str:
    """What the application answers, or what was raised instead."""
    try:
        async with asyncio.timeout(20):
            return await sent(app, request)
    except Exception as error:
        return repr(error)


def _job(arguments: tuple[int, range]) -> Tally:
    return uvloop.run(_run(*arguments))


def run(inputs: int, seed_number: int, jobs: int = 1) -> Tally:
    """Sends so many inputs; several processes share them."""
    share = -(-inputs // jobs)
    ranges = [range(start, min(inputs, start + share)) for start in range(0, inputs, share)]
    tally = Tally()
    if jobs == 1:
        tally.add(_job((seed_number, range(inputs))))
        return tally
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for done in pool.imap_unordered(_job, [(seed_number, part) for part in ranges]):
            tally.add(done)
    return tally


def main() -> None:
    """Runs as the arguments say; exits with 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="a fresh one else")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--input", metavar="SEED:NUMBER", help="this one only")
    options = parser.parse_args()
    if options.input:
        seed_number, number = map(int, options.input.split(":"))
        print(Fuzzer(seed_number, ("x",) * 3).request(number))
        tally = uvloop.run(_run(seed_number, range(number, number + 1)))
    else:
        print(f"seed {options.seed}", flush=True)
        started_at = time.monotonic()
        tally = run(options.inputs, options.seed, options.jobs)
        print(f"{options.inputs / (time.monotonic() - started_at):.0f} inputs/s")
    print(", ".join(f"{count} {name}" for name, count in sorted(tally.counts.items())))
    for finding in tally.findings[:50]:
        print(finding)
    sys.exit(1 if tally.findings else 0)


if __name__ == "__main__":
    main()
