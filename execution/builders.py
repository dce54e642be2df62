"""Builders: what completes a source that needs no resolver, as closures or as generated source.

Closures are made at once and run slowly; source takes a while to compile and runs fast. So an
operation begins with closures, and those that come again are generated.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from keyword import iskeyword
from math import isfinite
from operator import attrgetter
from types import GeneratorType
from typing import Any

from graphql import Undefined

from execution.leaves import NEVER_AWAITED, irregular_when, leaf_of
from execution.plan import (
    Attribute,
    Build,
    Constant,
    Entry,
    Failed,
    Inline,
    IrregularValue,
    Items,
    Leaf,
    Member,
    Nested,
    Reader,
    Shape,
    TypeCheck,
)

MAX_CLASSES = 1000


class Sources:
    """The classes whose objects may be sources: no errors, nothing to be awaited or called.

    One for a schema; `admit` looks at each class once.
    """

    def __init__(self) -> None:
        self.admitted: set[type] = {dict}
        self.type_of_class: dict[type, str] = {}
        """The object type of a class, where a type tells by the class alone."""
        self._known: dict[str, tuple[set[type], Build]] = {}

    def of_type(self, shape: Nested) -> tuple[set[type], Build]:
        """The classes known to be of a type that tells by class, and what asks a new one."""
        if shape.is_type_of is None:
            return self.admitted, self.admit
        found = self._known.get(shape.type.name)
        if found is None:
            found = self._known[shape.type.name] = self._knowing(shape.type.name, shape.is_type_of)
        return found

    def _knowing(self, name: str, is_type_of: TypeCheck) -> tuple[set[type], Build]:
        known: set[type] = set()

        def ask(source: Any) -> bool:
            if not self.admit(source) or is_type_of(source, None) is not True:
                return False
            if source.__class__ in self.admitted and len(known) < MAX_CLASSES:
                known.add(source.__class__)
                self.type_of_class[source.__class__] = name
            return True

        return known, ask

    def admit(self, source: Any) -> bool:
        """Whether the object may be a source."""
        class_ = source.__class__
        if (
            class_ is type(None)
            or source is Undefined
            or isinstance(source, BaseException | GeneratorType | type | Failed)
            or hasattr(class_, "__await__")
            or callable(source)
        ):
            return False
        if hasattr(class_, "__getattr__") or type(class_) is not type:
            return not hasattr(source, "__await__")  # may say another thing of each object
        if len(self.admitted) < MAX_CLASSES:
            self.admitted.add(class_)
        return True


def member_of(source: Any, name: str) -> Any:
    """What graphql-core's default resolver finds. Raises: IrregularValue, if it is to be called."""
    if source.__class__ is dict:
        value = source.get(name)
    elif isinstance(source, Mapping):
        raise IrregularValue
    else:
        value = getattr(source, name, None)
    if value.__class__ not in NEVER_AWAITED and callable(value):
        raise IrregularValue
    return value


