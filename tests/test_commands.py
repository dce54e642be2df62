"""The number of database commands of every root field, and of every list of a user: one table."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphql import GraphQLObjectType, get_named_type

from resolvers.viewer import STAFF_SCOPE
from schema.roots import build_schema
from server.tokens import PERSON_SCOPES
from tests.conftest import Commands
from tests.contacts import code_for
from tests.listening import listening, until
from tests.subgraph import Subgraph
from tests.test_tiers import as_input
from tests.websocket import opened

pytestmark = pytest.mark.one_driver

COMMANDS: dict[str, list[str]] = {
    "Query.viewer": ["find"],
    "Query.user": ["find", "find"],
    "Query.users": ["find", "find"],
    "Query.searchUsers": ["find"] * 3,
    "Query.handleAvailability": ["find"],
    "Query._service": [],
    "Query._entities": ["find", "find"],
    "Query.userByContact": ["find", "find"],
    "Query.owedErasures": ["find"],
    "Mutation.registerUser": ["insert", "insert"],
    "Mutation.updateProfile": ["find", "find", "update"],
    "Mutation.undoLastChange": ["find"] * 3 + ["update"],
    "Mutation.changeHandle": ["find", "find", "insert", "update"],
    "Mutation.setVisibility": ["find", "find", "update"],
    "Mutation.setBirthDate": ["find", "find", "update"],
    "Mutation.acknowledgeErasure": ["find"] * 4 + ["update"],
    "Mutation.deactivateAccount": ["find", "find", "update"],
    "Mutation.reactivateAccount": ["find", "find", "update"],
    "Mutation.scheduleErasure": ["find", "find", "update"],
    "Mutation.cancelErasure": ["find", "find", "update"],
    "Mutation.confirmUser": ["find"] * 3 + ["insert", "update"],
    "Mutation.suspendUser": ["find"] * 3 + ["update"],
    "Mutation.liftSuspension": ["find"] * 3 + ["update"],
    "Mutation.mergeUsers": ["find"] * 16 + ["update"] * 6,
    "Mutation.follow": ["find"] * 7 + ["insert"] + ["update"] * 4,
    "Mutation.unfollow": ["delete", "delete"] + ["find"] * 6 + ["update"] * 3,
    "Mutation.block": ["find"] * 7 + ["insert", "update"],
    "Mutation.unblock": ["delete"] + ["find"] * 4,
    "Mutation.recordConsent": ["find", "find", "insert", "update", "update"],
    "Mutation.recordConsentFor": ["find", "find", "insert", "update", "update"],
    "Mutation.setPreferences": ["find"] * 3 + ["update"],
    "Mutation.addContact": ["find"] * 5 + ["update"] * 3,
    "Mutation.resendContactCode": ["find"] * 4 + ["update", "update"],
    "Mutation.changeContact": ["find"] * 4 + ["update"] * 3,
    "Mutation.verifyContact": ["find"] * 3 + ["insert"] + ["update"] * 3,
    "Mutation.makeContactPrimary": ["find", "find", "update"],
    "Mutation.removeContact": ["delete", "find", "find", "update"],
    "Mutation.recordBillingEvent": ["find", "find", "update"],
    "Mutation.grantPromotion": ["find", "find", "update"],
    "Mutation.inviteToHousehold": ["find"] * 5 + ["update"],
    "Mutation.acceptHouseholdInvitation": ["find"] * 8 + ["update", "update"],
    "Mutation.removeFromHousehold": ["find"] * 9 + ["update", "update"],
    "Mutation.leaveHousehold": ["find"] * 3 + ["update", "update"],
}
"""What a root field sends, asked by somebody who is signed in and has a data key."""

OTHERWISE: dict[str, list[str]] = {
    "Query.user, by handle": ["find"] * 3,
    "Query.user, oneself": ["find"],
    "Query.handleAvailability, taken": ["find"] * 3,
    "Query._entities, by handle": ["find"] * 3,
    "Query.user, as of": ["find"] * 4,
    "Mutation.updateProfile, the first change": ["find"] * 3 + ["insert", "update"],
    "Mutation.updateProfile, under a key": ["find", "find", "insert", "update", "update"],
    "Mutation.updateProfile, again under its key": ["find", "find", "insert"],
    "Mutation.updateProfile, nothing new": ["find", "find"],
    "Mutation.block, who is followed": ["delete", "delete"]
    + ["find"] * 7
    + ["insert"]
    + ["update"] * 4,
    "Mutation.setPreferences, the first ones": ["find"] * 3 + ["insert"],
    "Mutation.inviteToHousehold, which founds it": ["find"] * 4 + ["insert", "update"],
}
"""What it sends besides the usual: for somebody without a data key, the first time, by handle."""

LISTS: dict[str, list[str]] = {
    "User.followers": ["find"] * 3,
    "User.following": ["find"] * 3,
    "User.links": [],
    "User.redactions": [],
    "User.consents": [],
    "User.contacts": [],
    "User.entitlements": ["find", "find"],
    "User.tier": ["find", "find"],
    "User.viewerRelation": ["find", "find"],
    "User.mergedInto": [],
    "UserPrivate.formerHandles": [],
    "UserPrivate.history": ["find"] * 3,
    "UserPrivate.visibility": [],
    "UserPrivate.birthDate": [],
    "Viewer.scopes": [],
    "Viewer.blockedUsers": ["find"],
    "Viewer.consents": [],
    "Viewer.preferences": ["find"],
    "Viewer.subscription": ["find", "find"],
    "Viewer.entitlements": ["find", "find"],
    "Viewer.household": ["find"] * 3,
}
"""What a field of the viewer's own account sends, besides `Query.viewer`."""

