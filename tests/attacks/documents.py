"""Documents that are meant to cost a server more than their sender, and how each is refused."""

from collections.abc import Callable

from tests.http.malformed import Case, ask

ID = "0" * 22
ONE = f'user(by: {{id: "{ID}"}})'


def times(number: int, part: Callable[[int], str]) -> str:
    """So many parts, one after the other."""
    return " ".join(map(part, range(number)))


def chain(number: int, body: str, end: str = "id") -> str:
    """Fragments on User that lead from F0 through all of them; `N` in a body is the next one."""
    parts = times(number, lambda n: f"fragment F{n} on User {{ {body.replace('N', f'F{n + 1}')} }}")
    return f"{parts} fragment F{number} on User {{ {end} }}"


def limit(name: str) -> tuple[int, str]:
    """A refusal of the guard."""
    return 200, f"MAX_{name}_LIMIT"


NOT_PARSED = (200, "GRAPHQL_PARSE_FAILED")
NOT_VALID = (200, "GRAPHQL_VALIDATION_FAILED")
BAD_INPUT = (200, "BAD_USER_INPUT")
EXPENSIVE = (200, "COST_ESTIMATED_TOO_EXPENSIVE")
FINE = (200, None)

LEAVES = "id status rev handle displayName bio pronouns profileColor joinedYear"
R = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { id } } }"
PAGES = "{ followers { edges { node "
PAGED = PAGES * 2 + "{ " + LEAVES + " }" + " } } }" * 2

