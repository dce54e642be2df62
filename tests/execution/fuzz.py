"""A differential fuzzer: compiled operations against graphql-core, on random schemas.

    python -m tests.execution.fuzz --cases 5000 --seed 1 --jobs 2
    python -m tests.execution.fuzz --case 1:17:4:2      # one case, as a difference names it

A case is named by seed, schema, operation and run; everything in it follows from these numbers.
"""

import argparse
import asyncio
import gc
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from inspect import isawaitable
from itertools import count
from secrets import randbelow
from typing import Any, NamedTuple

from graphql import (
    DirectiveNode,
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    NameNode,
    NoUnusedFragmentsRule,
    NoUnusedVariablesRule,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    SelectionSetNode,
    ValuesOfCorrectTypeRule,
    Visitor,
    execute,
    parse,
    print_ast,
    specified_rules,
    subscribe,
    validate,
    visit,
)
from graphql.execution import Executor

from execution import CompiledOperation, compile_operation
from tests.execution.comparison import Answer, difference
from tests.execution.descriptions import described, sdl
from tests.execution.dice import Dice
from tests.execution.flavours import Flavoured, core_schema
from tests.execution.operations import Operation, random_operation
from tests.execution.strawberry_flavour import strawberry_schema
from tests.execution.worlds import World

OPERATIONS = 24
"""Operations per schema."""
RUNS = 8
"""Runs of an operation, each with other variables, values and faults."""
LEAST_COMPILED = 0.85
"""The share of operations that must be compiled, introspection left aside."""
SECONDS = 10
"""How long one execution may take."""
ENOUGH = 20
"""Differences after which the fuzzer stops; it reports one of each kind."""
TOGETHER = 3
"""Runs of one operation that are then run once more, at the same time."""
REFERENCES = 8
"""How often graphql-core may try to leave something behind as the compiled operation did."""
TICKS = 200
"""Turns of the event loop after an execution, until which all its tasks must have ended."""

RULES = [
    rule for rule in specified_rules if rule not in (NoUnusedFragmentsRule, NoUnusedVariablesRule)
]
"""What a document must hold to while it is made smaller."""
NOT_BY_CONSTRUCTION = [OverlappingFieldsCanBeMergedRule, ValuesOfCorrectTypeRule]
"""The rules of validation that a random operation may break."""
TYPENAME = (FieldNode(name=NameNode(value="__typename")),)


class CaseName(NamedTuple):
    """Where a case comes from."""

    seed: int
    schema: int
    operation: int
    run: int

    def __str__(self) -> str:
        return ":".join(map(str, self))


@dataclass
class Case:
    """One operation with variables, values and faults."""

    name: CaseName
    flavoured: Flavoured
    operation: Operation
    document: DocumentNode
    variables: dict[str, Any]
    faults: float
    oddities: float

    def world(self) -> World:
        """A new world; two of one case give the same values."""
        return self.flavoured.world(
            Dice(*self.name, "world").below(1 << 48), self.faults, self.oddities
        )

    def root(self, world: World) -> Any:
        """The root value, of a world."""
        return world.root(self.operation.kind.title(), self.operation.needs)


@dataclass
class Tally:
    """What was run, and what came of it."""

    counts: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    seconds: float = 0

    def add(self, other: "Tally") -> None:
        """Adds what another one counted."""
        self.counts += other.counts
        self.unsupported += other.unsupported
        self.differences += other.differences
        self.kinds += other.kinds
        self.seconds += other.seconds

    @property
    def compiled_share(self) -> float:
        """The share of operations that were compiled, introspection left aside."""
        whole = self.counts["compiled"] + self.counts["unsupported"]
        return self.counts["compiled"] / whole if whole else 0

    def failure(self) -> str | None:
        """Why the fuzzer fails; None when it does not."""
        if self.kinds:
            kinds = ", ".join(f"{count}x {kind}" for kind, count in self.kinds.most_common())
            return f"{kinds}"
        if self.compiled_share < LEAST_COMPILED:
            return f"only {self.compiled_share:.0%} of the operations were compiled"
        return None

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        reasons = "".join(f"\n  {count}x {why}" for why, count in self.unsupported.most_common(12))
        speed = self.counts["cases"] / (self.seconds or 1)
        return f"{counts}; {self.compiled_share:.1%} compiled; {speed:.0f} cases/s{reasons}"


