"""What every loader here shares: values come as a mapping, and a missing key is `None`."""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from aiodataloader import DataLoader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def loader_of_mapping(
    read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
) -> DataLoader[K, V | None]:
    """A loader over a read of many keys that leaves out what does not exist."""

    async def batch(keys: list[K]) -> list[V | None]:
        found = await read(keys)
        return [found.get(key) for key in keys]

    return DataLoader(batch)


def loader_of_members(
    read: Callable[[Sequence[K]], Awaitable[set[K]]],
) -> DataLoader[K, bool]:
    """A loader over a read that gives those of the keys that exist."""

    async def batch(keys: list[K]) -> list[bool]:
        found = await read(keys)
        return [key in found for key in keys]

    return DataLoader(batch)
