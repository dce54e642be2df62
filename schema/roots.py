"""The roots, and the schema they make."""

from functools import cache

import strawberry
from strawberry.schema.config import StrawberryConfig

from execution.strawberry_schema import Execution
from guard import Limits
from resolvers.authorization import AUTHORIZATION
from schema.accounts import AccountMutations
from schema.authorization import check_authorization
from schema.blocks import BlockMutations
from schema.changes import ChangeSubscriptions
from schema.consents import ConsentMutations
from schema.contacts import ContactMutations, ContactQueries
from schema.erasures import ErasureMutations, ErasureQueries
from schema.federation import FederatedSchema, ServiceQuery
from schema.follows import FollowMutations
from schema.handles import HandleMutations, HandleQueries
from schema.households import HouseholdMutations
from schema.merges import MergeMutations
from schema.mutations import ERROR_TYPES
from schema.preferences import PreferencesMutations
from schema.privacy import PrivacyMutations
from schema.profiles import ProfileMutations
from schema.sdl import Profile
from schema.tiers import TierMutations
from schema.users import UserQueries


@strawberry.type(description="What can be asked.")
class Query(UserQueries, HandleQueries, ContactQueries, ServiceQuery, ErasureQueries):
    """What can be asked."""


@strawberry.type(description="What can be done; a mutation is null only together with an error.")
class Mutation(
    ProfileMutations,
    HandleMutations,
    AccountMutations,
    MergeMutations,
    FollowMutations,
    BlockMutations,
    ConsentMutations,
    PreferencesMutations,
    ContactMutations,
    TierMutations,
    HouseholdMutations,
    PrivacyMutations,
    ErasureMutations,
):
    """What can be done."""


@strawberry.type(description="What can be followed as it happens.")
class Subscription(ChangeSubscriptions):
    """What can be followed as it happens."""


@cache
def build_schema(
    profile: Profile = Profile.PORTABLE,
    *,
    execution: Execution = "compiled",
    limits: Limits | None = None,
) -> FederatedSchema:
    """The User subgraph's schema, built once.

    Raises: FieldSetError when a key names no field, AuthorizationError when a field has no rule.
    """
    schema = FederatedSchema(
        profile=profile,
        execution=execution,
        limits=limits,
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=list(ERROR_TYPES.values()),
        config=StrawberryConfig(),
    )
    check_authorization(schema.graphql, AUTHORIZATION)
    return schema
