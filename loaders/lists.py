"""Pages of a user's lists: followers, following, blocked users."""

import asyncio
from collections import defaultdict
from typing import NamedTuple

from aiodataloader import DataLoader

from store.lists import EdgeList
from store.records import Edge


class PageKey(NamedTuple):
    """The edges of an owner behind the place `after`, at most `limit`."""

    owner: str
    after: str | None
    limit: int


PageByKey = DataLoader[PageKey, list[Edge]]


def page_by_key(edges: EdgeList) -> PageByKey:
    """Page key -> edges, newest first; one command per distinct page size or cursor asked for."""

    async def batch(keys: list[PageKey]) -> list[list[Edge]]:
        pages: dict[PageKey, list[Edge]] = {}
        owners_by_limit: defaultdict[int, list[str]] = defaultdict(list)
        for key in keys:
            if key.after is None:
                owners_by_limit[key.limit].append(key.owner)

        async def load_first(limit: int, owners: list[str]) -> None:
            found = await edges.first_pages(owners, limit)
            for owner in owners:
                pages[PageKey(owner, None, limit)] = found.get(owner, [])

        async def load_next(key: PageKey) -> None:
            pages[key] = await edges.page(*key)

        await asyncio.gather(
            *(load_first(limit, owners) for limit, owners in owners_by_limit.items()),
            *(load_next(key) for key in keys if key.after is not None),
        )
        return [pages[key] for key in keys]

    return DataLoader(batch)
