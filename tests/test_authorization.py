"""Who may see or ask for what: every cell of the table on every path, made from the table."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    Undefined,
    get_named_type,
    is_leaf_type,
    is_non_null_type,
)
from typer.testing import CliRunner

from resolvers.authorization import (
    AUTHORIZATION,
    EVERYBODY,
    PERSONS,
    Authorization,
    Rule,
    ViewerKind,
)
from resolvers.choices import Choice
from resolvers.request import Request
from resolvers.viewer import STAFF_SCOPE, Viewer
from resolvers.visibility import WITHOUT_PROFILE, visible_fields
from schema.authorization import AuthorizationError, authorization_page, check_authorization
from schema.roots import build_schema
from server.cli import app
from server.tokens import PERSON_SCOPES, SERVICE_TOKEN_SCOPES
from store.ids import new_id
from store.records import Status
from tests.conftest import Commands
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

SCHEMA = build_schema()
PAGE = (Path(__file__).parent.parent / "docs" / "authorization.md").read_text()
GENERATED = "<!-- Generated: usergraph schema authorization -->\n"


def fields_of(type_name: str) -> Mapping[str, GraphQLField]:
    type_ = SCHEMA.graphql.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
    fields: Mapping[str, GraphQLField] = type_.fields
    return fields


def selection(type_name: str) -> str:
    """All fields of a type; of what is in other types without rules, that it is there."""
    fields = []
    for name, field in fields_of(type_name).items():
        if name == "redactions":  # tells what is not seen: tests/test_redactions.py
            continue
        type_ = get_named_type(field.type)
        below = selection(type_.name) if type_.name == "UserPrivate" else "__typename"
        fields.append(name if is_leaf_type(type_) else f"{name} {{ {below} }}")
    return " ".join(fields)


EVERY = f"fragment Every on User {{ {selection('User')} }}"

PATHS = {
    "user by id": "($id: ID!) { it: user(by: {id: $id}) { ...Every } }",
    "user by handle": "($handle: String!) { it: user(by: {handle: $handle}) { ...Every } }",
    "user by former handle": "($former: String!) { it: user(by: {handle: $former}) { ...Every } }",
    "users": "($id: ID!) { it: users(ids: [$id]) { ...Every } }",
    "search": """($handle: String!) {
      it: searchUsers(query: $handle) { edges { node { ...Every } } } }""",
    "entity by id": """($id: ID!) {
      it: _entities(representations: [{__typename: "User", id: $id}]) { ...Every } }""",
    "entity by handle": """($handle: String!) {
      it: _entities(representations: [{__typename: "User", handle: $handle}]) { ...Every } }""",
    "followers": """($friend: ID!) {
      it: user(by: {id: $friend}) { followers { edges { node { ...Every } } } } }""",
    "following": """($friend: ID!) {
      it: users(ids: [$friend]) { following { edges { node { ...Every } } } } }""",
}
"""Queries that lead to the one user; the friend's lists hold nobody else."""

CHANGES = f"""subscription ($id: ID!) {{
  profileChanged(id: $id, sinceRev: 1) {{ rev at fields user {{ ...Every }} }}
}} {EVERY}"""

ANYBODY_ELSE = [kind for kind in ViewerKind if kind is not ViewerKind.SELF]


class World(NamedTuple):
    """A user whose every field has a value, and somebody who is something to that user."""

    ada: str
    friend: str
    zoe: str

    def variables(self, query: str) -> dict[str, str]:
        """Those that a query takes."""
        known = {"id": self.ada, "handle": "ada.lind", "former": "ada.berg", "friend": self.friend}
        return {name: value for name, value in known.items() if f"${name}:" in query}


