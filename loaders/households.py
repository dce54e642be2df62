"""Households by identifier."""

from loaders.batch import BatchLoader
from store.households import Household
from store.store import Store

HouseholdById = BatchLoader[str, Household | None]


def household_by_id(store: Store) -> HouseholdById:
    """Identifier -> household, or nothing; one command."""
    return BatchLoader(lambda ids: store.households.by_ids(ids))
