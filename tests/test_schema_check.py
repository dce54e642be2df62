"""`usergraph schema check`: every change once, with whom it hurts, and no trace for odd input."""

import asyncio
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DirectiveDefinitionNode,
    DocumentNode,
    GraphQLSchema,
    build_ast_schema,
    find_breaking_changes,
    parse,
    print_ast,
)
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from typer.testing import CliRunner, Result

from schema import harm
from schema.check import Change, compare
from schema.elements import UnreadableSDL, elements_in, elements_of
from schema.roots import build_schema
from schema.sdl import Profile
from server.cli import app
from server.settings import Settings
from store.store import Store
from tests.listening import listening
from tests.running import environment, usergraph
from tests.subgraph import Clock, Subgraph

pytestmark = pytest.mark.one_driver

PUBLISHED = (Path(__file__).parent.parent / "schema" / "schema.graphql").read_text()
PAGE = (Path(__file__).parent.parent / "docs" / "schema-changes.md").read_text()
LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", import: ["@key"])'
REFUSED = "Clients that ask for it are refused."
NOBODY = "Hurts nobody."


def changes(published: str, current: str) -> list[tuple[str, str, str]]:
    """Severity, coordinate and both sentences of each change."""
    found = compare(elements_of(published), elements_of(current))
    return [(str(each.severity), each.coordinate, f"{each.what} {each.hurts}") for each in found]


