"""The doctor: what works, what does not, and what to do about it."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from server.explorer import BUNDLE
from server.identity import identity_of
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
            _keys(settings),
            _explorer(settings),
            *[finding async for finding in _database(settings, store)],
        ]
    finally:
        await store.close()


def _keys(settings: Settings) -> Finding:
    try:
        identity_of(settings)
    except (OSError, ValueError) as error:
        is_ours = settings.token_jwks_file is None
        advice = "see USERGRAPH_DATA_DIR" if is_ours else "correct USERGRAPH_TOKEN_JWKS_FILE"
        return Finding("token keys", False, str(error), advice)
    if settings.token_jwks_file is not None:
        return Finding("token keys", True, f"in {settings.token_jwks_file}")
    found = f"development key in {settings.data_dir}"
    return Finding("token keys", True, found, "set USERGRAPH_TOKEN_JWKS_FILE in production")


def _explorer(settings: Settings) -> Finding:
    if not settings.serves_explorer:
        return Finding("explorer", True, "switched off")
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
        advice = "start the server, which creates them"
        yield Finding("indexes", False, f"missing: {', '.join(missing)}", advice)
    else:
        yield Finding("indexes", True, "all there")
    if await store.users.any():
        yield Finding("users", True, "there are some")
    else:
        yield Finding("users", True, "there are none", "usergraph seed --users 1000 adds samples")
