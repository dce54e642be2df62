"""Consents: whether the ledger is whole, and says the same as the users' documents."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from store.chains import LedgerKey, first_problem
from store.records import Consent, Document, User
from store.store import Store

SAID = tuple(name for name in Consent._fields if name != "purpose")


@dataclass
class Verification:
    """What was looked at, and what is wrong: a line for each chain or user, its first fault.

    `due` are answers whose entry a crash kept from the ledger so far; they are no fault.
    """

    chains: int = 0
    entries: int = 0
    users: int = 0
    due: int = 0
    problems: list[str] = field(default_factory=list)


async def verify(store: Store, user_id: str | None = None) -> Verification:
    """Checks every chain, and every user against theirs; or those of one user.

    Raises: KeyUnavailable, StoreFault.
    """
    done = Verification()
    if user_id is not None:
        _check_chain(store, done, await store.consents.chain(user_id))
        user = await store.users.by_id(user_id)
        await _check_users(store, done, [user] if user else [])
        return done
    async for chain in _chains(store):
        _check_chain(store, done, chain)
    after = ""
    while users := await store.consents.who_answered(after):
        await _check_users(store, done, users)
        after = users[-1].id
    return done


async def problem_of_receipt(store: Store, receipt: str, entry_hash: str) -> str | None:
    """Why a receipt proves nothing; nothing when its entry is there, and its chain whole up to it.

    Raises: KeyUnavailable, StoreFault.
    """
    entry = await store.consents.by_receipt(receipt)
    if entry is None:
        return "the ledger has no entry of this receipt"
    if entry["hash"] != entry_hash:
        return "the entry of this receipt has another hash"
    chain = await store.consents.chain_of(entry)
    problem = first_problem(chain, store.consents.key)
    return None if problem is None else f"the chain is broken at {problem}"


def _check_chain(store: Store, done: Verification, chain: Sequence[Document]) -> None:
    if not chain:
        return
    done.chains += 1
    done.entries += len(chain)
    problem = first_problem(chain, store.consents.key)
    if problem is not None:
        done.problems.append(f"chain {_subject(chain[0])}: {problem}")


async def _check_users(store: Store, done: Verification, users: Sequence[User]) -> None:
    for user in users:
        done.users += 1
        done.due += user.consent_due is not None
        # Read after the user: what was added meanwhile is beyond the user's head.
        problem = _contradiction(user, await store.consents.chain(user.id), store.consents.key)
        if problem is not None and await _is_unchanged(store, user):
            done.problems.append(f"user {user.id}: {problem}")


def _contradiction(user: User, chain: Sequence[Document], key: LedgerKey) -> str | None:
    """Where a user's document and the chain say different things."""
    entries = list(chain)
    if user.consent_due is not None and user.consent_due not in entries:
        entries.append(user.consent_due)
        if problem := first_problem(entries, key):
            return f"with the one that is due, {problem}"
    head = user.consent_head
    last = {"seq": entries[-1]["seq"], "hash": entries[-1]["hash"]} if entries else None
    if head != last:
        ends, known = (last or {}).get("seq", 0), (head or {}).get("seq", 0)
        return f"the chain ends with entry {ends}, the user with entry {known}, or it is another"
    newest = {entry["purpose"]: entry for entry in entries}
    said = {answer.purpose: answer for answer in user.consents}
    for purpose in sorted(newest.keys() | said.keys()):
        entry, answer = newest.get(purpose), said.get(purpose)
        if entry is None or answer is None or _said(entry) != answer[1:]:
            return f"the answer about {purpose!r} is not that of the ledger"
    return None


def _said(entry: Document) -> tuple[object, ...]:
    return tuple(entry.get(name) for name in SAID)


async def _is_unchanged(store: Store, user: User) -> bool:
    """Whether the user gave no answer while it was looked at."""
    now = await store.users.by_id(user.id)
    return now is not None and now.consent_head == user.consent_head


def _subject(entry: Document) -> str:
    """Whose chain the entry lies in, by its key."""
    return str(entry["_id"]).partition(":")[0]


async def _chains(store: Store) -> AsyncIterator[list[Document]]:
    """Each chain as a whole, in the order of their subjects."""
    after, rest = "", list[Document]()
    while page := await store.consents.page(after):
        after = page[-1]["_id"]
        *whole, rest = [list(chain) for _, chain in groupby([*rest, *page], _subject)]
        for chain in whole:
            yield chain
    if rest:
        yield rest
