"""Erasures: which users other subgraphs have to forget, and their word that they did."""

from dataclasses import dataclass

from resolvers import rules
from resolvers.errors import DenialReason, NotAllowedRefusal
from resolvers.lists import Origin, cursor_to, place_of
from resolvers.mutations import Control, FieldChange, Forecast, Operation, Outcome, carry_out
from resolvers.proofs import BadReceipt
from resolvers.request import Request
from store.data_requests import Erasure, Receipt

ACKNOWLEDGED = "ERASURE_ACKNOWLEDGED"
COMPLETED = "ERASURE_COMPLETED"


@dataclass(frozen=True, slots=True)
class OwedErasures:
    """A page of the erasures of which the asking subgraph owes a receipt."""

    erasures: tuple[Erasure, ...]
    cursors: tuple[str, ...]
    has_next_page: bool


async def owed_erasures(request: Request, first: int, after: str | None) -> OwedErasures:
    """The erasures of which the service that asks owes a receipt, by id.

    Raises: Unauthenticated, Forbidden, ValidationRefusal.
    """
    subgraph = _subgraph(request, "Query.owedErasures")
    size = rules.page_size(first, "first")
    origin = Origin("erasures", subgraph)
    place = place_of(after, origin)
    found = await request.store.data_requests.owed_by(subgraph, place, size + 1)
    page = tuple(found[:size])
    cursors = tuple(cursor_to(origin, erasure.id) for erasure in page)
    return OwedErasures(page, cursors, has_next_page=len(found) > size)


async def acknowledge_erasure(request: Request, signed: str, control: Control) -> Outcome:
    """Takes a subgraph's receipt for an erasure; the last one that is owed completes it."""
    subgraph = _subgraph(request, "Mutation.acknowledgeErasure")

    async def act(operation: Operation) -> Outcome:
        user_id, receipt = _read(request, signed, subgraph)
        requests = request.store.data_requests
        erasure = await requests.by_id(user_id)
        if erasure is None or subgraph not in erasure.owing:
            # Done by an earlier attempt that crashed after writing, or a receipt that comes again.
            if erasure is not None and _is_ours(operation, erasure, receipt):
                await _complete(request, user_id, operation)
                return Outcome(user_id, made=user_id)
            raise NotAllowedRefusal(
                message="No receipt is owed for this.",
                path=("receipt",),
                reason=DenialReason.NOTHING_OWED,
            )
        if control.dry_run:
            return Outcome(user_id, forecast=_forecast(erasure, subgraph), made=user_id)
        await requests.acknowledge(user_id, receipt)
        await _complete(request, user_id, operation)
        return Outcome(user_id, made=user_id)

    return await carry_out(request, "acknowledgeErasure", control, {"receipt": signed}, act)


async def erasure_of(request: Request, outcome: Outcome) -> Erasure | None:
    """The erasure that a receipt was taken for, as it is now."""
    return await request.store.data_requests.by_id(outcome.made) if outcome.made else None


async def _complete(request: Request, user_id: str, operation: Operation) -> None:
    """Closes the erasure with a certificate, once nobody owes a receipt."""
    erasure = await request.store.data_requests.by_id(user_id)
    if erasure is None or erasure.owing:
        return
    certify = request.proofs.certify
    certificate = certify(erasure, operation.now) if certify else None
    await request.store.data_requests.complete(user_id, certificate, now=operation.now)


def _subgraph(request: Request, field: str) -> str:
    """The subgraph that asks: the client of its token."""
    request.require_service(field)
    assert request.viewer is not None
    return request.viewer.client_id


def _read(request: Request, signed: str, subgraph: str) -> tuple[str, Receipt]:
    """The user whom the receipt is about, and the receipt, which has to be the subgraph's own."""
    refused = rules.refuse(("receipt",), "RECEIPT", "a receipt that this subgraph signed")
    try:
        user_id, receipt = request.proofs.read(signed)
    except BadReceipt:
        raise refused from None
    if receipt.subgraph != subgraph:
        raise refused
    return rules.identifier(user_id, "receipt"), receipt


def _is_ours(operation: Operation, erasure: Erasure, receipt: Receipt) -> bool:
    """Whether the same request, under its idempotency key, wrote the receipt before."""
    return operation.control.idempotency_key is not None and receipt in erasure.receipts


def _forecast(erasure: Erasure, subgraph: str) -> Forecast:
    owing = tuple(name for name in erasure.owing if name != subgraph)
    changes = (FieldChange("owing", erasure.owing, owing),)
    return Forecast(changes, (ACKNOWLEDGED,) if owing else (ACKNOWLEDGED, COMPLETED))