@pytest.fixture
async def world(subgraph: Subgraph) -> World:
    """Three users, of whom the first and the second follow each other."""
    ada = await subgraph.register(
        "ada.berg", displayName="Ada", country="SE", locale="sv-SE", timeZone="Europe/Stockholm"
    )
    friend, zoe = await subgraph.register("friend"), await subgraph.register("zoe")
    await subgraph.follow(ada, friend)
    await subgraph.follow(friend, ada)
    link = {"url": "https://a.example"}
    await subgraph.update(ada, "b", pronouns="p", profileColor="#010203", links=[link])
    change = """mutation { changeHandle(input: {handle: "ada.lind"}) { errors { code } } }"""
    assert await subgraph.data(change, ada) == {"changeHandle": {"errors": []}}
    await subgraph.set_birth_date(ada, "1990-05-17")
    picture = {"url": "https://p.example", "width": 64, "height": 64}
    await subgraph.store.users.collection.update(
        {"_id": ada}, {"$set": {"profile.avatar": [picture]}}
    )
    return World(ada, friend, zoe)


async def token_of(subgraph: Subgraph, world: World, kind: ViewerKind) -> str | None:
    """The token of somebody who is that to Ada."""
    if kind is ViewerKind.FOLLOWER:
        await subgraph.follow(world.zoe, world.ada)
    if kind is ViewerKind.BLOCKED:
        await subgraph.block(world.ada, world.zoe)
    return {
        ViewerKind.ANONYMOUS: None,
        ViewerKind.SELF: subgraph.token(world.ada),
        ViewerKind.SERVICE: subgraph.token(None),
        ViewerKind.STAFF: subgraph.token(world.zoe, [*PERSON_SCOPES, STAFF_SCOPE]),
    }.get(kind, subgraph.token(world.zoe))


async def whole(subgraph: Subgraph, user_id: str) -> Any:
    """All fields of a user, as the user sees them."""
    query = f"query {PATHS['user by id']} {EVERY}"
    return (await subgraph.data(query, user_id, id=user_id))["it"]


def masked(user: Any, kind: ViewerKind, scopes: frozenset[str]) -> Any:
    """What the table leaves of a whole user for such a viewer."""
    if kind is ViewerKind.BLOCKED:
        return None

    def seen(type_name: str, values: Any) -> Any:
        return {
            name: (seen("UserPrivate", value) if name == "private" else value)
            if AUTHORIZATION.allows(f"{type_name}.{name}", kind, scopes)
            else None
            for name, value in values.items()
        }

    return seen("User", user)


def found_in(answer: Any) -> list[Any]:
    """The users in what one of the paths gives."""
    if isinstance(answer, list):
        return [user for item in answer for user in found_in(item)]
    for name in ("followers", "following", "user", "blockedUsers"):
        if isinstance(answer, dict) and set(answer) == {name}:
            return found_in(answer[name])
    if isinstance(answer, dict) and set(answer) == {"edges"}:
        return [edge["node"] for edge in answer["edges"]]
    return [answer]


SCOPES = {
    ViewerKind.SERVICE: frozenset(SERVICE_TOKEN_SCOPES),
    ViewerKind.STAFF: frozenset({*PERSON_SCOPES, STAFF_SCOPE}),
}


@pytest.mark.parametrize("kind", ViewerKind)
async def test_every_query_shows_what_the_table_says(
    subgraph: Subgraph, world: World, kind: ViewerKind
) -> None:
    token = await token_of(subgraph, world, kind)
    user = await whole(subgraph, world.ada)
    assert {name for name, value in user.items() if value is None} == {"mergedInto"}
    empty = {name for name, value in user["private"].items() if not value}
    assert empty == {"statusReason", "statusBefore", "suspendedUntil", "eraseAt"}
    expected = masked(user, kind, SCOPES.get(kind, frozenset()))
    for path, query in PATHS.items():
        data = await subgraph.data(f"query {query} {EVERY}", token=token, **world.variables(query))
        users = found_in(data["it"])
        assert (path, users or [None]) == (path, [expected])


