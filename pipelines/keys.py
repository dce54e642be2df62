"""Keys: wrapping data keys anew, once a key-encryption key takes the place of another."""

from collections.abc import Callable

from store.store import Store

Told = Callable[[int], None]
"""Told after each batch how many keys were wrapped so far."""


async def rewrap_all(store: Store, told: Told) -> int:
    """Wraps with the newest key what older ones wrapped; gives how many. It may run twice.

    Raises: KeyUnavailable while an older key is missing, StoreFault.
    """
    wrapped = 0
    while batch := await store.keys.rewrap():
        wrapped += batch
        told(wrapped)
    return wrapped
