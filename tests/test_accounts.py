"""Accounts: who leads one from which state to which, and what others see meanwhile."""

import re
from collections.abc import Mapping, Set
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from resolvers.accounts import TRANSITIONS, Actor
from resolvers.authorization import AUTHORIZATION, ViewerKind
from resolvers.viewer import STAFF_SCOPE
from server.tokens import PERSON_SCOPES
from store.ids import new_id
from store.records import Status
from store.store import Store
from tests.conftest import Commands
from tests.subgraph import REGISTER, Clock, Subgraph

pytestmark = pytest.mark.one_driver

STATE = """fragment State on User { id status rev private {
  statusChangedAt statusReason statusBefore suspendedUntil eraseAt
} }"""
RESULT = """user { ...State }
  errors { __typename code path ... on NotAllowedError { reason } }
  dryRun { changes { field before after } events }"""
OWN = ("deactivateAccount", "reactivateAccount", "scheduleErasure", "cancelErasure")
OF_STAFF = ("suspendUser", "liftSuspension")
MUTATIONS = (*OWN, *OF_STAFF, "confirmUser")


class World:
    """A user, somebody else, and staff."""

    def __init__(self, subgraph: Subgraph, ada: str, zoe: str, staff: str) -> None:
        self.subgraph = subgraph
        self.ada = ada
        self.zoe = zoe
        self.staff = staff

    def token(self, kind: str) -> str | None:
        """The token of somebody who is that to Ada."""
        scopes = [*PERSON_SCOPES, STAFF_SCOPE]
        return {
            "anonymous": None,
            "self": self.subgraph.token(self.ada),
            "stranger": self.subgraph.token(self.zoe),
            "staff": self.subgraph.token(self.staff, scopes),
            "service": self.subgraph.token(None),
        }[kind]

    async def ask(self, mutation: str, kind: str, **input: Any) -> Any:
        """The whole answer to a mutation about Ada; of one's own, about who asks."""
        type_ = mutation[0].upper() + mutation[1:]
        query = (
            f"mutation ($input: {type_}Input!) {{ it: {mutation}(input: $input) {{ {RESULT} }} }}"
        )
        if mutation not in OWN:
            input = {"userId": self.ada, **input}
        return await self.subgraph.ask(f"{query} {STATE}", token=self.token(kind), input=input)

    async def done(self, mutation: str, kind: str, **input: Any) -> Any:
        """The payload of a mutation that is not refused."""
        payload = (await self.ask(mutation, kind, **input))["data"]["it"]
        assert payload["errors"] == []
        return payload

    async def state(self) -> Any:
        """Ada's state, as Ada sees it."""
        query = f"query ($id: ID!) {{ user(by: {{id: $id}}) {{ ...State }} }} {STATE}"
        return (await self.subgraph.data(query, self.ada, id=self.ada))["user"]

    async def document(self) -> Any:
        """Ada as stored."""
        return await self.subgraph.store.users.collection.find_one(self.ada)

    async def lead_to(self, status: Status) -> None:
        """Leads Ada from active to this status, by mutations where there are any."""
        way = {
            Status.ACTIVE: (),
            Status.SUSPENDED: (("suspendUser", "staff"),),
            Status.DEACTIVATED: (("deactivateAccount", "self"),),
            Status.ERASURE_SCHEDULED: (("scheduleErasure", "self"),),
        }.get(status)
        if way is None:
            await self.subgraph.set_status(self.ada, status.value)
        for mutation, kind in way or ():
            await self.done(mutation, kind)


@pytest.fixture
async def world(subgraph: Subgraph) -> World:
    """Three active users."""
    handles = ("ada.berg", "zoe.ek", "staff.member")
    return World(subgraph, *[await subgraph.register(handle) for handle in handles])