SUBSCRIPTION: dict[str, list[str]] = {
    "profileChanged, the start": ["aggregate"] + ["find"] * 4,
    "profileChanged, an event": ["find", "find"],
}
"""What a subscription sends when it begins, and with each event, besides the change stream."""

PROFILE: dict[str, Any] = {"bio": "Hello", "links": [{"url": "https://a.example/"}]}


class Scene:
    """Users in all the states that mutations lead from, and what each mutation sent."""

    def __init__(self, subgraph: Subgraph, commands: Commands) -> None:
        self.subgraph = subgraph
        self.commands = commands
        self.sent: dict[str, list[str]] = {}
        self.ids: dict[str, str] = {}

    async def people(self, *names: str) -> None:
        """Registers people, who get a data key with their first change."""
        for name in names:
            self.ids[name] = await self.subgraph.register(f"{name}.1")
            await self.subgraph.update(self.ids[name], "first")

    def token(self, who: str) -> str:
        """The token of somebody by name, of a service or of staff."""
        if who == "staff":
            return self.subgraph.token(self.ids["staff"], [*PERSON_SCOPES, STAFF_SCOPE])
        return self.subgraph.token(None if who == "service" else self.ids[who])

    async def ask(self, name: str, who: str, query: str, **variables: Any) -> Any:
        """The data of an answer; what it sent is noted under the name."""
        self.commands.taken()
        data = await self.subgraph.data(query, token=self.token(who), **variables)
        self.sent[name] = self.commands.taken()
        return data

    async def do(
        self, mutation: str, who: str, note: str = "", more: str = "", **input: Any
    ) -> Any:
        """The payload of a mutation that is done."""
        query = f"""mutation ($i: {mutation[0].upper()}{mutation[1:]}Input!) {{
          it: {mutation}(input: $i) {{ user {{ rev }} errors {{ code message }} {more} }}
        }}"""
        payload = (await self.ask(f"{mutation}{note}", who, query, i=input))["it"]
        assert payload["errors"] == [], (mutation, payload)
        return payload


@pytest.fixture
async def scene(subgraph: Subgraph, commands: Commands) -> Scene:
    """Ada, who does most of it, and others."""
    scene = Scene(subgraph, commands)
    await scene.people("ada", "ben", "eva", "old", "staff")
    return scene