@pytest.mark.parametrize("scopes", [[], ["users:register"], ["users:staff", "me:profile:write"]])
async def test_a_service_sees_no_more_than_its_scopes(
    subgraph: Subgraph, world: World, scopes: list[str]
) -> None:
    user = await whole(subgraph, world.ada)
    expected = masked(user, ViewerKind.SERVICE, frozenset(scopes))
    assert expected["country"] is expected["private"] is None
    for query in PATHS.values():
        data = await subgraph.data(
            f"query {query} {EVERY}",
            token=subgraph.token(None, scopes),
            **world.variables(query),
        )
        assert found_in(data["it"]) == [expected]


@pytest.mark.parametrize("kind", ViewerKind)
async def test_the_viewer_is_a_self_and_whom_they_block_is_not(
    subgraph: Subgraph, world: World, kind: ViewerKind
) -> None:
    token = await token_of(subgraph, world, kind)
    fields = "user { ...Every } scopes blockedUsers { edges { node { ...Every } } }"
    query = f"query {{ viewer {{ {fields} }} }} {EVERY}"
    if kind not in PERSONS:
        assert await subgraph.data(query, token=token) == {"viewer": None}
        return
    viewer_id = world.ada if kind is ViewerKind.SELF else world.zoe
    other_id = world.friend if kind is ViewerKind.SELF else world.ada
    # Past the mutation: of two who block each other at the same time, both do. It ends a follow.
    await subgraph.store.blocks.add(viewer_id, other_id, at=subgraph.clock())
    towards = ViewerKind.STRANGER if kind in (ViewerKind.FOLLOWER, ViewerKind.SELF) else kind
    scopes = SCOPES.get(kind, frozenset(PERSON_SCOPES))
    other = masked(await whole(subgraph, other_id), towards, scopes)
    assert (await subgraph.data(query, token=token))["viewer"] == {
        "user": await whole(subgraph, viewer_id),
        "scopes": sorted(scopes),
        "blockedUsers": {"edges": [] if other is None else [{"node": other}]},
    }


@pytest.mark.parametrize("kind", ViewerKind)
async def test_a_payload_shows_what_the_table_says(
    subgraph: Subgraph, world: World, kind: ViewerKind
) -> None:
    token = await token_of(subgraph, world, kind)
    mutation, towards = {
        ViewerKind.SELF: ("updateProfile(input: {})", world.ada),
        ViewerKind.SERVICE: ('registerUser(input: {handle: "eva", country: "SE"})', None),
        ViewerKind.FOLLOWER: (f'follow(input: {{userId: "{world.ada}"}})', world.ada),
    }.get(kind, (f'unfollow(input: {{userId: "{world.ada}"}})', world.ada))
    query = f"mutation {{ it: {mutation} {{ user {{ ...Every }} }} }} {EVERY}"
    answer = await subgraph.ask(query, token=token)
    if kind is ViewerKind.ANONYMOUS:
        assert [error["extensions"] for error in answer["errors"]] == [{"code": "UNAUTHENTICATED"}]
        assert answer["data"] == {"it": None}
        return
    assert "errors" not in answer
    user = answer["data"]["it"]["user"]
    known = await whole(subgraph, towards or user["id"])
    assert user == masked(known, kind, SCOPES.get(kind, frozenset()))


@pytest.mark.parametrize("kind", ViewerKind)
async def test_an_event_shows_what_the_table_says(
    subgraph: Subgraph, world: World, kind: ViewerKind
) -> None:
    token = await token_of(subgraph, world, kind)
    scopes = SCOPES.get(kind, frozenset())
    async with aclosing(events(subgraph, token, world.ada)) as results:
        result = await anext(results)
    if kind is ViewerKind.BLOCKED:
        [error] = result.errors
        assert (result.data, error.extensions) == (None, {"code": "NOT_FOUND", "argument": ["id"]})
        return
    changed = {"bio", "links", "profileColor", "pronouns"}
    change = result.data["profileChanged"]
    assert change.pop("at") is not None
    assert change == {
        "rev": 2,
        "fields": sorted(
            name for name in changed if AUTHORIZATION.allows(f"User.{name}", kind, scopes)
        ),
        "user": masked(await whole(subgraph, world.ada), kind, scopes),
    }