@pytest.mark.parametrize(
    ("published", "current", "severity", "coordinate", "sentences"),
    [
        # Keys
        (
            'type A @key(fields: "id") @key(fields: "name") { id: ID! name: String }',
            'type A @key(fields: "id") { id: ID! name: String }',
            "breaking",
            "A",
            '@key(fields: "name") was removed. '
            "Subgraphs that refer to the type by this key no longer compose.",
        ),
        (
            "type A { id: ID! }",
            'type A @key(fields: "id") { id: ID! }',
            "safe",
            "A",
            '@key(fields: "id") was added. Hurts nobody: the gateway has one way more.',
        ),
        (
            'type A @key(fields: "id") { id: ID! b: ID! }',
            'type A @key(fields: "id b") { id: ID! b: ID! }',
            "breaking",
            "A",
            '@key(fields: "id") changed to @key(fields: "b id"). '
            "Subgraphs that refer to the type by this key no longer compose.",
        ),
        (
            'type A @key(fields: "id") { id: ID! }',
            'type A @key(fields: "id", resolvable: false) { id: ID! }',
            "breaking",
            "A",
            '@key(fields: "id") changed to @key(fields: "id", resolvable: false). '
            "Subgraphs that refer to the type by this key no longer compose.",
        ),
        (
            'type A @key(fields: "id", resolvable: false) { id: ID! }',
            'type A @key(fields: "id") { id: ID! }',
            "safe",
            "A",
            '@key(fields: "id", resolvable: false) changed to @key(fields: "id"). '
            "Hurts nobody: the gateway has one way more.",
        ),
        (
            'type A @key(fields: "id", resolvable: false) { id: ID! }',
            "type A { id: ID! }",
            "breaking",
            "A",
            '@key(fields: "id", resolvable: false) was removed. '
            "Clients lose what the gateway fetched elsewhere by this key.",
        ),
        # Fields
        (
            "type A { a: Int b: Int }",
            "type A { a: Int }",
            "breaking",
            "A.b",
            f"The field was removed. {REFUSED}",
        ),
        (
            "type A { a: Int b(x: Int = 1): Int @deprecated }",
            "type A { a: Int }",
            "breaking",
            "A.b",
            f"The field was removed. {REFUSED}",
        ),
        (
            "type A { a: Int b: Int @inaccessible }",
            "type A { a: Int }",
            "dangerous",
            "A.b",
            "The field was removed. "
            "Clients never saw it; subgraphs that require it no longer compose.",
        ),
        (
            "type A { a: Int b: Int @external }",
            "type A { a: Int }",
            "safe",
            "A.b",
            "The field was removed. Hurts nobody: another subgraph resolves it.",
        ),
        (
            "type A { a: Int }",
            "type A { a: Int b: Int! }",
            "safe",
            "A.b",
            "The field was added. "
            "Hurts nobody, unless another subgraph resolves it without @shareable.",
        ),
        (
            "type A @shareable { a: Int }",
            "type A @shareable { a: Int b: Int }",
            "dangerous",
            "A.b",
            "The field was added. Subgraphs that resolve the type no longer compose "
            "until they resolve the field too.",
        ),
        (
            "interface A { a: Int }",
            "interface A { a: Int b: Int }",
            "dangerous",
            "A.b",
            "The field was added. Subgraphs with types of the interface no longer compose "
            "until those have the field.",
        ),
        (
            "type A { a: Int! }",
            "type A { a: Int }",
            "breaking",
            "A.a",
            "Its type changed from Int! to Int. Clients that rely on a value may get null.",
        ),
        (
            "type A { a: [Int!]! }",
            "type A { a: [Int]! }",
            "breaking",
            "A.a",
            "Its type changed from [Int!]! to [Int]!. Clients that rely on a value may get null.",
        ),
        (
            "type A { a: [Int] }",
            "type A { a: [Int!]! }",
            "safe",
            "A.a",
            "Its type changed from [Int] to [Int!]!. Hurts nobody: the promise is stronger.",
        ),
        (
            "type A { a: Int }",
            "type A { a: [Int!]! }",
            "breaking",
            "A.a",
            "Its type changed from Int to [Int!]!. "
            "Clients that read or select it as the old type fail.",
        ),
        # Arguments and input fields
        (
            "type A { a(x: Int, y: Int): Int }",
            "type A { a(x: Int): Int }",
            "breaking",
            "A.a(y:)",
            "The argument was removed. Clients that give it are refused.",
        ),
        (
            "type A { a: Int }",
            "type A { a(x: Int!): Int }",
            "breaking",
            "A.a(x:)",
            "The argument was added and is required. Clients that do not give it are refused.",
        ),
        (
            "type A { a: Int }",
            "type A { a(x: Int! = 1): Int }",
            "safe",
            "A.a(x:)",
            f"The argument was added. {NOBODY}",
        ),
        (
            "interface A { a: Int }",
            "interface A { a(x: Int): Int }",
            "dangerous",
            "A.a(x:)",
            "The argument was added. Subgraphs with types of the interface no longer compose "
            "until those take the argument.",
        ),
        (
            "type A { a(x: Int = 1): Int }",
            "type A { a(x: Int = 2): Int }",
            "dangerous",
            "A.a(x:)",
            "Its default changed from 1 to 2. Clients that leave it out get another behaviour.",
        ),
        (
            "type A { a(x: Int! = 1): Int }",
            "type A { a(x: Int!): Int }",
            "breaking",
            "A.a(x:)",
            "Its default changed from 1 to none. Clients that do not give it are refused.",
        ),
        (
            "input A { a: Int! }",
            "input A { a: Int! = 1 }",
            "safe",
            "A.a",
            "Its default changed from none to 1. Hurts nobody: it need not be given any more.",
        ),
        (
            "input A { a: Int b: Int }",
            "input A { a: Int }",
            "breaking",
            "A.b",
            "The input field was removed. Clients that give it are refused.",
        ),
        (
            "input A { a: Int }",
            "input A { a: Int b: Int! }",
            "breaking",
            "A.b",
            "The input field was added and is required. Clients that do not give it are refused.",
        ),
        (
            "input A { a: Int }",
            "input A { a: Int b: Int }",
            "safe",
            "A.b",
            f"The input field was added. {NOBODY}",
        ),
        (
            "input A { a: Int }",
            "input A { a: Int! }",
            "breaking",
            "A.a",
            "Its type changed from Int to Int!. "
            "Clients that leave it out, send null or have nullable variables fail.",
        ),
        (
            "input A { a: [Int!]! }",
            "input A { a: [Int] }",
            "safe",
            "A.a",
            "Its type changed from [Int!]! to [Int]. Hurts nobody: what was accepted still is.",
        ),
        (
            "input A { a: Int }",
            "input A { a: [Int] }",
            "breaking",
            "A.a",
            "Its type changed from Int to [Int]. Clients that send the old type are refused.",
        ),
        (
            "input A { a: Int }",
            "input A @oneOf { a: Int }",
            "breaking",
            "A",
            "@oneOf was added. Clients that give none or several of the fields are refused.",
        ),
        (
            "input A @oneOf { a: Int }",
            "input A { a: Int }",
            "safe",
            "A",
            "@oneOf was removed. Hurts nobody: what was accepted still is.",
        ),
        # Enums, unions, interfaces
        (
            "enum E { A B } type T { e: E }",
            "enum E { A } type T { e: E }",
            "breaking",
            "E.B",
            "The enum value was removed. Clients whose code names it no longer build or miss it.",
        ),
        (
            "enum E { A B } input T { e: E }",
            "enum E { A } input T { e: E }",
            "breaking",
            "E.B",
            "The enum value was removed. Clients that send it are refused.",
        ),
        (
            "enum E { A } type T { e: [E!]! }",
            "enum E { A B } type T { e: [E!]! }",
            "dangerous",
            "E.B",
            "The enum value was added. Clients that do not expect another value may fail on it.",
        ),
        (
            "enum E { A } type T { e(x: E): Int }",
            "enum E { A B } type T { e(x: E): Int }",
            "safe",
            "E.B",
            f"The enum value was added. {NOBODY}",
        ),
        (
            "enum E { A } type T { e(x: E): E }",
            "enum E { A B } type T { e(x: E): E }",
            "dangerous",
            "E.B",
            "The enum value was added. Clients may fail on another value; "
            "subgraphs with the enum must have it at once to compose.",
        ),
        (
            "union U = A | B type A { a: Int } type B { a: Int }",
            "union U = A type A { a: Int } type B { a: Int }",
            "breaking",
            "U",
            "The member B was removed. Clients with a fragment on the member are refused.",
        ),
        (
            "union U = A type A { a: Int } type B { a: Int }",
            "union U = A | B type A { a: Int } type B { a: Int }",
            "dangerous",
            "U",
            "The member B was added. Clients without a fragment on it get an object "
            "without fields.",
        ),
        (
            "interface I { a: Int } type A implements I { a: Int }",
            "interface I { a: Int } type A { a: Int }",
            "breaking",
            "A",
            "The implemented interface I was removed. "
            "Clients that reach it through the interface are refused.",
        ),
        (
            "interface I { a: Int } type A { a: Int }",
            "interface I { a: Int } type A implements I { a: Int }",
            "dangerous",
            "A",
            "The implemented interface I was added. "
            "Clients that ask through the interface get one type more.",
        ),
        # Types, roots, directives
        (
            "type A { a: Int } type B { a: Int @shareable }",
            "type A { a: Int }",
            "breaking",
            "B",
            "The type was removed. "
            "Clients that ask for it are refused; subgraphs lose what it resolved.",
        ),
        (
            "type A { a: Int }",
            "type A { a: Int } type B { a: Int }",
            "safe",
            "B",
            f"The type was added. {NOBODY}",
        ),
        (
            "scalar A",
            "enum A { B C }",
            "breaking",
            "A",
            "It changed from scalar to enum. "
            "Clients and subgraphs that use it as what it was are refused.",
        ),
        (
            "type Query { a: Int } type Mutation { a: Int }",
            "type Query { a: Int }",
            "breaking",
            "Mutation",
            "The type was removed. "
            "Clients that ask for it are refused; subgraphs lose what it resolved.",
        ),
        (
            "schema { query: Q mutation: M } type Q { a: Int } type M { a: Int }",
            "schema { query: Q } type Q { a: Int } type M { a: Int }",
            "breaking",
            "M",
            "Its place as the root of every mutation was removed. "
            "Clients can no longer start an operation there.",
        ),
        (
            "type A { a: Int } directive @live on QUERY",
            "type A { a: Int }",
            "breaking",
            "@live",
            "The directive was removed. Clients that use it in operations are refused.",
        ),
        (
            "directive @live(a: Int) on QUERY",
            "directive @live on QUERY",
            "breaking",
            "@live(a:)",
            "The argument was removed. Clients that give it are refused.",
        ),
        (
            "directive @live repeatable on QUERY",
            "directive @live on QUERY",
            "breaking",
            "@live",
            "The word repeatable was removed. Clients that use the directive so are refused.",
        ),
        (
            "directive @mine(a: Int) on OBJECT",
            "directive @mine(a: Int!) on OBJECT",
            "safe",
            "@mine(a:)",
            "Its type changed from Int to Int!. Hurts nobody: operations cannot use the directive.",
        ),
        (
            "scalar A",
            'scalar A @mine(a: "b")',
            "dangerous",
            "A",
            '@mine(a: "b") was added. '
            "Whoever acts on the directive may act otherwise; it is not known here.",
        ),
        (
            "type A { a: Int }",
            '"What it is." type A { a: Int }',
            "safe",
            "A",
            f"Its description changed. {NOBODY}",
        ),
        # Federation directives
        (
            "type A { a: Int @shareable }",
            "type A { a: Int }",
            "breaking",
            "A.a",
            "@shareable was removed. Subgraphs that resolve it too no longer compose.",
        ),
        (
            "type A { a: Int }",
            "type A { a: Int @shareable }",
            "safe",
            "A.a",
            "@shareable was added. Hurts nobody: other subgraphs may resolve it too.",
        ),
        (
            'type A @key(fields: "id") { id: ID! @shareable }',
            'type A @key(fields: "id") { id: ID! }',
            "safe",
            "A.id",
            "@shareable was removed. Hurts nobody: it is shareable all the same.",
        ),
        (
            "type A { a: Int }",
            "type A { a: Int @inaccessible }",
            "breaking",
            "A.a",
            "@inaccessible was added. Clients that use it through the gateway are refused.",
        ),
        (
            "type A { a: Int @inaccessible }",
            "type A { a: Int }",
            "safe",
            "A.a",
            "@inaccessible was removed. Hurts nobody: clients of the gateway see it from now on.",
        ),
        (
            "type A { a: Int }",
            "type A { a: Int @external }",
            "breaking",
            "A.a",
            "@external was added. Clients lose the field, unless another subgraph resolves it.",
        ),
        (
            'type A { a: Int @external b: Int @requires(fields: "a") }',
            'type A { a: Int @external b: Int @requires(fields: "a c") }',
            "dangerous",
            "A.b",
            '@requires(fields: "a") changed to @requires(fields: "a c"). '
            "The gateway must fetch other fields first; some plans may be impossible.",
        ),
        (
            'type A { b: A @provides(fields: "a") }',
            "type A { b: A }",
            "dangerous",
            "A.b",
            '@provides(fields: "a") was removed. '
            "The gateway plans otherwise; fields may not be reachable on this path.",
        ),
        (
            "type A { a: Int }",
            'type A { a: Int @override(from: "b") }',
            "dangerous",
            "A.a",
            '@override(from: "b") was added. '
            "The gateway asks another subgraph for the field from now on.",
        ),
        (
            'type A @tag(name: "x") @tag(name: "y") { a: Int }',
            'type A @tag(name: "x") { a: Int }',
            "dangerous",
            "A",
            '@tag(name: "y") was removed. '
            "Clients of contracts that include or exclude the tag see another schema.",
        ),
        (
            'type A @key(fields: "id") { id: ID! }',
            'type A @key(fields: "id") @interfaceObject { id: ID! }',
            "breaking",
            "A",
            "@interfaceObject was added. "
            "Subgraphs with the interface or its types no longer compose.",
        ),
        (
            "type A { a: Int }",
            "type A { a: Int @authenticated }",
            "breaking",
            "A.a",
            "@authenticated was added. Clients that do not satisfy it are refused by the router.",
        ),
        (
            'type A { a: Int @requiresScopes(scopes: [["a"]]) }',
            'type A { a: Int @requiresScopes(scopes: [["a", "b"]]) }',
            "breaking",
            "A.a",
            '@requiresScopes(scopes: [["a"]]) changed to @requiresScopes(scopes: [["a", "b"]]). '
            "Clients that do not satisfy it are refused by the router.",
        ),
        (
            'type A { a: Int @policy(policies: [["a", "b"]]) }',
            'type A { a: Int @policy(policies: [["c"], ["a"]]) }',
            "dangerous",
            "A.a",
            '@policy(policies: [["a", "b"]]) changed to @policy(policies: [["c"], ["a"]]). '
            "Clients that the router refused get the data, unless it is refused here.",
        ),
        (
            "type A { a: Int }",
            'type A { a: Int @deprecated(reason: "b") }',
            "safe",
            "A.a",
            '@deprecated(reason: "b") was added. Hurts nobody yet: clients are told to leave it.',
        ),
        (
            LINK,
            LINK.replace("v2.7", "v2.9"),
            "dangerous",
            "schema",
            "@link to https://specs.apollo.dev/federation changed from v2.7 to v2.9. "
            "Composition and gateways that do not know the version refuse the subgraph.",
        ),
        (
            LINK,
            LINK.replace('"@key"', '"@key", "@tag"'),
            "safe",
            "schema",
            "@link to https://specs.apollo.dev/federation has other arguments. "
            "Hurts nobody: only the uses of directives matter.",
        ),
    ],
)
def test_a_change_is_told_once_with_whom_it_hurts(
    published: str, current: str, severity: str, coordinate: str, sentences: str
) -> None:
    rest = " scalar Other"
    assert changes(published + rest, current + rest) == [(severity, coordinate, sentences)]


