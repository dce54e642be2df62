"""Schemas that the documents of the fuzzers are written for."""

import datetime
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

import strawberry
from graphql import GraphQLSchema, build_schema
from strawberry.scalars import JSON

from schema.roots import build_schema as build_user_schema

ZOO = """
directive @tag(name: String!, note: String = "none") repeatable on
  | QUERY | MUTATION | SUBSCRIPTION | VARIABLE_DEFINITION
  | FIELD | FRAGMENT_DEFINITION | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @once(level: Int) on QUERY | FIELD

scalar Moment
scalar Anything
enum Mood { CALM HUNGRY ASLEEP }

interface Node { id: ID! }
interface Animal implements Node {
  id: ID! name(style: Mood): String mood: Mood friends(first: Int! = 3): [Animal!]
}
type Cat implements Node & Animal {
  id: ID! name(style: Mood): String mood: Mood friends(first: Int! = 3): [Animal!]
  purrs(loudness: Float!): Boolean! weight: Float lives: Int!
}
type Dog implements Node & Animal {
  id: ID! name(style: Mood): String mood: Mood friends(first: Int! = 3): [Animal!]
  barks(times: Int, at: [String!]): [String!]! weight: Int owner: Person tricks: [[String]!]
}
type Person implements Node {
  id: ID! name(style: Mood): String pets(filter: PetFilter): [Pet] born: Moment notes: Anything
}
union Pet = Cat | Dog
union Found = Cat | Dog | Person

input Range { from: Int = 0 to: Int! inclusive: Boolean! = true }
input PetFilter {
  names: [String!] mood: Mood moods: [Mood!] weight: Range weights: [Range!] not: PetFilter
  ids: [ID!] grid: [[Int]] anything: Anything since: Moment ratio: Float strict: Boolean = false
}
input Key @oneOf { id: ID name: String range: Range names: [String!] }

type Query {
  node(id: ID!): Node
  animal(by: Key!): Animal
  animals(by: [Key!], filter: PetFilter, limit: Int! = 10): [Animal!]!
  pet(id: ID, ratio: Float): Pet
  found(text: String!, moods: [Mood!] = [CALM], grid: [[Int!]!]): [Found]
  people(ids: [ID!]!, since: Moment): [Person]!
  echo(
    text: String, number: Int, ratio: Float, id: ID, truth: Boolean, mood: Mood, anything: Anything
  ): String
  count: Int!
}
type Mutation {
  adopt(pet: ID!, by: Key!, note: String): Pet
  rename(id: ID!, name: String!): Animal
  feed(amount: Float! = 1.5): Int!
}
type Subscription { moods(of: ID!, every: Int): Animal arrivals: Pet ticks(limit: Int = 3): Int! }
"""

SMALL = """
type Query { a: String b(x: Int): Query c(y: [String!]!): [Query!]! d: Letter e: Union }
interface Letter { a: String b(x: Int): Query }
type Alpha implements Letter { a: String b(x: Int): Query z: Int }
type Beta implements Letter { a: String b(x: Int): Query z: String! }
type Gamma { z: [Int] q: Query }
union Union = Alpha | Beta | Gamma
"""


class Shade(Enum):
    """How much light."""

    LIGHT = "light"
    DARK = "dark"


@strawberry.input(one_of=True)
class Pick:
    """Exactly one."""

    id: strawberry.Maybe[strawberry.ID]
    shade: strawberry.Maybe[Shade]
    words: strawberry.Maybe[list[str]]


@strawberry.input
class Change:
    """What may be left out, and what may also be null."""

    name: strawberry.Maybe[str]
    note: strawberry.Maybe[str | None]
    count: int | None = 3
    inner: "Change | None" = None
    blob: JSON | None = None


@strawberry.type
class Thing:
    """A thing with things."""

    id: strawberry.ID

    @strawberry.field
    def pick(self, by: Pick, shade: Shade = Shade.DARK) -> "Thing | None":
        """A thing named like its arguments."""
        return Thing(id=strawberry.ID(f"{self.id} {by} {shade}"))

    @strawberry.field
    def at(self, day: datetime.date | None = None, price: Decimal | None = None) -> str:
        """The arguments as text."""
        return f"{self.id} {day} {price}"


@strawberry.type
class ThingQuery:
    """The root."""

    @strawberry.field
    def thing(self, by: Pick, change: Change | None = None) -> Thing | None:
        """A thing named like its arguments; none for a change without a count."""
        return Thing(id=strawberry.ID(f"{by} {change}")) if not change or change.count else None

    @strawberry.field
    def things(self, changes: list[Change], limit: strawberry.Maybe[int] = None) -> list[Thing]:
        """A thing for each change, or an error for a negative limit."""
        if limit and limit.value < 0:
            raise ValueError(f"limit {limit.value}")
        return [Thing(id=strawberry.ID(f"{change} {limit}")) for change in changes]


@cache
def schemas() -> Mapping[str, GraphQLSchema]:
    """Gives schemas by name: ours, one of Strawberry's, and two of graphql-core's own."""
    ours: Any = build_user_schema()
    things: Any = strawberry.Schema(ThingQuery)
    return {
        "users": ours._schema,
        "things": things._schema,
        "zoo": build_schema(ZOO),
        "small": build_schema(SMALL),
    }
