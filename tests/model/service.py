"""The service beside the model: over an engine, in an event loop of its own, asked over HTTP."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from pymongo import AsyncMongoClient

from pipelines.erasure import erase_due
from resolvers.viewer import STAFF_SCOPE
from server.settings import Settings
from server.tokens import PERSON_SCOPES
from store.driver import DriverName
from store.ids import new_id
from store.records import Document
from store.store import Store
from tests.conftest import KEY_ENCRYPTION, LEDGER_KEY
from tests.contacts import mailbox
from tests.subgraph import Clock, Subgraph

AGES = 86_400 * 36_500
STAFF = new_id()

ERRORS = """errors { code path
  ... on ValidationError { rule } ... on NotAllowedError { reason }
  ... on TooSoonError { retryAfterSeconds } ... on HandleTakenError { availableAt }
}"""


class Service:
    """A subgraph that answers in this thread."""

    def __init__(self, runner: asyncio.Runner, subgraph: Subgraph) -> None:
        self._runner = runner
        self._subgraph = subgraph
        self.token = cache(self._token)
        self.run = uuid4().hex[:8]
        self.examples = 0
        self.asked = 0

    @property
    def clock(self) -> Clock:
        """What the service goes by."""
        return self._subgraph.clock

    def begin(self) -> str:
        """What names of one more program end in; tells how far a long run is."""
        self.examples += 1
        if self.examples % 100 == 0:
            print(f"{self.examples} programs, {self.asked} requests", flush=True)
        return f"{self.run}{self.examples}"

    def ask(self, query: str, token: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        self.asked += 1
        return self._runner.run(self._subgraph.data(query, token=token, **variables))

    def mutate(self, token: str, name: str, made: str, input: dict[str, Any]) -> Any:
        """The payload of a mutation."""
        type_ = f"{name[0].upper()}{name[1:]}Input"
        query = f"mutation ($input: {type_}!) {{ it: {name}(input: $input) {{ {made} {ERRORS} }} }}"
        return self.ask(query, token, input=input)["it"]

    def erase_due(self) -> None:
        """Lets the pipeline forget those whose time has come."""
        while self._runner.run(erase_due(self._subgraph.store, self.clock())):
            pass

    def code_for(self, value: str) -> str | None:
        """The code in the newest message to an address; nothing when that was a notice."""
        messages = self._runner.run(mailbox(self._subgraph))
        found = re.search(r"\d{6}", next(said for to, said in messages if to == value))
        return found and found[0]

    def _token(self, user_id: str | None) -> str:
        scopes = [*PERSON_SCOPES, STAFF_SCOPE] if user_id == STAFF else None
        return self._subgraph.token(user_id, scopes, lifetime_seconds=AGES)


@contextmanager
def served(mongodb_uri: str, data_dir: Path, driver: DriverName) -> Iterator[Service]:
    """A service over a new database of the engine, which is dropped in the end."""
    with asyncio.Runner() as runner:
        name = f"usergraph_model_{uuid4().hex[:12]}"
        subgraph = runner.run(_subgraph(mongodb_uri, name, data_dir, driver))
        try:
            yield Service(runner, subgraph)
        finally:
            runner.run(_ended(subgraph, mongodb_uri, name))


async def _subgraph(uri: str, name: str, data_dir: Path, driver: DriverName) -> Subgraph:
    store = Store.connect(
        uri,
        name,
        driver=driver,
        timeout_seconds=20,
        encryption=KEY_ENCRYPTION,
        ledger_key=LEDGER_KEY,
    )
    await store.ensure_indexes()
    return Subgraph(Settings(data_dir=data_dir), store, Clock())


async def _ended(subgraph: Subgraph, uri: str, name: str) -> None:
    await subgraph.http.aclose()
    await subgraph.store.close()
    async with AsyncMongoClient[Document](uri) as client:
        await client.drop_database(name)
