"""Data keys by the user whose they are."""

from loaders.batch import BatchLoader
from store.sealing import DataKey
from store.store import Store

DataKeyByUserId = BatchLoader[str, DataKey | None]


def data_key_by_user_id(store: Store) -> DataKeyByUserId:
    """User's identifier -> data key, or nothing; one command."""
    return BatchLoader(store.keys.by_user_ids)
