"""The store's port in memory: the verbs of `store.driver.Collection` over dictionaries.

For benchmarks, where the database shall cost nothing. It knows the filters, updates and the one
pipeline that the store uses, and refuses others. Documents are handed out as they are kept: readers
leave them alone, and a change puts a new one in the place of the old.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from pymongo import IndexModel

from store.chains import LedgerKey
from store.driver import Database, Document
from store.errors import DuplicateKey, StoreFault
from store.sealing import HeldKeys, new_key_text, parse_key_texts
from store.store import Store

Filter = Mapping[str, Any]

OWNERS = {"followers": "target", "follows": "source", "blocks": "source"}
"""The field by which the rows of a list are found."""

COMPARISONS: Mapping[str, Any] = {
    "$gt": lambda value, bound: value is not None and value > bound,
    "$gte": lambda value, bound: value is not None and value >= bound,
    "$lt": lambda value, bound: value is not None and value < bound,
    "$ne": lambda value, other: not _equals(value, other),
    "$in": lambda value, others: any(_equals(value, other) for other in others),
    "$not": lambda value, condition: not _meets(value, condition),
}


def memory_store(database: "MemoryDatabase") -> Store:
    """A store over collections in memory, with keys of its own."""
    keys = HeldKeys(parse_key_texts((new_key_text("bench"),)))
    return Store(cast(Database, database), keys, LedgerKey(b"bench"))


class MemoryDatabase:
    """Collections by name."""

    name = "memory"
    driver = "memory"

    def __init__(self) -> None:
        self.collections: dict[str, MemoryCollection] = {}

    def collection(self, name: str) -> "MemoryCollection":
        """The collection of this name."""
        if name not in self.collections:
            self.collections[name] = MemoryCollection(name, self)
        return self.collections[name]

    async def ping(self) -> Document:
        """What stands for the server's description of itself."""
        return {"isWritablePrimary": True}

    async def drop(self) -> None:
        """Forgets everything."""
        self.collections.clear()

    async def close(self) -> None:
        """Closes nothing."""