async def events(subgraph: Subgraph, token: str | None, user_id: str) -> AsyncGenerator[Any, None]:
    """What a subscriber gets, without a connection in between."""
    schema = build_schema(execution=subgraph.settings.execution)
    viewer = await subgraph.identity.viewer(f"Bearer {token}" if token else None)
    request = Request(viewer=viewer, store=subgraph.store, now=subgraph.clock)
    results = await schema.stream(CHANGES, variable_values={"id": user_id}, context_value=request)
    async with aclosing(results):
        async for result in results:
            yield result


async def test_an_event_names_no_field_that_is_hidden(subgraph: Subgraph, world: World) -> None:
    await subgraph.update(world.ada, "new", locale="de-DE")
    user = await subgraph.store.users.by_id(world.ada)
    assert user is not None
    query = """subscription ($id: ID!, $since: Int) {
      profileChanged(id: $id, sinceRev: $since) { fields } }"""
    for token, fields in (
        (None, ["bio"]),
        (subgraph.token(None), ["bio"]),
        (subgraph.token(world.zoe), ["bio"]),
        (subgraph.token(world.ada), ["bio", "private.locale"]),
    ):
        viewer = await subgraph.identity.viewer(f"Bearer {token}" if token else None)
        request = Request(viewer=viewer, store=subgraph.store, now=subgraph.clock)
        variables = {"id": world.ada, "since": user.rev - 1}
        results = await SCHEMA.stream(query, variable_values=variables, context_value=request)
        async with aclosing(results):
            result = await anext(results)
        assert result.data == {"profileChanged": {"fields": fields}}


@pytest.mark.parametrize(("status", "kind"), list(product(Status, ViewerKind)))
def test_of_an_account_that_is_not_active_less_is_seen(status: Status, kind: ViewerKind) -> None:
    scopes = frozenset({"users:country:read"})
    seen = visible_fields(AUTHORIZATION, kind, status, scopes)
    allowed = AUTHORIZATION.fields_for(kind, scopes)
    trusted = (ViewerKind.SELF, ViewerKind.STAFF, ViewerKind.SERVICE)
    if status is Status.ERASED or (status is not Status.ACTIVE and kind not in trusted):
        assert seen == allowed & WITHOUT_PROFILE
    else:
        assert seen == allowed


HIDDEN = {
    "user by id": "query ($id: ID!) { it: user(by: {id: $id}) { bio } }",
    "user by handle": "query ($handle: String!) { it: user(by: {handle: $handle}) { bio } }",
    "users": "query ($id: ID!) { it: users(ids: [$id]) { bio } }",
    "search": """query ($handle: String!) {
      it: searchUsers(query: $handle) { edges { cursor } pageInfo { hasNextPage endCursor } } }""",
    "entity by id": """query ($id: ID!) {
      it: _entities(representations: [{__typename: "User", id: $id}]) { ... on User { bio } } }""",
    "entity by handle": """query ($handle: String!) {
      it: _entities(representations: [{__typename: "User", handle: $handle}]) {
        ... on User { bio } } }""",
    **{
        name: f"""mutation ($id: ID!) {{ it: {name}(input: {{userId: $id}}) {{
          user {{ id }} errors {{ code message path }} }} }}"""
        for name in ("follow", "unfollow", "block")
    },
    "subscription": "subscription ($id: ID!) { it: profileChanged(id: $id) { rev } }",
}


