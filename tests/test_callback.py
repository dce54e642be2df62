"""Subscriptions by HTTP callback: a router on a real port takes every message, or does not."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from server.addresses import parse_address
from server.callback import Callbacks, Limits
from server.errors import RequestError
from server.requests import accepted
from tests.listening import listening, until

ID = "c4a9d1b8-dc57-44ab-9e5a-6e6189b2b945"
OTHER_IDS = ["01J9ZC0WPB1", "01J9ZC0WPB2", "01J9ZC0WPB3"]
VERIFIER = "f2b0c7"
LIMITS = Limits(attempt_seconds=0.5, delivery_seconds=1.0, check_seconds=1.0, min_heartbeat_ms=50)
SHAPES = {
    "check": {"kind", "action", "id", "verifier"},
    "next": {"kind", "action", "id", "verifier", "payload"},
    "complete": {"kind", "action", "id", "verifier"},
}
STATUSES = {"check": 204, "next": 200, "complete": 202}  # as GraphOS Router answers
FOLLOWERS_1 = {"data": {"profileChanged": {"followerCount": 1}}}
FOLLOWERS_2 = {"data": {"profileChanged": {"followerCount": 2}}}

Answer = Callable[[dict[str, Any]], Awaitable[Response | None]]


class Router:
    """A strict receiver of messages; `answer` may answer some of them in another way."""

    def __init__(self) -> None:
        self.address = ""
        self.messages: list[dict[str, Any]] = []
        self.arrivals: list[float] = []
        self.cookies: list[str | None] = []
        self.violations: list[str] = []
        self.answer: Answer | None = None
        self.app = Starlette(
            routes=[
                Route("/callback/{id}", self._take, methods=["POST"]),
                Route("/elsewhere", self._elsewhere, methods=["GET", "POST"]),
            ]
        )

    def extension(self, **changes: Any) -> dict[str, Any]:
        """`extensions.subscription` of its requests; None leaves a member out."""
        members = {
            "callbackUrl": f"http://{self.address}/callback/{ID}",
            "subscriptionId": ID,
            "verifier": VERIFIER,
            "heartbeatIntervalMs": 0,
            **changes,
        }
        return {name: value for name, value in members.items() if value is not None}

    def actions(self) -> list[str]:
        """What came, in order."""
        return [message["action"] for message in self.messages]

    async def _take(self, request: Request) -> Response:
        message = await request.json()
        self.messages.append(message)
        self.arrivals.append(time.monotonic())
        self.cookies.append(request.headers.get("cookie"))
        for problem in self._problems(request, message):
            self.violations.append(f"{problem}: {message}")
        if self.answer is not None:
            answer = await self.answer(message)
            if answer is not None:
                return answer
        return Response(
            status_code=STATUSES[message["action"]],
            headers={"subscription-protocol": "callback/1.0", "set-cookie": "a=b"},
        )

    async def _elsewhere(self, _: Request) -> Response:
        self.violations.append("a redirect was followed")
        return Response(status_code=204)

    def _problems(self, request: Request, message: dict[str, Any]) -> list[str]:
        expected = {
            "protocol": request.headers.get("subscription-protocol") == "callback/1.0",
            "content type": request.headers.get("content-type") == "application/json",
            "shape": set(message) - {"errors"} == SHAPES[message["action"]],
            "errors": message["action"] == "complete"
            if message.get("errors")
            else "errors" not in message,
            "kind": message["kind"] == "subscription",
            "id": message["id"] == request.path_params["id"] and message["id"] in [ID, *OTHER_IDS],
            "verifier": message["verifier"] == VERIFIER,
        }
        return [name for name, holds in expected.items() if not holds]


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    """A router that listens; whatever came to it was as the protocol says."""
    router = Router()
    async with listening(router.app) as address:
        router.address = address
        yield router
    assert router.violations == []


@asynccontextmanager
async def callbacks_to(router: Router, limits: Limits = LIMITS) -> AsyncIterator[Callbacks]:
    callbacks = Callbacks([f"http://{router.address}/callback"], limits)
    try:
        yield callbacks
    finally:
        await callbacks.close()


class Results:
    """Results of a subscription, and whether they were closed."""

    def __init__(
        self, *bodies: dict[str, Any], for_ever: bool = False, deaf_once: bool = False
    ) -> None:
        self._bodies = bodies
        self._for_ever = for_ever
        self._deaf_once = deaf_once
        self.taken = 0
        self.closed = False
        self.stream = self._stream()  # held, so that nothing but closing it closes it

    async def _stream(self) -> AsyncGenerator[Mapping[str, Any], None]:
        try:
            for body in self._bodies:
                self.taken += 1
                yield body
            if self._deaf_once:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
            if self._for_ever:
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def subscribe(
    callbacks: Callbacks,
    router: Router,
    results: Results,
    *,
    expires_at: datetime | None = None,
    **changes: Any,
) -> None:
    async with callbacks.open(router.extension(**changes)) as callback:
        callbacks.run(callback, results.stream, expires_at=expires_at)


async def refused(callbacks: Callbacks, extension: object) -> tuple[int, str]:
    with pytest.raises(RequestError) as error:
        async with callbacks.open(extension):
            pytest.fail("it was opened")
    return error.value.status, error.value.code


def answering(status: int, *, to: str) -> Answer:
    async def answer(message: dict[str, Any]) -> Response | None:
        return Response(status_code=status) if message["action"] == to else None

    return answer


def message(action: str, **more: Any) -> dict[str, Any]:
    return {"kind": "subscription", "action": action, "id": ID, "verifier": VERIFIER, **more}


# The protocol


async def test_results_follow_the_check_and_the_end_follows_the_results(router: Router) -> None:
    results = Results(FOLLOWERS_1, FOLLOWERS_2)
    async with callbacks_to(router) as callbacks:
        async with callbacks.open(router.extension()) as callback:
            assert router.messages == [message("check")]
            callbacks.run(callback, results.stream)
        await until(lambda: len(router.messages) == 4)
    assert router.messages == [
        message("check"),
        message("next", payload=FOLLOWERS_1),
        message("next", payload=FOLLOWERS_2),
        message("complete"),
    ]
    assert results.closed


async def test_the_names_of_the_preview_are_understood(router: Router) -> None:
    extension = {
        "callback_url": f"http://{router.address}/callback/{ID}",
        "subscription_id": ID,
        "verifier": VERIFIER,
        "heartbeat_interval_ms": 0,
    }
    async with callbacks_to(router) as callbacks, callbacks.open(extension) as callback:
        assert callback.heartbeat_seconds is None
    assert router.actions() == ["check"]


@pytest.mark.parametrize("status", [200, 202, 301, 400, 401, 404, 500])
async def test_a_check_that_is_not_confirmed_is_no_subscription(
    router: Router, status: int
) -> None:
    router.answer = answering(status, to="check")
    async with callbacks_to(router) as callbacks:
        assert await refused(callbacks, router.extension()) == (400, "CALLBACK_NOT_CONFIRMED")
        assert not callbacks._open
    assert set(router.actions()) == {"check"}
    assert (len(router.messages) > 1) == (status == 500)


async def test_a_router_that_is_not_there_is_no_subscription() -> None:
    router = Router()
    async with listening(router.app) as address:
        router.address = address
    async with callbacks_to(router) as callbacks:
        assert await refused(callbacks, router.extension()) == (400, "CALLBACK_NOT_CONFIRMED")
        assert not callbacks._open


async def test_a_redirect_is_not_followed(router: Router) -> None:
    async def redirect(_: dict[str, Any]) -> Response:
        return RedirectResponse("/elsewhere")

    router.answer = redirect
    async with callbacks_to(router) as callbacks:
        assert await refused(callbacks, router.extension()) == (400, "CALLBACK_NOT_CONFIRMED")


async def test_a_subscription_that_is_not_run_is_given_up(router: Router) -> None:
    async with callbacks_to(router) as callbacks:
        with pytest.raises(LookupError):
            async with callbacks.open(router.extension()):
                raise LookupError
        assert not callbacks._open
    assert router.actions() == ["check"]


async def test_checks_come_within_every_interval_while_nothing_happens(router: Router) -> None:
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, Results(for_ever=True), heartbeatIntervalMs=500)
        await until(lambda: len(router.messages) == 4)
        gaps = [
            later - earlier
            for earlier, later in zip(router.arrivals, router.arrivals[1:], strict=False)
        ]
    assert router.actions()[:4] == ["check"] * 4
    assert all(0.3 < gap < 0.5 for gap in gaps[:3]), gaps


async def test_checks_go_on_while_a_result_is_not_taken(router: Router) -> None:
    async def answer(message: dict[str, Any]) -> Response | None:
        if message["action"] == "next":
            await until(lambda: router.actions().count("check") >= 3)
        return None

    router.answer = answer
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, Results(FOLLOWERS_1), heartbeatIntervalMs=50)
        await until(lambda: "complete" in router.actions())
    assert router.actions().count("next") == 1


async def test_an_interval_of_0_asks_for_no_checks_and_cannot_live_for_ever(
    router: Router,
) -> None:
    async with callbacks_to(
        router, Limits(min_heartbeat_ms=50, unwatched_seconds=0.5)
    ) as callbacks:
        results = Results(FOLLOWERS_1, for_ever=True)
        await subscribe(callbacks, router, results, heartbeatIntervalMs=0)
        await until(lambda: not callbacks._open)
    error = {
        "message": "No checks were asked for; subscribe again.",
        "extensions": {"code": "UNAVAILABLE"},
    }
    assert router.messages == [
        message("check"),
        message("next", payload=FOLLOWERS_1),
        message("complete", errors=[error]),
    ]
    assert router.arrivals[2] - router.arrivals[1] > 0.4


@pytest.mark.parametrize(
    ("interval", "seconds"), [(None, 4.0), (50, 0.04), (60_000, 48.0), (10**12, 48.0)]
)
async def test_an_interval_is_kept_with_a_margin_and_at_most_a_minute(
    router: Router, interval: int | None, seconds: float
) -> None:
    extension = router.extension(heartbeatIntervalMs=interval)
    async with callbacks_to(router) as callbacks, callbacks.open(extension) as callback:
        assert callback.heartbeat_seconds == seconds


# The end


@pytest.mark.parametrize("action", ["next", "check"])
async def test_a_router_that_wants_no_more_gets_no_more(
    router: Router, action: str, caplog: pytest.LogCaptureFixture
) -> None:
    results = Results(FOLLOWERS_1, FOLLOWERS_2, for_ever=True)
    async with callbacks_to(router) as callbacks:
        async with callbacks.open(router.extension(heartbeatIntervalMs=50)) as callback:
            router.answer = answering(404, to=action)
            callbacks.run(callback, results.stream)
        await until(lambda: not callbacks._open)
        assert results.closed
        assert (await until_quiet(router))[-1] == action
    assert "complete" not in router.actions()
    assert caplog.records == []


@pytest.mark.parametrize("status", [302, 400, 401, 413])
async def test_a_result_that_is_refused_ends_it_at_once(router: Router, status: int) -> None:
    router.answer = answering(status, to="next")
    results = Results(FOLLOWERS_1, FOLLOWERS_2, for_ever=True)
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, results)
        await until(lambda: not callbacks._open)
    assert router.actions() == ["check", "next"]
    assert results.closed


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_result_that_is_not_taken_is_sent_again(router: Router, status: int) -> None:
    async def answer(message: dict[str, Any]) -> Response | None:
        return Response(status_code=status) if router.actions().count("next") in (1, 2) else None

    router.answer = answer
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, Results(FOLLOWERS_1))
        await until(lambda: not callbacks._open)
    assert router.messages == [
        message("check"),
        *[message("next", payload=FOLLOWERS_1)] * 3,
        message("complete"),
    ]


async def test_a_router_that_went_away_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    router, results = Router(), Results(FOLLOWERS_1, FOLLOWERS_2, for_ever=True)
    async with listening(router.app) as address:
        router.address = address
        callbacks = Callbacks([f"http://{address}"], LIMITS)
        opened = callbacks.open(router.extension())
        callback = await opened.__aenter__()
    started = time.monotonic()
    callbacks.run(callback, results.stream)
    await opened.__aexit__(None, None, None)
    await until(lambda: not callbacks._open)
    assert 0.9 < time.monotonic() - started < 2
    assert results.taken == 1
    assert results.closed
    [line] = caplog.records
    assert line.__dict__["router"] == f"http://{address}"
    assert line.__dict__["failure"] == "no answer (ConnectError)"
    await callbacks.close()


async def test_a_router_that_never_answers_is_given_up(router: Router) -> None:
    async def never(message: dict[str, Any]) -> Response | None:
        if message["action"] == "next":
            await asyncio.sleep(3)
        return None

    router.answer = never
    async with callbacks_to(router) as callbacks:
        started = time.monotonic()
        await subscribe(callbacks, router, Results(FOLLOWERS_1, for_ever=True))
        await until(lambda: not callbacks._open)
        assert 0.9 < time.monotonic() - started < 2


@pytest.mark.parametrize("pause", [0.0, 0.05])
async def test_an_answer_without_end_is_cut_off(router: Router, pause: float) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * (1024 if pause == 0 else 1)
            await asyncio.sleep(pause)

    async def answer(message: dict[str, Any]) -> Response | None:
        return StreamingResponse(endless()) if message["action"] == "next" else None

    router.answer = answer
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, Results(FOLLOWERS_1))
        await until(lambda: not callbacks._open)
    if pause == 0:
        assert router.actions() == ["check", "next", "complete"]
    else:  # it trickles, and the time for an attempt is over
        assert set(router.actions()) == {"check", "next"}
        assert sent < 50


async def test_a_slow_router_gets_the_newest_state_and_nothing_piles_up(router: Router) -> None:
    newest, changed = 0, asyncio.Event()

    async def states() -> AsyncGenerator[Mapping[str, Any], None]:
        """Conflates, as the source of a subscription does."""
        while True:
            await changed.wait()
            changed.clear()
            yield {"data": newest}

    taking = asyncio.Event()

    async def answer(message: dict[str, Any]) -> Response | None:
        if message.get("payload") == {"data": 1}:
            await taking.wait()
        return None

    router.answer = answer
    async with callbacks_to(router) as callbacks:
        async with callbacks.open(router.extension()) as callback:
            callbacks.run(callback, states())
        for newest in range(1, 101):
            changed.set()
            if newest == 1:
                await until(lambda: len(router.messages) == 2)
            await asyncio.sleep(0)
        assert router.messages[1:] == [message("next", payload={"data": 1})]
        taking.set()
        await until(lambda: len(router.messages) == 3)
        assert router.messages[2] == message("next", payload={"data": 100})


async def test_a_fault_is_told_masked(router: Router, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> AsyncGenerator[Mapping[str, Any], None]:
        yield FOLLOWERS_1
        raise LookupError("hunter2")

    async with callbacks_to(router) as callbacks:
        async with callbacks.open(router.extension()) as callback:
            callbacks.run(callback, broken())
        await until(lambda: not callbacks._open)
    [error] = router.messages[-1]["errors"]
    incident = caplog.records[0].__dict__["incident"]
    assert router.actions() == ["check", "next", "complete"]
    assert error == {
        "message": f"Something went wrong here (incident {incident}).",
        "extensions": {"code": "INTERNAL_SERVER_ERROR"},
    }


async def test_a_body_that_is_no_json_is_a_fault(router: Router) -> None:
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, Results({"data": object()}))
        await until(lambda: not callbacks._open)
    assert router.messages[-1]["errors"][0]["extensions"] == {"code": "INTERNAL_SERVER_ERROR"}


@pytest.mark.parametrize("seconds", [-60, 0, 0.2])
async def test_it_ends_when_the_token_expires(router: Router, seconds: float) -> None:
    results, expires_at = Results(for_ever=True), datetime.now(UTC) + timedelta(seconds=seconds)
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, results, expires_at=expires_at)
        await until(lambda: not callbacks._open)
        assert datetime.now(UTC) >= expires_at
    error = {
        "message": "The token expired; subscribe with a new one.",
        "extensions": {"code": "UNAUTHENTICATED"},
    }
    assert router.messages == [message("check"), message("complete", errors=[error])]
    assert results.closed


async def test_a_source_that_misses_a_cancellation_is_told_again(
    router: Router, caplog: pytest.LogCaptureFixture
) -> None:
    """As PyMongo does now and then."""
    results = Results(for_ever=True, deaf_once=True)
    async with callbacks_to(router) as callbacks:
        in_a_moment = datetime.now(UTC) + timedelta(seconds=0.1)
        await subscribe(callbacks, router, results, expires_at=in_a_moment)
        await until(lambda: router.actions() == ["check", "complete"])
    assert results.closed
    assert caplog.messages == []


async def test_a_far_expiry_does_not_end_it(router: Router) -> None:
    async with callbacks_to(router) as callbacks:
        far = datetime.max.replace(tzinfo=UTC)
        await subscribe(callbacks, router, Results(FOLLOWERS_1), expires_at=far)
        await until(lambda: not callbacks._open)
    assert router.messages[-1] == message("complete")


async def test_stopping_ends_every_subscription(router: Router) -> None:
    every = [Results(FOLLOWERS_1, for_ever=True) for _ in OTHER_IDS]
    callbacks = Callbacks([f"http://{router.address}"], LIMITS)
    for id, results in zip(OTHER_IDS, every, strict=True):
        url = f"http://{router.address}/callback/{id}"
        await subscribe(callbacks, router, results, subscriptionId=id, callbackUrl=url)
    await until(lambda: len(router.messages) == 2 * len(every))
    await callbacks.close()
    error = {
        "message": "The server is stopping; subscribe again.",
        "extensions": {"code": "UNAVAILABLE"},
    }
    last = sorted(router.messages[2 * len(every) :], key=lambda message: str(message["id"]))
    assert last == [message("complete", errors=[error]) | {"id": id} for id in OTHER_IDS]
    assert all(results.closed for results in every)
    assert await refused(callbacks, router.extension()) == (503, "UNAVAILABLE")
    await callbacks.close()


async def test_stopping_does_not_wait_for_a_router_that_does_not_answer(router: Router) -> None:
    async def never(message: dict[str, Any]) -> Response | None:
        if message["action"] != "check":
            await asyncio.sleep(2)
        return None

    router.answer = never
    callbacks = Callbacks([f"http://{router.address}"], Limits(close_seconds=0.5))
    results = Results(FOLLOWERS_1, for_ever=True)
    await subscribe(callbacks, router, results)
    await until(lambda: len(router.messages) == 2)
    started = time.monotonic()
    await callbacks.close()
    assert time.monotonic() - started < 1.5
    assert results.closed


# Several


async def test_an_id_that_comes_again_replaces_the_last_one_silently(router: Router) -> None:
    first, second = Results(for_ever=True), Results(FOLLOWERS_2, for_ever=True)
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, first)
        await subscribe(callbacks, router, second)
        await until(lambda: first.closed and len(router.messages) == 3)
        assert router.messages == [
            message("check"),
            message("check"),
            message("next", payload=FOLLOWERS_2),
        ]
        assert not second.closed
        assert len(callbacks._open) == 1
    assert router.actions()[3:] == ["complete"]


async def test_an_id_whose_check_fails_replaces_nothing(router: Router) -> None:
    first = Results(for_ever=True)
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, first)
        router.answer = answering(401, to="check")
        assert (await refused(callbacks, router.extension()))[1] == "CALLBACK_NOT_CONFIRMED"
        assert not first.closed
        assert len(callbacks._open) == 1


async def test_too_many_are_refused_until_one_ends(router: Router) -> None:
    async with callbacks_to(router, Limits(open=1)) as callbacks:
        async with callbacks.open(router.extension()):
            assert await refused(callbacks, router.extension()) == (429, "TOO_MANY_SUBSCRIPTIONS")
            assert len(router.messages) == 1
        await subscribe(callbacks, router, Results(FOLLOWERS_1))
        await until(lambda: not callbacks._open)
        await subscribe(callbacks, router, Results(FOLLOWERS_1))
        await until(lambda: not callbacks._open)


# What a client may say


async def test_without_addresses_there_are_no_callbacks() -> None:
    callbacks = Callbacks([])
    extension = Router().extension(callbackUrl="http://127.0.0.1/callback")
    assert await refused(callbacks, extension) == (400, "CALLBACK_NOT_SUPPORTED")
    await callbacks.close()


async def test_an_extension_that_is_no_object_is_refused(router: Router) -> None:
    async with callbacks_to(router) as callbacks:
        extensions: list[object] = [None, [], "x", 1, {}]
        for extension in extensions:
            assert await refused(callbacks, extension) == (400, "BAD_REQUEST")


WRONG_TEXTS: list[object] = [1, True, [], {}, "", "a b", "a\n", "é", "\ud800", "x" * 5000, None]
WRONG_NUMBERS: list[object] = [-1, 1, 49, True, 5.5, 5000.0, "5000", [], float("nan")]


@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("callbackUrl", WRONG_TEXTS),
        ("subscriptionId", WRONG_TEXTS),
        ("verifier", WRONG_TEXTS),
        ("heartbeatIntervalMs", WRONG_NUMBERS),
    ],
)
async def test_a_member_that_is_wrong_is_refused_before_anything_is_sent(
    router: Router, member: str, values: list[object]
) -> None:
    async with callbacks_to(router) as callbacks:
        for value in values:
            extension = router.extension(**{member: value})
            assert await refused(callbacks, extension) == (400, "BAD_REQUEST")
    assert router.messages == []


ALLOWED = ["http://router:4000/callback", "https://edge.example", "http://[2001:DB8::1]:80/c/"]


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://router:4000/callback", "http://router:4000/callback"),
        ("http://router:4000/callback/", "http://router:4000/callback/"),
        (f"http://router:4000/callback/{ID}", f"http://router:4000/callback/{ID}"),
        ("HTTP://Router:4000/callback/A", "http://router:4000/callback/A"),
        ("https://edge.example/any/thing", "https://edge.example:443/any/thing"),
        ("https://edge.example:443", "https://edge.example:443"),
        ("http://[2001:db8:0:0::1]/c/x", "http://[2001:db8::1]:80/c/x"),
    ],
)
def test_an_address_under_a_prefix_is_allowed(url: str, normal: str) -> None:
    address = parse_address(url)
    assert address.is_under([parse_address(prefix) for prefix in ALLOWED])
    assert str(address) == normal


@pytest.mark.parametrize(
    "url",
    [
        "http://router:4000/",
        "http://router:4000/callbacks",
        "http://router:4000/callback.evil/x",
        "http://router:4000/Callback/x",
        "http://router:4000/x/callback",
        "http://router/callback/x",
        "http://router:40000/callback/x",
        "https://router:4000/callback/x",
        "http://edge.example/x",
        "https://edge.example:4443/x",
        "https://edge.example.evil.example/x",
        "https://evil.edge.example/x",
        "https://evil-edge.example/x",
        "http://127.0.0.1:4000/callback/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]:80/c/x",
        "http://[::ffff:127.0.0.1]/c/x",
    ],
)
def test_an_address_elsewhere_is_not_allowed(url: str) -> None:
    assert not parse_address(url).is_under([parse_address(prefix) for prefix in ALLOWED])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "router:4000/callback",
        "//router:4000/callback/x",
        "/callback/x",
        "ftp://router:4000/callback/x",
        "file:///etc/passwd",
        "gopher://router:4000/callback/x",
        "http:router:4000/callback/x",
        "http:/router:4000/callback/x",
        "http:///callback/x",
        "http://:4000/callback/x",
        "http://user@router:4000/callback/x",
        "http://user:password@router:4000/callback/x",
        "http://@router:4000/callback/x",
        "http://router:4000@evil.example/callback/x",
        "http://evil.example#@router:4000/callback/x",
        "http://evil.example\\@router:4000/callback/x",
        "http://router:4000\\@evil.example/callback/x",
        "http://router:4000/callback/x?y=z",
        "http://router:4000?/callback/x",
        "http://router:4000/callback/x#y",
        "http://router:4000/callback/../admin",
        "http://router:4000/callback/./x",
        "http://router:4000/callback/..",
        "http://router:4000/callback/..;/admin",
        "http://router:4000/callback/;/admin",
        "http://router:4000/callback//x",
        "http://router:4000//callback/x",
        "http://router:4000/callback/%2e%2e/admin",
        "http://router:4000/callback/%2E%2E%2Fadmin",
        "http://router:4000/callback/..%2fadmin",
        "http://router:4000/callback/..\\admin",
        "http://router:4000/callback\\..\\admin",
        "http://router:4000/%63allback/x",
        "http://router%2eevil.example:4000/callback/x",
        "http://router.:4000/callback/x",
        "http://.router:4000/callback/x",
        "http://router..evil:4000/callback/x",
        "http://röuter:4000/callback/x",
        "http://\uff52outer:4000/callback/x",
        "http://router\u3002evil:4000/callback/x",
        "http://\u212aedge.example/x",
        "http://router:4000\u2044callback/x",
        "http://router:/callback/x",
        "http://router:0/callback/x",
        "http://router:04000/callback/x",
        "http://router:65536/callback/x",
        "http://router:-1/callback/x",
        "http://router:4000:80/callback/x",
        "http://router:\u0664000/callback/x",
        "http://2130706433/callback/x",
        "http://127.1/callback/x",
        "http://0177.0.0.1/callback/x",
        "http://0x7f000001/callback/x",
        "http://127.0.0.0x1/callback/x",
        "http://999.1.1.1/callback/x",
        "http://a.1/callback/x",
        "http://[::1/c/x",
        "http://::1/c/x",
        "http://[::1%25lo]/c/x",
        "http://[::1%lo]/c/x",
        "http://[:::]/c/x",
        "http://[router]/c/x",
        "http://router:4000/callback/x ",
        " http://router:4000/callback/x",
        "http://router:4000/callback/x\n",
        "http://router:4000/callback/\r\nHost: evil",
        "http://rou\tter:4000/callback/x",
        "http://router:4000/callback/x\x00",
        "http://" + "a" * 64 + "/callback",
        "http://router:4000/callback/" + "x" * 2048,
    ],
)
def test_an_address_that_could_be_read_in_two_ways_is_none(url: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as error:
        parse_address(url)
    assert url not in str(error.value) or not url


async def test_an_address_that_is_not_allowed_is_never_called(router: Router) -> None:
    async with callbacks_to(router) as callbacks:
        url = f"http://{router.address}/elsewhere"
        assert await refused(callbacks, router.extension(callbackUrl=url)) == (
            403,
            "CALLBACK_NOT_ALLOWED",
        )


@pytest.mark.parametrize("prefix", ["router:4000", "*", "http://user@router", "http://röuter"])
def test_a_prefix_that_is_no_address_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Callbacks([prefix])


async def test_proxies_and_cookies_have_no_say(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with callbacks_to(router) as callbacks:
        await subscribe(callbacks, router, Results(FOLLOWERS_1))
        await until(lambda: not callbacks._open)
    assert router.actions() == ["check", "next", "complete"]
    assert router.cookies == [None, None, None]


async def test_ids_and_verifiers_are_not_logged(
    router: Router, caplog: pytest.LogCaptureFixture
) -> None:
    router.answer = answering(400, to="next")
    with caplog.at_level(logging.DEBUG):
        async with callbacks_to(router) as callbacks:
            await subscribe(callbacks, router, Results(FOLLOWERS_1))
            await until(lambda: not callbacks._open)
    ours = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    assert [record.getMessage() for record in ours] == [
        "a subscription ends: its router does not take results"
    ]
    assert ours[0].__dict__["router"] == f"http://{router.address}"


@pytest.mark.parametrize(
    ("accept", "asks"),
    [
        (["application/json;callbackSpec=1.0"], True),
        (["application/json", "application/json;callbackSpec=1.0"], True),
        (['text/html, Application/JSON ; CallbackSpec = "1.0"; charset=utf-8'], True),
        (["application/json;callbackSpec=1.0; charset=utf-8"], True),
        ([], False),
        (["application/json"], False),
        (["application/json;callbackSpec=2.0"], False),
        (["application/json;x=callbackSpec=1.0"], False),
        (["multipart/mixed;subscriptionSpec=1.0, application/json"], False),
        (["multipart/mixed;callbackSpec=1.0, application/json"], False),
    ],
)
def test_an_accept_header_asks_for_callbacks(accept: list[str], asks: bool) -> None:
    assert accepted(", ".join(accept)).callback is asks


async def until_quiet(router: Router) -> list[str]:
    """What came, once nothing came for three intervals of checks."""
    count = -1
    while count != len(router.messages):
        count = len(router.messages)
        await asyncio.sleep(0.15)
    return router.actions()
