"""The columns of Apollo's subgraph compatibility table, each a test of what the machinery does.

Source: apollographql/apollo-federation-subgraph-compatibility, federation 1 and 2.
"""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from graphql import strip_ignored_characters
from httpx import ASGITransport, AsyncClient

from schema.federation import FederatedSchema
from schema.sdl import Profile
from store.store import Store
from tests.listening import listening
from tests.node import install
from tests.products import ADA, inventory_schema, products_schema, served

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "compatibility.md").read_text()
TRACED = {"apollo-federation-include-trace": "ftv1"}


@pytest.fixture(scope="module")
async def nobody() -> AsyncIterator[Store]:
    """A store that is never asked anything."""
    store = Store.connect("mongodb://127.0.0.1:9", "nobody", driver="pymongo")
    yield store
    await store.close()


class Client:
    """Asks a schema over HTTP."""

    def __init__(self, schema: FederatedSchema, data_dir: Path, store: Store) -> None:
        transport = ASGITransport(served(schema, data_dir, store))
        self._http = AsyncClient(transport=transport, base_url="http://products")
        self.sdl = strip_ignored_characters(schema.sdl)

    async def ask(self, query: str, *, traced: bool = False, **variables: Any) -> Any:
        """The whole answer."""
        body = {"query": query, "variables": variables}
        headers = TRACED if traced else {}
        return (await self._http.post("/graphql", json=body, headers=headers)).json()

    async def entities(self, selection: str, *representations: Any) -> Any:
        """The whole answer to representations."""
        query = "query ($r: [_Any!]!) { _entities(representations: $r) { " + selection + " } }"
        return await self.ask(query, r=representations)


@pytest.fixture(scope="module")
def products(data_dir: Path, nobody: Store) -> Client:
    """The subgraph with all the directives."""
    return Client(products_schema(), data_dir, nobody)


@pytest.fixture(scope="module")
def inventory(data_dir: Path, nobody: Store) -> Client:
    """The subgraph of another team."""
    return Client(inventory_schema(), data_dir, nobody)


async def test_service(products: Client) -> None:
    answer = await products.ask("""{
      _service { sdl }
      any: __type(name: "_Any") { kind }
      entity: __type(name: "_Entity") { kind possibleTypes { name } }
      query: __type(name: "Query") { fields { name } }
    }""")
    data = answer["data"]
    assert strip_ignored_characters(data["_service"]["sdl"]) == products.sdl
    assert data["any"] == {"kind": "SCALAR"}
    entities = ["DeprecatedProduct", "Inventory", "Product", "ProductResearch", "User"]
    assert data["entity"] == {
        "kind": "UNION",
        "possibleTypes": [{"name": name} for name in entities],
    }
    assert sorted(field["name"] for field in data["query"]["fields"]) == [
        "_entities",
        "_service",
        "product",
    ]


async def test_key_of_one_field(products: Client) -> None:
    assert 'type Product@custom@key(fields:"id")' in products.sdl
    answer = await products.entities(
        "... on Product { sku }", {"__typename": "Product", "id": "needle"}
    )
    assert answer == {"data": {"_entities": [{"sku": "n-1"}]}}


async def test_key_of_several_fields(products: Client) -> None:
    assert 'type DeprecatedProduct@key(fields:"sku package")' in products.sdl
    key = {"__typename": "DeprecatedProduct", "sku": "n-0", "package": "tin"}
    answer = await products.entities(
        "... on DeprecatedProduct { sku reason }", key, {**key, "package": "jar"}
    )
    assert answer == {"data": {"_entities": [{"sku": "n-0", "reason": "Takes a new one"}, None]}}


async def test_key_of_nested_fields(products: Client) -> None:
    assert 'type ProductResearch@key(fields:"study { caseNumber }")' in products.sdl
    answer = await products.entities(
        "... on ProductResearch { outcome }",
        {"__typename": "ProductResearch", "study": {"caseNumber": 7, "description": {"$gt": ""}}},
        {"__typename": "ProductResearch", "study": {"caseNumber": "9"}},
    )
    assert answer == {"data": {"_entities": [{"outcome": "flutter"}, None]}}


