"""Blocks: they end follows, hide the blocker, and can be listed and ended."""

from typing import Any

from store.ids import new_id
from tests.subgraph import Subgraph

BLOCK = """mutation ($input: BlockInput!) {
  block(input: $input) {
    user { handle viewerRelation { isBlocking isFollowing isFollowedBy canFollow } }
    errors { code path }
    dryRun { changes { field before after } events }
  }
}"""
UNBLOCK = BLOCK.replace("BlockInput", "UnblockInput").replace("block(", "unblock(")
BLOCKED = """{ viewer { blockedUsers(first: 1) {
  edges { node { handle } } pageInfo { hasNextPage }
} } }"""


async def block(
    subgraph: Subgraph, viewer: str, target: str, mutation: str = BLOCK, **control: Any
) -> Any:
    input = {"userId": target, "control": control}
    data = await subgraph.data(mutation, viewer, input=input)
    return next(iter(data.values()))


async def test_a_block_ends_the_follows_between_the_two(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await subgraph.follow(ada, ben)
    await subgraph.follow(ben, ada)
    for _ in range(2):
        payload = await block(subgraph, ada, ben)
        assert payload["user"]["viewerRelation"] == {
            "isBlocking": True,
            "isFollowing": False,
            "isFollowedBy": False,
            "canFollow": False,
        }
    assert await subgraph.store.follows.counts() == {}
    users = await subgraph.store.users.by_ids([ada, ben])
    counts = [user and (user.follower_count, user.following_count) for user in users]
    assert counts == [(0, 0), (0, 0)]


async def test_blocked_looks_the_same_as_absent(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await subgraph.block(ada, ben)
    refused = "(input: {userId: $id}) { user { id } errors { message code path } } }"
    operations = [
        "query ($id: ID!) { user(by: {id: $id}) { id } }",
        "query ($id: ID!) { users(ids: [$id]) { id } }",
        """query ($id: ID!) {
          _entities(representations: [{__typename: "User", id: $id}]) { __typename }
        }""",
        *(
            "mutation ($id: ID!) { " + mutation + refused
            for mutation in ("follow", "unfollow", "block", "unblock")
        ),
    ]
    for operation in operations:
        token = subgraph.token(ben)
        blocked = await subgraph.post(operation, token, id=ada)
        absent = await subgraph.post(operation, token, id=new_id())
        assert blocked.content == absent.content


async def test_unblocking_shows_the_user_again(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await subgraph.follow(ben, ada)
    await subgraph.block(ada, ben)
    for _ in range(2):
        payload = await block(subgraph, ada, ben, UNBLOCK)
        assert payload["user"]["viewerRelation"] == {
            "isBlocking": False,
            "isFollowing": False,
            "isFollowedBy": False,
            "canFollow": True,
        }
    query = "query ($id: ID!) { user(by: {id: $id}) { handle } }"
    assert await subgraph.data(query, ben, id=ada) == {"user": {"handle": "ada.berg"}}


async def test_whom_one_blocks_is_a_list_of_ones_own(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    for handle in ("ben.ek", "eve.holm"):
        subgraph.clock.advance(seconds=1)
        await subgraph.block(ada, await subgraph.register(handle))
    data = await subgraph.data(BLOCKED, ada)
    assert data["viewer"]["blockedUsers"] == {
        "edges": [{"node": {"handle": "eve.holm"}}],
        "pageInfo": {"hasNextPage": True},
    }


async def test_two_who_block_each_other_can_both_unblock(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    now = subgraph.clock()
    await subgraph.store.blocks.add(ada, ben, at=now)
    await subgraph.store.blocks.add(ben, ada, at=now)
    assert (await block(subgraph, ada, ben, UNBLOCK))["errors"] == []
    assert await subgraph.store.blocks.existing([(ada, ben), (ben, ada)]) == {(ben, ada)}