@pytest.mark.parametrize(
    ("published", "current"),
    [
        (PUBLISHED, PUBLISHED.replace("\n", "\r\n")),
        (PUBLISHED, "\ufeff" + PUBLISHED),
        (PUBLISHED, "directive @key(fields: federation__FieldSet!) on OBJECT " + PUBLISHED),
        (PUBLISHED, PUBLISHED.replace('@key(fields: "id")', '@key(fields: " id ")')),
        (PUBLISHED, PUBLISHED.replace('"id")', '"id", resolvable: true)')),
        ("type A { a: Int b: Int }", "type A { b: Int } extend type A { a: Int }"),
        ("type A { a(x: I = {a: 1, b: 2}): Int }", "type A { a(x: I = {b: 2, a: 1}): Int }"),
        (
            "type A { a: Int @deprecated }",
            'type A { a: Int @deprecated(reason: "No longer supported") }',
        ),
        ('type A @key(fields: "a { c b }") { a: B }', 'type A @key(fields: "a { b c }") { a: B }'),
        (
            "scalar A",
            "scalar A scalar _Any union _Entity = A type _Service { sdl: String } "
            "type Query { _service: _Service! _entities(representations: [_Any!]!): [_Entity]! }",
        ),
        ("type Query { a: Int }", "schema { query: Query } type Query { a: Int }"),
        (
            'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7") '
            'type A @federation__key(fields: "a") { a: Int @federation__shareable }',
            'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7") '
            'type A @key(fields: "a") { a: Int @shareable }',
        ),
    ],
)
def test_another_spelling_is_no_change(published: str, current: str) -> None:
    assert published != current
    assert changes(published, current) == []


