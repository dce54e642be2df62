"""Schemas made from a description with Strawberry: a module is written, and executed."""

import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, NewType

import strawberry
from graphql import Undefined, assert_valid_schema, parse_value, value_from_ast_untyped
from graphql.language import EnumValueNode, ListValueNode, ObjectValueNode, ValueNode
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from tests.execution.descriptions import (
    Argument,
    Composite,
    Description,
    Field,
    Input,
)
from tests.execution.dice import Dice
from tests.execution.flavours import Flavoured, anything, moment, odd
from tests.execution.worlds import Thing, World, at_of

PYTHON = {
    "ID": "strawberry.ID",
    "String": "str",
    "Int": "int",
    "Float": "float",
    "Boolean": "bool",
    "DateTime": "datetime",
    "Date": "date",
    "UUID": "UUID",
    "Decimal": "Decimal",
}
HEAD = """\
from collections.abc import AsyncGenerator
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Union
from uuid import UUID
import strawberry
"""


class Allowed(BasePermission):
    """Lets most viewers through."""

    message = "not allowed"
    error_extensions = {"code": "NOT_ALLOWED"}

    def has_permission(self, source: Any, info: strawberry.Info, **_arguments: Any) -> bool:
        at = at_of(source)
        return at is None or not Dice(at.seed, info.field_name, "allowed").chance(0.2)


class AllowedLater(BasePermission):
    """Lets most viewers through, after a while."""

    message = "not allowed yet"

    async def has_permission(self, source: Any, info: strawberry.Info, **_arguments: Any) -> bool:
        at = at_of(source)
        return at is None or not Dice(at.seed, info.field_name, "later").chance(0.2)


class Louder(FieldExtension):
    """Adds to strings."""

    def resolve(self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any) -> Any:
        value = next_(source, info, **kwargs)
        return value + "!" if isinstance(value, str) else value

    async def resolve_async(
        self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any
    ) -> Any:
        value = await next_(source, info, **kwargs)
        return value + "!" if isinstance(value, str) else value


def strawberry_schema(description: Description, dice: Dice) -> Flavoured:
    """The described schema, made by Strawberry."""
    mode = dice.pick(("objects", "objects", "documents"))
    text = "\n".join(_Writer(description, mode, dice).lines())
    module = ModuleType(f"schema_{dice.below(1 << 30)}")
    scalars = {name: NewType(name, object) for name in ("Moment", "Odd", "Any_")}
    module.__dict__.update(
        scalars, Thing=Thing, Allowed=Allowed, AllowedLater=AllowedLater, Louder=Louder,
        answer=_answerer(description), informed=informed, events=events, is_of=is_of,
        type_of=type_of,
    )  # fmt: skip
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, f"<{module.__name__}>", "exec"), module.__dict__)
        schema = _schema(description, module, mode, scalars)
    except Exception as error:
        raise RuntimeError(f"{error!r} in\n{text}") from None  # its class may be of the module
    finally:
        del sys.modules[module.__name__]
    assert_valid_schema(schema)
    classes = {name: getattr(module, name) for name in description.objects}
    enums = {
        name: [*getattr(module, name), *(one.value for one in getattr(module, name))]
        for name in description.enums
    }
    return Flavoured(
        description, schema, classes, enums, mode, StrawberryGraphQLCoreExecutionContext
    )


def _schema(
    description: Description, module: ModuleType, mode: str, scalars: Mapping[str, Any]
) -> Any:
    functions = {"Moment": moment, "Odd": odd, "Any_": anything}
    scalar_map = {
        type_: strawberry.scalar(
            name=name.strip("_"), serialize=functions[name], parse_value=anything
        )
        for name, type_ in scalars.items()
    }
    config = StrawberryConfig(auto_camel_case=False, scalar_map=scalar_map)
    if mode == "documents":
        config = StrawberryConfig(
            auto_camel_case=False, scalar_map=scalar_map, default_resolver=member
        )
    made = strawberry.Schema(
        query=module.Query,
        mutation=getattr(module, "Mutation", None),
        subscription=getattr(module, "Subscription", None),
        types=[getattr(module, name) for name in description.objects],
        config=config,
    )
    return made._schema