async def test_repeatable_key(products: Client) -> None:
    keys = ["id", "sku package", "sku variation { id }"]
    assert "".join(f'@key(fields:"{key}")' for key in keys) in products.sdl
    answer = await products.entities(
        "... on Product { id }",
        {"__typename": "Product", "sku": "n-1", "variation": {"id": "fine"}},
        {"__typename": "Product", "sku": "b-1", "package": "bag"},
        {"__typename": "Product", "id": "needle", "sku": "b-1", "package": "bag"},
        {"__typename": "Product", "id": None, "sku": "b-1", "variation": {"id": "soft"}},
    )
    ids = ["needle", "brush", "needle", "brush"]
    assert answer == {"data": {"_entities": [{"id": product} for product in ids]}}


async def test_requires(products: Client, inventory: Client) -> None:
    required = '@requires(fields:"totalProductsCreated yearsOfEmployment")'
    assert f"averageProductsCreatedPerYear:Int{required}" in products.sdl
    key = {"__typename": "User", "email": ADA}
    answer = await products.entities(
        "... on User { averageProductsCreatedPerYear }",
        {**key, "totalProductsCreated": 12, "yearsOfEmployment": 4},
        {**key, "totalProductsCreated": None, "yearsOfEmployment": 4},
        key,
    )
    averages = [{"averageProductsCreatedPerYear": average} for average in (3, None, None)]
    assert answer == {"data": {"_entities": averages}}

    assert '@requires(fields:"dimensions { size weight }")' in inventory.sdl
    key = {"__typename": "Product", "id": "needle"}
    answer = await inventory.entities(
        "... on Product { delivery }",
        {**key, "dimensions": {"size": "small", "weight": 2}},
        {**key, "dimensions": {"size": "small"}},
        {**key, "dimensions": None},
    )
    deliveries = [{"delivery": delivery} for delivery in ("2 kg by bicycle", None, None)]
    assert answer == {"data": {"_entities": deliveries}}


async def test_provides(products: Client) -> None:
    assert 'createdBy:User@provides(fields:"totalProductsCreated")' in products.sdl
    answer = await products.ask(
        '{ product(id: "needle") { createdBy { email totalProductsCreated } } }'
    )
    creator = {"email": ADA, "totalProductsCreated": 1337}
    assert answer == {"data": {"product": {"createdBy": creator}}}


async def test_federated_tracing(products: Client) -> None:
    query = '{ product(id: "needle") { sku } }'
    answer = await products.ask(query, traced=True)
    assert answer["data"] == {"product": {"sku": "n-1"}}
    assert list(answer["extensions"]) == ["ftv1"]
    assert re.fullmatch(r"[A-Za-z0-9+/]+=*", answer["extensions"]["ftv1"])
    assert "extensions" not in await products.ask(query)


async def test_link(products: Client) -> None:
    links = re.findall(r'@link\(url:"(.+?)" import:\[(.+?)\]', products.sdl)
    names = (
        "composeDirective external inaccessible interfaceObject key override provides requires "
        "shareable tag"
    )
    assert links == [
        (
            "https://specs.apollo.dev/federation/v2.7",
            " ".join(f'"@{name}"' for name in names.split()),
        ),
        ("https://usergraph.test/custom/v1.0", '"@custom"'),
    ]


async def test_shareable(products: Client, inventory: Client) -> None:
    assert "type ProductDimension@shareable{" in products.sdl
    assert "type ProductDimension@shareable{" in inventory.sdl
    answer = await products.ask('{ product(id: "needle") { dimensions { size weight } } }')
    assert answer == {"data": {"product": {"dimensions": {"size": "small", "weight": 0.5}}}}


async def test_tag(products: Client) -> None:
    assert 'notes:String@tag(name:"internal")' in products.sdl
    answer = await products.ask('{ product(id: "needle") { notes } }')
    assert answer == {"data": {"product": {"notes": "Stock up."}}}


async def test_override(products: Client) -> None:
    assert 'name:String@override(from:"inventory")' in products.sdl
    answer = await products.entities("... on User { name }", {"__typename": "User", "email": ADA})
    assert answer == {"data": {"_entities": [{"name": "Ada"}]}}


async def test_inaccessible(products: Client) -> None:
    assert "unit:String@inaccessible" in products.sdl
    answer = await products.ask('{ product(id: "needle") { dimensions { unit } } }')
    assert answer == {"data": {"product": {"dimensions": {"unit": "kg"}}}}


