"""graphql-core's own execution tests through the compiled executor: a table, and what failed.

The tests come from the source distribution of the version that is installed. They run in a process
of their own, where `conformance_plugin.py` replaces what they call.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
VERSION = version("graphql-core")
CACHE = ROOT / ".cache" / f"graphql-core-{VERSION}"
TIMEOUT_SECONDS = 300
COMPILED = "compiled"

PARTS = (
    "execution",
    "test_graphql.py",
    "test_star_wars_introspection.py",
    "test_star_wars_query.py",
    "test_user_registry.py",
    "type/test_custom_scalars.py",
    "type/test_enum.py",
    "type/test_introspection.py",
)
"""What calls `execute`, `execute_sync`, `graphql`, `graphql_sync` or `subscribe`."""

NOT_RUN = {
    "execution/incremental": "incremental delivery, which graphql-core does as a whole",
    "execution/test_executor_throwing_on_incremental.py": "a class of graphql-core",
    "execution/test_aborted_graphql_execution_error.py": "a class of graphql-core",
    "execution/test_collect_fields.py": "a function of graphql-core",
    "execution/test_execution_result.py": "a class of graphql-core",
    "execution/test_map_async_iterable.py": "a function of graphql-core",
}
"""Modules that ask nothing of an executor, and what they are about."""

_SYNC = "execution/test_sync.py::describe_execute_synchronously_when_possible"
_NULLS = "execution/test_nonnull.py::describe_execute_handles_non_nullable_types"
_CANCELLATION = "execution/test_cancellation.py::describe_execute_cancellation"
_CHAIN = f"{_NULLS}::describe_nulls_first_nullable_after_long_chain_of_non_null_fields"
_POSITION = f"{_NULLS}::describe_handles_multiple_errors_for_a_single_response_position"
_INCREMENTAL = "incremental delivery, which execute_sync alone refuses with an error of its own"
_LEVELS = "which of several errors comes first is a matter of time, and whole levels have theirs"
_LATE = "what is awaited under a null is not stopped before its level is done"

EXCEPTIONS = {
    f"{_SYNC}::describe_execute_sync::"
    "throws_if_encountering_async_iterable_execution_with_check_sync": _INCREMENTAL,
    f"{_SYNC}::describe_execute_sync::"
    "throws_if_encountering_async_iterable_execution_without_check_sync": _INCREMENTAL,
    f"{_CHAIN}::returns_null": _LEVELS,
    f"{_CHAIN}::throws": _LEVELS,
    f"{_POSITION}::nullable_and_non_nullable_root_fields_throw_nested_errors": _LEVELS,
    f"{_POSITION}::slower_nullable_after_non_nullable_root_field": _LEVELS,
    f"{_CANCELLATION}::stops_late_sibling_object_completion_after_non_null_bubbling": _LATE,
}
"""Tests that ask the compiled executor and fail, and why that is right."""


class NotFetched(Exception):
    """The tests cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one test, and what ran the operations it asked for: counts by reason."""

    test: str
    has_passed: bool
    asked: Mapping[str, int]
    why: str

    @property
    def applies(self) -> bool:
        """Whether it asked anything of the executor, or would have."""
        return bool(self.asked) or not self.has_passed


def fetch() -> Path:
    """The folder with graphql-core's tests, downloaded the first time. Raises: NotFetched."""
    if not CACHE.is_dir():
        CACHE.parent.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=CACHE.parent) as name:
            folder = Path(name) / "fetched"
            _pip("download", "--no-binary", "graphql-core", f"graphql-core=={VERSION}", to=folder)
            _unpack_tests(folder)
            requirements = str(HERE / "requirements.txt")
            _pip("install", "--require-hashes", "-r", requirements, to=folder / "plugins")
            folder.rename(CACHE)
    return CACHE


