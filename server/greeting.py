"""What `serve` says once it answers: where, as whom, and what to try."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from pipelines.seed import FIRST_HANDLE, sample_id
from server.settings import Settings

QUERY = (
    f'{{ user(by: {{handle: "{FIRST_HANDLE}"}}) '
    "{ displayName followers(first: 5) { edges { node { handle } } } } }"
)
ROUTER_QUERY = (
    f'{{ _entities(representations: [{{__typename: "User", handle: "{FIRST_HANDLE}"}}]) '
    "{ ... on User { id displayName } } }"
)
OWN_QUERY = "{ viewer { user { handle private { createdAt } } } }"


def greeting(settings: Settings, address: str, token: str | None) -> str:
    """The address; with a token of a sample user also the token and requests to paste."""
    lines = [f"\nUsergraph answers at {address}"]
    if settings.serves_explorer:
        lines.append(f"Explore it at      {address.removesuffix('graphql')}")
    if settings.serves_mailbox:
        lines.append(f"Messages wait at   {address.removesuffix('graphql')}mailbox")
    if token is not None:
        queries = [QUERY] if settings.knows_router else [QUERY, ROUTER_QUERY]
        lines += _samples(settings.data_dir, address, token, queries)
    return "\n".join(lines)


def _samples(data_dir: Path, address: str, token: str, queries: Sequence[str]) -> list[str]:
    return [
        "",
        f"Tokens are signed with a development key kept in {data_dir}: not for production.",
        f"A token for the sample user @{FIRST_HANDLE} ({sample_id(0)}):",
        "",
        token,
        "",
        "Try, with that token in TOKEN:",
        *(_curl(address, query) for query in queries),
        _curl(address, OWN_QUERY, '-H "authorization: Bearer $TOKEN" '),
        "",
        f"Ctrl-C stops it; the data stay in {data_dir}.",
        "",
    ]


def _curl(address: str, query: str, header: str = "") -> str:
    body = shlex.quote(json.dumps({"query": query}))
    return f"  curl {address} {header}-H 'content-type: application/json' \\\n    -d {body}"
