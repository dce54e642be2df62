"""What the bench tells a peer, as JSON in one environment variable."""

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PeerSettings:
    """Where the data is: a database, or a file of documents to keep in memory; and whose tokens."""

    uri: str
    database: str
    documents: str | None
    jwks: str
    issuer: str
    audience: str


def peer_settings() -> PeerSettings:
    """The settings of this process."""
    return PeerSettings(**json.loads(os.environ["BENCH_PEER"]))


SCHEMA = Path(__file__).parent / "schema.graphql"
"""The SDL of the peers that begin with one."""
