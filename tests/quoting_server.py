"""`usergraph` over a driver that fails for some keys, in words that quote them."""

from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import OperationFailure

from server.cli import app

REFUSED = "refused"
"""Handles that begin so are refused by the database; those that begin with CRASHING break us."""
CRASHING = "crashing"

driver: Any = AsyncIOMotorCollection
find = driver.find


def quoting(collection: Any, where: Any, *rest: Any, **options: Any) -> Any:
    """Finds what matches, or quotes what it was asked for."""
    asked = f"{collection.name} {where!r} {collection.database.client.address}"
    if REFUSED in asked:
        raise OperationFailure(f"no plan for {asked}", 13, {"errmsg": asked, "filter": where})
    if CRASHING in asked:
        raise RuntimeError(f"no way for {asked}")
    return find(collection, where, *rest, **options)


if __name__ == "__main__":
    driver.find = quoting
    app()
