"""Whom a change of the schema hurts: the tables that `schema/check.py` looks into.

Source: GraphQL specification, section 5 (validation); Apollo Federation, "Composition rules" and
"Federation directives".
"""

from enum import StrEnum
from typing import NamedTuple

from schema.elements import Kind


class Severity(StrEnum):
    """How bad a change is, worst first.

    `breaking`: operations that were valid fail, or subgraphs that composed no longer do, unless
    nobody used it. `dangerous`: they stay valid and may behave otherwise. `safe`: neither.
    """

    BREAKING = "breaking"
    DANGEROUS = "dangerous"
    SAFE = "safe"


class Harm(NamedTuple):
    """A severity with a sentence that says who is hurt."""

    severity: Severity
    hurts: str


def breaking(hurts: str) -> Harm:
    """Somebody fails."""
    return Harm(Severity.BREAKING, hurts)


def dangerous(hurts: str) -> Harm:
    """Somebody may be surprised."""
    return Harm(Severity.DANGEROUS, hurts)


def safe(hurts: str = "Hurts nobody.") -> Harm:
    """Nobody is hurt, perhaps on a condition that the sentence tells."""
    return Harm(Severity.SAFE, hurts)


REMOVED = {
    Kind.SCALAR: breaking("Clients that declare variables of it are refused."),
    Kind.OBJECT: breaking("Clients that ask for it are refused; subgraphs lose what it resolved."),
    Kind.INTERFACE: breaking("Clients with fragments on it are refused."),
    Kind.UNION: breaking("Clients with fragments on it are refused."),
    Kind.ENUM: breaking("Clients that declare variables of it or know its values are refused."),
    Kind.INPUT: breaking("Clients that declare variables of it are refused."),
    Kind.FIELD: breaking("Clients that ask for it are refused."),
    Kind.ARGUMENT: breaking("Clients that give it are refused."),
    Kind.INPUT_FIELD: breaking("Clients that give it are refused."),
    Kind.ENUM_VALUE: breaking("Clients whose code names it no longer build or miss it."),
    Kind.DIRECTIVE: breaking("Clients that use it in operations are refused."),
    Kind.MEMBER: breaking("Clients with a fragment on the member are refused."),
    Kind.IMPLEMENTATION: breaking("Clients that reach it through the interface are refused."),
    Kind.ROOT: breaking("Clients can no longer start an operation there."),
    Kind.LOCATION: breaking("Clients that use the directive so are refused."),
}
REMOVED_INPUT_VALUE = breaking("Clients that send it are refused.")
REMOVED_HIDDEN = dangerous("Clients never saw it; subgraphs that require it no longer compose.")
REMOVED_EXTERNAL = safe("Hurts nobody: another subgraph resolves it.")

ADDED_FIELD = safe("Hurts nobody, unless another subgraph resolves it without @shareable.")
ADDED_SHARED_FIELD = dangerous(
    "Subgraphs that resolve the type no longer compose until they resolve the field too."
)
ADDED_INTERFACE_FIELD = dangerous(
    "Subgraphs with types of the interface no longer compose until those have the field."
)
ADDED_INTERFACE_ARGUMENT = dangerous(
    "Subgraphs with types of the interface no longer compose until those take the argument."
)
ADDED_REQUIRED = breaking("Clients that do not give it are refused.")
ADDED_OUTPUT_VALUE = dangerous("Clients that do not expect another value may fail on it.")
ADDED_SHARED_VALUE = dangerous(
    "Clients may fail on another value; subgraphs with the enum must have it at once to compose."
)
ADDED_MEMBER = dangerous("Clients without a fragment on it get an object without fields.")
ADDED_IMPLEMENTATION = dangerous("Clients that ask through the interface get one type more.")

CHANGED_KIND = breaking("Clients and subgraphs that use it as what it was are refused.")
MADE_NULLABLE = breaking("Clients that rely on a value may get null.")
OTHER_OUTPUT_TYPE = breaking("Clients that read or select it as the old type fail.")
NARROWED_OUTPUT = safe("Hurts nobody: the promise is stronger.")
MADE_REQUIRED = breaking("Clients that leave it out, send null or have nullable variables fail.")
OTHER_INPUT_TYPE = breaking("Clients that send the old type are refused.")
WIDENED_INPUT = safe("Hurts nobody: what was accepted still is.")
CHANGED_DEFAULT = dangerous("Clients that leave it out get another behaviour.")
NOW_OPTIONAL = safe("Hurts nobody: it need not be given any more.")

NOT_IN_OPERATIONS = safe("Hurts nobody: operations cannot use the directive.")


class UseRule(NamedTuple):
    """What it means when a use of a directive is added, removed, or has other arguments."""

    added: Harm
    removed: Harm
    changed: Harm


