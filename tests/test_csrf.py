"""Browsers: pages of other sites cannot make them ask with what only they have."""

import pytest
from websockets.exceptions import InvalidStatus

from server.settings import Settings, SettingsError, load_settings
from store.store import Store
from tests import websocket
from tests.listening import listening
from tests.subgraph import Clock, Subgraph

pytestmark = pytest.mark.one_driver

QUERY = {"query": "{ __typename }"}
ANSWER = {"data": {"__typename": "Query"}}
PREFLIGHTED = [
    {"content-type": "application/json"},
    {"apollo-require-preflight": "1"},
    {"x-apollo-operation-name": "Q"},
    {"x-graphql-event-stream-token": "t"},
]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/graphql", "/graphql/stream"])
async def test_a_simple_request_of_another_site_is_403(
    subgraph: Subgraph, site: str, method: str, path: str
) -> None:
    headers = {"sec-fetch-site": site, "content-type": "text/plain"}
    answer = await subgraph.http.request(method, path, params=QUERY, headers=headers)
    assert answer.status_code == 403
    if method == "GET":
        assert answer.json()["errors"][0]["extensions"] == {"code": "CSRF"}


@pytest.mark.parametrize("site", ["same-origin", "none", None])
async def test_a_page_of_ours_and_an_address_that_was_typed_are_answered(
    subgraph: Subgraph, site: str | None
) -> None:
    headers = {"sec-fetch-site": site} if site else {}
    answer = await subgraph.http.get("/graphql", params=QUERY, headers=headers)
    assert answer.json() == ANSWER


@pytest.mark.parametrize("headers", PREFLIGHTED, ids=lambda headers: next(iter(headers)))
async def test_what_needs_a_preflight_was_allowed_already(
    subgraph: Subgraph, headers: dict[str, str]
) -> None:
    answer = await subgraph.http.get(
        "/graphql", params=QUERY, headers={"sec-fetch-site": "cross-site", **headers}
    )
    assert answer.json() == ANSWER


@pytest.mark.parametrize("path", ["/graphql", "/graphql/stream"])
async def test_no_preflight_is_granted(subgraph: Subgraph, path: str) -> None:
    headers = {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    answer = await subgraph.http.options(path, headers=headers)
    assert answer.status_code in (404, 405)
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
async def test_a_post_that_needs_no_preflight_is_415(subgraph: Subgraph, content_type: str) -> None:
    headers = {"sec-fetch-site": "cross-site", "content-type": content_type}
    answer = await subgraph.http.post(
        "/graphql", content=b'{"query": "{ __typename }"}', headers=headers
    )
    assert answer.status_code == 415


@pytest.mark.own_database
async def test_a_web_socket_of_another_origin_is_403(
    settings: Settings, store: Store, clock: Clock
) -> None:
    allowing = settings.model_copy(update={"allowed_origins": ("https://app.example",)})
    subgraph = Subgraph(allowing, store, clock)
    async with subgraph.http, listening(subgraph.app) as address:
        url = f"ws://{address}/graphql"
        for origin in ("https://evil.example", f"https://{address}.evil.example", "null"):
            with pytest.raises(InvalidStatus) as refused:
                async with websocket.opened(url, origin=origin):
                    pass
            assert refused.value.response.status_code == 403
        for welcome in ("https://app.example", f"http://{address}", None):
            async with websocket.opened(url, origin=welcome) as socket:
                await socket.subscribe("one", QUERY["query"])
                assert (await socket.receive())["payload"] == ANSWER


@pytest.mark.parametrize("text", ["app.example", "https://app.example/", "ftp://app.example", "*"])
def test_an_allowed_origin_is_written_as_browsers_do(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USERGRAPH_ALLOWED_ORIGINS", text)
    with pytest.raises(SettingsError, match="USERGRAPH_ALLOWED_ORIGINS"):
        load_settings()
