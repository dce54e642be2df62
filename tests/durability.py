"""Mutations of all kinds, each sent one to five times across kills, have exactly one effect each.

python -m tests.durability --mutations 100000   # kills the server or the engine every 2000 of them

Two people at a time are changed by one client, one mutation after the other, so that what they
have in the end is known; many such clients run at the same time. What was sent is sent again under
its idempotency key until it is acknowledged, and some more.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from httpx import AsyncClient, HTTPError

from pipelines.repair import repair
from store.ids import new_id
from store.store import Store
from tests.running import RunningServer

AT_ONCE = 16
"""Mutations under way at the same time."""
PER_PERSON = 80
"""About so many mutations of a person; messages to addresses are counted by the hour."""
ADDRESSES = 15
TIMES = [1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 5]
"""How often a mutation is sent."""
PURPOSE, POLICY = "partner-analytics", "2026-03"

STATE = """query ($id: ID!) {
  user(by: {id: $id}) { rev handle bio tier contacts { value }
    following(first: 100) { edges { node { id } } }
    consents(purposes: ["partner-analytics"]) { state }
    private { visibility { field visibility } } }
  viewer { preferences(namespaces: ["player"]) { rev values }
    household { members { user { id } } invitations { id } } }
}"""
HISTORY = """query ($id: ID!, $after: String) { user(by: {id: $id}) { private {
  history(first: 100, after: $after) {
    edges { node { rev kind } } pageInfo { hasNextPage endCursor }
  } } } }"""


@dataclass
class Person:
    """What a user has to have, and what was done to it."""

    id: str
    handle: str
    events: Counter[str] = field(default_factory=lambda: Counter(USER_REGISTERED=1))
    bio: str | None = None
    level: str = "PUBLIC"
    contacts: dict[str, str] = field(default_factory=dict)
    addresses: int = 0
    follows: set[str] = field(default_factory=set)
    answers: int = 0
    preferences: int = 0
    bills: int = 0
    invitations: int = 0
    token: str | None = None
    household: list[str] = field(default_factory=list)


class Load:
    """Clients of one server, what dies meanwhile, and what was counted."""

    def __init__(self, server: RunningServer, mutations: int, between: int, seed: int) -> None:
        self.server = server
        self.mutations = mutations
        self.between = between
        self.random = random.Random(seed)
        self.begun, self.done, self.sent, self.deaths = 0, 0, 0, 0
        self.kinds: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.pairs: list[tuple[Person, Person]] = []
        self._token = cache(server.token)
        self._room = asyncio.Semaphore(AT_ONCE)

    @property
    def people(self) -> list[Person]:
        """Everybody."""
        return [person for pair in self.pairs for person in pair]

    async def run(self) -> None:
        """Sends everything, while the server and the engine die now and then."""
        async with AsyncClient(timeout=20) as self._http:
            killing = asyncio.create_task(self._kill())
            pairs = max(2, self.mutations // PER_PERSON // 2)
            await asyncio.gather(*(self._client() for _ in range(pairs)))
            await killing

    async def once(
        self, viewer: str | None, name: str, input: dict[str, Any], made: str = ""
    ) -> list[Any]:
        """The payloads of a mutation that is sent as often as it falls out."""
        self.begun += 1
        self.kinds[name] += 1
        type_ = f"{name[0].upper()}{name[1:]}Input"
        query = f"""mutation ($input: {type_}!) {{
          it: {name}(input: $input) {{ {made} errors {{ code path
            ... on TooSoonError {{ retryAfterSeconds }} }} }} }}"""
        body = {
            "query": query,
            "variables": {"input": {**input, "control": {"idempotencyKey": new_id()}}},
        }
        wanted, payloads = self.random.choice(TIMES), list[Any]()
        while len(payloads) < wanted:
            together = min(wanted - len(payloads), self.random.choice([1, 1, 2]))
            async with self._room:
                told = await asyncio.gather(*(self._send(viewer, body) for _ in range(together)))
            payloads += [payload for payload, _ in told if payload is not None]
            if wait := max(wait for _, wait in told):
                await asyncio.sleep(wait)
        self.done += 1
        self.wrong += [f"{name}: {one['errors']}" for one in payloads if one["errors"]]
        return payloads

    async def _client(self) -> None:
        pair = await self._register(), await self._register()
        self.pairs.append(pair)
        while self.begun < self.mutations:
            await change(self, self.random.choice(pair), pair)

    async def _register(self) -> Person:
        handle = f"d{new_id().lower()}"
        payloads = await self.once(None, "registerUser", {"handle": handle}, "user { id }")
        [user_id] = {payload["user"]["id"] for payload in payloads}
        return Person(user_id, handle)

    async def _send(self, viewer: str | None, body: Any) -> tuple[Any, float]:
        """The payload, or nothing and how many seconds to wait until it is sent again."""
        self.sent += 1
        headers = {"Authorization": f"Bearer {self._token(viewer)}"}
        try:
            answer = await self._http.post(self.server.address, json=body, headers=headers)
            told = answer.json()
        except (HTTPError, ValueError, IndexError):
            return None, 0.3
        if "errors" in told:
            if told["errors"][0]["extensions"]["code"] not in ("UNAVAILABLE", "TIMEOUT"):
                self.wrong.append(answer.text)
                return {"errors": ["see above"]}, 0
            return None, 0.3
        payload = told["data"]["it"]
        for error in payload["errors"]:
            if error["code"] == "TOO_SOON" and error["path"] in (["control", "idempotencyKey"], []):
                return None, min(error["retryAfterSeconds"], 0.5)
        return payload, 0

    async def _kill(self) -> None:
        """Kills when so many more were acknowledged, amid the next ones."""
        while True:
            until = (self.deaths + 1) * self.between
            while self.done < until:
                if self.begun >= self.mutations:
                    return
                await asyncio.sleep(0.05)
            self.deaths += 1
            print(f"{self.done} mutations, {self.deaths} kills", file=sys.stderr, flush=True)
            if self.deaths % 3 == 0:
                self.server.kill_engine()
            else:
                self.server.kill()
                await asyncio.to_thread(self.server.start)


async def change(load: Load, ada: Person, pair: tuple[Person, Person]) -> None:
    """One mutation of somebody, or of the household of the two; it changes something."""
    kinds = [_profile, _handle, _follow, _contact, _consent, _preferences, _visibility, _bill]
    act = load.random.choice([*kinds, None])
    await (_household(load, *pair) if act is None else act(load, ada))


async def _profile(load: Load, ada: Person) -> None:
    ada.bio = new_id()
    await load.once(ada.id, "updateProfile", {"bio": ada.bio})
    ada.events["PROFILE_CHANGED"] += 1


async def _handle(load: Load, ada: Person) -> None:
    ada.handle = f"d{new_id().lower()}"
    await load.once(ada.id, "changeHandle", {"handle": ada.handle})
    ada.events["HANDLE_CHANGED"] += 1


async def _follow(load: Load, ada: Person) -> None:
    other = load.random.choice(load.people)
    if other.id != ada.id and other.id not in ada.follows and len(ada.follows) < 90:
        await load.once(ada.id, "follow", {"userId": other.id})
        ada.follows.add(other.id)
    elif other.id in ada.follows:
        await load.once(ada.id, "unfollow", {"userId": other.id})
        ada.follows.remove(other.id)


async def _contact(load: Load, ada: Person) -> None:
    if len(ada.contacts) < 5 and ada.addresses < ADDRESSES:
        ada.addresses += 1
        value = f"{new_id()}@example.com"
        payloads = await load.once(
            ada.id, "addContact", {"kind": "EMAIL", "value": value}, "contact { id }"
        )
        [contact] = {one["contact"]["id"] for one in payloads}
        ada.contacts[contact] = value
        ada.events["CONTACT_ADDED"] += 1
    elif ada.contacts:
        contact = load.random.choice(list(ada.contacts))
        del ada.contacts[contact]
        await load.once(ada.id, "removeContact", {"contactId": contact})
        ada.events["CONTACT_REMOVED"] += 1


async def _consent(load: Load, ada: Person) -> None:
    ada.answers += 1
    answer = {"purpose": PURPOSE, "granted": ada.answers % 2 == 1, "policyVersion": POLICY}
    await load.once(ada.id, "recordConsent", answer)
    ada.events["CONSENT_RECORDED"] += 1


async def _preferences(load: Load, ada: Person) -> None:
    ada.preferences += 1
    patch = {"crossfadeSeconds": ada.preferences % 12 + 1}
    await load.once(ada.id, "setPreferences", {"namespace": "player", "patch": patch})


async def _visibility(load: Load, ada: Person) -> None:
    ada.level = load.random.choice([one for one in LEVELS if one != ada.level])
    choice = {"field": "BIO", "visibility": ada.level}
    await load.once(ada.id, "setVisibility", {"choices": [choice]})
    ada.events["VISIBILITY_CHANGED"] += 1


async def _bill(load: Load, ada: Person) -> None:
    ada.bills += 1
    event = {
        "eventId": new_id(),
        "subscriptionId": "one",
        "userId": ada.id,
        "sequence": ada.bills,
        "kind": "RENEWED",
        "tier": "PREMIUM_DUO",
        "startedAt": "2026-01-01T00:00:00Z",
        "periodEnd": f"{2100 + ada.bills}-01-01T00:00:00Z",
    }
    await load.once(None, "recordBillingEvent", event)
    ada.events["TIER_CHANGED"] += 1


async def _household(load: Load, ada: Person, ben: Person) -> None:
    """The one invites, the other accepts and leaves, again and again."""
    if not ada.bills:
        await _bill(load, ada)
    elif ben.household:
        await load.once(ben.id, "leaveHousehold", {})
        ben.events["HOUSEHOLD_LEFT"] += 1
        ada.household, ben.household = [ada.id], []
    elif ada.token:
        await load.once(ben.id, "acceptHouseholdInvitation", {"token": ada.token})
        ben.events["HOUSEHOLD_JOINED"] += 1
        ada.household = ben.household = [ada.id, ben.id]
        ada.invitations, ada.token = ada.invitations - 1, None
    elif ada.invitations < 10:
        payloads = await load.once(ada.id, "inviteToHousehold", {}, "token")
        ada.token = next((one["token"] for one in payloads if one["token"]), None)
        ada.events["HOUSEHOLD_FOUNDED"] = 1
        ada.household, ada.invitations = [ada.id], ada.invitations + 1


LEVELS = ["PUBLIC", "FOLLOWERS", "NOBODY"]


async def differences(load: Load) -> AsyncIterator[str]:
    """Where what is there is not what the acknowledged payloads say."""
    async with AsyncClient(timeout=60) as http:
        for person in load.people:
            for said, is_so in (
                (await _state(load.server, http, person), _expected(person)),
                (await _history(load.server, http, person), _events(person)),
            ):
                if said != is_so:
                    yield f"{person.id} has {said}, expected {is_so}"
    store = Store.connect(load.server.mongodb_uri, "usergraph")
    async for told in _stored_differences(load, store):
        yield told
    await store.close()


def _expected(person: Person) -> dict[str, Any]:
    states = ["NEVER_ASKED", "GRANTED", "WITHDRAWN"]
    return {
        "rev": person.events.total(),
        "handle": person.handle,
        "bio": person.bio,
        "tier": "PREMIUM_DUO" if person.bills or person.household else "FREE",
        "contacts": list(person.contacts.values()),
        "following": person.follows,
        "consent": states[person.answers and 2 - person.answers % 2],
        "level": person.level,
        "preferences": (
            person.preferences,
            person.preferences % 12 + 1 if person.preferences else 0,
        ),
        "household": person.household,
        "invitations": person.invitations,
    }


def _events(person: Person) -> tuple[Counter[str], list[int]]:
    """The events, each as often as it was acknowledged; the revisions, each once."""
    return person.events, list(range(1, person.events.total() + 1))


async def _state(server: RunningServer, http: AsyncClient, person: Person) -> dict[str, Any]:
    data = await _asked(server, http, STATE, person.id)
    user, home = data["user"], data["viewer"]["household"] or {"members": [], "invitations": []}
    levels = {one["field"]: one["visibility"] for one in user["private"]["visibility"]}
    [preferences] = data["viewer"]["preferences"]
    return {
        **{name: user[name] for name in ("rev", "handle", "bio", "tier")},
        "contacts": [one["value"] for one in user["contacts"]],
        "following": {edge["node"]["id"] for edge in user["following"]["edges"]},
        "consent": user["consents"][0]["state"],
        "level": levels["BIO"],
        "preferences": (preferences["rev"], preferences["values"]["crossfadeSeconds"]),
        "household": [one["user"]["id"] for one in home["members"]],
        "invitations": len(home["invitations"]),
    }


async def _history(
    server: RunningServer, http: AsyncClient, person: Person
) -> tuple[Counter[str], list[int]]:
    kinds, revs, after = Counter[str](), list[int](), None
    while True:
        data = await _asked(server, http, HISTORY, person.id, after=after)
        page = data["user"]["private"]["history"]
        kinds.update(edge["node"]["kind"] for edge in page["edges"])
        revs += [edge["node"]["rev"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            return kinds, sorted(revs)
        after = page["pageInfo"]["endCursor"]


async def _asked(
    server: RunningServer, http: AsyncClient, query: str, user_id: str, **variables: Any
) -> Any:
    body = {"query": query, "variables": {"id": user_id, **variables}}
    headers = {"Authorization": f"Bearer {server.token(user_id)}"}
    answer = (await http.post(server.address, json=body, headers=headers)).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def _stored_differences(load: Load, store: Store) -> AsyncIterator[str]:
    """What no client sees: nobody twice, an entry of the ledger per answer, counts as the edges."""
    later = datetime.now(UTC) + timedelta(hours=1)
    await repair(store, later)
    users = await store.users.collection.find({"handle": {"$regex": "^d[0-9a-z]{22}$"}})
    known = {person.id: person for person in load.people}
    if len(users) != len(known):
        yield f"{len(users)} users are there, {len(known)} were registered"
    ledger = await store.consents.collection.find({})
    entries = Counter(entry["_id"].partition(":")[0] for entry in ledger)
    followers = Counter(target for person in load.people for target in person.follows)
    for user in users:
        person = known[user["_id"]]
        counts = {"followers": followers[person.id], "following": len(person.follows)}
        if {name: user["counts"][name] for name in counts} != counts:
            yield f"{person.id} counts {user['counts']}, expected {counts}"
    if entries.total() != sum(person.answers for person in load.people):
        yield f"{entries.total()} entries are in the ledger"


async def run(mutations: int, between: int, seed: int, directory: Path) -> tuple[Load, list[str]]:
    """The load when it is over, and everything that is not as it should be."""
    settings = {"handle_change_interval_days": "0", "mongodb_timeout_seconds": "2"}
    with RunningServer(directory, **settings) as server:
        load = Load(server, mutations, between, seed)
        await load.run()
        return load, [*load.wrong, *[told async for told in differences(load)]]


def main() -> int:
    """The command line; 1 when anything is not as it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--between", type=int, default=2000, help="so many between two kills")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.monotonic()
    with TemporaryDirectory() as directory:
        load, wrong = asyncio.run(
            run(arguments.mutations, arguments.between, arguments.seed, Path(directory))
        )
    seconds = time.monotonic() - began
    print(*wrong[:20], sep="\n")
    print(
        f"{load.done} mutations of {len(load.people)} people, sent {load.sent} times across "
        f"{load.deaths} kills in {seconds:.0f} s; {len(wrong)} are not as they should be"
    )
    print(dict(load.kinds))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
