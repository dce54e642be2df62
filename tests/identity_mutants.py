"""Seeded bugs in what tells who asks: the tests must find them.

Each mutant changes one node of the syntax tree: a comparison, a condition, a number, a refusal that
is left out. The tests of its module run on a copy until the first of them fails.

python -m tests.identity_mutants --jobs 2 [--sample 20] [identity claims keys router]
"""

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SECONDS = 120
"""A mutant that hangs is found too."""
TESTS = {
    "claims": ["test_identity", "test_bad_tokens", "test_router"],
    "identity": ["test_identity", "test_bad_tokens", "test_keys"],
    "keys": ["test_keys", "test_identity"],
    "router": ["test_router"],
}
SKIPPED = "5000"
"""The fuzzer is slow, and finds what the table finds."""
FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


class Mutant(NamedTuple):
    """A module with one change, and where it is."""

    module: str
    change: str
    source: str


def mutants(module: str) -> Iterator[Mutant]:
    """Every change of a module."""
    tree = ast.parse((ROOT / "server" / f"{module}.py").read_text())
    for place, node in enumerate(ast.walk(tree)):
        for number, mutated in enumerate(_changes(node)):
            changed = copy.deepcopy(tree)
            target = list(ast.walk(changed))[place]
            new = list(_changes(target))[number]
            target.__class__, target.__dict__ = new.__class__, new.__dict__
            line = getattr(node, "lineno", 0)
            said = f"{module}.py:{line}: {_short(node)} -> {_short(mutated)}"
            yield Mutant(module, said, ast.unparse(ast.fix_missing_locations(changed)))


def chosen(module: str, sample: int | None) -> list[Mutant]:
    """The mutants of a module, or some of them."""
    every = list(mutants(module))
    return every if sample is None else random.Random(1).sample(every, min(sample, len(every)))


def is_found(mutant: Mutant) -> bool:
    """Whether a test fails on a copy that has the mutant."""
    with TemporaryDirectory() as folder:
        copied = Path(folder)
        for name in ("server", "tests", "docs"):
            shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("node_*"))
        for path in ROOT.iterdir():
            if not (copied / path.name).exists() and not path.name.startswith("."):
                (copied / path.name).symlink_to(path)
        (copied / "server" / f"{mutant.module}.py").write_text(mutant.source)
        tests = [f"tests/{name}.py" for name in TESTS[mutant.module]]
        asked = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [*asked, "-k", f"not {SKIPPED}", *tests],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return True
    return done.returncode != 0


def main() -> int:
    """The command line; 1 when less than nine in ten are found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", type=int, help="so many of each module, always the same ones")
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    arguments = parser.parse_args()
    every = [mutant for module in arguments.modules for mutant in chosen(module, arguments.sample)]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        answers = list(zip(every, pool.map(_told, every), strict=True))
    found = sum(is_found for _, is_found in answers)
    print(f"{found} of {len(every)} found")
    return 1 if found < 0.9 * len(every) else 0


def _told(mutant: Mutant) -> bool:
    found = is_found(mutant)
    if not found:
        print(f"not found: {mutant.change}", flush=True)
    return found


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare):
        flipped = [FLIPPED[type(node.ops[0])](), *node.ops[1:]]
        yield ast.Compare(node.left, flipped, node.comparators)
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other_sign = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield ast.BinOp(node.left, other_sign, node.right)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield ast.Constant(value)
    elif isinstance(node, ast.If | ast.While):
        yield ast.If(ast.Constant(False), node.body, node.orelse)
    elif isinstance(node, ast.Raise):
        yield ast.Pass()


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(ast.fix_missing_locations(node)).split())[:90]


if __name__ == "__main__":
    sys.exit(main())
