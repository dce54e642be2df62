"""The table of authorization, held against the schema: whether it is whole, and how it reads."""

from collections.abc import Iterator
from itertools import groupby

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    is_non_null_type,
)

from resolvers.authorization import Authorization, Rule, ViewerKind, is_root

EACH_KIND = "| field | " + " | ".join(ViewerKind) + " | personal data | users choose |"


class AuthorizationError(TypeError):
    """The table and the schema do not fit; one line for each field that does not."""


def check_authorization(schema: GraphQLSchema, authorization: Authorization) -> None:
    """Insists on a rule for every field, and a field for every rule. Raises: AuthorizationError."""
    problems = list(_problems(schema, authorization))
    if problems:
        raise AuthorizationError("\n".join(problems))


def authorization_page(authorization: Authorization) -> str:
    """The table as Markdown, a section for each type."""
    lines = []
    for type_, fields in groupby(authorization.rules, key=_type_of):
        lines += [f"## {type_}", "", EACH_KIND, "|---" * (len(ViewerKind) + 3) + "|"]
        for field in fields:
            rule = authorization.rules[field]
            cells = [_cell(rule, kind) for kind in ViewerKind]
            cells += ["yes" if rule.personal else "", f"`{rule.choice}`" if rule.choice else ""]
            lines.append(f"| `{field.partition('.')[2]}` | {' | '.join(cells)} |")
        lines.append("")
    names = ", ".join(f"`{name}`" for name in sorted(authorization.follow_their_parent))
    lines += ["## As the field that leads to them", "", f"{names}."]
    return "\n".join(lines) + "\n"


def _problems(schema: GraphQLSchema, authorization: Authorization) -> Iterator[str]:
    fields = dict(_fields(schema))
    for field, definition in fields.items():
        has_rule = field in authorization.rules
        if has_rule is (_type_of(field) in authorization.follow_their_parent):
            yield f"{field}: expected one rule, for the field or for its type"
        elif has_rule and not is_root(field):
            yield from _problems_of(field, definition, authorization)
    for field in sorted(authorization.rules.keys() - fields.keys()):
        yield f"{field}: there is no such field"
    for name in sorted(authorization.follow_their_parent - set(map(_type_of, fields))):
        yield f"{name}: there is no such type"


def _problems_of(
    field: str, definition: GraphQLField, authorization: Authorization
) -> Iterator[str]:
    """What cannot be enforced: to show something to the blocked, or to hide what is never null."""
    rule = authorization.rules[field]
    if ViewerKind.BLOCKED in rule.kinds:
        yield f"{field}: who is blocked does not see that the user is there"
    siblings = (other for name, other in authorization.rules.items() if _same_type(name, field))
    kinds = frozenset().union(*(other.kinds for other in siblings)) - {ViewerKind.BLOCKED}
    if is_non_null_type(definition.type) and (rule.scopes or not kinds <= rule.kinds):
        yield f"{field}: it cannot be null, so that it cannot be hidden from anybody"


def _fields(schema: GraphQLSchema) -> Iterator[tuple[str, GraphQLField]]:
    for name, type_ in schema.type_map.items():
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType) and name[:2] != "__":
            for field, definition in type_.fields.items():
                yield f"{name}.{field}", definition


def _type_of(field: str) -> str:
    return field.partition(".")[0]


def _same_type(one: str, other: str) -> bool:
    return _type_of(one) == _type_of(other)


def _cell(rule: Rule, kind: ViewerKind) -> str:
    if kind not in rule.kinds:
        return ""
    return f"with `{rule.scopes[kind]}`" if kind in rule.scopes else "yes"
