"""Real gateways in front of the subgraph: whole answers, and what they ask of it for these."""

from hashlib import sha256
from typing import Any

import pytest

from store.ids import new_id
from tests.conftest import Commands
from tests.gateway.conftest import Client, OtherTeams
from tests.gateway.door import Door, bad_gateway
from tests.gateway.gateways import Gateways, showing
from tests.subgraph import Subgraph
from tests.test_tiers import as_input, life, record

pytestmark = pytest.mark.one_driver

OWNERS = "query ($ids: [ID!]!) { playlists(ids: $ids) { name owner { displayName } } }"
MINE = "{ viewer { user { handle private { locale } } } }"


def entities(gateway: Client, fields: str) -> str:
    """The operation of a gateway for these fields of users."""
    # Hive's own executor asks for every key as well.
    selection = f"{fields} handle" if gateway.setup == "hive" else fields
    return (
        "query($representations:[_Any!]!){_entities(representations:$representations)"
        f"{{...on User{{{selection}}}}}}}"
    )


def references(*user_ids: str) -> dict[str, Any]:
    """The variables of such an operation."""
    return {"representations": [{"__typename": "User", "id": user_id} for user_id in user_ids]}


def asked(door: Door) -> list[tuple[str, Any]]:
    """The operations and variables of all requests, in a canonical form."""
    return [(request.operation, request.body.get("variables")) for request in door.taken()]


@pytest.mark.parametrize("gateway", showing("query"), indirect=True)
async def test_a_query_of_ours_is_one_request(
    subgraph: Subgraph, gateway: Client, door: Door, commands: Commands
) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    commands.taken()
    query = "query ($by: UserBy!) { user(by: $by) { id displayName status followerCount } }"
    answer = await gateway.ask(query, by={"id": ada})
    user = {"id": ada, "displayName": "Ada", "status": "ACTIVE", "followerCount": 0}
    assert answer == {"data": {"user": user}}
    name = "_user_by" if gateway.setup == "hive" else "by"
    operation = f"query(${name}:UserBy!){{user(by:${name}){{id displayName status followerCount}}}}"
    assert asked(door) == [(operation, {name: {"id": ada}})]
    assert commands.taken() == ["find"]


@pytest.mark.parametrize("gateway", showing("entities"), indirect=True)
async def test_users_have_their_playlists(
    subgraph: Subgraph, gateway: Client, others: OtherTeams
) -> None:
    ada = await subgraph.register("ada.berg")
    one, two = await others.playlist(ada, "One"), await others.playlist(ada, "Two")
    data = await gateway.data(
        '{ user(by: {handle: "ada.berg"}) { handle playlists { id name owner { id } } } }'
    )
    playlists = [
        {"id": one, "name": "One", "owner": {"id": ada}},
        {"id": two, "name": "Two", "owner": {"id": ada}},
    ]
    assert data == {"user": {"handle": "ada.berg", "playlists": playlists}}


@pytest.mark.parametrize("count", [1, 50])
@pytest.mark.parametrize("gateway", showing("entities"), indirect=True)
async def test_owners_of_many_playlists_are_one_request_and_one_command(
    subgraph: Subgraph,
    gateway: Client,
    others: OtherTeams,
    door: Door,
    commands: Commands,
    count: int,
) -> None:
    owners = [
        await subgraph.register(f"owner{index}", displayName=f"Owner {index}")
        for index in range(count)
    ]
    playlists = [await others.playlist(owner, f"Of {owner}") for owner in owners]
    commands.taken()
    data = await gateway.data(OWNERS, ids=playlists)
    assert data["playlists"] == [
        {"name": f"Of {owner}", "owner": {"displayName": f"Owner {index}"}}
        for index, owner in enumerate(owners)
    ]
    assert asked(door) == [(entities(gateway, "displayName"), references(*owners))]
    assert commands.taken() == ["find"]


@pytest.mark.parametrize("gateway", showing("entities"), indirect=True)
async def test_an_owner_who_is_not_there_is_empty_without_an_error(
    subgraph: Subgraph, gateway: Client, others: OtherTeams
) -> None:
    ada, ben = (
        await subgraph.register("ada.berg", displayName="Ada"),
        await subgraph.register("ben"),
    )
    await subgraph.block(ada, ben)
    ids = [await others.playlist(ada, "Hidden"), await others.playlist(new_id(), "Left")]
    nobody = {"owner": {"displayName": None}}
    assert await gateway.ask(OWNERS, ben, ids=ids) == {
        "data": {"playlists": [{"name": "Hidden", **nobody}, {"name": "Left", **nobody}]}
    }
    data = await gateway.data(OWNERS, ids=ids)
    assert data["playlists"][0] == {"name": "Hidden", "owner": {"displayName": "Ada"}}


