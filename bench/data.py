"""The data that every server of a comparison works on, and the tokens of those who change it."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from pymongo import MongoClient

from bench.memory import MemoryDatabase, memory_store
from bench.workload import USERS, Cast
from pipelines.seed import seed
from resolvers.authorization import AUTHORIZATION, ViewerKind
from store.engine import start_engine
from store.store import Store

ISSUER = "http://localhost/usergraph"
AUDIENCE = "usergraph"
HOUR = 3600


@dataclass(frozen=True)
class Data:
    """A seeded database, or a file of its documents to keep in memory; and whose tokens count."""

    uri: str
    database: str
    is_embedded: bool
    documents: Path | None
    jwks: Path
    tokens: tuple[str, ...]

    def written(self, user_id: str) -> Any:
        """What the last two changes of a user left in the database, without what always differs."""
        if self.documents is not None:
            return None
        client: MongoClient[dict[str, Any]] = MongoClient(self.uri)
        with client:
            user = client[self.database]["users"].find_one({"_id": user_id})
        assert user is not None
        events = [
            {"kind": event["kind"], "fields": event["fields"], "ago": user["rev"] - event["rev"]}
            for event in user["outbox"][-2:]
        ]
        return {"profile": user["profile"], "nameKey": user["nameKey"], "outbox": events}


@contextmanager
def seeded(folder: Path, cast: Cast, uri: str | None, *, in_memory: bool) -> Iterator[Data]:
    """The sample data in the server at `uri`, else in an embedded engine, or else in a file.

    A database that was made on somebody's server is dropped afterwards.
    """
    jwks, tokens = _tokens(folder, cast)
    with ExitStack() as stack:
        if in_memory:
            documents = folder / "documents.json"
            documents.write_bytes(asyncio.run(sample_documents()))
            yield Data("", "", False, documents, jwks, tokens)
            return
        is_embedded = uri is None
        if uri is None:
            engine = start_engine(folder / "engine")
            stack.callback(engine.stop)
            uri = engine.uri
            database = "usergraph"
        else:
            database = f"usergraph_bench_{uuid4().hex[:12]}"
            asyncio.run(_ping(uri, database))
            stack.callback(lambda: asyncio.run(_drop(uri, database)))
        asyncio.run(_seed(Store.connect(uri, database, timeout_seconds=60)))
        yield Data(uri, database, is_embedded, None, jwks, tokens)


async def _seed(store: Store) -> None:
    try:
        await store.ensure_indexes()
        await seed(store, USERS, lambda *_: None)
    finally:
        await store.close()


async def _ping(uri: str, database: str) -> None:
    store = Store.connect(uri, database)
    try:
        await store.ping()
    finally:
        await store.close()


async def _drop(uri: str, database: str) -> None:
    store = Store.connect(uri, database, timeout_seconds=60)
    try:
        await store.drop()
    finally:
        await store.close()


async def sample_documents() -> bytes:
    """The sample users, and the ids of the followers of each, newest first; as JSON."""
    database = MemoryDatabase()
    await seed(memory_store(database), USERS, lambda *_: None)
    users = database.collection("users").documents
    followers = database.collection("followers")
    rows = {owner: [row["source"] for row in followers.rows(owner)] for owner in users}
    return orjson.dumps({"users": list(users.values()), "followers": rows})


def _tokens(folder: Path, cast: Cast) -> tuple[Path, tuple[str, ...]]:
    """A key set of our own, and a token for each person."""
    key = OKPKey.generate_key("Ed25519", {"kid": "bench", "alg": "Ed25519", "use": "sig"})
    jwks = folder / "jwks.json"
    public = OKPKey.import_key(key.as_dict(private=False))
    jwks.write_text(json.dumps(KeySet([public]).as_dict(private=False)))
    now = int(time.time())
    header = {"typ": "at+jwt", "alg": "Ed25519", "kid": "bench"}

    def token(user_id: str) -> str:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "client_id": "bench",
            "iat": now,
            "exp": now + HOUR,
            "scope": AUTHORIZATION.rules["Mutation.updateProfile"].scopes[ViewerKind.SELF],
        }
        return jwt.encode(header, claims, key, algorithms=["Ed25519"])

    return jwks, tuple(token(user_id) for user_id in cast.persons)
