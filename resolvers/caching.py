"""Cache tags: the names under which a router files what an operation read, to be told of changes.

`user:ID` is told with every revision of the user, `handle:HANDLE` when somebody takes the handle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resolvers import rules


@dataclass(slots=True)
class CacheTags:
    """The tags of one operation.

    `of_roots` keeps their order and has each once. `of_entities` has one list per `_entities`
    field, and in it one list of tags per representation.
    """

    of_roots: dict[str, None] = field(default_factory=dict)
    of_entities: list[list[list[str]]] = field(default_factory=list)

    def add_root(self, key: Mapping[str, Any], user_id: str | None) -> None:
        """Adds what a root field found under a key."""
        self.of_roots.update(dict.fromkeys(tags_of(key, user_id)))


def tags_of(key: Mapping[str, Any], user_id: str | None) -> list[str]:
    """The tags of what a well-formed key (`id` or `handle`) leads to, be it nobody."""
    user_id = key.get("id", user_id)
    tags = [] if user_id is None else [f"user:{user_id}"]
    if key.get("handle") is not None:
        tags.append(f"handle:{rules.handle(key['handle'], 'handle')}")
    return tags