def moment(clock: Clock, **later: float) -> str:
    """A moment as answers tell it."""
    at = clock.moment + timedelta(**later)
    return at.replace(microsecond=at.microsecond // 1000 * 1000).isoformat()


def standing(**told: Any) -> dict[str, Any]:
    """What is kept with a status, and nothing besides."""
    names = ("statusChangedAt", "statusReason", "statusBefore", "suspendedUntil", "eraseAt")
    return {**dict.fromkeys(names), **told}


REFUSED = {
    "__typename": "NotAllowedError",
    "code": "NOT_ALLOWED",
    "reason": "ACCOUNT_STATUS",
}

LEADS_TO: Mapping[tuple[str, Status], Status] = {
    ("deactivateAccount", Status.ACTIVE): Status.DEACTIVATED,
    ("deactivateAccount", Status.DEACTIVATED): Status.DEACTIVATED,
    ("reactivateAccount", Status.DEACTIVATED): Status.ACTIVE,
    ("reactivateAccount", Status.ACTIVE): Status.ACTIVE,
    ("scheduleErasure", Status.PENDING): Status.ERASURE_SCHEDULED,
    ("scheduleErasure", Status.ACTIVE): Status.ERASURE_SCHEDULED,
    ("scheduleErasure", Status.SUSPENDED): Status.ERASURE_SCHEDULED,
    ("scheduleErasure", Status.DEACTIVATED): Status.ERASURE_SCHEDULED,
    ("scheduleErasure", Status.ERASURE_SCHEDULED): Status.ERASURE_SCHEDULED,
    ("cancelErasure", Status.ERASURE_SCHEDULED): Status.ACTIVE,
    ("suspendUser", Status.ACTIVE): Status.SUSPENDED,
    ("suspendUser", Status.SUSPENDED): Status.SUSPENDED,
    ("liftSuspension", Status.SUSPENDED): Status.ACTIVE,
    ("liftSuspension", Status.ACTIVE): Status.ACTIVE,
    ("confirmUser", Status.PENDING): Status.ACTIVE,
    ("confirmUser", Status.ACTIVE): Status.ACTIVE,
}
"""Where a mutation leads an account of that status; who is there already stays as they are."""

MAY = {**dict.fromkeys(OWN, "self"), **dict.fromkeys(OF_STAFF, "staff"), "confirmUser": "service"}


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("status", Status)
async def test_the_table_says_which_way_each_state_leads(
    world: World, mutation: str, status: Status
) -> None:
    await world.lead_to(status)
    before, was = await world.state(), await world.document()
    world.subgraph.clock.advance(minutes=1)
    answer = await world.ask(mutation, MAY[mutation])
    then = LEADS_TO.get((mutation, status))
    if then is None:
        path = [] if mutation in OWN else ["userId"]
        refused = {"user": None, "errors": [{**REFUSED, "path": path}], "dryRun": None}
        assert answer == {"data": {"it": refused}}
        assert await world.document() == was
        return
    is_moved = then is not status
    told: dict[str, Any] = dict(before["private"])
    if is_moved:
        told = standing(statusChangedAt=moment(world.subgraph.clock))
    if is_moved and then is Status.ERASURE_SCHEDULED:
        told |= {"statusBefore": status.value, "eraseAt": moment(world.subgraph.clock, days=14)}
    state = {"id": world.ada, "status": then.value, "rev": before["rev"] + is_moved}
    expected = {**state, "private": None if mutation == "confirmUser" else told}
    assert answer == {"data": {"it": {"user": expected, "errors": [], "dryRun": None}}}
    assert await world.state() == {**state, "private": told}
    if not is_moved:
        assert await world.document() == was


@pytest.mark.parametrize(
    ("mutation", "kind"),
    [pair for pair in product(MUTATIONS, ("anonymous", "stranger", "self", "service", "staff"))],
)
async def test_nobody_leads_an_account_who_may_not(world: World, mutation: str, kind: str) -> None:
    status = next(source for name, source in LEADS_TO if name == mutation)
    await world.lead_to(status)
    was = await world.document()
    answer = await world.ask(mutation, kind)
    is_person = kind in ("stranger", "self", "staff")
    if kind == MAY[mutation]:
        assert answer["data"]["it"]["errors"] == []
        assert await world.document() != was
        return
    if not (mutation in OWN and is_person):
        code = "UNAUTHENTICATED" if kind == "anonymous" else "FORBIDDEN"
        assert [error["extensions"] for error in answer["errors"]] == [{"code": code}]
        assert answer["data"] == {"it": None}
    assert await world.document() == was


def test_who_may_is_said_once() -> None:
    kinds = {
        Actor.SELF: ViewerKind.SELF,
        Actor.STAFF: ViewerKind.STAFF,
        Actor.SERVICE: ViewerKind.SERVICE,
    }
    for transition in TRANSITIONS.values():
        if transition.mutation is None:
            assert transition.actor is Actor.CLOCK
        else:
            rule = AUTHORIZATION.rules[f"Mutation.{transition.mutation}"]
            assert kinds[transition.actor] in rule.kinds
    mutations = {each.mutation for each in TRANSITIONS.values()} - {None, "mergeUsers"}
    assert mutations == set(MUTATIONS)


def test_the_page_has_the_table() -> None:
    def named(statuses: Set[Status]) -> str:
        return ", ".join(status.value for status in Status if status in statuses)

    page = (Path(__file__).parent.parent / "docs" / "accounts.md").read_text()
    rows = [
        f"| `{event}` | {way.actor} | {f'`{way.mutation}` ' if way.mutation else ''}"
        f"| {named(way.sources)} | {named(way.targets)} |"
        for event, way in TRANSITIONS.items()
    ]
    assert re.findall(r"(?m)^\| `[A-Z_]+` .*$", page) == rows


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_dry_run_foresees_the_real_one_and_writes_nothing(
    world: World, mutation: str
) -> None:
    status = next(source for name, source in LEADS_TO if name == mutation)
    await world.lead_to(status)
    before, was = await world.state(), await world.document()
    world.subgraph.clock.advance(minutes=1)
    wish = {"reason": "spam"} if mutation == "suspendUser" else {}
    dry = await world.done(mutation, MAY[mutation], control={"dryRun": True}, **wish)
    assert await world.document() == was
    await world.done(mutation, MAY[mutation], **wish)
    after = await world.state()
    assert changes_of(dry) == differences(flat(before), flat(after))
    [event] = dry["dryRun"]["events"]
    outbox = (await world.document())["outbox"]
    assert TRANSITIONS[event].mutation == mutation
    assert (outbox[-1]["kind"], outbox[-1]["rev"]) == (event, after["rev"])


def changes_of(dry: Any) -> dict[str, Any]:
    """What a dry run says: before and after by field."""
    changes = dry["dryRun"]["changes"]
    return {change["field"]: (change["before"], change["after"]) for change in changes}


def flat(user: Any) -> dict[str, Any]:
    """The fields of a user by their paths."""
    private = {f"private.{name}": value for name, value in user["private"].items()}
    return {**{name: value for name, value in user.items() if name != "private"}, **private}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: (before[name], after[name]) for name in before if before[name] != after[name]}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_key_carries_it_out_once_and_a_revision_can_be_insisted_on(
    world: World, mutation: str
) -> None:
    status = next(source for name, source in LEADS_TO if name == mutation)
    await world.lead_to(status)
    was = await world.document()
    late = await world.ask(mutation, MAY[mutation], control={"ifRev": was["rev"] + 1})
    assert [error["code"] for error in late["data"]["it"]["errors"]] == ["CONFLICT"]
    assert await world.document() == was
    control = {"idempotencyKey": "k", "ifRev": was["rev"]}
    first = await world.done(mutation, MAY[mutation], control=control)
    became = await world.document()
    assert became["rev"] == was["rev"] + 1
    assert await world.done(mutation, MAY[mutation], control=control) == first
    assert await world.document() == became