async def test_compose_directive(products: Client) -> None:
    assert '@composeDirective(name:"@custom")' in products.sdl
    assert "directive@custom on OBJECT" in products.sdl
    assert "type Product@custom@key" in products.sdl


def test_a_composed_directive_keeps_its_own_link_in_the_router_profile() -> None:
    sdl = strip_ignored_characters(products_schema(Profile.ROUTER).sdl)
    links = dict(re.findall(r'@link\(url:"(.+?)" ?import:\[(.+?)\]', sdl))
    assert '"@authenticated"' in links["https://specs.apollo.dev/federation/v2.9"]
    assert links["https://usergraph.test/custom/v1.0"] == '"@custom"'


async def test_interface_object(products: Client, inventory: Client) -> None:
    assert 'type Inventory@key(fields:"id")@interfaceObject{' in products.sdl
    north = {"__typename": "Inventory", "id": "north"}
    answer = await products.entities(
        "... on Inventory { deprecatedProducts { sku reason } }", north
    )
    old = [{"sku": "n-0", "reason": "Takes a new one"}]
    assert answer == {"data": {"_entities": [{"deprecatedProducts": old}]}}

    assert 'interface Inventory@key(fields:"id"){' in inventory.sdl
    answer = await inventory.entities(
        "__typename ... on Inventory { id } ... on Warehouse { city }",
        north,
        {"__typename": "Warehouse", "id": "north"},
        {"__typename": "Inventory", "id": "south"},
    )
    warehouse = {"__typename": "Warehouse", "id": "north", "city": "Kiruna"}
    assert answer == {"data": {"_entities": [warehouse, warehouse, None]}}


COLUMNS = {
    "`_service`": test_service,
    "`@key` (single)": test_key_of_one_field,
    "`@key` (multi)": test_key_of_several_fields,
    "`@key` (composite)": test_key_of_nested_fields,
    "repeatable `@key`": test_repeatable_key,
    "`@requires`": test_requires,
    "`@provides`": test_provides,
    "federated tracing": test_federated_tracing,
    "`@link`": test_link,
    "`@shareable`": test_shareable,
    "`@tag`": test_tag,
    "`@override`": test_override,
    "`@inaccessible`": test_inaccessible,
    "`@composeDirective`": test_compose_directive,
    "`@interfaceObject`": test_interface_object,
}


def test_the_table_is_documented() -> None:
    rows = re.findall(r"^\| (.*@.*|`_service`|federated .*?) \| .+ \| `(\w+)` \|$", PAGE, re.M)
    assert rows == [(column, test.__name__) for column, test in COLUMNS.items()]


@pytest.mark.parametrize(
    ("representation", "expected"),
    [
        pytest.param(
            {"__typename": "Product", "sku": "n-1"},
            "a key of Product: {id} or {sku package} or {sku variation { id }}",
            id="half a key",
        ),
        pytest.param(
            {"__typename": "Product", "sku": "n-1", "variation": {"id": None}},
            "a key of Product: {id} or {sku package} or {sku variation { id }}",
            id="null inside a key",
        ),
        pytest.param(
            {"__typename": "Product", "sku": "n-1", "variation": {"id": {"$ne": None}}},
            "field variation.id to be of type ID",
            id="an operator inside a key",
        ),
        pytest.param(
            {"__typename": "Product", "sku": "n-1", "variation": "fine"},
            "field variation to be an object",
            id="a string for an object",
        ),
        pytest.param(
            {"__typename": "Product", "sku": "n-1", "variation": [{"id": "fine"}]},
            "field variation to be an object",
            id="a list for an object",
        ),
        pytest.param(
            {"__typename": "User", "email": ADA, "totalProductsCreated": {"$gt": 0}},
            "field totalProductsCreated to be of type Int",
            id="an operator in a required field",
        ),
        pytest.param(
            {"__typename": "User", "email": ADA, "yearsOfEmployment": None},
            "field yearsOfEmployment not to be null",
            id="null in a required field that is never null",
        ),
        pytest.param(
            {"__typename": "ProductVariation", "id": "fine"},
            "__typename to be one of: DeprecatedProduct, Inventory, Product, ProductResearch, User",
            id="a type without a key",
        ),
    ],
)
async def test_a_bad_representation_leaves_the_others_alone(
    products: Client, representation: Any, expected: str
) -> None:
    good = {"__typename": "Product", "id": "brush"}
    answer = await products.entities("... on Product { id }", good, representation, good)
    assert answer["data"] == {"_entities": [{"id": "brush"}, None, {"id": "brush"}]}
    [error] = answer["errors"]
    assert error == {
        "message": f"Expected {expected}.",
        "locations": [{"line": 1, "column": 24}],
        "path": ["_entities", 1],
        "extensions": {
            "code": "BAD_USER_INPUT",
            "argument": ["representations"],
            "rule": "REPRESENTATION",
        },
    }


