"""What anybody sees of follows, as the model expects it."""

from typing import Any

from tests.model.people import ACTIVE, Person, Platform


def count(platform: Platform, person: Person, end: int) -> int:
    """How many follow the person (`end` 1), or how many the person follows (0)."""
    return sum(pair[end] is person for pair in platform.follows)


def listed(platform: Platform, viewer: Person | None, person: Person, end: int) -> list[Person]:
    """Who is on the person's list, newest first, without those whom a block keeps away."""
    pairs = [pair for pair in platform.follows if pair[end] is person]
    pairs.sort(key=lambda pair: platform.follows[pair], reverse=True)
    others = [pair[1 - end] for pair in pairs]
    return [
        other
        for other in others
        if viewer is None
        or ((other, viewer) not in platform.blocks and (viewer, other) not in platform.blocks)
    ]


def relation(platform: Platform, viewer: Person, person: Person) -> dict[str, Any]:
    """What the viewer is to the person."""
    is_following = (viewer, person) in platform.follows
    is_blocking = (viewer, person) in platform.blocks
    is_free = viewer is not person and not is_following and not is_blocking
    return {
        "isSelf": viewer is person,
        "isFollowing": is_following,
        "isFollowedBy": (person, viewer) in platform.follows,
        "isBlocking": is_blocking,
        "canFollow": is_free and person.status == ACTIVE,
    }
