"""Pages: what every list takes, and where a page stands in its list."""

from collections.abc import Sequence
from typing import Annotated, Self

import strawberry

First = Annotated[int, strawberry.argument(description="How many to give at most, up to 100.")]
After = Annotated[str | None, strawberry.argument(description="The cursor behind which to go on.")]


@strawberry.federation.type(shareable=True, description="Where a page stands in its list.")
class PageInfo:
    """Where a page stands in its list (Relay Cursor Connections, section 4)."""

    has_next_page: bool = strawberry.field(description="Whether there is more behind the page.")
    has_previous_page: bool = strawberry.field(description="Whether the page began at a cursor.")
    start_cursor: str | None = strawberry.field(description="The first cursor of the page.")
    end_cursor: str | None = strawberry.field(description="Give this as `after` for the next page.")

    @classmethod
    def of(cls, cursors: Sequence[str], after: str | None, *, has_next_page: bool) -> Self:
        """Where the page with these cursors stands that was asked for behind a cursor."""
        return cls(
            has_next_page=has_next_page,
            has_previous_page=after is not None,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )
