"""Follows: both lists, the counts, the relation, cursors, and what a crash leaves."""

import asyncio
import base64
from typing import Any

import pytest

from pipelines.repair import repair
from store.ids import new_id
from tests.subgraph import Subgraph

FOLLOW = """mutation ($input: FollowInput!) {
  follow(input: $input) {
    user { handle followerCount viewerRelation { isFollowing canFollow } }
    errors { __typename code path ... on NotAllowedError { reason } }
    dryRun { changes { field before after } events }
  }
}"""
UNFOLLOW = FOLLOW.replace("FollowInput", "UnfollowInput").replace("follow(", "unfollow(")
LISTS = """query ($id: ID!, $first: Int! = 20, $after: String) {
  user(by: {id: $id}) {
    followerCount followingCount
    followers(first: $first, after: $after) {
      edges { node { handle } cursor }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
    following(first: 20) { edges { node { handle } } }
  }
}"""


async def follow(
    subgraph: Subgraph, viewer: str, target: str, mutation: str = FOLLOW, **control: Any
) -> Any:
    input = {"userId": target, "control": control}
    data = await subgraph.data(mutation, viewer, input=input)
    return next(iter(data.values()))


async def lists(subgraph: Subgraph, user_id: str, **variables: Any) -> Any:
    return (await subgraph.data(LISTS, id=user_id, **variables))["user"]


def handles(connection: Any) -> list[str]:
    return [edge["node"]["handle"] for edge in connection["edges"]]


async def agrees(subgraph: Subgraph) -> bool:
    """Whether both lists and all counts tell the same story."""
    counts = await subgraph.store.follows.counts()
    users = await subgraph.store.users.collection.find({})
    for user in users:
        kept = (user["counts"]["followers"], user["counts"]["following"])
        if counts.get(user["_id"], (0, 0)) != kept:
            return False
    followers = await subgraph.store.follows.followers.collection.find({})
    following = await subgraph.store.follows.following.collection.find({})
    return {(row["source"], row["target"]) for row in followers} == {
        (row["source"], row["target"]) for row in following
    }


