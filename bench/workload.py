"""The workload: what is asked, in the same order of every server, again and again the same.

A *shape* is one kind of operation. Its requests come from seeded generators, so that every server
is asked the same things in the same order, however fast it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, cycle
from random import Random
from typing import Any

import orjson

from pipelines.seed import sample_follows, sample_id, sample_user
from store.records import Status

USERS = 1000
PERSONS = 32
"""Users who change their profiles, each on a connection of its own."""
PAGE = 10
POOL = 64
"""Different requests of a shape whose text stays the same."""

ENTITIES = """query Entities($r: [_Any!]!) {
  _entities(representations: $r) {
    __typename
    ... on User {
      id status rev handle displayName bio pronouns links { url label }
      profileColor joinedYear followerCount avatar(size: LARGE) { url width height }
    }
  }
}"""
SMALL = "query Small($id: ID!) { user(by: {id: $id}) { id handle displayName bio } }"
LISTS = """query Lists($ids: [ID!]!) {
  users(ids: $ids) {
    id
    followers(first: 10) {
      edges { node { id handle displayName avatar { url width height } } }
      pageInfo { hasNextPage }
    }
  }
}"""
ALIASES = (
    "query Aliases("
    + ", ".join(f"$u{number}: ID!" for number in range(100))
    + ") {\n"
    + "\n".join(
        f"  u{number}: user(by: {{id: $u{number}}}) {{ id handle displayName bio }}"
        for number in range(100)
    )
    + "\n}"
)
UPDATE = """mutation Update($input: UpdateProfileInput!) {
  updateProfile(input: $input) {
    user { id displayName bio }
    errors { code message path }
  }
}"""

LEAVES = (
    "id status rev handle displayName bio pronouns profileColor joinedYear followerCount".split()
)
NESTED = {
    "avatar": "avatar(size: LARGE) { url width height }",
    "links": "links { url label }",
}


@dataclass(frozen=True)
class Asked:
    """One request: its JSON, and whether it carries the token of its connection's person."""

    body: bytes
    is_signed: bool = False


@dataclass(frozen=True)
class Shape:
    """A kind of operation. `requests` begins anew, with the same requests, with each call."""

    name: str
    title: str
    requests: Callable[[], Iterator[Asked]]


@dataclass(frozen=True)
class Cast:
    """The sample users by the part they play: to be read, to be read with lists, to change."""

    readers: Sequence[str]
    popular: Sequence[str]
    persons: Sequence[str]


def cast_of(users: int = USERS) -> Cast:
    """Who plays which part among so many sample users."""
    active = [
        sample_id(index) for index in range(users) if sample_user(index).status is Status.ACTIVE
    ]
    followers: dict[str, int] = {}
    for index in range(users):
        for _, target, _ in sample_follows(index):
            followers[target] = followers.get(target, 0) + 1
    readers = active[:-PERSONS]
    popular = [user_id for user_id in readers if followers.get(user_id, 0) > PAGE]
    return Cast(readers, popular[:50], active[-PERSONS:])


def shapes(cast: Cast) -> list[Shape]:
    """Every shape, in the order of the table."""
    return [
        *(
            Shape(f"entities-{number}", f"_entities x {number}", _entities(cast, number))
            for number in (1, 20, 100)
        ),
        Shape("small", "small", _pool("small", SMALL, lambda r: {"id": r.choice(cast.readers)})),
        Shape("lists", "50 x 10", _pool("lists", LISTS, lambda r: {"ids": _some(r, cast.popular)})),
        Shape("aliases", "100 aliases", _pool("aliases", ALIASES, lambda r: _hundred(r, cast))),
        Shape("literals", "literals vary", lambda: _literals(cast)),
        Shape("never-seen", "never seen", lambda: _never_seen(cast)),
        Shape("mutation", "mutation", _mutations),
    ]


def never_seen(random: Random, users: Sequence[str]) -> str:
    """A query text that was never sent before: other aliases, other fields, a handful of users."""

    def fields() -> str:
        leaves = random.sample(LEAVES, random.randint(3, len(LEAVES)))
        nested = random.sample(list(NESTED), random.randint(0, len(NESTED)))
        asked = [*leaves, *(NESTED[name] for name in nested)]
        return " ".join(f"{_alias(random)}{number}: {text}" for number, text in enumerate(asked))

    roots = "\n".join(
        f'  {_alias(random)}{number}: user(by: {{id: "{random.choice(users)}"}}) {{ {fields()} }}'
        for number in range(random.randint(1, 5))
    )
    return f"query NeverSeen {{\n{roots}\n}}"


def body_of(query: str, variables: Mapping[str, Any] | None = None) -> bytes:
    """A request as JSON; the operation is named as its text names it."""
    name = query.split()[1].partition("(")[0]
    request = {"operationName": name, "query": query}
    return orjson.dumps({**request, "variables": variables} if variables else request)


def _pool(
    name: str, query: str, draw: Callable[[Random], Mapping[str, Any]]
) -> Callable[[], Iterator[Asked]]:
    """The same text with other variables, over and over."""

    def requests() -> Iterator[Asked]:
        random = Random(name)
        return cycle([Asked(body_of(query, draw(random))) for _ in range(POOL)])

    return requests


def _entities(cast: Cast, number: int) -> Callable[[], Iterator[Asked]]:
    def draw(random: Random) -> Mapping[str, Any]:
        ids = random.sample(cast.readers, number)
        return {"r": [{"__typename": "User", "id": user_id} for user_id in ids]}

    return _pool(f"entities {number}", ENTITIES, draw)


def _some(random: Random, ids: Sequence[str]) -> list[str]:
    return random.sample(ids, len(ids))


def _hundred(random: Random, cast: Cast) -> Mapping[str, Any]:
    ids = random.sample(cast.readers, 100)
    return {f"u{number}": user_id for number, user_id in enumerate(ids)}


def _literals(cast: Cast) -> Iterator[Asked]:
    """Texts with ids in them: all pairs of users one after the other, so that none comes again."""
    users = cast.readers
    for distance in cycle(range(1, len(users))):
        for index, first in enumerate(users):
            second = users[(index + distance) % len(users)]
            query = f'query Literals {{ users(ids: ["{first}", "{second}"]) '
            yield Asked(body_of(query + "{ id handle displayName bio } }"))


def _never_seen(cast: Cast) -> Iterator[Asked]:
    random = Random("never seen")
    while True:
        yield Asked(body_of(never_seen(random, cast.readers)))


def _mutations() -> Iterator[Asked]:
    """Changes that really change something: whoever makes them, none is like the last one."""
    for number in count():
        values = {"displayName": f"Name {number}", "bio": f"Changed {number} times."}
        yield Asked(body_of(UPDATE, {"input": values}), is_signed=True)


def _alias(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=5))
