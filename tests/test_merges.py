"""Merges: two accounts of one person become one, whatever crashes in between."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from pipelines.repair import repair
from resolvers.viewer import STAFF_SCOPE
from schema.values import json_of
from server.tokens import PERSON_SCOPES
from store.ids import new_id
from store.records import Status
from tests.at_rest import copied, crashing, restore
from tests.conftest import Commands
from tests.contacts import EMAIL, contacts, lookup, verified
from tests.subgraph import Subgraph
from tests.test_accounts import changes_of, differences, flat
from tests.test_follows import agrees
from tests.test_households import Home
from tests.test_tiers import as_input, lasting_token

pytestmark = pytest.mark.one_driver

KEPT = """fragment Kept on User {
  id status rev followerCount followingCount private { formerHandles { handle until } }
}"""
MERGE = f"""mutation ($input: MergeUsersInput!) {{ mergeUsers(input: $input) {{
  user {{ ...Kept }} merged {{ id status rev mergedInto {{ id }} }}
  preview {{ followers following blocks handles isExact }}
  errors {{ __typename code path
    ... on NotAllowedError {{ reason }} ... on ValidationError {{ rule }} }}
  dryRun {{ changes {{ field before after }} events }}
}} }} {KEPT}"""


ENTITY = """query ($id: ID!) {
  _entities(representations: [{__typename: "User", id: $id}]) {
    ... on User { id status mergedInto { id } }
  }
}"""


class World:
    """Somebody with two accounts, others who have to do with either, and staff."""

    def __init__(self, subgraph: Subgraph, ids: dict[str, str]) -> None:
        self.subgraph = subgraph
        self.ids = ids

    async def merge(self, keep: str = "ada", merge: str = "old", **control: Any) -> Any:
        """The payload of a merge by staff."""
        input = {"keepId": self.ids[keep], "mergeId": self.ids[merge], "control": control}
        data = await self.subgraph.data(MERGE, token=self.staff, input=input)
        return data["mergeUsers"]

    @property
    def staff(self) -> str:
        """The token of staff."""
        return self.subgraph.token(self.ids["staff"], [*PERSON_SCOPES, STAFF_SCOPE])

    async def kept(self, name: str = "ada") -> Any:
        """What a merge changes of who is kept, as that user sees it."""
        query = f"query ($id: ID!) {{ user(by: {{id: $id}}) {{ ...Kept }} }} {KEPT}"
        user_id = self.ids[name]
        return (await self.subgraph.data(query, user_id, id=user_id))["user"]

    async def edges(self, name: str) -> set[str]:
        """All follows (`>`) or blocks (`!`), by the names of both ends."""
        store = self.subgraph.store
        lists, sign = {
            "follows": (store.follows.following, ">"),
            "blocks": (store.blocks.blocked, "!"),
        }[name]
        names = {user_id: known for known, user_id in self.ids.items()}
        rows = await lists.collection.find({})
        return {f"{names[row['source']]}{sign}{names[row['target']]}" for row in rows}

    async def everything(self) -> Any:
        """Every document that a merge may write."""
        store = self.subgraph.store
        collections = [
            store.users.collection,
            store.handles.collection,
            *(lists.collection for lists in (store.follows.following, store.follows.followers)),
            store.blocks.blocked.collection,
            store.contacts.collection,
            store.households.collection,
        ]
        return [await collection.find({}, sort="_id") for collection in collections]

    async def told_of(self, name: str, viewer: str | None) -> Any:
        """What is told of a merged account by its id."""
        query = "query ($id: ID!) { user(by: {id: $id}) { id status mergedInto { id handle } } }"
        viewer_id = None if viewer is None else self.ids[viewer]
        return (await self.subgraph.data(query, viewer_id, id=self.ids[name]))["user"]

    async def led_to(self, handle: str, viewer: str | None = None) -> str | None:
        """Whom a handle leads to, for somebody."""
        query = "query ($handle: String!) { user(by: {handle: $handle}) { id } }"
        viewer_id = None if viewer is None else self.ids[viewer]
        user = (await self.subgraph.data(query, viewer_id, handle=handle))["user"]
        names = {user_id: known for known, user_id in self.ids.items()}
        return user and names[user["id"]]


@pytest.fixture
async def world(subgraph: Subgraph) -> World:
    """`ada` and `old` are one person.

    `both` follows and is followed by either, `new` has to do with `old` only; `foe` blocks `old`
    and follows `ada`, `pest` is blocked by `old` and followed by `ada`; `wall` blocks `ada` and
    follows `old`.
    """
    names = ("ada", "old", "both", "new", "foe", "pest", "wall", "staff")
    ids = {name: await subgraph.register(f"{name}.berg") for name in names}
    change = 'mutation { changeHandle(input: {handle: "old.ek"}) { errors { code } } }'
    assert await subgraph.data(change, ids["old"]) == {"changeHandle": {"errors": []}}
    for source, target in (
        *(("ada", "both"), ("both", "ada"), ("old", "both"), ("both", "old")),
        *(("old", "new"), ("new", "old"), ("ada", "old"), ("old", "ada")),
        *(("foe", "ada"), ("ada", "pest"), ("wall", "old")),
    ):
        await subgraph.follow(ids[source], ids[target])
    for source, target in (("foe", "old"), ("old", "pest"), ("wall", "ada")):
        await subgraph.block(ids[source], ids[target])
    return World(subgraph, ids)


FOLLOWS = {"ada>both", "both>ada", "ada>new", "new>ada"}
BLOCKS = {"foe!old", "old!pest", "wall!ada", "foe!ada", "ada!pest"}


async def is_merged(world: World) -> None:
    """Insists on the whole outcome of merging `old` into `ada`."""
    assert await world.edges("follows") == FOLLOWS
    assert await world.edges("blocks") == BLOCKS
    assert await agrees(world.subgraph)
    kept = await world.kept()
    assert (kept["followerCount"], kept["followingCount"]) == (2, 2)
    formers = [former["handle"] for former in kept["private"]["formerHandles"]]
    assert formers == ["old.berg", "old.ek"]
    for handle in ("ada.berg", "old.berg", "old.ek"):
        assert await world.led_to(handle) == "ada"
    ada = {"id": world.ids["ada"], "handle": "ada.berg"}
    told = {"id": world.ids["old"], "status": "MERGED", "mergedInto": ada}
    assert await world.told_of("old", None) == told
    store = world.subgraph.store
    keep = await store.users.collection.find_one(world.ids["ada"])
    merged = await store.users.collection.find_one(world.ids["old"])
    assert keep is not None
    assert merged is not None
    assert "absorbs" not in keep
    assert "handle" not in merged
    kinds = [event["kind"] for document in (keep, merged) for event in document["outbox"]]
    assert [kinds.count(kind) for kind in ("USER_MERGED", "USER_ABSORBED")] == [1, 1]
    assert kinds.count("MERGE_COMPLETED") == 1


async def test_what_was_ones_becomes_the_others(world: World) -> None:
    before = await world.kept()
    payload = await world.merge()
    await is_merged(world)
    after = await world.kept()
    assert payload == {
        "user": after,
        "merged": {
            "id": world.ids["old"],
            "status": "MERGED",
            "rev": 4,
            "mergedInto": {"id": world.ids["ada"]},
        },
        "preview": None,
        "errors": [],
        "dryRun": None,
    }
    assert after["rev"] == before["rev"] + 2


async def test_a_dry_run_previews_exactly_what_is_moved(world: World) -> None:
    before, was = await world.kept(), await world.everything()
    dry = await world.merge(dryRun=True)
    assert await world.everything() == was
    assert dry["preview"] == {
        "followers": 1,
        "following": 1,
        "blocks": 2,
        "handles": ["old.berg", "old.ek"],
        "isExact": True,
    }
    assert dry["dryRun"]["events"] == [
        "MERGE_BEGUN",
        "USER_MERGED",
        "USER_ABSORBED",
        "MERGE_COMPLETED",
    ]
    assert (dry["user"], dry["errors"]) == (before, [])
    await world.merge()
    assert changes_of(dry) == differences(flat(before), flat(await world.kept()))
    again = await world.merge(dryRun=True)
    assert (again["dryRun"], again["preview"]) == ({"changes": [], "events": []}, None)


async def test_the_handles_lead_on_until_others_may_have_them(world: World) -> None:
    await world.merge()
    subgraph = world.subgraph
    query = 'mutation { changeHandle(input: {handle: "old.ek"}) { errors { code } } }'
    taken = {"changeHandle": {"errors": [{"code": "HANDLE_TAKEN"}]}}
    assert await subgraph.data(query, world.ids["new"]) == taken
    subgraph.clock.advance(days=30, seconds=1)
    assert await world.led_to("old.ek") is None
    assert await subgraph.data(query, world.ids["new"]) == {"changeHandle": {"errors": []}}
    assert await world.led_to("old.ek") == "new"


async def test_whom_the_merged_account_blocked_finds_neither(world: World) -> None:
    assert await world.told_of("old", "pest") is None
    await world.merge()
    for name in ("old", "ada"):
        assert await world.told_of(name, "pest") is None
    entity = (await world.subgraph.data(ENTITY, world.ids["pest"], id=world.ids["old"]))[
        "_entities"
    ]
    assert entity == [None]


async def test_whom_the_kept_account_blocks_is_not_told_where_the_other_leads(world: World) -> None:
    await world.merge()
    assert (await world.told_of("old", "new"))["mergedInto"] is not None
    await world.subgraph.block(world.ids["ada"], world.ids["new"])
    hidden = {"id": world.ids["old"], "status": "MERGED", "mergedInto": None}
    assert await world.told_of("old", "new") == hidden
    data = await world.subgraph.data(ENTITY, world.ids["new"], id=world.ids["old"])
    assert data == {"_entities": [hidden]}
    assert await world.led_to("old.ek", "new") is None


async def test_where_it_leads_is_told_as_long_as_the_profile_there_is(world: World) -> None:
    await world.merge()
    close = "mutation { deactivateAccount(input: {}) { errors { code } } }"
    assert await world.subgraph.data(close, world.ids["ada"]) == {
        "deactivateAccount": {"errors": []}
    }
    assert (await world.told_of("old", "new"))["mergedInto"] is None
    query = "query ($id: ID!) { user(by: {id: $id}) { mergedInto { id status } } }"
    service = world.subgraph.token(None)
    data = await world.subgraph.data(query, token=service, id=world.ids["old"])
    leads_to = {"id": world.ids["ada"], "status": "DEACTIVATED"}
    assert data == {"user": {"mergedInto": leads_to}}


async def test_a_chain_leads_to_its_end_and_no_circle_is_made(world: World) -> None:
    await world.merge("ada", "old")
    await world.merge("new", "ada")
    end = {"id": world.ids["new"], "handle": "new.berg"}
    for name in ("old", "ada"):
        told = await world.told_of(name, None)
        assert told == {"id": world.ids[name], "status": "MERGED", "mergedInto": end}
    for handle in ("old.berg", "old.ek", "ada.berg"):
        assert await world.led_to(handle) == "new"
    was = await world.everything()
    for keep in ("old", "ada"):
        payload = await world.merge(keep, "new")
        assert payload == refused("NotAllowedError", "NOT_ALLOWED", "keepId", "ACCOUNT_STATUS")
    payload = await world.merge("both", "old")
    assert payload == refused("NotAllowedError", "NOT_ALLOWED", "mergeId", "ACCOUNT_STATUS")
    assert await world.everything() == was
    assert await agrees(world.subgraph)


async def test_two_into_each_other_at_once_make_no_circle(world: World) -> None:
    payloads = await asyncio.gather(world.merge("ada", "old"), world.merge("old", "ada"))
    done = [payload for payload in payloads if payload["errors"] == []]
    assert len(done) <= 1
    users = await world.subgraph.store.users.by_ids([world.ids["ada"], world.ids["old"]])
    merged = [user for user in users if user is not None and user.status is Status.MERGED]
    assert len(merged) == len(done)
    # Nothing is left that would be in the way of trying again.
    if not done:
        assert (await world.merge())["errors"] == []
    assert await agrees(world.subgraph)


async def test_two_who_ask_for_the_same_at_once_do_it_once(world: World) -> None:
    payloads = await asyncio.gather(*(world.merge() for _ in range(4)))
    assert [payload["errors"] for payload in payloads] == [[]] * 4
    await world.merge()
    await is_merged(world)


def refused(type_: str, code: str, argument: str | None, reason: str | None = None) -> Any:
    error = {"__typename": type_, "code": code, "path": [argument] if argument else []}
    if reason is not None:
        error["reason"] = reason
    return {"user": None, "merged": None, "preview": None, "errors": [error], "dryRun": None}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("side", ["keepId", "mergeId"])
async def test_which_accounts_can_be_merged(subgraph: Subgraph, status: Status, side: str) -> None:
    names = ("ada", "old", "staff")
    world = World(subgraph, {name: await subgraph.register(f"{name}.berg") for name in names})
    await subgraph.set_status(world.ids["ada" if side == "keepId" else "old"], status.value)
    living = {Status.PENDING, Status.ACTIVE, Status.SUSPENDED, Status.DEACTIVATED}
    was = await world.everything()
    for is_dry in (True, False):
        payload = await world.merge(dryRun=is_dry)
        if status in ({Status.ACTIVE} if side == "keepId" else living):
            assert payload["errors"] == []
        else:
            assert payload == refused("NotAllowedError", "NOT_ALLOWED", side, "ACCOUNT_STATUS")
            assert await world.everything() == was


async def test_whom_nobody_merges(world: World) -> None:
    world.ids |= {"nobody": new_id(), "nonsense": "x"}
    was = await world.everything()
    for keep, merge, expected in (
        ("nobody", "old", refused("NotFoundError", "NOT_FOUND", "keepId")),
        ("ada", "nobody", refused("NotFoundError", "NOT_FOUND", "mergeId")),
        ("staff", "old", refused("NotAllowedError", "NOT_ALLOWED", "keepId", "SELF")),
        ("ada", "staff", refused("NotAllowedError", "NOT_ALLOWED", "mergeId", "SELF")),
    ):
        assert await world.merge(keep, merge) == expected
    for keep, merge, path, rule in (
        ("ada", "ada", "mergeId", "DISTINCT"),
        ("nonsense", "old", "keepId", "ID_FORMAT"),
        ("ada", "nonsense", "mergeId", "ID_FORMAT"),
    ):
        [error] = (await world.merge(keep, merge))["errors"]
        assert (error["path"], error["rule"]) == ([path], rule)
    rev = (await world.kept())["rev"]
    payload = await world.merge(ifRev=rev + 1)
    assert payload == refused("ConflictError", "CONFLICT", "ifRev") | {
        "errors": [
            {"__typename": "ConflictError", "code": "CONFLICT", "path": ["control", "ifRev"]}
        ]
    }
    assert await world.everything() == was


@pytest.mark.parametrize("kind", ["anonymous", "person", "service"])
async def test_only_staff_merge(world: World, kind: str) -> None:
    tokens = {
        "anonymous": None,
        "person": world.subgraph.token(world.ids["ada"]),
        "service": world.subgraph.token(None),
    }
    was = await world.everything()
    input = {"keepId": world.ids["ada"], "mergeId": world.ids["old"]}
    answer = await world.subgraph.ask(MERGE, token=tokens[kind], input=input)
    code = "UNAUTHENTICATED" if kind == "anonymous" else "FORBIDDEN"
    assert [error["extensions"] for error in answer["errors"]] == [{"code": code}]
    assert await world.everything() == was


async def test_a_key_merges_once(world: World) -> None:
    rev = (await world.kept())["rev"]
    control = {"idempotencyKey": "k", "ifRev": rev}
    first = await world.merge(**control)
    became = await world.everything()
    assert await world.merge(**control) == first
    assert await world.everything() == became
    assert await world.merge() == first  # without a key as well
    assert await world.everything() == became


async def test_how_many_commands_two_accounts_without_ties_take(
    world: World, commands: Commands
) -> None:
    subgraph = world.subgraph
    world.ids |= {name: await subgraph.register(f"{name}.ito") for name in ("eva", "eve")}
    for name in ("eva", "eve"):  # which makes the keys that seal every change
        await subgraph.update(world.ids[name], "b")
    commands.taken()
    dry = await world.merge("eva", "eve", dryRun=True)
    assert dry["errors"] == []
    assert commands.taken() == ["find"] * 7
    await world.merge("eva", "eve")
    # Staff and both; each of both again, with its key, to note and to decide; both anew, three
    # lists, households, both keys; both for the answer. The note, the decision, three writes that
    # hand over the handle, and the end of the note.
    assert commands.taken() == ["find"] * 16 + ["update"] * 6


async def test_more_than_a_page_is_moved_by_repair(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.merges.PAGE", 1)
    monkeypatch.setattr("resolvers.merges.TRIES", 1)
    await world.merge()
    assert "new>old" in await world.edges("follows") or "both>old" in await world.edges("follows")
    assert (await world.told_of("old", None))["status"] == "MERGED"
    assert await world.led_to("old.ek") == "old"
    later = world.subgraph.clock() + timedelta(minutes=2)
    assert await repair(world.subgraph.store, later) == 1
    await is_merged(world)
    assert await repair(world.subgraph.store, later) == 0


@pytest.mark.parametrize("how", ["retry", "repair"])
async def test_a_crash_at_any_write_leaves_nothing_broken(world: World, how: str) -> None:
    await endow(world)
    kept = await copied(world.subgraph.store)
    for at in (1, 2, 4, 17, 41, 62, 63, 64, 65, 66, 67, 68, 69):
        await restore(world.subgraph.store, kept)
        await _crash_and_go_on(world, at, how, is_late=bool(at % 2) is (how == "retry"))


async def _crash_and_go_on(world: World, at: int, how: str, *, is_late: bool) -> None:
    subgraph, rev = world.subgraph, (await world.kept())["rev"]
    input = {
        "keepId": world.ids["ada"],
        "mergeId": world.ids["old"],
        "control": {"idempotencyKey": "k", "ifRev": rev},
    }
    async with crashing(at, is_late=is_late, spared={"idempotency"}) as crash:
        answer = await subgraph.ask(MERGE, token=world.staff, input=input)
    if crash.writes < at:
        pytest.fail(f"there are only {crash.writes} writes")
    assert answer["data"] == {"mergeUsers": None}
    for handle in ("old.berg", "old.ek"):
        assert await world.led_to(handle) in ("old", "ada")
    if how == "repair":
        subgraph.clock.advance(minutes=2)
        await repair(subgraph.store, subgraph.clock())
        assert await repair(subgraph.store, subgraph.clock()) == 0
        status = (await world.told_of("old", None))["status"]
        document = await subgraph.store.users.collection.find_one(world.ids["ada"])
        assert document is not None
        assert "absorbs" not in document
        if status == "MERGED":
            await is_merged(world)
    data = await subgraph.data(MERGE, token=world.staff, input=input)
    assert data["mergeUsers"]["errors"] == []
    # A follow or block that the crash left half done is repair's, as it is without a merge.
    await repair(subgraph.store, subgraph.clock() + timedelta(minutes=2))
    await is_merged(world)
    await has_handed_over(world)


async def endow(world: World) -> None:
    """Gives `old` a verified address, a tier, a promotion and a household with `new`."""
    subgraph, ids = world.subgraph, world.ids
    await verified(subgraph, ids["old"])
    await bill(world, "old", "s1", 1, "PREMIUM_DUO")
    await grant(world, "old", "LOSSLESS_MONTH")
    home = Home(subgraph, ids["old"], [])
    await home.join(ids["new"])
    assert await lookup(subgraph) == ids["old"]
    assert await home.tiers(ids["ada"], ids["old"], ids["new"]) == ["FREE", "DUO", "DUO"]


async def has_handed_over(world: World) -> None:
    """Insists on what becomes of that: what is paid for is `ada`'s, and nobody has the rest."""
    subgraph, ids = world.subgraph, world.ids
    home = Home(subgraph, ids["ada"], [])
    assert await home.tiers(ids["ada"], ids["old"], ids["new"]) == ["DUO", "FREE", "FREE"]
    keep, merged = await subgraph.store.users.by_ids([ids["ada"], ids["old"]])
    assert keep is not None
    assert merged is not None
    assert [one.id for one in keep.subscriptions] == ["s1"]
    assert [one.name for one in keep.grants] == ["LOSSLESS_MONTH"]
    assert (keep.seat, merged.seat) == (None, None)
    assert (merged.subscriptions, merged.grants) == ((), ())
    assert len(merged.contacts) == 1
    for collection in (subgraph.store.contacts.collection, subgraph.store.households.collection):
        assert await collection.find({}) == []