def member(source: Any, name: str) -> Any:
    """A field of a document, or an attribute."""
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name)


def _answerer(description: Description) -> Callable[..., Any]:
    def answer(type_: str, name: str, source: Any, arguments: dict[str, Any], *more: Any) -> Any:
        at = at_of(source)
        if at is None:
            return None
        one = description.objects[at.type].fields.get(name)
        if one is None:
            return None
        return at.world.resolve(at.type, one, source, arguments, *more)

    return answer


def informed(info: strawberry.Info) -> tuple[Any, ...]:
    """All that Strawberry's info tells a resolver, as plain values."""
    assert isinstance(info.context, World)
    return (
        info.field_name,
        info.python_name,
        info.path.as_list(),
        str(info.path.typename),
        [getattr(selected, "name", None) for selected in info.selected_fields],
        info.operation.loc.start if info.operation.loc else None,
        sorted(info.variable_values),
        str(info.return_type),
        at_of(info.root_value) is None,
        type(info.schema).__name__,
    )


async def events(root: Any, info: strawberry.Info, arguments: dict[str, Any]) -> Any:
    """Two events for a subscription."""
    at = at_of(root)
    assert at is not None
    one = at.world.described("Subscription", info.field_name)
    for number in range(2):
        yield at.world.resolve("Subscription", one, root, arguments, number)


def is_of(value: Any, name: str) -> bool:
    """What a type's own `is_type_of` says."""
    at = at_of(value)
    return at is not None and at.world.is_of(value, name)


def type_of(value: Any, info: Any) -> Any:
    """What an interface's own `resolve_type` says."""
    at = at_of(value)
    return None if at is None else at.world.type_of(value)