def test_imported_names_are_turned_back() -> None:
    imports = 'import: [{name: "@key", as: "@entity"}, {name: "@tag", as: "@mark"}]'
    link = f'extend schema @link(url: "https://specs.apollo.dev/federation/v2.7", {imports})'
    published = f'{link} type A @entity(fields: "a") @mark(name: "x") {{ a: Int }}'
    assert changes(published, published.replace('@entity(fields: "a")', "")) == [
        (
            "breaking",
            "A",
            '@key(fields: "a") was removed. '
            "Subgraphs that refer to the type by this key no longer compose.",
        )
    ]


def test_shareable_may_move_from_a_type_to_each_field() -> None:
    moved = changes(
        "type A @shareable { a: Int b: Int }", "type A { a: Int @shareable b: Int @shareable }"
    )
    assert [severity for severity, *_ in moved] == ["safe"] * 3
    lost = changes("type A @shareable { a: Int b: Int }", "type A { a: Int @shareable b: Int }")
    assert [(severity, coordinate) for severity, coordinate, _ in lost] == [
        ("breaking", "A"),
        ("safe", "A.a"),
    ]


@pytest.mark.parametrize("profile", Profile)
def test_the_schema_against_itself_is_no_change(profile: Profile) -> None:
    sdl = build_schema(profile).sdl
    assert changes(sdl, sdl) == []


