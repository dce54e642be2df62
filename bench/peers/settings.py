"""What the bench tells a peer, as JSON in one environment variable."""

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PeerSettings:
    """Where the data is: a database, or a file of documents to keep in memory; and whose tokens.

    The embedded engine looks at every document for a `findAndModify`: there the update and the read
    of the document afterwards are two commands, as they are in Usergraph.
    """

    uri: str
    database: str
    is_embedded: bool
    documents: str | None
    jwks: str
    issuer: str
    audience: str


def peer_settings() -> PeerSettings:
    """The settings of this process."""
    return PeerSettings(**json.loads(os.environ["BENCH_PEER"]))


SCHEMA = Path(__file__).parent / "schema.graphql"
"""The SDL of the peers that begin with one."""
