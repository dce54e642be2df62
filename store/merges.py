"""Merges: what was one user's becomes another's, a page at a time, by whoever finds it unfinished.

That somebody is being merged into a user is written with that user (`absorption`), which is how it
is found again; whether it was decided is written with the one who is merged (`merged_into`). All
that follows can be repeated, and the note goes last. A note without the decision is void after a
while, like the claim on a handle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from store.blocks import Blocks
from store.contacts import Contacts
from store.follows import Follows
from store.handles import FORMER_HANDLES, Handles
from store.households import Households
from store.keys import Keys
from store.records import Absorption, Document, FormerHandle, User
from store.tiers import granted, joined
from store.users import Users

LEASE = timedelta(seconds=60)
"""How long a note is good without the decision."""
PAGE = 100
"""Follows, of each direction, and blocks that are moved at once."""
FORESEEN = 1000
"""As many of each are looked at to tell what a merge would move."""

ABSORBED = "USER_ABSORBED"
MERGE_COMPLETED = "MERGE_COMPLETED"

GIVEN_UP = ("handle", "former_handles", "subscriptions", "grants")
"""The attributes of who is merged that become part of who is kept."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Moves:
    """What a merge would move, in numbers; lower ones when there is more than is looked at.

    `followers_change` and `following_change` are what becomes of the counts of who is kept.
    """

    followers: int
    following: int
    blocks: int
    followers_change: int
    following_change: int
    is_exact: bool


