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
    ("follow", "hidden fields"): "who does not see a field of the user is not told it",
    ("unfollow", "hidden fields"): "the same",
    ("block", "hidden fields"): "the same",
    ("unblock", "hidden fields"): "the same",
    ("removeFromHousehold", "hidden fields"): "nothing but the household of one who is not there",
}
"""All that a dry run cannot foresee, or may not tell, by mutation; with the reason."""

CHANGED, UNCHANGED, REFUSED = range(3)
"""What came of a mutation."""
COUNTS = frozenset({"followerCount", "followingCount"})
SEEN_OF_OTHERS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("follow", "unfollow", "block", "unblock"), COUNTS | {"viewerRelation"}),
    "removeFromHousehold": frozenset({"seat", "rev"}),
}
"""What a mutation changes of somebody else, of which a dry run tells what the viewer sees."""
OTHERS: Mapping[str, frozenset[str]] = {
    "follow": frozenset({"followingCount"}),
    "unfollow": frozenset({"followingCount"}),
    "block": COUNTS,
    "mergeUsers": COUNTS
    | {
        *("rev", "status", "private.statusChangedAt", "private.statusReason", "mergedInto"),
        *("private.suspendedUntil", "handle", "private.formerHandles"),
        *("seat", "subscriptions", "grants", "household.members", "household.invitations"),
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
    before, hidden = world.rows, await _hidden(world, wish)
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
    seen = {name: pair for name, pair in diff.changes.items() if name.split(".")[0] not in hidden}
    _equal("the changes", *(_told(wish, one) for one in (changes, seen)))
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


async def _hidden(world: World, wish: Wish) -> frozenset[str]:
    """What changes on the user whom it is about and the one who wishes does not see."""
    fields = SEEN_OF_OTHERS.get(wish.name)
    if fields is None or wish.about not in world.ids:
        return frozenset()
    query = """query ($id: ID!) { user(by: {id: $id}) {
      followerCount followingCount viewerRelation { isFollowing } } }"""
    data = await world.subgraph.data(query, token=world.token(wish.who), id=wish.about)
    user = data["user"]
    return frozenset(name for name in fields if not user or user.get(name, name) is None)


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


def _told(wish: Wish, changes: Changes) -> Changes:
    """The changes without what cannot be foreseen."""
    told = dict(changes)
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