class ClosureBuilders:
    """Makes builders of closures, for one schema."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._leaves: dict[tuple[int, bool], Build] = {}

    def of_object(self, shape: Nested) -> Build:
        """A builder for objects."""
        constants = {entry.key: _initial(entry) for entry in shape.entries}
        reads = [
            (entry.key, reading_of(entry.reader), self.of(entry.shape))
            for entry in shape.entries
            if isinstance(entry, Inline)
        ]
        is_type_of = None if shape.answers_by_class else shape.is_type_of
        known, ask = self._sources.of_type(shape) if is_type_of is None else self._any_type()

        def build(source: Any) -> Any:
            if source.__class__ not in known and not ask(source):
                raise IrregularValue
            if is_type_of is not None and is_type_of(source, None) is not True:
                raise IrregularValue
            built: dict[str, Any] = constants.copy()
            for key, read, complete in reads:
                built[key] = complete(read(source))
            return built

        return build

    def _any_type(self) -> tuple[set[type], Build]:
        return self._sources.admitted, self._sources.admit

    def of(self, shape: Shape) -> Build:
        """A builder for values of the shape."""
        if isinstance(shape, Leaf):
            key = id(shape.type), shape.is_nullable
            if key not in self._leaves:
                self._leaves[key] = self._made(shape)
            return self._leaves[key]
        return self._made(shape)

    def _made(self, shape: Shape) -> Build:
        complete = self._of_present(shape)
        if not shape.is_nullable:
            return complete
        return lambda value: None if value is None else complete(value)

    def _of_present(self, shape: Shape) -> Build:
        if isinstance(shape, Leaf):
            return leaf_of(shape.type)
        if isinstance(shape, Nested):
            return self.of_object(shape)
        item = self.of(shape.item)

        def build(value: Any) -> Any:
            if value.__class__ is not list and value.__class__ is not tuple:
                raise IrregularValue
            return [item(each) for each in value]

        return build


class Generator:
    """Writes builders as Python, for one plan; what it wrote is `source`."""

    def __init__(self, sources: Sources) -> None:
        self._names = count(1)
        self._written: list[str] = []
        self._sources = sources
        self._scope: dict[str, Any] = {
            "IrregularValue": IrregularValue,
            "isfinite": isfinite,
            "member_of": member_of,
            "admitted": sources.admitted,
            "admit": sources.admit,
        }

    @property
    def source(self) -> str:
        """All functions that were written."""
        return "\n\n".join(self._written)

    def of_object(self, shape: Nested) -> Build:
        """A builder for objects. Raises: SyntaxError when they nest too deep."""
        writer = Writer(self._scope, self._sources)
        writer.check_object(shape, "source")
        writer.line(f"return {writer.object(shape.entries, 'source')}")
        return self._made(f"build_{shape.type.name}", writer)

    def of(self, shape: Shape) -> Build:
        """A builder for values of the shape. Raises: SyntaxError when they nest too deep."""
        writer = Writer(self._scope, self._sources)
        writer.line(f"return {writer.value(shape, 'source')}")
        return self._made("complete", writer)

    def _made(self, what: str, writer: "Writer") -> Build:
        name = f"{what}_{next(self._names)}"
        text = f"def {name}(source):\n" + "\n".join(writer.lines)
        self._written.append(text)
        exec(compile(text, f"<{name}>", "exec"), self._scope)
        build: Build = self._scope[name]
        return build


class Writer:
    """Writes the body of one function; what it cannot write as a word it puts into the scope."""

    def __init__(self, scope: dict[str, Any], sources: Sources) -> None:
        self.lines: list[str] = []
        self._sources = sources
        self._scope = scope
        self._variables = count(1)
        self._depth = 1

    def line(self, text: str) -> None:
        """Adds a line at the current depth."""
        self.lines.append("    " * self._depth + text)

    def object(self, entries: Sequence[Entry], source: str) -> str:
        """Writes what reads the entries; gives the expression of the object."""
        pairs = []
        for entry in entries:
            if isinstance(entry, Inline):
                variable = self._variable()
                self.line(f"{variable} = {self._read(entry.reader, source)}")
                pairs.append(f"{entry.key!r}: {self.value(entry.shape, variable)}")
            else:
                pairs.append(f"{entry.key!r}: {_initial(entry)!r}")
        return "{" + ", ".join(pairs) + "}"

    def value(self, shape: Shape, value: str) -> str:
        """Writes what completes the value in a variable; gives the expression of the outcome."""
        if isinstance(shape, Leaf):
            return self._leaf(shape, value)
        if not shape.is_nullable:
            return self._composite(shape, value)
        result = self._variable()
        self.line(f"{result} = None")
        self.line(f"if {value} is not None:")
        self._depth += 1
        self.line(f"{result} = {self._composite(shape, value)}")
        self._depth -= 1
        return result

    def check_object(self, shape: Nested, source: str) -> None:
        """Writes the checks of a source."""
        known, ask = "admitted", "admit"
        if shape.is_type_of is not None and shape.answers_by_class:
            classes, asking = self._sources.of_type(shape)
            known = self._named("classes", shape.type.name, classes)
            ask = self._named("ask", shape.type.name, asking)
        self.line(f"if {source}.__class__ not in {known} and not {ask}({source}):")
        self.line("    raise IrregularValue")
        if not shape.answers_by_class:
            check = self._named("is", shape.type.name, shape.is_type_of)
            self.line(f"if {check}({source}, None) is not True:")
            self.line("    raise IrregularValue")

    def _composite(self, shape: Items | Nested, value: str) -> str:
        if isinstance(shape, Nested):
            self.check_object(shape, value)
            return self.object(shape.entries, value)
        items, item = self._variable(), self._variable()
        self.line(f"if {value}.__class__ is not list and {value}.__class__ is not tuple:")
        self.line("    raise IrregularValue")
        self.line(f"{items} = []")
        self.line(f"for {item} in {value}:")
        self._depth += 1
        self.line(f"{items}.append({self.value(shape.item, item)})")
        self._depth -= 1
        return items

    def _leaf(self, shape: Leaf, value: str) -> str:
        condition = irregular_when(shape.type)
        if condition is not None:
            condition = condition.format(value)
            if shape.is_nullable:
                condition = f"{value} is not None and ({condition})"
            self.line(f"if {condition}:")
            self.line("    raise IrregularValue")
            return value
        leaf = self._named("leaf", shape.type.name, leaf_of(shape.type))
        call = f"{leaf}({value})"
        return f"(None if {value} is None else {call})" if shape.is_nullable else call

    def _read(self, reader: Reader, source: str) -> str:
        if isinstance(reader, Attribute):
            return f"{source}.{reader.name}"
        if isinstance(reader, Member):
            return f"member_of({source}, {reader.name!r})"
        read = self._named("read", str(id(reader.read)), reader.read)
        return f"{read}({source}, {reader.name!r})"

    def _named(self, what: str, of: str, thing: Any) -> str:
        name = f"{what}_{of}"
        self._scope.setdefault(name, thing)
        return name

    def _variable(self) -> str:
        return f"v{next(self._variables)}"


def is_plain_name(name: str) -> bool:
    """Whether an attribute of this name can be written into source code."""
    return name.isidentifier() and name.isascii() and not iskeyword(name)


def _initial(entry: Entry) -> str | None:
    """The value of a key before anything was read."""
    return entry.value if isinstance(entry, Constant) else None


def reading_of(reader: Reader) -> Callable[[Any], Any]:
    """What reads a value from its source. It may raise anything."""
    if isinstance(reader, Attribute):
        return attrgetter(reader.name)
    if isinstance(reader, Member):
        name = reader.name
        return lambda source: member_of(source, name)
    read, of = reader.read, reader.name
    return lambda source: read(source, of)
