"""Federated traces: decoded as Apollo does, compared as whole trees, and only for who asks."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Annotated, Any

import pytest
import strawberry
from httpx import ASGITransport, AsyncClient

from resolvers.request import Request
from schema.federation import FederatedSchema
from server.app import create_app
from store.ids import new_id
from tests.node import install
from tests.subgraph import Subgraph

pytestmark = pytest.mark.one_driver

FOLDER = Path(__file__).parent / "gateway"
HEADERS = {"apollo-federation-include-trace": "ftv1"}
TIMES = ("startTime", "endTime")


def decoded(*traces: str) -> list[Any]:
    """What Apollo's own package reads in traces."""
    install(FOLDER)
    done = subprocess.run(
        ["node", "decode.mjs"],
        cwd=FOLDER,
        input="\n".join(traces),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def tree(trace: Any) -> Any:
    """The nodes of a trace without their times, which are checked to fit into each other."""
    assert trace["fieldExecutionWeight"] == 1
    assert 0 < trace["durationNs"] < 60e9
    seconds = [trace[name]["seconds"] + trace[name]["nanos"] / 1e9 for name in TIMES]
    assert seconds[1] - seconds[0] == pytest.approx(trace["durationNs"] / 1e9, abs=1e-5)

    def timeless(node: Any, earliest: int) -> Any:
        if "type" in node:
            assert earliest <= node["startTime"] <= node["endTime"] <= trace["durationNs"]
            earliest = node["startTime"]
        else:
            assert not node.keys() & TIMES
        for error in node.get("error", ()):
            assert error.pop("timeNs") <= trace["durationNs"]
            error["json"] = json.loads(error["json"])
        kept = {name: value for name, value in node.items() if name not in TIMES}
        if children := kept.pop("child", None):
            kept["child"] = [timeless(child, earliest) for child in children]
        return kept

    return timeless(trace["root"], 0)


def place(name: str, type_: str, parent: str, *children: Any, **more: Any) -> Any:
    """A field as a trace has it."""
    node = {"responseName": name, "type": type_, "parentType": parent, **more}
    return {**node, "child": list(children)} if children else node


def item(index: int, *children: Any, **more: Any) -> Any:
    """An item of a list as a trace has it."""
    return {"index": index, **({"child": list(children)} if children else {}), **more}


async def traced(subgraph: Subgraph, query: str, token: str | None = None, **variables: Any) -> Any:
    """The whole answer to an operation of a gateway that wants a trace."""
    headers = {**HEADERS, **({"Authorization": f"Bearer {token}"} if token else {})}
    body = {"query": query, "variables": variables}
    return (await subgraph.http.post("/graphql", json=body, headers=headers)).json()


async def test_a_query_is_traced_with_aliases_and_what_is_in_lists(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    await subgraph.follow(ben, ada)
    query = """query ($ids: [ID!]!) {
      all: users(ids: $ids) {
        __typename
        id name: displayName
        followers(first: 1) { edges { node { handle } } pageInfo { hasNextPage } }
      }
    }"""
    answer = await traced(subgraph, query, ids=[ada, new_id(), ben])
    [trace] = decoded(answer["extensions"]["ftv1"])

    def user(*edges: Any) -> list[Any]:
        page = place("hasNextPage", "Boolean!", "PageInfo")
        return [
            place("id", "ID!", "User"),
            place("name", "String", "User", originalFieldName="displayName"),
            place(
                "followers",
                "UserConnection",
                "User",
                place("edges", "[UserEdge!]!", "UserConnection", *edges),
                place("pageInfo", "PageInfo!", "UserConnection", page),
            ),
        ]

    node = place("node", "User!", "UserEdge", place("handle", "String", "User"))
    assert tree(trace) == {
        "child": [
            place(
                "all",
                "[User]!",
                "Query",
                item(0, *user(item(0, node))),
                item(2, *user()),
                originalFieldName="users",
            )
        ]
    }
    plain = await subgraph.ask(query, ids=[ada, new_id(), ben])
    assert {"data": answer["data"]} == plain


async def test_entities_are_traced_and_errors_stand_where_they_belong(subgraph: Subgraph) -> None:
    ada = await subgraph.register("ada.berg")
    answer = await traced(
        subgraph,
        "query ($r: [_Any!]!) { _entities(representations: $r) { ... on User { handle } } }",
        r=[{"__typename": "User", "id": ada}, {"__typename": "User", "id": {"$ne": None}}],
    )
    [trace] = decoded(answer["extensions"]["ftv1"])
    [error] = answer["errors"]
    assert error["path"] == ["_entities", 1]
    told = {"message": error["message"], "location": error["locations"], "json": error}
    assert tree(trace) == {
        "child": [
            place(
                "_entities",
                "[_Entity]!",
                "Query",
                item(0, place("handle", "String", "User")),
                item(1, error=[told]),
            )
        ]
    }


async def test_a_mutation_is_traced(subgraph: Subgraph) -> None:
    ada, ben = await subgraph.register("ada.berg"), await subgraph.register("ben.ek")
    answer = await traced(
        subgraph,
        "mutation ($id: ID!) { follow(input: {userId: $id}) { errors { code } user { id } } }",
        token=subgraph.token(ada),
        id=ben,
    )
    assert answer["data"] == {"follow": {"errors": [], "user": {"id": ben}}}
    [trace] = decoded(answer["extensions"]["ftv1"])
    assert tree(trace) == {
        "child": [
            place(
                "follow",
                "FollowPayload",
                "Mutation",
                place("errors", "[UserError!]!", "FollowPayload"),
                place("user", "User", "FollowPayload", place("id", "ID!", "User")),
            )
        ]
    }


@pytest.mark.parametrize(
    "query", ["{ nope }", "{", "query A { __typename } query B { __typename }"]
)
async def test_what_is_not_executed_has_its_errors_at_the_root(
    subgraph: Subgraph, query: str
) -> None:
    answer = await traced(subgraph, query)
    assert "data" not in answer
    [error] = answer["errors"]
    told = {"message": error["message"], "json": error}
    if "locations" in error:
        told["location"] = error["locations"]
    [trace] = decoded(answer["extensions"]["ftv1"])
    assert tree(trace) == {"error": [told]}


async def test_introspection_is_not_traced(subgraph: Subgraph) -> None:
    answer = await traced(subgraph, "{ __typename __schema { queryType { name } } }")
    assert answer["data"]["__schema"] == {"queryType": {"name": "Query"}}
    [trace] = decoded(answer["extensions"]["ftv1"])
    assert tree(trace) == {}


async def test_only_who_asks_is_given_a_trace(subgraph: Subgraph) -> None:
    body = {"query": "{ viewer { scopes } }"}
    for headers in ({}, {**HEADERS, "apollo-federation-include-trace": "ftv2"}):
        answer = await subgraph.http.post("/graphql", json=body, headers=headers)
        assert answer.json() == {"data": {"viewer": None}}


async def test_a_setting_turns_traces_off(subgraph: Subgraph) -> None:
    settings = subgraph.settings.model_copy(update={"ftv1": False})
    app = create_app(settings, subgraph.store, subgraph.identity, now=subgraph.clock)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://subgraph") as http:
        body = {"query": "{ viewer { scopes } }"}
        answer = await http.post("/graphql", json=body, headers=HEADERS)
    assert answer.json() == {"data": {"viewer": None}}


@strawberry.type
class Leaf:
    name: str

    @strawberry.field
    async def late(self) -> str:
        await asyncio.sleep(0)
        return self.name

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("hunter2")

    @strawberry.field
    async def broken_late(self) -> str:
        await asyncio.sleep(0)
        raise RuntimeError("hunter2")


@strawberry.type
class Query:
    @strawberry.field
    def leaves(
        self,
        name: Annotated[str, strawberry.argument(name="root")],
        other: Annotated[str, strawberry.argument(name="_next")] = "",
    ) -> list[list[Leaf | None] | None]:
        return [[Leaf(name=name + other), None], None]


@pytest.fixture
def ask(subgraph: Subgraph) -> Any:
    """Asks a schema whose fields break and whose arguments have the names of ours."""
    schema = FederatedSchema(query=Query, execution=subgraph.settings.execution).traced

    async def run(query: str) -> Any:
        context = Request(viewer=None, store=subgraph.store, now=subgraph.clock)
        return await schema.execute(query, context_value=context)

    return run


async def test_faults_are_as_masked_as_in_the_answer(ask: Any) -> None:
    result = await ask('{ leaves(root: "x") { broken late no: brokenLate } }')
    assert result.data == {"leaves": [[None, None], None]}
    broken, late = sorted(
        ({"message": error.message, "json": error.formatted} for error in result.errors),
        key=lambda told: str(told["json"]["path"]),
    )
    assert broken["json"]["path"] == ["leaves", 0, 0, "broken"]
    assert late["json"]["path"] == ["leaves", 0, 0, "no"]
    location = [{"line": 1, "column": 23}], [{"line": 1, "column": 35}]
    [trace] = decoded(result.extensions["ftv1"])
    assert "hunter2" not in str(trace)
    assert tree(trace) == {
        "child": [
            place(
                "leaves",
                "[[Leaf]]!",
                "Query",
                item(
                    0,
                    item(
                        0,
                        place(
                            "broken", "String", "Leaf", error=[{**broken, "location": location[0]}]
                        ),
                        place("late", "String!", "Leaf"),
                        place(
                            "no",
                            "String!",
                            "Leaf",
                            originalFieldName="brokenLate",
                            error=[{**late, "location": location[1]}],
                        ),
                    ),
                ),
            )
        ]
    }


async def test_operations_at_the_same_time_have_traces_of_their_own(ask: Any) -> None:
    names = [f"leaf{number}" for number in range(5)]
    results = await asyncio.gather(
        *(ask(f'{{ {name}: leaves(root: "x", _next: "y") {{ late }} }}') for name in names)
    )
    traces = decoded(*(result.extensions["ftv1"] for result in results))
    late = item(0, item(0, place("late", "String!", "Leaf")))
    assert [tree(trace) for trace in traces] == [
        {"child": [place(name, "[[Leaf]]!", "Query", late, originalFieldName="leaves")]}
        for name in names
    ]


async def test_a_fragment_that_comes_first_is_validated_as_without_a_trace(
    subgraph: Subgraph,
) -> None:
    fragment = "fragment F on Query { user(by: {id: $id}) { id } }"
    answer = await traced(subgraph, f"{fragment} query ($id: ID!) {{ ...F }}", id=new_id())
    assert answer["data"] == {"user": None}
    answer = await traced(subgraph, f"{fragment} query {{ ...F }}")
    assert [error["extensions"]["code"] for error in answer["errors"]] == [
        "GRAPHQL_VALIDATION_FAILED"
    ]