COUNTED: Mapping[str, list[str]] = {
    **{mutation: ["find", "find", "update"] for mutation in (*OWN, "confirmUser")},
    **{mutation: ["find", "find", "find", "update"] for mutation in OF_STAFF},
}


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_how_many_commands_it_takes(world: World, commands: Commands, mutation: str) -> None:
    await world.subgraph.update(world.ada, "b")  # which makes the key that seals every change
    await world.lead_to(next(source for name, source in LEADS_TO if name == mutation))
    commands.taken()
    await world.done(mutation, MAY[mutation])
    assert commands.taken() == COUNTED[mutation]


async def test_a_service_registers_accounts_that_are_yet_to_be_confirmed(
    world: World, commands: Commands
) -> None:
    subgraph = world.subgraph
    input = {"handle": "eva.lind", "pending": True}
    data = await subgraph.data(REGISTER, token=world.token("service"), input=input)
    world.ada = data["registerUser"]["user"]["id"]
    assert (await world.state())["status"] == "PENDING"
    found = '{ searchUsers(query: "eva") { edges { node { id } } } }'
    assert await subgraph.data(found) == {"searchUsers": {"edges": []}}
    await world.done("confirmUser", "service")
    assert (await world.state())["status"] == "ACTIVE"
    assert await subgraph.data(found) == {"searchUsers": {"edges": [{"node": {"id": world.ada}}]}}