async def test_a_key_that_is_not_resolvable_is_refused(inventory: Client) -> None:
    assert '@key(fields:"sku package" resolvable:false)' in inventory.sdl
    answer = await inventory.entities(
        "__typename", {"__typename": "DeprecatedProduct", "sku": "n-0", "package": "tin"}
    )
    assert answer["data"] == {"_entities": [None]}
    [error] = answer["errors"]
    assert error["message"] == (
        "Expected __typename to be one of: Inventory, Product, User, Warehouse."
    )


def test_both_subgraphs_compose_in_three_composers(
    products: Client, inventory: Client, tmp_path: Path
) -> None:
    install(TESTS / "gateway")
    command = ["node", "compose.mjs"]
    for name, client in (("products", products), ("inventory", inventory)):
        (tmp_path / f"{name}.graphql").write_text(client.sdl)
        command.append(f"{name}=http://{name}/graphql={tmp_path / name}.graphql")
    command.append(str(tmp_path / "supergraph.graphql"))
    done = subprocess.run(
        command,
        cwd=TESTS / "gateway",
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(result["name"], result["errors"]) for result in results] == [
        ("@apollo/composition", []),
        ("@theguild/federation-composition", []),
        ("@wundergraph/composition", []),
    ]
    assert done.returncode == 0


async def test_a_gateway_asks_both_and_reads_their_traces(data_dir: Path, nobody: Store) -> None:
    install(TESTS / "gateway")
    schemas = {"products": products_schema(), "inventory": inventory_schema()}
    queries = [
        """{ product(id: "needle") {
          delivery dimensions { weight }
          createdBy { name totalProductsCreated averageProductsCreatedPerYear }
        } }""",
        '{ inventory(id: "north") { __typename id deprecatedProducts { sku reason } } }',
        '{ inventory(id: "north") { ... on Warehouse { oldest { reason } products { sku } } } }',
    ]
    first, second = (served(schema, data_dir, nobody) for schema in schemas.values())
    async with listening(first) as products, listening(second) as inventory:
        addresses = {"products": products, "inventory": inventory}
        subgraphs = [
            {"name": name, "url": f"http://{address}/graphql", "sdl": schemas[name].sdl}
            for name, address in addresses.items()
        ]
        done = await asyncio.to_thread(
            subprocess.run,
            ["node", "traced.mjs"],
            cwd=TESTS / "gateway",
            input=json.dumps({"subgraphs": subgraphs, "queries": queries}),
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        )
    report = json.loads(done.stdout)
    assert [result.get("errors") for result in report["results"]] == [None, None, None]
    old = {"sku": "n-0", "reason": "Takes a new one"}
    assert [result["data"] for result in report["results"]] == [
        {
            "product": {
                "delivery": "0.5 kg by bicycle",
                "dimensions": {"weight": 0.5},
                "createdBy": {
                    "name": "Ada",
                    "totalProductsCreated": 1337,
                    "averageProductsCreatedPerYear": 334,
                },
            }
        },
        {"inventory": {"__typename": "Warehouse", "id": "north", "deprecatedProducts": [old]}},
        {
            "inventory": {
                "oldest": {"reason": "Takes a new one"},
                "products": [{"sku": "n-1"}, {"sku": "b-1"}],
            }
        },
    ]
    traces = [
        [(trace["subgraph"], trace["failed"], *trace["fields"]) for trace in result["traces"]]
        for result in report["results"]
    ]
    entities = ("products", False, "_entities")
    assert traces == [
        [("products", False, "product"), *[("inventory", False, "_entities")] * 2, entities],
        [("inventory", False, "inventory"), entities],
        [("inventory", False, "inventory"), entities, entities],
    ]
