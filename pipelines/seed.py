"""Sample data: the same users, profiles and follows for the same number, every time."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import TypeVar

from store.ids import encode
from store.records import HandleClaim, Image, Link, Status, User, new_user
from store.store import Store

BATCH = 1000
FIRST_HANDLE = "ada"

Progress = Callable[[str, int, int], None]
"""Told after each batch: what is being written, how many are, how many there will be."""

EdgeAt = tuple[str, str, datetime]
T = TypeVar("T")

LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)
FIRST_NAMES = (
    "Ada Amara Ana Anton Björn Chiara Daniel Elif Emil Esra Freja Hana Hugo Ines Ivan Jonas Kaya "
    "Lena Leo Lina Malik Mateo Maya Mila Nia Noah Omar Pia Ravi Rosa Sami Sara Sofia Tariq Tove "
    "Uma Vera Wei Yara Zoe"
).split()
LAST_NAMES = (
    "Ahmed Andersson Berg Costa Diaz Ek Fischer García Haddad Holm Ito Jansen Kaur Kim Lind Lopez "
    "Mensah Moreau Nguyen Novak Okafor Olsen Park Patel Rossi Sato Silva Singh Tanaka Virtanen "
    "Weber Yilmaz"
).split()
COUNTRIES = {
    "SE": ("sv-SE", "Europe/Stockholm"),
    "DE": ("de-DE", "Europe/Berlin"),
    "BR": ("pt-BR", "America/Sao_Paulo"),
    "JP": ("ja-JP", "Asia/Tokyo"),
    "IN": ("en-IN", "Asia/Kolkata"),
    "US": ("en-US", "America/New_York"),
}
MUSIC = ("ambient", "bossa nova", "cumbia", "folk", "highlife", "house", "jazz", "metal", "soul")
ASCII = str.maketrans("öíáéü", "oiaeu")

# One account in a hundred or so is not active, so that clients meet every state.
OTHER_STATUS = {17: Status.SUSPENDED, 41: Status.DEACTIVATED, 73: Status.ERASED}


async def seed(store: Store, users: int, progress: Progress) -> None:
    """Writes that many sample users with their handles and follows; what exists stays.

    Growing the number later adds users and follows to those there are. It may run twice.
    """
    follows = [edge for index in range(users) for edge in sample_follows(index)]
    followers = Counter(target for _, target, _ in follows)
    following = Counter(source for source, _, _ in follows)
    everybody = (
        sample_user(
            index, followers=followers[sample_id(index)], following=following[sample_id(index)]
        )
        for index in range(users)
    )
    is_grown = await store.users.any()
    written = 0
    for batch in batches(everybody):
        users_to_write = await _with_their_handles(store, batch)
        await store.users.insert_new(users_to_write, operation="seed", event="USER_REGISTERED")
        written += len(batch)
        progress("users", written, users)
    written = 0
    for edges in batches(iter(follows)):
        await store.follows.insert_new(edges)
        written += len(edges)
        progress("follows", written, len(follows))
    if is_grown:
        await recount(store, [sample_id(index) for index in range(users)], progress)


async def is_seeded(store: Store, users: int) -> bool:
    """Whether there are users, and no seeding of that many was interrupted."""
    if await store.users.by_id(sample_id(users - 1)) is None:
        return await store.users.any()
    last = max(index for index in range(users) if sample_follows(index))
    edges = {(source, target) for source, target, _ in sample_follows(last)[-1:]}
    return await store.follows.existing(list(edges)) == edges


async def _with_their_handles(store: Store, users: Sequence[User]) -> list[User]:
    """The users after claiming their handles; who lost one to somebody real has none."""
    claims = [HandleClaim(user.handle, user.id, user.created_at) for user in users if user.handle]
    known = await store.handles.insert_new(claims)
    rows = dict(zip(known, await store.handles.by_handles(known), strict=True))
    return [
        user.without_handle() if _is_of_another(rows.get(user.handle or ""), user) else user
        for user in users
    ]


def _is_of_another(row: HandleClaim | None, user: User) -> bool:
    return row is not None and row.user_id != user.id


async def recount(store: Store, ids: Sequence[str], progress: Progress) -> None:
    """Makes the counts of these users agree with their follows; scans all follows."""
    counts = await store.follows.counts()
    done = 0
    for batch in batches(iter(ids)):
        for user in filter(None, await store.users.by_ids(batch)):
            followers, following = counts.get(user.id, (0, 0))
            if (user.follower_count, user.following_count) != (followers, following):
                await store.users.set_counts(user.id, followers=followers, following=following)
        done += len(batch)
        progress("counts", done, len(ids))


def sample_id(index: int) -> str:
    """The id of a sample user."""
    return encode(Random(f"user {index}").getrandbits(128))


def sample_user(index: int, *, followers: int = 0, following: int = 0) -> User:
    """One sample user; an erased one has nothing but its id and status."""
    random = Random(f"profile {index}")
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    if index == 0:
        first = FIRST_HANDLE.title()
    created_at = _created_at(index)
    status = OTHER_STATUS.get(index % 100, Status.ACTIVE)
    if status is Status.ERASED:
        return new_user(id=sample_id(index), rev=2, status=status, created_at=created_at)
    handle = f"{first}.{last}.{index}".lower().translate(ASCII)
    country = random.choice(list(COUNTRIES))
    locale, time_zone = COUNTRIES[country]
    picture = f"https://images.usergraph.example/{sample_id(index)}"
    return new_user(
        id=sample_id(index),
        rev=1,
        status=status,
        created_at=created_at,
        handle=FIRST_HANDLE if index == 0 else handle,
        display_name=f"{first} {last}",
        bio=f"Mostly {random.choice(MUSIC)}, some {random.choice(MUSIC)}.",
        pronouns=random.choice(["she/her", "he/him", "they/them", None]),
        links=(Link(f"https://{first}{index}.example/".lower().translate(ASCII), "Home page"),),
        avatar=tuple(Image(f"{picture}/{size}", size, size) for size in (64, 300, 640)),
        profile_color=f"#{random.randrange(0x1000000):06x}",
        country=country,
        locale=locale,
        time_zone=time_zone,
        follower_count=followers,
        following_count=following,
    )


def sample_follows(index: int) -> list[EdgeAt]:
    """Whom a sample user follows: users before it, the first ones most; no erased ones."""
    random = Random(f"follows {index}")
    drawn = {int(index * random.random() ** 2) for _ in range(min(index, random.randrange(3, 14)))}
    targets = set() if _is_erased(index) else {target for target in drawn if not _is_erased(target)}
    return [
        (
            sample_id(index),
            sample_id(target),
            _created_at(index) + timedelta(seconds=random.randrange(86_400 * 30)),
        )
        for target in sorted(targets)
    ]


def batches(items: Iterator[T]) -> Iterator[list[T]]:
    """The items in lists of a thousand."""
    while batch := list(islice(items, BATCH)):
        yield batch


def _is_erased(index: int) -> bool:
    return OTHER_STATUS.get(index % 100) is Status.ERASED


def _created_at(index: int) -> datetime:
    return LONG_AGO + timedelta(seconds=Random(f"created {index}").randrange(86_400 * 2000))
