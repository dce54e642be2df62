"""Trials: a mutation as a dry run, then for real, and whether the one foresaw the other exactly."""

import json
import random
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from store.records import Document
from tests.dry_runs.diffs import Changes, Diff, diff_of
from tests.dry_runs.wishes import Wish, random_wish
from tests.dry_runs.worlds import Rows, World
from tests.subgraph import Subgraph

FIELDS = """user { id } dryRun { changes { field before after } events } errors {
  __typename code message path
  ... on ValidationError { rule }
  ... on ConflictError { currentRev }
  ... on HandleTakenError { suggestions availableAt }
  ... on TooSoonError { retryAfterSeconds }
  ... on NotAllowedError { reason }
}"""

UNFORESEEN: Mapping[tuple[str, str], str] = {
    ("addContact", "contacts.id"): "the new contact's id is random",
    ("*", "HandleTakenError.suggestions"): "they are random",
    ("verifyContact", "CODE"): "a dry run that looked at the code would tell anybody whether it is",
    ("verifyContact", "CODE_VOID"): "the same",
    ("verifyContact", "CONTACT_TAKEN"): "it would tell anybody whose the address is",
    ("follow", "hidden counts"): "who does not see the counts is not told them",
    ("unfollow", "hidden counts"): "the same",
    ("block", "hidden counts"): "the same",
    ("unblock", "hidden counts"): "the same",
}
"""All that a dry run cannot foresee, or may not tell, by mutation; with the reason."""

CHANGED, UNCHANGED, REFUSED = range(3)
"""What came of a mutation."""
COUNTS = frozenset({"followerCount", "followingCount"})
OTHERS: Mapping[str, frozenset[str]] = {
    "follow": frozenset({"followingCount"}),
    "unfollow": frozenset({"followingCount"}),
    "block": COUNTS,
    "mergeUsers": COUNTS
    | {
        *("rev", "status", "private.statusChangedAt", "private.statusReason", "mergedInto"),
        *("private.suspendedUntil", "handle", "private.formerHandles"),
    },
}
"""What a mutation changes of others than the user in its payload, of whom alone a dry run tells."""


class Difference(AssertionError):
    """A dry run that foresaw something else than what happened."""


async def random_trials(
    subgraph: Subgraph, database: AsyncDatabase[Document], seed: str, count: int
) -> dict[str, list[int]]:
    """Tries so many mutations; how many of each changed something, did not, and were refused.

    Raises: Difference.
    """
    world = World(subgraph, database, random.Random(seed))
    told: dict[str, list[int]] = {}
    await world.look()
    for number in range(count):
        world.let_time_pass()
        wish = await random_wish(world)
        try:
            came = await _try(world, wish)
        except Difference as difference:
            raise Difference(f"{seed}, mutation {number}: {wish}\n{difference}") from None
        told.setdefault(wish.name, [0, 0, 0])[came] += 1
    return told


async def _try(world: World, wish: Wish) -> int:
    """What came of it, as the dry run said."""
    before, sees_counts = world.rows, await _sees_counts(world, wish)
    dry = await sent(world, wish, dry_run=True)
    _equal("a dry run changes nothing", _written(before, await world.look()), [])
    real = await sent(world, wish)
    after = await world.look()
    about = wish.about or (real.get("user") or {}).get("id")
    diff = await diff_of(world, wish, about, before, after)
    if wish.name == "inviteToHousehold" and real.get("token"):
        world.invitations.append(real["token"])
    if wish.name == "registerUser" and about:
        world.ids.append(about)
    if _is_untold(wish, dry, real):
        _equal("what is refused changes nothing", diff, Diff({}, [], frozenset()))
        return REFUSED
    _equal("the errors", _errors(dry), _errors(real))
    if real["errors"]:
        # But who is refused may have got a data key.
        written = [row for row in _written(before, after) if row[0] != "keys"]
        _equal("what is refused changes nothing", written, [])
        return REFUSED
    forecast = dry["dryRun"]
    changes = {one["field"]: (one["before"], one["after"]) for one in forecast["changes"]}
    _equal("each field once", len(changes), len(forecast["changes"]))
    _equal("the changes", *(_told(wish, one, sees_counts) for one in (changes, diff.changes)))
    _equal("the events", sorted(forecast["events"]), diff.events)
    _equal("nothing else of others", diff.others - OTHERS.get(wish.name, frozenset()), set())
    return CHANGED if changes else UNCHANGED


async def sent(world: World, wish: Wish, *, dry_run: bool = False) -> Any:
    """The payload, or the errors of an answer without one."""
    type_ = f"{wish.name[0].upper()}{wish.name[1:]}Input"
    more = "token" if wish.name == "inviteToHousehold" else ""
    query = f"mutation ($i: {type_}!) {{ it: {wish.name}(input: $i) {{ {FIELDS} {more} }} }}"
    input = {**wish.input, "control": {**wish.input["control"], "dryRun": dry_run}}
    answer = await world.subgraph.ask(query, token=world.token(wish.who), i=input)
    payload = (answer.get("data") or {}).get("it")
    return payload or {"errors": answer["errors"], "dryRun": None}


async def _sees_counts(world: World, wish: Wish) -> bool:
    """Whether the one who wishes sees the counts of the user whom it is about."""
    row = world.rows.get("users", {}).get(wish.about or "", {})
    if wish.name not in ("follow", "unfollow", "block", "unblock") or "privacy" not in row:
        return True
    query = "query ($id: ID!) { user(by: {id: $id}) { followerCount } }"
    data = await world.subgraph.data(query, token=world.token(wish.who), id=wish.about)
    return bool(data["user"]) and data["user"]["followerCount"] is not None


def _is_untold(wish: Wish, dry: Any, real: Any) -> bool:
    """Whether it was refused for a reason that a dry run does not tell."""
    reasons = [error.get("rule") or error.get("reason") for error in real["errors"]]
    return not dry["errors"] and any((wish.name, reason) in UNFORESEEN for reason in reasons)


def _errors(payload: Any) -> Any:
    errors = deepcopy(payload["errors"])
    for error in errors:
        if error.get("suggestions"):
            error["suggestions"] = len(error["suggestions"])
    return errors


def _told(wish: Wish, changes: Changes, sees_counts: bool) -> Changes:
    """The changes without what cannot be foreseen."""
    told = {name: pair for name, pair in changes.items() if sees_counts or name not in COUNTS}
    if wish.name == "addContact" and "contacts" in told:
        before, after = deepcopy(told["contacts"])
        after[-1]["id"] = "new"
        told["contacts"] = (before, after)
    return told


def _written(before: Rows, after: Rows) -> list[tuple[str, str, Any, Any]]:
    """The documents that differ, each as it was and as it is."""
    return [
        (name, key, was.get(key), found.get(key))
        for name in before.keys() | after.keys()
        for was, found in [(before.get(name, {}), after.get(name, {}))]
        for key in was.keys() | found.keys()
        if was.get(key) != found.get(key)
    ]


def _equal(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise Difference(f"{what}:\n{_text(found)}\n{_text(expected)}")


def _text(value: Any) -> str:
    return json.dumps(value, default=repr, sort_keys=True)
