"""The SDL composes with other teams' subgraphs, in the composers of three gateways."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schema.roots import build_schema
from schema.sdl import Profile
from server.supergraph import Holder, holders
from tests.gateway.gateways import FOLDER, SUBGRAPHS, compose, playlists_for
from tests.node import install

PLAYLISTS = playlists_for(Profile.ROUTER)
COMPOSERS = [
    "@apollo/composition",
    "@theguild/federation-composition",
    "@wundergraph/composition",
]

Compose = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def composed(tmp_path: Path) -> Compose:
    """Composes our SDL with the others: the exit code, and what each composer says."""
    install(FOLDER)
    addresses = {name: f"http://{name}/graphql" for name in SUBGRAPHS}
    supergraph = tmp_path / "supergraph.graphql"
    return lambda **sdls: compose(tmp_path, supergraph, addresses, sdls)


@pytest.mark.parametrize("profile", Profile)
def test_users_compose_with_playlists_and_likes(composed: Compose, profile: Profile) -> None:
    code, results = composed(users=build_schema(profile).sdl, playlists=playlists_for(profile))
    assert results == [{"name": name, "ok": True, "errors": [], "hints": []} for name in COMPOSERS]
    assert code == 0


def test_users_compose_by_handle_too(composed: Compose) -> None:
    by_handle = changed(
        'fields: "id") {\n  id: ID!\n  displayName',
        'fields: "handle") {\n  handle: String\n  displayName',
    )
    code, results = composed(users=build_schema(Profile.ROUTER).sdl, playlists=by_handle)
    assert [result["errors"] for result in results] == [[], [], []]
    assert code == 0


@pytest.mark.parametrize(
    ("before", "after", "error", "cosmo_error"),
    [
        pytest.param(
            'type User @key(fields: "id") {\n  id: ID!',
            'type User @key(fields: "email") {\n  email: String!',
            'using @key(fields: "email") of "User", the key field(s) cannot be resolved',
            'does not satisfy the key field set "email" to access subgraph "playlists"',
            id="a key that users do not have",
        ),
        pytest.param(
            "displayName",
            "realName",
            'Field "User.realName" is marked @external on all the subgraphs',
            'declared "@external" on all instances of that field:\n "realName"',
            id="a field that users do not have",
        ),
        pytest.param(
            "displayName: String @external",
            "displayName: Int @external",
            'it has type "String" in subgraph "users" but type "Int"',
            '"User.displayName" could not be federated due to incompatible types',
            id="another type than users give it",
        ),
        pytest.param(
            "playlists(first: Int)",
            "bio: String\n  playlists(first: Int)",
            'Non-shareable field "User.bio" is resolved from multiple subgraphs',
            'The field "bio" is defined in the following subgraphs: "users", "playlists"',
            id="a field that is ours",
        ),
    ],
)
def test_a_subgraph_that_does_not_fit_is_refused(
    composed: Compose, before: str, after: str, error: str, cosmo_error: str
) -> None:
    playlists = changed(before, after)
    code, results = composed(users=build_schema(Profile.ROUTER).sdl, playlists=playlists)
    assert [(result["name"], result["ok"]) for result in results] == [
        (name, False) for name in COMPOSERS
    ]
    for result, expected in zip(results, (error, error, cosmo_error), strict=True):
        assert any(expected in found for found in result["errors"])
    assert code == 1


HANDLER = '  erasePlaylistsOf(userId: ID!): Boolean @inaccessible @tag(name: "erases-user")\n'


def test_the_supergraph_tells_who_forgets_users_and_how(composed: Compose, tmp_path: Path) -> None:
    users = build_schema().sdl
    assert composed(users=users)[0] == 0
    supergraph = (tmp_path / "supergraph.graphql").read_text()
    likes = Holder("likes", "Mutation.eraseLikesOf")
    assert holders(supergraph, but_not="users") == [
        likes,
        Holder("playlists", "Mutation.erasePlaylistsOf"),
    ]
    assert composed(users=users, playlists=changed(HANDLER, ""))[0] == 0
    supergraph = (tmp_path / "supergraph.graphql").read_text()
    assert holders(supergraph, but_not="users") == [likes, Holder("playlists", None)]


def changed(before: str, after: str) -> str:
    """The other subgraph with one thing said differently."""
    assert before in PLAYLISTS
    return PLAYLISTS.replace(before, after)