class Bench:
    """One schema of a seed and its operations."""

    def __init__(self, seed: int, number: int) -> None:
        self._seed = seed
        self._number = number

    @cached_property
    def flavoured(self) -> Flavoured:
        """The schema."""
        dice = Dice(self._seed, self._number, "schema")
        if self._number % 2:
            return strawberry_schema(described(dice, "strawberry"), dice)
        return core_schema(described(dice, "core"), dice)

    def operation(self, number: int) -> Operation:
        """One of the operations."""
        dice = Dice(self._seed, self._number, number, "operation")
        return random_operation(dice, self.flavoured.description)

    def case(self, number: int, run: int, operation: Operation, document: DocumentNode) -> Case:
        """One run of an operation."""
        name = CaseName(self._seed, self._number, number, run)
        dice = Dice(*name, "case")
        variables = operation.values(dice, self.flavoured.description)
        faults = dice.pick((0.0, 0.0, 0.01, 0.03, 0.1))
        oddities = dice.pick((0.0, 0.02, 0.1))
        return Case(name, self.flavoured, operation, document, variables, faults, oddities)


async def run_schema(seed: int, number: int, *, enough: int = ENOUGH) -> Tally:
    """All cases of one schema, until enough of them differ; if one is enough, left as it is."""
    tally = Tally()
    began = time.process_time()
    bench = Bench(seed, number)
    with complaints() as heard:
        for index in range(OPERATIONS):
            await _run_operation(bench, index, tally, heard, reports=enough > 1)
            if tally.kinds.total() >= enough:
                break
    tally.seconds = time.process_time() - began
    return tally


async def _run_operation(
    bench: Bench, index: int, tally: Tally, heard: list[str], *, reports: bool
) -> None:
    operation = bench.operation(index)
    schema = bench.flavoured.schema
    document = parse(operation.text)
    if errors := validate(schema, document, NOT_BY_CONSTRUCTION):
        tally.counts["invalid"] += 1
        tally.unsupported[f"invalid: {errors[0].message[:90]}"] += 1
        return
    try:
        compiled = compiled_of(bench.case(index, 0, operation, document))
    except Exception:
        case = bench.case(index, 0, operation, document)
        tally.kinds["compiling raised"] += 1
        tally.differences.append(report(case, "compiling raised:\n" + traceback.format_exc()))
        return
    if compiled.unsupported is not None:
        if not operation.is_introspective:
            tally.counts["unsupported"] += 1
            tally.unsupported[compiled.unsupported] += 1
    else:
        tally.counts["compiled"] += 1
    waited: list[tuple[Case, Answer]] = []
    for run in range(RUNS):
        case = bench.case(index, run, operation, document)
        expected, _, sentence = await compare(case, compiled, heard)
        if expected.waited and operation.kind == "query" and not expected.trouble:
            waited.append((case, expected))
        if not sentence and len(waited) == TOGETHER:
            sentence = await compare_together(waited, compiled, heard)
            waited = []
        tally.counts["cases"] += 1
        tally.counts[operation.kind] += 1
        _count(tally, expected)
        if sentence:
            kind = sentence[:40]
            tally.kinds[kind] += 1
            if not reports:
                tally.differences.append(f"{case.name}: {sentence}")
            elif tally.kinds[kind] == 1:
                smaller = await shrunk(case, heard)
                tally.differences.append(await reported(smaller, sentence, heard))
            return


def _count(tally: Tally, expected: Answer) -> None:
    tally.counts["with errors"] += any(result.errors for result in expected.results)
    tally.counts["nulled roots"] += any(result.data is None for result in expected.results)
    tally.counts["waited"] += expected.waited


async def compare(
    case: Case, compiled: CompiledOperation, heard: list[str]
) -> tuple[Answer, Answer, str | None]:
    """What graphql-core answers, what the compiled operation answers, and how they differ."""
    expected = await answer(case, partial(reference, case), heard)
    given = await answer(case, partial(compiled_answer, case, compiled), heard)
    serial = case.operation.kind == "mutation"
    sentence = difference(expected, given, lambda _: (), serial=serial)
    if not sentence:
        return expected, given, None
    for _ in range(REFERENCES if given.trouble else 0):
        # graphql-core itself leaves coroutines behind, but not every time
        again = await answer(case, partial(reference, case), heard)
        if again.trouble:
            expected.trouble = again.trouble
            break
    every = await answer(case, partial(reference, case, propagates=False), heard)

    def possible(number: int) -> Sequence[GraphQLError]:
        return every.results[number].errors or () if number < len(every.results) else ()

    return expected, given, difference(expected, given, possible, serial=serial)


