"""The explorer's routes: what the page is told, under which headers, and that examples work."""

from pathlib import Path
from typing import Any

import pytest
from graphql import build_client_schema, get_introspection_query, parse, validate
from httpx import ASGITransport, AsyncClient, Response
from starlette.applications import Starlette

from pipelines.seed import sample_id, seed
from server.app import ENDPOINT, create_app
from server.examples import examples
from server.explorer import Example, OfferedToken, Session, explorer_routes
from server.identity import identity_of
from server.settings import Settings
from server.tokens import PERSON_SCOPES, SERVICE_TOKEN_SCOPES, offered_tokens
from tests.subgraph import Subgraph

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; worker-src 'self'; "
    "font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
SESSION = Session(
    ENDPOINT,
    [OfferedToken("@ada", "all a person may", "e.y.J")],
    [Example("Who", "query Who($id: ID!) { __typename }", {"id": "1"}), Example("What", "{ a }")],
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of one page and one script."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("GraphiQL")
    (tmp_path / "assets" / "index-1.js").write_text("1")
    return tmp_path


async def get(path: str, bundle: Path, session: Session = SESSION, **options: Any) -> Response:
    """What the explorer alone answers."""
    app = Starlette(routes=explorer_routes(session, bundle=bundle))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://localhost") as http:
        return await http.get(path, **options)


async def test_the_page_is_told_where_to_ask_as_whom_and_what(bundle: Path) -> None:
    answer = await get("/explorer/session.json", bundle)
    assert answer.json() == {
        "endpoint": "/graphql",
        "tokens": [{"label": "@ada", "permits": "all a person may", "token": "e.y.J"}],
        "examples": [
            {
                "title": "Who",
                "query": "query Who($id: ID!) { __typename }",
                "variables": {"id": "1"},
            },
            {"title": "What", "query": "{ a }", "variables": None},
        ],
    }


@pytest.mark.parametrize(
    ("host", "is_told"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("rebound.example:8000", False),
        ("localhost.rebound.example", False),
        ("127.0.0.1.rebound.example", False),
        ("192.0.2.1", False),
        ("rebound_1.example", False),
        ("[", False),
        ("", False),
    ],
)
async def test_a_page_of_another_name_is_told_no_token(
    host: str, is_told: bool, bundle: Path
) -> None:
    answer = await get("/explorer/session.json", bundle, headers={"host": host})
    assert bool(answer.json()["tokens"]) is is_told


@pytest.mark.parametrize(
    ("path", "cache_control"),
    [
        ("/", "no-cache"),
        ("/explorer/session.json", "no-store"),
        ("/explorer/assets/index-1.js", "public, max-age=31536000, immutable"),
    ],
)
async def test_nothing_may_come_from_elsewhere_and_no_token_is_stored(
    path: str, cache_control: str, bundle: Path
) -> None:
    headers = (await get(path, bundle)).headers
    assert {
        name: headers[name]
        for name in (
            "content-security-policy",
            "x-content-type-options",
            "referrer-policy",
            "cache-control",
        )
    } == {
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": cache_control,
    }


@pytest.mark.parametrize("path", ["/explorer/assets/../index.html", "/explorer/plain/page.js"])
async def test_only_the_files_of_the_bundle_are_there(path: str, bundle: Path) -> None:
    assert (await get(path, bundle)).status_code == 404


async def test_without_a_bundle_the_plain_page_is_served(tmp_path: Path) -> None:
    page = await get("/", tmp_path)
    assert "scripts/serve" in page.text
    assert (await get("/explorer/plain/page.js", tmp_path)).status_code == 200


async def test_without_a_session_there_is_no_explorer(subgraph: Subgraph) -> None:
    for path in ("/", "/explorer/session.json"):
        assert (await subgraph.http.get(path)).status_code == 404


async def test_each_offered_token_is_of_whom_its_label_names(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir)
    identity = identity_of(settings)
    told = []
    for offered in offered_tokens(settings):
        viewer = await identity.viewer(f"Bearer {offered.token}")
        assert viewer is not None
        told.append((offered.label, offered.permits, viewer.user_id, sorted(viewer.scopes)))
    assert told == [
        ("@ada", "all a person may", sample_id(0), PERSON_SCOPES),
        ("@jonas.fischer.1", "all a person may", sample_id(1), PERSON_SCOPES),
        ("@hana.ek.6", "reads only", sample_id(6), []),
        ("@ada.ahmed.2", "staff", sample_id(2), [*PERSON_SCOPES, "users:staff"]),
        ("a service", "registers users", None, SERVICE_TOKEN_SCOPES),
    ]


def test_in_production_no_token_is_offered_and_no_page_is_served(tmp_path: Path) -> None:
    settings = Settings(token_jwks_file=tmp_path / "keys.json", data_dir=tmp_path / "data")
    assert offered_tokens(settings) == []
    assert not settings.serves_explorer
    assert not settings.data_dir.exists()


async def test_every_example_fits_the_schema_and_the_ones_that_ask_get_an_answer(
    subgraph: Subgraph,
) -> None:
    schema = build_client_schema(await subgraph.data(get_introspection_query()))
    await seed(subgraph.store, 3, lambda *_: None)
    answers = {}
    for example in examples():
        assert validate(schema, parse(example.query)) == [], example.title
        if not example.query.startswith("subscription"):
            variables: dict[str, Any] = dict(example.variables or {})
            answer = await subgraph.ask(example.query, sample_id(0), **variables)
            assert "errors" not in answer, example.title
            answers[example.title] = answer["data"]
    assert {user["handle"] for user in answers["What a gateway asks"]["_entities"]} == {
        "jonas.fischer.1",
        "ada.ahmed.2",
        "ada",
    }
    assert answers["The person who asks"]["viewer"]["user"]["handle"] == "ada"
    tried = answers["A change, tried out; dryRun: false makes it"]["updateProfile"]
    assert (tried["errors"], tried["user"]["rev"]) == ([], 1)


async def test_with_a_session_the_application_serves_the_explorer(subgraph: Subgraph) -> None:
    app = create_app(subgraph.settings, subgraph.store, subgraph.identity, session=SESSION)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://explorer") as http:
        assert (await http.get("/")).headers["content-type"] == "text/html; charset=utf-8"
