"""Puts bugs into the guard, into identity and into authorization: their tests must find them.

python -m tests.mutants                              # all of them, which takes an hour
python -m tests.mutants identity --sample 10         # ten of each file, always the same ones
python -m tests.mutants guard --only server/rates.py
"""

import argparse
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from store.engine import start_engine
from tests.mutants.killing import killer
from tests.mutants.planting import Mutant
from tests.mutants.subjects import SUBJECTS, Subject


def main() -> int:
    """The command line; 1 when too few are found of a subject."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subjects", nargs="*", metavar="subject", help=", ".join(SUBJECTS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", type=int, help="so many of each file, always the same ones")
    parser.add_argument("--only", default="", help="those whose file or name holds this")
    arguments = parser.parse_args()
    said = []
    is_enough = True
    with TemporaryDirectory() as data, ThreadPoolExecutor(arguments.jobs) as pool:
        engine = start_engine(Path(data), test_commands=True)
        for name in arguments.subjects or SUBJECTS:
            subject = SUBJECTS[name]
            chosen = [
                mutant
                for mutant in subject.mutants(arguments.sample)
                if arguments.only in f"{mutant.file} {mutant.breaks}"
            ]
            found = _found(subject, chosen, engine.uri, pool)
            is_enough &= found >= subject.least * len(chosen)
            said.append(f"{name}: {found} of {len(chosen)} killed")
        engine.stop()
    print("\n".join(said))
    return 0 if is_enough else 1


def _found(subject: Subject, chosen: list[Mutant], uri: str, pool: Executor) -> int:
    """How many are found; tells of each. Exits when a test fails without any mutant."""
    tests = sorted({name for mutant in chosen for name in subject.tests[mutant.file]})
    if (failure := killer(uri, None, tests)) is not None:
        raise SystemExit(f"Without a mutant there is a failure: {failure}")

    def killed(mutant: Mutant) -> str | None:
        return killer(uri, mutant, subject.tests[mutant.file])

    return sum(map(_told, chosen, pool.map(killed, chosen)))


def _told(mutant: Mutant, found: str | None) -> bool:
    print(f"{mutant.breaks}: {(found or 'SURVIVED')[:140]}", flush=True)
    return found is not None


if __name__ == "__main__":
    sys.exit(main())
