"""The model of handles and of the life of an account (docs/accounts.md)."""

from datetime import datetime, timedelta

from tests.model import homes
from tests.model.people import (
    ACTIVE,
    COOLDOWN,
    DEACTIVATED,
    ERASED,
    LIVING,
    MERGED,
    PENDING,
    SCHEDULED,
    SUSPENDED,
    Person,
    Platform,
    Refused,
    Ties,
    check_active,
    denied,
    invalid,
    too_soon,
)

INTERVAL = timedelta(days=7)
ERASURE_DELAY = timedelta(days=14)
KEPT_HANDLES = 10
WAYS = {
    "confirmUser": (PENDING, ACTIVE),
    "liftSuspension": (SUSPENDED, ACTIVE),
    "deactivateAccount": (ACTIVE, DEACTIVATED),
    "reactivateAccount": (DEACTIVATED, ACTIVE),
}


def register(platform: Platform, handle: str, *, pending: bool) -> None:
    """Makes a user, who has no id until the service gave one."""
    _check_free(platform, handle, None)
    platform.people.append(Person("", handle, PENDING if pending else ACTIVE))


def change_handle(platform: Platform, person: Person, handle: str) -> None:
    """Gives somebody another handle."""
    check_active(person)
    if person.handle == handle:
        return
    if person.handle_changed_at is not None:
        remaining = person.handle_changed_at + INTERVAL - platform.now
        if remaining > timedelta():
            raise too_soon(remaining, "handle")
    _check_free(platform, handle, person)
    kept = [one for one in person.formers if one[1] > platform.now and one[0] != handle]
    assert person.handle is not None
    person.formers = [*kept, (person.handle, platform.now + COOLDOWN)][-KEPT_HANDLES:]
    person.handle, person.handle_changed_at = handle, platform.now


def lead(person: Person, mutation: str, *path: str) -> None:
    """Leads an account along one of the ways that have one end."""
    source, target = WAYS[mutation]
    if person.status == target:
        return
    if person.status != source:
        raise denied("ACCOUNT_STATUS", *path)
    person.status, person.suspended_until, person.reason = target, None, None


def suspend(person: Person, until: datetime | None, reason: str | None) -> None:
    """Closes somebody's account, or sets until when anew."""
    if person.status not in (ACTIVE, SUSPENDED):
        raise denied("ACCOUNT_STATUS", "userId")
    person.status, person.suspended_until, person.reason = SUSPENDED, until, reason


def schedule_erasure(platform: Platform, person: Person) -> None:
    """Has an account erased after a while."""
    if person.status == SCHEDULED:
        return
    if person.status not in LIVING:
        raise denied("ACCOUNT_STATUS")
    person.status_before, person.status = person.status, SCHEDULED
    person.erase_at = platform.now + ERASURE_DELAY


def cancel_erasure(platform: Platform, person: Person) -> None:
    """Leads back to the state before, as it would be by now."""
    if person.status != SCHEDULED:
        raise denied("ACCOUNT_STATUS")
    assert person.status_before is not None
    person.status, person.status_before, person.erase_at = person.status_before, None, None
    if person.status == SUSPENDED:
        platform.end_suspension(person)


def erase_due(platform: Platform) -> None:
    """Forgets those whose time has come."""
    for person in platform.people:
        if person.status == SCHEDULED and person.erase_at and person.erase_at <= platform.now:
            _erase(platform, person)


def merge(platform: Platform, keep: Person | None, merged: Person | None) -> None:
    """Makes one account part of the other."""
    if keep is not None and keep is merged:
        raise invalid("DISTINCT", "mergeId")
    if keep is None or merged is None:
        raise Refused("NOT_FOUND", "keepId" if keep is None else "mergeId")
    if merged.merged_into is keep:
        return
    check_active(keep, "keepId")
    if merged.status not in LIVING:
        raise denied("ACCOUNT_STATUS", "mergeId")
    merged.status, merged.suspended_until, merged.reason = MERGED, None, None
    merged.merged_into = keep
    _move_blocks(platform, keep, merged)
    _move_follows(platform, keep, merged)
    _move_handles(platform, keep, merged)
    homes.hand_over(keep, merged)
    homes.forget(merged)


def is_apart(platform: Platform, one: Person, other: Person) -> bool:
    """Whether one of the two blocks the other."""
    return (one, other) in platform.blocks or (other, one) in platform.blocks


def end_follows(platform: Platform, one: Person, other: Person) -> None:
    """Ends the follows between the two."""
    for pair in ((one, other), (other, one)):
        platform.follows.pop(pair, None)


def _erase(platform: Platform, person: Person) -> None:
    """Leaves nothing but that they were there, neither of those who were merged into them."""
    for merged in platform.people:
        if merged.merged_into is person:
            _erase(platform, merged)
    homes.forget(person)
    platform.follows, platform.blocks = (
        {pair: at for pair, at in ties.items() if person not in pair}
        for ties in (platform.follows, platform.blocks)
    )
    vars(person).update(vars(Person(person.id, None, ERASED)))


def _check_free(platform: Platform, handle: str, person: Person | None) -> None:
    holder = platform.holder(handle)
    if holder is not None and holder is not person:
        detail = platform.cooling(holder).get(handle)
        raise Refused("HANDLE_TAKEN", "handle", detail=detail and detail.isoformat())


def _renamed(ties: Ties, keep: Person, merged: Person) -> Ties:
    """The ties of who is merged, as they are once that is who is kept; without ties to oneself."""
    renamed = {
        (keep if source is merged else source, keep if target is merged else target): at
        for (source, target), at in ties.items()
        if merged in (source, target)
    }
    return {pair: at for pair, at in renamed.items() if pair[0] is not pair[1]}


def _move_blocks(platform: Platform, keep: Person, merged: Person) -> None:
    for pair, at in _renamed(platform.blocks, keep, merged).items():
        platform.blocks.setdefault(pair, at)
        end_follows(platform, *pair)


def _move_follows(platform: Platform, keep: Person, merged: Person) -> None:
    moved = _renamed(platform.follows, keep, merged)
    platform.follows = {pair: at for pair, at in platform.follows.items() if merged not in pair}
    for pair, at in moved.items():
        if not is_apart(platform, *pair):
            platform.follows.setdefault(pair, at)


def _move_handles(platform: Platform, keep: Person, merged: Person) -> None:
    assert merged.handle is not None
    moved = [*merged.formers, (merged.handle, platform.now + COOLDOWN)]
    kept = [one for one in [*keep.formers, *moved] if one[1] > platform.now]
    keep.formers = kept[-KEPT_HANDLES:]
    merged.handle, merged.formers = None, []