NOW_RESOLVABLE = safe("Hurts nobody: the gateway has one way more.")
NOW_UNRESOLVABLE = breaking("Subgraphs that refer to the type by this key no longer compose.")
_OVERRIDE = dangerous("The gateway asks another subgraph for the field from now on.")
_FETCHED = dangerous("The gateway must fetch other fields first; some plans may be impossible.")
_PROVIDED = dangerous("The gateway plans otherwise; fields may not be reachable on this path.")
_TAGGED = dangerous("Clients of contracts that include or exclude the tag see another schema.")
_STRICTER = breaking("Clients that do not satisfy it are refused by the router.")
LAXER = dangerous("Clients that the router refused get the data, unless it is refused here.")
_COST = dangerous("Clients near a router's cost limit may be refused.")
_CACHE = dangerous("Clients may get what a router cached for longer or shorter.")
_CONTEXT = dangerous("The gateway passes other values down; some plans may be impossible.")
_CONNECTED = breaking("The router asks another source for the field.")
_STANDS_IN = breaking("Subgraphs with the interface or its types no longer compose.")
_VERSION = dangerous("Composition and gateways that do not know the version refuse the subgraph.")

USES = {
    "authenticated": UseRule(_STRICTER, LAXER, _STRICTER),
    "cacheTag": UseRule(_CACHE, _CACHE, _CACHE),
    "composeDirective": UseRule(
        safe(),
        dangerous("Whoever reads the directive in the supergraph no longer finds it."),
        dangerous("Whoever reads the directive in the supergraph finds another."),
    ),
    "connect": UseRule(_CONNECTED, _CONNECTED, _CONNECTED),
    "context": UseRule(_CONTEXT, _CONTEXT, _CONTEXT),
    "cost": UseRule(_COST, _COST, _COST),
    "deprecated": UseRule(
        safe("Hurts nobody yet: clients are told to leave it."),
        safe(),
        safe(),
    ),
    "external": UseRule(
        breaking("Clients lose the field, unless another subgraph resolves it."),
        dangerous("Subgraphs that resolve the field no longer compose unless it is @shareable."),
        safe(),
    ),
    "fromContext": UseRule(_CONTEXT, _CONTEXT, _CONTEXT),
    "inaccessible": UseRule(
        breaking("Clients that use it through the gateway are refused."),
        safe("Hurts nobody: clients of the gateway see it from now on."),
        safe(),
    ),
    "interfaceObject": UseRule(_STANDS_IN, _STANDS_IN, _STANDS_IN),
    "key": UseRule(NOW_RESOLVABLE, NOW_UNRESOLVABLE, NOW_UNRESOLVABLE),
    "link": UseRule(
        safe(), dangerous("Composition no longer knows what the directives mean."), _VERSION
    ),
    "listSize": UseRule(_COST, _COST, _COST),
    "oneOf": UseRule(
        breaking("Clients that give none or several of the fields are refused."),
        safe("Hurts nobody: what was accepted still is."),
        safe(),
    ),
    "override": UseRule(_OVERRIDE, _OVERRIDE, _OVERRIDE),
    "policy": UseRule(_STRICTER, LAXER, _STRICTER),
    "provides": UseRule(_PROVIDED, _PROVIDED, _PROVIDED),
    "requires": UseRule(_FETCHED, safe("Hurts nobody: the gateway fetches less."), _FETCHED),
    "requiresScopes": UseRule(_STRICTER, LAXER, _STRICTER),
    "shareable": UseRule(
        safe("Hurts nobody: other subgraphs may resolve it too."),
        breaking("Subgraphs that resolve it too no longer compose."),
        safe(),
    ),
    "source": UseRule(_CONNECTED, _CONNECTED, _CONNECTED),
    "specifiedBy": UseRule(
        safe(),
        dangerous("Clients that read the scalar by its specification may fail."),
        dangerous("Clients that read the scalar by its specification may fail."),
    ),
    "tag": UseRule(_TAGGED, _TAGGED, _TAGGED),
}
_UNKNOWN = dangerous("Whoever acts on the directive may act otherwise; it is not known here.")
UNKNOWN_USE = UseRule(_UNKNOWN, _UNKNOWN, _UNKNOWN)

STILL_SHAREABLE = safe("Hurts nobody: it is shareable all the same.")
UNRESOLVABLE_KEY_REMOVED = breaking("Clients lose what the gateway fetched elsewhere by this key.")
FEDERATION_2 = dangerous("Subgraphs that resolve fields not @shareable here no longer compose.")
FEDERATION_1 = breaking("Composition takes it for federation 1 and refuses newer directives.")
OTHER_IMPORTS = safe("Hurts nobody: only the uses of directives matter.")