async def bill(
    world: World, name: str, subscription: str, sequence: int, tier: str, days: int = 30
) -> Any:
    """The errors when billing tells of a subscription of one of them."""
    event = (subscription, sequence, "STARTED", tier, {"periodEnd": days})
    input = as_input(world.subgraph, world.ids[name], event)
    query = """mutation ($i: RecordBillingEventInput!) {
      recordBillingEvent(input: $i) { errors { code path ... on NotAllowedError { reason } } } }"""
    data = await world.subgraph.data(query, token=lasting_token(world.subgraph), i=input)
    return data["recordBillingEvent"]["errors"]


async def grant(world: World, name: str, promotion: str) -> None:
    """Gives one of them a promotion."""
    query = """mutation ($i: GrantPromotionInput!) {
      grantPromotion(input: $i) { errors { code } } }"""
    input = {"userId": world.ids[name], "promotion": promotion}
    data = await world.subgraph.data(query, token=lasting_token(world.subgraph), i=input)
    assert data == {"grantPromotion": {"errors": []}}


async def test_what_was_paid_for_is_had_by_who_is_kept(world: World) -> None:
    store, ids = world.subgraph.store, world.ids
    await bill(world, "old", "s1", 1, "PREMIUM_FAMILY")
    await bill(world, "ada", "s2", 1, "PREMIUM_INDIVIDUAL", days=60)
    for name, promotion in (
        *(("ada", "LOSSLESS_MONTH"), ("old", "LOSSLESS_MONTH")),
        ("old", "AD_FREE_WEEK"),
    ):
        await grant(world, name, promotion)
        world.subgraph.clock.advance(hours=1)
    keep, merged = await store.users.by_ids([ids["ada"], ids["old"]])
    assert keep is not None
    assert merged is not None
    dry = await world.merge(dryRun=True)
    told = {one["field"]: one for one in dry["dryRun"]["changes"]}
    assert [one["id"] for one in told["subscriptions"]["after"]] == ["s1", "s2"]
    assert [one["name"] for one in told["grants"]["before"]] == ["LOSSLESS_MONTH"]
    await world.merge()
    kept, gone = await store.users.by_ids([ids["ada"], ids["old"]])
    assert kept is not None
    assert gone is not None
    assert set(kept.subscriptions) == {*keep.subscriptions, *merged.subscriptions}
    assert kept.grants == merged.grants  # of the two with one name the one that lasts longer
    assert told["grants"]["after"] == json_of(kept.grants)
    assert (gone.subscriptions, gone.grants) == ((), ())
    home = Home(world.subgraph, ids["ada"], [])
    assert await home.tiers(ids["ada"], ids["old"]) == ["FAMILY", "FREE"]