@pytest.mark.parametrize(
    ("before", "after", "severity", "coordinate"),
    [
        (' @key(fields: "handle")', "", "breaking", "User"),
        ("  followerCount: Int ", "  followers2: Int ", "breaking", "User.followerCount"),
        ("  status: AccountStatus!", "  status: AccountStatus", "breaking", "User.status"),
        (
            '  """Merged into another account."""\n  MERGED\n',
            "",
            "breaking",
            "AccountStatus.MERGED",
        ),
        (
            "  profileColor: String @shareable",
            "  profileColor: String",
            "breaking",
            "User.profileColor",
        ),
        ("type PageInfo @shareable", "type PageInfo", "breaking", "PageInfo"),
        (
            "size: ImageSize! = MEDIUM",
            "size: ImageSize! = LARGE",
            "dangerous",
            "User.avatar(size:)",
        ),
        ("input UserBy @oneOf", "input UserBy", "safe", "UserBy"),
        ("federation/v2.7", "federation/v2.11", "dangerous", "schema"),
    ],
)
def test_one_edit_of_our_schema_is_one_change(
    before: str, after: str, severity: str, coordinate: str
) -> None:
    assert PUBLISHED.count(before) == 1
    found = changes(PUBLISHED, PUBLISHED.replace(before, after))
    if "followers2" in after:
        assert found.pop()[:2] == ("safe", "User.followers2")
    assert [each[:2] for each in found] == [(severity, coordinate)]