@pytest.mark.parametrize("gateway", showing("@requires"), indirect=True)
async def test_a_field_that_requires_ours_gets_it(
    subgraph: Subgraph, gateway: Client, others: OtherTeams, door: Door
) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    playlist = await others.playlist(ada, "One")
    query = "query ($id: ID!) { playlist(id: $id) { owner { mixName } } }"
    data = await gateway.data(query, id=playlist)
    assert data == {"playlist": {"owner": {"mixName": "Ada's mix"}}}
    assert asked(door) == [(entities(gateway, "displayName"), references(ada))]
    data = await gateway.data('{ user(by: {handle: "ada.berg"}) { mixName } }')
    assert data == {"user": {"mixName": "Ada's mix"}}
    assert len(asked(door)) == 1


@pytest.mark.parametrize("gateway", showing("@requires"), indirect=True)
async def test_another_subgraph_requires_the_tier_of_those_who_may_see_it(
    subgraph: Subgraph, gateway: Client, others: OtherTeams, door: Door
) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    assert (await record(subgraph, as_input(subgraph, ada, life()[1])))["errors"] == []
    query = "query ($id: ID!) { playlist(id: $id) { owner { canDownload } } }"
    of_ada, of_ben = await others.playlist(ada, "One"), await others.playlist(ben, "Two")
    seen = []
    for viewer, playlist in ((ada, of_ada), (ben, of_ben), (ben, of_ada)):
        door.taken()
        data = await gateway.data(query, viewer, id=playlist)
        seen.append(data["playlist"]["owner"]["canDownload"])
        owner = ada if playlist == of_ada else ben
        assert asked(door) == [(entities(gateway, "tier"), references(owner))]
    assert seen == [True, False, None]


@pytest.mark.parametrize("gateway", showing("entities"), indirect=True)
async def test_only_a_gateway_that_knows_provides_does_not_ask_for_the_field(
    subgraph: Subgraph,
    gateway: Client,
    others: OtherTeams,
    door: Door,
) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    color = 'mutation { updateProfile(input: {profileColor: "#202020"}) { errors { code } } }'
    assert await subgraph.data(color, ada) == {"updateProfile": {"errors": []}}
    playlist = await others.playlist(ada, "One", owner_color="#101010")
    query = "query ($id: ID!) { playlist(id: $id) { owner { profileColor } } }"
    data = await gateway.data(query, id=playlist)
    if gateway.setup in showing("@provides"):
        assert data == {"playlist": {"owner": {"profileColor": "#101010"}}}
        assert asked(door) == []
    else:
        assert data == {"playlist": {"owner": {"profileColor": "#202020"}}}
        assert asked(door) == [(entities(gateway, "profileColor"), references(ada))]


async def liked_by_ben(subgraph: Subgraph, others: OtherTeams) -> tuple[str, str]:
    """A playlist that Ben likes, and Ben."""
    ada = await subgraph.register("ada.berg")
    ben = await subgraph.register("ben", displayName="Ben")
    playlist = await others.playlist(ada, "One")
    await others.like(ben, playlist)
    return playlist, ben


@pytest.mark.parametrize("gateway", showing("entities"), indirect=True)
async def test_an_interface_object_leads_from_the_interface_to_users(
    subgraph: Subgraph, gateway: Client, others: OtherTeams, door: Door
) -> None:
    playlist, ben = await liked_by_ben(subgraph, others)
    query = """query ($id: ID!) {
      likedMedia(id: $id) { __typename name likedBy { displayName } }
    }"""
    media = {"__typename": "Playlist", "name": "One", "likedBy": [{"displayName": "Ben"}]}
    assert await gateway.data(query, id=playlist) == {"likedMedia": media}
    assert asked(door) == [(entities(gateway, "displayName"), references(ben))]


