"""`usergraph plan` shows what would be done for an operation, and what it shows is so."""

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipelines.seed import FIRST_HANDLE, sample_id, seed
from schema.roots import build_schema
from server.cli import app
from server.examples import FOLLOWERS, VIEWER
from server.plan import plan_lines
from server.settings import Settings
from tests.conftest import Commands
from tests.subgraph import Subgraph

LEGEND = """
reads: taken from the parent. calls: a function, for all parents of the level before
anything is awaited. awaits: the same, and each call is a coroutine.
"""

ENTITIES = """query ($representations: [_Any!]!) {
  _entities(representations: $representations) {
    ... on User { id shown: displayName followers(first: 2) { edges { at node { handle } } } }
  }
}"""

ENTITIES_PLAN = (
    """query (without a name)
compiled:

Query
  _entities: [_Entity]! - awaits FederatedSchema.entities_resolver(representations: \
$representations)
    each User
      reads id shown = displayName
      followers: UserConnection - awaits User.followers(first: 2)
        reads edges [list] { at node { handle } }
"""
    + LEGEND
    + f"""
Attributes of users: display_name followers handle id
Cache: not to be kept
Cost: 10 with these variables, of at most 2000

Reads, as seen in a rehearsal: every id and handle leads to a sample user, every list
has 3 entries, a person asks, and the variables are \
{{"representations": [{{"__typename": "User", "id": "{sample_id(3)}"}}]}}
  users find, 1 key
  blocks find, 1 key
  followers find, a range
  users find, 3 keys
  blocks find, 6 keys
Loaders of the request: users.by_id, users.listed_by_id, loaders.user_by_id, \
loaders.is_blocking_by_pair, loaders.followers_page_by_key
"""
)

SAMPLES = [{"__typename": "User", "id": sample_id(index)} for index in (0, 2, 3)]

UPDATE = """mutation Rename($handle: String!) {
  changeHandle(input: { handle: $handle }) { errors { code } }
}"""


@pytest.fixture
def plan_of(tmp_path: Path) -> Any:
    """Runs `usergraph plan` on the text of a document."""

    def run(text: str, *options: str, execution: str = "compiled") -> Result:
        file = tmp_path / "operation.graphql"
        file.write_text(text)
        env = {"USERGRAPH_EXECUTION": execution, "USERGRAPH_DATA_DIR": str(tmp_path)}
        return CliRunner().invoke(app, ["plan", str(file), *options], env=env)

    return run


def test_a_plan_is_shown_level_by_level_with_its_reads(plan_of: Any) -> None:
    variables = f'{{"representations": [{{"__typename": "User", "id": "{sample_id(3)}"}}]}}'
    done = plan_of(ENTITIES, "--variables", variables)
    plan, _, counts = done.stdout.partition("Commands: ")
    assert (done.exit_code, plan) == (0, ENTITIES_PLAN)
    assert re.sub(r"Tasks.*: (\d+); \1 ", "Tasks: the same ", counts) == (
        "5; 5 with up to 12 entries in every list\n"
        "Tasks: the same with up to 12 entries in every list\n"
    )


def test_variables_are_made_up_where_they_are_missing(plan_of: Any) -> None:
    done = plan_of("query ($ids: [ID!]!) { users(ids: $ids) { followers { edges { at } } } }")
    made = ", ".join(f'"{sample_id(index)}"' for index in range(3))
    assert f'the variables are {{"ids": [{made}]}}\n  users find, 3 keys\n' in done.stdout
    assert "users aggregate, 3 keys\n" in done.stdout
    done = plan_of("query ($p: String!) { searchUsers(query: $p) { edges { at } } }")
    assert 'variables are {"p": "ada"}\n  users find, a range, 2 times\n' in done.stdout