@pytest.mark.parametrize("path", HIDDEN)
async def test_who_is_hidden_looks_like_nobody_in_bytes_and_commands(
    subgraph: Subgraph, world: World, commands: Commands, path: str
) -> None:
    await subgraph.block(world.ada, world.zoe)
    answers = []
    for user_id, handle in ((world.ada, "ada.lind"), (new_id(), "nobody")):
        variables = {"id": user_id} if "$id" in HIDDEN[path] else {"handle": handle}
        commands.taken()
        answer = await subgraph.http.post(
            "/graphql",
            json={"query": HIDDEN[path], "variables": variables},
            headers={
                "Authorization": f"Bearer {subgraph.token(world.zoe)}",
                "Accept": "text/event-stream" if path == "subscription" else "application/json",
                "X-Request-Id": "the-same",
            },
        )
        answers.append((answer.status_code, dict(answer.headers), answer.content, commands.taken()))
    assert answers[0] == answers[1]
    assert "find" in answers[0][3]


VALUES = {
    "String": '"some.body"',
    "Int": "1",
    "Boolean": "true",
    "Date": '"1990-05-17"',
    "DateTime": '"2026-11-01T00:00:00Z"',
}


def required_arguments(field: GraphQLField) -> str:
    """Values for the arguments that a root field cannot do without."""

    def is_needed(value: Any) -> bool:
        return is_non_null_type(value.type) and value.default_value is Undefined

    def value(type_: Any) -> str:
        named = get_named_type(type_)
        if isinstance(named, GraphQLInputObjectType):
            inner = [(name, f) for name, f in named.fields.items() if is_needed(f)]
            if not inner and "control" not in named.fields:  # exactly one of them
                inner = [next(iter(named.fields.items()))]
            return "{" + ", ".join(f"{name}: {value(f.type)}" for name, f in inner) + "}"
        if isinstance(named, GraphQLEnumType):
            return str(list(named.values)[-1])
        text = VALUES.get(named.name) or (f'"{new_id()}"' if named.name == "ID" else "{}")
        return f"[{text}]" if "[" in str(type_) else text

    given = ", ".join(
        f"{name}: {value(argument.type)}"
        for name, argument in field.args.items()
        if is_needed(argument)
    )
    return f"({given})" if given else ""


ASKING = {
    ViewerKind.ANONYMOUS: None,
    ViewerKind.STRANGER: new_id(),
    ViewerKind.STAFF: new_id(),
    ViewerKind.SERVICE: "service",
}
"""What a viewer can be before it is about anybody."""


@pytest.mark.parametrize("name", fields_of("Mutation"))
@pytest.mark.parametrize("kind", ASKING)
async def test_who_may_ask_for_a_mutation(
    subgraph: Subgraph, commands: Commands, kind: ViewerKind, name: str
) -> None:
    field = f"Mutation.{name}"
    query = f"mutation {{ it: {name}{required_arguments(fields_of('Mutation')[name])} {{"
    query += " errors { code } } }"
    every = frozenset({*PERSON_SCOPES, *SERVICE_TOKEN_SCOPES})
    needed = set(AUTHORIZATION.rules[field].scopes.values())
    commands.taken()
    for scopes in (frozenset[str](), every - needed, every):
        token = None
        if kind is not ViewerKind.ANONYMOUS:
            own = {STAFF_SCOPE} if kind is ViewerKind.STAFF else frozenset[str]()
            user_id = None if kind is ViewerKind.SERVICE else ASKING[kind]
            token = subgraph.token(user_id, scopes | own)
        answer = await subgraph.ask(query, token=token)
        if AUTHORIZATION.allows(field, kind, scopes):
            assert "errors" not in answer
            # A receipt is judged before anything is read.
            assert commands.taken() != [] or name == "acknowledgeErasure"
        else:
            code = "UNAUTHENTICATED" if token is None else "FORBIDDEN"
            assert [error["extensions"] for error in answer["errors"]] == [{"code": code}]
            assert answer["data"] == {"it": None}
            assert commands.taken() == []