@pytest.mark.parametrize("gateway", showing("entities"), indirect=True)
async def test_only_a_gateway_that_knows_interface_objects_gives_their_fields_to_every_kind(
    subgraph: Subgraph, gateway: Client, others: OtherTeams, door: Door
) -> None:
    playlist, ben = await liked_by_ben(subgraph, others)
    query = "query ($id: ID!) { playlist(id: $id) { name likedBy { displayName } } }"
    answer = await gateway.ask(query, id=playlist)
    if gateway.setup in showing("@interfaceObject"):
        likes = [{"displayName": "Ben"}]
        assert answer == {"data": {"playlist": {"name": "One", "likedBy": likes}}}
        assert asked(door) == [(entities(gateway, "displayName"), references(ben))]
    else:
        assert answer["data"] == {"playlist": None}
        assert [error["extensions"]["code"] for error in answer["errors"]] == [
            "SATISFIABILITY_ERROR"
        ]


@pytest.mark.parametrize("gateway", showing("query"), indirect=True)
async def test_a_mutation_goes_on_with_playlists(
    subgraph: Subgraph, gateway: Client, others: OtherTeams
) -> None:
    ada = await subgraph.register("ada.berg")
    await others.playlist(ada, "One")
    update = """mutation ($input: UpdateProfileInput!) {
      updateProfile(input: $input) {
        user { bio playlists { name } }
        errors { code path ... on ValidationError { rule } }
      }
    }"""
    data = await gateway.data(update, ada, input={"bio": "Hello"})
    user = {"bio": "Hello", "playlists": [{"name": "One"}]}
    assert data == {"updateProfile": {"user": user, "errors": []}}
    data = await gateway.data(update, ada, input={"bio": "x" * 301})
    errors = [{"code": "BAD_USER_INPUT", "path": ["bio"], "rule": "MAX_LENGTH"}]
    assert data == {"updateProfile": {"user": None, "errors": errors}}


@pytest.mark.parametrize("gateway", showing("query"), indirect=True)
async def test_the_token_of_the_client_arrives(
    subgraph: Subgraph, gateway: Client, door: Door
) -> None:
    ada = await subgraph.register("ada.berg", locale="sv")
    token = subgraph.token(ada)
    data = await gateway.data(MINE, token=token)
    assert data == {"viewer": {"user": {"handle": "ada.berg", "private": {"locale": "sv"}}}}
    assert await gateway.data(MINE) == {"viewer": None}
    signed_in, anonymous = door.taken()
    assert signed_in.headers["authorization"] == f"Bearer {token}"
    assert "authorization" not in anonymous.headers


@pytest.mark.parametrize("gateway", showing("query"), indirect=True)
async def test_a_refused_argument_is_told_at_its_field(gateway: Client) -> None:
    answer = await gateway.ask('{ user(by: {id: "short"}) { handle } }')
    assert answer == {
        "data": {"user": None},
        "errors": [
            {
                "message": "Expected an id of 22 letters and digits.",
                "path": ["user"],
                "extensions": {
                    "code": "BAD_USER_INPUT",
                    "argument": ["by", "id"],
                    "rule": "ID_FORMAT",
                    "serviceName": "users",
                },
            }
        ],
    }


@pytest.mark.parametrize("gateway", showing("entities"), indirect=True)
async def test_a_refused_representation_is_told_where_it_belongs(
    subgraph: Subgraph, gateway: Client, others: OtherTeams
) -> None:
    ada, ben = [
        await subgraph.register(handle, displayName=handle.title()) for handle in ("ada", "ben")
    ]
    ids = [await others.playlist(owner, owner) for owner in (ada, "short", ben)]
    # Hive's own executor tells an error at each leaf of the entity.
    path = ["playlists", 1, "owner", *(["displayName"] if gateway.setup == "hive" else [])]
    assert await gateway.ask(OWNERS, ids=ids) == {
        "data": {
            "playlists": [
                {"name": ada, "owner": {"displayName": "Ada"}},
                {"name": "short", "owner": {"displayName": None}},
                {"name": ben, "owner": {"displayName": "Ben"}},
            ]
        },
        "errors": [
            {
                "message": "Expected an id of 22 letters and digits.",
                "path": path,
                "extensions": {
                    "code": "BAD_USER_INPUT",
                    "argument": ["id"],
                    "rule": "ID_FORMAT",
                    "serviceName": "users",
                },
            }
        ],
    }