def run(folder: Path) -> list[Outcome]:
    """The outcome of each test in the folder. Raises: RuntimeError when they could not be run."""
    with TemporaryDirectory() as name:
        outcomes = Path(name) / "outcomes.json"
        ini = Path(name) / "pytest.ini"
        ini.write_text("[pytest]\npython_classes = PyTest*\nfilterwarnings = ignore\n")
        paths = [str(ROOT), str(HERE), str(folder / "plugins")]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "--tb=short", "-c", str(ini)),
                *("--rootdir", str(folder), "-p", "conformance_plugin"),
                *("-p", "no:asyncio", "-p", "no:cacheprovider"),
                *(f"--ignore=tests/{module}" for module in NOT_RUN),
                *(f"tests/{part}" for part in PARTS),
            ],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "GRAPHQL_CORE_OUTCOMES": str(outcomes),
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode not in (0, 1):
            raise RuntimeError(f"graphql-core's tests could not be run:\n{done.stdout[-4000:]}")
        return [Outcome(test, **noted) for test, noted in json.loads(outcomes.read_text()).items()]


def wrong(outcomes: list[Outcome]) -> Iterator[str]:
    """What should not be: a test that fails, an exception that passes, nothing compiled."""
    for outcome in outcomes:
        if not outcome.has_passed and outcome.test not in EXCEPTIONS:
            yield f"{outcome.test} fails:\n{outcome.why}"
        elif outcome.has_passed and outcome.test in EXCEPTIONS:
            yield f"{outcome.test} passes: it is no exception any more"
    for test in EXCEPTIONS.keys() - {outcome.test for outcome in outcomes}:
        yield f"{test} is not there"
    if not executed(outcomes)[COMPILED]:
        yield "Nothing was compiled."


def executed(outcomes: list[Outcome]) -> Counter[str]:
    """How many operations ran compiled, and how many did not for each reason."""
    return sum((Counter(outcome.asked) for outcome in outcomes), Counter[str]())


def report(outcomes: list[Outcome]) -> str:
    """The counts, as lines to read."""
    asking = [outcome for outcome in outcomes if outcome.applies]
    passed = sum(outcome.has_passed for outcome in asking)
    excepted = sum(outcome.test in EXCEPTIONS for outcome in asking)
    operations = executed(outcomes)
    lines = [
        f"graphql-core {VERSION}: its execution tests",
        f"{passed:6} passed",
        f"{len(asking) - passed - excepted:6} failed",
        f"{len(outcomes) - len(asking):6} ask nothing of an executor",
        *(f"{count:6} excepted: {why}" for why, count in Counter(EXCEPTIONS.values()).items()),
        *(f"{'':6} not run: {module}, {why}" for module, why in NOT_RUN.items()),
        f"{operations.total():6} operations",
        *(f"{count:6} {how}" for how, count in operations.most_common()),
    ]
    return "\n".join(lines)


def main() -> None:
    """Prints the counts, and exits with 1 when something is wrong; `--fetch` only downloads."""
    try:
        folder = fetch()
    except NotFetched as error:
        sys.exit(str(error))
    if "--fetch" in sys.argv:
        return
    outcomes = run(folder)
    print(report(outcomes))
    if problems := list(wrong(outcomes)):
        sys.exit("\n\n".join(["", *problems]))


def _pip(command: str, *arguments: str, to: Path) -> None:
    place = "--dest" if command == "download" else "--target"
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", place, str(to))
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, *options, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise NotFetched(f"{arguments[-1]} cannot be fetched: {done.stderr[-1000:]}")


def _unpack_tests(folder: Path) -> None:
    """Unpacks the tests of the one source distribution in the folder, if it is the locked one."""
    [archive] = folder.glob("*.tar.gz")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if f"sha256:{digest}" not in (ROOT / "requirements" / "dev.lock").read_text():
        raise NotFetched(f"{archive.name} is not the one of requirements/dev.lock")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    [unpacked] = folder.glob("*/tests")
    unpacked.rename(folder / "tests")
    shutil.rmtree(unpacked.parent)


if __name__ == "__main__":
    main()