class _Writer:
    def __init__(self, description: Description, mode: str, dice: Dice) -> None:
        self._description = description
        self._mode = mode
        self._dice = dice

    def lines(self) -> Iterator[str]:
        yield HEAD
        for name, values in self._description.enums.items():
            yield f"@strawberry.enum\nclass {name}(Enum):"
            for key, value in values.items():
                yield f"    {key} = {value}"
        for input_ in self._description.inputs.values():
            yield from self._input(input_)
        for type_ in self._description.interfaces.values():
            yield from self._type(type_, "interface")
        for type_ in self._description.objects.values():
            yield from self._type(type_, "type")
        for name, members in self._description.unions.items():
            union = f"Union[{', '.join(members)}]"
            yield f"{name} = Annotated[{union}, strawberry.union({name!r})]"

    def _input(self, input_: Input) -> Iterator[str]:
        mark = "one_of=True" if input_.is_one_of else ""
        yield f"@strawberry.input({mark})\nclass {input_.name}:"
        for one in input_.fields:
            default = self._default(one)
            if default and default not in ("None", "strawberry.UNSET"):
                default = f"strawberry.field(default_factory=lambda: {default})"
            yield f"    {one.name}: {self._python(one.type)!r}" + (
                f" = {default}" if default else ""
            )

    def _type(self, type_: Composite, kind: str) -> Iterator[str]:
        for one in type_.fields.values():
            if one.how != "plain" or type_.name == "Subscription":
                yield from self._resolver(type_, one)
        above = [self._description.interfaces[name] for name in type_.interfaces]
        bases = [
            one.name
            for one in sorted(above, key=lambda one: -len(one.interfaces))
            if not any(one.name in other.interfaces for other in above)
        ]
        yield f"@strawberry.{kind}\nclass {type_.name}({', '.join(bases)}):"
        yield "    __getattr__ = Thing.__getattr__\n    __repr__ = Thing.__repr__"
        for one in type_.fields.values():
            if one.how == "plain" and type_.name != "Subscription":
                yield f"    {one.name}: {self._python(one.type)!r}"
            else:
                yield f"    {one.name} = {self._field(type_, one)}"
        is_checked = self._mode == "documents" or type_.told.endswith("is_type_of")
        if is_checked and kind == "type" and type_.name.startswith("T"):
            yield "    @classmethod\n    def is_type_of(cls, value, info):"
            yield f"        return is_of(value, {type_.name!r})"
        if kind == "interface" and self._description.told[type_.name].endswith("resolve_type"):
            yield "    @classmethod\n    def resolve_type(cls, value, info, _type):"
            yield "        return type_of(value, info)"

    def _field(self, type_: Composite, one: Field) -> str:
        resolver = f"_{type_.name}_{one.name}"
        if type_.name == "Subscription":
            return f"strawberry.subscription(resolver={resolver})"
        words = [f"resolver={resolver}"]
        if one.guarded:
            later = one.how in ("async", "coroutine") and self._dice.chance(0.5)
            words.append(f"permission_classes=[{'AllowedLater' if later else 'Allowed'}]")
        if one.extended:
            words.append("extensions=[Louder()]")
        return f"strawberry.field({', '.join(words)})"

    def _resolver(self, type_: Composite, one: Field) -> Iterator[str]:
        name = f"_{type_.name}_{one.name}"
        parent = "self" if one.how == "callable" else "root: strawberry.Parent[Any]"
        source = "self" if one.how == "callable" else "root"
        arguments = ", ".join(f"{a.name!r}: {a.name}" for a in one.arguments)
        call = f"answer({type_.name!r}, {one.name!r}, {source}, {{{arguments}}}"
        signature = [parent]
        if one.how in ("info", "async"):
            signature.append("info: strawberry.Info")
        parameters = [self._parameter(argument) for argument in one.arguments]
        if parameters:
            signature += ["*", *parameters]
        if type_.name == "Subscription":
            signature = [
                "root: Any",
                "info: strawberry.Info",
                *(["*", *parameters] if parameters else ()),
            ]
            stream = f"AsyncGenerator[{self._python(one.type)}, None]"
            yield f"async def {name}({', '.join(signature)}) -> {stream!r}:"
            yield f"    async for event in events(root, info, {{{arguments}}}):"
            yield "        yield event"
            return
        begin = "async def" if one.how in ("async", "coroutine") else "def"
        yield f"{begin} {name}({', '.join(signature)}) -> {self._python(one.type)!r}:"
        if one.how == "future":
            yield "    at = root['_at'] if isinstance(root, dict) else getattr(root, '_at', None)"
            yield "    if at is None:\n        return None"
            yield f"    return at.world.future(lambda: {call}), {len(one.arguments)})"
        else:
            yield f"    return {call}{', *informed(info)' if one.how == 'info' else ''})"

    def _parameter(self, one: Argument) -> str:
        default = self._default(one)
        return f"{one.name}: {self._python(one.type)!r}" + (f" = {default}" if default else "")

    def _default(self, one: Argument) -> str:
        if one.default is not None:
            return self._value(one.type, parse_value(one.default))
        return "" if one.type.endswith("!") else "strawberry.UNSET"

    def _value(self, type_: str, node: ValueNode) -> str:
        """A literal of GraphQL as Python writes the value."""
        bare = type_.removesuffix("!")
        if bare.startswith("[") and node.kind != "null_value":
            nodes = node.values if isinstance(node, ListValueNode) else (node,)
            return f"[{', '.join(self._value(bare[1:-1], one) for one in nodes)}]"
        if bare in self._description.inputs and isinstance(node, ObjectValueNode):
            types = {one.name: one.type for one in self._description.inputs[bare].fields}
            given = (
                f"{one.name.value}={self._value(types[one.name.value], one.value)}"
                for one in node.fields
            )
            return f"{bare}({', '.join(given)})"
        if isinstance(node, EnumValueNode):
            return f"{bare}.{node.value}"
        value = value_from_ast_untyped(node)
        assert value is not Undefined
        return repr(str(value)) if bare == "ID" and value is not None else repr(value)

    def _python(self, type_: str) -> str:
        """A GraphQL type as Python writes it."""
        if not type_.endswith("!"):
            return f"{self._python(type_ + '!')} | None"
        bare = type_[:-1]
        if bare.startswith("["):
            return f"list[{self._python(bare[1:-1])}]"
        return PYTHON.get(bare) or {"Any": "Any_"}.get(bare, bare)
