"""The number of database commands follows the shape of a query, never the size of its answer."""

import pytest

from tests.conftest import Commands
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

ENTITIES = """query ($representations: [_Any!]!) {
  _entities(representations: $representations) { ... on User { id handle } }
}"""

FOLLOWERS = """query ($ids: [ID!]!) {
  users(ids: $ids) { followers(first: 2) { edges { node { handle } } } }
}"""


async def stars(subgraph: Subgraph, count: int) -> list[str]:
    """Users, each with one follower of its own: `fan0` follows `star0` and so on."""
    ids = []
    for index in range(count):
        ids.append(await subgraph.register(f"star{index}"))
        await subgraph.follow(await subgraph.register(f"fan{index}"), ids[-1])
    return ids


@pytest.mark.parametrize("count", [1, 10, 100, 250])
async def test_entities_by_id_are_one_command(
    subgraph: Subgraph, commands: Commands, count: int
) -> None:
    ids = [await subgraph.register(f"person{index}") for index in range(count)]
    representations = [{"__typename": "User", "id": user_id} for user_id in ids]
    commands.taken()
    data = await subgraph.data(ENTITIES, representations=representations)
    assert commands.taken() == ["find"]
    assert [entity["id"] for entity in data["_entities"]] == ids


@pytest.mark.parametrize("count", [1, 10, 100])
async def test_entities_by_handle_are_two_commands(
    subgraph: Subgraph, commands: Commands, count: int
) -> None:
    handles = [f"person{index}" for index in range(count)]
    for handle in handles:
        await subgraph.register(handle)
    representations = [{"__typename": "User", "handle": handle} for handle in handles]
    commands.taken()
    data = await subgraph.data(ENTITIES, representations=representations)
    assert commands.taken() == ["find", "find"]
    assert [entity["handle"] for entity in data["_entities"]] == handles


@pytest.mark.parametrize("count", [2, 10, 50])
async def test_lists_of_users_with_followers_are_three_commands(
    subgraph: Subgraph, commands: Commands, count: int
) -> None:
    ids = await stars(subgraph, count)
    commands.taken()
    data = await subgraph.data(FOLLOWERS, ids=ids)
    assert commands.taken() == ["aggregate", "find", "find"]
    handles = [
        [edge["node"]["handle"] for edge in user["followers"]["edges"]] for user in data["users"]
    ]
    assert handles == [[f"fan{index}"] for index in range(count)]


async def test_one_user_with_followers_is_as_many_commands(
    subgraph: Subgraph, commands: Commands
) -> None:
    ids = await stars(subgraph, 1)
    commands.taken()
    await subgraph.data(FOLLOWERS, ids=ids)
    assert commands.taken() == ["find", "find", "find"]


async def test_a_signed_in_viewer_adds_one_look_at_blocks_per_level(
    subgraph: Subgraph, commands: Commands
) -> None:
    ids = await stars(subgraph, 10)
    viewer = await subgraph.register("zoe")
    commands.taken()
    await subgraph.data(FOLLOWERS, viewer, ids=ids)
    assert commands.taken() == ["aggregate", "find", "find", "find", "find"]


@pytest.mark.parametrize("count", [1, 100])
async def test_aliases_share_their_commands(
    subgraph: Subgraph, commands: Commands, count: int
) -> None:
    for index in range(count):
        await subgraph.register(f"person{index}")
    fields = " ".join(
        f'u{index}: user(by: {{handle: "person{index}"}}) {{ handle }}' for index in range(count)
    )
    commands.taken()
    data = await subgraph.data("{" + fields + "}")
    assert commands.taken() == ["find", "find"]
    assert data == {f"u{index}": {"handle": f"person{index}"} for index in range(count)}


async def test_a_page_size_of_its_own_costs_a_command_of_its_own(
    subgraph: Subgraph, commands: Commands
) -> None:
    ids = await stars(subgraph, 5)
    commands.taken()
    await subgraph.data(
        """query ($ids: [ID!]!) { users(ids: $ids) {
          two: followers(first: 2) { edges { cursor } }
          again: followers(first: 2) { edges { cursor } }
          three: followers(first: 3) { edges { cursor } }
          following(first: 2) { edges { cursor } }
        } }""",
        ids=ids,
    )
    # users, two page sizes of followers, one of following, and the listed users
    assert commands.taken() == ["aggregate", "aggregate", "aggregate", "find", "find"]


@pytest.mark.parametrize("count", [1, 30])
async def test_relations_are_two_commands_for_all(
    subgraph: Subgraph, commands: Commands, count: int
) -> None:
    ids = [await subgraph.register(f"person{index}") for index in range(count)]
    viewer = await subgraph.register("zoe")
    commands.taken()
    await subgraph.data(
        """query ($ids: [ID!]!) { users(ids: $ids) {
          viewerRelation { isFollowing isFollowedBy isBlocking }
        } }""",
        viewer,
        ids=ids,
    )
    # users, whether they block the viewer; follows both ways, whether the viewer blocks them
    assert commands.taken() == ["find", "find", "find", "find"]


async def test_a_search_is_two_commands_whatever_it_finds(
    subgraph: Subgraph, commands: Commands
) -> None:
    search = "query ($q: String!) { searchUsers(query: $q) { edges { node { handle } } } }"
    for index in range(5):
        await subgraph.register(f"person{index}", displayName=f"Quentin {index}")
    for query, found in (("person", 5), ("quen", 5), ("nobody", 0)):
        commands.taken()
        data = await subgraph.data(search, q=query)
        assert commands.taken() == ["find", "find"]
        assert len(data["searchUsers"]["edges"]) == found


async def test_an_update_reads_once_and_writes_once(subgraph: Subgraph, commands: Commands) -> None:
    viewer = await subgraph.register("zoe")
    await subgraph.update(viewer, "Hi")
    commands.taken()
    await subgraph.data(
        'mutation { updateProfile(input: {bio: "Hello"}) { errors { code } } }', viewer
    )
    # the user before and the key, and the guarded update: nobody else can have changed what the
    # payload shows
    assert commands.taken() == ["find", "find", "update"]
