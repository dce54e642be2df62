"""The loaders of one request, made fresh for it and again after each of its mutations."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import cached_property

from loaders.batch import BatchLoader
from loaders.contacts import UserByContact, user_by_contact
from loaders.handles import (
    HandleOwnerByHandle,
    UserByHandle,
    handle_owner_by_handle,
    user_by_handle,
)
from loaders.households import HouseholdById, household_by_id
from loaders.keys import DataKeyByUserId, data_key_by_user_id
from loaders.lists import IsEdgeByPair, PageByKey, is_edge_by_pair, page_by_key
from loaders.preferences import PreferencesByKey, preferences_by_key
from loaders.users import UserById, user_by_id
from store.coalescing import Parts
from store.records import User
from store.store import Store


class Loaders:
    """One cache and one queue per value, each made when it is first used.

    Of users at least these parts are read, by the names of the record's attributes; all without.
    """

    def __init__(self, store: Store, now: Callable[[], datetime], user_parts: Parts = None) -> None:
        self._store = store
        self.now = now
        self._user_parts = user_parts

    def users(self, ids: list[str]) -> Awaitable[Sequence[User | None]]:
        """The users in the order of their identifiers, past the loader; one command."""
        return self._store.users.by_ids(ids, self._user_parts)

    def close(self) -> None:
        """Ends what is being read, for nobody waits for it any more."""
        for loader in list(self.__dict__.values()):
            if isinstance(loader, BatchLoader):
                loader.close()
        self._store.drop_unwanted_soon()

    @property
    def knows_users(self) -> bool:
        """Whether the loader of users was used, so that it may know some."""
        return "user_by_id" in self.__dict__

    @cached_property
    def user_by_id(self) -> UserById:
        """Identifier -> user."""
        return user_by_id(self._store, self._user_parts)

    @cached_property
    def handle_owner_by_handle(self) -> HandleOwnerByHandle:
        """Handle -> registry row with its user."""
        return handle_owner_by_handle(self._store, self.user_by_id)

    @cached_property
    def user_by_handle(self) -> UserByHandle:
        """Handle -> the user whom it leads to."""
        return user_by_handle(self.handle_owner_by_handle, self.now)

    @cached_property
    def preferences_by_key(self) -> PreferencesByKey:
        """(User, namespace) -> what is stored there."""
        return preferences_by_key(self._store)

    @cached_property
    def data_key_by_user_id(self) -> DataKeyByUserId:
        """User's identifier -> data key."""
        return data_key_by_user_id(self._store)

    @cached_property
    def user_by_contact(self) -> UserByContact:
        """Digests of an address -> the user who verified it."""
        return user_by_contact(self._store, self._user_parts)

    @cached_property
    def household_by_id(self) -> HouseholdById:
        """Identifier -> household."""
        return household_by_id(self._store)

    @cached_property
    def followers_page_by_key(self) -> PageByKey:
        """Page key -> who follows the owner."""
        return page_by_key(self._store.follows.followers)

    @cached_property
    def following_page_by_key(self) -> PageByKey:
        """Page key -> whom the owner follows."""
        return page_by_key(self._store.follows.following)

    @cached_property
    def blocked_page_by_key(self) -> PageByKey:
        """Page key -> whom the owner blocks."""
        return page_by_key(self._store.blocks.blocked)

    @cached_property
    def is_following_by_pair(self) -> IsEdgeByPair:
        """(Source, target) -> whether source follows target."""
        return is_edge_by_pair(self._store.follows.following)

    @cached_property
    def is_blocking_by_pair(self) -> IsEdgeByPair:
        """(Source, target) -> whether source blocks target."""
        return is_edge_by_pair(self._store.blocks.blocked)