async def test_a_refusal_says_what_is_missing(subgraph: Subgraph) -> None:
    follow = f'mutation {{ follow(input: {{userId: "{new_id()}"}}) {{ errors {{ code }} }} }}'
    register = """mutation { registerUser(input: {handle: "ada"}) { errors { code } } }"""
    for query, token, message in (
        (follow, subgraph.token(None), "Only people may do this."),
        (follow, subgraph.token(new_id(), []), "The token lacks the scope 'me:follows:write'."),
        (register, subgraph.token(new_id()), "Only services may do this."),
        (register, subgraph.token(None, []), "The token lacks the scope 'users:register'."),
    ):
        answer = await subgraph.ask(query, token=token)
        assert [error["message"] for error in answer["errors"]] == [message]


@pytest.mark.parametrize("kind", ASKING)
async def test_who_may_ask_for_a_query(subgraph: Subgraph, kind: ViewerKind) -> None:
    token = await token_of(subgraph, World(*(new_id() for _ in range(3))), kind)
    for name, field in fields_of("Query").items():
        scopes = SCOPES.get(kind, frozenset(PERSON_SCOPES))
        is_allowed = AUTHORIZATION.allows(f"Query.{name}", kind, scopes)
        assert is_allowed or name in ("userByContact", "owedErasures")
        answer = await subgraph.ask(
            f"{{ it: {name}{required_arguments(field)} {{ __typename }} }}", token=token
        )
        codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
        is_bad = name == "_entities" or (name == "userByContact" and is_allowed)
        no = "UNAUTHENTICATED" if token is None else "FORBIDDEN"
        assert (name, codes) == (
            name,
            ["BAD_USER_INPUT"] if is_bad else [] if is_allowed else [no],
        )


def with_rules(**rules: Rule | None) -> Authorization:
    """The table with other rules for some fields of User, or without them."""
    changed = {f"User.{name}": rule for name, rule in rules.items()}
    known = {**AUTHORIZATION.rules, **changed}
    kept = {field: rule for field, rule in known.items() if rule is not None}
    return replace(AUTHORIZATION, rules=kept)


FOR_FOLLOWERS = with_rules(
    bio=Rule(frozenset({ViewerKind.FOLLOWER, ViewerKind.SELF, ViewerKind.STAFF}))
)


def test_followers_see_what_strangers_see_so_far() -> None:
    for scopes in (frozenset[str](), AUTHORIZATION.seen_scopes):
        stranger = AUTHORIZATION.fields_for(ViewerKind.STRANGER, scopes)
        assert AUTHORIZATION.fields_for(ViewerKind.FOLLOWER, scopes) == stranger
    assert AUTHORIZATION.tells_followers_apart is False
    assert FOR_FOLLOWERS.tells_followers_apart is True


async def test_a_table_may_tell_followers_apart_for_one_more_command(
    subgraph: Subgraph, world: World, commands: Commands
) -> None:
    eva = await subgraph.register("eva")
    await subgraph.update(eva, "eva's")
    await subgraph.follow(world.zoe, world.ada)
    await subgraph.block(eva, world.friend)
    everybody = [world.ada, world.friend, eva, world.zoe]

    async def bios(viewer_id: str | None, authorization: Authorization, *scopes: str) -> list[Any]:
        viewer = viewer_id and Viewer(
            "app", viewer_id, frozenset(scopes), subgraph.clock() + timedelta(hours=1)
        )
        request = Request(
            viewer=viewer or None,
            store=subgraph.store,
            now=subgraph.clock,
            authorization=authorization,
        )
        commands.taken()
        users = await request.users.by_id.load_many(everybody)
        return [user and user.bio for user in users]

    assert await bios(world.zoe, AUTHORIZATION) == ["b", None, "eva's", None]
    assert commands.taken() == ["find", "find"]
    assert await bios(world.zoe, FOR_FOLLOWERS) == ["b", None, None, None]
    assert commands.taken() == ["find", "find", "find"]
    assert await bios(eva, FOR_FOLLOWERS) == [None, None, "eva's", None]
    assert await bios(world.friend, FOR_FOLLOWERS) == ["b", None, None, None]
    assert await bios(world.zoe, FOR_FOLLOWERS, STAFF_SCOPE) == ["b", None, "eva's", None]
    assert commands.taken() == ["find"]
    assert await bios(None, FOR_FOLLOWERS) == [None, None, None, None]
    assert commands.taken() == ["find"]


