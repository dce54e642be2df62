"""Canaries: values that nobody could mistake for others, to see where they come out again."""

import re

MARK = "zqkanarie"
FOUND = re.compile(rf"{MARK}\w*", re.IGNORECASE)


class Canaries:
    """Gives one for each name; `seeded` are the names so far."""

    def __init__(self) -> None:
        self.seeded: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        return self.seeded.setdefault(name, f"{MARK}{name}")


def canaries_in(*texts: str) -> set[str]:
    """The canaries that the texts hold."""
    return {found for text in texts for found in FOUND.findall(text)}
