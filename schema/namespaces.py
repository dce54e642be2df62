"""Namespaces: what a client team keeps of the viewer."""

import strawberry
from strawberry.scalars import JSON


@strawberry.type(description="What the viewer has in a namespace of preferences.")
class NamespacePreferences:
    """What the viewer has in a namespace of preferences; read from `Preferences`."""

    namespace: str = strawberry.field(description="The name of the namespace.")
    schema_version: int = strawberry.field(description="The version of the schema of `values`.")
    values: JSON = strawberry.field(description="All preferences, with defaults for those not set.")
    rev: int = strawberry.field(
        description="Grows with every change of the namespace; 0 while nothing was set."
    )
