"""The application: routes, life span, and the floors wired together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from pipelines.erasure import erase_forever
from pipelines.repair import repair_forever
from resolvers.caching import CacheTags
from resolvers.proofs import Proofs
from resolvers.request import Request, Viewer
from resolvers.senders import Sender
from schema.caching import VARY
from schema.federation import FederatedSchema
from schema.roots import build_schema
from server import archive
from server.audit import AuditLog
from server.budgets import Budgets
from server.callback import Callbacks
from server.callers import Callers
from server.certificates import owing, proofs_of
from server.deadlines import Deadlines
from server.documents import Documents
from server.event_stream import EventStreamEndpoint
from server.exchanges import Exchanges
from server.explorer import Session, explorer_routes
from server.http import GraphQLEndpoint
from server.identity import Identity
from server.mailbox import Mailbox
from server.manifests import read_manifest
from server.operations import Operations
from server.rates import RateLimits
from server.router import headers_of_router, router_of, router_only_of
from server.senders import digest_keys_of, sender_of
from server.settings import Settings
from server.streams import Streams
from server.websocket import WebSocketEndpoint
from store.coalescing import Parts
from store.driver import stop
from store.errors import StoreFault
from store.store import Store

ENDPOINT = "/graphql"


class Application(Starlette):
    """The routes; requests for the endpoint itself take the shortest way to it."""

    def __init__(self, endpoint: ASGIApp, exchanges: Exchanges, **parts: Any) -> None:
        super().__init__(**parts)
        self._endpoint = endpoint
        self._exchanges = exchanges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or carries one connection."""
        if scope["type"] == "http" and scope["path"] == ENDPOINT:
            await self._exchanges.observe(self._endpoint, scope, receive, send)
        elif scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await self._exchanges.observe(super().__call__, scope, receive, send)


def utc_now() -> datetime:
    """The moment, as an aware time in UTC."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    store: Store,
    identity: Identity,
    *,
    session: Session | None = None,
    logger: FilteringBoundLogger | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Starlette:
    """The subgraph over a store; with a session it serves the explorer too.

    The logger takes a line for every request, as far as the settings want any.

    Starting it ensures the indexes; stopping it closes the store. Its `state.streams` have to be
    closed before: a stream goes on for ever. Raises: UnusableAuditFile, UnusableProofs.
    """
    schema = build_schema(
        settings.federation_profile, execution=settings.execution, limits=settings.limits
    )
    audit = AuditLog(settings.audit_file, now)
    sender = sender_of(settings)
    proofs = proofs_of(settings)
    make_request = _requests_of(settings, store, now, audit, sender, proofs)
    documents = documents_of(settings, schema)
    operations = Operations(
        schema,
        documents,
        make_request,
        _budgets_of(settings),
        RateLimits(settings.rate_limit_per_user, settings.rate_limit_per_client),
        gives_traces=settings.ftv1,
        router_only=router_only_of(settings),
        varying=(*VARY, *headers_of_router(settings)),
    )
    owed = [holder.subgraph for holder in owing(settings)]
    streams = Streams(heartbeat_seconds=settings.heartbeat_seconds)
    callbacks = Callbacks(settings.callback_urls)
    limit = settings.max_body_bytes
    callers = Callers(identity, router_of(settings))
    deadlines = Deadlines(settings.deadline_header, settings.request_timeout_seconds)
    http = GraphQLEndpoint(operations, callers, streams, callbacks, deadlines, max_body_bytes=limit)
    event_stream = EventStreamEndpoint(operations, callers, streams, max_body_bytes=limit)
    websocket = WebSocketEndpoint(
        schema,
        documents,
        callers,
        make_request,
        operations,
        allowed_origins=settings.allowed_origins,
        messages_per_second=settings.ws_messages_per_second,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            closing.callback(audit.close)
            closing.push_async_callback(store.close)
            await store.ensure_indexes()
            repairing = asyncio.create_task(repair_forever(store, now))
            closing.push_async_callback(stop, repairing)
            erasing = asyncio.create_task(erase_forever(store, now, owed, proofs.certify))
            closing.push_async_callback(stop, erasing)
            closing.push_async_callback(callbacks.close)
            following = asyncio.create_task(identity.keys.follow())
            closing.push_async_callback(stop, following)
            yield

    routes: Sequence[BaseRoute] = [
        Route(ENDPOINT, http),
        Route(f"{ENDPOINT}/stream", event_stream),
        WebSocketRoute(ENDPOINT, websocket),
        Route(archive.PATH, archive.ArchiveEndpoint(store, callers, now)),
        Route("/health/live", _live),
        Route("/health/ready", partial(_ready, store, identity)),
        *(explorer_routes(session) if session else ()),
        *([sender.route] if isinstance(sender, Mailbox) and settings.serves_mailbox else ()),
    ]
    paths = [route.path for route in routes if isinstance(route, Route)]
    exchanges = Exchanges(paths, logger, settings.access_log)
    app = Application(http, exchanges, routes=routes, lifespan=lifespan)
    app.state.streams = streams
    app.state.callbacks = callbacks
    return app


def documents_of(settings: Settings, schema: FederatedSchema) -> Documents:
    """The documents that may be named; those of the manifest are checked. Raises: ManifestError."""
    if settings.trusted_documents is None:
        return Documents()
    trusted = read_manifest(settings.trusted_documents, schema.graphql)
    return Documents(trusted, trusted_only=settings.trusted_documents_only)


def _requests_of(
    settings: Settings,
    store: Store,
    now: Callable[[], datetime],
    audit: AuditLog,
    sender: Sender | None,
    proofs: Proofs,
) -> Callable[..., Request]:
    """What makes a request of a viewer, with what its operation needs and is for."""
    policy, digest_keys = settings.policy, digest_keys_of(settings)

    def make_request(
        viewer: Viewer | None, needs: Parts = None, purpose: str | None = None
    ) -> Request:
        return Request(
            viewer=viewer,
            store=store,
            now=now,
            policy=policy,
            cache_tags=CacheTags() if settings.cache_tags else None,
            needs=needs,
            purpose=purpose,
            audit=audit.write,
            digest_keys=digest_keys,
            sender=sender,
            proofs=proofs,
        )

    return make_request


def _budgets_of(settings: Settings) -> Budgets:
    return Budgets(
        entities=settings.max_in_flight_entities,
        queries=settings.max_in_flight_queries,
        mutations=settings.max_in_flight_mutations,
        subscriptions=settings.max_subscriptions,
    )


async def _live(_: HTTPRequest) -> Response:
    return JSONResponse({"status": "ok"})


async def _ready(store: Store, identity: Identity, _: HTTPRequest) -> Response:
    if not identity.keys:
        return JSONResponse({"status": "token keys unavailable"}, 503)
    try:
        await store.ping()
    except StoreFault:
        return JSONResponse({"status": "database unavailable"}, 503)
    return JSONResponse({"status": "ok"})
