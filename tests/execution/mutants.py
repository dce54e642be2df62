"""Seeded bugs: the fuzzer must find each of them in a copy of the compiler.

python -m tests.execution.mutants --jobs 2
python -m tests.execution.mutants "an integer may be too big"
"""

import argparse
import subprocess
import sys
from ast import literal_eval
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from tests.mutants.planting import Mutant, planted, surroundings

CASES = 20_000
"""After so many cases a mutant counts as not found."""
SEED = 1
SECONDS = 600
ASK = "from tests.execution.fuzz import first_difference; print(first_difference({}, {}))"


MUTANTS = [
    Mutant(
        "an integer may be too big",
        "execution/leaves.py",
        "    if value.__class__ is not int or not INT_MIN <= value <= INT_MAX:",
        "    if value.__class__ is not int:",
    ),
    Mutant(
        "generated code lets an integer be too big",
        "execution/leaves.py",
        'f"{{0}}.__class__ is not int or not {INT_MIN} <= {{0}} <= {INT_MAX}"',
        '"{}.__class__ is not int"',
    ),
    Mutant(
        "a float may be NaN",
        "execution/leaves.py",
        '"{0}.__class__ is not float or not isfinite({0})"',
        '"{0}.__class__ is not float"',
    ),
    Mutant(
        "a number may stand for an ID",
        "execution/leaves.py",
        'id(GraphQLID): (check_text, "{}.__class__ is not str")',
        'id(GraphQLID): (lambda value: value, "{}.__class__ not in (str, int)")',
    ),
    Mutant(
        "a boolean may be an integer",
        "execution/leaves.py",
        'id(GraphQLBoolean): (check_boolean, "{}.__class__ is not bool")',
        'id(GraphQLBoolean): (check_boolean, "not isinstance({}, int)")',
    ),
    Mutant(
        "a custom scalar may give null",
        "execution/leaves.py",
        "        if result is None or result is Undefined:",
        "        if result is Undefined:",
    ),
    Mutant(
        "an enum takes its names for values",
        "execution/leaves.py",
        "            name = coerce(value)\n",
        "            name = value if value in type_.values else coerce(value)\n",
    ),
    Mutant(
        "any class may be a source",
        "execution/builders.py",
        "isinstance(source, BaseException | GeneratorType | type | Failed)",
        "isinstance(source, GeneratorType | type)",
    ),
    Mutant(
        "null may be a source",
        "execution/builders.py",
        "            class_ is type(None)\n            or source is Undefined\n",
        "            source is Undefined\n",
    ),
    Mutant(
        "what the default resolver finds is not called",
        "execution/builders.py",
        "    if value.__class__ not in NEVER_AWAITED and callable(value):\n"
        "        raise IrregularValue\n",
        "",
    ),
    Mutant(
        "a mapping is read by its attributes",
        "execution/builders.py",
        "    elif isinstance(source, Mapping):\n        raise IrregularValue\n",
        "",
    ),
    Mutant(
        "a list may be any iterable, also in generated code",
        "execution/builders.py",
        'self.line(f"if {value}.__class__ is not list and {value}.__class__ is not tuple:")',
        "self.line(f\"if not hasattr({value}, '__iter__'):\")",
    ),
    Mutant(
        "null passes where nothing may be null",
        "execution/builders.py",
        "        if not shape.is_nullable:\n            return self._composite(shape, value)\n",
        "",
    ),
    Mutant(
        "is_type_of is not asked by generated code",
        "execution/builders.py",
        '            self.line(f"if {check}({source}, None) is not True:")',
        '            self.line(f"if {check} is None:")',
    ),
    Mutant(
        "is_type_of is not asked",
        "execution/completing.py",
        "            _check_type(plan.is_type_of(source, info))\n",
        "            plan.is_type_of(source, info)\n",
    ),
    Mutant(
        "the answer of is_type_of is left unawaited",
        "execution/completing.py",
        "        answer.close()  # graphql-core asks again\n",
        "        pass\n",
    ),
    Mutant(
        "an error in a list has the path of the list",
        "execution/running.py",
        "        return path if self.places is None else path.add_key(self.places[index], None)",
        "        return path",
    ),
    Mutant(
        "an error nulls the field, though it may not be null",
        "execution/completing.py",
        "    if column.is_nullable:\n        level.outputs[index][column.key] = None",
        "    if True:\n        level.outputs[index][column.key] = None",
    ),
    Mutant(
        "an error nulls the whole list, not the item",
        "execution/completing.py",
        "    if column.has_nullable_items:\n        items[place] = None",
        "    if False:\n        items[place] = None",
    ),
    Mutant(
        "an error at the root leaves the data",
        "execution/running.py",
        "        if path is None:\n            self.is_null = True\n",
        "        if path is None:\n",
    ),
    Mutant(
        "mutations go on after the answer has become null",
        "execution/running.py",
        "    if not run.is_null and (rest :=",
        "    if (rest :=",
    ),
    Mutant(
        "mutations run all at once",
        "execution/running.py",
        "    if serially and len(plan.columns) > 1:",
        "    if False:",
    ),
    Mutant(
        "a second mutation does not wait for the first",
        "execution/running.py",
        "            return _run_serially_after(run, pending, columns[position + 1 :], level)",
        "            columns = columns[position + 1 :]\n"
        "            rest = run_columns(run, columns, level) if columns else None\n"
        "            return together(run, [p for p in (pending, rest) if p is not None])",
    ),
    Mutant(
        "what failed while it was awaited is lost",
        "execution/running.py",
        "            values[index] = Failed(error)\n",
        "            values[index] = None\n",
    ),
    Mutant(
        "of several awaitables only the first is awaited",
        "execution/running.py",
        "    for task in tasks:\n        await task",
        "    for task in tasks[:1]:\n        await task",
    ),
    Mutant(
        "an error inside of an awaited value is located nowhere",
        "execution/completing.py",
        "    return located_error(error, column.nodes, path.as_list())",
        "    return located_error(error, None, path.as_list())",
    ),
    Mutant(
        "only the first node of a merged field is told",
        "execution/analysis.py",
        "            nodes=[detail.node for detail in details],",
        "            nodes=[details[0].node],",
    ),
    Mutant(
        "all objects of an abstract type are taken for the first",
        "execution/completing.py",
        "    plan = column.objects.get(found) if found.__class__ is str else None\n",
        "    plan = next(iter(column.objects.values())) if found in column.objects else None\n",
    ),
    Mutant(
        "sources of a level are filed under the first level",
        "execution/completing.py",
        "            level = self._levels.get(plan) or self._level_of(plan)\n"
        "            level.sources.append(source)\n",
        "            level = next(iter(self._levels.values()), None) or self._level_of(plan)\n"
        "            level.sources.append(source)\n",
    ),
    Mutant(
        "objects of a list that is built at once belong to the first parent",
        "execution/completing.py",
        "            level.parents.extend([parent] * len(outputs))",
        "            level.parents.extend([0] * len(outputs))",
    ),
    Mutant(
        "places in a list that is built at once begin with 1",
        "execution/completing.py",
        "            level.places.extend(range(len(outputs)))",
        "            level.places.extend(range(1, len(outputs) + 1))",
    ),
    Mutant(
        "the value of @skip is remembered from the first run",
        "execution/operation.py",
        "        variant = self._variants.get(key)  # type: ignore[arg-type]",
        "        variant = next(iter(self._variants.values()), None)",
    ),
    Mutant(
        "null for @skip is false",
        "execution/operation.py",
        "any(v.__class__ is not bool for v in key)",
        "False",
    ),
    Mutant(
        "a list may hold a variable that is missing",
        "execution/arguments.py",
        "        if any(value is Undefined for value in values):",
        "        if False:",
    ),
    Mutant(
        "a variable gives way to the default",
        "execution/arguments.py",
        "        fill(variables) if name in variables else coerce_default_value(argument)",
        "        fill(variables) if name not in variables else coerce_default_value(argument)",
    ),
    Mutant(
        "null is taken for an argument that may not be null",
        "execution/arguments.py",
        "        if is_required and (value is None or value is Undefined):",
        "        if is_required and value is Undefined:",
    ),
    Mutant(
        "variables inside of an input are passed over",
        "execution/arguments.py",
        "            if fill is not None and (variable is None or variable in variables):",
        "            if fill is not None and variable is None:",
    ),
    Mutant(
        "a variable may hold fields that its input does not have",
        "execution/variables.py",
        "        if value.__class__ is not dict or not value.keys() <= type_.fields.keys():",
        "        if value.__class__ is not dict:",
    ),
    Mutant(
        "a oneOf input in a variable may have two fields, or none",
        "execution/variables.py",
        "            len(value) != 1 or len(result) != 1"
        " or any(item is None for item in result.values())",
        "            False",
    ),
    Mutant(
        "null is taken for a variable that may not be null",
        "execution/variables.py",
        "    def coerced(value: Any) -> Any:\n"
        "        if value is None:\n"
        "            raise IrregularValue\n"
        "        return coerce(value)\n",
        "    def coerced(value: Any) -> Any:\n"
        "        return None if value is None else coerce(value)\n",
    ),
    Mutant(
        "a variable that has a default may be left out, and is then missing",
        "execution/variables.py",
        "                elif default is not Undefined:\n"
        "                    values[name] = default\n",
        "",
    ),
    Mutant(
        "permissions and extensions of a field are passed over",
        "execution/strawberry_fields.py",
        "            not field.extensions\n            and not",
        "            not",
    ),
    Mutant(
        "inputs stay dictionaries",
        "execution/strawberry_fields.py",
        "            return class_(**arguments)\n",
        "            return arguments\n",
    ),
    Mutant(
        "a resolver of Strawberry does not get its parent by name",
        "execution/strawberry_fields.py",
        "            parent_names=tuple(dict.fromkeys(names)),\n",
        "            parent_names=(),\n",
    ),
]


