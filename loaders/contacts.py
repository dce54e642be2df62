"""Contacts: the user whom a verified address leads to."""

from loaders.batch import BatchLoader
from store.coalescing import Parts
from store.contacts import holds
from store.ids import encode
from store.records import ContactClaim, User
from store.store import Store

Digests = tuple[str, ...]
"""Of one address, with every key that may have made the digest of its row."""

UserByContact = BatchLoader[Digests, User | None]

NOBODY = encode(0)
"""Is read where no row is found, so that nobody can tell from the commands."""


def user_by_contact(store: Store, parts: Parts = None) -> UserByContact:
    """Digests of an address -> the user who verified it; two commands, whatever they find."""
    needed = None if parts is None else parts | {"contacts"}

    async def batch(keys: list[Digests]) -> list[User | None]:
        wanted = [digest for digests in keys for digest in digests]
        rows = dict(zip(wanted, await store.contacts.by_digests(wanted), strict=True))
        ids = list({row.user_id for row in rows.values() if row}) or [NOBODY]
        users = dict(zip(ids, await store.users.by_ids(ids, needed), strict=True))
        return [_holder([rows[digest] for digest in digests], users) for digests in keys]

    return BatchLoader(batch)


def _holder(rows: list[ContactClaim | None], users: dict[str, User | None]) -> User | None:
    """Whom one of the rows leads to."""
    for row in rows:
        user = users.get(row.user_id) if row else None
        if row and holds(user, row):
            return user
    return None