async def test_queries(scene: Scene) -> None:
    ada, ben = scene.ids["ada"], scene.ids["ben"]
    await _verified(scene)
    queries = {
        "viewer": "{ viewer { user { id handle } } }",
        "user": f'{{ user(by: {{id: "{ben}"}}) {{ handle }} }}',
        "user, by handle": '{ user(by: {handle: "ben.1"}) { handle } }',
        "user, oneself": f'{{ user(by: {{id: "{ada}"}}) {{ handle }} }}',
        "users": f'{{ users(ids: ["{ada}", "{ben}"]) {{ handle }} }}',
        "searchUsers": '{ searchUsers(query: "b") { edges { node { handle } } } }',
        "handleAvailability": '{ handleAvailability(handle: "free") { state } }',
        "handleAvailability, taken": '{ handleAvailability(handle: "ben.1") { suggestions } }',
        "_service": "{ _service { sdl } }",
    }
    for name, query in queries.items():
        await scene.ask(name, "ada", query)
    entities = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { handle } } }"
    for name, key in (("_entities", {"id": ben}), ("_entities, by handle", {"handle": "ben.1"})):
        await scene.ask(name, "ada", entities, r=[{"__typename": "User", **key}])
    past = "query ($id: ID!, $at: DateTime!) { user(by: {id: $id}, asOf: $at) { handle } }"
    await scene.ask("user, as of", "staff", past, id=ada, at=scene.subgraph.clock().isoformat())
    found = '{ userByContact(kind: EMAIL, value: "ada@example.com") { id } }'
    data = await scene.ask("userByContact", "service", found)
    assert data == {"userByContact": {"id": ada}}
    await scene.ask("owedErasures", "service", "{ owedErasures { edges { cursor } } }")
    assert scene.sent == _rows("Query")


async def test_mutations_of_profiles_and_accounts(scene: Scene) -> None:
    ids = scene.ids
    await scene.do("registerUser", "service", handle="new")
    ids["new"] = (await scene.subgraph.data('{ user(by: {handle: "new"}) { id } }'))["user"]["id"]
    await scene.do("updateProfile", "new", ", the first change", **PROFILE)
    await scene.do("updateProfile", "ada", **PROFILE)
    control = {"idempotencyKey": "k"}
    for note in (", under a key", ", again under its key"):
        await scene.do("updateProfile", "ada", note, bio="key", control=control)
    await scene.do("updateProfile", "ada", ", nothing new", bio="key")
    await scene.do("undoLastChange", "ada")
    await scene.do("changeHandle", "ada", handle="ada.berg")
    everybody = [{"field": "BIO", "visibility": "NOBODY"}]
    await scene.do("setVisibility", "ada", choices=everybody)
    await scene.do("setBirthDate", "ada", birthDate="1990-05-17")
    await scene.do("deactivateAccount", "ada")
    await scene.do("reactivateAccount", "ada")
    await scene.do("scheduleErasure", "ada")
    await scene.do("cancelErasure", "ada")
    ids["cleo"] = await scene.subgraph.register("cleo", pending=True)
    await scene.do("confirmUser", "service", userId=ids["cleo"])
    await scene.do("suspendUser", "staff", userId=ids["ben"])
    await scene.do("liftSuspension", "staff", userId=ids["ben"])
    await scene.do("mergeUsers", "staff", keepId=ids["ada"], mergeId=ids["old"])
    assert scene.sent == _rows("Mutation", scene.sent)