@pytest.mark.parametrize("gateway", showing("query"), indirect=True)
async def test_a_mutation_without_a_token_is_refused(gateway: Client) -> None:
    answer = await gateway.ask('mutation { updateProfile(input: {bio: "x"}) { user { bio } } }')
    assert answer == {
        "data": {"updateProfile": None},
        "errors": [
            {
                "message": "Sign in: send a bearer token in the Authorization header.",
                "path": ["updateProfile"],
                "extensions": {"code": "UNAUTHENTICATED", "serviceName": "users"},
            }
        ],
    }


@pytest.mark.parametrize("gateway", showing("query"), indirect=True)
async def test_a_wrong_token_is_no_data_and_an_error(
    subgraph: Subgraph, gateway: Client, others: OtherTeams
) -> None:
    playlist = await others.playlist(new_id(), "One")
    query = "query ($id: ID!) { playlist(id: $id) { name } viewer { scopes } }"
    answer = await gateway.ask(query, token="not.a.token", id=playlist)
    assert answer["data"] == {"playlist": {"name": "One"}, "viewer": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]


@pytest.mark.parametrize("gateway", showing("entities"), indirect=True)
async def test_without_us_the_rest_of_the_answer_stays(
    subgraph: Subgraph, gateway: Client, others: OtherTeams, door: Door
) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    playlist = await others.playlist(ada, "One")
    query = """query ($id: ID!) {
      playlist(id: $id) { name owner { displayName } }
      user(by: {handle: "ada.berg"}) { handle }
    }"""
    door.app = bad_gateway
    answer = await gateway.ask(query, id=playlist)
    down = {"playlist": {"name": "One", "owner": {"displayName": None}}, "user": None}
    assert answer["data"] == down
    codes = [error["extensions"]["code"] for error in answer["errors"]]
    assert codes == ["INTERNAL_SERVER_ERROR"] * 2
    door.app = subgraph.app
    assert await gateway.data(query, id=playlist) == {
        "playlist": {"name": "One", "owner": {"displayName": "Ada"}},
        "user": {"handle": "ada.berg"},
    }


@pytest.mark.parametrize("gateway", showing("APQ"), indirect=True)
async def test_a_gateway_sends_each_operation_once_and_then_its_hash(
    subgraph: Subgraph, gateway: Client, others: OtherTeams, door: Door
) -> None:
    ada = await subgraph.register("ada.berg", displayName="Ada")
    playlist = await others.playlist(ada, "One")
    for _ in range(3):
        data = await gateway.data(OWNERS, ids=[playlist])
        assert data == {"playlists": [{"name": "One", "owner": {"displayName": "Ada"}}]}
    bodies = [request.body for request in door.taken()]
    assert ["query" in body for body in bodies] == [False, True, False, False]
    text = bodies[1]["query"]
    persisted = {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}
    assert [body["extensions"]["persistedQuery"] for body in bodies] == [persisted] * 4
    assert [body["variables"] for body in bodies] == [references(ada)] * 4


@pytest.mark.parametrize("gateway", showing("APQ"), indirect=True)
async def test_the_text_behind_an_unknown_hash_comes_with_the_token(
    subgraph: Subgraph, gateway: Client, door: Door
) -> None:
    ada = await subgraph.register("ada.berg", locale="sv")
    data = await gateway.data(MINE, ada)
    assert data == {"viewer": {"user": {"handle": "ada.berg", "private": {"locale": "sv"}}}}
    requests = door.taken()
    assert ["query" in request.body for request in requests] == [False, True]
    assert len({request.headers["authorization"] for request in requests}) == 1


async def test_apollo_gateway_does_not_start_with_access_directives(
    gateways: Gateways, door: Door
) -> None:
    with pytest.raises(
        AssertionError, match=r"authenticated/v0.1 is for: SECURITY but is unsupported"
    ):
        await gateways.address("apollo-guarded")


@pytest.mark.parametrize("gateway", ["hive-guarded"], indirect=True)
async def test_hive_starts_with_access_directives_and_leaves_access_to_us(
    subgraph: Subgraph, gateway: Client
) -> None:
    ada = await subgraph.register("ada.berg", locale="sv")
    data = await gateway.data(MINE, ada)
    assert data == {"viewer": {"user": {"handle": "ada.berg", "private": {"locale": "sv"}}}}
    private = '{ user(by: {handle: "ada.berg"}) { handle private { locale } } }'
    assert await gateway.data(private) == {"user": {"handle": "ada.berg", "private": None}}
