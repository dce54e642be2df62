"""The doctor: what works, what does not, and what to do about it."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from resolvers.namespaces import UnusableNamespaces
from resolvers.purposes import UnusablePurposes
from server.app import utc_now
from server.audit import AuditLog, UnusableAuditFile
from server.explorer import BUNDLE
from server.keys import UNREADABLE, keys_of, reason
from server.senders import digest_keys_of, sender_of
from server.settings import Settings
from store.errors import StoreFault
from store.store import Store


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` says what to do."""

    subject: str
    is_good: bool
    found: str
    advice: str = ""

    def __str__(self) -> str:
        sign = "ok  " if self.is_good else "FAIL"
        advice = f"\n     -> {self.advice}" if self.advice else ""
        return f"{sign} {self.subject}: {self.found}{advice}"


async def examine(settings: Settings, store: Store) -> list[Finding]:
    """Looks at everything the service needs."""
    try:
        return [
            Finding("settings", True, f"{settings.federation_profile} profile"),
            await _keys(settings),
            _router(settings),
            _audit(settings),
            _registries(settings),
            _contacts(settings),
            _explorer(settings),
            *[finding async for finding in _database(settings, store)],
        ]
    finally:
        await store.close()


async def _keys(settings: Settings) -> Finding:
    where = settings.token_jwks_file or settings.token_jwks_url
    source = "FILE" if settings.token_jwks_file else "URL"
    advice = f"see USERGRAPH_TOKEN_JWKS_{source}" if where else "see USERGRAPH_DATA_DIR"
    try:
        keys = keys_of(settings)
        await keys.update()
    except UNREADABLE as error:
        found = reason(error)
        told = found if where is None or str(where) in found else f"{where}: {found}"
        return Finding("token keys", False, told, advice)
    if where:
        return Finding("token keys", True, f"{len(keys)} in {where}")
    found = f"development key in {settings.data_dir}"
    return Finding("token keys", True, found, "set USERGRAPH_TOKEN_JWKS_URL in production")


def _router(settings: Settings) -> Finding:
    if settings.knows_router:
        return Finding("router", True, "proves itself")
    advice = "set USERGRAPH_ROUTER_SECRETS where others than the router can reach this"
    return Finding("router", True, "anybody may ask _entities and _service", advice)


def _audit(settings: Settings) -> Finding:
    if settings.audit_file is None:
        return Finding("audit", True, "goes to the log")
    try:
        AuditLog(settings.audit_file, utc_now).close()
    except UnusableAuditFile as error:
        return Finding("audit", False, str(error), "see USERGRAPH_AUDIT_FILE")
    return Finding("audit", True, f"is added to {settings.audit_file}")


def _registries(settings: Settings) -> Finding:
    try:
        policy = settings.policy
    except (UnusablePurposes, UnusableNamespaces) as error:
        advice = "see docs/consents.md and docs/preferences.md"
        return Finding("purposes and preferences", False, str(error), advice)
    found = f"{len(policy.purposes)} purposes, {len(policy.namespaces)} namespaces"
    is_sample = settings.purposes is None or settings.preferences is None
    advice = "set USERGRAPH_PURPOSES and USERGRAPH_PREFERENCES to yours" if is_sample else ""
    return Finding("purposes and preferences", True, found, advice)


def _contacts(settings: Settings) -> Finding:
    advice = "see USERGRAPH_CONTACT_SENDER and USERGRAPH_CONTACT_INDEX_KEYS"
    try:
        has_keys = digest_keys_of(settings) is not None
    except (OSError, ValueError) as error:
        return Finding("contacts", False, str(error), advice)
    has_sender = sender_of(settings) is not None
    if has_keys is not has_sender:
        missing = "keys" if has_sender else "sender"
        return Finding("contacts", False, f"have no {missing}, and are refused", advice)
    if not has_keys:
        return Finding("contacts", True, "are not set up, and refused", advice)
    kept = settings.contact_sender in (None, "mailbox")
    return Finding("contacts", True, "wait in the mailbox" if kept else "get their messages")


def _explorer(settings: Settings) -> Finding:
    if not settings.serves_explorer:
        return Finding("explorer", True, "switched off")
    if not settings.limits.introspection:
        advice = "set USERGRAPH_INTROSPECTION=true, or USERGRAPH_EXPLORER=false"
        return Finding("explorer", True, "is served, but not told the schema", advice)
    if (BUNDLE / "index.html").is_file():
        return Finding("explorer", True, "GraphiQL is built")
    return Finding(
        "explorer",
        True,
        "the plain page is served",
        "for GraphiQL install Node 20.19 or later; start scripts/serve or build the wheel again",
    )


async def _database(settings: Settings, store: Store) -> AsyncIterator[Finding]:
    where = "the configured server" if settings.mongodb_uri else "the embedded engine"
    began = time.perf_counter()
    try:
        hello = await store.ping()
    except StoreFault as fault:
        yield Finding(
            "database",
            False,
            f"{where} does not answer: {fault}",
            "check USERGRAPH_MONGODB_URI and that the server runs",
        )
        return
    milliseconds = (time.perf_counter() - began) * 1000
    yield Finding(
        "database", True, f"{where} answers {settings.mongodb_driver} in {milliseconds:.0f} ms"
    )
    if not hello.get("setName") and hello.get("msg") != "isdbgrid":
        yield Finding(
            "change feed",
            True,
            "no replica set: subscriptions read the watched users every second",
            "run MongoDB as a replica set for change streams",
        )
    missing = await store.missing_indexes()
    if missing:
        advice = "nothing to do: the server makes them when it starts"
        yield Finding("indexes", True, f"not made yet: {', '.join(missing)}", advice)
    else:
        yield Finding("indexes", True, "all there")
    if await store.users.any():
        yield Finding("users", True, "there are some")
    else:
        yield Finding("users", True, "there are none", "usergraph seed --users 1000 adds samples")