async def test_following_shows_in_both_lists_and_counts(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    payload = await follow(subgraph, ada, ben)
    assert payload == {
        "user": {
            "handle": "ben.ek",
            "followerCount": 1,
            "viewerRelation": {"isFollowing": True, "canFollow": False},
        },
        "errors": [],
        "dryRun": None,
    }
    assert handles((await lists(subgraph, ada))["following"]) == ["ben.ek"]
    assert handles((await lists(subgraph, ben))["followers"]) == ["ada.berg"]
    assert (await lists(subgraph, ada))["followingCount"] == 1
    assert await agrees(subgraph)


async def test_following_twice_changes_nothing(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    first = await follow(subgraph, ada, ben)
    assert await follow(subgraph, ada, ben) == first
    assert await agrees(subgraph)


async def test_unfollowing_undoes_it_and_twice_changes_nothing(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await follow(subgraph, ada, ben)
    for _ in range(2):
        payload = await follow(subgraph, ada, ben, UNFOLLOW)
        assert payload["user"] == {
            "handle": "ben.ek",
            "followerCount": 0,
            "viewerRelation": {"isFollowing": False, "canFollow": True},
        }
    assert handles((await lists(subgraph, ben))["followers"]) == []
    assert await agrees(subgraph)


async def test_many_at_once_leave_lists_and_counts_that_agree(subgraph: Subgraph) -> None:
    ids = [await subgraph.register(f"person{index}") for index in range(6)]
    pairs = [(source, target) for source in ids for target in ids if source != target]
    for mutation in (FOLLOW, UNFOLLOW, FOLLOW):
        await asyncio.gather(*(follow(subgraph, *pair, mutation) for pair in pairs for _ in "ab"))
        assert await agrees(subgraph)
    mixed = [follow(subgraph, *pair, mutation) for pair in pairs for mutation in (UNFOLLOW, FOLLOW)]
    await asyncio.gather(*mixed)
    assert await agrees(subgraph)


async def test_who_cannot_be_followed(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    eve, sam = await subgraph.register("eve.holm"), await subgraph.register("sam.ito")
    await subgraph.block(ada, ben)
    await subgraph.block(eve, ada)
    await subgraph.set_status(sam, "SUSPENDED")
    path = ["userId"]
    not_found = {"__typename": "NotFoundError", "code": "NOT_FOUND", "path": path}
    not_allowed = {"__typename": "NotAllowedError", "code": "NOT_ALLOWED", "path": path}
    for target, error in (
        (ada, {**not_allowed, "reason": "SELF"}),
        (ben, {**not_allowed, "reason": "BLOCKING"}),
        (sam, {**not_allowed, "reason": "ACCOUNT_STATUS"}),
        (eve, not_found),
        (new_id(), not_found),
        ("x", {"__typename": "ValidationError", "code": "BAD_USER_INPUT", "path": path}),
    ):
        payload = await follow(subgraph, ada, target)
        assert payload == {"user": None, "errors": [error], "dryRun": None}
    assert await subgraph.store.follows.counts() == {}


TIES = """query ($id: ID!) { user(by: {id: $id}) {
  followerCount followingCount
  viewerRelation { isFollowing isFollowedBy isBlocking canFollow }
} }"""


@pytest.mark.parametrize("mutation", ["follow", "unfollow", "block", "unblock"])
@pytest.mark.parametrize("before", ["", "out", "back", "out back", "block"])
async def test_a_dry_run_tells_exactly_what_the_real_one_changes(
    subgraph: Subgraph, mutation: str, before: str
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    if "out" in before:
        await subgraph.follow(ada, ben)
    if "back" in before:
        await subgraph.follow(ben, ada)
    if "block" in before:
        await subgraph.block(ada, ben)

    async def ties() -> dict[str, Any]:
        user = (await subgraph.data(TIES, ada, id=ben))["user"]
        relation = user.pop("viewerRelation")
        return {**user, **{f"viewerRelation.{name}": value for name, value in relation.items()}}

    fields = "errors { code } dryRun { events changes { field before after } }"
    query = (
        f"mutation ($i: {mutation.title()}Input!) {{ it: {mutation}(input: $i) {{ {fields} }} }}"
    )
    was = await ties()
    dry = await subgraph.data(query, ada, i={"userId": ben, "control": {"dryRun": True}})
    assert await ties() == was
    real = await subgraph.data(query, ada, i={"userId": ben})
    became = await ties()
    assert dry["it"]["errors"] == real["it"]["errors"]
    forecast = dry["it"]["dryRun"] or {"changes": [], "events": []}
    assert forecast["events"] == []
    assert {
        change["field"]: (change["before"], change["after"]) for change in forecast["changes"]
    } == {name: (was[name], became[name]) for name in was if was[name] != became[name]}


@pytest.mark.parametrize("status", ["PENDING", "SUSPENDED", "DEACTIVATED", "ERASURE_SCHEDULED"])
@pytest.mark.parametrize("mutation", ["unfollow", "block", "unblock"])
async def test_a_dry_run_tells_nothing_of_an_account_that_is_not_active(
    subgraph: Subgraph, mutation: str, status: str
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    if mutation == "unblock":
        await subgraph.block(ada, ben)
    else:
        await subgraph.follow(ada, ben)
        await subgraph.follow(ben, ada)
    await subgraph.set_status(ben, status)
    query = f"""mutation ($id: ID!, $dry: Boolean!) {{
      it: {mutation}(input: {{userId: $id, control: {{dryRun: $dry}}}}) {{
        user {{ followerCount followingCount viewerRelation {{ isFollowedBy }} }}
        errors {{ code }} dryRun {{ changes {{ field }} events }}
      }} }}"""
    user = {"followerCount": None, "followingCount": None, "viewerRelation": None}
    told = {"user": user, "errors": [], "dryRun": {"changes": [], "events": []}}
    assert await subgraph.data(query, ada, id=ben, dry=True) == {"it": told}
    # Nevertheless it does what it would for everybody else.
    assert await subgraph.data(query, ada, id=ben, dry=False) == {"it": {**told, "dryRun": None}}
    assert await subgraph.store.follows.existing([(ada, ben)]) == set()
    blocks = await subgraph.store.blocks.existing([(ada, ben)])
    assert blocks == ({(ada, ben)} if mutation == "block" else set())


async def test_a_follow_can_insist_on_the_revision_that_was_seen(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    payload = await follow(subgraph, ada, ben, ifRev=4)
    assert [error["code"] for error in payload["errors"]] == ["CONFLICT"]
    payload = await follow(subgraph, ada, ben, ifRev=1)
    assert payload["errors"] == []


async def test_pages_keep_their_place_while_others_come_and_go(subgraph: Subgraph) -> None:
    star = await subgraph.register("star")
    fans = [await subgraph.register(f"fan{index}") for index in range(5)]
    for fan in fans:
        await subgraph.follow(fan, star)
    first = (await lists(subgraph, star, first=2))["followers"]
    assert handles(first) == ["fan4", "fan3"]
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][1]["cursor"],
    }
    await subgraph.follow(await subgraph.register("late"), star)
    await follow(subgraph, fans[3], star, UNFOLLOW)  # the one the cursor stands on
    second = (await lists(subgraph, star, first=2, after=first["pageInfo"]["endCursor"]))[
        "followers"
    ]
    assert handles(second) == ["fan2", "fan1"]
    after = second["pageInfo"]["endCursor"]
    third = (await lists(subgraph, star, first=2, after=after))["followers"]
    assert handles(third) == ["fan0"]
    assert third["pageInfo"]["hasNextPage"] is False
    assert third["pageInfo"]["hasPreviousPage"] is True


async def test_an_empty_page_asks_whether_there_is_more(subgraph: Subgraph) -> None:
    star, fan = await subgraph.register("star"), await subgraph.register("fan")
    await subgraph.follow(fan, star)
    page = (await lists(subgraph, star, first=0))["followers"]
    assert page["edges"] == []
    assert page["pageInfo"]["hasNextPage"] is True


@pytest.mark.parametrize("forgery", ["cut", "flipped", "foreign list", "other user", "text", "💥"])
async def test_a_forged_cursor_is_refused(subgraph: Subgraph, forgery: str) -> None:
    star, fan = await subgraph.register("star"), await subgraph.register("fan")
    await subgraph.follow(fan, star)
    await subgraph.follow(star, fan)
    cursor = (await lists(subgraph, star))["followers"]["edges"][0]["cursor"]
    raw = bytearray(base64.urlsafe_b64decode(cursor))
    raw[-1] ^= 1
    following = "query ($id: ID!) { user(by: {id: $id}) { following { pageInfo { endCursor } } } }"
    foreign = (await subgraph.data(following, id=star))["user"]["following"]["pageInfo"]
    other = (await lists(subgraph, fan))["followers"]["pageInfo"]
    after = {
        "cut": cursor[:-4],
        "flipped": base64.urlsafe_b64encode(bytes(raw)).decode(),
        "foreign list": foreign["endCursor"],
        "other user": other["endCursor"],
        "text": "not a cursor",
        "💥": "💥",
    }[forgery]
    answer = await subgraph.ask(LISTS, id=star, after=after)
    [error] = answer["errors"]
    assert error["path"] == ["user", "followers"]
    assert error["extensions"] == {
        "code": "BAD_USER_INPUT",
        "argument": ["after"],
        "rule": "CURSOR",
    }
    assert answer["data"]["user"]["followers"] is None
    assert handles(answer["data"]["user"]["following"]) == ["fan"]


async def test_hidden_users_are_left_out_and_their_places_filled(subgraph: Subgraph) -> None:
    star, zoe = await subgraph.register("star"), await subgraph.register("zoe")
    fans = [await subgraph.register(f"fan{index}") for index in range(6)]
    for fan in fans:
        await subgraph.follow(fan, star)
    for hidden in fans[1:5]:
        await subgraph.block(hidden, zoe)
    page = (await subgraph.data(LISTS, zoe, id=star, first=1))["user"]["followers"]
    assert handles(page) == ["fan5"]
    assert page["pageInfo"]["hasNextPage"] is True
    after = page["pageInfo"]["endCursor"]
    page = (await subgraph.data(LISTS, zoe, id=star, first=1, after=after))["user"]["followers"]
    assert handles(page) == ["fan0"]
    assert page["pageInfo"]["hasNextPage"] is False


async def test_following_and_blocking_at_once_ends_in_a_block(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    for index in range(8):
        ben = await subgraph.register(f"ben{index}")
        await asyncio.gather(follow(subgraph, ada, ben), subgraph.block(ada, ben))
        assert await subgraph.store.follows.existing([(ada, ben)]) == set()
    assert await agrees(subgraph)


async def test_one_pair_pulled_at_from_all_sides_stays_exact(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    store, at = subgraph.store.follows, subgraph.clock()
    for _ in range(2):
        await asyncio.gather(*(act(ada, ben, at=at) for act in (store.add, store.remove) * 8))
        assert await agrees(subgraph)


@pytest.mark.parametrize("mutation", [FOLLOW, UNFOLLOW])
@pytest.mark.parametrize("crash_after", range(5))
async def test_a_crash_in_the_middle_is_carried_through(
    subgraph: Subgraph, mutation: str, crash_after: int
) -> None:
    """Each follow is at most five writes; whichever is the last, repair ends in agreement."""
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    if mutation is UNFOLLOW:
        await follow(subgraph, ada, ben)
    writes = 0

    class Crash(Exception):
        pass

    async def counted(original: Any, *args: Any, **options: Any) -> Any:
        nonlocal writes
        if writes == crash_after:
            raise Crash
        writes += 1
        return await original(*args, **options)

    store = subgraph.store
    for collection in (
        store.follows.following.collection,
        store.follows.followers.collection,
        store.users.collection,
    ):
        for verb in ("insert", "update", "delete"):
            original = getattr(collection, verb)
            setattr(collection, verb, _bound(counted, original))
    act = store.follows.add if mutation is FOLLOW else store.follows.remove
    with pytest.raises(Crash):
        await act(ada, ben, at=subgraph.clock())
    crash_after = -1  # alive again

    subgraph.clock.advance(seconds=31)
    begun = writes > 0
    assert await repair(store, subgraph.clock()) == (1 if begun else 0)
    assert await agrees(subgraph)
    follows_now = bool(await store.follows.existing([(ada, ben)]))
    assert follows_now == (begun if mutation is FOLLOW else not begun)


def _bound(function: Any, original: Any) -> Any:
    async def call(*args: Any, **options: Any) -> Any:
        return await function(original, *args, **options)

    return call