async def test_mutations_of_ties_and_agreements(scene: Scene) -> None:
    for mutation in ("follow", "unfollow", "block", "unblock"):
        await scene.do(mutation, "ada", userId=scene.ids["ben"])
    await scene.do("follow", "ada", userId=scene.ids["ben"])
    await scene.do("block", "ada", ", who is followed", userId=scene.ids["ben"])
    consent: dict[str, Any] = {"granted": True, "policyVersion": "2026-01"}
    await scene.do("recordConsent", "ada", purpose="personalisation", **consent)
    answer: dict[str, Any] = {"purpose": "marketing-email", "source": "call 4711", **consent}
    await scene.do("recordConsentFor", "service", userId=scene.ids["ada"], **answer)
    player: dict[str, Any] = {"namespace": "player", "patch": {"quality": "HIGH"}}
    await scene.do("setPreferences", "ada", ", the first ones", **player)
    await scene.do("setPreferences", "ada", **{**player, "patch": {"quality": "LOW"}})
    assert scene.sent == _rows("Mutation", scene.sent)


async def test_mutations_of_contacts(scene: Scene) -> None:
    contact = await _verified(scene)
    other = await scene.do("addContact", "ada", **_email("b"), more="contact { id }")
    other_id = other["contact"]["id"]
    scene.subgraph.clock.advance(seconds=31)
    await scene.do("resendContactCode", "ada", contactId=other_id)
    await scene.do("changeContact", "ada", contactId=other_id, value="c@example.com")
    code = await code_for(scene.subgraph, "c@example.com")
    await scene.do("verifyContact", "ada", contactId=other_id, code=code)
    await scene.do("makeContactPrimary", "ada", contactId=other_id)
    await scene.do("removeContact", "ada", contactId=contact)
    assert scene.sent == _rows("Mutation", scene.sent)


async def test_mutations_of_tiers_and_households(scene: Scene) -> None:
    event = ("s1", 1, "STARTED", "PREMIUM_FAMILY", {"periodEnd": 30})
    billing = as_input(scene.subgraph, scene.ids["ada"], event)
    await scene.do("recordBillingEvent", "service", **billing)
    wish: dict[str, Any] = {"userId": scene.ids["ada"], "promotion": "AD_FREE_WEEK"}
    await scene.do("grantPromotion", "service", **wish)
    await scene.do("inviteToHousehold", "ada", ", which founds it")
    for member in ("ben", "eva"):
        token = (await scene.do("inviteToHousehold", "ada", more="token"))["token"]
        await scene.do("acceptHouseholdInvitation", member, token=token)
    await scene.do("removeFromHousehold", "ada", userId=scene.ids["eva"])
    await scene.do("leaveHousehold", "ben")
    assert scene.sent == _rows("Mutation", scene.sent)


async def test_fields_of_the_viewer(scene: Scene) -> None:
    subgraph, ada, ben = scene.subgraph, scene.ids["ada"], scene.ids["ben"]
    await _verified(scene)
    await subgraph.follow(ada, ben)
    await subgraph.follow(ben, ada)
    await subgraph.block(ada, scene.ids["eva"])
    await subgraph.set_birth_date(ada, "1990-05-17")
    event = ("s1", 1, "STARTED", "PREMIUM_FAMILY", {"periodEnd": 30})
    await scene.do("recordBillingEvent", "service", **as_input(subgraph, ada, event))
    token = (await scene.do("inviteToHousehold", "ada", more="token"))["token"]
    await scene.do("acceptHouseholdInvitation", "ben", token=token)
    scene.sent.clear()
    for field, selection in SELECTIONS.items():
        type_, name = field.split(".")
        found = f"{name} {selection}"
        nested = {"Viewer": found, "User": f"user {{ {found} }}"}
        query = nested.get(type_, f"user {{ private {{ {found} }} }}")
        await scene.ask(field, "ben", f"{{ viewer {{ {query} }} }}")
    usual = COMMANDS["Query.viewer"]
    assert scene.sent == {name: sorted([*usual, *more]) for name, more in LISTS.items()}


