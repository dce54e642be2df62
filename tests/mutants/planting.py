"""Planting: a copy of the repository with one bug in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Mutant(NamedTuple):
    """One change of the source, and what it breaks."""

    breaks: str
    file: str
    before: str
    after: str


class Stale(Exception):
    """The text that a mutant changes is not in the source, or not only once."""


def mutated(mutant: Mutant) -> str:
    """The source of the mutant's file, with the mutant in it. Raises: Stale."""
    source = (ROOT / mutant.file).read_text()
    if (times := source.count(mutant.before)) != 1:
        raise Stale(f"{mutant.breaks}: its text is {times} times in {mutant.file}")
    return source.replace(mutant.before, mutant.after)


@contextmanager
def planted(mutant: Mutant | None) -> Iterator[Path]:
    """A folder with the repository, and the mutant in it for the while. Raises: Stale."""
    changed = mutant.file.partition("/")[0] if mutant else None
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    with TemporaryDirectory() as name:
        folder = Path(name)
        for path in ROOT.iterdir():
            if path.name in (changed, "tests"):
                shutil.copytree(path, folder / path.name, ignore=ignored)
            elif not path.name.startswith("."):
                (folder / path.name).symlink_to(path)
        if mutant is not None:
            (folder / mutant.file).write_text(mutated(mutant))
        yield folder


def surroundings(folder: Path) -> dict[str, str]:
    """The environment in which Python takes the folder's code."""
    return {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
