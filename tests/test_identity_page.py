"""What docs/identity.md shows is what works."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr

from resolvers.viewer import Viewer
from server.app import create_app
from server.identity import REFUSED_PARAMETERS, Identity
from server.keys import Keys, parse_keys
from server.settings import Settings
from store.store import Store
from tests.issuer import NAME, ec_key, key_set, signed
from tests.subgraph import Clock

pytestmark = pytest.mark.one_driver

PAGE = (Path(__file__).parent.parent / "docs" / "identity.md").read_text()
KEY = ec_key("2026-11")
NOW = 1_700_000_000.0
SECRET = "a-secret-of-the-router-and-nobody-else"
BODY = b'{"query": "{ _service { __typename } }"}'


def shown(language: str) -> str:
    """The block of code in this language."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.fixture
def identity() -> Identity:
    keys = Keys(parse_keys(key_set(KEY)))
    return Identity(keys, issuer=NAME, audience="usergraph", leeway_seconds=0, now=lambda: NOW + 1)


@pytest.mark.parametrize(
    ("block", "user_id", "client_id"),
    [("person", "0123456789abcdefghijkl", "web-app"), ("service", None, "playlists")],
)
async def test_the_tokens_are_good(
    identity: Identity, block: str, user_id: str | None, client_id: str
) -> None:
    text = signed(KEY, shown("json header"), shown(f"json {block}"))
    viewer = await identity.viewer(f"Bearer {text}")
    assert isinstance(viewer, Viewer)
    assert (viewer.user_id, viewer.client_id) == (user_id, client_id)


def test_the_parameters_that_are_refused_are_those_of_the_code() -> None:
    [row] = re.findall(r"^\| (`crit`.*?) \| there: ", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == REFUSED_PARAMETERS


async def test_the_router_proves_itself_as_it_is_shown(
    identity: Identity, settings: Settings, store: Store
) -> None:
    secret = (SecretStr(SECRET),)
    named = {"router_claims_header": "x-claims"}
    changed = settings.model_copy(
        update={"router_secrets": secret, "router_hmac_keys": secret, **named}
    )
    names: dict[str, Any] = {}
    exec(shown("python"), names)
    claims = json.dumps({**json.loads(shown("json forwarded")), "exp": 4_000_000_000})
    signed_headers = names["signed_headers"]
    [header] = re.findall(r"insert: \{name: ([a-z-]+),", shown("yaml"))
    app = create_app(changed, store, identity, now=Clock())
    async with AsyncClient(transport=ASGITransport(app), base_url="http://subgraph") as http:
        statuses = []
        for headers in (
            {},
            {header: SECRET},
            signed_headers(SECRET, "POST", "/graphql", BODY),
            {**signed_headers(SECRET, "POST", "/graphql", BODY, claims), "x-claims": claims},
        ):
            headers = {**headers, "content-type": "application/json"}
            answer = await http.post("/graphql", content=BODY, headers=headers)
            statuses.append(answer.status_code)
    assert statuses == [403, 200, 200, 200]
