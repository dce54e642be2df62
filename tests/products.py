"""Two subgraphs that use all of federation's directives, served as ours is, from memory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import strawberry
from starlette.applications import Starlette
from starlette.routing import Route
from strawberry import ID
from strawberry.federation.schema_directive import Location
from strawberry.federation.schema_directives import Key

from resolvers.request import Request, Viewer
from schema.federation import FederatedSchema, ServiceQuery
from schema.sdl import Profile
from server.app import utc_now
from server.budgets import Budgets
from server.callback import Callbacks
from server.callers import Callers
from server.deadlines import Deadlines
from server.documents import Documents
from server.http import GraphQLEndpoint
from server.identity import identity_of
from server.operations import Operations
from server.rates import RateLimits
from server.settings import Settings
from server.streams import Streams
from store.coalescing import Parts
from store.store import Store

Keys = Sequence[Mapping[str, Any]]


@strawberry.federation.schema_directive(
    locations=[Location.OBJECT],
    name="custom",
    compose=True,
    import_url="https://usergraph.test/custom/v1.0",
)
class Custom:
    """A directive that the supergraph keeps."""


@strawberry.type
class ProductVariation:
    id: ID


@strawberry.federation.type(shareable=True)
class ProductDimension:
    size: str | None
    weight: float | None
    unit: str | None = strawberry.federation.field(inaccessible=True, default="kg")


@strawberry.type
class CaseStudy:
    case_number: ID
    description: str | None = None


@strawberry.federation.type(keys=["study { caseNumber }"])
class ProductResearch:
    study: CaseStudy
    outcome: str | None = None

    @classmethod
    async def resolve_references(
        cls, request: Request, keys: Keys
    ) -> list["ProductResearch | None"]:
        by_number = {item.study.case_number: item for item in RESEARCH}
        return [by_number.get(key["study"]["caseNumber"]) for key in keys]


@strawberry.federation.type(keys=["email"], extend=True)
class User:
    email: ID = strawberry.federation.field(external=True)
    name: str | None = strawberry.federation.field(override="inventory", default="Ada")
    total_products_created: int | None = strawberry.federation.field(external=True, default=None)
    years_of_employment: int = strawberry.federation.field(external=True, default=0)

    @strawberry.federation.field(requires=["totalProductsCreated yearsOfEmployment"])
    def average_products_created_per_year(self) -> int | None:
        if self.total_products_created is None or not self.years_of_employment:
            return None
        return round(self.total_products_created / self.years_of_employment)

    @classmethod
    async def resolve_references(cls, request: Request, keys: Keys) -> list["User | None"]:
        return [
            cls(
                email=key["email"],
                total_products_created=key.get("totalProductsCreated"),
                years_of_employment=key.get("yearsOfEmployment", 0),
            )
            if key["email"] == ADA
            else None
            for key in keys
        ]


@strawberry.federation.type(
    keys=["id", "sku package", "sku variation { id }"], directives=[Custom()]
)
class Product:
    id: ID
    sku: str | None
    package: str | None
    variation: ProductVariation | None
    dimensions: ProductDimension | None
    research: list[ProductResearch]
    notes: str | None = strawberry.federation.field(tags=["internal"], default=None)

    @strawberry.federation.field(provides=["totalProductsCreated"])
    def created_by(self) -> User | None:
        return User(email=ID(ADA), total_products_created=1337)

    @classmethod
    async def resolve_references(cls, request: Request, keys: Keys) -> list["Product | None"]:
        return [next((item for item in PRODUCTS if item.matches(key)), None) for key in keys]

    def matches(self, key: Mapping[str, Any]) -> bool:
        """Whether the product is what the key names, whichever key it is."""
        if "id" in key:
            return bool(self.id == key["id"])
        if "package" in key:
            return (self.sku, self.package) == (key["sku"], key["package"])
        assert self.variation is not None
        return (self.sku, self.variation.id) == (key["sku"], key["variation"]["id"])


@strawberry.federation.type(keys=["sku package"])
class DeprecatedProduct:
    sku: str
    package: str
    reason: str | None = None

    @classmethod
    async def resolve_references(
        cls, request: Request, keys: Keys
    ) -> list["DeprecatedProduct | None"]:
        return [
            DEPRECATED if (key["sku"], key["package"]) == (DEPRECATED.sku, "tin") else None
            for key in keys
        ]


@strawberry.federation.interface_object(keys=["id"])
class Inventory:
    id: ID

    @strawberry.field
    def deprecated_products(self) -> list[DeprecatedProduct]:
        return [DEPRECATED]

    @classmethod
    async def resolve_references(cls, request: Request, keys: Keys) -> list["Inventory"]:
        return [cls(id=key["id"]) for key in keys]


ADA = "ada@usergraph.test"
RESEARCH = [
    ProductResearch(study=CaseStudy(case_number=ID("7"), description="Wow"), outcome="flutter"),
    ProductResearch(study=CaseStudy(case_number=ID("8"))),
]
PRODUCTS = [
    Product(
        id=ID("needle"),
        sku="n-1",
        package="box",
        variation=ProductVariation(id=ID("fine")),
        dimensions=ProductDimension(size="small", weight=0.5),
        research=RESEARCH,
        notes="Stock up.",
    ),
    Product(
        id=ID("brush"),
        sku="b-1",
        package="bag",
        variation=ProductVariation(id=ID("soft")),
        dimensions=None,
        research=[],
    ),
]
DEPRECATED = DeprecatedProduct(sku="n-0", package="tin", reason="Takes a new one")


@strawberry.type
class ProductQuery(ServiceQuery):
    @strawberry.field
    def product(self, id: ID) -> Product | None:
        return next((item for item in PRODUCTS if item.id == id), None)


def products_schema(profile: Profile = Profile.PORTABLE) -> FederatedSchema:
    """The subgraph under test."""
    types = [Inventory, User, DeprecatedProduct]
    execution = Settings().execution
    return FederatedSchema(profile=profile, execution=execution, query=ProductQuery, types=types)


@strawberry.federation.type(name="User", keys=["email"])
class Employee:
    email: ID
    name: str | None = None
    total_products_created: int | None = strawberry.federation.field(shareable=True, default=12)
    years_of_employment: int = 4

    @classmethod
    async def resolve_references(cls, request: Request, keys: Keys) -> list["Employee"]:
        return [cls(email=key["email"]) for key in keys]


@strawberry.federation.type(name="ProductDimension", shareable=True)
class Parcel:
    size: str | None
    weight: float | None


@strawberry.federation.type(name="Product", keys=["id"])
class StoredProduct:
    id: ID
    dimensions: Parcel | None = strawberry.federation.field(external=True, default=None)
    weight_asked: strawberry.Private[float | None] = None

    @strawberry.federation.field(requires=["dimensions { size weight }"])
    def delivery(self) -> str | None:
        return None if self.weight_asked is None else f"{self.weight_asked:g} kg by bicycle"

    @classmethod
    async def resolve_references(cls, request: Request, keys: Keys) -> list["StoredProduct"]:
        return [
            cls(id=key["id"], weight_asked=(key.get("dimensions") or {}).get("weight"))
            for key in keys
        ]


@strawberry.federation.type(
    name="DeprecatedProduct",
    keys=[cast(Any, Key(fields=cast(Any, "sku package"), resolvable=False))],
)
class OldProduct:
    sku: str
    package: str


@strawberry.federation.interface(name="Inventory", keys=["id"])
class StoredInventory:
    id: ID

    @classmethod
    async def resolve_references(
        cls, request: Request, keys: Keys
    ) -> list["StoredInventory | None"]:
        return [WAREHOUSE if key["id"] == WAREHOUSE.id else None for key in keys]


@strawberry.federation.type(keys=["id"])
class Warehouse(StoredInventory):
    city: str

    @strawberry.field
    def oldest(self) -> OldProduct:
        return OldProduct(sku=DEPRECATED.sku, package=DEPRECATED.package)

    @strawberry.field
    def products(self) -> list[StoredProduct]:
        return [StoredProduct(id=item.id) for item in PRODUCTS]


WAREHOUSE = Warehouse(id=ID("north"), city="Kiruna")


@strawberry.type
class InventoryQuery(ServiceQuery):
    @strawberry.field
    def inventory(
        self, id: Annotated[ID, strawberry.argument(description="Which one.")]
    ) -> StoredInventory | None:
        return WAREHOUSE if id == WAREHOUSE.id else None


def inventory_schema() -> FederatedSchema:
    """The subgraph of another team."""
    types = [Warehouse, Employee]
    return FederatedSchema(execution=Settings().execution, query=InventoryQuery, types=types)


def served(schema: FederatedSchema, data_dir: Path, store: Store) -> Starlette:
    """A schema behind the endpoint that serves ours; these subgraphs leave the store alone."""

    def make_request(
        viewer: Viewer | None, needs: Parts = None, purpose: str | None = None
    ) -> Request:
        return Request(viewer=viewer, store=store, now=utc_now)

    endpoint = GraphQLEndpoint(
        Operations(schema, Documents(), make_request, Budgets(), RateLimits()),
        Callers(identity_of(Settings(data_dir=data_dir))),
        Streams(heartbeat_seconds=10),
        Callbacks(()),
        Deadlines(),
        max_body_bytes=1_000_000,
    )
    return Starlette(routes=[Route("/graphql", endpoint)])