async def test_billing_goes_on_with_who_is_kept(world: World) -> None:
    await bill(world, "old", "s1", 1, "PREMIUM_FAMILY")
    await world.merge()
    was = await world.everything()
    denied = {"code": "NOT_ALLOWED", "path": ["userId"], "reason": "ACCOUNT_STATUS"}
    assert await bill(world, "old", "s1", 2, "PREMIUM_DUO") == [denied]
    assert await world.everything() == was
    home = Home(world.subgraph, world.ids["ada"], [])
    assert await home.tiers(world.ids["ada"]) == ["FAMILY"]
    assert await bill(world, "ada", "s1", 2, "PREMIUM_DUO") == []
    user = await world.subgraph.store.users.by_id(world.ids["ada"])
    assert user is not None
    assert [(one.id, one.tier) for one in user.subscriptions] == [("s1", "PREMIUM_DUO")]


async def test_who_is_kept_verifies_the_addresses_of_the_other(world: World) -> None:
    subgraph, ids = world.subgraph, world.ids
    await verified(subgraph, ids["old"])
    subgraph.clock.advance(minutes=1)
    await verified(subgraph, ids["old"], "old@example.com")
    await world.merge()
    assert await lookup(subgraph) is None
    assert len(await contacts(subgraph, ids["old"])) == 2
    for address in ("old@example.com", EMAIL):  # the first within the lease of the other's claim
        await verified(subgraph, ids["ada"], address)
        assert await lookup(subgraph, address) == ids["ada"]
    await world.merge()  # again, which takes nothing away
    assert await lookup(subgraph) == ids["ada"]


