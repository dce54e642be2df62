"""What users choose about their own profile: which fields, and who sees them."""

from enum import StrEnum


class Choice(StrEnum):
    """What a user may hide: a field, or fields that tell the same."""

    DISPLAY_NAME = "DISPLAY_NAME"
    AVATAR = "AVATAR"
    BIO = "BIO"
    PRONOUNS = "PRONOUNS"
    LINKS = "LINKS"
    PROFILE_COLOR = "PROFILE_COLOR"
    JOINED_YEAR = "JOINED_YEAR"
    FOLLOWS = "FOLLOWS"


class Level(StrEnum):
    """Who sees it; each level is stricter than the one before."""

    PUBLIC = "PUBLIC"
    FOLLOWERS = "FOLLOWERS"
    NOBODY = "NOBODY"


STRICTNESS = {level: number for number, level in enumerate(Level)}


def stricter(one: Level, other: Level) -> Level:
    """The level of the two that shows less."""
    return max(one, other, key=STRICTNESS.__getitem__)
