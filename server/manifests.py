"""Manifests of trusted documents, as Apollo, Relay and graphql-codegen write them.

Source: GraphQL over HTTP, appendix "Persisted Documents", for the syntax of identifiers.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    parse,
    validate,
)

APOLLO_FORMAT = "apollo-persisted-query-manifest"
EXPECTED = (
    f'expected {{"format": "{APOLLO_FORMAT}", "version": 1, "operations": [...]}} of Apollo, '
    "or one object {id: document} of Relay or graphql-codegen"
)
MAX_ID_LENGTH = 256
MAX_PROBLEMS = 20
# Prefixes other than these two are reserved by the specification.
ID_SYNTAX = re.compile(
    r"sha256:[0-9a-f]{64} | x-[A-Za-z0-9._~-]+:[A-Za-z0-9._~-]+ | [A-Za-z0-9._~-]+", re.VERBOSE
)


class ManifestError(Exception):
    """A manifest that cannot be trusted; one line for each problem, saying where it is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One document as the manifest has it: not checked, of any type."""

    place: str
    id: Any
    text: Any
    name: Any = None
    type: Any = None


def read_manifest(path: Path, schema: GraphQLSchema | None = None) -> Mapping[str, str]:
    """The documents of a manifest by id; with a schema, only such as are valid in it.

    Raises: ManifestError.
    """
    documents: dict[str, str] = {}
    problems: list[str] = []
    for entry in _entries(_json(path), path):
        found = list(_problems(entry, schema))
        if not found and documents.setdefault(entry.id, entry.text) != entry.text:
            found = ["another document has the same id"]
        problems += (f"{path}: {entry.place}: {problem}" for problem in found)
    if problems:
        more = len(problems) - MAX_PROBLEMS
        told = [*problems[:MAX_PROBLEMS], f"{path}: and {more} more problems"]
        raise ManifestError("\n".join(told if more > 0 else problems))
    if not documents:
        raise ManifestError(f"{path}: expected at least one document, got none")
    return documents


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as it is written: a key may come twice."""


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_Pairs)
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: is not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ManifestError(f"{path}: is not JSON at {place}: {error.msg}") from error
    except (RecursionError, ValueError) as error:
        raise ManifestError(f"{path}: {EXPECTED}; got JSON that is nested or long") from error


def _entries(manifest: Any, path: Path) -> Iterator[Entry]:
    if not isinstance(manifest, _Pairs):
        raise ManifestError(f"{path}: {EXPECTED}; got {_kind(manifest)}")
    fields = dict(manifest)
    if isinstance(fields.get("operations"), list) or fields.get("format") == APOLLO_FORMAT:
        return _apollo_entries(fields, path)
    return (
        Entry(f'document {index} ("{_shortened(id)}")', id, text)
        for index, (id, text) in enumerate(manifest, 1)
    )


def _apollo_entries(fields: Mapping[str, Any], path: Path) -> Iterator[Entry]:
    for name, wanted in (("format", APOLLO_FORMAT), ("version", 1)):
        if fields.get(name) != wanted:
            got = _shortened(json.dumps(fields.get(name)))
            raise ManifestError(f'{path}: expected "{name}": {json.dumps(wanted)}, got {got}')
    operations = fields.get("operations")
    if not isinstance(operations, list):
        raise ManifestError(f'{path}: expected "operations" to be a list, got {_kind(operations)}')
    return (_apollo_entry(index, operation) for index, operation in enumerate(operations))


def _apollo_entry(index: int, operation: Any) -> Entry:
    place = f"operations[{index}]"
    if not isinstance(operation, _Pairs):
        return Entry(place, None, operation)
    fields = dict(operation)
    name = fields.get("name")
    if isinstance(name, str):
        place += f' ("{_shortened(name)}")'
    return Entry(place, fields.get("id"), fields.get("body"), name, fields.get("type"))


def _problems(entry: Entry, schema: GraphQLSchema | None) -> Iterator[str]:
    if not isinstance(entry.text, str):
        yield f"expected the text of a document, got {_kind(entry.text)}"
        return
    yield from _id_problems(entry)
    try:
        document = parse(entry.text)
    except GraphQLError as error:
        yield _located(error)
        return
    yield from _operation_problems(entry, document)
    if schema is not None:
        yield from map(_located, validate(schema, document))


def _id_problems(entry: Entry) -> Iterator[str]:
    if not isinstance(entry.id, str):
        yield f"expected an id, got {_kind(entry.id)}"
    elif len(entry.id) > MAX_ID_LENGTH or not ID_SYNTAX.fullmatch(entry.id):
        yield (
            "expected the id to be sha256: and 64 hexadecimal digits, or at most "
            f"{MAX_ID_LENGTH} letters, digits and -._~"
        )
    elif entry.id.startswith("sha256:"):
        actual = hashlib.sha256(entry.text.encode(errors="surrogatepass")).hexdigest()
        if entry.id != f"sha256:{actual}":
            yield f"the document was changed: its id would be sha256:{actual}"


def _operation_problems(entry: Entry, document: DocumentNode) -> Iterator[str]:
    operations = [
        (node.name.value if node.name else None, node.operation.value)
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
    ]
    if len(operations) != 1:
        yield f"expected one operation, got {len(operations)}"
        return
    for wanted, actual, what in zip(
        (entry.name, entry.type), operations[0], ("name", "type"), strict=True
    ):
        if wanted is not None and wanted != actual:
            yield f"expected an operation of the {what} {json.dumps(wanted)}, got {actual}"


def _located(error: GraphQLError) -> str:
    where = "".join(f" ({place.line}:{place.column})" for place in (error.locations or [])[:1])
    return f"{error.message}{where}"


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _kind(value: Any) -> str:
    names: dict[type, str] = {_Pairs: "an object", list: "a list", str: "a string"}
    return names.get(type(value)) or json.dumps(value)