async def compare_together(
    cases: Sequence[tuple[Case, Answer]], compiled: CompiledOperation, heard: list[str]
) -> str | None:
    """How answers differ when several runs of one compiled operation overlap."""
    worlds = [case.world() for case, _ in cases]

    async def result(case: Case, world: World) -> ExecutionResult:
        found = compiled.execute(case.root(world), world, case.variables)
        return found if isinstance(found, ExecutionResult) else await found

    results = await asyncio.gather(
        *(result(case, world) for (case, _), world in zip(cases, worlds, strict=True))
    )
    for (case, expected), one, world in zip(cases, results, worlds, strict=True):
        world.left_behind()
        given = replace(expected, results=[one])
        every = await answer(case, partial(reference, case, propagates=False), heard)
        errors = every.results[0].errors or () if every.results else ()
        if sentence := difference(expected, given, lambda _, errors=errors: errors, serial=False):  # type: ignore[misc]
            return f"together: {sentence}"
    return None


def reference(case: Case, world: World, *, propagates: bool = True) -> Any:
    """What graphql-core makes of a case."""
    document = case.document if propagates else _without_propagation(case.document)
    return _carried_out(case, document, world, case.flavoured.executor_class)


def compiled_answer(case: Case, compiled: CompiledOperation, world: World) -> Any:
    """What the compiled operation, or an executor with plans in it, makes of a case."""
    if case.operation.kind == "subscription" or case.name.run % 4 == 3:
        executor_class = case.flavoured.compiled_executor_class
        return _carried_out(case, case.document, world, executor_class)
    return compiled.execute(case.root(world), world, case.variables)


def _carried_out(
    case: Case, document: DocumentNode, world: World, executor_class: type[Executor[Any]]
) -> Any:
    run: Callable[..., Any] = subscribe if case.operation.kind == "subscription" else execute
    return run(
        case.flavoured.schema,
        document,
        case.root(world),
        world,
        case.variables,
        case.operation.name,
        executor_class=executor_class,
    )


def compiled_of(case: Case) -> CompiledOperation:
    """The operation of a case, compiled anew."""
    return compile_operation(
        case.flavoured.schema,
        case.document,
        case.operation.name,
        executor_class=case.flavoured.executor_class,
    )


async def answer(case: Case, run: Callable[[World], Any], heard: list[str]) -> Answer:
    """What came of running a case, once everything that was begun has ended."""
    gc.disable()
    world = case.world()
    given = Answer()
    try:
        result = run(world)
        if not isinstance(result, ExecutionResult):
            given.waited = True
            async with asyncio.timeout(SECONDS):
                result = await _awaited(result, given)
        if result is not None:
            given.results.append(result)
    except Exception as error:
        where = "".join(traceback.format_exception(error)[-6:])
        given.trouble.append(f"raised {error!r}\n{where}")
    ticks = TICKS
    while len(tasks := asyncio.all_tasks()) > 1 or world.open_futures:
        await asyncio.sleep(0)
        ticks -= 1
        if not ticks:
            given.trouble.append(f"{len(tasks) - 1} tasks were left running")
            for task in tasks - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0)
            break
    left, given.unused = world.left_behind()
    given.trouble += left
    given.calls = world.calls
    _forget_frames(given)
    del world
    gc.collect(0)  # what this execution left unawaited complains now, not during the next one
    gc.enable()
    given.trouble += sorted(set(heard))
    heard.clear()
    return given


async def _awaited(result: Any, given: Answer) -> ExecutionResult | None:
    """The one result; None for a stream, whose results are added to the answer."""
    if isawaitable(result):
        result = await result
    if isinstance(result, ExecutionResult):
        return result
    try:
        async for each in result:
            assert isinstance(each, ExecutionResult)
            given.results.append(each)
    except Exception as error:
        given.end = repr(error)
    return None


def _forget_frames(given: Answer) -> None:
    """Drops the frames, and so the coroutines, that errors hold on to."""
    waiting: list[BaseException | None] = [
        error for result in given.results for error in result.errors or ()
    ]
    seen: set[int] = set()
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        error.__traceback__ = None
        waiting += [error.__cause__, error.__context__, getattr(error, "original_error", None)]


