"""Usergraph beside other GraphQL servers: the same data, the same requests, one core each.

Every answer is compared with the others' before anything is measured. Then the servers take turns,
shape by shape and round by round, so that a busy machine disturbs all of them alike. Linux only.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from difflib import unified_diff
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.chart import dot_plot
from bench.data import Data, seeded
from bench.load import Feed, Sample, WrongAnswer, ask, http_request, turn
from bench.results import METRICS, Turn, Turns, absolute_table, ratio, ratio_table, ratios
from bench.servers import CONTENDERS, BenchFault, Contender, RunningContender, install, versions
from bench.workload import PERSONS, Cast, Shape, cast_of, shapes
from store.engine import EngineFault
from store.errors import StoreFault

REFERENCE = "apollo"
PATIENCE_WITH_NODE = 3
"""How much longer than others Node's servers are warmed up."""
VERIFIED = 2
"""Requests of each shape whose answers are compared before."""
VERIFIED_NEVER_SEEN = 40

Tell = Callable[[str], None]


def main() -> None:
    """Measures, prints tables, and writes what was asked for."""
    options = _options()
    started = time.monotonic()
    try:
        contenders = _named(options.peers, CONTENDERS, "peer")
        with TemporaryDirectory(prefix="usergraph-bench-") as folder:
            cast = cast_of()
            asked = _named(options.shapes, shapes(cast), "shape")
            turns = _compare(options, Path(folder), cast, contenders, asked, started)
    except (BenchFault, WrongAnswer) as fault:
        sys.exit(str(fault))
    except (StoreFault, EngineFault) as fault:
        sys.exit(f"The database did not do what was asked of it: {fault}")
    except KeyboardInterrupt:
        sys.exit("Stopped.")
    titles = {contender.name: contender.title for contender in contenders}
    shape_titles = {shape.name: shape.title for shape in asked}
    reference = REFERENCE if REFERENCE in titles else next(iter(titles))
    for metric in METRICS:
        print(f"\n{ratio_table(turns, metric, reference, titles, shape_titles)}")
        if options.verbose:
            print(f"\n{absolute_table(turns, metric, titles, shape_titles)}")
    seconds = time.monotonic() - started
    if options.json is not None:
        report = _report(turns, reference, options, seconds)
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.chart is not None:
        options.chart.write_text(_chart(turns, reference, titles, shape_titles, options.memory))
    rounds = len(next(iter(next(iter(turns.values())).values())))
    print(f"\n{rounds} rounds in {seconds:.0f} s, {os.cpu_count()} cores, {_processor()}.")


def _compare(
    options: argparse.Namespace,
    folder: Path,
    cast: Cast,
    contenders: Sequence[Contender],
    asked: Sequence[Shape],
    started: float,
) -> Turns:
    server_core, other_core = _cores()
    os.sched_setaffinity(0, {other_core})
    with ExitStack() as stack, _progress(len(asked) * len(contenders)) as (tell, advance):
        tell("installing peers")
        install(contenders)
        tell("seeding")
        data = stack.enter_context(seeded(folder, cast, options.uri, in_memory=options.memory))
        running = []
        for contender in contenders:
            tell(f"starting {contender.title}")
            server = RunningContender(contender, data, folder, server_core, options.ours)
            running.append(stack.enter_context(server))
        tell("comparing answers")
        for shape in asked:
            asyncio.run(verify(running, shape, data, cast))
        tokens = data.tokens[: options.connections]
        run = _Run(running, asked, tokens, options.seconds, advance)
        small = next(shape for shape in shapes(cast) if shape.name == "small")
        run.warm_up(small, options.compiling, options.warm_up)
        while run.rounds < options.rounds and run.fits(started + options.budget):
            run.measure()
        if run.rounds < options.rounds:
            tell(f"stopped after {run.rounds} rounds: the time is over")
    return run.turns


