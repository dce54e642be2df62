"""Diffs: what a revision changed in the user's document, sealed, and a user as it was before.

A diff goes from a path of the document to the value before and the value after, as stored; nothing
stands for what was not there.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bson import decode, encode
from bson.codec_options import CodecOptions

from store.records import NAMES, Document, Revision, User
from store.sealing import DataKey

AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)


class Before(NamedTuple):
    """A value before a change, and after it."""

    before: Any
    after: Any


Diff = Mapping[str, Before]


def diff_of(user: User, after: Mapping[str, Any]) -> Diff:
    """What setting these stored values, by path, changes in the user's document."""
    return {path: Before(user.at(path), value or None) for path, value in after.items()}


def sealed_diff(key: DataKey, rev: int, diff: Diff) -> bytes:
    """The diff of a revision as it may be stored."""
    # Paths hold dots, which keys of documents had better not.
    rows = [[path, change.before, change.after] for path, change in diff.items()]
    return key.seal(_field(rev), encode({"rows": rows}))


def opened_diff(key: DataKey, revision: Revision) -> Diff:
    """The diff of a revision; empty when it has none. Raises: SealBroken."""
    if revision.diff is None:
        return {}
    plain = key.open(_field(revision.rev), revision.diff)
    return {path: Before(*values) for path, *values in decode(plain, AWARE)["rows"]}


def before(user: User, revisions: Iterable[tuple[Revision, Diff]]) -> User:
    """The user as it was before these revisions of it, the newest first."""
    for revision, diff in revisions:
        user = user.with_stored(
            revision.rev - 1, {path: change.before for path, change in diff.items()}
        )
    return user


def fields_of(diff: Diff) -> Mapping[str, Before]:
    """The diff by the names of the record's attributes; what is no attribute is left out."""
    return {NAMES[path]: change for path, change in diff.items() if path in NAMES}


def _field(rev: int) -> str:
    return f"diff of {rev}"