def found(mutant: Mutant | None, cases: int) -> tuple[int, str] | None:
    """After how many cases the mutant is found, and how; None when it is not. Raises: Stale.

    Without a mutant, what is found in the compiler as it is.
    """
    with planted(mutant) as folder:
        asked = subprocess.run(
            [sys.executable, "-c", ASK.format(SEED, cases)],
            cwd=folder,
            env=surroundings(folder),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    if asked.returncode:
        raise RuntimeError(f"{mutant and mutant.breaks}: the fuzzer broke\n{asked.stderr[-2000:]}")
    answer: tuple[int, str] | None = literal_eval(asked.stdout)
    return answer


def main() -> int:
    """The command line; 1 when a mutant is not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("breaks", nargs="*", help="only those with these words")
    arguments = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if not arguments.breaks or any(words in mutant.breaks for words in arguments.breaks)
    ]
    if (answer := found(None, arguments.cases)) is not None:
        print(f"The compiler itself has a difference: {answer}")
        return 1
    table = Table("mutant", "found after", "how")
    missed = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        answers = pool.map(lambda mutant: found(mutant, arguments.cases), chosen)
        for mutant, answer in zip(chosen, answers, strict=True):
            cases, how = answer or (arguments.cases, "not found")
            missed += answer is None
            print(f"{cases}: {mutant.breaks}: {' '.join(how.split())[:120]}", flush=True)
            table.add_row(mutant.breaks, f"{cases} cases", " ".join(how.split())[:60])
    Console(width=140).print(table)
    print(f"{len(chosen) - missed} of {len(chosen)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