class _Run:
    """The turns of every server, shape by shape, until there are enough rounds."""

    def __init__(
        self,
        running: Sequence[RunningContender],
        asked: Sequence[Shape],
        tokens: Sequence[str],
        seconds: float,
        advance: Callable[[str], None],
    ) -> None:
        self.rounds = 0
        self.turns: dict[str, dict[str, list[Turn]]] = {
            shape.name: {server.contender.name: [] for server in running} for shape in asked
        }
        self._running = running
        self._asked = asked
        self._tokens = tokens
        self._seconds = seconds
        self._advance = advance
        self._longest = 0.0
        self._last: dict[tuple[str, str], Sample] = {}
        self._feeds = {
            (shape.name, server.contender.name): Feed(shape.requests(), tokens)
            for shape in asked
            for server in running
        }

    def fits(self, deadline: float) -> bool:
        """Whether another round ends in time; the first one always does."""
        return not self.rounds or time.monotonic() + self._longest < deadline

    def warm_up(self, shape: Shape, compiling_seconds: float, seconds: float) -> None:
        """Lets every server see every shape, so that caches are filled and code is compiled.

        V8 compiles what runs often, and late: Node is given more time, and some before, with one
        shape.
        """
        for server in self._running:
            if server.contender.is_node:
                feed = Feed(shape.requests(), self._tokens)
                asyncio.run(turn(server.port, server.pid, feed, compiling_seconds, None))
        for shape, server in self._in_turn():
            longer = PATIENCE_WITH_NODE if server.contender.is_node else 1
            self._turn(shape, server, seconds * longer)
            self._advance(f"warming up: {shape.title}, {server.contender.title}")

    def measure(self) -> None:
        """One round."""
        started = time.monotonic()
        for shape, server in self._in_turn():
            sample = self._turn(shape, server, self._seconds)
            self.turns[shape.name][server.contender.name].append(Turn.of(sample))
            title = f"round {self.rounds + 1}: {shape.title}, {server.contender.title}"
            self._advance(title)
        self.rounds += 1
        self._longest = max(self._longest, time.monotonic() - started)

    def _in_turn(self) -> Iterator[tuple[Shape, RunningContender]]:
        """Each server for each shape; each time another one begins."""
        for index, shape in enumerate(self._asked):
            for number in range(len(self._running)):
                yield shape, self._running[(number + index + self.rounds) % len(self._running)]

    def _turn(self, shape: Shape, server: RunningContender, seconds: float) -> Sample:
        key = shape.name, server.contender.name
        try:
            sample = asyncio.run(
                turn(server.port, server.pid, self._feeds[key], seconds, self._last.get(key))
            )
        except WrongAnswer as error:
            raise BenchFault(f"{server.contender.title}, {shape.title}: {error}") from error
        self._last[key] = sample
        return sample


async def verify(running: Sequence[RunningContender], shape: Shape, data: Data, cast: Cast) -> None:
    """Insists on equal answers of all servers, and on equal writes. Raises: BenchFault."""
    number = VERIFIED_NEVER_SEEN if shape.name == "never-seen" else VERIFIED
    requests = [http_request(asked, data.tokens[0]) for asked in islice(shape.requests(), number)]
    first: list[Any] = []
    for server in running:
        answers = [await _answer(server, shape, request) for request in requests]
        if shape.name == "mutation":
            answers.append(data.written(cast.persons[0]))
        first = first or answers
        for answer, expected in zip(answers, first, strict=True):
            if answer != expected:
                raise BenchFault(
                    f"{shape.title}: {server.contender.title} answers something else than "
                    f"{running[0].contender.title}:\n{_difference(expected, answer)}"
                )


async def _answer(server: RunningContender, shape: Shape, request: bytes) -> Any:
    try:
        answer = await ask(server.port, request)
    except WrongAnswer as error:
        raise BenchFault(f"{server.contender.title}, {shape.title}: {error}") from error
    data = answer.get("data")
    if answer.get("errors") or not data or None in data.values():
        raise BenchFault(f"{server.contender.title}, {shape.title}: {str(answer)[:2000]}")
    return data


