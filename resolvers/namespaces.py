"""Namespaces: what each client team keeps of a user, by a JSON Schema with defaults; from files.

A file may use a few keywords of JSON Schema, those of `shipped/namespace.schema.json`: none that
leads elsewhere (`$ref`), takes long (`pattern`), or lets in what the schema does not name.

Source: JSON Schema, draft 2020-12.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.exceptions import best_match

from resolvers import rules
from resolvers.errors import Refusal

SHIPPED = Path(__file__).parent / "shipped"
LOCAL_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
MOST_PROBLEMS = 10

Values = Mapping[str, Any]


class UnusableNamespaces(ValueError):
    """A file holds no namespace of preferences; the message says where it is wrong."""


class Problem(NamedTuple):
    """A value that breaks its schema: where, which rule, and what was expected."""

    path: tuple[str, ...]
    rule: str
    expected: str


@dataclass(frozen=True, eq=False)
class Namespace:
    """What a team keeps of a user, and the clients that may write it.

    `upcasts` are the steps from each older version of the schema to the next one.
    """

    name: str
    owner: str
    clients: frozenset[str]
    schema_version: int
    schema: Mapping[str, Any]
    validator: Draft202012Validator
    upcasts: Mapping[int, Sequence[Values]]

    def upcast(self, values: Values, version: int) -> dict[str, Any]:
        """The values of an older version as this one has them; those of a newer one as they are."""
        current = dict(values)
        for older in range(version, self.schema_version):
            for step in self.upcasts[older]:
                _take(step, current)
        return current

    def filled(self, values: Values) -> dict[str, Any]:
        """The values, with defaults for what is not set."""
        filled: dict[str, Any] = _filled(self.schema, values)
        return filled

    def problems(self, values: Values) -> list[Problem]:
        """What breaks the schema, the first ones."""
        errors = sorted(self.validator.iter_errors(values), key=lambda error: error.json_path)
        found = [problem for error in errors for problem in _problems(error)]
        return found[:MOST_PROBLEMS]


Namespaces = Mapping[str, Namespace]
"""Namespaces by name, sorted."""


@cache
def shipped_namespaces() -> Namespaces:
    """The samples that come with the code."""
    return read_namespaces(SHIPPED / "preferences")


def read_namespaces(folder: Path) -> Namespaces:
    """The namespaces in a folder, one in each `.json` file. Raises: UnusableNamespaces."""
    if not folder.is_dir():
        raise UnusableNamespaces(f"{folder}: expected a folder")
    namespaces: dict[str, Namespace] = {}
    for path in sorted(folder.glob("*.json")):
        namespace = _read(path)
        if namespace.name in namespaces:
            raise UnusableNamespaces(f"{path}: there is a namespace {namespace.name!r} already")
        namespaces[namespace.name] = namespace
    return MappingProxyType(dict(sorted(namespaces.items())))


def _read(path: Path) -> Namespace:
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise UnusableNamespaces(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UnusableNamespaces(f"{path}: expected JSON: {error}") from error
    problem = best_match(_form().iter_errors(document))
    if problem is not None:
        raise UnusableNamespaces(f"{path}: {problem.json_path}: {problem.message}")
    namespace = _namespace(document)
    for wrong in _contradictions(namespace):
        raise UnusableNamespaces(f"{path}: {wrong}")
    return namespace


def _namespace(document: Mapping[str, Any]) -> Namespace:
    schema = document["schema"]
    return Namespace(
        name=document["namespace"],
        owner=document["owner"],
        clients=frozenset(document["clients"]),
        schema_version=document["schemaVersion"],
        schema=schema,
        validator=Draft202012Validator(schema, format_checker=_formats()),
        upcasts={upcast["from"]: upcast["steps"] for upcast in document.get("upcasts", ())},
    )


def _contradictions(namespace: Namespace) -> Iterator[str]:
    """What no form can tell."""
    older = set(range(1, namespace.schema_version))
    if namespace.upcasts.keys() != older:
        yield f"expected upcasts from each of the versions {sorted(older)}"
    for path, rule, expected in namespace.problems(namespace.filled({})):
        yield f"the default of {'.'.join(path)} breaks {rule}: expected {expected}"


def _take(step: Values, values: dict[str, Any]) -> None:
    """Takes one step from a version to the next, in place."""
    name = step.get("rename") or step.get("remove") or step["map"]
    if name not in values:
        return
    if "map" in step:
        known = values[name]
        same = (after for before, after in step["values"] if _equal(before, known))
        values[name] = next(same, known)
        return
    value = values.pop(name)
    if "rename" in step:
        values[step["to"]] = value


def _equal(one: Any, other: Any) -> bool:
    """Whether JSON values are the same; in Python true would be 1."""
    return type(one) is type(other) and one == other


def _filled(schema: Values, value: Any) -> Any:
    """The value with the defaults of what is missing, at every depth of objects."""
    if schema["type"] != "object" or not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, below in schema["properties"].items():
        if name in filled:
            filled[name] = _filled(below, filled[name])
        elif "default" in below:
            filled[name] = deepcopy(below["default"])
        elif below["type"] == "object" and (defaults := _filled(below, {})):
            filled[name] = defaults
    return filled


def _problems(error: ValidationError) -> Iterator[Problem]:
    keyword = str(error.validator)
    path = tuple(map(str, error.absolute_path))
    rule, expected = KEYWORDS[keyword]
    if keyword == "additionalProperties":
        schema: Any = error.schema
        instance: Any = error.instance
        for name in sorted(instance.keys() - schema["properties"].keys()):
            yield Problem((*path, name), rule, expected(error.validator_value))
    else:
        yield Problem(path, rule, expected(error.validator_value))


KEYWORDS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "type": ("TYPE", lambda value: f"a value of type {value}"),
    "enum": ("ENUM", lambda value: f"one of {', '.join(value)}"),
    "minimum": ("MINIMUM", lambda value: f"at least {value}"),
    "maximum": ("MAXIMUM", lambda value: f"at most {value}"),
    "minLength": ("MIN_LENGTH", lambda value: f"at least {value} characters"),
    "maxLength": ("MAX_LENGTH", lambda value: f"at most {value} characters"),
    "minItems": ("MIN_ITEMS", lambda value: f"at least {value} items"),
    "maxItems": ("MAX_ITEMS", lambda value: f"at most {value} items"),
    "uniqueItems": ("UNIQUE_ITEMS", lambda _: "each item once"),
    "format": ("FORMAT", lambda value: f"a value of the format {value}"),
    "additionalProperties": ("UNKNOWN", lambda _: "a preference that the schema names"),
}
"""The rule for each keyword, and what to say of it."""


@cache
def _form() -> Draft202012Validator:
    """What a file has to look like."""
    return Draft202012Validator(json.loads((SHIPPED / "namespace.schema.json").read_text()))


@cache
def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    checker.checks("local-time")(lambda value: LOCAL_TIME.fullmatch(value) is not None)
    checker.checks("color", raises=Refusal)(lambda value: rules.color(value) == value)
    checker.checks("time-zone", raises=Refusal)(lambda value: rules.time_zone(value) == value)
    return checker
