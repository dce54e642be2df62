"""Erasures: what other subgraphs have to forget, and how they say that they did."""

from datetime import datetime
from typing import Annotated, Any, Self

import strawberry
from strawberry import ID, UNSET

from resolvers import erasures as resolvers
from resolvers.mutations import Outcome
from resolvers.request import Request
from schema.enums import ErasureState
from schema.mutations import MutationControl, Payload, control_of
from schema.pages import After, First, PageInfo
from schema.users import Ask
from store.data_requests import Erasure as ErasureRecord
from store.data_requests import Receipt as ReceiptRecord


@strawberry.type(description="A subgraph's word that it forgot a user.")
class ErasureReceipt:
    """A subgraph's word that it forgot a user."""

    subgraph: str = strawberry.field(description="The subgraph.")
    outcome: str = strawberry.field(description="`ERASED` or `NOTHING_KEPT`.")
    records: int = strawberry.field(description="How many records it erased.")
    at: datetime = strawberry.field(description="When it signed that.")


@strawberry.type(description="The erasure of one user, here and elsewhere.")
class Erasure:
    """The erasure of one user, here and elsewhere."""

    user_id: ID = strawberry.field(description="Who is erased.")
    state: ErasureState = strawberry.field(description="How far it is.")
    due_at: datetime = strawberry.field(description="When every receipt has to be there.")
    erased_at: datetime | None = strawberry.field(description="When nothing was left here.")
    owing: list[str] = strawberry.field(description="The subgraphs that owe a receipt.")
    receipts: list[ErasureReceipt] = strawberry.field(description="Those that came.")
    certificate: str | None = strawberry.field(
        description="A signed token that says all of this, once it is complete."
    )

    @classmethod
    def of(cls, erasure: ErasureRecord) -> Self:
        """The erasure as its GraphQL type."""
        return cls(
            user_id=ID(erasure.id),
            state=erasure.state,
            due_at=erasure.due_at,
            erased_at=erasure.erased_at,
            owing=list(erasure.owing),
            receipts=[_receipt(receipt) for receipt in erasure.receipts],
            certificate=erasure.certificate,
        )


@strawberry.type(description="An erasure in a list, with its place.")
class ErasureEdge:
    """An erasure in a list, with its place."""

    node: Erasure = strawberry.field(description="The erasure.")
    cursor: str = strawberry.field(description="Opaque; give it as `after` to go on behind it.")


@strawberry.type(description="A page of erasures.")
class ErasureConnection:
    """A page of erasures (Relay Cursor Connections)."""

    edges: list[ErasureEdge] = strawberry.field(description="The erasures.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in its list.")

    @classmethod
    def of(cls, page: resolvers.OwedErasures, after: str | None) -> Self:
        """The page as its GraphQL type."""
        found = zip(page.erasures, page.cursors, strict=True)
        info = PageInfo.of(page.cursors, after, has_next_page=page.has_next_page)
        edges = [ErasureEdge(node=Erasure.of(erasure), cursor=cursor) for erasure, cursor in found]
        return cls(edges=edges, page_info=info)


@strawberry.input(description="A subgraph's receipt for an erasure.")
class AcknowledgeErasureInput:
    """A subgraph's receipt for an erasure."""

    receipt: str = strawberry.field(
        description="What the subgraph signed, as docs/erasure.md describes it."
    )
    control: MutationControl | None = strawberry.field(
        default=UNSET, description="How to carry it out."
    )


@strawberry.type(description="What came of a receipt.")
class AcknowledgeErasurePayload(Payload):
    """What came of a receipt."""

    erasure: Erasure | None = strawberry.field(
        default=None, description="The erasure afterwards; null when refused."
    )

    @classmethod
    async def of(cls, request: Request, outcome: Outcome, **others: Any) -> Self:
        """The outcome as its GraphQL type."""
        payload = await super().of(request, outcome, **others)
        erasure = await resolvers.erasure_of(request, outcome)
        payload.erasure = Erasure.of(erasure) if erasure else None
        return payload


@strawberry.type
class ErasureQueries:
    """What other subgraphs have to forget."""

    @strawberry.field(
        graphql_type=ErasureConnection | None,
        description="The erasures of which the asking subgraph owes a receipt; needs the scope "
        "`users:erasures:acknowledge`.",
    )
    async def owed_erasures(
        self, info: Ask, first: First = 20, after: After = None
    ) -> ErasureConnection | None:
        """The erasures of which the asking subgraph owes a receipt."""
        page = await resolvers.owed_erasures(info.context, first, after)
        return ErasureConnection.of(page, after)


@strawberry.type
class ErasureMutations:
    """How other subgraphs say that they forgot somebody."""

    @strawberry.mutation(
        description="Takes a subgraph's receipt for an erasure; needs the scope "
        "`users:erasures:acknowledge`."
    )
    async def acknowledge_erasure(
        self,
        info: Ask,
        input: Annotated[AcknowledgeErasureInput, strawberry.argument(description="The receipt.")],
    ) -> AcknowledgeErasurePayload | None:
        """Takes a subgraph's receipt for an erasure."""
        control = control_of(input.control)
        outcome = await resolvers.acknowledge_erasure(info.context, input.receipt, control)
        return await AcknowledgeErasurePayload.of(info.context, outcome)


def _receipt(receipt: ReceiptRecord) -> ErasureReceipt:
    return ErasureReceipt(
        subgraph=receipt.subgraph,
        outcome=receipt.outcome,
        records=receipt.records,
        at=receipt.at,
    )