def _difference(expected: Any, answer: Any) -> str:
    before, after = (
        json.dumps(part, indent=2, sort_keys=True).splitlines() for part in (expected, answer)
    )
    return "\n".join(islice(unified_diff(before, after, lineterm="", n=2), 60))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare", description="Usergraph beside other GraphQL servers."
    )
    parser.add_argument("--quick", action="store_true", help="in less than three minutes")
    parser.add_argument("--rounds", type=int, help="rounds of turns (default 5, quick 2)")
    parser.add_argument("--seconds", type=float, help="of one turn (default 1.2, quick 0.3)")
    parser.add_argument("--uri", help="a server that speaks MongoDB's protocol; else embedded")
    parser.add_argument("--memory", action="store_true", help="data in memory, for all of them")
    parser.add_argument(
        "--connections",
        type=int,
        help=f"at most {PERSONS} (the default; 8 for embedded data, 4 if quick)",
    )
    parser.add_argument("--peers", default="", metavar="NAME,...", help=_choice(CONTENDERS))
    parser.add_argument("--shapes", default="", metavar="NAME,...", help=_choice(_all_shapes()))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="draw the CPU there")
    parser.add_argument("--verbose", action="store_true", help="print the figures themselves too")
    parser.add_argument(
        "--ours",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of Usergraph, as in mongodb_driver=pymongo; repeat it",
    )
    options = parser.parse_args()
    if options.memory and options.uri:
        parser.error("--memory needs no --uri")
    for path in (options.json, options.chart):
        if path is not None and not path.absolute().parent.is_dir():
            parser.error(f"there is no folder for {path}")
    options.ours = dict(options.ours)
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.3 if options.quick else 1.2)
    embedded = not options.memory and not options.uri
    usual = (4 if options.quick else 8) if embedded else PERSONS
    options.connections = min(options.connections or usual, PERSONS)
    options.compiling = 5.0 if options.quick else 15.0
    options.warm_up = 0.3 if options.quick else 3.0
    options.budget = 150 if options.quick else 840
    return options


def _all_shapes() -> Sequence[Shape]:
    return shapes(Cast((), (), ()))


def _choice(known: Sequence[Any]) -> str:
    return "some of: " + ", ".join(one.name for one in known)


def _setting(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise argparse.ArgumentTypeError("expected NAME=VALUE")
    return name.lower().removeprefix("usergraph_"), value


def _named(names: str, known: Sequence[Any], kind: str) -> Sequence[Any]:
    """Those that were named, or all. Raises: BenchFault."""
    wanted = [name for name in names.split(",") if name]
    for name in wanted:
        if name not in [one.name for one in known]:
            raise BenchFault(f"there is no {kind} {name!r}; {_choice(known)}")
    return [one for one in known if not wanted or one.name in wanted]


def _cores() -> tuple[int, int]:
    """The core of the servers, and that of everything else."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("There is one core only: server and load disturb each other.", file=sys.stderr)
    return cores[0], cores[-1]


@contextmanager
def _progress(turns: int) -> Iterator[tuple[Tell, Callable[[str], None]]]:
    """A line that changes on a terminal, lines elsewhere; `turns` are those of one round."""
    console = Console(stderr=True)
    if not console.is_terminal:
        done = 0

        def log(text: str) -> None:
            print(f"bench: {text}", file=sys.stderr, flush=True)

        def log_round(text: str) -> None:
            nonlocal done
            done += 1
            if done % turns == 0:
                log(text.partition(":")[0] + " is done")

        yield log, log_round
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("", total=turns)

        def tell(text: str) -> None:
            bar.update(task, description=text)

        def advance(text: str) -> None:
            if bar.tasks[0].finished:
                bar.reset(task)
            bar.update(task, description=text, advance=1)

        yield tell, advance


def _report(
    turns: Turns, reference: str, options: argparse.Namespace, seconds: float
) -> dict[str, Any]:
    return {
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": platform.release(),
        },
        "versions": versions(),
        "data": "in memory" if options.memory else ("given server" if options.uri else "embedded"),
        "usergraph": options.ours,
        "connections": options.connections,
        "seconds": round(seconds),
        "reference": reference,
        "ratios": ratios(turns, reference),
        "turns": {
            shape: {name: [asdict(one) for one in found] for name, found in by_name.items()}
            for shape, by_name in turns.items()
        },
    }


def _chart(
    turns: Turns,
    reference: str,
    titles: Mapping[str, str],
    shape_titles: Mapping[str, str],
    in_memory: bool,
) -> str:
    cpu = METRICS[0]
    rows = {
        shape_titles[shape]: {
            title: ratio(turns, shape, name, reference, cpu) for name, title in titles.items()
        }
        for shape in turns
    }
    data = "data in memory" if in_memory else "through the driver"
    return dot_plot(
        f"Server CPU per request, {titles[reference]} = 1 ({data})",
        rows,
        emphasised=titles.get("usergraph", ""),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
