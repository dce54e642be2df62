"""Users by identifier."""

from loaders.batch import BatchLoader
from store.coalescing import Parts
from store.records import User
from store.store import Store

UserById = BatchLoader[str, User | None]


def user_by_id(store: Store, parts: Parts = None) -> UserById:
    """Identifier -> user with at least these parts, or nothing; one command."""
    return BatchLoader(lambda ids: store.users.by_ids(ids, parts))
