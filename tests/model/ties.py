"""The model of follows and blocks."""

from tests.model.lives import end_follows
from tests.model.people import Person, Platform, Refused, check_active, denied


def follow(platform: Platform, viewer: Person, other: Person | None) -> None:
    """Makes the viewer follow somebody."""
    target = _somebody_else(platform, viewer, other)
    check_active(target, "userId")
    if (viewer, target) in platform.blocks:
        raise denied("BLOCKING", "userId")
    platform.follows.setdefault((viewer, target), platform.now)


def unfollow(platform: Platform, viewer: Person, other: Person | None) -> None:
    """Makes the viewer follow somebody no longer."""
    platform.follows.pop((viewer, _somebody_else(platform, viewer, other)), None)


def block(platform: Platform, viewer: Person, other: Person | None) -> None:
    """Makes the viewer block somebody."""
    target = _somebody_else(platform, viewer, other)
    platform.blocks.setdefault((viewer, target), platform.now)
    end_follows(platform, viewer, target)


def unblock(platform: Platform, viewer: Person, other: Person | None) -> None:
    """Makes the viewer block somebody no longer; one's own block is always there."""
    check_active(viewer)
    if other is None or platform.blocks.pop((viewer, other), None) is None:
        _somebody_else(platform, viewer, other)


def _somebody_else(platform: Platform, viewer: Person, other: Person | None) -> Person:
    check_active(viewer)
    if other is viewer:
        raise denied("SELF", "userId")
    if other is None or (other, viewer) in platform.blocks:
        raise Refused("NOT_FOUND", "userId")
    return other
