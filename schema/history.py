"""History: what was changed of a user, for the user and for staff."""

from datetime import datetime
from typing import Self

import strawberry
from strawberry.scalars import JSON

from resolvers import history as resolvers
from schema.enums import AuthorKind
from schema.pages import PageInfo
from schema.values import told


@strawberry.type(description="A field that was changed.")
class FieldChange:
    """A field that was changed."""

    field: str = strawberry.field(description="Where the field is on User, as in `private.locale`.")
    before: JSON | None = strawberry.field(description="Its value before.")
    after: JSON | None = strawberry.field(description="Its value afterwards.")


@strawberry.type(description="A revision of a user, as it is kept.")
class PastChange:
    """A revision of a user, as it is kept."""

    rev: int = strawberry.field(description="The revision that it made.")
    at: datetime = strawberry.field(description="When it was made.")
    kind: str = strawberry.field(description="The event, as in `PROFILE_CHANGED`.")
    author: AuthorKind = strawberry.field(description="What its author is to the user.")
    author_id: str | None = strawberry.field(
        description="Which person or service it was; for staff alone."
    )
    client_id: str | None = strawberry.field(description="The client that it came through.")
    changes: list[FieldChange] = strawberry.field(
        description="The fields with their values; empty for a registration."
    )

    @classmethod
    def of(cls, change: resolvers.PastChange) -> Self:
        """The change as its GraphQL type."""
        return cls(
            rev=change.rev,
            at=change.at,
            kind=change.kind,
            author=change.author,
            author_id=change.author_id,
            client_id=change.client_id,
            changes=[FieldChange(**each) for each in told(change.changes)],
        )


@strawberry.type(description="A change in a list, with its place.")
class ChangeEdge:
    """A change in a list, with its place."""

    node: PastChange = strawberry.field(description="The change.")
    cursor: str = strawberry.field(description="Opaque; give it as `after` to go on behind it.")


@strawberry.type(description="A page of the changes of a user.")
class ChangeConnection:
    """A page of the changes of a user (Relay Cursor Connections)."""

    edges: list[ChangeEdge] = strawberry.field(description="The changes, newest first.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in its list.")

    @classmethod
    def of(cls, page: resolvers.History, after: str | None) -> Self:
        """The page as its GraphQL type."""
        edges = [ChangeEdge(node=PastChange.of(each), cursor=each.cursor) for each in page.changes]
        cursors = [edge.cursor for edge in edges]
        info = PageInfo.of(cursors, after, has_next_page=page.has_next_page)
        return cls(edges=edges, page_info=info)
