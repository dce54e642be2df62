"""Idempotency keys at rest: digests that only processes with the ledger's key can make."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from store.chains import LedgerKey
from store.records import Document
from store.store import Store
from tests.conftest import KEY_ENCRYPTION, LEDGER_KEY
from tests.subgraph import Subgraph

SET_BIRTH_DATE = """mutation ($input: SetBirthDateInput!) {
  setBirthDate(input: $input) { user { rev } errors { code path } } }"""
ANOTHER_KEY = LedgerKey(bytes(range(1, 33)))


@asynccontextmanager
async def process_with(subgraph: Subgraph, key: LedgerKey | None) -> AsyncIterator[Subgraph]:
    """Another process over the same database, with this key."""
    store = Store(subgraph.store._database, KEY_ENCRYPTION, key)
    process = Subgraph(subgraph.settings, store, subgraph.clock)
    async with process.http:
        yield process


async def set_birth_date(subgraph: Subgraph, viewer: str, born: str = "1990-05-17") -> Any:
    input = {"birthDate": born, "control": {"idempotencyKey": "k"}}
    return await subgraph.ask(SET_BIRTH_DATE, viewer, input=input)


async def attempts(subgraph: Subgraph) -> list[Document]:
    return await subgraph.store.idempotency.collection.find({})


async def test_who_has_another_key_cannot_try_what_a_request_said(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await set_birth_date(subgraph, ada)
    [attempt] = await attempts(subgraph)
    async with process_with(subgraph, ANOTHER_KEY) as stranger:
        await set_birth_date(stranger, ada)
    [other] = [one for one in await attempts(subgraph) if one["_id"] != attempt["_id"]]
    assert other["requestHash"] != attempt["requestHash"]


async def test_every_process_with_the_key_knows_the_request_again(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    done = {"data": {"setBirthDate": {"user": {"rev": 2}, "errors": []}}}
    assert await set_birth_date(subgraph, ada) == done
    before = await attempts(subgraph)
    async with process_with(subgraph, LEDGER_KEY) as process:
        assert await set_birth_date(process, ada) == done
        [error] = (await set_birth_date(process, ada, "1991-01-01"))["data"]["setBirthDate"][
            "errors"
        ]
    assert error == {"code": "IDEMPOTENCY_KEY_REUSED", "path": ["control", "idempotencyKey"]}
    assert await attempts(subgraph) == before


def test_a_request_is_digested_as_nothing_else_is() -> None:
    key = LEDGER_KEY
    assert len({key.request("x")[:32], key.subject("x"), key.seal("x")[:32]}) == 3


@pytest.mark.one_driver
async def test_without_the_key_nothing_is_done_under_an_idempotency_key(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    async with process_with(subgraph, None) as process:
        [error] = (await set_birth_date(process, ada))["errors"]
    assert error["extensions"]["code"] == "UNAVAILABLE"
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert (user.rev, user.birth_date, await attempts(subgraph)) == (1, None, [])
