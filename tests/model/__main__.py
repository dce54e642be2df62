"""Runs the model beside the service for as long as is wanted.

python -m tests.model --examples 2000 --seed 7
"""

import argparse
import secrets
from pathlib import Path
from tempfile import TemporaryDirectory

from store.engine import start_engine
from tests.model.running import run
from tests.model.service import served


def main() -> None:
    """The command line; a program that differs is printed, as small as it could be made."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--quick", action="store_true", help="leaves a failure as long as it is")
    arguments = parser.parse_args()
    seed = secrets.randbits(31) if arguments.seed is None else arguments.seed
    with TemporaryDirectory() as directory:
        engine = start_engine(Path(directory, "engine"), test_commands=True)
        try:
            with served(engine.uri, Path(directory), "pymongo") as service:
                how = {"examples": arguments.examples, "steps": arguments.steps, "seed": seed}
                run(service, **how, shrink=not arguments.quick)
                print(f"{service.examples} programs, {service.asked} requests, seed {seed}")
        finally:
            engine.stop()


if __name__ == "__main__":
    main()
