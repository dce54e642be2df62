"""Households: invitations, seats, and what races and crashes leave of them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

import pytest

from resolvers.request import Request
from resolvers.viewer import STAFF_SCOPE
from schema.roots import build_schema
from store.errors import StoreFault
from store.ids import new_id
from tests.conftest import Commands
from tests.subgraph import Subgraph
from tests.test_tiers import as_input, lasting_token

pytestmark = pytest.mark.one_driver

PAYLOAD = """
    user { id }
    household { seats members { role user { id } } invitations { id } }
    errors { __typename code path ... on NotAllowedError { reason } }
    dryRun { changes { field before after } events }
"""
INVITE = f"""mutation ($input: InviteToHouseholdInput!) {{
  it: inviteToHousehold(input: $input) {{ {PAYLOAD} token invitation {{ id expiresAt }} }}
}}"""
ACCEPT = f"""mutation ($input: AcceptHouseholdInvitationInput!) {{
  it: acceptHouseholdInvitation(input: $input) {{ {PAYLOAD} }}
}}"""
LEAVE = f"""mutation ($input: LeaveHouseholdInput!) {{
  it: leaveHousehold(input: $input) {{ {PAYLOAD} }}
}}"""
REMOVE = f"""mutation ($input: RemoveFromHouseholdInput!) {{
  it: removeFromHousehold(input: $input) {{ {PAYLOAD} }}
}}"""
MINE = "{ viewer { household { seats members { role user { id } } invitations { id } } } }"
TIERS = "query ($ids: [ID!]!) { users(ids: $ids) { tier } }"


class Home(NamedTuple):
    """A manager who pays for a tier, and others who do not."""

    subgraph: Subgraph
    manager: str
    others: list[str]

    async def do(self, mutation: str, viewer: str, **input: Any) -> Any:
        token = self.subgraph.token(viewer, lifetime_seconds=86_400 * 100)
        return (await self.subgraph.data(mutation, token=token, input=input))["it"]

    async def invite(self, **control: Any) -> str:
        payload = await self.do(INVITE, self.manager, control=control)
        assert payload["errors"] == []
        token: str = payload["token"]
        return token

    async def join(self, *viewers: str) -> None:
        for viewer in viewers:
            payload = await self.do(ACCEPT, viewer, token=await self.invite())
            assert payload["errors"] == []

    async def tiers(self, *ids: str) -> list[str]:
        token = lasting_token(self.subgraph)
        data = await self.subgraph.data(TIERS, token=token, ids=list(ids))
        return [user["tier"].removeprefix("PREMIUM_") for user in data["users"]]

    async def members(self) -> list[str]:
        """Who is in the household, as the manager sees it."""
        token = self.subgraph.token(self.manager, lifetime_seconds=86_400 * 100)
        household = (await self.subgraph.data(MINE, token=token))["viewer"]["household"]
        return [member["user"]["id"] for member in household["members"]]

    async def pay(
        self, tier: str, sequence: int = 1, days: int = 30, kind: str = "STARTED"
    ) -> None:
        event = ("s1", sequence, kind, tier, {"periodEnd": days})
        input = as_input(self.subgraph, self.manager, event)
        # The subscription began when the home was made, whatever the clock says now.
        input["startedAt"] = "2026-01-01T00:00:00Z"
        data = await self.subgraph.data(
            "mutation ($i: RecordBillingEventInput!) "
            "{ recordBillingEvent(input: $i) { errors { code } } }",
            token=lasting_token(self.subgraph),
            i=input,
        )
        assert data == {"recordBillingEvent": {"errors": []}}

    async def stored(self) -> Any:
        """What the database holds of the household."""
        [household] = await self.subgraph.store.households.by_ids([self.manager])
        return household


@pytest.fixture
async def home(subgraph: Subgraph) -> Home:
    """A household of two seats."""
    manager = await subgraph.register("manager")
    others = [await subgraph.register(f"user{number}") for number in range(3)]
    home = Home(subgraph, manager, others)
    await home.pay("PREMIUM_DUO")
    return home


def denied(reason: str, *path: str) -> list[Any]:
    return [
        {"__typename": "NotAllowedError", "code": "NOT_ALLOWED", "path": [*path], "reason": reason}
    ]


NOT_FOUND = [{"__typename": "NotFoundError", "code": "NOT_FOUND", "path": ["token"]}]


async def test_who_accepts_an_invitation_shares_the_tier(home: Home) -> None:
    manager, [ada, ben, _] = home.manager, home.others
    invited = await home.do(INVITE, manager)
    assert invited["invitation"]["id"] == invited["household"]["invitations"][0]["id"]
    assert invited["household"]["members"] == [{"role": "MANAGER", "user": {"id": manager}}]
    assert await home.tiers(manager, ada, ben) == ["DUO", "FREE", "FREE"]

    accepted = await home.do(ACCEPT, ada, token=invited["token"])
    members = [
        {"role": "MANAGER", "user": {"id": manager}},
        {"role": "MEMBER", "user": {"id": ada}},
    ]
    assert accepted == {
        "user": {"id": ada},
        "household": {"seats": 2, "members": members, "invitations": []},
        "errors": [],
        "dryRun": None,
    }
    assert await home.tiers(manager, ada, ben) == ["DUO", "DUO", "FREE"]
    entitlements = await home.subgraph.data("{ viewer { entitlements { source } } }", ada)
    sources = [one["source"] for one in entitlements["viewer"]["entitlements"]]
    assert sources == ["HOUSEHOLD"] * 5


async def test_a_token_is_no_secret_of_the_database(home: Home) -> None:
    token = await home.invite(idempotencyKey="k")
    secret = token.rpartition(".")[2]
    database = home.subgraph.store._database
    await home.do(ACCEPT, home.others[0], token=token, control={"idempotencyKey": "k"})
    for name in ("users", "households", "idempotency"):
        assert secret not in str(await database.collection(name).find({}))


async def test_a_replay_tells_the_invitation_and_not_its_token(home: Home) -> None:
    control = {"idempotencyKey": "k"}
    first = await home.do(INVITE, home.manager, control=control)
    again = await home.do(INVITE, home.manager, control=control)
    assert again == {**first, "token": None}
    assert len((await home.stored()).invitations) == 1


async def test_accepting_twice_changes_nothing(home: Home) -> None:
    ada, token = home.others[0], await home.invite()
    first = await home.do(ACCEPT, ada, token=token)
    stored = await home.stored()
    assert await home.do(ACCEPT, ada, token=token) == first
    other = await home.invite()
    assert (await home.do(ACCEPT, ada, token=other))["errors"] == []
    assert [row.seat for row in (await home.stored()).members] == [
        row.seat for row in stored.members
    ]


async def test_an_invitation_is_for_one_and_for_seven_days(home: Home) -> None:
    [ada, ben, _] = home.others
    token, late = await home.invite(), await home.invite()
    assert (await home.do(ACCEPT, ada, token=token))["errors"] == []
    assert (await home.do(ACCEPT, ben, token=token))["errors"] == NOT_FOUND
    assert (await home.do(LEAVE, ada))["errors"] == []
    assert (await home.do(ACCEPT, ada, token=token))["errors"] == NOT_FOUND
    home.subgraph.clock.advance(days=7)
    before = await home.stored()
    assert (await home.do(ACCEPT, ben, token=late))["errors"] == NOT_FOUND
    assert await home.stored() == before
    assert await home.tiers(ada, ben) == ["FREE", "FREE"]


@pytest.mark.parametrize("token", ["", "x", "..", f"{'0' * 22}.{'1' * 22}.{'2' * 22}", "a" * 9000])
async def test_what_is_no_invitation_looks_like_one_that_is_over(home: Home, token: str) -> None:
    assert (await home.do(ACCEPT, home.others[0], token=token))["errors"] == NOT_FOUND


async def test_a_token_with_another_secret_opens_nothing(home: Home) -> None:
    token = (await home.invite()).rpartition(".")[0] + f".{new_id()}"
    assert (await home.do(ACCEPT, home.others[0], token=token))["errors"] == NOT_FOUND
    assert len((await home.stored()).members) == 1


async def test_whom_the_manager_blocks_finds_no_invitation(home: Home) -> None:
    ada, token = home.others[0], await home.invite()
    await home.subgraph.block(home.manager, ada)
    assert (await home.do(ACCEPT, ada, token=token))["errors"] == NOT_FOUND
    assert len((await home.stored()).members) == 1


async def merge(home: Home, keep: str, gone: str, staff: str) -> None:
    query = """mutation ($keep: ID!, $gone: ID!) {
      mergeUsers(input: {keepId: $keep, mergeId: $gone}) { errors { code } }
    }"""
    token = home.subgraph.token(staff, [STAFF_SCOPE])
    data = await home.subgraph.data(query, token=token, keep=keep, gone=gone)
    assert data == {"mergeUsers": {"errors": []}}


async def test_the_seat_of_a_member_who_was_merged_is_free_at_once(home: Home) -> None:
    [ada, ben, staff] = home.others
    await home.join(ada)
    token = await home.invite()
    full = denied("HOUSEHOLD_FULL", "token")
    assert (await home.do(ACCEPT, ben, token=token))["errors"] == full
    await merge(home, ben, ada, staff)
    assert [row.user_id for row in (await home.stored()).members] == [home.manager]
    user = await home.subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.seat is None
    removed = await home.do(REMOVE, home.manager, userId=ada)
    assert [error["code"] for error in removed["errors"]] == ["NOT_FOUND"]
    assert (await home.do(ACCEPT, ben, token=token))["errors"] == []
    assert await home.tiers(ben) == ["DUO"]


@pytest.mark.parametrize("is_left", [False, True])
async def test_a_household_ends_when_its_manager_is_merged(home: Home, is_left: bool) -> None:
    manager, [ada, ben, eva] = home.manager, home.others
    await home.pay("PREMIUM_FAMILY", 2, kind="CHANGED")
    await home.join(ada, ben)
    token = await home.invite()
    staff = await home.subgraph.register("other")
    rows = await home.subgraph.store.households.collection.find({})
    await merge(home, eva, manager, staff)
    assert await home.stored() is None
    if is_left:  # as if it had crashed right after the decision
        await home.subgraph.store.households.collection.insert_new(rows)

    for viewer in (eva, staff):
        assert (await home.do(ACCEPT, viewer, token=token))["errors"] == NOT_FOUND
    for member in (ada, ben):
        assert await household_of(home, member) is None
    assert await home.tiers(ada, ben) == ["FREE", "FREE"]
    other = home._replace(manager=staff)
    await other.pay("PREMIUM_DUO")
    await other.join(ada)
    assert await other.members() == [staff, ada]
    left = await home.do(LEAVE, ben)
    assert (left["household"], left["errors"]) == (None, [])
    assert await home.tiers(eva) == ["FAMILY"]
    await home._replace(manager=eva).join(ben)
    assert await home.tiers(ben) == ["FAMILY"]


async def test_a_member_without_a_manager_founds_a_household(home: Home) -> None:
    [ada, ben, staff] = home.others
    await home.join(ada)
    await merge(home, ben, home.manager, staff)
    other = home._replace(manager=ada)
    await other.pay("PREMIUM_DUO")
    await other.join(ben)
    assert await other.members() == [ada, ben]


async def household_of(home: Home, viewer: str) -> Any:
    """The household of somebody, as they see it."""
    token = home.subgraph.token(viewer, lifetime_seconds=86_400 * 100)
    return (await home.subgraph.data(MINE, token=token))["viewer"]["household"]


async def test_nobody_is_in_two_households(home: Home, subgraph: Subgraph) -> None:
    [ada, ben, _] = home.others
    other = home._replace(manager=ben)
    await other.pay("PREMIUM_FAMILY")
    await home.join(ada)
    token = await other.invite()
    before = await other.stored()
    assert (await home.do(ACCEPT, ada, token=token))["errors"] == denied("OTHER_HOUSEHOLD")
    assert (await home.do(ACCEPT, home.manager, token=token))["errors"] == denied("OTHER_HOUSEHOLD")
    assert (await home.do(ACCEPT, ben, token=token))["errors"] == denied("SELF")
    assert await other.stored() == before
    await home._replace(manager=ada).pay("PREMIUM_DUO")
    assert (await home.do(INVITE, ada))["errors"] == denied("OTHER_HOUSEHOLD")
    assert (await home.do(LEAVE, ada))["errors"] == []
    assert (await home.do(ACCEPT, ada, token=token))["errors"] == []
    assert await home.tiers(ada) == ["FAMILY"]


@pytest.mark.parametrize("tier", [None, "PREMIUM_INDIVIDUAL", "PREMIUM_STUDENT"])
async def test_a_tier_for_one_has_no_household(subgraph: Subgraph, tier: str | None) -> None:
    ada = await subgraph.register("ada.berg")
    home = Home(subgraph, ada, [])
    if tier:
        await home.pay(tier)
    assert (await home.do(INVITE, ada))["errors"] == denied("TIER")
    assert await home.stored() is None
    user = await subgraph.store.users.by_id(ada)
    assert user is not None
    assert user.seat is None


async def test_ten_invitations_may_be_open_at_once(home: Home) -> None:
    for _ in range(10):
        await home.invite()
    [error] = (await home.do(INVITE, home.manager))["errors"]
    assert error["code"] == "TOO_SOON"
    assert len((await home.stored()).invitations) == 10
    home.subgraph.clock.advance(days=7)
    await home.invite()
    assert len((await home.stored()).invitations) == 1


async def test_leaving_and_removing_free_the_seat(home: Home) -> None:
    manager, [ada, ben, eva] = home.manager, home.others
    await home.join(ada)
    token = await home.invite()
    assert (await home.do(ACCEPT, ben, token=token))["errors"] == denied("HOUSEHOLD_FULL", "token")
    assert (await home.do(LEAVE, manager))["errors"] == denied("HOUSEHOLD_MANAGER")
    left = await home.do(LEAVE, ada)
    assert (left["user"], left["household"], left["errors"]) == ({"id": ada}, None, [])
    assert (await home.do(LEAVE, ada))["errors"] == []
    assert (await home.do(ACCEPT, ben, token=token))["errors"] == []
    assert await home.tiers(ada, ben) == ["FREE", "DUO"]

    removed = await home.do(REMOVE, manager, userId=ben)
    assert (removed["user"], removed["errors"]) == ({"id": ben}, [])
    assert [one["user"]["id"] for one in removed["household"]["members"]] == [manager]
    assert await home.tiers(ben) == ["FREE"]
    await home.join(eva)
    assert await home.members() == [manager, eva]
    await home.do(REMOVE, manager, userId=eva)
    assert (await home.do(LEAVE, manager))["errors"] == []
    assert (await home.do(INVITE, manager))["errors"] == []


async def test_only_the_manager_removes_and_only_members(home: Home) -> None:
    manager, [ada, ben, _] = home.manager, home.others
    await home.join(ada)
    before = await home.stored()
    gone = [{"__typename": "NotFoundError", "code": "NOT_FOUND", "path": ["userId"]}]
    for viewer, user_id, errors in (
        (ada, manager, denied("HOUSEHOLD_MANAGER")),
        (ben, ada, denied("HOUSEHOLD_MANAGER")),
        (manager, manager, denied("SELF", "userId")),
        (manager, ben, gone),
        (manager, new_id(), gone),
    ):
        assert (await home.do(REMOVE, viewer, userId=user_id))["errors"] == errors
    assert await home.stored() == before
    assert await home.tiers(ada) == ["DUO"]


async def test_a_revision_that_is_expected_has_to_be_there(home: Home) -> None:
    manager, [ada, ben, _] = home.manager, home.others
    await home.join(ada)
    token = await home.invite()
    before = await home.stored()
    stale = {"ifRev": 99}
    for mutation, viewer, input in (
        (INVITE, manager, {}),
        (ACCEPT, ben, {"token": token}),
        (LEAVE, ada, {}),
        (REMOVE, manager, {"userId": ada}),
    ):
        [error] = (await home.do(mutation, viewer, **input, control=stale))["errors"]
        assert (error["code"], error["path"]) == ("CONFLICT", ["control", "ifRev"])
    assert await home.stored() == before
    assert await home.tiers(ada, ben) == ["DUO", "FREE"]


async def test_a_dry_run_tells_what_happens_and_writes_nothing(home: Home) -> None:
    manager, [ada, *_] = home.manager, home.others

    async def foreseen(mutation: str, viewer: str, **input: Any) -> Any:
        before = await home.stored(), await home.subgraph.store.users.by_id(viewer)
        payload = await home.do(mutation, viewer, **input, control={"dryRun": True})
        assert (await home.stored(), await home.subgraph.store.users.by_id(viewer)) == before
        assert (payload["errors"], payload["household"]) == ([], None)
        seen = {one["field"]: (one["before"], one["after"]) for one in payload["dryRun"]["changes"]}
        for bookkeeping in ("seat", "rev"):
            seen.pop(bookkeeping, None)
        return seen, payload["dryRun"]["events"]

    assert await foreseen(INVITE, manager) == (
        {"household.invitations": (0, 1), "household.members": ([], [manager])},
        ["HOUSEHOLD_FOUNDED"],
    )
    token = await home.invite()
    assert await foreseen(ACCEPT, ada, token=token) == (
        {"household.members": ([manager], [manager, ada])},  # invitations are the manager's
        ["HOUSEHOLD_JOINED"],
    )
    await home.do(ACCEPT, ada, token=token)
    lost = {"household.members": ([manager, ada], [manager])}
    assert await foreseen(LEAVE, ada) == (lost, ["HOUSEHOLD_LEFT"])
    assert await foreseen(REMOVE, manager, userId=ada) == (lost, ["HOUSEHOLD_LEFT"])
    assert await home.tiers(ada) == ["DUO"]


async def foretold(home: Home, mutation: str, viewer: str, **input: Any) -> list[Any]:
    """What a dry run tells."""
    payload = await home.do(mutation, viewer, **input, control={"dryRun": True})
    assert payload["errors"] == []
    changes: list[Any] = payload["dryRun"]["changes"]
    return changes


async def members_foretold(home: Home, mutation: str, viewer: str, **input: Any) -> Any:
    """Who sits in the household, before and after."""
    changes = await foretold(home, mutation, viewer, **input)
    told = {one["field"]: (one["before"], one["after"]) for one in changes}
    assert told.keys() == {"household.members", "seat", "rev"}
    return told["household.members"]


async def test_who_is_only_invited_is_told_how_many_sit_there_and_not_who(home: Home) -> None:
    manager, [ada, ben, _] = home.manager, home.others
    await home.pay("PREMIUM_FAMILY", 2, kind="CHANGED")
    await home.join(ada)
    token = await home.invite()
    invited = await members_foretold(home, ACCEPT, ben, token=token)
    assert invited == ([manager, None], [manager, None, ben])
    await home.do(ACCEPT, ben, token=token)
    seated = await members_foretold(home, LEAVE, ben)
    assert seated == ([manager, ada, ben], [manager, ada])


async def test_a_dry_run_names_nobody_who_blocks_the_viewer(home: Home) -> None:
    manager, [ada, ben, _] = home.manager, home.others
    await home.pay("PREMIUM_FAMILY", 2, kind="CHANGED")
    await home.join(ada, ben)
    await home.subgraph.block(ada, ben)
    await home.subgraph.block(ada, manager)
    leaving = await members_foretold(home, LEAVE, ben)
    assert leaving == ([manager, None, ben], [manager, None])
    removing = await members_foretold(home, REMOVE, manager, userId=ben)
    assert removing == ([manager, None, ben], [manager, None])
    assert await members_foretold(home, LEAVE, ada) == ([manager, ada, ben], [manager, ben])


async def test_of_a_member_who_blocks_the_manager_a_dry_run_tells_the_seat_alone(
    home: Home,
) -> None:
    manager, ada = home.manager, home.others[0]
    await home.join(ada)
    await home.subgraph.block(ada, manager)
    members = {"field": "household.members", "before": [manager, None], "after": [manager]}
    assert await foretold(home, REMOVE, manager, userId=ada) == [members]
    assert (await home.do(REMOVE, manager, userId=ada))["errors"] == []
    assert [row.user_id for row in (await home.stored()).members] == [manager]


async def test_whether_somebody_exists_is_not_told_by_a_revision(home: Home) -> None:
    await home.invite()
    for user_id in (home.others[0], new_id()):
        payload = await home.do(REMOVE, home.manager, userId=user_id, control={"ifRev": 99})
        assert [(one["code"], one["path"]) for one in payload["errors"]] == [
            ("NOT_FOUND", ["userId"])
        ]


async def test_what_members_have_ends_with_the_managers_tier(home: Home) -> None:
    manager, [ada, ben, eva] = home.manager, home.others
    await home.pay("PREMIUM_FAMILY", 2, kind="CHANGED")
    await home.join(ada, ben, eva)
    everybody = [manager, ada, ben, eva]
    assert await home.tiers(*everybody) == ["FAMILY"] * 4
    await home.pay("PREMIUM_DUO", 3, kind="CHANGED")  # the first to join keeps a seat
    assert await home.tiers(*everybody) == ["DUO", "DUO", "FREE", "FREE"]
    home.subgraph.clock.advance(days=31)
    assert await home.tiers(*everybody) == ["FREE"] * 4
    await home.pay("PREMIUM_FAMILY", 4, kind="RENEWED")
    assert await home.tiers(*everybody) == ["FAMILY"] * 4
    assert await home.members() == everybody


async def test_a_member_who_pays_more_has_their_own(home: Home) -> None:
    ada = home.others[0]
    await home.join(ada)
    await home._replace(manager=ada).pay("PREMIUM_FAMILY")
    assert await home.tiers(home.manager, ada) == ["DUO", "FAMILY"]


@pytest.mark.parametrize("count", [1, 5])
async def test_tiers_of_households_are_three_commands(
    subgraph: Subgraph, commands: Commands, count: int
) -> None:
    ids = []
    for number in range(count):
        manager = await subgraph.register(f"manager{number}")
        home = Home(subgraph, manager, [await subgraph.register(f"member{number}")])
        await home.pay("PREMIUM_FAMILY")
        await home.join(*home.others)
        ids += [manager, *home.others]
    token = lasting_token(subgraph)
    commands.taken()
    data = await subgraph.data(TIERS, token=token, ids=ids)
    assert [user["tier"] for user in data["users"]] == ["PREMIUM_FAMILY"] * 2 * count
    assert commands.taken() == ["find"] * 3
    data = await subgraph.data(TIERS, token=token, ids=ids[::2])
    assert commands.taken() == ["find"]


async def test_each_mutation_takes_so_many_commands(home: Home, commands: Commands) -> None:
    manager, ada = home.manager, home.others[0]
    await home.subgraph.update(ada, "so that there is a key of hers")
    taken: dict[str, list[str]] = {}
    commands.taken()
    token = await home.invite()
    taken["found and invite"] = commands.taken()
    await home.invite()
    taken["invite"] = commands.taken()
    await home.do(ACCEPT, ada, token=token)
    taken["accept"] = commands.taken()
    await home.do(LEAVE, ada)
    taken["leave"] = commands.taken()
    await home.join(ada)
    commands.taken()
    await home.do(REMOVE, manager, userId=ada)
    taken["remove"] = commands.taken()
    assert taken == {
        "found and invite": [*["find"] * 4, "insert", "update"],
        "invite": [*["find"] * 4, "update"],
        "accept": [*["find"] * 8, "update", "update"],
        "leave": [*["find"] * 3, "update", "update"],
        "remove": [*["find"] * 8, "update", "update"],
    }


async def seated(home: Home) -> list[str]:
    """The users whose tier the household gives, besides its manager."""
    tiers = await home.tiers(*home.others)
    return [user for user, tier in zip(home.others, tiers, strict=True) if tier != "FREE"]


async def test_of_two_who_accept_the_last_seat_one_gets_it(home: Home) -> None:
    [ada, ben, _] = home.others
    for _ in range(5):
        tokens = [await home.invite(), await home.invite()]
        payloads = await asyncio.gather(
            *(
                home.do(ACCEPT, viewer, token=token)
                for viewer, token in zip((ada, ben), tokens, strict=True)
            )
        )
        errors = [payload["errors"] for payload in payloads]
        assert sorted(map(len, errors)) == [0, 1]
        assert denied("HOUSEHOLD_FULL", "token") in errors
        winner = ada if not errors[0] else ben
        assert await seated(home) == [winner]
        assert await home.members() == [home.manager, winner]
        await home.do(LEAVE, winner)


async def test_of_many_who_accept_one_invitation_one_gets_in(home: Home) -> None:
    await home.pay("PREMIUM_FAMILY", 2, kind="CHANGED")
    token = await home.invite()
    payloads = await asyncio.gather(*(home.do(ACCEPT, one, token=token) for one in home.others * 2))
    winners = {payload["user"]["id"] for payload in payloads if not payload["errors"]}
    assert len(winners) == 1
    assert await seated(home) == list(winners)


async def test_accepting_while_the_manager_removes_leaves_one_truth(home: Home) -> None:
    ada = home.others[0]
    for _ in range(8):
        token = await home.invite()
        accepted, removed = await asyncio.gather(
            home.do(ACCEPT, ada, token=token), home.do(REMOVE, home.manager, userId=ada)
        )
        assert accepted["errors"] == []
        is_in = ada in await home.members()
        assert await seated(home) == ([ada] if is_in else [])
        if removed["errors"]:  # it came before
            assert is_in
        await home.do(REMOVE, home.manager, userId=ada)
        assert await seated(home) == []
        assert await home.members() == [home.manager]


async def test_accepting_two_households_at_once_leads_to_one(home: Home) -> None:
    [ada, ben, _] = home.others
    other = home._replace(manager=ben)
    await other.pay("PREMIUM_DUO")
    for _ in range(5):
        tokens = [await home.invite(), await other.invite()]
        payloads = await asyncio.gather(*(home.do(ACCEPT, ada, token=token) for token in tokens))
        assert sorted(len(payload["errors"]) for payload in payloads) == [0, 1]
        holders = [ada in await home.members(), ada in await other.members()]
        assert sorted(holders) == [False, True]
        await home.do(LEAVE, ada)
        home.subgraph.clock.advance(seconds=61)  # the loser's claim


async def test_a_manager_who_leaves_while_somebody_joins_leaves_no_orphan(home: Home) -> None:
    manager, [ada, *_] = home.manager, home.others
    for _ in range(5):
        token = await home.invite()
        left, accepted = await asyncio.gather(
            home.do(LEAVE, manager), home.do(ACCEPT, ada, token=token)
        )
        if not left["errors"]:
            assert await seated(home) == []
        elif not accepted["errors"]:
            assert await seated(home) == [ada]
        await home.do(LEAVE, ada)


Crash = Callable[[int], None]


@pytest.fixture
def crash(home: Home, monkeypatch: pytest.MonkeyPatch) -> Crash:
    """Ends the process, as it were, with the n-th write from now on, before or after it."""
    writers = (home.subgraph.store.users, "change"), (home.subgraph.store.households, "keep")
    state = {"left": 0}

    def crashing(write: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def instead(*args: Any, **options: Any) -> Any:
            state["left"] -= 1
            if state["left"] == 0:
                raise StoreFault("before the write")
            found = await write(*args, **options)
            state["left"] -= 1
            if state["left"] == 0:
                raise StoreFault("after the write")
            return found

        return instead

    def arm(number: int) -> None:
        state["left"] = number

    for owner, name in writers:
        monkeypatch.setattr(owner, name, crashing(getattr(owner, name)))
    return arm


@pytest.mark.parametrize("key", ["k", None])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("what", ["invite", "accept", "leave", "remove"])
async def test_a_crash_at_any_write_is_finished_by_trying_again(
    home: Home, crash: Crash, what: str, number: int, key: str | None
) -> None:
    manager, ada = home.manager, home.others[0]
    control = {"idempotencyKey": key} if key else {}
    token = await home.invite() if what != "invite" else ""
    if what in ("leave", "remove"):
        assert (await home.do(ACCEPT, ada, token=token))["errors"] == []
    mutation, viewer, input = {
        "invite": (INVITE, manager, {}),
        "accept": (ACCEPT, ada, {"token": token}),
        "leave": (LEAVE, ada, {}),
        "remove": (REMOVE, manager, {"userId": ada}),
    }[what]
    crash(number)
    answer = await home.subgraph.ask(mutation, viewer, input={**input, "control": control})
    assert answer["data"] == {"it": None}
    seats = await seated(home)
    assert seats in ([], [ada])
    crash(0)
    payload = await home.do(mutation, viewer, **input, control=control)
    is_over = what == "remove" and number == 4 and key is None
    assert [error["code"] for error in payload["errors"]] == (["NOT_FOUND"] if is_over else [])
    assert await seated(home) == ([ada] if what == "accept" else [])
    if what == "invite":
        assert len((await home.stored()).invitations) == (2 if number == 4 and not key else 1)
        token = payload["token"]
        assert (await home.do(ACCEPT, ada, token=token))["errors"] == []
        assert await seated(home) == [ada]


async def test_a_claim_that_nobody_confirms_gives_way_after_its_lease(
    home: Home, crash: Crash
) -> None:
    [ada, ben, _] = home.others
    tokens = [await home.invite(), await home.invite()]
    crash(2)  # after the row, before the user
    await home.subgraph.ask(ACCEPT, ada, input={"token": tokens[0]})
    crash(0)
    assert await seated(home) == []
    full = denied("HOUSEHOLD_FULL", "token")
    assert (await home.do(ACCEPT, ben, token=tokens[1]))["errors"] == full
    home.subgraph.clock.advance(seconds=61)
    assert (await home.do(ACCEPT, ben, token=tokens[1]))["errors"] == []
    assert (await home.do(ACCEPT, ada, token=tokens[0]))["errors"] == NOT_FOUND
    assert await seated(home) == [ben]


async def test_a_seat_that_was_lost_is_not_found_again_in_another(home: Home, crash: Crash) -> None:
    manager, ada = home.manager, home.others[0]
    await home.join(ada)
    crash(2)  # the row is gone, and the user's document still names the seat
    await home.subgraph.ask(REMOVE, manager, input={"userId": ada})
    crash(0)
    token = await home.invite()
    crash(2)  # the next row is there, and the document names the one before
    await home.subgraph.ask(ACCEPT, ada, input={"token": token})
    crash(0)
    assert [row.user_id for row in (await home.stored()).members] == [manager, ada]
    assert await seated(home) == []
    assert await home.members() == [manager]


async def test_a_household_whose_manager_is_gone_shares_nothing(home: Home) -> None:
    await home.join(home.others[0])
    await home.subgraph.store.users.collection.update(
        {"_id": home.manager}, {"$unset": {"tier.seat": ""}}
    )
    assert await home.tiers(home.manager, home.others[0]) == ["DUO", "FREE"]


async def test_a_subscriber_is_told_that_a_tier_changed(home: Home) -> None:
    ada, subgraph = home.others[0], home.subgraph
    query = "subscription ($id: ID!) { profileChanged(id: $id, sinceRev: 1) { fields } }"
    await home.join(ada)
    for user_id, fields in ((ada, ["tier"]), (home.others[1], [])):
        viewer = await subgraph.identity.viewer(f"Bearer {subgraph.token(user_id)}")
        request = Request(viewer=viewer, store=subgraph.store, now=subgraph.clock)
        results = await build_schema().stream(
            query, variable_values={"id": ada}, context_value=request
        )
        async with aclosing(results):
            result = await anext(results)
        assert result.data == {"profileChanged": {"fields": fields}}
