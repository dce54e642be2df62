"""Privacy: what users choose to show to whom, on every path, and what blocks hide both ways."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest

from resolvers.authorization import AUTHORIZATION, PROFILE_SCOPE, ViewerKind
from resolvers.choices import Choice, Level
from resolvers.request import Request, Viewer
from schema.roots import build_schema
from store.ids import new_id
from store.store import Store
from tests.conftest import Commands
from tests.subgraph import Subgraph
from tests.test_authorization import (
    EVERY,
    HIDDEN,
    PATHS,
    SCOPES,
    World,
    events,
    found_in,
    masked,
    token_of,
    whole,
    world,
)

pytestmark = pytest.mark.one_driver

__all__ = ["world"]

SET = """mutation ($input: SetVisibilityInput!) {
  setVisibility(input: $input) {
    user { rev private { visibility { field visibility default loosest } } }
    errors { code path message ... on NotAllowedError { reason } ... on ValidationError { rule } }
    dryRun { changes { field before after } events }
  }
}"""
FIELDS = {
    choice: [
        field.removeprefix("User.")
        for field, chosen in AUTHORIZATION.chosen.items()
        if chosen is choice
    ]
    for choice in Choice
}
SEES = {
    Level.PUBLIC: set(ViewerKind) - {ViewerKind.BLOCKED},
    Level.FOLLOWERS: {*ViewerKind}
    - {ViewerKind.BLOCKED, ViewerKind.ANONYMOUS, ViewerKind.STRANGER},
    Level.NOBODY: {ViewerKind.SELF, ViewerKind.STAFF, ViewerKind.SERVICE},
}
"""Who sees what is shown at a level; the service has every scope."""


async def choose(subgraph: Subgraph, viewer: str, *choices: Any, **control: Any) -> Any:
    input = {
        "choices": [{"field": field, "visibility": level} for field, level in choices],
        "control": control,
    }
    return (await subgraph.data(SET, viewer, input=input))["setVisibility"]


def narrowed(user: Any, kind: ViewerKind, level: Level) -> Any:
    """What is left of what the table shows, when everything is at this level."""
    if user is None or kind in SEES[level]:
        return user
    hidden = {field for fields in FIELDS.values() for field in fields}
    return {name: None if name in hidden else value for name, value in user.items()}


def shown_in_lists(path: str, kind: ViewerKind, level: Level) -> bool:
    """Whether Ada is on a friend's list, and found by her handle."""
    return path not in ("followers", "following") or kind in SEES[level]


@pytest.mark.parametrize("level", [Level.FOLLOWERS, Level.NOBODY])
@pytest.mark.parametrize("kind", ViewerKind)
async def test_every_path_shows_what_was_chosen(
    subgraph: Subgraph, world: World, kind: ViewerKind, level: Level
) -> None:
    token = await token_of(subgraph, world, kind)
    await subgraph.show(world.ada, **dict.fromkeys(Choice, level.value))
    user = await whole(subgraph, world.ada)
    assert [name for name, value in user.items() if value is None] == ["mergedInto"]
    scopes = SCOPES.get(kind, frozenset())
    expected = narrowed(masked(user, kind, scopes), kind, level)
    for path, query in PATHS.items():
        data = await subgraph.data(f"query {query} {EVERY}", token=token, **world.variables(query))
        users = found_in(data["it"])
        wanted = expected if shown_in_lists(path, kind, level) else None
        assert (path, users or [None]) == (path, [wanted])


@pytest.mark.parametrize("level", [Level.FOLLOWERS, Level.NOBODY])
@pytest.mark.parametrize("kind", [kind for kind in ViewerKind if kind is not ViewerKind.BLOCKED])
async def test_an_event_and_a_payload_show_what_was_chosen(
    subgraph: Subgraph, world: World, kind: ViewerKind, level: Level
) -> None:
    token = await token_of(subgraph, world, kind)
    await subgraph.show(world.ada, BIO=level.value)
    async with aclosing(events(subgraph, token, world.ada)) as results:
        change = (await anext(results)).data["profileChanged"]
    is_seen = kind in SEES[level]
    assert change["user"]["bio"] == ("b" if is_seen else None)
    assert change["user"]["pronouns"] == "p"
    assert ("bio" in change["fields"]) is is_seen
    if kind in (ViewerKind.STRANGER, ViewerKind.FOLLOWER):
        for mutation, follows in (("unfollow", False), ("follow", True)):
            query = f"""mutation {{ it: {mutation}(input: {{userId: "{world.ada}"}}) {{
              user {{ bio }} }} }}"""
            data = await subgraph.data(query, token=token)
            is_seen = follows and level is Level.FOLLOWERS
            assert data["it"]["user"] == {"bio": "b" if is_seen else None}


