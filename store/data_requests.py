"""Data requests: what somebody asked to be done with their data, and the proof that it was done.

They outlive the user: of an erased one only the identifier is left, here as in the tombstone. A
restored database may hold users who were erased since its backup: these rows say who.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pymongo import IndexModel

from store.driver import Collection, Database
from store.errors import DuplicateKey
from store.records import Document

DUE_AFTER = timedelta(days=30)
"""How long everybody who owes a receipt has (GDPR, article 12, paragraph 3)."""


class RequestState(StrEnum):
    """How far an erasure is."""

    ERASING = "ERASING"
    AWAITING_RECEIPTS = "AWAITING_RECEIPTS"
    COMPLETED = "COMPLETED"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A subgraph's word that it forgot a user; `signed` is the word itself, a JWS."""

    subgraph: str
    outcome: str
    records: int
    at: datetime
    signed: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """The erasure of one user; `id` is the user's own."""

    id: str
    state: RequestState
    began_at: datetime
    due_at: datetime
    erased_at: datetime | None
    completed_at: datetime | None
    owing: tuple[str, ...]
    receipts: tuple[Receipt, ...]
    certificate: str | None


class DataRequests:
    """The `data_requests` collection: one erasure for each user who was erased."""

    indexes = (
        IndexModel("state", name="state"),
        IndexModel("owing", name="owing"),
    )

    def __init__(self, database: Database) -> None:
        self.collection: Collection = database.collection("data_requests")

    async def begin(self, user_id: str, *, owing: Sequence[str], now: datetime) -> None:
        """Notes that a user is being erased, and which subgraphs have to; may run twice."""
        row = {
            "_id": user_id,
            "state": RequestState.ERASING.value,
            "beganAt": now,
            "dueAt": now + DUE_AFTER,
            "required": sorted(owing),
            "owing": sorted(owing),
            "receipts": [],
        }
        try:
            await self.collection.insert(row)
        except DuplicateKey:
            return

    async def give_up(self, user_id: str) -> None:
        """Forgets an erasure that was cancelled before it had begun."""
        await self.collection.delete({"_id": user_id, "state": RequestState.ERASING.value})

    async def erased(self, user_id: str, *, now: datetime) -> None:
        """Notes that nothing is left here; may run twice."""
        await self.collection.update(
            {"_id": user_id, "state": RequestState.ERASING.value},
            {"$set": {"state": RequestState.AWAITING_RECEIPTS.value, "erasedAt": now}},
        )

    async def acknowledge(self, user_id: str, receipt: Receipt) -> bool:
        """Adds the receipt of a subgraph that owes one; false when it does not, or no longer."""
        return await self.collection.update(
            {
                "_id": user_id,
                "state": RequestState.AWAITING_RECEIPTS.value,
                "owing": receipt.subgraph,
            },
            {"$pull": {"owing": receipt.subgraph}, "$push": {"receipts": _receipt_row(receipt)}},
        )

    async def complete(self, user_id: str, certificate: str | None, *, now: datetime) -> bool:
        """Closes an erasure of which nobody owes a receipt; false when it is not one."""
        done = {"state": RequestState.COMPLETED.value, "completedAt": now}
        return await self.collection.update(
            {"_id": user_id, "state": RequestState.AWAITING_RECEIPTS.value, "owing": []},
            {"$set": {**done, "certificate": certificate}},
        )

    async def by_id(self, user_id: str) -> Erasure | None:
        """The erasure of the user."""
        row = await self.collection.find_one(user_id)
        return _erasure(row) if row else None

    async def in_state(self, state: RequestState, limit: int) -> list[Erasure]:
        """The first so many erasures that are there."""
        rows = await self.collection.find({"state": state.value}, sort="_id", limit=limit)
        return list(map(_erasure, rows))

    async def owed_by(self, subgraph: str, after: str | None, limit: int) -> list[Erasure]:
        """Erasures of which the subgraph owes a receipt, by id, behind that id."""
        where: Document = {"owing": subgraph, "state": RequestState.AWAITING_RECEIPTS.value}
        if after is not None:
            where["_id"] = {"$gt": after}
        return list(map(_erasure, await self.collection.find(where, sort="_id", limit=limit)))

    async def erased_ids(self, after: str, limit: int) -> list[str]:
        """The users who were erased, by id, behind that id; none who may cancel it still."""
        where = {"_id": {"$gt": after}, "state": {"$ne": RequestState.ERASING.value}}
        rows = await self.collection.find(where, sort="_id", limit=limit, only=("_id",))
        return [row["_id"] for row in rows]


def _receipt_row(receipt: Receipt) -> Document:
    return {
        "subgraph": receipt.subgraph,
        "outcome": receipt.outcome,
        "records": receipt.records,
        "at": receipt.at,
        "signed": receipt.signed,
    }


def _erasure(row: Document) -> Erasure:
    return Erasure(
        id=row["_id"],
        state=RequestState(row["state"]),
        began_at=row["beganAt"],
        due_at=row["dueAt"],
        erased_at=row.get("erasedAt"),
        completed_at=row.get("completedAt"),
        owing=tuple(row["owing"]),
        receipts=tuple(Receipt(**receipt) for receipt in row["receipts"]),
        certificate=row.get("certificate"),
    )