SEEN = """query ($id: ID!, $handle: String!) {
  user(by: {id: $id}) { status bio viewerRelation { canFollow } }
  users(ids: [$id]) { status bio }
  _entities(representations: [{__typename: "User", id: $id}]) { ... on User { status bio } }
  searchUsers(query: $handle) { edges { node { status bio } } }
  name: searchUsers(query: "Countess") { edges { node { status bio } } }
}"""


async def test_a_suspension_ends_when_its_time_is_for_everybody_who_reads(world: World) -> None:
    subgraph, clock = world.subgraph, world.subgraph.clock
    await subgraph.update(world.ada, "b", displayName="Countess")
    until = moment(clock, days=3)
    payload = await world.done("suspendUser", "staff", until=until, reason=" spam ")
    told = standing(statusChangedAt=moment(clock), statusReason="spam", suspendedUntil=until)
    assert payload["user"]["private"] == told
    assert (await world.state())["private"] == told
    was = await world.document()

    async def seen() -> Any:
        return await subgraph.data(SEEN, world.zoe, id=world.ada, handle="ada")

    closed, open_ = {"status": "SUSPENDED", "bio": None}, {"status": "ACTIVE", "bio": "b"}
    clock.advance(days=3, seconds=-1)
    assert await seen() == {
        "user": {**closed, "viewerRelation": None},
        "users": [closed],
        "_entities": [closed],
        "searchUsers": {"edges": []},
        "name": {"edges": []},
    }
    clock.advance(seconds=1)
    everywhere = {"edges": [{"node": open_}]}
    assert await seen() == {
        "user": {**open_, "viewerRelation": {"canFollow": True}},
        "users": [open_],
        "_entities": [open_],
        "searchUsers": everywhere,
        "name": everywhere,
    }
    expected = {"id": world.ada, "status": "ACTIVE", "rev": 3}
    told = standing(statusChangedAt=until)
    assert await world.state() == {**expected, "private": told}
    await subgraph.follow(world.zoe, world.ada)
    assert (await world.document())["status"] == was["status"]  # nobody wrote the user yet

    await subgraph.update(world.ada, "new")
    document = await world.document()
    assert document["status"] == {"value": "ACTIVE", "at": datetime.fromisoformat(until)}
    assert (document["rev"], document["outbox"][-1]["kind"]) == (4, "PROFILE_CHANGED")
    assert await world.state() == {**expected, "rev": 4, "private": told}