@pytest.mark.parametrize("choice", Choice)
async def test_a_choice_hides_its_fields_and_no_others(
    subgraph: Subgraph, world: World, choice: Choice
) -> None:
    query = f"query {PATHS['user by id']} {EVERY}"
    before = (await subgraph.data(query, id=world.ada))["it"]
    await subgraph.show(world.ada, **{choice.value: "NOBODY"})
    after = (await subgraph.data(query, id=world.ada))["it"]
    hidden = dict.fromkeys(FIELDS[choice])
    assert after == {**before, **hidden, "rev": before["rev"] + 1}
    await subgraph.show(world.ada, **{choice.value: None})
    assert (await subgraph.data(query, id=world.ada))["it"] == {**before, "rev": before["rev"] + 2}


async def test_a_service_needs_a_scope_to_see_what_is_not_public(
    subgraph: Subgraph, world: World
) -> None:
    await subgraph.show(world.ada, BIO="FOLLOWERS", PRONOUNS="NOBODY")
    query = "query ($id: ID!) { user(by: {id: $id}) { bio pronouns displayName } }"
    for scopes, user in (
        ([], {"bio": None, "pronouns": None, "displayName": "Ada"}),
        ([PROFILE_SCOPE], {"bio": "b", "pronouns": "p", "displayName": "Ada"}),
    ):
        token = subgraph.token(None, scopes)
        assert await subgraph.data(query, token=token, id=world.ada) == {"user": user}


