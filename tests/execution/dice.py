"""Random choices from a seed, much cheaper to begin anew than `random.Random`."""

from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

Item = TypeVar("Item")

MASK = (1 << 64) - 1


class Dice:
    """A stream of random choices; the same seed gives the same ones in every process.

    Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014 (SplitMix64).
    """

    __slots__ = ("_state",)

    def __init__(self, *seed: object) -> None:
        self._state = mixed(*seed)

    def below(self, limit: int) -> int:
        """A number from 0 up to, and without, the limit."""
        self._state = state = (self._state + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        return ((state ^ (state >> 31)) >> 11) % limit

    def chance(self, probability: float) -> bool:
        """True as often as the probability says."""
        return probability > 0 and self.below(100_000) < probability * 100_000

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def some(self, items: Sequence[Item], count: int) -> list[Item]:
        """So many different items, or all when there are fewer, in random order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(min(count, len(left)))]


def mixed(*seed: object) -> int:
    """One number of a seed of many parts."""
    text = "/".join(map(str, seed)).encode()
    return crc32(text) << 32 | crc32(text, 0x5EED)