DOCUMENTS = [
    Case(name, request, *expected)
    for name, request, expected in (
        # depth
        (
            "friends of friends, 150 deep",
            ask("{ viewer { user " + PAGES * 50 + "{ id }" + "}}}" * 50 + "}}"),
            limit("DEPTH"),
        ),
        (
            "friends of friends, 100 each",
            ask(
                "{ viewer { user "
                + PAGES.replace("followers", "followers(first: 100)") * 4
                + "{ id }"
                + "}}}" * 4
                + "}}"
            ),
            EXPENSIVE,
        ),
        ("a selection within 2,000 others", ask("{ a" * 1200 + " }" * 1200), limit("TOKENS")),
        (
            "inline fragments within each other",
            ask("{ " + "... { " * 199 + "__typename" + " }" * 200),
            limit("NESTING"),
        ),
        (
            "lists within 190 lists",
            ask("{ users(ids: " + "[" * 190 + "]" * 190 + ") { id } }"),
            NOT_VALID,
        ),
        (
            "objects within 190 objects",
            ask("{ user(by: " + "{id: " * 190 + "1" + "}" * 190 + ") { id } }"),
            NOT_VALID,
        ),
        (
            "types within 190 lists",
            ask("query ($a: " + "[" * 190 + "ID" + "]" * 190 + ") { viewer { scopes } }"),
            NOT_VALID,
        ),
        ("5,000 open braces", ask("{" * 5_000), limit("TOKENS")),
        ("2,000 open brackets", ask("{ a(b: " + "[" * 2_000), NOT_PARSED),
        ("2,000 open parentheses", ask("{ a" + "(" * 2_000), NOT_PARSED),
        # width
        (
            "1,000 aliases of a user",
            ask("{" + times(1_000, lambda n: f"a{n}: {ONE} {{ id }}") + "}"),
            limit("CHARACTERS"),
        ),
        (
            "210 aliases of a user's field",
            ask(f"{{ {ONE} {{ {times(210, lambda n: f'a{n}: id')} }} }}"),
            limit("ALIASES"),
        ),
        (
            "100 aliases of a search",
            ask(
                "{"
                + times(
                    100,
                    lambda n: (
                        f'a{n}: searchUsers(query: "{chr(97 + n % 26)}") {{ edges {{ cursor }} }}'
                    ),
                )
                + "}"
            ),
            EXPENSIVE,
        ),
        (
            "60 aliases of a page of 100",
            ask(
                "{"
                + times(
                    60,
                    lambda n: f"a{n}: {ONE} {{ followers(first: 100) {{ edges {{ cursor }} }} }}",
                )
                + "}"
            ),
            EXPENSIVE,
        ),
        ("10,000 fields", ask("{" + times(10_000, lambda n: f"f{n}") + "}"), limit("CHARACTERS")),
        ("2,400 unknown fields", ask("{" + times(2_400, lambda n: f"f{n}") + "}"), limit("HEIGHT")),
        (
            "1,400 unknown fields of a user",
            ask(f"{{ {ONE} {{ {times(1_400, lambda n: f'f{n}')} }} }}"),
            NOT_VALID,
        ),
        ("10,000 times the same field", ask("{" + "viewer " * 10_000 + "}"), limit("CHARACTERS")),
        ("1,400 times the same field", ask(f"{{ {ONE} {{ {'id ' * 1_400} }} }}"), limit("PAIRS")),
        (
            "a hundred times the same page",
            ask(f"{{ {ONE} {{ {'followers { edges { node { id } } } ' * 100} }} }}"),
            limit("PAIRS"),
        ),
        (
            "fields that do not go together",
            ask(
                f"{{ {ONE} {{ {times(120, lambda n: f'followers(first: {n % 3}) {{ edges {{ cursor }} }}')} }} }}"
            ),
            limit("PAIRS"),
        ),
        (
            "12 x 12 x 10 fields that overlap",
            ask(
                f"{{ {ONE} {{ "
                + (
                    "followers { edges { node { "
                    + ("followers { edges { node { " + "id handle " * 10 + "} } } ") * 12
                    + "} } } "
                )
                * 12
                + "} }"
            ),
            limit("TOKENS"),
        ),
        ("1,000,000 tokens", ask("{" + "a " * 450_000 + "}"), limit("CHARACTERS")),
        ("a field name of 49,000 letters", ask("{" + "a" * 49_000 + "}"), NOT_VALID),
        ("an alias of 49,000 letters", ask("{ " + "a" * 49_000 + ": nope }"), NOT_VALID),
        # fragments
        (
            "fragments that multiply to 2^40",
            ask(f"{{ {ONE} {{ ...F0 }} }} " + chain(40, "...N ...N")),
            limit("HEIGHT"),
        ),
        (
            "fragments that multiply to 2^10, of lists",
            ask(
                f"{{ {ONE} {{ ...F0 }} }} "
                + chain(10, "...N ...N", "followers { edges { cursor } }")
            ),
            limit("HEIGHT"),
        ),
        (
            "1,000 fragments",
            ask(
                "{ viewer { scopes } }" + times(1_000, lambda n: f"fragment F{n} on User {{ id }}")
            ),
            limit("TOKENS"),
        ),
        (
            "60 fragments",
            ask("{ viewer { scopes } }" + times(60, lambda n: f"fragment F{n} on User {{ id }}")),
            limit("FRAGMENTS"),
        ),
        (
            "50 fragments that overlap",
            ask(
                f"{{ {ONE} {{ {times(50, lambda n: f'...F{n}')} }} }}"
                + times(
                    50,
                    lambda n: (
                        f"fragment F{n} on User {{ id handle followers(first: 1) {{ edges {{ cursor }} }} }}"
                    ),
                )
            ),
            FINE,
        ),
        (
            "50 fragments that overlap, and a mistake",
            ask(
                f"{{ {ONE} {{ nope {times(50, lambda n: f'...F{n}')} }} }}"
                + times(
                    50,
                    lambda n: (
                        f"fragment F{n} on User {{ id handle followers(first: 1) {{ edges {{ cursor }} }} }}"
                    ),
                )
            ),
            NOT_VALID,
        ),
        (
            "a fragment that spreads itself",
            ask(f"{{ {ONE} {{ ...A }} }} fragment A on User {{ id ...A ...A }}"),
            NOT_VALID,
        ),
        (
            "fragments in a circle of 40",
            ask(f"{{ {ONE} {{ ...F0 }} }} " + chain(39, "id ...N ...F0", "...F0")),
            NOT_VALID,
        ),
        (
            "fragments that are not there",
            ask(f"{{ {ONE} {{ {times(700, lambda n: f'...F{n}')} }} }}"),
            NOT_VALID,
        ),
        (
            "50 fragments that nobody spreads",
            ask(
                "{ viewer { scopes } }"
                + times(50, lambda n: f"fragment F{n} on User {{ {'id ' * 40} }}")
            ),
            limit("PAIRS"),
        ),
        (
            "49 fragments with the same pages in pages",
            ask(
                f"{{ {ONE} {{ {times(49, lambda n: f'...F{n}')} }} }}"
                + times(49, lambda n: f"fragment F{n} on User {PAGED}")
            ),
            limit("PAIRS"),
        ),
        (
            "110 inline fragments with the same fields",
            ask(f"{{ {ONE} {{ {f'... on User {{ {LEAVES} }} ' * 110} }} }}"),
            limit("PAIRS"),
        ),
        # directives, variables, operations
        (
            "10,000 directives",
            ask("{ viewer { scopes " + "@skip(if: false) " * 10_000 + "} }"),
            limit("CHARACTERS"),
        ),
        (
            "100 directives",
            ask("{ viewer { scopes " + "@skip(if: false) " * 100 + "} }"),
            limit("DIRECTIVES"),
        ),
        (
            "40 unknown directives",
            ask("{ viewer { scopes " + times(40, lambda n: f"@d{n}") + "} }"),
            NOT_VALID,
        ),
        (
            "20,000 variable definitions",
            ask("query (" + times(20_000, lambda n: f"$v{n}: ID") + ") { viewer { scopes } }"),
            limit("CHARACTERS"),
        ),
        (
            "600 variables that nobody uses",
            ask("query (" + times(600, lambda n: f"$v{n}: ID") + ") { viewer { scopes } }"),
            NOT_VALID,
        ),
        (
            "600 variables of unknown types",
            ask("query (" + times(600, lambda n: f"$v{n}: T{n}") + ") { viewer { scopes } }"),
            NOT_VALID,
        ),
        (
            "300 variables that are missing",
            ask(
                "query ("
                + times(300, lambda n: f"$v{n}: ID!")
                + ") { users(ids: ["
                + times(300, lambda n: f"$v{n}")
                + "]) { id } }"
            ),
            BAD_INPUT,
        ),
        (
            "5,000 operations",
            ask(times(5_000, lambda n: f"query Q{n} {{ a }}"), operationName="Q1"),
            limit("CHARACTERS"),
        ),
        (
            "300 operations",
            ask(times(300, lambda n: f"query Q{n} {{ a }}"), operationName="Q1"),
            limit("OPERATIONS"),
        ),
        (
            "300 type definitions",
            ask(times(300, lambda n: f"type T{n} {{ a: Int }}")),
            (400, "OPERATION_RESOLUTION_FAILURE"),
        ),
        # texts
        ("a comment of a megabyte", ask("{ __typename } #" + "x" * 900_000), limit("CHARACTERS")),
        ("20,000 comments", ask("#\n" * 20_000 + "{ __typename }"), limit("TOKENS")),
        ("49,000 commas", ask("," * 49_000 + "{ __typename }"), FINE),
        ("49,000 quotes", ask('"' * 49_000), limit("TOKENS")),
        ("16,000 strings that do not end", ask('"a\n' * 16_000), limit("TOKENS")),
        (
            "a string of 40,000 escapes",
            ask('{ user(by: {handle: "' + "\\u0041" * 6_000 + '"}) { id } }'),
            BAD_INPUT,
        ),
        (
            "a block string of 12,000 lines",
            ask('{ user(by: {handle: """' + "\n a" * 12_000 + '"""}) { id } }'),
            BAD_INPUT,
        ),
        ("block strings that do not end", ask('{ a(b: """' + ' "" \\"""' * 5_000), limit("TOKENS")),
        (
            "a string of 49,000 letters",
            ask('{ user(by: {handle: "' + "a" * 49_000 + '"}) { id } }'),
            BAD_INPUT,
        ),
        (
            "an integer of 45,000 digits",
            ask('{ searchUsers(query: "a", first: ' + "9" * 45_000 + ") { edges { cursor } } }"),
            BAD_INPUT,
        ),
        ("1,600 wrong items", ask("{ users(ids: [" + "{} " * 1_100 + "]) { id } }"), NOT_VALID),
        (
            "1,100 times the same argument",
            ask("{ user(" + "by: 1 " * 800 + ") { id } }"),
            NOT_VALID,
        ),
        (
            "200 values that an enum does not have",
            ask(f"{{ {ONE} {{ {times(190, lambda n: f'a{n}: avatar(size: S{n}) {{ url }}')} }} }}"),
            NOT_VALID,
        ),
        # introspection
        (
            "introspection, 8 lists deep",
            ask("{ __schema { types { " + "fields { type { " * 8 + "name" + " } }" * 8 + " } } }"),
            (200, "INTROSPECTION_DISABLED"),
        ),
        (
            "introspection in a fragment",
            ask("{ ...A } fragment A on Query { ... { a: __schema { types { name } } } }"),
            (200, "INTROSPECTION_DISABLED"),
        ),
        (
            "a type by its name",
            ask('{ __type(name: "User") { fields { name } } }'),
            (200, "INTROSPECTION_DISABLED"),
        ),
        # representations
        (
            "12,000 representations",
            ask(R, variables={"r": [{"__typename": "User", "id": ID}] * 12_000}),
            EXPENSIVE,
        ),
        (
            "1,001 representations",
            ask(
                R.replace("{ id }", "{ __typename }"),
                variables={"r": [{"__typename": "User", "id": ID}] * 1_001},
            ),
            BAD_INPUT,
        ),
        ("1,000 representations of nothing", ask(R, variables={"r": [{}] * 1_000}), BAD_INPUT),
        (
            "operators for an id",
            ask(R, variables={"r": [{"__typename": "User", "id": {"$ne": None}}]}),
            BAD_INPUT,
        ),
        (
            "an operator for a handle",
            ask(R, variables={"r": [{"__typename": "User", "handle": {"$regex": ".*"}}]}),
            BAD_INPUT,
        ),
        (
            "keys that nobody knows",
            ask(
                R,
                variables={
                    "r": [{"__typename": "User", "id": ID, "self": 1, "$where": "1", "request": {}}]
                },
            ),
            FINE,
        ),
        (
            "a type that is no entity",
            ask(R, variables={"r": [{"__typename": "Viewer", "scopes": ["users:staff"]}]}),
            BAD_INPUT,
        ),
        (
            "a type of introspection",
            ask(R, variables={"r": [{"__typename": "__Schema"}]}),
            BAD_INPUT,
        ),
        ("an input type", ask(R, variables={"r": [{"__typename": "UserBy", "id": ID}]}), BAD_INPUT),
        (
            "a private part that is made up",
            ask(
                "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { private { locale } } } }",
                variables={"r": [{"__typename": "User", "id": ID, "private": {"locale": "sv"}}]},
            ),
            FINE,
        ),
        (
            "representations within 500 lists",
            ask(R, variables={"r": [[[[[[[[[]]]]]]]]]}),
            BAD_INPUT,
        ),
        (
            "an id of 400,000 letters",
            ask(R, variables={"r": [{"__typename": "User", "id": "a" * 400_000}]}),
            BAD_INPUT,
        ),
        (
            "a key of 400,000 letters",
            ask(R, variables={"r": [{"__typename": "User", "a" * 400_000: 1}]}),
            BAD_INPUT,
        ),
        # variables
        (
            "60,000 variables that nobody asked for",
            ask("{ __typename }", variables={f"v{n}": n for n in range(60_000)}),
            FINE,
        ),
        (
            "200,000 items",
            ask("query ($i: [ID!]!) { users(ids: $i) { id } }", variables={"i": [0] * 200_000}),
            EXPENSIVE,
        ),
        (
            "a page of minus one",
            ask(
                'query ($n: Int!) { searchUsers(query: "a", first: $n) { edges { cursor } } }',
                variables={"n": -1},
            ),
            BAD_INPUT,
        ),
        (
            "a page of a billion",
            ask(
                'query ($n: Int!) { searchUsers(query: "a", first: $n) { edges { cursor } } }',
                variables={"n": 10**9},
            ),
            EXPENSIVE,
        ),
        (
            "a search of spaces that look like none",
            ask('{ searchUsers(query: "\u200b\u202e") { edges { cursor } } }'),
            BAD_INPUT,
        ),
        (
            "a search for a regular expression",
            ask('{ searchUsers(query: "(a+)+$") { edges { cursor } } }'),
            FINE,
        ),
        (
            "a search for 160,000 accents out of order",
            ask(
                "query ($q: String!) { searchUsers(query: $q) { edges { cursor } } }",
                variables={"q": "a" + "\u0301\u0316" * 80_000},
            ),
            BAD_INPUT,
        ),
        (
            "40,000 fields that an input does not have",
            ask(
                "mutation ($i: UpdateProfileInput!) { updateProfile(input: $i) { errors { code } } }",
                variables={"i": {f"v{n}": n for n in range(40_000)}},
            ),
            BAD_INPUT,
        ),
        (
            "a search for NUL",
            ask(
                "query ($q: String!) { searchUsers(query: $q) { edges { cursor } } }",
                variables={"q": "\x00"},
            ),
            BAD_INPUT,
        ),
        (
            "a cursor that is none",
            ask('{ searchUsers(query: "a", after: "' + "A" * 4_000 + '") { edges { cursor } } }'),
            BAD_INPUT,
        ),
        (
            "__proto__ as a variable",
            ask("{ __typename }", variables={"__proto__": {"x": 1}, "constructor": 1}),
            FINE,
        ),
    )
]
