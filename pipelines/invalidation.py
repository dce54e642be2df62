"""Invalidation: tells routers which users changed, so that they forget what they keep of them.

One reader follows the revisions of all users and hands the tags to a mailbox per router. A router
that does not answer keeps no other waiting: its tags stay in its mailbox, each once. How far every
router was told is kept in the database; whoever starts next goes on there. What cannot be told tag
by tag (the place is unknown, or too much piled up) is told as one word about the whole subgraph.

Source: GraphOS Router, response caching, active invalidation.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import httpx

from store.driver import stop
from store.errors import HistoryLost, StoreFault
from store.history import ChangedUser, Place, RevisionStream
from store.store import Store

TAGS_PER_REQUEST = 200
MAX_TAGS = 10_000
"""More than so many waiting tags are not worth telling apart: the subgraph goes as a whole."""

ANSWER_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
STREAM_PAUSE_SECONDS = 1.0
KEEP_EVERY_SECONDS = 1.0
KEEP_IDLE_EVERY_SECONDS = 60.0
"""A place without news is kept less often: keeping it is news to the database itself."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Routers:
    """Where to tell changes: addresses, the key they expect, and the subgraph's name there."""

    urls: Sequence[str]
    key: str
    subgraph: str
    delay_seconds: float


class Position(NamedTuple):
    """A place in the revisions; `number` grows, so that two of them can be compared."""

    number: int
    place: Place | None


START = Position(0, None)


async def invalidate_forever(store: Store, routers: Routers) -> None:
    """Tells the routers every change from where the last run stopped, until cancelled."""
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
        sender = Invalidation(store, routers, client)
        work = [sender.read_forever(), sender.keep_forever()]
        work += [mailbox.deliver_forever() for mailbox in sender.mailboxes]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()  # only a fault ends one
        finally:
            for task in tasks:
                await stop(task)