class Merges:
    """Carries through what `resolvers.merges` decided."""

    def __init__(
        self,
        users: Users,
        keys: Keys,
        handles: Handles,
        follows: Follows,
        blocks: Blocks,
        contacts: Contacts,
        households: Households,
    ) -> None:
        self._users = users
        self._keys = keys
        self._handles = handles
        self._follows = follows
        self._blocks = blocks
        self._contacts = contacts
        self._households = households

    async def pending(self, now: datetime) -> list[User]:
        """Users into whom others are to be merged and are not yet wholly, for a lease or longer."""
        return await self._users.absorbing(now - LEASE)

    async def finish(self, keep: User, *, now: datetime) -> None:
        """Carries the merge through, however long it takes; one of those that are pending."""
        current: User | None = keep
        while current is not None and current.absorption == keep.absorption:
            if await self.settle(current, now=now):
                return
            current = await self._users.by_id(keep.id)

    async def settle(self, keep: User, *, now: datetime) -> bool:
        """Carries on with what is being merged into this user; whether nothing is any more.

        A page of it at most. Nothing comes of a note that is not decided in time.
        """
        absorption = keep.absorption
        if absorption is None:
            return True
        merged = await self._users.by_id(absorption.user_id)
        if merged is not None and merged.merged_into == keep.id:
            return await self._carry_on(keep, merged, absorption, now)
        if absorption.at + LEASE > now:
            return False
        await self._users.absorbed(keep.id, absorption)
        return True

    async def foresee(self, keep: str, merged: str) -> Moves:
        """What would be moved from the one to the other; at most seven commands."""
        followers = await self._follows.followers.page(merged, None, FORESEEN)
        following = await self._follows.following.page(merged, None, FORESEEN)
        blocks = await self._blocks.of(merged, "", FORESEEN)
        copies = {_kept(edge, merged, keep) for edge in blocks} - {(keep, keep)}
        walls = {end for pair in copies for end in pair} - {keep}
        others = {edge.user_id for edge in (*followers, *following)} - {keep} | walls
        back, out = {(other, keep) for other in others}, {(keep, other) for other in others}
        known = await self._follows.existing([*back, *out])
        apart = await self.between([*back, *out]) | {
            pair for pair in back | out if walls.intersection(pair)
        }
        new = {(edge.user_id, keep) for edge in followers} & back - known - apart
        also = {(keep, edge.user_id) for edge in following} & out - known - apart
        ended = known & apart
        follows_keep = any(edge.user_id == keep for edge in following)
        is_followed = any(edge.user_id == keep for edge in followers)
        return Moves(
            followers=len(new),
            following=len(also),
            blocks=len(copies - await self._blocks.existing(list(copies))),
            followers_change=len(new) - len(ended & back) - follows_keep,
            following_change=len(also) - len(ended & out) - is_followed,
            is_exact=max(len(followers), len(following), len(blocks)) < FORESEEN,
        )

    async def _carry_on(
        self, keep: User, merged: User, absorption: Absorption, now: datetime
    ) -> bool:
        await self._copy_blocks(keep.id, merged.id)
        moved = await self._move_followers(keep.id, merged.id, now)
        if not await self._move_following(keep.id, merged.id, now) or not moved:
            return False
        await self._let_go(merged)
        if not await self._take_over(keep, merged, absorption, now):
            return False
        await self._users.absorbed(keep.id, absorption)
        return True

    async def _copy_blocks(self, keep: str, merged: str) -> None:
        """Blocks hold for the user as they did for the one who is merged, and stay with that one.

        So those whom the merged user blocks still do not find that user either.
        """
        last = ""
        while edges := await self._blocks.of(merged, last, PAGE):
            copies = {_kept(edge, merged, keep): edge["at"] for edge in edges}
            known = await self._blocks.existing(list(copies))
            for (source, target), at in copies.items():
                if source != target and (source, target) not in known:
                    await self._blocks.add(source, target, at=at)
            last = edges[-1]["_id"]

    async def _move_followers(self, keep: str, merged: str, now: datetime) -> bool:
        edges = await self._follows.followers.page(merged, None, PAGE)
        await self._follow([(edge.user_id, keep, edge.at) for edge in edges])
        for edge in edges:
            await self._follows.remove(edge.user_id, merged, at=now)
        return len(edges) < PAGE

    async def _move_following(self, keep: str, merged: str, now: datetime) -> bool:
        edges = await self._follows.following.page(merged, None, PAGE)
        await self._follow([(keep, edge.user_id, edge.at) for edge in edges])
        for edge in edges:
            await self._follows.remove(merged, edge.user_id, at=now)
        return len(edges) < PAGE

    async def _follow(self, edges: Sequence[tuple[str, str, datetime]]) -> None:
        """Adds the follows that no block forbids, as `resolvers.follows.follow` does."""
        pairs = [edge[:2] for edge in edges if edge[0] != edge[1]]
        if not pairs:
            return
        refused = await self.between(pairs) | await self._follows.existing(pairs)
        new = [edge for edge in edges if edge[:2] in pairs and edge[:2] not in refused]
        for source, target, at in new:
            await self._follows.add(source, target, at=at)
        if new:  # a block that came in between ends the follow, whichever of the two was first
            for source, target in await self.between([edge[:2] for edge in new]):
                await self._follows.remove(source, target, at=at)

    async def between(self, pairs: Sequence[Pair]) -> set[Pair]:
        """Those of the pairs of whom one blocks the other; one command."""
        found = await self._blocks.existing([*pairs, *(pair[::-1] for pair in pairs)])
        return {pair for pair in pairs if pair in found or pair[::-1] in found}

    async def _let_go(self, merged: User) -> None:
        """Leaves addresses and the seat of who is merged to those who take them next."""
        if any(contact.claim for contact in merged.contacts):
            await self._contacts.forget(merged.id)
        await self._households.forget(merged.id)

    async def _take_over(
        self, keep: User, merged: User, absorption: Absorption, now: datetime
    ) -> bool:
        """Gives handles and what is paid for to who is kept; false when others were faster."""
        operation = f"merge:{merged.id}"
        key, merged_key = await self._keys.by_user_ids([keep.id, merged.id])
        if operation not in keep.recent_operations:
            values = taken_over(keep, merged, absorption.handle_until, now)
            if not await self._users.change(
                keep, values, operation=operation, event=ABSORBED, at=now, key=key
            ):
                return False
        gone = {name: None for name in GIVEN_UP if getattr(merged, name)}
        if not gone:
            return True
        for handle in handles_of(merged, now):
            await self._handles.hand_over(handle, merged.id, keep.id)
        return (
            await self._users.change(
                merged, gone, operation=operation, event=MERGE_COMPLETED, at=now, key=merged_key
            )
            is not None
        )


def handles_of(merged: User, now: datetime) -> list[str]:
    """The handles that lead to the user."""
    formers = [former.handle for former in merged.former_handles if former.until > now]
    return [*formers, merged.handle] if merged.handle is not None else formers


def taken_over(keep: User, merged: User, until: datetime, now: datetime) -> dict[str, Any]:
    """What differs with the user who is kept, by attribute, once the other's is theirs."""
    values = {
        "former_handles": _handles_after(keep, merged, until, now),
        "subscriptions": joined(keep.subscriptions, *merged.subscriptions),
        "grants": granted(keep.grants, *merged.grants),
    }
    return {name: value for name, value in values.items() if value != getattr(keep, name)}


def _handles_after(
    keep: User, merged: User, until: datetime, now: datetime
) -> tuple[FormerHandle, ...]:
    """The former handles of the user who is kept, once the other's lead there too."""
    known = [*keep.former_handles, *merged.former_handles]
    if merged.handle is not None:
        known.append(FormerHandle(merged.handle, until))
    leading = [former for former in known if former.until > now and former.handle != keep.handle]
    return tuple(leading[-FORMER_HANDLES:])


def _kept(edge: Document, merged: str, keep: str) -> Pair:
    """Between whom the block is once the merged user is the one who is kept."""
    source, target = (keep if end == merged else end for end in (edge["source"], edge["target"]))
    return source, target
