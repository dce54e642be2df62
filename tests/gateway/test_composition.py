"""The SDL composes with another team's subgraph, in the composers of two gateways."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schema.roots import build_schema
from schema.sdl import Profile
from tests.node import install

FOLDER = Path(__file__).parent
PLAYLISTS = (FOLDER / "playlists.graphql").read_text()
COMPOSERS = ["@apollo/composition", "@theguild/federation-composition"]

Compose = Callable[[str, str], tuple[int, list[dict[str, Any]]]]


@pytest.fixture(scope="session")
def composers() -> Path:
    """The script that runs both composers, with what it needs installed."""
    install(FOLDER)
    return FOLDER / "compose.mjs"


@pytest.fixture
def compose(composers: Path, tmp_path: Path) -> Compose:
    """Composes two SDL texts: the exit code, and what each composer says."""

    def run(*sdls: str) -> tuple[int, list[dict[str, Any]]]:
        paths = [tmp_path / f"subgraph{index}.graphql" for index in range(len(sdls))]
        for path, sdl in zip(paths, sdls, strict=True):
            path.write_text(sdl)
        command = ["node", str(composers), *map(str, paths)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.mark.parametrize("profile", Profile)
def test_users_compose_with_playlists(compose: Compose, profile: Profile) -> None:
    code, results = compose(build_schema(profile).sdl, PLAYLISTS)
    assert results == [{"name": name, "ok": True, "errors": [], "hints": []} for name in COMPOSERS]
    assert code == 0


def test_users_compose_by_handle_too(compose: Compose) -> None:
    by_handle = changed(
        'fields: "id") {\n  id: ID!\n  displayName',
        'fields: "handle") {\n  handle: String\n  displayName',
    )
    code, results = compose(build_schema(Profile.ROUTER).sdl, by_handle)
    assert [result["errors"] for result in results] == [[], []]
    assert code == 0


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        pytest.param(
            'type User @key(fields: "id") {\n  id: ID!',
            'type User @key(fields: "email") {\n  email: String!',
            'using @key(fields: "email") of "User", the key field(s) cannot be resolved',
            id="a key that users do not have",
        ),
        pytest.param(
            "displayName",
            "realName",
            'Field "User.realName" is marked @external on all the subgraphs',
            id="a field that users do not have",
        ),
        pytest.param(
            "displayName: String @external",
            "displayName: Int @external",
            'it has type "String" in subgraph "subgraph0" but type "Int"',
            id="another type than users give it",
        ),
        pytest.param(
            "playlists(first: Int)",
            "bio: String\n  playlists(first: Int)",
            'Non-shareable field "User.bio" is resolved from multiple subgraphs',
            id="a field that is ours",
        ),
    ],
)
def test_a_subgraph_that_does_not_fit_is_refused(
    compose: Compose, before: str, after: str, error: str
) -> None:
    code, results = compose(build_schema(Profile.ROUTER).sdl, changed(before, after))
    assert [(result["name"], result["ok"]) for result in results] == [
        (name, False) for name in COMPOSERS
    ]
    for result in results:
        assert any(error in found for found in result["errors"])
    assert code == 1


def changed(before: str, after: str) -> str:
    """The other subgraph with one thing said differently."""
    assert before in PLAYLISTS
    return PLAYLISTS.replace(before, after)
