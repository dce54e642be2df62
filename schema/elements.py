"""The elements of an SDL by schema coordinate, so that two SDLs can be compared.

Source: GraphQL specification, section 3.14 (schema coordinates); Apollo Federation subgraph
specification, version 2, for what every gateway adds by itself.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from graphql import (
    ConstDirectiveNode,
    DirectiveDefinitionNode,
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    GraphQLSyntaxError,
    InputValueDefinitionNode,
    ListValueNode,
    NonNullTypeNode,
    ObjectValueNode,
    SchemaDefinitionNode,
    SchemaExtensionNode,
    StringValueNode,
    TypeNode,
    ValueNode,
    parse,
    print_ast,
)

from schema.field_sets import FieldSetError, selections_of

BUILT_IN_DIRECTIVES = {"deprecated", "include", "oneOf", "skip", "specifiedBy"}
BUILT_IN_SCALARS = {"Boolean", "Float", "ID", "Int", "String"}
FEDERATION = "specs.apollo.dev/federation"
FEDERATION_DIRECTIVES = set(
    "authenticated cacheTag composeDirective connect context cost extends external fromContext"
    " inaccessible interfaceObject key link listSize override policy provides requires"
    " requiresScopes shareable source tag".split()
)
FEDERATION_TYPES = {"_Any", "_Entity", "_FieldSet", "_Service", "FieldSet"}
SCHEMA = " schema"  # a type may be called schema
NAMESPACES = ("federation__", "link__", "__")


class UnreadableSDL(ValueError):
    """Something is not the SDL of a subgraph; the message says what it is, in a sentence."""


class Kind(StrEnum):
    """What an element is; from `member` on, elements have no coordinate of their own."""

    SCHEMA = "schema"
    SCALAR = "scalar"
    OBJECT = "type"
    INTERFACE = "interface"
    UNION = "union"
    ENUM = "enum"
    INPUT = "input"
    FIELD = "field"
    ARGUMENT = "argument"
    INPUT_FIELD = "input field"
    ENUM_VALUE = "enum value"
    DIRECTIVE = "directive"
    MEMBER = "member"
    IMPLEMENTATION = "implemented interface"
    ROOT = "root"
    LOCATION = "location"
    USE = "use of a directive"


@dataclass(frozen=True)
class Element:
    """A part of a schema that can come and go as a whole.

    `key` is unique in its SDL and `parent` is the key of what holds it. `family` of a use is the
    name of its directive, for `@link` with the address linked to.
    """

    key: str
    coordinate: str
    kind: Kind
    name: str
    parent: str | None = None
    description: str | None = None
    type: TypeNode | None = None
    default: str | None = None
    family: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_required(self) -> bool:
        """Whether an argument or input field must be given."""
        is_given = self.kind in (Kind.ARGUMENT, Kind.INPUT_FIELD)
        return is_given and isinstance(self.type, NonNullTypeNode) and self.default is None


Elements = Mapping[str, Element]
"""The elements of an SDL by key; the key of what has a coordinate is its coordinate."""


def elements_of(sdl: str) -> Elements:
    """Every element but those that a gateway adds. Raises: UnreadableSDL.

    Directives need no definition, extensions count as part of what they extend, and names that
    `@link` gives to federation directives are turned back.
    """
    _refuse_other_formats(sdl)
    try:
        return elements_in(parse(sdl, no_location=True))
    except GraphQLSyntaxError as error:
        line = error.locations[0].line if error.locations else 1
        found = error.message.removeprefix("Syntax Error: ").rstrip(".")
        raise UnreadableSDL(f"expected SDL; line {line}: {found}") from None
    except RecursionError:
        raise UnreadableSDL("expected SDL, not something nested this deep") from None


def elements_in(document: DocumentNode) -> Elements:
    """The same of SDL that was parsed, without locations. Raises: UnreadableSDL, RecursionError."""
    return _Reader(document).elements


def named_type(element: Element) -> str:
    """The name of the type of a field, argument or input field, without wrappers."""
    node: Any = element.type
    while node is not None and node.kind != "named_type":
        node = node.type
    return "" if node is None else str(node.name.value)


def linked(arguments: Mapping[str, str]) -> tuple[str, str]:
    """The address that `@link` names, without its version, and the version or ""."""
    url = arguments.get("url", "").strip('"').rstrip("/")
    address, _, version = url.rpartition("/")
    return (address, version) if re.fullmatch(r"v\d+(\.\d+)*", version) else (url, "")


def key_fields(element: Element) -> list[str]:
    """The outermost fields that a use of `@key` names."""
    try:
        nodes = selections_of(element.arguments.get("fields", "").strip('"')).selections
    except FieldSetError:
        return []
    return [node.name.value for node in nodes if isinstance(node, FieldNode)]


def _refuse_other_formats(sdl: str) -> None:
    beginning = sdl.lstrip("\ufeff \t\r\n")[:1]
    if not beginning:
        raise UnreadableSDL("expected SDL, not nothing at all")
    if beginning == "<":
        raise UnreadableSDL("expected SDL, not HTML or XML")
    if beginning in "{[" and re.match(r'[\ufeff\s]*[{\[]\s*["{\[}\]]', sdl):
        raise UnreadableSDL(
            "expected SDL, not JSON, such as the answer to an introspection query; "
            "a subgraph gives its SDL for { _service { sdl } }"
        )


class _Reader:
    """Walks a document once and collects its elements."""

    def __init__(self, document: DocumentNode) -> None:
        # Every SDL has a schema, said or not, so that its directives come and go by themselves.
        self.elements = {SCHEMA: Element(SCHEMA, "schema", Kind.SCHEMA, "schema")}
        links = list(_links(document))
        _refuse_supergraph(document, links)
        self._originals = dict(_imported(links))
        self._roots = _roots(document)
        for node in document.definitions:
            self._read(node)
        self._drop_empty_roots()

    def _read(self, node: Any) -> None:
        if isinstance(node, ExecutableDefinitionNode):
            raise UnreadableSDL("expected SDL, not an operation or a fragment")
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            self._read_schema(node)
        elif isinstance(node, DirectiveDefinitionNode):
            self._read_directive(node)
        else:
            self._read_type(node)

    def _read_schema(self, node: SchemaDefinitionNode | SchemaExtensionNode) -> None:
        if node.kind == "schema_definition":
            schema = self.elements[SCHEMA]
            self.elements[SCHEMA] = replace(schema, description=_description(node))
        self._add_uses(SCHEMA, node)

    def _read_directive(self, node: DirectiveDefinitionNode) -> None:
        name = node.name.value
        if name in BUILT_IN_DIRECTIVES | FEDERATION_DIRECTIVES | set(self._originals):
            return
        if name.startswith(NAMESPACES):
            return
        key = f"@{name}"
        self._add(Element(key, key, Kind.DIRECTIVE, key, description=_description(node)))
        for argument in node.arguments or ():
            self._read_argument(key, argument)
        locations = [location.value for location in node.locations]
        for location in [*locations, *(["repeatable"] if node.repeatable else [])]:
            self._add_facet(key, Kind.LOCATION, location)

    def _read_type(self, node: Any) -> None:
        name = node.name.value
        if name in FEDERATION_TYPES | BUILT_IN_SCALARS or name.startswith(NAMESPACES):
            return
        self._add_type(_kind(node), name, node)
        for root in self._roots.get(name, ()):
            if f"{name} {Kind.ROOT}:{root}" not in self.elements:
                self._add_facet(name, Kind.ROOT, root)
        for interface in getattr(node, "interfaces", None) or ():
            self._add_facet(name, Kind.IMPLEMENTATION, interface.name.value)
        for member in getattr(node, "types", None) or ():
            self._add_facet(name, Kind.MEMBER, member.name.value)
        for value in getattr(node, "values", None) or ():
            self._add_child(name, Kind.ENUM_VALUE, value)
        for child in getattr(node, "fields", None) or ():
            self._read_field(name, child)
        self._add_uses(name, node)

    def _read_field(self, parent: str, node: Any) -> None:
        if isinstance(node, InputValueDefinitionNode):
            self._add_child(parent, Kind.INPUT_FIELD, node)
        elif node.name.value not in ("_entities", "_service"):
            key = self._add_child(parent, Kind.FIELD, node)
            for argument in node.arguments or ():
                self._read_argument(key, argument)

    def _read_argument(self, parent: str, node: InputValueDefinitionNode) -> None:
        self._add_child(parent, Kind.ARGUMENT, node, f"{parent}({node.name.value}:)")

    def _add_child(self, parent: str, kind: Kind, node: Any, key: str = "") -> str:
        name = node.name.value
        key = key or f"{parent}.{name}"
        default = getattr(node, "default_value", None)
        self._add(
            Element(
                key,
                key,
                kind,
                name,
                parent,
                description=_description(node),
                type=getattr(node, "type", None),
                default=None if default is None else _value(default),
            )
        )
        self._add_uses(key, node)
        return key

    def _add_type(self, kind: Kind, key: str, node: Any) -> None:
        """Adds a definition; an extension, before or after it, adds nothing of its own."""
        is_extension = node.kind.endswith("_extension")
        there = self.elements.get(key)
        if there is not None and there.kind is not kind:
            raise UnreadableSDL(f"{key} is defined as {there.kind} and as {kind}")
        if is_extension and there is not None:
            return
        if not is_extension and there is not None and there.family != "extension":
            raise UnreadableSDL(f"{key} is defined twice")
        family = "extension" if is_extension else ""
        self.elements[key] = Element(
            key, key, kind, key, description=_description(node), family=family
        )

    def _add_facet(self, parent: str, kind: Kind, name: str) -> None:
        self._add(Element(f"{parent} {kind}:{name}", parent, kind, name, parent))

    def _add_uses(self, parent: str, node: Any) -> None:
        for use in node.directives or ():
            name = self._original(use.name.value)
            if name == "extends":
                continue
            arguments = _arguments(name, use)
            printed = _printed(name, arguments)
            key = f"{parent} {printed}"
            while key in self.elements:
                key += " again"
            self._add(
                Element(
                    key,
                    self.elements[parent].coordinate,
                    Kind.USE,
                    printed,
                    parent,
                    family=f"link {linked(arguments)[0]}" if name == "link" else name,
                    arguments=arguments,
                )
            )

    def _add(self, element: Element) -> None:
        if element.key in self.elements:
            raise UnreadableSDL(f"{element.key} is defined twice")
        self.elements[element.key] = element

    def _original(self, name: str) -> str:
        return self._originals.get(name, name.removeprefix("federation__"))

    def _drop_empty_roots(self) -> None:
        """Drops a root that held the machinery only."""
        held = {element.parent for element in self.elements.values() if element.kind != Kind.ROOT}
        for name in set(self._roots) - held:
            self.elements.pop(name, None)
            for root in self._roots[name]:
                self.elements.pop(f"{name} {Kind.ROOT}:{root}", None)


def _roots(document: DocumentNode) -> dict[str, list[str]]:
    """The operations that each root type is for."""
    schemas = [
        node
        for node in document.definitions
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode)
    ]
    roots: dict[str, list[str]] = {}
    for schema in schemas:
        for each in schema.operation_types or ():
            roots.setdefault(each.type.name.value, []).append(each.operation.value)
    if any(isinstance(schema, SchemaDefinitionNode) for schema in schemas):
        return roots
    return {"Query": ["query"], "Mutation": ["mutation"], "Subscription": ["subscription"], **roots}


def _links(document: DocumentNode) -> Iterator[tuple[str, ConstDirectiveNode]]:
    """The address and the node of each `@link`, or `@core` as it was called before."""
    for node in document.definitions:
        if isinstance(node, SchemaDefinitionNode | SchemaExtensionNode):
            for use in node.directives or ():
                for argument in use.arguments or ():
                    is_address = argument.name.value in ("url", "feature")
                    if is_address and isinstance(argument.value, StringValueNode):
                        yield argument.value.value, use


def _refuse_supergraph(
    document: DocumentNode, links: Sequence[tuple[str, ConstDirectiveNode]]
) -> None:
    definitions = (
        node for node in document.definitions if isinstance(node, DirectiveDefinitionNode)
    )
    joins = any(node.name.value.startswith("join__") for node in definitions)
    if joins or any("specs.apollo.dev/join/" in url for url, _ in links):
        raise UnreadableSDL("expected the SDL of a subgraph, not of a supergraph")


def _imported(links: Sequence[tuple[str, ConstDirectiveNode]]) -> Iterator[tuple[str, str]]:
    """The names under which federation directives are used, with the names they have."""
    for url, use in links:
        arguments = {each.name.value: each.value for each in use.arguments or ()}
        if FEDERATION not in url:
            continue
        prefix = arguments.get("as")
        if isinstance(prefix, StringValueNode):
            yield from ((f"{prefix.value}__{name}", name) for name in FEDERATION_DIRECTIVES)
        for each in getattr(arguments.get("import"), "values", ()):
            name = alias = getattr(each, "value", "")
            for part in getattr(each, "fields", ()):
                text = str(getattr(part.value, "value", ""))
                name = text if part.name.value == "name" else name
                alias = text if part.name.value == "as" else alias
            if str(name).startswith("@"):
                yield (alias or name).removeprefix("@"), name.removeprefix("@")


def _kind(node: Any) -> Kind:
    """The kind of a type definition or extension."""
    word = node.kind.partition("_type_")[0]
    return {
        "scalar": Kind.SCALAR,
        "object": Kind.OBJECT,
        "interface": Kind.INTERFACE,
        "union": Kind.UNION,
        "enum": Kind.ENUM,
        "input_object": Kind.INPUT,
    }[word]


def _description(node: Any) -> str | None:
    description = getattr(node, "description", None)
    return description.value if description else None


def _arguments(name: str, use: ConstDirectiveNode) -> dict[str, str]:
    """The printed arguments of a use by name, without those that only repeat a default."""
    arguments = {each.name.value: _value(each.value) for each in use.arguments or ()}
    if name == "key" and arguments.get("resolvable") == "true":
        del arguments["resolvable"]
    if name == "deprecated":
        arguments.setdefault("reason", '"No longer supported"')
    for each in use.arguments or ():
        if name in ("key", "requires", "provides") and isinstance(each.value, StringValueNode):
            arguments[each.name.value] = _field_set(each.value.value)
        if name == "link" and isinstance(each.value, ListValueNode):
            arguments[each.name.value] = f"[{', '.join(sorted(map(_value, each.value.values)))}]"
    return dict(sorted(arguments.items()))


def _field_set(text: str) -> str:
    """A field set in one spelling: neither order nor white space mean anything."""
    try:
        return f'"{_selections(selections_of(text).selections)}"'
    except FieldSetError:
        return _value(StringValueNode(value=text))


def _selections(nodes: Sequence[Any]) -> str:
    printed = []
    for node in nodes:
        nested = getattr(node, "selection_set", None)
        head = print_ast(replace(node, selection_set=None)) if nested else print_ast(node)
        tail = f" {{ {_selections(nested.selections)} }}" if nested else ""
        printed.append(f"{head}{tail}")
    return " ".join(sorted(printed))


def _value(node: ValueNode) -> str:
    """A value in one spelling: the fields of an object have no order."""
    if isinstance(node, ObjectValueNode):
        fields = sorted(f"{each.name.value}: {_value(each.value)}" for each in node.fields)
        return f"{{{', '.join(fields)}}}"
    if isinstance(node, ListValueNode):
        return f"[{', '.join(map(_value, node.values))}]"
    if isinstance(node, StringValueNode):
        return print_ast(StringValueNode(value=node.value))
    return print_ast(node)


def _printed(name: str, arguments: Mapping[str, str]) -> str:
    """A use as it is written."""
    if not arguments:
        return f"@{name}"
    return f"@{name}({', '.join(f'{key}: {value}' for key, value in arguments.items())})"