class MemoryCollection:
    """Documents by `_id`, and the rows of lists by owner in the order of the list."""

    def __init__(self, name: str, database: MemoryDatabase) -> None:
        self.name = name
        self._database = database
        self._owner = OWNERS.get(name)
        self.documents: dict[str, Document] = {}
        self._rows: defaultdict[str, list[Document]] = defaultdict(list)

    async def find(
        self,
        where: Filter,
        *,
        sort: str | None = None,
        limit: int = 0,
        only: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> list[Document]:
        """The matching documents, ascending by `sort`, at most `limit` (0: all)."""
        found: Iterable[Document]
        if self._owner is not None and where.keys() == {self._owner} and sort == "order":
            found = self.rows(where[self._owner])
        else:
            candidates = self._candidates(where)
            found = [document for document in candidates if _matches(document, where)]
            if sort:
                found = sorted(found, key=lambda document: _value(document, sort))
        picked = list(found)[: limit or None]
        return [_projected(document, only, without) for document in picked]

    async def by_keys(
        self, keys: Sequence[str], *, only: Sequence[str] = (), without: Sequence[str] = ()
    ) -> list[Document]:
        """The documents with these `_id`s, in no order."""
        return [
            _projected(self.documents[key], only, without) for key in keys if key in self.documents
        ]

    async def find_one(self, key: str, *, without: Sequence[str] = ()) -> Document | None:
        """The document with this `_id`, or nothing."""
        document = self.documents.get(key)
        return None if document is None else _projected(document, (), without)

    async def aggregate(self, pipeline: Sequence[Document]) -> list[Document]:
        """What the pipeline gives: the first rows of several owners, or how many rows there are."""
        if [next(iter(stage)) for stage in pipeline] == ["$match", "$project", "$lookup"]:
            lookup = pipeline[2]["$lookup"]
            rows = self._database.collection(lookup["from"])
            limit = lookup["pipeline"][1]["$limit"]
            owners = [key for key in pipeline[0]["$match"]["_id"]["$in"] if key in self.documents]
            return [{"_id": owner, lookup["as"]: rows.rows(owner)[:limit]} for owner in owners]
        raise StoreFault(f"no such pipeline in memory: {pipeline}")

    def rows(self, owner: str) -> list[Document]:
        """The rows of an owner, in the order of the list."""
        return self._rows.get(owner, [])

    async def insert(self, document: Document) -> None:
        """Writes a new document. Raises: DuplicateKey."""
        if document["_id"] in self.documents:
            raise DuplicateKey(document["_id"])
        self._put(document)

    async def insert_new(self, documents: Sequence[Document]) -> list[str]:
        """Writes those of the documents whose `_id` is free; gives the `_id`s of the others."""
        taken = [document["_id"] for document in documents if document["_id"] in self.documents]
        for document in documents:
            if document["_id"] not in self.documents:
                self._put(document)
        return taken

    async def update(self, where: Filter, change: Filter, *, upsert: bool = False) -> bool:
        """Applies the change to the one matching document; false when there was none."""
        return self._updated(where, change, upsert=upsert) is not None

    async def updated(
        self, where: Filter, change: Filter, *, without: Sequence[str] = ()
    ) -> Document | None:
        """Applies the change to the one matching document and gives it; nothing without one."""
        document = self._updated(where, change, upsert=False)
        return None if document is None else _projected(document, (), without)

    async def delete(self, where: Filter) -> bool:
        """Deletes the one matching document; false when there was none."""
        for document in self._candidates(where):
            if _matches(document, where):
                self._remove(document)
                return True
        return False

    async def ensure_indexes(self, indexes: Sequence[IndexModel]) -> None:
        """Needs none."""

    async def index_names(self) -> set[str]:
        """There are none."""
        return set()

    @asynccontextmanager
    async def watch(self, *_: Any, **__: Any) -> Any:
        """There are no change streams in memory. Raises: StoreFault."""
        raise StoreFault("no change streams in memory")
        yield

    def _updated(self, where: Filter, change: Filter, *, upsert: bool) -> Document | None:
        for document in self._candidates(where):
            if _matches(document, where):
                changed = _changed(document, change)
                self._remove(document)
                self._put(changed)
                return changed
        if not upsert:
            return None
        if where["_id"] in self.documents:
            raise DuplicateKey(where["_id"])
        changed = _changed({"_id": where["_id"]}, change)
        self._put(changed)
        return changed

    def _candidates(self, where: Filter) -> list[Document]:
        """The documents that may match: by `_id` where the filter names some, else all."""
        keys = where.get("_id")
        if isinstance(keys, str):
            keys = [keys]
        elif isinstance(keys, Mapping) and keys.keys() == {"$in"}:
            keys = keys["$in"]
        else:
            return list(self.documents.values())
        return [self.documents[key] for key in dict.fromkeys(keys) if key in self.documents]

    def _put(self, document: Document) -> None:
        self.documents[document["_id"]] = document
        if self._owner is not None:
            rows = self._rows[document[self._owner]]
            rows.append(document)
            rows.sort(key=lambda row: str(row["order"]))

    def _remove(self, document: Document) -> None:
        del self.documents[document["_id"]]
        if self._owner is not None:
            self._rows[document[self._owner]].remove(document)


def _matches(document: Document, where: Filter) -> bool:
    return all(_meets(_value(document, path), condition) for path, condition in where.items())


def _meets(value: Any, condition: Any) -> bool:
    if isinstance(condition, Mapping):
        return all(COMPARISONS[name](value, bound) for name, bound in condition.items())
    return _equals(value, condition)


def _equals(value: Any, other: Any) -> bool:
    """Equal, or a list that holds it, as MongoDB compares."""
    return bool(value == other or (isinstance(value, list) and other in value))


def _value(document: Document, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _projected(document: Document, only: Sequence[str], without: Sequence[str]) -> Document:
    """The document with the wanted fields; a path picks its first field, whole."""
    if only:
        wanted = {"_id", *(path.partition(".")[0] for path in only)}
        return {name: value for name, value in document.items() if name in wanted}
    if without:
        return {name: value for name, value in document.items() if name not in without}
    return document


def _changed(document: Document, change: Filter) -> Document:
    changed = dict(document)
    for operator, values in change.items():
        for path, value in values.items():
            *parents, name = path.split(".")
            owner = changed
            for parent in parents:
                owner[parent] = owner = dict(owner.get(parent, {}))
            if operator == "$set":
                owner[name] = value
            elif operator == "$unset":
                owner.pop(name, None)
            elif operator == "$inc":
                owner[name] = owner.get(name, 0) + value
            elif operator == "$push":
                owner[name] = [*owner.get(name, []), *value["$each"]][value["$slice"] :]
            else:
                raise StoreFault(f"no such operator in memory: {operator}")
    return changed