async def test_staff_may_suspend_anew_and_who_is_open_again_stays_open(world: World) -> None:
    clock = world.subgraph.clock
    first = await world.done("suspendUser", "staff", until=moment(clock, days=1))
    again = await world.done("suspendUser", "staff", reason="spam")
    assert again["user"]["private"] == standing(statusChangedAt=moment(clock), statusReason="spam")
    assert again["user"]["rev"] == first["user"]["rev"] + 1
    await world.done("suspendUser", "staff", until=moment(clock, days=1))
    clock.advance(days=2)
    was = await world.document()
    assert (await world.done("liftSuspension", "staff"))["user"]["status"] == "ACTIVE"
    assert await world.document() == was
    await world.done("suspendUser", "staff")
    document = await world.document()
    assert document["status"] == {
        "value": "SUSPENDED",
        "at": datetime.fromisoformat(moment(clock)),
    }


@pytest.mark.parametrize(
    ("wish", "rule"),
    [
        ({"until": "2020-01-01T00:00:00Z"}, "FUTURE"),
        ({"until": "2999-01-01T00:00:00"}, "FUTURE"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "FUTURE"),
        ({"until": "9999-12-31T23:59:59-12:00"}, "FUTURE"),
        ({"reason": "x" * 301}, "MAX_LENGTH"),
        ({"reason": "a\nb"}, "SINGLE_LINE"),
        ({"userId": "x"}, "ID_FORMAT"),
    ],
)
async def test_what_staff_cannot_wish_for(world: World, wish: Any, rule: str) -> None:
    was = await world.document()
    query = """mutation ($input: SuspendUserInput!) { it: suspendUser(input: $input) {
      user { id } errors { path ... on ValidationError { rule } } } }"""
    input = {"userId": world.ada, **wish}
    data = await world.subgraph.data(query, token=world.token("staff"), input=input)
    [argument] = wish
    assert data == {"it": {"user": None, "errors": [{"path": [argument], "rule": rule}]}}
    assert await world.document() == was


@pytest.mark.parametrize("mutation", OF_STAFF)
async def test_staff_do_nothing_to_themselves_to_nobody_and_not_while_they_are_closed_out(
    world: World, mutation: str
) -> None:
    own = await world.ask(mutation, "staff", userId=world.staff)
    assert own["data"]["it"]["errors"] == [{**REFUSED, "reason": "SELF", "path": ["userId"]}]
    nobody = await world.ask(mutation, "staff", userId=new_id())
    not_found = {"__typename": "NotFoundError", "code": "NOT_FOUND", "path": ["userId"]}
    assert nobody["data"]["it"]["errors"] == [not_found]
    await world.subgraph.set_status(world.staff, "SUSPENDED")
    was = await world.document()
    closed_out = await world.ask(mutation, "staff")
    assert closed_out["data"]["it"]["errors"] == [{**REFUSED, "path": []}]
    assert await world.document() == was


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ACTIVE])
async def test_the_token_of_somebody_who_is_not_active_writes_nothing(
    world: World, status: Status
) -> None:
    subgraph = world.subgraph
    await world.lead_to(status)
    was = await world.document()
    zoe = await subgraph.store.users.collection.find_one(world.zoe)
    asked = {
        "updateProfile": {"bio": "b"},
        "changeHandle": {"handle": "ada.lind"},
        **{name: {"userId": world.zoe} for name in ("follow", "unfollow", "block", "unblock")},
    }
    for mutation, input in asked.items():
        type_ = mutation[0].upper() + mutation[1:]
        query = f"""mutation ($input: {type_}Input!) {{ it: {mutation}(input: $input) {{
          user {{ id }} errors {{ code ... on NotAllowedError {{ reason }} }} }} }}"""
        error = {"code": "NOT_ALLOWED", "reason": "ACCOUNT_STATUS"}
        data = await subgraph.data(query, world.ada, input=input)
        assert data == {"it": {"user": None, "errors": [error]}}
    assert await world.document() == was
    assert await subgraph.store.users.collection.find_one(world.zoe) == zoe
    assert await subgraph.store.follows.counts() == {}


