"""Looking back: staff are told of a user as of a moment what they were told at that moment."""

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type
from pymongo import AsyncMongoClient

from schema.roots import build_schema
from store.households import household_of
from store.records import Document
from tests.dry_runs.trials import sent
from tests.dry_runs.wishes import WISHES, random_wish
from tests.dry_runs.worlds import STAFF, World
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

OF_TODAY = {
    *("User.followers", "User.following", "User.followerCount", "User.followingCount"),
    *("User.viewerRelation", "UserPrivate.history"),
}
"""What no revision tells."""
OF_OTHERS = ("tier", "entitlements")
"""What a household shares is told as it is today."""
NEVER = {"User.avatar", "User.redactions"}
"""What nobody has here: there is no mutation for pictures, and from staff nothing is hidden."""


def selection(name: str) -> str:
    """All fields of a type and of those in it, but for those of today."""
    type_ = build_schema().graphql.type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    return " ".join(
        field + _below(field, get_named_type(found.type))
        for field, found in type_.fields.items()
        if f"{name}.{field}" not in OF_TODAY
    )


def _below(field: str, type_: Any) -> str:
    if is_leaf_type(type_):
        return ""
    # Of other users only that they are there: which one is theirs to say.
    return " { __typename }" if type_.name == "User" else f" {{ {selection(type_.name)} }}"


WISHED = [
    *sorted(WISHES.keys() - {"follow", "unfollow", "block", "unblock", "setPreferences"}),
    *["updateProfile"] * 8,
    *["suspendUser"] * 2,
]
"""What makes revisions, one after the other."""
NOW = f"query ($ids: [ID!]!) {{ users(ids: $ids) {{ {selection('User')} }} }}"
THEN = f"""query ($id: ID!, $at: DateTime!) {{
  user(by: {{id: $id}}, asOf: $at) {{ {selection("User")} }}
}}"""


class Seen(NamedTuple):
    """What staff were told of a user at a moment."""

    at: datetime
    user: Any
    is_shared: bool


async def test_looking_back_tells_what_was_told_then(
    subgraph: Subgraph, databases: AsyncMongoClient[Document], database_name: str
) -> None:
    world = World(subgraph, databases[database_name], random.Random(20261123))
    seen, known = [], set[str]()
    await world.look()
    for number in range(400):
        world.let_time_pass()
        if world.chance(0.5):
            seen += await _seen(world)
        subgraph.clock.advance(seconds=0.002)  # a change is told of its millisecond
        wish = await random_wish(world, [WISHED[number % len(WISHED)]])
        payload = await sent(world, wish)
        if wish.name == "registerUser" and payload.get("user"):
            world.ids.append(payload["user"]["id"])
        await world.look()
        if world.chance(0.5):
            seen += await _seen(world)
    for at, user, is_shared in world.dice.sample(seen, 400):
        answer = await subgraph.data(
            THEN, token=world.token(STAFF), id=user["id"], at=at.isoformat()
        )
        assert _told(answer["user"], is_shared) == _told(user, is_shared)
    for one in seen:
        known |= set(_filled("User", one.user))
    fields = {
        f"{name}.{field}"
        for name in ("User", "UserPrivate")
        for field in build_schema().graphql.type_map[name].fields  # type: ignore[attr-defined]
    }
    assert fields - known == OF_TODAY | NEVER


async def _seen(world: World) -> list[Seen]:
    token, at = world.token(STAFF), world.subgraph.clock()
    data = await world.subgraph.data(NOW, token=token, ids=world.ids)
    homes = [household_of(world.user(user_id)) for user_id in world.ids]
    return [
        Seen(at, user, home not in (None, user["id"]))
        for user, home in zip(data["users"], homes, strict=True)
    ]


def _told(user: Any, is_shared: bool) -> Any:
    return {name: value for name, value in user.items() if not is_shared or name not in OF_OTHERS}


def _filled(name: str, value: dict[str, Any]) -> Iterator[str]:
    """The fields of an object, and of its private part, that have a value."""
    for field, found in value.items():
        if found not in (None, []):
            yield f"{name}.{field}"
        if field == "private" and found:
            yield from _filled("UserPrivate", found)