def test_types_of_which_the_same_is_asked_are_one_line(plan_of: Any) -> None:
    done = plan_of(UPDATE)
    types = [line.strip() for line in done.stdout.splitlines() if "HandleTakenError" in line]
    assert len(types) == 1
    assert "each ValidationError | " in types[0]
    assert done.stdout.endswith(
        "Cache: not to be kept\nCost: 152 with these variables, of at most 2000\n\n"
        "Reads and writes: not rehearsed; they depend on what is stored.\n"
    )


def test_conditions_choose_the_plan(plan_of: Any) -> None:
    query = 'query ($x: Boolean!) { user(by: {handle: "ada"}) { id bio @include(if: $x) } }'
    assert "\n    reads id bio\n" in plan_of(query).stdout
    assert "\n    reads id\n" in plan_of(query, "--variables", '{"x": false}').stdout


def test_the_source_is_shown_when_it_is_asked_for(plan_of: Any) -> None:
    query = '{ user(by: {handle: "ada"}) { id links { url } } }'
    assert "def " not in plan_of(query).stdout
    source = plan_of(query, "--source").stdout.partition("Generated Python")[2]
    compile(source.partition("\n\n")[2], "generated", "exec")
    assert "def " in source


def test_what_is_not_compiled_says_why(plan_of: Any) -> None:
    done = plan_of("{ __schema { queryType { name } } }")
    assert done.exit_code == 0
    assert done.stdout.startswith(
        "query (without a name)\nnot compiled, graphql-core runs it as a whole: introspection\n"
    )
    switched_off = plan_of("{ viewer { scopes } }", execution="reference").stdout
    assert "USERGRAPH_EXECUTION=reference: graphql-core runs it as a whole" in switched_off


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("{ nobody }", [], "1:3: Cannot query field 'nobody' on type 'Query'."),
        ("{", [], "1:2: Syntax Error: Expected Name, found <EOF>."),
        ("query A { a: __typename } query B { b: __typename }", [], "operationName"),
        (
            "query A { a: __typename } query B { b: __typename }",
            ["--operation", "C"],
            "There is no such operation; the document has: A, B.",
        ),
        ("{ __typename }", ["--variables", "["], "--variables is not JSON: "),
        ("{ __typename }", ["--variables", "[]"], "--variables is not a JSON object."),
        (
            "query ($ids: [ID!]!) { users(ids: $ids) { id } }",
            ["--variables", '{"ids": 1.5}'],
            "Its variables do not fit: give them with --variables.",
        ),
    ],
)
def test_what_cannot_be_planned_is_told(
    plan_of: Any, text: str, options: list[str], message: str
) -> None:
    done = plan_of(text, *options)
    assert (done.exit_code, done.stdout) == (1, "")
    assert message in done.stderr


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["plan", str(tmp_path / "no.graphql")])
    missing = os.strerror(2)
    expected = f"{tmp_path / 'no.graphql'} cannot be read: {missing}.\n"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", expected)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (FOLLOWERS, {"handle": FIRST_HANDLE}),
        (VIEWER, {}),
        (ENTITIES, {"representations": SAMPLES}),
    ],
)
async def test_the_commands_of_a_rehearsal_are_those_of_a_real_request(
    subgraph: Subgraph, commands: Commands, query: str, variables: dict[str, Any]
) -> None:
    await seed(subgraph.store, 30, lambda *_: None)
    commands.taken()
    answer = await subgraph.ask(query, sample_id(1), **variables)
    assert "errors" not in answer
    lines = await asyncio.to_thread(plan_lines, build_schema(), Settings(), query, None, variables)
    said = [line.split(",")[0].split()[1] for line in lines if re.match(r"  \w+ (find|aggr)", line)]
    assert sorted(said) == commands.taken()


def test_the_plan_in_the_documentation_is_what_is_printed(plan_of: Any) -> None:
    page = (Path(__file__).parent.parent / "docs" / "execution.md").read_text()
    printed = plan_of(FOLLOWERS).stdout
    assert printed.partition("Tasks")[0] in page