@pytest.mark.parametrize("status", [Status.PENDING, Status.SUSPENDED, Status.DEACTIVATED])
async def test_cancelling_an_erasure_leads_back_to_where_it_began(
    world: World, status: Status
) -> None:
    clock = world.subgraph.clock
    if status is Status.SUSPENDED:
        until = moment(clock, days=3)
        await world.done("suspendUser", "staff", until=until, reason="spam")
    else:
        await world.lead_to(status)
    before = await world.state()
    scheduled = (await world.done("scheduleErasure", "self"))["user"]
    assert scheduled["private"] == {
        **before["private"],
        "statusChangedAt": moment(clock),
        "statusBefore": status.value,
        "eraseAt": moment(clock, days=14),
    }
    clock.advance(days=1)
    again = await world.done("scheduleErasure", "self")
    assert again["user"] == scheduled  # asking twice does not put it off
    cancelled = (await world.done("cancelErasure", "self"))["user"]
    assert cancelled == {
        **before,
        "rev": before["rev"] + 2,
        "private": {**before["private"], "statusChangedAt": moment(clock)},
    }


async def test_a_suspension_that_ended_meanwhile_does_not_come_back(world: World) -> None:
    clock = world.subgraph.clock
    await world.done("suspendUser", "staff", until=moment(clock, days=3), reason="spam")
    await world.done("scheduleErasure", "self")
    clock.advance(days=4)
    before = await world.state()
    assert before["status"] == "ERASURE_SCHEDULED"
    dry = await world.done("cancelErasure", "self", control={"dryRun": True})
    cancelled = (await world.done("cancelErasure", "self"))["user"]
    assert cancelled["status"] == "ACTIVE"
    assert cancelled["private"] == standing(statusChangedAt=moment(clock))
    assert changes_of(dry) == differences(flat(before), flat(cancelled))


async def test_who_is_due_is_found_in_order_and_nobody_else(world: World) -> None:
    subgraph, store = world.subgraph, world.subgraph.store
    await world.done("scheduleErasure", "self")
    subgraph.clock.advance(days=1)
    for viewer in (world.zoe, world.staff):
        query = "mutation { scheduleErasure(input: {}) { errors { code } } }"
        assert await subgraph.data(query, viewer) == {"scheduleErasure": {"errors": []}}
        subgraph.clock.advance(days=1)
    await subgraph.data("mutation { cancelErasure(input: {}) { errors { code } } }", world.staff)

    async def due(**later: float) -> list[str]:
        found = await store.users.due_for_erasure(subgraph.clock() + timedelta(**later), 100)
        return [user.id for user in found]

    assert await due(days=11, seconds=-1) == []
    assert await due(days=11) == [world.ada]
    assert await due(days=400) == [world.ada, world.zoe]


async def erase(world: World, store: Store) -> bool:
    """Erases the first who is due."""
    now = world.subgraph.clock()
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    [user, *_] = await store.users.due_for_erasure(now, 100)
    return await store.users.erase(user, operation=new_id(), event="USER_ERASED", at=now)


