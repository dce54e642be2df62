"""What federated tracing costs: CPU time of the server per request, off, on, and asked for.

Four arms take turns in short rounds: tracing off; off once more in a process of its own, which
shows what two equal servers differ by; on but not asked for; asked for. A ratio is the median
over the rounds of an arm's time by that of the first in the same round. Linux only.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

from schema import tracing
from store.engine import start_engine
from tests.running import RunningServer
from tests.subgraph import REGISTER

USERS = 20
WARM_UP_REQUESTS = 40
REQUESTS_PER_TURN = 5

ENTITIES = """query ($r: [_Any!]!) {
  _entities(representations: $r) { ... on User { id handle displayName bio profileColor } }
}"""


class Arm(NamedTuple):
    """One way to ask: a server, and the headers of the requests."""

    name: str
    server: RunningServer
    headers: Mapping[str, str]

    def cpu_seconds(self, body: bytes, requests: int = REQUESTS_PER_TURN) -> float:
        """What the server spends on one of so many equal requests, user and system together."""
        answer = b""
        clock = ~self.server.pid << 3 | 2  # clock_getcpuclockid(3), as Linux makes it
        connection = HTTPConnection(urlsplit(self.server.address).netloc, timeout=30)
        connection.connect()
        before = time.clock_gettime(clock)
        for _ in range(requests):
            connection.request("POST", "/graphql", body, self.headers)
            answer = connection.getresponse().read()
        spent = time.clock_gettime(clock) - before
        connection.close()
        assert b'"errors"' not in answer, answer
        assert (b'"ftv1"' in answer) is (tracing.HEADER in self.headers)
        return spent / requests


@contextmanager
def arms() -> Iterator[list[Arm]]:
    """Three servers over one engine, with users, asked in four ways."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        engine = start_engine(Path(folder) / "engine", test_commands=True)
        stack.callback(engine.stop)

        def server(name: str, ftv1: str) -> RunningServer:
            running = RunningServer(Path(folder) / name, mongodb_uri=engine.uri, ftv1=ftv1)
            running.start()
            stack.callback(running.stop)
            return running

        off, again, on = server("off", "false"), server("again", "false"), server("on", "true")
        json_only = {"Content-Type": "application/json"}
        yield [
            Arm("off", off, json_only),
            Arm("off again", again, json_only),
            Arm("on, not asked for", on, json_only),
            Arm("asked for", on, {**json_only, tracing.HEADER: tracing.FORMAT}),
        ]


def bodies(server: RunningServer) -> Iterator[tuple[str, bytes]]:
    """The requests that are measured, over users made for them."""
    ids = []
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {server.token(None)}",
    }
    connection = HTTPConnection(urlsplit(server.address).netloc, timeout=30)
    for number in range(USERS):
        variables = {"input": {"handle": f"user{number}", "displayName": f"User {number}"}}
        body = json.dumps({"query": REGISTER, "variables": variables})
        connection.request("POST", "/graphql", body, headers)
        answer = json.loads(connection.getresponse().read())
        ids.append(answer["data"]["registerUser"]["user"]["id"])
    connection.close()

    query = "query ($id: ID!) { user(by: {id: $id}) { id handle displayName } }"
    yield "a small query", _body(query, id=ids[0])
    for count in (1, USERS):
        representations = [{"__typename": "User", "id": user_id} for user_id in ids[:count]]
        yield f"_entities x {count}", _body(ENTITIES, r=representations)


def _body(query: str, **variables: object) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


def measured(found: list[Arm], body: bytes, seconds: float) -> list[list[float]]:
    """CPU seconds per request: a list for each round, in which the arms keep their order.

    There is at least one round, however little time is left.
    """
    deadline = time.monotonic() + seconds
    for arm in found:
        arm.cpu_seconds(body, WARM_UP_REQUESTS)
    rounds: list[list[float]] = []
    while not rounds or time.monotonic() < deadline:
        spent = dict.fromkeys(range(len(found)), 0.0)
        # Each round begins with another arm, so that none always follows the same one.
        for turn in range(len(found)):
            index = (turn + len(rounds)) % len(found)
            spent[index] = found[index].cpu_seconds(body)
        rounds.append(list(spent.values()))
    return rounds


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description="What federated tracing costs.")
    parser.add_argument("--seconds", type=float, default=45, help="for all, starting included")
    deadline = time.monotonic() + parser.parse_args().seconds
    with arms() as found:
        kinds = list(bodies(found[0].server))
        for number, (name, body) in enumerate(kinds):
            share = (deadline - time.monotonic()) / (len(kinds) - number)
            rounds = measured(found, body, share)
            print(f"{name}, {len(rounds)} rounds")
            for index, arm in enumerate(found):
                cpu = median(spent[index] for spent in rounds) * 1e6
                ratio = median(spent[index] / spent[0] for spent in rounds)
                line = f"{cpu:8.0f} µs CPU per request{ratio:8.3f} x off"
                print(f"  {arm.name:<18}{line}", flush=True)


if __name__ == "__main__":
    main()
