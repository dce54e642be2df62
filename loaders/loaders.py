"""The loaders of one request, made fresh for it and again after each of its mutations."""

from collections.abc import Callable
from datetime import datetime

from aiodataloader import DataLoader

from loaders.batch import loader_of_members
from loaders.handles import handle_owner_by_handle, user_by_handle
from loaders.lists import page_by_key
from loaders.users import user_by_id
from store.store import Store

Pair = tuple[str, str]


class Loaders:
    """One cache and one queue per value; must be made inside a running event loop."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self.user_by_id = user_by_id(store)
        self.handle_owner_by_handle = handle_owner_by_handle(store, self.user_by_id)
        self.user_by_handle = user_by_handle(self.handle_owner_by_handle, now)
        self.followers_page_by_key = page_by_key(store.follows.followers)
        self.following_page_by_key = page_by_key(store.follows.following)
        self.blocked_page_by_key = page_by_key(store.blocks.blocked)
        self.is_following_by_pair: DataLoader[Pair, bool] = loader_of_members(
            store.follows.existing
        )
        self.is_blocking_by_pair: DataLoader[Pair, bool] = loader_of_members(store.blocks.existing)
