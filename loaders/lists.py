"""Pages of a user's lists (followers, following, blocked users), and what is between two users."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from loaders.batch import BatchLoader
from store.lists import EdgeList
from store.records import Edge


class PageKey(NamedTuple):
    """The edges of an owner behind the place `after`, at most `limit`."""

    owner: str
    after: str | None
    limit: int


Pair = tuple[str, str]

PageByKey = BatchLoader[PageKey, Sequence[Edge]]
IsEdgeByPair = BatchLoader[Pair, bool]


def page_by_key(edges: EdgeList) -> PageByKey:
    """Page key -> edges, newest first; one command per distinct page size or cursor asked for."""

    async def batch(keys: list[PageKey]) -> list[Sequence[Edge]]:
        pages: dict[PageKey, Sequence[Edge]] = {}
        owners_by_limit: defaultdict[int, list[str]] = defaultdict(list)
        for key in keys:
            if key.after is None:
                owners_by_limit[key.limit].append(key.owner)

        async def load_first(limit: int, owners: list[str]) -> None:
            found = await edges.first_pages(owners, limit)
            for owner, page in zip(owners, found, strict=True):
                pages[PageKey(owner, None, limit)] = page or ()

        async def load_next(key: PageKey) -> None:
            pages[key] = await edges.page(*key)

        await asyncio.gather(
            *(load_first(limit, owners) for limit, owners in owners_by_limit.items()),
            *(load_next(key) for key in keys if key.after is not None),
        )
        return [pages[key] for key in keys]

    return BatchLoader(batch)


def is_edge_by_pair(edges: EdgeList) -> IsEdgeByPair:
    """(Owner, other) -> whether the other is on the owner's list; one command."""

    async def batch(pairs: list[Pair]) -> list[bool]:
        existing = await edges.existing(pairs)
        return [pair in existing for pair in pairs]

    return BatchLoader(batch)