async def test_an_address_leads_nowhere_from_the_decision_on(world: World) -> None:
    subgraph, ids = world.subgraph, world.ids
    await verified(subgraph, ids["old"])
    subgraph.clock.advance(minutes=2)
    rows = await subgraph.store.contacts.collection.find({})
    await world.merge()
    await subgraph.store.contacts.collection.insert_new(rows)  # as if it had crashed right after
    assert await lookup(subgraph) is None
    await verified(subgraph, ids["ada"])
    assert await lookup(subgraph) == ids["ada"]


async def test_staff_can_look_back_past_a_merge(world: World) -> None:
    subgraph = world.subgraph
    await endow(world)
    at = subgraph.clock.moment.isoformat()
    subgraph.clock.advance(minutes=1)
    await world.merge()
    subgraph.clock.advance(minutes=1)
    query = """query ($id: ID!, $at: DateTime!) {
      user(by: {id: $id}, asOf: $at) { status handle tier mergedInto { id } } }"""
    for name, handle, tier in (("ada", "ada.berg", "FREE"), ("old", "old.ek", "PREMIUM_DUO")):
        data = await subgraph.data(query, token=world.staff, id=world.ids[name], at=at)
        was = {"status": "ACTIVE", "handle": handle, "tier": tier, "mergedInto": None}
        assert data == {"user": was}
    history = """query ($id: ID!) { user(by: {id: $id}) {
      private { history(first: 2) { edges { node { kind changes { field } } } } } } }"""
    data = await subgraph.data(history, world.ids["ada"], id=world.ids["ada"])
    nodes = [edge["node"] for edge in data["user"]["private"]["history"]["edges"]]
    taken_over = ("private.formerHandles", "grants", "subscriptions")
    assert nodes == [
        {"kind": "USER_ABSORBED", "changes": [{"field": name} for name in taken_over]},
        {"kind": "MERGE_BEGUN", "changes": []},
    ]