@pytest.mark.own_database
async def test_subscriptions(scene: Scene, address: str) -> None:
    ada, commands = scene.ids["ada"], scene.commands
    sent, began = dict[str, list[str]](), SUBSCRIPTION["profileChanged, the start"]
    query = "subscription ($id: ID!) { profileChanged(id: $id) { rev user { bio } } }"
    async with opened(address, scene.token("ben")) as socket:
        commands.taken()
        await socket.subscribe("1", query, id=ada)
        await scene.subgraph.until_watched(ada)
        # More than these would be found with the first event.
        await until(lambda: len(_but_stream(commands.names)) >= len(began))
        sent["profileChanged, the start"] = _but_stream(commands.taken())
        for rev in (3, 4):
            await scene.subgraph.update(ada, str(rev))
            assert await socket.change() == {"rev": rev, "user": {"bio": str(rev)}}
            event = _but_stream(commands.taken())
            for command in COMMANDS["Mutation.updateProfile"]:
                event.remove(command)
            sent["profileChanged, an event"] = event
            assert sent == SUBSCRIPTION


def test_every_root_field_and_list_has_its_row() -> None:
    schema = build_schema().graphql
    roots = {
        f"{root.name}.{name}"
        for root in (schema.query_type, schema.mutation_type)
        if root is not None
        for name in root.fields
    }
    assert COMMANDS.keys() == roots
    assert schema.subscription_type is not None
    subscribed = {name.partition(",")[0] for name in SUBSCRIPTION}
    assert subscribed == schema.subscription_type.fields.keys()
    assert _lists("User") | _lists("Viewer") | _lists("UserPrivate") <= LISTS.keys()
    assert LISTS.keys() == SELECTIONS.keys()


@pytest.fixture
async def address(subgraph: Subgraph) -> AsyncIterator[str]:
    """The subgraph on a real port."""
    async with listening(subgraph.app) as address:
        yield f"ws://{address}/graphql"
        await subgraph.store.changes.close()


EDGES = "{ edges { node { handle } } }"
SELECTIONS = {
    "User.followers": EDGES,
    "User.following": EDGES,
    "User.links": "{ url }",
    "User.redactions": "{ __typename }",
    "User.consents": "{ purpose }",
    "User.contacts": "{ value }",
    "User.entitlements": "{ key }",
    "User.tier": "",
    "User.viewerRelation": "{ isSelf }",
    "User.mergedInto": "{ id }",
    "UserPrivate.formerHandles": "{ handle }",
    "UserPrivate.history": "{ edges { node { rev changes { field } } } }",
    "UserPrivate.visibility": "{ field }",
    "UserPrivate.birthDate": "",
    "Viewer.scopes": "",
    "Viewer.blockedUsers": EDGES,
    "Viewer.consents": "{ purpose }",
    "Viewer.preferences": "{ namespace }",
    "Viewer.subscription": "{ tier }",
    "Viewer.entitlements": "{ key }",
    "Viewer.household": "{ members { user { handle } } }",
}
"""What is asked of each list, and of what else is read for itself."""


def _rows(root: str, among: Any = None) -> dict[str, list[str]]:
    """The rows of a root type, by the names of fields; those of these if any are given."""
    every = {**COMMANDS, **OTHERWISE}
    rows = {name.partition(".")[2]: row for name, row in every.items() if name.startswith(root)}
    return rows if among is None else {name: row for name, row in rows.items() if name in among}


def _lists(name: str) -> set[str]:
    """The fields of a type that give a list or a page of one."""
    type_ = build_schema().graphql.type_map[name]
    assert isinstance(type_, GraphQLObjectType)
    return {
        f"{name}.{field}"
        for field, found in type_.fields.items()
        if "[" in str(found.type) or get_named_type(found.type).name.endswith("Connection")
    }


def _but_stream(names: list[str]) -> list[str]:
    return [name for name in names if name != "getMore"]


def _email(name: str) -> dict[str, Any]:
    return {"kind": "EMAIL", "value": f"{name}@example.com"}


async def _verified(scene: Scene) -> str:
    """The id of Ada's contact, verified."""
    payload = await scene.do("addContact", "ada", **_email("ada"), more="contact { id }")
    contact: str = payload["contact"]["id"]
    code = await code_for(scene.subgraph, "ada@example.com")
    await scene.do("verifyContact", "ada", contactId=contact, code=code)
    scene.sent.clear()
    return contact
