"""What changed between two SDLs of a subgraph, and whom it hurts: clients, subgraphs, gateways."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    ListTypeNode,
    NonNullTypeNode,
    TypeNode,
    parse_const_value,
    print_ast,
    value_from_ast_untyped,
)

from schema import harm
from schema.elements import (
    FEDERATION,
    Element,
    Elements,
    Kind,
    key_fields,
    linked,
    named_type,
)
from schema.harm import Harm, Severity

OPERATION_LOCATIONS = set(
    "QUERY MUTATION SUBSCRIPTION FIELD FRAGMENT_DEFINITION FRAGMENT_SPREAD INLINE_FRAGMENT"
    " VARIABLE_DEFINITION".split()
)


@dataclass(frozen=True)
class Change:
    """One change: what happened at a schema coordinate, and who is hurt, each a sentence.

    The schema itself has no coordinate in the specification; here it is `schema`.
    """

    severity: Severity
    coordinate: str
    what: str
    hurts: str


def compare(published: Elements, current: Elements) -> list[Change]:
    """Every change once, worst first, then by coordinate.

    What is removed, added or of another kind stands for all that it holds.
    """
    order = list(Severity)
    changes = _Comparison(published, current).changes()
    return sorted(
        changes, key=lambda each: (order.index(each.severity), each.coordinate, each.what)
    )


class _Comparison:
    """Two SDLs side by side."""

    def __init__(self, old: Elements, new: Elements) -> None:
        self.old = old
        self.new = new
        self._old_held, self._new_held = _by_parent(old), _by_parent(new)
        both = [*old.values(), *new.values()]
        inputs = (Kind.ARGUMENT, Kind.INPUT_FIELD)
        self._given = {named_type(each) for each in both if each.kind in inputs}
        self._got = {named_type(each) for each in both if each.kind is Kind.FIELD}

    def changes(self) -> Iterator[Change]:
        removed = self._only_in(self.old, self.new)
        added = self._only_in(self.new, self.old)
        for old, new in _changed_uses(removed, added):
            removed.remove(old)
            added.remove(new)
            yield from _use_difference(old, new)
        for element in removed:
            yield _change(element, f"{_subject(element)} was removed.", self._removal(element))
        for element in added:
            required = " and is required" if element.is_required else ""
            what = f"{_subject(element)} was added{required}."
            yield _change(element, what, self._addition(element))
        for key in self.old.keys() & self.new.keys():
            if not self._is_covered(self.old[key]):
                yield from self._difference(self.old[key], self.new[key])

    def _only_in(self, these: Elements, those: Elements) -> list[Element]:
        return [
            element
            for key, element in these.items()
            if key not in those and not self._is_covered(element)
        ]

    def _is_covered(self, element: Element) -> bool:
        """Whether something that holds the element came, went or is of another kind."""
        parent = element.parent
        while parent is not None:
            old, new = self.old.get(parent), self.new.get(parent)
            if old is None or new is None or old.kind is not new.kind:
                return True
            parent = old.parent
        return False

    def _removal(self, element: Element) -> Harm:
        if element.kind is Kind.USE:
            return self._use_removal(element)
        if self._is_of_unusable_directive(element):
            return harm.NOT_IN_OPERATIONS
        if element.kind is Kind.FIELD and _has(self._old_held, element.key, "external"):
            return harm.REMOVED_EXTERNAL
        if self._is_hidden(element):
            return harm.REMOVED_HIDDEN
        if element.kind is Kind.ENUM_VALUE and element.parent in self._given:
            return harm.REMOVED_INPUT_VALUE
        return harm.REMOVED[element.kind]

    def _addition(self, element: Element) -> Harm:
        if element.kind is Kind.USE:
            return self._use_addition(element)
        if self._is_of_unusable_directive(element):
            return harm.NOT_IN_OPERATIONS
        if element.is_required:
            return harm.ADDED_REQUIRED
        match element.kind:
            case Kind.FIELD:
                return self._field_addition(element)
            case Kind.ARGUMENT if self._type_of(element).kind is Kind.INTERFACE:
                return harm.ADDED_INTERFACE_ARGUMENT
            case Kind.ENUM_VALUE:
                return self._value_addition(element)
            case Kind.MEMBER:
                return harm.ADDED_MEMBER
            case Kind.IMPLEMENTATION:
                return harm.ADDED_IMPLEMENTATION
        return harm.safe()

    def _field_addition(self, field: Element) -> Harm:
        """A field more; a type without a key must be whole in each subgraph that resolves it."""
        type_ = self._type_of(field)
        if type_.kind is Kind.INTERFACE:
            return harm.ADDED_INTERFACE_FIELD
        if _has(self._new_held, field.key, "external"):
            return harm.safe()
        siblings = [type_.key, *(each.key for each in self._old_held.get(type_.key, ()))]
        is_shared = any(_has(self._old_held, key, "shareable") for key in siblings)
        has_key = _has(self._old_held, type_.key, "key")
        return harm.ADDED_SHARED_FIELD if is_shared and not has_key else harm.ADDED_FIELD

    def _value_addition(self, value: Element) -> Harm:
        if value.parent not in self._given:
            return harm.ADDED_OUTPUT_VALUE
        return harm.ADDED_SHARED_VALUE if value.parent in self._got else harm.safe()

    def _use_removal(self, use: Element) -> Harm:
        if use.family == "shareable" and self._is_shared_as_before(use):
            return harm.STILL_SHAREABLE
        if use.family == "key" and use.arguments.get("resolvable") == "false":
            return harm.UNRESOLVABLE_KEY_REMOVED
        if use.family.startswith("link "):
            return harm.FEDERATION_1 if FEDERATION in use.family else harm.USES["link"].removed
        return harm.USES.get(use.family, harm.UNKNOWN_USE).removed

    def _use_addition(self, use: Element) -> Harm:
        if use.family.startswith("link "):
            return harm.FEDERATION_2 if FEDERATION in use.family else harm.USES["link"].added
        return harm.USES.get(use.family, harm.UNKNOWN_USE).added

    def _is_shared_as_before(self, use: Element) -> bool:
        """Whether what lost `@shareable` is shareable all the same: by its type, a key, its own."""
        holder = self.old[use.parent or ""]
        fields = [holder] if holder.kind is Kind.FIELD else self._old_held.get(holder.key, [])
        kept = [each for each in fields if each.kind is Kind.FIELD and each.key in self.new]
        return all(self._is_shared(each) for each in kept)

    def _is_shared(self, field: Element) -> bool:
        """Whether a field is shareable now. Source: Apollo Federation, "Value types"."""
        type_key = field.parent or ""
        if any(_has(self._new_held, key, "shareable") for key in (field.key, type_key)):
            return True
        uses = [each for each in self._new_held.get(type_key, ()) if each.family == "key"]
        return any(field.name in key_fields(use) for use in uses)

    def _is_hidden(self, element: Element) -> bool:
        """Whether the gateway kept the element, or what holds it, from clients."""
        key: str | None = element.key
        while key is not None:
            if _has(self._old_held, key, "inaccessible"):
                return True
            key = self.old[key].parent
        return False

    def _is_of_unusable_directive(self, element: Element) -> bool:
        """Whether it is, or is part of, a directive that no operation could or can use."""
        key = element.key if element.kind is Kind.DIRECTIVE else element.parent or ""
        holders = [elements[key] for elements in (self.old, self.new) if key in elements]
        if not holders or holders[0].kind is not Kind.DIRECTIVE:
            return False
        held = [*self._old_held.get(key, ()), *self._new_held.get(key, ())]
        return not any(each.name in OPERATION_LOCATIONS for each in held)

    def _type_of(self, element: Element) -> Element:
        """The type that holds a field, or the field of an argument, in the current SDL."""
        while element.parent is not None:
            element = self.new[element.parent]
        return element

    def _difference(self, old: Element, new: Element) -> Iterator[Change]:
        """What is different about something that both have."""
        if old.kind is not new.kind:
            yield _change(old, f"It changed from {old.kind} to {new.kind}.", harm.CHANGED_KIND)
            return
        is_unusable = self._is_of_unusable_directive(old)
        if old.type is not None and new.type is not None and old.type != new.type:
            what = f"Its type changed from {print_ast(old.type)} to {print_ast(new.type)}."
            found = harm.NOT_IN_OPERATIONS if is_unusable else _retyping(old, new)
            yield _change(old, what, found)
        if old.default != new.default:
            what = f"Its default changed from {old.default or 'none'} to {new.default or 'none'}."
            found = harm.NOT_IN_OPERATIONS if is_unusable else _redefaulting(old, new)
            yield _change(old, what, found)
        if old.description != new.description:
            yield _change(old, "Its description changed.", harm.safe())


Held = dict[str, list[Element]]
"""What each element holds directly, by its key."""


def _by_parent(elements: Elements) -> Held:
    held: Held = {}
    for element in elements.values():
        if element.parent is not None:
            held.setdefault(element.parent, []).append(element)
    return held


def _has(held: Held, key: str, directive: str) -> bool:
    """Whether a directive is used right there."""
    return any(each.family == directive for each in held.get(key, ()))


def _changed_uses(
    removed: list[Element], added: list[Element]
) -> Iterator[tuple[Element, Element]]:
    """Uses of one directive at one place that have other arguments than before.

    Where several came and went nobody can tell which became which: those are told one by one.
    """
    pairs: dict[tuple[str | None, str], tuple[list[Element], list[Element]]] = {}
    for side, elements in enumerate((removed, added)):
        for each in elements:
            if each.kind is Kind.USE:
                pairs.setdefault((each.parent, each.family), ([], []))[side].append(each)
    for gone, come in pairs.values():
        if len(gone) == len(come) == 1:
            yield gone[0], come[0]


def _use_difference(old: Element, new: Element) -> Iterator[Change]:
    if old.family.startswith("link "):
        yield from _relinking(old, new)
        return
    found = harm.USES.get(old.family, harm.UNKNOWN_USE).changed
    if old.family == "key" and old.arguments.get("fields") == new.arguments.get("fields"):
        is_lost = new.arguments.get("resolvable") == "false"
        found = harm.NOW_UNRESOLVABLE if is_lost else harm.NOW_RESOLVABLE
    if old.family in ("policy", "requiresScopes") and _permits_more(old, new):
        found = harm.LAXER
    yield _change(old, f"{old.name} changed to {new.name}.", found)


def _relinking(old: Element, new: Element) -> Iterator[Change]:
    address, before = linked(old.arguments)
    _, after = linked(new.arguments)
    if before != after:
        what = f"@link to {address} changed from {before or 'none'} to {after or 'none'}."
        yield _change(old, what, harm.USES["link"].changed)
    if {**old.arguments, "url": ""} != {**new.arguments, "url": ""}:
        yield _change(old, f"@link to {address} has other arguments.", harm.OTHER_IMPORTS)


def _permits_more(old: Element, new: Element) -> bool:
    """Whether everybody who satisfied the old alternatives satisfies one of the new ones."""
    before, after = _alternatives(old), _alternatives(new)
    return all(any(each >= other for other in after) for each in before)


def _alternatives(use: Element) -> list[set[str]]:
    found: list[set[str]] = []
    for printed in use.arguments.values():
        value = value_from_ast_untyped(parse_const_value(printed, no_location=True))
        outer = value if isinstance(value, list) else [value]
        for each in outer:
            inner = each if isinstance(each, list) else [each]
            found.append({str(name) for name in inner})
    return found


def _retyping(old: Element, new: Element) -> Harm:
    is_nullability = _bare(old.type) == _bare(new.type)
    if old.kind is Kind.FIELD:
        if _accepts(old.type, new.type):
            return harm.NARROWED_OUTPUT
        return harm.MADE_NULLABLE if is_nullability else harm.OTHER_OUTPUT_TYPE
    if _accepts(new.type, old.type):
        return harm.WIDENED_INPUT
    return harm.MADE_REQUIRED if is_nullability else harm.OTHER_INPUT_TYPE


def _accepts(wide: Any, narrow: Any) -> bool:
    """Whether every value of the narrow type is one of the wide type."""
    if isinstance(narrow, NonNullTypeNode):
        return _accepts(wide.type if isinstance(wide, NonNullTypeNode) else wide, narrow.type)
    if isinstance(wide, ListTypeNode) and isinstance(narrow, ListTypeNode):
        return _accepts(wide.type, narrow.type)
    return bool(wide == narrow)


def _bare(node: TypeNode | None) -> str:
    """A type without its exclamation marks."""
    return "" if node is None else print_ast(node).replace("!", "")


def _redefaulting(old: Element, new: Element) -> Harm:
    if new.is_required:
        return harm.ADDED_REQUIRED
    return harm.NOW_OPTIONAL if old.is_required else harm.CHANGED_DEFAULT


def _subject(element: Element) -> str:
    """What a sentence about the coming or going of an element begins with."""
    match element.kind:
        case Kind.USE:
            return element.name
        case Kind.LOCATION if element.name == "repeatable":
            return "The word repeatable"
        case Kind.MEMBER | Kind.IMPLEMENTATION | Kind.LOCATION:
            return f"The {element.kind} {element.name}"
        case Kind.ROOT:
            return f"Its place as the root of every {element.name}"
    return f"The {element.kind}"


def _change(element: Element, what: str, found: Harm) -> Change:
    return Change(found.severity, element.coordinate, what, found.hurts)
