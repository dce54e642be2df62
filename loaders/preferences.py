"""Preferences: what a user set in a namespace."""

from loaders.batch import BatchLoader
from store.preferences import Key
from store.records import StoredPreferences
from store.store import Store

PreferencesByKey = BatchLoader[Key, StoredPreferences | None]


def preferences_by_key(store: Store) -> PreferencesByKey:
    """(User, namespace) -> what is stored; one command for all of them."""
    return BatchLoader(store.preferences.by_keys)
