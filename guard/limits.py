"""Limits: how much a document may hold, and the refusal of one that holds more."""

import re
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
)

from guard.asked import asked_fields
from guard.counts import counts_of
from guard.pairs import pairs_of

INTROSPECTION = frozenset({"__schema", "__type"})

CODES = {
    "cost": "COST_ESTIMATED_TOO_EXPENSIVE",
    "depth": "MAX_DEPTH_LIMIT",
    "height": "MAX_HEIGHT_LIMIT",
    "root_fields": "MAX_ROOT_FIELDS_LIMIT",
    "aliases": "MAX_ALIASES_LIMIT",
    "characters": "MAX_CHARACTERS_LIMIT",
    "tokens": "MAX_TOKENS_LIMIT",
    "operations": "MAX_OPERATIONS_LIMIT",
    "fragments": "MAX_FRAGMENTS_LIMIT",
    "directives": "MAX_DIRECTIVES_LIMIT",
    "pairs": "MAX_PAIRS_LIMIT",
    "nesting": "MAX_NESTING_LIMIT",
}
"""The first five are those of GraphOS Router; the others are named like them."""

NO_INTROSPECTION = "INTROSPECTION_DISABLED"
REFUSED = frozenset({*CODES.values(), NO_INTROSPECTION})

WHAT = {
    "root_fields": "root fields",
    "depth": "fields within each other",
    "height": "fields",
    "pairs": "pairs of fields under one key",
    "nesting": "selections within each other",
    "cost": "units of cost",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a document may hold, and the most that one operation may cost.

    `characters` and `tokens` are of a text; `depth`, `height` (all fields), `nesting` (selections,
    fragments too), `root_fields`, `aliases` and `directives` of an operation with its fragments.
    """

    characters: int = 50_000
    tokens: int = 2_500
    operations: int = 20
    fragments: int = 50
    depth: int = 20
    nesting: int = 60
    height: int = 1_500
    root_fields: int = 100
    aliases: int = 200
    directives: int = 50
    pairs: int = 8_000
    cost: int = 2_000
    enforces_cost: bool = True
    """Without it, an operation that costs too much is logged and carried out."""
    introspection: bool = True
    """Whether clients may ask for the schema; without it, no error suggests a name of it."""


def excess(limit: str, maximum: int, counted: int) -> GraphQLError:
    """The refusal of what holds more than it may: which limit, its maximum, and what there is."""
    what = WHAT.get(limit, limit)
    return GraphQLError(
        f"Expected at most {maximum} {what}, not {_short(counted)}.",
        extensions={
            "code": CODES[limit],
            "limit": limit,
            "maximum": maximum,
            "counted": min(counted, _MOST),
        },
    )


def is_refusal(error: GraphQLError) -> bool:
    """Whether an error is the guard's."""
    return error.extensions is not None and error.extensions.get("code") in REFUSED


def excesses_of_text(text: str, limits: Limits) -> list[GraphQLError]:
    """What a text has too much of, before anybody reads it; comments count as tokens."""
    if len(text) > limits.characters:
        return [excess("characters", limits.characters, len(text))]
    if len(text) > limits.tokens:
        tokens = sum(1 for _ in _TOKENS.finditer(text))
        if tokens > limits.tokens:
            return [excess("tokens", limits.tokens, tokens)]
    return []


def excesses_of_document(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """What a document has too much of: each count that is over its limit."""
    classes = [definition.__class__ for definition in document.definitions]
    counted = {
        "operations": classes.count(OperationDefinitionNode),
        "fragments": classes.count(FragmentDefinitionNode),
    }
    if not _over(counted, limits):
        counted = counts_of(document)._asdict()
    if not _over(counted, limits):
        counted = {"pairs": pairs_of(document, 2 * limits.height)}
    return [excess(name, getattr(limits, name), counted[name]) for name in _over(counted, limits)]


def introspections(
    document: DocumentNode, operation_name: str | None, limits: Limits
) -> list[GraphQLError]:
    """What asks for the schema, where that is not to be told."""
    if limits.introspection or not asked_fields(document, operation_name) & INTROSPECTION:
        return []
    message = "The schema is not told here."
    return [GraphQLError(message, extensions={"code": NO_INTROSPECTION})]


def without_suggestions(message: str) -> str:
    """An error's message without the names of the schema that it suggests."""
    return _SUGGESTION.sub("", message)


_SUGGESTION = re.compile(r" Did you mean .*\?", re.DOTALL)
# Whatever is no token to GraphQL counts by the character. Possessive: nothing is tried twice.
_BLOCK = r'"""(?:[^"\\]++|\\"""|\\|"(?!""))*+"""'
_STRING = r'"(?:[^"\\\n\r]|\\.)*+"'
_TOKENS = re.compile(rf"#[^\n\r]*+|{_BLOCK}|{_STRING}|\.\.\.|[-+.]?\w++|[^\s,\ufeff]")
_MOST = 2**53 - 1
"""What JSON readers take for an integer; counts of fragments within fragments go far beyond."""


def _over(counted: dict[str, int], limits: Limits) -> list[str]:
    return [name for name, count in counted.items() if count > getattr(limits, name)]


def _short(counted: int) -> str:
    return str(counted) if counted <= _MOST else "more than anybody can count"