async def test_what_the_table_does_not_name_nobody_sees(subgraph: Subgraph, world: World) -> None:
    without = with_rules(bio=None, private=None)
    for user_id, scopes in ((world.ada, []), (world.zoe, [STAFF_SCOPE]), (None, [])):
        viewer = Viewer("app", user_id, frozenset(scopes), subgraph.clock())
        request = Request(
            viewer=viewer, store=subgraph.store, now=subgraph.clock, authorization=without
        )
        seen = await request.users.by_id.load(world.ada)
        assert seen is not None
        assert (seen.bio, seen.private, seen.pronouns) == (None, None, "p")


async def test_a_field_of_the_private_part_has_a_rule_of_its_own(
    subgraph: Subgraph, world: World
) -> None:
    rules = {**AUTHORIZATION.rules, "UserPrivate.locale": Rule(frozenset({ViewerKind.SELF}))}
    table = replace(AUTHORIZATION, rules=rules)
    for user_id, scopes, locale in (
        (world.ada, frozenset[str](), "sv-SE"),
        (world.zoe, frozenset({STAFF_SCOPE}), None),
    ):
        viewer = Viewer("app", user_id, scopes, subgraph.clock())
        request = Request(
            viewer=viewer, store=subgraph.store, now=subgraph.clock, authorization=table
        )
        seen = await request.users.by_id.load(world.ada)
        assert seen is not None
        assert seen.private is not None
        assert seen.private.locale == locale
        assert seen.private.time_zone == "Europe/Stockholm"
        assert seen.private.bio is None


def test_a_cell_is_as_the_rule_says() -> None:
    read = frozenset({"users:country:read"})
    assert AUTHORIZATION.allows("User.country", ViewerKind.SERVICE, read)
    assert not AUTHORIZATION.allows("User.country", ViewerKind.SERVICE, frozenset())
    assert not AUTHORIZATION.allows("User.country", ViewerKind.STRANGER, read)
    assert AUTHORIZATION.allows("User.country", ViewerKind.SELF, frozenset())
    assert not AUTHORIZATION.allows("User.email", ViewerKind.SELF, read)
    assert AUTHORIZATION.scopes_of(ViewerKind.SERVICE) == [
        *("users:accounts:write", "users:age:read", "users:billing:write"),
        *("users:consents:read", "users:consents:write"),
        *("users:contacts:lookup", "users:contacts:read", "users:country:read"),
        *("users:entitlements:read", "users:erasures:acknowledge", "users:profile:read"),
        *("users:promotions:write", "users:register", "users:tier:read"),
    ]
    assert AUTHORIZATION.scopes_of(ViewerKind.ANONYMOUS) == []
    assert AUTHORIZATION.seen_scopes == {
        *("users:age:read", "users:consents:read", "users:contacts:read", "users:country:read"),
        *("users:entitlements:read", "users:profile:read", "users:tier:read"),
    }
    assert AUTHORIZATION.personal == {
        *("User.ageBand", "User.consents", "User.contacts", "User.country"),
        *("User.tier", "User.entitlements"),
        *(f"UserPrivate.{name}" for name in fields_of("UserPrivate")),
    }


def every_field() -> Iterator[str]:
    """All fields that clients can name, whatever the type."""
    for name, type_ in SCHEMA.graphql.type_map.items():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and name[:2] != "__":
            yield from (f"{name}.{field}" for field in type_.fields)


