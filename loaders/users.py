"""Users by identifier and by handle."""

from aiodataloader import DataLoader

from loaders.batch import loader_of_mapping
from store.records import User
from store.store import Store

UserById = DataLoader[str, User | None]


def user_by_id(store: Store) -> UserById:
    """Identifier -> user, or nothing; one command."""
    return loader_of_mapping(store.users.by_ids)