def _without_propagation(document: DocumentNode) -> DocumentNode:
    directive = DirectiveNode(
        name=NameNode(value="experimental_disableErrorPropagation"), arguments=()
    )
    definitions = []
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            definition = replace(definition, directives=(*(definition.directives or ()), directive))
        definitions.append(definition)
    return replace(document, definitions=tuple(definitions))


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Hears of coroutines that were never awaited, and of tasks whose exception nobody saw."""
    heard: list[str] = []

    def show(message: Any, category: type[Warning], *_rest: Any) -> None:
        if issubclass(category, RuntimeWarning):
            heard.append(f"{category.__name__}: {message}")

    def handle(_loop: Any, context: dict[str, Any]) -> None:
        heard.append(f"{context['message']} {context.get('exception')!r}")

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(handle)
    # A coroutine that dies inside of a named tuple's constructor cannot even warn.
    unraisable, sys.unraisablehook = sys.unraisablehook, lambda _: None
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show  # type: ignore[assignment]
        yield heard
    sys.unraisablehook = unraisable
    loop.set_exception_handler(None)


async def differs(case: Case, heard: list[str]) -> bool:
    """Whether the answers to a case differ."""
    try:
        if validate(case.flavoured.schema, case.document, RULES):
            return False
        compiled = compiled_of(case)
        *_, sentence = await compare(case, compiled, heard)
    except Exception:
        return False
    return sentence is not None


async def shrunk(case: Case, heard: list[str], attempts: int = 400) -> Case:
    """A case as small as can be found that still shows a difference."""
    if not await differs(case, heard):
        return case
    for faults, oddities in ((0, 0), (0, case.oddities), (case.faults, 0)):
        smaller = replace(case, faults=faults, oddities=oddities)
        if await differs(smaller, heard):
            case = smaller
            break
    for part in (0.25, 0.5, 0.75):
        smaller = replace(case, faults=case.faults * part, oddities=case.oddities * part)
        if await differs(smaller, heard):
            case = smaller
            break
    found = True
    while found:
        found = False
        for document in smaller_documents(case.document):
            attempts -= 1
            if attempts < 0:
                return case
            smaller = replace(case, document=document)
            if await differs(smaller, heard):
                case, found = smaller, True
                break
    return case


def smaller_documents(document: DocumentNode) -> Iterator[DocumentNode]:
    """The documents with a definition or a selection less, or one simpler; big cuts first."""
    if len(document.definitions) > 1:
        for definition in document.definitions:
            rest = tuple(one for one in document.definitions if one is not definition)
            yield parse(print_ast(replace(document, definitions=rest)))
    simpler = partial(_simpler, document)
    for change in (_without, simpler):
        for number in reversed(range(_selection_count(document))):
            yield parse(print_ast(_changed(document, number, change)))


def _without(_node: Any) -> tuple[Any, ...]:
    return ()


def _simpler(document: DocumentNode, node: Any) -> tuple[Any, ...]:
    """Without directives and alias; what is in a fragment in place of the fragment."""
    if node.directives:
        return (replace(node, directives=()),)
    if node.kind == "inline_fragment":
        return tuple(node.selection_set.selections)
    if node.kind == "fragment_spread":
        for definition in document.definitions:
            if isinstance(definition, FragmentDefinitionNode) and (
                definition.name.value == node.name.value
            ):
                return tuple(definition.selection_set.selections)
    return (replace(node, alias=None),)


def _changed(
    document: DocumentNode, number: int, change: Callable[[Any], tuple[Any, ...]]
) -> DocumentNode:
    """The document with one selection changed; they are counted from the bottom up."""
    numbers = count()

    class Change(Visitor):
        def leave_selection_set(self, node: SelectionSetNode, *_rest: Any) -> Any:
            places = [(next(numbers), one) for one in node.selections]
            if number not in dict(places):
                return None
            after: list[Any] = []
            for place, one in places:
                after.extend(change(one) if place == number else (one,))
            return replace(node, selections=tuple(after or TYPENAME))

    changed: DocumentNode = visit(document, Change())
    return changed


def _selection_count(document: DocumentNode) -> int:
    total = 0

    class Count(Visitor):
        def leave_selection_set(self, node: SelectionSetNode, *_rest: Any) -> None:
            nonlocal total
            total += len(node.selections)

    visit(document, Count())
    return total


async def reported(case: Case, sentence: str, heard: list[str]) -> str:
    """A report of a difference, with both answers."""
    compiled = compiled_of(case)
    expected, given, found = await compare(case, compiled, heard)
    text = report(case, found or f"{sentence} (gone when shrunk)")
    for name, one in (("graphql-core", expected), ("compiled", given)):
        text += f"\n{name}: {_shown(one)}"
    return text


def _shown(one: Answer) -> str:
    text = "\n".join([*one.trouble, one.end])
    for result in one.results:
        text += f"\n  {result.data!r:.1500}" + "".join(
            f"\n    {error.formatted} {error.original_error!r}" for error in result.errors or ()
        )
    return text[:4000]


def report(case: Case, sentence: str) -> str:
    """What a case is, and how to run it again."""
    flavoured = case.flavoured
    told = {type_.name: type_.told for type_ in flavoured.description.objects.values()}
    how = {
        f"{type_.name}.{one.name}": one.how
        for type_ in flavoured.description.objects.values()
        for one in type_.fields.values()
        if one.how != "plain"
    }
    return (
        f"{'=' * 100}\n{case.name}: {sentence}\n{'-' * 100}\n{sdl(flavoured.description)}"
        f"# resolvers: {how}\n# types: {told} {flavoured.description.told}\n"
        f"# {flavoured.description.flavour}, sources: {flavoured.mode}, "
        f"faults {case.faults}, oddities {case.oddities}\n"
        f"{print_ast(case.document)}\n# variables: {case.variables}\n"
        f"# again: python -m tests.execution.fuzz --case {case.name}"
    )


async def run_case(name: CaseName) -> str | None:
    """Runs one case, after those of its operation before it; a report if the answers differ.

    When they do not, all operations of the schema before it are run first, and then it again.
    """
    bench = Bench(name.seed, name.schema)
    with complaints() as heard:
        for first in (name.operation, 0):
            for index in range(first, name.operation + 1):
                tally = Tally()
                await _run_operation(bench, index, tally, heard, reports=True)
                if tally.differences:
                    return tally.differences[0]
    return None


def run_schemas(seed: int, numbers: range) -> Tally:
    """All cases of some schemas."""
    tally = Tally()
    for number in numbers:
        tally.add(asyncio.run(run_schema(seed, number)))
        if tally.kinds.total() >= ENOUGH:
            break
    return tally


def first_difference(seed: int, cases: int) -> tuple[int, str] | None:
    """How many of so many cases it takes to find a difference, and which; None: there is none."""
    tally = Tally()
    for number in range(-(-cases // (OPERATIONS * RUNS))):
        tally.add(asyncio.run(run_schema(seed, number, enough=1)))
        if tally.differences:
            return tally.counts["cases"], tally.differences[0]
    return None


def fuzz(cases: int, seed: int, jobs: int = 1, show: Callable[[str], None] = print) -> Tally:
    """Runs about so many cases of a seed."""
    schemas = -(-cases // (OPERATIONS * RUNS))
    chunks = [range(n, min(n + 4, schemas)) for n in range(0, schemas, 4)]
    tally = Tally()
    began = time.monotonic()
    if jobs == 1:
        parts: Iterator[Tally] = (run_schemas(seed, chunk) for chunk in chunks)
        return _gathered(parts, tally, began, show)
    with ProcessPoolExecutor(jobs) as pool:
        return _gathered(pool.map(partial(run_schemas, seed), chunks), tally, began, show)


def _gathered(
    parts: Iterator[Tally], tally: Tally, began: float, show: Callable[[str], None]
) -> Tally:
    shown = began
    for part in parts:
        tally.add(part)
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            show(f"{shown - began:.0f} s: {tally.counts['cases']} cases, "
                 f"{tally.kinds.total()} differences")  # fmt: skip
        if tally.kinds.total() >= ENOUGH:
            break
    return tally


def main() -> int:
    """The command line; 1 when something differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=None, help="a fresh one unless told")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--case", help="SEED:SCHEMA:OPERATION:RUN")
    arguments = parser.parse_args()
    if arguments.case:
        text = asyncio.run(run_case(CaseName(*map(int, arguments.case.split(":")))))
        print(text or "the same")
        return 1 if text else 0
    seed = randbelow(1 << 31) if arguments.seed is None else arguments.seed
    print(f"seed {seed}")
    tally = fuzz(arguments.cases, seed, arguments.jobs)
    for text in tally.differences:
        print(text)
    print(tally)
    if why := tally.failure():
        print(f"failed: {why}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