class Mailbox:
    """What one router has not been told yet."""

    def __init__(self, client: httpx.AsyncClient, routers: Routers, url: str) -> None:
        self.url = url
        self.told = START
        self._client = client
        self._routers = routers
        self._tags: dict[str, None] = {}
        self._everything = False
        self._position = START
        self._in_flight = False
        self._news = asyncio.Event()
        self._complaint = ""

    def add(self, tags: Iterable[str], position: Position) -> None:
        """Leaves tags, which with all before them make up everything until the position."""
        if not self._everything:
            self._tags.update(dict.fromkeys(tags))
            if len(self._tags) > MAX_TAGS:
                self._add_everything()
        self._moved_to(position)

    def add_everything(self, position: Position) -> None:
        """Leaves word that all that is kept of the subgraph is to be forgotten."""
        self._add_everything()
        self._moved_to(position)

    async def deliver_forever(self) -> None:
        """Tells the router what is left here, gathered for the delay, until it is acknowledged."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            await self._news.wait()
            await asyncio.sleep(self._routers.delay_seconds)
            self._news.clear()
            if await self._deliver():
                pause = FIRST_PAUSE_SECONDS
                continue
            self._news.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _add_everything(self) -> None:
        self._everything = True
        self._tags.clear()

    def _moved_to(self, position: Position) -> None:
        self._position = position
        if self._everything or self._tags:
            self._news.set()
        elif not self._in_flight:
            self.told = position

    async def _deliver(self) -> bool:
        """Sends what is here now; what was not acknowledged is put back. False when some was."""
        position, everything, tags = self._position, self._everything, self._tags
        self._everything, self._tags = False, {}
        self._in_flight = True
        try:
            if everything:
                entry = {"kind": "subgraph", "subgraph": self._routers.subgraph}
                everything = not await self._post([entry])
            while tags and not everything:
                some = list(islice(tags, TAGS_PER_REQUEST))
                if not await self._post([self._entry(tag) for tag in some]):
                    break
                for tag in some:
                    del tags[tag]
        finally:
            self._in_flight = False
            if everything:
                self._add_everything()
            elif tags and not self._everything:
                later, self._tags = self._tags, tags
                self.add(later, self._position)
        if everything or tags:
            return False
        self.told = position if self._tags or self._everything else self._position
        return True

    def _entry(self, tag: str) -> Mapping[str, object]:
        return {"kind": "cache_tag", "subgraphs": [self._routers.subgraph], "cache_tag": tag}

    async def _post(self, entries: Sequence[Mapping[str, object]]) -> bool:
        headers = {"Authorization": self._routers.key}
        try:
            answer = await self._client.post(self.url, json=entries, headers=headers)
        except httpx.HTTPError as error:
            self._complain(f"cannot be reached ({type(error).__name__})")
            return False
        if answer.is_success:
            self._complain("")
            return True
        hint = (
            "; is USERGRAPH_INVALIDATION_KEY its shared_key?" if answer.status_code == 401 else ""
        )
        self._complain(f"answers {answer.status_code}{hint}")
        return False

    def _complain(self, complaint: str) -> None:
        """Logs what is wrong with the router once, and once that it is over."""
        said = {"router": self.url, "failure": complaint or None}
        if complaint and complaint != self._complaint:
            logger.error("a router is told again until it agrees", extra=said)
        elif self._complaint and not complaint:
            logger.info("a router takes invalidations again", extra=said)
        self._complaint = complaint


class Invalidation:
    """The reader of the revisions, and how far every router was told."""

    def __init__(self, store: Store, routers: Routers, client: httpx.AsyncClient) -> None:
        self.mailboxes = [Mailbox(client, routers, url) for url in dict.fromkeys(routers.urls)]
        self._history = store.history
        self._name = f"invalidation:{routers.subgraph}"
        self._position = START
        self._audience: frozenset[str] | None = None
        self._last_news = START
        self._kept = START
        self._kept_at = time.monotonic()

    async def read_forever(self) -> None:
        """Hands revisions to the mailboxes; a stream that breaks is taken up where it broke."""
        while True:
            try:
                await self._read()
            except HistoryLost as lost:
                logger.warning("changes were lost: the subgraph is invalidated", exc_info=lost)
                self._position = self._position._replace(place=None)
                self._audience = frozenset()
            except StoreFault as fault:
                logger.error("the changes cannot be followed, trying again", exc_info=fault)
            await asyncio.sleep(STREAM_PAUSE_SECONDS)

    async def keep_forever(self) -> None:
        """Keeps in the database how far every router was told."""
        while True:
            await asyncio.sleep(KEEP_EVERY_SECONDS)
            told = min((mailbox.told for mailbox in self.mailboxes), key=_number)
            is_news = self._kept.number < min(told.number, self._last_news.number)
            is_due = time.monotonic() - self._kept_at > KEEP_IDLE_EVERY_SECONDS
            if told.place is not None and told != self._kept and (is_news or is_due):
                await self._keep(told, told.place)

    async def _read(self) -> None:
        if self._audience is None:
            progress = await self._history.progress(self._name)
            self._audience = progress.audience if progress else frozenset()
            self._position = Position(1, progress.place if progress else None)
        async with self._history.follow(self._position.place) as stream:
            self._begin(stream)
            while True:
                user = await stream.next()
                if user is not None or stream.place != self._position.place:
                    self._hand_on(user, stream.place)

    def _begin(self, stream: RevisionStream) -> None:
        """Those routers that were not told everything until here forget everything first."""
        assert self._audience is not None
        self._advance(stream.place)
        for mailbox in self.mailboxes:
            if mailbox.url not in self._audience:
                logger.info(
                    "a router is to forget all of this subgraph", extra={"router": mailbox.url}
                )
                mailbox.add_everything(self._position)
                self._last_news = self._position
        self._audience = frozenset(mailbox.url for mailbox in self.mailboxes)

    def _hand_on(self, user: ChangedUser | None, place: Place) -> None:
        self._advance(place)
        if user is not None:
            self._last_news = self._position
        for mailbox in self.mailboxes:
            mailbox.add(tags_of(user) if user else (), self._position)

    def _advance(self, place: Place) -> None:
        self._position = Position(self._position.number + 1, place)

    async def _keep(self, told: Position, place: Place) -> None:
        urls = [mailbox.url for mailbox in self.mailboxes]
        try:
            await self._history.keep_progress(self._name, place, urls)
        except StoreFault as fault:
            logger.warning("progress could not be kept, trying again", exc_info=fault)
        else:
            self._kept, self._kept_at = told, time.monotonic()


def _number(position: Position) -> int:
    return position.number


def tags_of(user: ChangedUser) -> list[str]:
    """The tags of a user who changed, and of a handle that leads to somebody new."""
    tags = [f"user:{user.user_id}"]
    if user.handle is not None:
        tags.append(f"handle:{user.handle}")
    return tags
