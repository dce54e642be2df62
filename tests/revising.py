"""A process of its own that changes one user again and again, whatever dies meanwhile.

Run as `python -m tests.revising DATABASE NAME DRIVER USER UNTIL_REV PER_SECOND`, where DATABASE is
a connection string, or the data directory of an embedded engine that may start again elsewhere.
"""

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from store.errors import StoreFault
from store.ids import new_id
from store.store import Store

PATIENCE_SECONDS = 60.0


@contextmanager
def revising(
    database: str, name: str, driver: str, user_id: str, until_rev: int, *, per_second: float
) -> Iterator[None]:
    """The process at work; at the end it must have done all of it."""
    arguments = (database, name, driver, user_id, str(until_rev), str(per_second))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.revising", *arguments], cwd=Path(__file__).parent.parent
    )
    try:
        yield
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait()


def fields_of(rev: int) -> list[str]:
    """What changed in a revision, as clients are told."""
    return ["bio", "displayName", "private.locale"] if rev % 3 == 0 else ["bio"]


async def revise(
    store: Store, user_id: str, until_rev: int, *, padding: str = "", per_second: float = 10_000
) -> None:
    """Changes the user until it is at this revision; its bio is always its revision."""
    now = asyncio.get_running_loop().time
    began = now()
    for count in itertools.count(1):
        user = await store.users.by_id(user_id)
        assert user is not None
        if user.rev >= until_rev:
            return
        rev = user.rev + 1
        values: dict[str, Any] = {"bio": f"{rev}{padding}"}
        if rev % 3 == 0:
            values |= {"display_name": f"Ada {rev}", "locale": "sv-SE" if rev % 2 else "pt-BR"}
        await store.users.change(
            user, values, operation=new_id(), event="PROFILE_CHANGED", at=datetime.now(UTC)
        )
        await asyncio.sleep(began + count / per_second - now())


async def revise_whatever_dies(
    database: str, name: str, driver: str, user_id: str, until_rev: int, per_second: float
) -> None:
    """The same over as many connections as it takes."""
    while True:
        options: Any = {"driver": driver, "timeout_seconds": 2}
        store = Store.connect(_uri(database), name, **options)
        try:
            return await revise(store, user_id, until_rev, per_second=per_second)
        except StoreFault:
            await asyncio.sleep(0.1)
        finally:
            await store.close()


def _uri(database: str) -> str:
    if database.startswith("mongodb://"):
        return database
    note = json.loads((Path(database) / "engine" / "engine.json").read_text())
    return f"mongodb://127.0.0.1:{note['port']}/?serverMonitoringMode=poll"


if __name__ == "__main__":
    database, name, driver, user_id, until_rev, per_second = sys.argv[1:]
    work = revise_whatever_dies(database, name, driver, user_id, int(until_rev), float(per_second))
    asyncio.run(work)