async def test_of_an_erased_user_a_tombstone_stays_that_nulls_nobodys_data(world: World) -> None:
    subgraph = world.subgraph
    await subgraph.update(world.ada, "b", displayName="Countess", locale="sv-SE")
    await subgraph.follow(world.ada, world.zoe)
    await world.done("scheduleErasure", "self")
    subgraph.clock.advance(days=14)
    assert await erase(world, subgraph.store)
    document = await world.document()
    at = datetime.fromisoformat(moment(subgraph.clock))
    [event] = document.pop("outbox")
    assert event.pop("op")
    assert event == {"rev": 4, "kind": "USER_ERASED", "at": at, "fields": ["status"]}
    assert document == {
        "_id": world.ada,
        "rev": 4,
        "status": {"value": "ERASED", "at": at},
        "schemaVersion": 1,
    }
    for kind in ("anonymous", "stranger", "self", "service", "staff"):
        query = """query ($id: ID!) {
          _entities(representations: [{__typename: "User", id: $id}]) {
            ... on User { id status rev handle displayName bio joinedYear followerCount
              country mergedInto { id } private { locale } }
          } }"""
        data = await subgraph.data(query, token=world.token(kind), id=world.ada)
        [user] = data["_entities"]
        assert {name: value for name, value in user.items() if value is not None} == {
            "id": world.ada,
            "status": "ERASED",
            "rev": 4,
        }
    # An edge that is carried through afterwards counts nothing on the tombstone.
    query = "mutation ($id: ID!) { unfollow(input: {userId: $id}) { errors { code } } }"
    await subgraph.store.follows.remove(world.ada, world.zoe, at=subgraph.clock())
    assert "counts" not in await world.document()
    assert await subgraph.data(query, world.zoe, id=world.ada) == {"unfollow": {"errors": []}}


async def test_who_cancels_first_is_not_erased(world: World) -> None:
    subgraph = world.subgraph
    await world.done("scheduleErasure", "self")
    subgraph.clock.advance(days=14)
    [user] = await subgraph.store.users.due_for_erasure(subgraph.clock(), 100)
    await world.done("cancelErasure", "self")
    was = await world.document()
    at = subgraph.clock()
    erase = subgraph.store.users.erase
    assert not await erase(user, operation=new_id(), event="USER_ERASED", at=at)
    assert await world.document() == was
    assert (
        await subgraph.store.users.due_for_erasure(subgraph.clock() + timedelta(days=99), 100) == []
    )


async def test_an_erasure_before_its_time_is_refused(world: World) -> None:
    store = world.subgraph.store
    await world.done("scheduleErasure", "self")
    user = await store.users.by_id(world.ada)
    assert user is not None
    at = world.subgraph.clock() + timedelta(days=14, seconds=-1)
    assert not await store.users.erase(user, operation=new_id(), event="USER_ERASED", at=at)
    assert (await world.state())["status"] == "ERASURE_SCHEDULED"


async def test_looking_back_shows_the_suspension_that_was(world: World) -> None:
    subgraph, clock = world.subgraph, world.subgraph.clock
    await world.done("suspendUser", "staff", until=moment(clock, days=3))
    clock.advance(days=1)
    at = moment(clock)
    clock.advance(days=3)
    await subgraph.update(world.ada, "b")
    query = "query ($id: ID!, $at: DateTime) { user(by: {id: $id}, asOf: $at) { status } }"
    for asked, status in ((at, "SUSPENDED"), (moment(clock), "ACTIVE")):
        data = await subgraph.data(query, token=world.token("staff"), id=world.ada, at=asked)
        assert data == {"user": {"status": status}}


async def test_taking_back_a_change_does_not_bring_back_a_suspension(world: World) -> None:
    subgraph, clock = world.subgraph, world.subgraph.clock
    await world.done("suspendUser", "staff", until=moment(clock, days=3))
    clock.advance(days=3)
    await subgraph.update(world.ada, "b")  # which writes down that it is over
    undo = "mutation { undoLastChange(input: {}) { user { bio } errors { code } } }"
    undone = {"undoLastChange": {"user": {"bio": None}, "errors": []}}
    assert await subgraph.data(undo, world.ada) == undone
    assert (await world.document())["status"]["value"] == "ACTIVE"


@pytest.mark.parametrize("mutation", MUTATIONS)
async def test_a_transition_is_not_taken_back(world: World, mutation: str) -> None:
    await world.lead_to(next(source for name, source in LEADS_TO if name == mutation))
    await world.done(mutation, MAY[mutation])
    was = await world.document()
    undo = "mutation { undoLastChange(input: {}) { errors { code } } }"
    refused = {"undoLastChange": {"errors": [{"code": "NOT_ALLOWED"}]}}
    assert await world.subgraph.data(undo, world.ada) == refused
    assert await world.document() == was