def test_every_field_of_the_schema_has_one_rule() -> None:
    check_authorization(SCHEMA.graphql, AUTHORIZATION)
    for field in every_field():
        is_own = field in AUTHORIZATION.rules
        assert is_own is not (field.partition(".")[0] in AUTHORIZATION.follow_their_parent), field
    assert set(AUTHORIZATION.rules) < set(every_field())


@pytest.mark.parametrize("field", AUTHORIZATION.rules)
def test_no_schema_is_built_with_a_field_that_has_no_rule(field: str) -> None:
    rules = {name: rule for name, rule in AUTHORIZATION.rules.items() if name != field}
    with pytest.raises(AuthorizationError) as refused:
        check_authorization(SCHEMA.graphql, replace(AUTHORIZATION, rules=rules))
    assert str(refused.value) == f"{field}: expected one rule, for the field or for its type"


EVERYBODY_BUT_SERVICES = Rule(EVERYBODY - {ViewerKind.SERVICE})


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (with_rules(email=Rule(EVERYBODY)), "User.email: there is no such field"),
        (
            replace(
                AUTHORIZATION, follow_their_parent=AUTHORIZATION.follow_their_parent | {"Song"}
            ),
            "Song: there is no such type",
        ),
        (
            replace(
                AUTHORIZATION, follow_their_parent=AUTHORIZATION.follow_their_parent | {"Viewer"}
            ),
            "\n".join(
                f"Viewer.{name}: expected one rule, for the field or for its type"
                for name in fields_of("Viewer")
            ),
        ),
        (
            with_rules(bio=Rule(frozenset(ViewerKind))),
            "User.bio: who is blocked does not see that the user is there",
        ),
        (
            with_rules(status=EVERYBODY_BUT_SERVICES),
            "User.status: it cannot be null, so that it cannot be hidden from anybody",
        ),
        (
            with_rules(id=Rule(EVERYBODY, {ViewerKind.SERVICE: "users:id"})),
            "User.id: it cannot be null, so that it cannot be hidden from anybody",
        ),
    ],
)
def test_a_table_that_cannot_hold_is_refused(table: Authorization, says: str) -> None:
    with pytest.raises(AuthorizationError) as refused:
        check_authorization(SCHEMA.graphql, table)
    assert str(refused.value) == says


def test_a_new_root_field_needs_a_rule() -> None:
    @strawberry.type
    class Query:
        secrets: str = "all of them"

    with pytest.raises(AuthorizationError, match=r"Query\.secrets: expected one rule"):
        check_authorization(strawberry.Schema(Query)._schema, AUTHORIZATION)


def test_the_schema_is_not_built_when_the_table_is_not_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(AUTHORIZATION.rules, list(AUTHORIZATION.rules)[-1])
    with pytest.raises(AuthorizationError, match=r"^ProfileChange\.user: expected one rule"):
        build_schema.__wrapped__()


def test_the_page_is_what_the_table_says() -> None:
    """`usergraph schema authorization` prints what comes behind the comment in the page."""
    printed = CliRunner().invoke(app, ["schema", "authorization"])
    assert printed.stdout == authorization_page(AUTHORIZATION)
    assert PAGE.partition(GENERATED)[2] == printed.stdout
    assert "| `country` |  |  |  |  | yes | with `users:country:read` | yes | yes |" in PAGE


@pytest.mark.parametrize("kind", ViewerKind)
def test_every_cell_is_on_the_page(kind: ViewerKind) -> None:
    for field, rule in AUTHORIZATION.rules.items():
        for other in (
            rule._replace(kinds=rule.kinds ^ {kind}),
            rule._replace(scopes={**rule.scopes, kind: "other"}),
            rule._replace(personal=not rule.personal),
            rule._replace(choice=None if rule.choice else Choice.BIO),
        ):
            if kind in rule.kinds or other.scopes == rule.scopes:
                table = replace(AUTHORIZATION, rules={**AUTHORIZATION.rules, field: other})
                assert authorization_page(table) not in PAGE, field