def without_each_part(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every part of a document with the document, or the node, that lacks it."""
    for name in ("definitions", "fields", "arguments", "values", "directives", "interfaces"):
        parts = getattr(node, name, None) or ()
        if node.kind in ("directive", "directive_definition"):
            return
        for index, part in enumerate(parts):
            others = (*parts[:index], *parts[index + 1 :])
            yield part, replace(node, **{name: others})
            for inner, smaller in without_each_part(part):
                mutated = (*parts[:index], smaller, *parts[index + 1 :])
                yield inner, replace(node, **{name: mutated})


def test_nothing_can_be_removed_unseen() -> None:
    sdl = build_schema(Profile.ROUTER).sdl  # it has all that the other one has
    published = elements_of(sdl)
    harmless = {
        "@oneOf was removed. Hurts nobody: what was accepted still is.",
        "@deprecated was removed. Hurts nobody.",
    }
    count = 0
    for part, document in without_each_part(parse(sdl, no_location=True)):
        if isinstance(part, DirectiveDefinitionNode):
            continue  # every gateway knows it
        if part.kind == "schema_definition":
            continue  # the roots have their usual names; its @link is a part of its own
        found = compare(published, elements_in(document))
        what = print_ast(part)[:80]
        assert len(found) == 1, what
        is_harmful = found[0].severity is not harm.Severity.SAFE
        assert is_harmful or f"{found[0].what} {found[0].hurts}" in harmless, what
        count += 1
    assert count > 200


def built(document: DocumentNode) -> GraphQLSchema:
    """A schema of graphql-core, which does not know the directives."""
    return build_ast_schema(document, assume_valid_sdl=True)


def test_what_graphql_core_finds_breaking_is_found_breaking() -> None:
    document = parse(PUBLISHED, no_location=True)
    published, schema = elements_of(PUBLISHED), built(document)
    agreed = 0
    for part, smaller in without_each_part(document):
        try:
            expected = find_breaking_changes(schema, built(smaller))
        except TypeError:
            continue  # something refers to what was removed
        if expected and not isinstance(part, DirectiveDefinitionNode):
            found = compare(published, elements_in(smaller))
            assert found[0].severity is harm.Severity.BREAKING, expected
            agreed += 1
    assert agreed > 100


@pytest.mark.parametrize(
    ("sdl", "message"),
    [
        ("", "expected SDL, not nothing at all"),
        ("<!doctype html>", "expected SDL, not HTML or XML"),
        ("query { a }", "expected SDL, not an operation or a fragment"),
        ("{ a }", "expected SDL, not an operation or a fragment"),
        ("type A {", "expected SDL; line 1: Expected Name, found <EOF>"),
        ("type A { a: Int } type A { b: Int }", "A is defined twice"),
        ("type A { a: Int a: Int }", "A.a is defined twice"),
        ("type A { a: Int } extend input A { b: Int }", "A is defined as type and as input"),
        (
            "type A { a: " + "[" * 100_000,
            "expected SDL; line 1: Document is nested too deeply. Parsing aborted",
        ),
        (
            'schema @link(url: "https://specs.apollo.dev/join/v0.3") { query: Q }',
            "expected the SDL of a subgraph, not of a supergraph",
        ),
        (
            '{"data": {"__schema": {}}}',
            "expected SDL, not JSON, such as the answer to an introspection query; "
            "a subgraph gives its SDL for { _service { sdl } }",
        ),
    ],
    ids=lambda text: text[:30],
)
def test_what_is_no_sdl_is_told_so(sdl: str, message: str) -> None:
    with pytest.raises(UnreadableSDL) as caught:
        elements_of(sdl)
    assert str(caught.value) == message


def test_every_directive_with_a_rule_is_documented() -> None:
    assert {name for name in harm.USES if f"`@{name}`" not in PAGE} == set()


def check(data_dir: Path, *arguments: str, **settings: str) -> Result:
    """What the command does, in this process: starting one for each odd file would take long."""
    wanted = environment(data_dir, **settings)
    unset = dict.fromkeys(os.environ.keys() - wanted.keys())
    return CliRunner().invoke(app, ["schema", "check", *arguments], env={**unset, **wanted})


def said(done: Result) -> tuple[int, str, str]:
    """Exit code and both outputs."""
    return done.exit_code, done.stdout, done.stderr


def test_the_command_lists_the_worst_first_and_counts(tmp_path: Path) -> None:
    published, new = tmp_path / "published.graphql", tmp_path / "new.graphql"
    published.write_text("type A { a: Int! b(x: Int = 1): Int }")
    new.write_text("type A { b(x: Int = 2): Int c: Int }", encoding="utf-8-sig")
    arguments = ("--against", str(published), "--new", str(new))
    done = usergraph("schema", "check", *arguments, env=environment(tmp_path))
    assert done.stdout == (
        "breaking   A.a      The field was removed. Clients that ask for it are refused.\n"
        "dangerous  A.b(x:)  Its default changed from 1 to 2. "
        "Clients that leave it out get another behaviour.\n"
        "safe       A.c      The field was added. "
        "Hurts nobody, unless another subgraph resolves it without @shareable.\n"
        "1 breaking, 1 dangerous, 1 safe\n"
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert check(tmp_path, *arguments, "--fail-on", "never").exit_code == 0

    as_json = check(tmp_path, *arguments, "--json")
    found = json.loads(as_json.stdout)
    assert as_json.exit_code == 1
    assert found["counts"] == {"breaking": 1, "dangerous": 1, "safe": 1}
    assert [Change(**each) for each in found["changes"]] == compare(
        elements_of(published.read_text()), elements_of(new.read_text(encoding="utf-8-sig"))
    )


@pytest.mark.parametrize(("fail_on", "code"), [("breaking", 0), ("dangerous", 1), ("never", 0)])
def test_the_mildest_change_that_fails_can_be_chosen(
    tmp_path: Path, fail_on: str, code: int
) -> None:
    published = tmp_path / "published.graphql"
    published.write_text(PUBLISHED.replace("size: ImageSize! = MEDIUM", "size: ImageSize! = LARGE"))
    done = check(tmp_path, "--against", str(published), "--fail-on", fail_on)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        code,
        "0 breaking, 1 dangerous, 0 safe",
    )


@pytest.mark.parametrize(("profile", "code"), [("portable", 0), ("router", 1)])
def test_the_profile_is_compared_with_what_was_published(
    tmp_path: Path, profile: str, code: int
) -> None:
    published = tmp_path / "published.graphql"
    published.write_text(PUBLISHED)
    done = check(tmp_path, "--against", str(published), "--profile", profile)
    assert done.exit_code == code
    assert ("@authenticated was added." in done.stdout) is (profile == "router")
    assert check(tmp_path, "--against", str(published), federation_profile=profile).stdout == (
        done.stdout
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\xff" * 1000, "is not UTF-8 text"),
        (b"a" * 10_000_000, "is larger than 8 MiB"),
        (b"type A { a: Int } \x1b[31m", "expected SDL; line 1: Unexpected character: U+001B"),
        (
            b'{"data": {}}',
            "expected SDL, not JSON, such as the answer to an introspection query; "
            "a subgraph gives its SDL for { _service { sdl } }",
        ),
    ],
    ids=["binary", "large", "control", "json"],
)
def test_a_file_that_is_no_sdl_cannot_be_compared(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "published"
    file.write_bytes(content)
    done = check(tmp_path, "--against", str(file))
    assert said(done) == (2, "", f"{file}: {message}.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--against", "/nope"), "/nope: cannot be read: No such file or directory."),
        (("--against", "/"), "/: cannot be read: Is a directory."),
        (
            ("--against", "ftp://localhost/schema"),
            "ftp://localhost/schema: expected a file or an http or https address.",
        ),
        (
            ("--against", "http://user:secret@127.0.0.1:1/graphql?key=secret"),
            "http://127.0.0.1:1/graphql: cannot be asked: [Errno 111] Connection refused.",
        ),
        (
            ("--against", "http://127.0.0.1:1/", "--header", "secret"),
            "http://127.0.0.1:1/: expected each header as 'Name: value', in printable ASCII.",
        ),
        (
            ("--against", "/nope", "--new", "/nope", "--profile", "router"),
            "Give --new or --profile: a file has the profile that it has.",
        ),
    ],
)
def test_what_cannot_be_had_is_told_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = check(tmp_path, *arguments)
    assert said(done) == (2, "", message + "\n")


def test_settings_that_cannot_be_used_are_no_breaking_change(tmp_path: Path) -> None:
    published = tmp_path / "published.graphql"
    published.write_text(PUBLISHED)
    assert check(tmp_path, "--against", str(published), port="x").exit_code == 2


async def test_a_subgraph_that_runs_is_asked(subgraph: Subgraph, tmp_path: Path) -> None:
    async with listening(subgraph.app) as host:
        address = f"http://{host}/graphql"
        same = await asyncio.to_thread(check, tmp_path, "--against", address)
        token = f"Authorization: Bearer {subgraph.token(None)}"
        signed_in = await asyncio.to_thread(
            check, tmp_path, "--against", address, "--header", token, "--profile", "router"
        )
        refused = await asyncio.to_thread(
            check, tmp_path, "--against", address, "--header", "Authorization: Bearer no"
        )
    assert (same.exit_code, same.stdout) == (0, "0 breaking, 0 dangerous, 0 safe\n")
    assert (signed_in.exit_code, signed_in.stderr) == (1, "")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"{address}: answered 401 and the error: ")


async def test_a_subgraph_behind_a_router_is_asked_as_the_router_asks(
    settings: Settings, store: Store, clock: Clock, tmp_path: Path
) -> None:
    known = settings.model_copy(update={"router_secrets": (SecretStr("s" * 32),)})
    async with listening(Subgraph(known, store, clock).app) as host:
        against = ("--against", f"http://{host}/graphql")
        refused = await asyncio.to_thread(check, tmp_path, *against)
        header = ("--header", f"x-router-authorization: {'s' * 32}")
        same = await asyncio.to_thread(check, tmp_path, *against, *header)
    message = "Only the router may ask for this; it did not prove that it asks."
    why = f"{against[1]}: answered 403 and the error: {message}\n"
    assert said(refused) == (2, "", why)
    assert said(same) == (0, "0 breaking, 0 dangerous, 0 safe\n", "")


async def answer(request: Request) -> Response:
    """Several ways of not being a subgraph."""
    odd: dict[str, Response] = {
        "/html": HTMLResponse("<h1>Sign in</h1>"),
        "/moved": RedirectResponse("/html"),
        "/list": JSONResponse([]),
        "/null": JSONResponse({"data": {"_service": None}}),
        "/error": JSONResponse({"errors": [{"message": "No \x1b[31m field\n_service"}]}, 400),
        "/large": Response(b" " * 9_000_000),
        "/headers": JSONResponse({"errors": [{"message": request.headers.get("x-team", "none")}]}),
    }
    return odd[request.url.path]


async def test_an_answer_that_is_no_sdl_is_told(tmp_path: Path) -> None:
    odd = Starlette(routes=[Route("/{path}", answer, methods=["GET", "POST"])])
    expected = "expected a GraphQL answer"
    messages = {
        "html": f"{expected}, and 200 with text/html came",
        "moved": f"{expected}, and 307 with no media type came",
        "list": f"{expected} to {{ _service {{ sdl }} }}, and 200 with application/json came",
        "null": f"{expected} to {{ _service {{ sdl }} }}, and 200 with application/json came",
        "error": "answered 400 and the error: No ?[31m field _service",
        "large": "is larger than 8 MiB",
        "headers": "answered 200 and the error: users",
    }
    async with listening(odd) as host:
        for path, message in messages.items():
            address = f"http://{host}/{path}"
            done = await asyncio.to_thread(
                check, tmp_path, "--against", address, "--header", "X-Team: users"
            )
            assert (done.exit_code, done.stdout) == (2, "")
            assert done.stderr == f"{address}: {message}.\n"
