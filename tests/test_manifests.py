"""Manifests of trusted documents: what the tools write is read, anything else is refused."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from graphql import GraphQLSchema

from schema.roots import build_schema
from schema.sdl import Profile
from server.manifests import ManifestError, read_manifest
from tests.node import install

TOOLS = Path(__file__).parent / "manifests"
SDL = Path(__file__).parent.parent / "schema" / "schema.graphql"
VIEWER = "query Viewer { viewer { user { id } } }"
BLOCK = "mutation Block($id: ID!) { block(input: {userId: $id}) { errors { code } } }"
APOLLO = {"format": "apollo-persisted-query-manifest", "version": 1}
OPERATION = {"id": "1", "name": "Viewer", "type": "query", "body": VIEWER}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(Profile.PORTABLE).graphql


@pytest.fixture(scope="module")
def tools() -> Path:
    """The folder of the installed manifest tools of Apollo and Relay."""
    install(TOOLS)
    return TOOLS / "node_modules" / ".bin"


def run(command: list[str | Path], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def written(folder: Path, manifest: Any) -> Path:
    path = folder / "manifest.json"
    path.write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
    return path


def refusal(path: Path, schema: GraphQLSchema | None = None) -> str:
    """What is told about a manifest, without its path."""
    with pytest.raises(ManifestError) as refused:
        read_manifest(path, schema)
    return str(refused.value).replace(f"{path}: ", "")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_manifest_of_apollos_tool_is_read(
    tools: Path, tmp_path: Path, schema: GraphQLSchema
) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "viewer.graphql").write_text("query Viewer { viewer { user { ...Card } } }")
    (source / "card.graphql").write_text("fragment Card on User { id handle }")
    (source / "block.graphql").write_text(BLOCK)
    run([tools / "generate-persisted-query-manifest"], tmp_path)
    documents = read_manifest(tmp_path / "persisted-query-manifest.json", schema)
    assert [text.split("(")[0].split(" {")[0] for text in documents.values()] == [
        "mutation Block",
        "query Viewer",
    ]
    assert "fragment Card on User" in documents[list(documents)[1]]
    assert list(documents) == [sha256(text) for text in documents.values()]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA256"])
def test_a_manifest_of_relays_compiler_is_read(
    tools: Path, tmp_path: Path, schema: GraphQLSchema, algorithm: str
) -> None:
    persisting = {"file": "./persisted.json", "algorithm": algorithm}
    config = {
        "src": "./src",
        "schema": str(SDL),
        "language": "javascript",
        "persistConfig": persisting,
    }
    (tmp_path / "relay.config.json").write_text(json.dumps(config))
    (tmp_path / "persisted.json").write_text("{}")
    source = tmp_path / "src"
    source.mkdir()
    (source / "App.js").write_text(
        'const { graphql } = require("react-relay");\n'
        "graphql`query AppQuery { viewer { user { ...App_card } } }`;\n"
        "graphql`fragment App_card on User { id handle }`;\n"
    )
    run([tools / "relay-compiler"], tmp_path)
    [(id, text)] = read_manifest(tmp_path / "persisted.json", schema).items()
    assert text.startswith("query AppQuery {\n  viewer {\n    user {\n      ...App_card\n")
    assert id == hashlib.new(algorithm.lower(), text.encode()).hexdigest()


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param({**APOLLO, "operations": [OPERATION]}, id="Apollo"),
        pytest.param({"1": VIEWER}, id="Relay"),
        pytest.param({f"sha256:{sha256(VIEWER)}": VIEWER}, id="graphql-codegen"),
        pytest.param(f'{{"1": {json.dumps(VIEWER)}, "1": {json.dumps(VIEWER)}}}', id="twice"),
        pytest.param({**APOLLO, "operations": [OPERATION, OPERATION]}, id="twice in Apollo's"),
    ],
)
def test_documents_are_read_as_they_are_written(
    tmp_path: Path, schema: GraphQLSchema, manifest: Any
) -> None:
    assert list(read_manifest(written(tmp_path, manifest), schema).values()) == [VIEWER]


EXPECTED = (
    'expected {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [...]} '
    "of Apollo, or one object {id: document} of Relay or graphql-codegen; got "
)
ID_EXPECTED = (
    "expected the id to be sha256: and 64 hexadecimal digits, or at most 256 letters, "
    "digits and -._~"
)


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ("[]", EXPECTED + "a list"),
        ("null", EXPECTED + "null"),
        ('"' + VIEWER + '"', EXPECTED + "a string"),
        ("", "is not JSON at line 1, column 1: Expecting value"),
        (
            '{\n  "1": }',
            "is not JSON at line 2, column 8: Expecting value",
        ),
        ("[" * 200_000, EXPECTED + "JSON that is nested or long"),
        ("9" * 10_000, EXPECTED + "JSON that is nested or long"),
        ("{}", "expected at least one document, got none"),
        ({**APOLLO, "operations": []}, "expected at least one document, got none"),
        (APOLLO, 'expected "operations" to be a list, got null'),
        ({**APOLLO, "version": 2, "operations": []}, 'expected "version": 1, got 2'),
        (
            {"operations": [OPERATION]},
            'expected "format": "apollo-persisted-query-manifest", got null',
        ),
        (
            {**APOLLO, "operations": [VIEWER, 5]},
            "operations[0]: expected an id, got null\n"
            "operations[1]: expected the text of a document, got 5",
        ),
        (
            {**APOLLO, "operations": [{**OPERATION, "name": "Me", "type": "mutation"}]},
            'operations[0] ("Me"): expected an operation of the name "Me", got Viewer\n'
            'operations[0] ("Me"): expected an operation of the type "mutation", got query',
        ),
        (
            {**APOLLO, "operations": [OPERATION, {**OPERATION, "body": "query Viewer { a }"}]},
            'operations[1] ("Viewer"): another document has the same id',
        ),
        (
            f'{{"1": {json.dumps(VIEWER)}, "1": {json.dumps(BLOCK)}}}',
            'document 2 ("1"): another document has the same id',
        ),
        (
            {"1": {"text": VIEWER}},
            'document 1 ("1"): expected the text of a document, got an object',
        ),
        ({"": VIEWER}, f'document 1 (""): {ID_EXPECTED}'),
        ({"a b": VIEWER}, f'document 1 ("a b"): {ID_EXPECTED}'),
        ({"md5:1": VIEWER}, f'document 1 ("md5:1"): {ID_EXPECTED}'),
        ({"1\n": VIEWER}, f'document 1 ("1\n"): {ID_EXPECTED}'),
        ({"x" * 257: VIEWER}, f'document 1 ("{"x" * 37}..."): {ID_EXPECTED}'),
        (
            {f"sha256:{sha256(BLOCK)}": VIEWER},
            'document 1 ("sha256:' + sha256(BLOCK)[:30] + '..."): the document was changed: '
            f"its id would be sha256:{sha256(VIEWER)}",
        ),
        (
            {"1": "query {\n  viewer {"},
            'document 1 ("1"): Syntax Error: Expected Name, found <EOF>. (2:11)',
        ),
        (
            {"1": "{a" * 20_000},
            'document 1 ("1"): Syntax Error: Document is nested too deeply. Parsing aborted. '
            "(1:401)",
        ),
        ({"1": "fragment F on User { id }"}, 'document 1 ("1"): expected one operation, got 0'),
        ({"1": f"{VIEWER} {BLOCK}"}, 'document 1 ("1"): expected one operation, got 2'),
    ],
)
def test_what_no_tool_writes_is_refused(tmp_path: Path, manifest: Any, says: str) -> None:
    assert refusal(written(tmp_path, manifest)) == says


def test_all_documents_that_do_not_fit_the_schema_are_told(
    tmp_path: Path, schema: GraphQLSchema
) -> None:
    manifest = {
        "1": VIEWER,
        "2": "query { viewer { nope } }",
        "3": "query { nope user { id } }",
    }
    path = written(tmp_path, manifest)
    assert refusal(path, schema).splitlines() == [
        "document 2 (\"2\"): Cannot query field 'nope' on type 'Viewer'. (1:18)",
        "document 3 (\"3\"): Cannot query field 'nope' on type 'Query'. (1:9)",
        "document 3 (\"3\"): Argument 'Query.user(by:)' of type 'UserBy!' is required, "
        "but it was not provided. (1:14)",
    ]
    assert dict(read_manifest(path)) == manifest


def test_a_long_list_of_problems_is_cut(tmp_path: Path) -> None:
    lines = refusal(written(tmp_path, {str(number): "{" for number in range(30)})).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "and 10 more problems"


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes('{"1": "é"}'.encode("latin-1"))
    assert refusal(tmp_path / "none.json") == "cannot be read: No such file or directory"
    assert refusal(tmp_path) == "cannot be read: Is a directory"
    assert refusal(tmp_path / "latin.json") == "is not UTF-8 at byte 7"