async def test_all_choices_are_listed_with_their_defaults(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    payload = await choose(subgraph, ada, ("BIO", "FOLLOWERS"), ("FOLLOWS", "NOBODY"))
    levels = {"BIO": "FOLLOWERS", "FOLLOWS": "NOBODY"}
    assert payload["errors"] == []
    assert payload["user"]["private"]["visibility"] == [
        {
            "field": choice.value,
            "visibility": levels.get(choice, "PUBLIC"),
            "default": "PUBLIC",
            "loosest": "PUBLIC",
        }
        for choice in Choice
    ]


async def test_only_what_is_not_public_is_stored(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.show(ada, BIO="FOLLOWERS", LINKS="NOBODY", AVATAR="PUBLIC")
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.stored()["privacy"] == {"visibility": {"BIO": "FOLLOWERS", "LINKS": "NOBODY"}}
    await subgraph.show(ada, BIO="PUBLIC", LINKS=None)
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert (user.visibility, user.is_narrowed) == ({}, False)


async def test_a_dry_run_tells_the_difference_and_writes_nothing(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    await subgraph.show(ada, BIO="NOBODY")
    before = await subgraph.store.users.by_id(ada)
    payload = await choose(subgraph, ada, ("BIO", "PUBLIC"), ("LINKS", "FOLLOWERS"), dryRun=True)
    assert payload["dryRun"] == {
        "changes": [
            {
                "field": "private.visibility",
                "before": {"BIO": "NOBODY"},
                "after": {"LINKS": "FOLLOWERS"},
            },
            {"field": "rev", "before": 2, "after": 3},
        ],
        "events": ["VISIBILITY_CHANGED"],
    }
    assert await subgraph.store.users.by_id(ada) == before


async def test_a_choice_is_made_once_under_its_key(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    for _ in range(2):
        payload = await choose(subgraph, ada, ("BIO", "NOBODY"), idempotencyKey="k")
        assert payload["user"]["rev"] == 2
    await subgraph.show(ada, BIO="PUBLIC")
    payload = await choose(subgraph, ada, ("BIO", "NOBODY"), idempotencyKey="k")
    assert payload["user"]["private"]["visibility"][2]["visibility"] == "PUBLIC"
    other = await choose(subgraph, ada, ("BIO", "FOLLOWERS"), idempotencyKey="k")
    assert [error["code"] for error in other["errors"]] == ["IDEMPOTENCY_KEY_REUSED"]


@pytest.mark.parametrize(
    ("control", "choices", "error"),
    [
        ({"ifRev": 7}, [("BIO", "NOBODY")], {"code": "CONFLICT", "path": ["control", "ifRev"]}),
        (
            {},
            [("BIO", "NOBODY"), ("LINKS", "NOBODY"), ("BIO", "PUBLIC")],
            {"code": "BAD_USER_INPUT", "path": ["choices", "2", "field"], "rule": "DISTINCT"},
        ),
    ],
)
async def test_a_refusal_writes_nothing(
    subgraph: Subgraph, control: Mapping[str, Any], choices: Any, error: Mapping[str, Any]
) -> None:
    ada = await subgraph.register("ada.berg")
    before = await subgraph.store.users.by_id(ada)
    payload = await choose(subgraph, ada, *choices, **control)
    [refusal] = payload["errors"]
    assert refusal.pop("message").startswith("Expected ")
    assert (payload["user"], refusal) == (None, error)
    assert await subgraph.store.users.by_id(ada) == before


async def test_a_hidden_name_is_found_by_nobody_and_takes_no_more_commands(
    subgraph: Subgraph, commands: Commands
) -> None:
    ada, zoe = await subgraph.register("a1234", displayName="Max"), await subgraph.register("zoe")
    await subgraph.follow(zoe, ada)
    await subgraph.show(ada, DISPLAY_NAME="FOLLOWERS")
    search = """query ($q: String!) { searchUsers(query: $q) {
      edges { node { handle displayName } } pageInfo { hasNextPage endCursor } } }"""
    for token in (None, subgraph.token(zoe), subgraph.token(None, [])):
        answers = []
        for query in ("max", "nobody at all"):
            commands.taken()
            answer = await subgraph.post(search, token, q=query)
            answers.append((answer.content, commands.taken()))
        assert answers[0] == answers[1]
    found = [{"node": {"handle": "a1234", "displayName": "Max"}}]
    assert (await subgraph.data(search, zoe, q="a1234"))["searchUsers"]["edges"] == found
    assert (await subgraph.data(search, ada, q="max"))["searchUsers"]["edges"] == found
    service = await subgraph.data(search, token=subgraph.token(None), q="max")
    assert service["searchUsers"]["edges"] == found


async def test_hidden_follows_are_on_no_list_but_for_its_owner(subgraph: Subgraph) -> None:
    ada, ben, zoe = [await subgraph.register(name) for name in ("ada", "ben", "zoe")]
    await subgraph.follow(ada, ben)
    await subgraph.follow(zoe, ben)
    await subgraph.show(ada, FOLLOWS="NOBODY")
    query = """query ($id: ID!) { user(by: {id: $id}) {
      followerCount followers(first: 2) { edges { node { handle } } } } }"""
    for viewer, handles in (
        (None, ["zoe"]),
        (zoe, ["zoe"]),
        (ben, ["zoe", "ada"]),
        (ada, ["zoe", "ada"]),
    ):
        user = (await subgraph.data(query, viewer, id=ben))["user"]
        assert [edge["node"]["handle"] for edge in user["followers"]["edges"]] == handles
        assert user["followerCount"] == 2


async def test_a_dry_run_of_a_follow_tells_no_hidden_counts(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    query = """mutation ($id: ID!) { follow(input: {userId: $id, control: {dryRun: true}}) {
      dryRun { changes { field } } } }"""

    async def fields() -> list[str]:
        data = await subgraph.data(query, zoe, id=ada)
        return [change["field"] for change in data["follow"]["dryRun"]["changes"]]

    relation = ["viewerRelation.canFollow", "viewerRelation.isFollowing"]
    assert await fields() == ["followerCount", *relation]
    await subgraph.show(ada, FOLLOWS="FOLLOWERS")
    assert await fields() == relation


async def test_a_blocked_user_is_on_no_list_of_the_blocker(subgraph: Subgraph) -> None:
    ada, ben, zoe = [await subgraph.register(name) for name in ("max.a", "max.b", "zoe")]
    await subgraph.follow(ben, zoe)
    await subgraph.follow(zoe, ben)
    lists = """query ($id: ID!) {
      user(by: {id: $id}) {
        followers { edges { node { handle } } } following { edges { node { handle } } }
      }
      searchUsers(query: "max.") { edges { node { handle } } }
    }"""
    await subgraph.block(ada, ben)
    mine = {"edges": [{"node": {"handle": "max.a"}}]}
    assert await subgraph.data(lists, ada, id=zoe) == {
        "user": {"followers": {"edges": []}, "following": {"edges": []}},
        "searchUsers": mine,
    }
    named = """query ($id: ID!) { user(by: {id: $id}) { handle } users(ids: [$id]) { handle }
      viewer { blockedUsers { edges { node { handle } } } } }"""
    ben_is = {"handle": "max.b"}
    assert await subgraph.data(named, ada, id=ben) == {
        "user": ben_is,
        "users": [ben_is],
        "viewer": {"blockedUsers": {"edges": [{"node": ben_is}]}},
    }


async def test_lists_take_as_many_commands_as_before(
    subgraph: Subgraph, world: World, commands: Commands
) -> None:
    query = """query ($id: ID!) { user(by: {id: $id}) {
      followers { edges { node { handle bio } } } } }"""
    taken = []
    for level in ("PUBLIC", "NOBODY", "FOLLOWERS"):
        await subgraph.show(world.ada, BIO=level)
        commands.taken()
        await subgraph.data(query, world.zoe, id=world.friend)
        taken.append(commands.taken())
    # The user and who blocks whom, the list, its users and who blocks whom; then who follows whom.
    assert taken == [["find"] * 5, ["find"] * 5, ["find"] * 6]


async def test_follow_ties_are_read_only_where_followers_see_more_of_what_is_asked(
    subgraph: Subgraph, world: World, commands: Commands
) -> None:
    async def taken(selection: str, token: str | None, *ids: str) -> list[str]:
        query = f"query ($ids: [ID!]!) {{ users(ids: $ids) {{ {selection} }} }}"
        commands.taken()
        await subgraph.data(query, token=token, ids=ids)
        return commands.taken()

    person = subgraph.token(world.zoe)
    assert await taken("handle bio", person, world.ada, world.friend) == ["find"] * 2
    await subgraph.show(world.ada, BIO="FOLLOWERS", LINKS="NOBODY")
    assert await taken("handle bio", person, world.ada, world.friend) == ["find"] * 3
    assert await taken("handle pronouns links { url }", person, world.ada) == ["find"] * 2
    assert await taken("handle bio", person, world.friend, new_id()) == ["find"] * 2
    assert await taken("handle bio", subgraph.token(world.ada), world.ada) == ["find"]
    assert await taken("handle bio", None, world.ada) == ["find"]
    assert await taken("handle bio", subgraph.token(None), world.ada) == ["find"]
    staff = subgraph.token(world.zoe, ["users:staff"])
    assert await taken("handle bio", staff, world.ada) == ["find"]
    await subgraph.block(world.ada, world.zoe)
    assert await taken("handle bio", person, world.ada) == ["find"] * 2


@pytest.mark.parametrize("path", HIDDEN)
async def test_who_is_hidden_looks_like_nobody_whatever_they_chose(
    subgraph: Subgraph, world: World, commands: Commands, path: str
) -> None:
    await subgraph.show(world.ada, **dict.fromkeys(Choice, "FOLLOWERS"))
    await subgraph.block(world.ada, world.zoe)
    query = HIDDEN[path].replace("{ bio }", "{ bio redactions { field reason fixable } }")
    answers = []
    for user_id, handle in ((world.ada, "ada.lind"), (new_id(), "nobody")):
        variables = {"id": user_id} if "$id" in query else {"handle": handle}
        commands.taken()
        answer = await subgraph.http.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={
                "Authorization": f"Bearer {subgraph.token(world.zoe)}",
                "Accept": "text/event-stream" if path == "subscription" else "application/json",
                "X-Request-Id": "the-same",
            },
        )
        answers.append((answer.status_code, dict(answer.headers), answer.content, commands.taken()))
    assert answers[0] == answers[1]


async def test_no_cache_gives_a_followers_view_to_others(subgraph: Subgraph) -> None:
    ada, zoe = await subgraph.register("ada"), await subgraph.register("zoe")
    await subgraph.update(ada, "for followers")
    await subgraph.show(ada, BIO="FOLLOWERS")
    await subgraph.follow(zoe, ada)
    query = "query ($id: ID!) { user(by: {id: $id}) { bio } }"
    for token, bio, scope in (
        (subgraph.token(zoe), "for followers", "private"),
        (subgraph.token(ada), "for followers", "private"),
        (subgraph.token(None), "for followers", "private"),
        (None, None, "public"),
    ):
        answer = await subgraph.post(query, token, id=ada)
        assert answer.json() == {"data": {"user": {"bio": bio}}}
        assert answer.headers["Cache-Control"] == f"max-age=60, {scope}"
        assert answer.headers["Vary"] == "Authorization, Accept"


async def test_readers_at_the_same_time_see_each_what_is_theirs(
    store: Store, subgraph: Subgraph, world: World
) -> None:
    await subgraph.show(world.ada, BIO="FOLLOWERS")
    await subgraph.follow(world.zoe, world.ada)
    schema = build_schema(execution=subgraph.settings.execution)
    eva = await subgraph.register("eva")

    async def bio(user_id: str | None) -> Any:
        until = subgraph.clock() + timedelta(hours=1)
        viewer = user_id and Viewer("app", user_id, frozenset(), until)
        request = Request(viewer=viewer or None, store=store, now=subgraph.clock)
        query = f'{{ user(by: {{id: "{world.ada}"}}) {{ bio }} }}'
        result = await schema.execute(query, context_value=request)
        return result.data and result.data["user"]["bio"]

    viewers = [world.zoe, eva, None, world.ada] * 5
    assert await asyncio.gather(*map(bio, viewers)) == ["b", None, None, "b"] * 5
