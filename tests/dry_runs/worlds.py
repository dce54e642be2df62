"""A world of random users: who is there, in which state, and what may be asked of them next."""

import random
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from pymongo.asynchronous.database import AsyncDatabase

from resolvers.viewer import STAFF_SCOPE
from server.tokens import PERSON_SCOPES
from store.diffs import AWARE
from store.households import household_of, own_seat
from store.ids import encode
from store.records import Contact, Document, Status, User
from tests.contacts import CONTACTS, mailbox
from tests.subgraph import Subgraph

T = TypeVar("T")

STAFF = "staff"
SERVICE = "service"
UNSEEN = frozenset({"idempotency", "verifications"})
"""Collections that a refusal may write to as well."""
TEN_YEARS = 10 * 365 * 86_400

Rows = Mapping[str, Mapping[str, Document]]
"""Documents by collection and key."""


class World:
    """Users behind a subgraph, random choices, and all that rests in the database."""

    def __init__(
        self, subgraph: Subgraph, database: AsyncDatabase[Document], dice: random.Random
    ) -> None:
        self.subgraph = subgraph
        self.dice = dice
        self.staff_id = encode(dice.getrandbits(128))
        self.ids: list[str] = []
        self.invitations: list[str] = []
        self.rows: Rows = {}
        self.began = subgraph.clock()
        self._number = 0
        self._database = database.with_options(AWARE)
        self._tokens: dict[str, str] = {}

    async def look(self) -> Rows:
        """Reads all that rests in the database, but for bookkeeping of requests."""
        names = set(await self._database.list_collection_names()) - UNSEEN
        self.rows = {
            name: {row["_id"]: row async for row in self._database[name].find({})}
            for name in sorted(names)
        }
        return self.rows

    def token(self, who: str) -> str:
        """The token of a person, by id, of staff or of a service."""
        if who not in self._tokens:
            user_id = {STAFF: self.staff_id, SERVICE: None}.get(who, who)
            scopes = [*PERSON_SCOPES, STAFF_SCOPE] if who == STAFF else None
            self._tokens[who] = self.subgraph.token(user_id, scopes, lifetime_seconds=TEN_YEARS)
        return self._tokens[who]

    def chance(self, probability: float) -> bool:
        """True as often as the probability says."""
        return self.dice.random() < probability

    def maybe(self, values: Sequence[T]) -> T:
        """One of the values."""
        return self.dice.choice(values)

    def name(self) -> str:
        """A handle that nobody had yet."""
        self._number += 1
        return f"person.{self._number}"

    def user(self, user_id: str) -> User:
        """A user as of now."""
        return User(self.rows["users"][user_id]).as_of(self.subgraph.clock())

    def users(self, *statuses: Status) -> list[User]:
        """Those with one of these statuses, in the order in which they came."""
        users = map(self.user, self.ids)
        return [user for user in users if user.status in (statuses or (Status.ACTIVE,))]

    def one(self, *statuses: Status) -> str:
        """Somebody, mostly with one of these statuses; now and then nobody who exists."""
        users = self.users(*statuses)
        if not self.ids or self.chance(0.02):
            return encode(self.dice.getrandbits(128))
        if not users or self.chance(0.07):
            return self.maybe(self.ids)
        return self.maybe(users).id

    def pair(self, collection: str) -> tuple[str, str]:
        """Two users, half of the time those of an edge that there is."""
        edges = sorted((row["source"], row["target"]) for row in self._edges(collection))
        in_order = [pair for pair in edges if pair[0] in self.ids]
        if in_order and self.chance(0.5):
            in_order.sort(key=lambda pair: tuple(map(self._place, pair)))
            return self.maybe(in_order)
        return self.one(), self.one()

    def contact(self) -> tuple[str, str]:
        """A user and one of their contacts, if anybody has any."""
        owned = [(user.id, contact.id) for user in self.users() for contact in user.contacts]
        if owned and self.chance(0.9):
            return self.maybe(owned)
        return self.one(), encode(self.dice.getrandbits(128))

    def waiting(self) -> tuple[str, str]:
        """A user and a contact that waits for its code, mostly."""
        owned = [
            (user.id, contact.id)
            for user in self.users()
            for contact in user.contacts
            if _is_waiting(contact)
        ]
        return self.maybe(owned) if owned and self.chance(0.9) else self.contact()

    def members(self) -> list[tuple[str, str]]:
        """Managers of households, each with somebody who names it."""
        named = [(household_of(user), user) for user in map(self.user, self.ids) if user.seat]
        return [(home, user.id) for home, user in named if home and user.seat != own_seat(home)]

    async def code(self, user_id: str, contact_id: str) -> str:
        """The code that was sent for the contact last; a made-up one when there is none."""
        data = await self.subgraph.data(CONTACTS, token=self.token(user_id), id=user_id)
        known = (data["user"] or {}).get("contacts") or ()
        addresses = [one["pending"] or one["value"] for one in known if one["id"] == contact_id]
        said = dict(reversed(await mailbox(self.subgraph)))
        codes = [code for to in addresses for code in re.findall(r"\d{6}", said.get(to, ""))]
        return codes[0] if codes else "000000"

    def moment(self, *days: float) -> str:
        """A moment so many days from now, one of these."""
        return (self.subgraph.clock() + timedelta(days=self.maybe(days))).isoformat()

    def let_time_pass(self) -> None:
        """Mostly moments, at times days."""
        spans = [0.1, 5, 40, 700, 86_400, 8 * 86_400, 40 * 86_400]
        [seconds] = self.dice.choices(spans, [40, 30, 22, 3, 2, 2, 1])
        self.subgraph.clock.advance(seconds=seconds * self.dice.uniform(0.5, 1))

    def _edges(self, collection: str) -> list[Document]:
        return list(self.rows.get(collection, {}).values())

    def _place(self, user_id: str) -> int:
        return self.ids.index(user_id) if user_id in self.ids else -1


def _is_waiting(contact: Contact) -> bool:
    return contact.verified_at is None or contact.pending is not None
