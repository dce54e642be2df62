"""Subscriptions over the HTTP callback protocol: results are sent to the router's address.

Source: Apollo's HTTP callback protocol for GraphQL subscriptions, `callback/1.0`.
"""

import asyncio
import logging
import re
import secrets
import ssl
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Collection,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import orjson

from server.addresses import Address, parse_address
from server.errors import RequestError, bad_request, masked_fault
from server.identity import seconds_until
from store.driver import stop

PROTOCOL_HEADER = {"subscription-protocol": "callback/1.0"}
"""What every message carries, and the answer to the router's request too."""

ACCEPTED = {"data": None}
"""The answer to a request whose results will be sent."""

DEFAULT_HEARTBEAT_MS = 5000
HEARTBEAT_MARGIN = 0.8  # a check must arrive within every interval: leave time for the way
MAX_ANSWER_BYTES = 4096
RETRIED = frozenset({408, 425, 429})
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
CLOSE_SECONDS = 1.0  # for our own side: a source of results, a task
VISIBLE = re.compile(r"[\x21-\x7e]{1,512}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much callbacks may take; times are seconds unless the name says otherwise."""

    open: int = 500
    connections: int = 100
    attempt_seconds: float = 5.0
    delivery_seconds: float = 15.0
    check_seconds: float = 5.0
    close_seconds: float = 3.0
    min_heartbeat_ms: int = 1000
    max_heartbeat_ms: int = 60_000
    unwatched_seconds: float = 3600.0
    """How long one without checks may live: that its router is gone is not noticed."""


@dataclass(eq=False, slots=True)
class Callback:
    """One subscription of a router, confirmed by it."""

    address: Address
    id: str
    verifier: str = field(repr=False)
    heartbeat_seconds: float | None
    ending: asyncio.Future["Ending"] = field(repr=False)
    is_running: bool = False

    def end(self, ending: "Ending") -> None:
        """Ends it for a reason, unless it is ending already."""
        if not self.ending.done():
            self.ending.set_result(ending)

    @property
    def name(self) -> tuple[str, str]:
        """What the router knows it by."""
        return str(self.address), self.id


@dataclass(frozen=True, slots=True)
class Ending:
    """How a callback ends: told to the router or not, with an error or without."""

    told: bool = True
    code: str | None = None
    message: str = ""

    @property
    def errors(self) -> list[dict[str, Any]]:
        """GraphQL errors of the last message."""
        if self.code is None:
            return []
        return [{"message": self.message, "extensions": {"code": self.code}}]


FINISHED = Ending()
UNTOLD = Ending(told=False)
EXPIRED = Ending(code="UNAUTHENTICATED", message="The token expired; subscribe with a new one.")
UNWATCHED = Ending(code="UNAVAILABLE", message="No checks were asked for; subscribe again.")
STOPPING = Ending(code="UNAVAILABLE", message="The server is stopping; subscribe again.")


class Undelivered(Exception):
    """A message that the router did not take: what came instead, and the status if one came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Callbacks:
    """The callbacks of an application, to addresses under the allowed prefixes alone.

    Raises: ValueError when a prefix is not an address.
    """

    def __init__(self, allowed: Sequence[str], limits: Limits | None = None) -> None:
        self._allowed = [parse_address(prefix) for prefix in allowed]
        self._limits = limits or Limits()
        self._client = _client(self._limits) if self._allowed else None
        # Waiting for a connection is no fault of the router: it is not part of an attempt.
        self._turns = asyncio.Semaphore(self._limits.connections)
        self._open: set[Callback] = set()
        self._running: dict[tuple[str, str], Callback] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    @asynccontextmanager
    async def open(self, extension: object) -> AsyncIterator[Callback]:
        """A callback as `extensions.subscription` asks for it, confirmed by the router.

        `run` inside the block keeps it; a block that ends without `run` gives it up.

        Raises: RequestError.
        """
        callback = self._parse(extension)
        if self._closing:
            raise RequestError(503, "UNAVAILABLE", STOPPING.message)
        if len(self._open) >= self._limits.open:
            raise RequestError(
                429, "TOO_MANY_SUBSCRIPTIONS", "Too many subscriptions are open; try again later."
            )
        self._open.add(callback)
        try:
            await self._confirm(callback)
            yield callback
        finally:
            if not callback.is_running:
                self._open.discard(callback)

    def run(
        self,
        callback: Callback,
        results: AsyncGenerator[Mapping[str, Any], None],
        *,
        expires_at: datetime | None = None,
    ) -> None:
        """Sends response bodies until they end, the router is gone or the time has come.

        The next result is asked for when the router has taken the last one. `results` is closed
        at the end. A message whose answer is lost is sent again, so it may arrive twice.
        """
        assert not callback.is_running
        callback.is_running = True
        # A router that deduplicates derives the id from the operation: the same one comes back
        # while the last one has not noticed its end. Telling that would end the new one as well.
        replaced = self._running.get(callback.name)
        if replaced is not None:
            replaced.end(UNTOLD)
        self._running[callback.name] = callback
        if self._closing:
            callback.end(UNTOLD)
        task = asyncio.create_task(self._keep(callback, results, expires_at))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ends every callback with a message to its router; afterwards none can be opened."""
        self._closing = True
        for callback in self._running.values():
            callback.end(STOPPING)
        if self._tasks:
            _, late = await asyncio.wait(
                self._tasks, timeout=self._limits.close_seconds + CLOSE_SECONDS
            )
            await _cancel(late)
        if self._client is not None:
            await self._client.aclose()

    def _parse(self, extension: object) -> Callback:
        if not self._allowed:
            raise RequestError(
                400, "CALLBACK_NOT_SUPPORTED", "Subscriptions by HTTP callback are not set up here."
            )
        if not isinstance(extension, dict):
            raise bad_request("Expected extensions.subscription to be an object.")
        callback_url = _member(extension, "callbackUrl", "callback_url")
        if not isinstance(callback_url, str):
            raise bad_request("Expected callbackUrl to be a string.")
        try:
            address = parse_address(callback_url)
        except ValueError as error:
            raise bad_request(f"callbackUrl: {error}.") from error
        if not address.is_under(self._allowed):
            raise RequestError(
                403, "CALLBACK_NOT_ALLOWED", "callbackUrl is not one that is allowed here."
            )
        return Callback(
            address,
            _visible(_member(extension, "subscriptionId", "subscription_id"), "subscriptionId"),
            _visible(extension.get("verifier"), "verifier"),
            self._heartbeat_seconds(
                _member(extension, "heartbeatIntervalMs", "heartbeat_interval_ms")
            ),
            asyncio.get_running_loop().create_future(),
        )

    def _heartbeat_seconds(self, interval: object) -> float | None:
        limits = self._limits
        if interval is None:
            interval = DEFAULT_HEARTBEAT_MS
        if not isinstance(interval, int) or isinstance(interval, bool):
            raise bad_request("Expected heartbeatIntervalMs to be an integer.")
        if interval == 0:
            return None
        if interval < limits.min_heartbeat_ms:
            # Fewer checks than asked for would make the router end the subscription later.
            raise bad_request(
                f"Expected heartbeatIntervalMs to be 0 or at least {limits.min_heartbeat_ms}."
            )
        return min(interval, limits.max_heartbeat_ms) * HEARTBEAT_MARGIN / 1000

    async def _confirm(self, callback: Callback) -> None:
        try:
            status = await self._deliver(callback, "check", seconds=self._limits.check_seconds)
            if status != 204:
                raise Undelivered(f"the answer {status}", status)
        except Undelivered as error:
            raise RequestError(
                400,
                "CALLBACK_NOT_CONFIRMED",
                f"Expected the router to confirm the subscription with 204, but got {error}.",
            ) from error

    async def _keep(
        self,
        callback: Callback,
        results: AsyncGenerator[Mapping[str, Any], None],
        expires_at: datetime | None,
    ) -> None:
        workers = [asyncio.create_task(_work(callback, self._forward(callback, results)))]
        if callback.heartbeat_seconds is not None:
            beating = self._beat(callback, callback.heartbeat_seconds)
            workers.append(asyncio.create_task(_work(callback, beating)))
        timers = self._timers(callback, expires_at)
        try:
            ending = await callback.ending
            await _cancel(workers)
            await _finish(results)
            if ending.told and self._running.get(callback.name) is callback:
                await self._complete(callback, ending)
        finally:
            for timer in timers:
                timer.cancel()
            await _cancel(workers)
            self._open.discard(callback)
            if self._running.get(callback.name) is callback:
                del self._running[callback.name]

    async def _forward(
        self, callback: Callback, results: AsyncGenerator[Mapping[str, Any], None]
    ) -> None:
        async for body in results:
            await self._deliver(callback, "next", payload=body)
        callback.end(FINISHED)

    async def _beat(self, callback: Callback, seconds: float) -> None:
        now = asyncio.get_running_loop().time
        due = now() + seconds
        while True:
            await asyncio.sleep(due - now())
            due = now() + seconds
            await self._deliver(callback, "check")

    def _timers(self, callback: Callback, expires_at: datetime | None) -> list[asyncio.TimerHandle]:
        later, timers = asyncio.get_running_loop().call_later, []
        if expires_at is not None:
            timers.append(later(seconds_until(expires_at), callback.end, EXPIRED))
        if callback.heartbeat_seconds is None:
            timers.append(later(self._limits.unwatched_seconds, callback.end, UNWATCHED))
        return timers

    async def _complete(self, callback: Callback, ending: Ending) -> None:
        # Routers take `errors: []` for a failure without a reason, so it is there or not there.
        errors = {"errors": ending.errors} if ending.errors else {}
        seconds = self._limits.close_seconds if ending is STOPPING else None
        try:
            await self._deliver(callback, "complete", seconds=seconds, **errors)
        except Undelivered as error:
            logger.info(
                "a router did not take the end of a subscription",
                extra={"router": callback.address.origin, "failure": str(error)},
            )

    async def _deliver(
        self, callback: Callback, action: str, *, seconds: float | None = None, **more: Any
    ) -> int:
        """Sends a message until the router takes it; gives the status of its answer.

        Raises: Undelivered when it refuses, or does not take it in time.
        """
        message = {"kind": "subscription", "action": action, "id": callback.id}
        content = orjson.dumps({**message, "verifier": callback.verifier, **more})
        failure, wait = "no answer in time", FIRST_WAIT_SECONDS
        try:
            async with asyncio.timeout(seconds or self._limits.delivery_seconds):
                while True:
                    answer = await self._post(callback.address, content)
                    if isinstance(answer, int):
                        if 200 <= answer < 300:
                            return answer
                        failure = f"the answer {answer}"
                        if answer < 500 and answer not in RETRIED:
                            raise Undelivered(failure, answer)
                    else:
                        failure = answer
                    # Callbacks of one router that comes back are spread over the wait.
                    await asyncio.sleep(wait * (0.5 + secrets.randbelow(500) / 1000))
                    wait = min(2 * wait, LONGEST_WAIT_SECONDS)
        except TimeoutError:
            raise Undelivered(failure) from None

    async def _post(self, address: Address, content: bytes) -> int | str:
        """The status of the answer, or why there is none."""
        assert self._client is not None
        try:
            async with (
                self._turns,
                asyncio.timeout(self._limits.attempt_seconds),
                self._client.stream("POST", str(address), content=content) as answer,
            ):
                await _drain(answer)
                return answer.status_code
        except TimeoutError:
            return "no answer in time"
        except httpx.HTTPError as error:
            return f"no answer ({type(error).__name__})"


def _client(limits: Limits) -> httpx.AsyncClient:
    # Both log addresses, and with them the ids that let anybody speak for a subscription.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return httpx.AsyncClient(
        headers={
            **PROTOCOL_HEADER,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "usergraph",
        },
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
        limits=httpx.Limits(
            max_connections=limits.connections, max_keepalive_connections=limits.connections
        ),
        timeout=limits.attempt_seconds,
        trust_env=False,  # no proxy and no .netrc from the environment
        verify=ssl.create_default_context(),  # the system's authorities, or SSL_CERT_FILE
    )


async def _drain(answer: httpx.Response) -> None:
    """Reads a short body, so that the connection can be used again; a long one is cut off."""
    size = 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            return


async def _work(callback: Callback, work: Coroutine[Any, Any, None]) -> None:
    """Carries out a part of a callback's work, whose failure ends the callback."""
    try:
        await work
    except Undelivered as error:
        if error.status != 404:  # which is how a router says that it wants no more
            logger.warning(
                "a subscription ends: its router does not take results",
                extra={"router": callback.address.origin, "failure": str(error)},
            )
        callback.end(UNTOLD)
    except Exception:
        fault = masked_fault()
        callback.end(Ending(code=fault.code, message=str(fault)))


async def _finish(results: AsyncGenerator[Mapping[str, Any], None]) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await results.aclose()
    except Exception:
        logger.exception("the results of a subscription did not close")


async def _cancel(tasks: Collection[asyncio.Task[None]]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await asyncio.gather(*map(stop, tasks))


def _member(extension: Mapping[str, Any], name: str, older_name: str) -> Any:
    """A member by its name, or by the one that the preview of the protocol had."""
    return extension.get(name, extension.get(older_name))


def _visible(value: object, name: str) -> str:
    if not isinstance(value, str) or not VISIBLE.fullmatch(value):
        raise bad_request(f"Expected {name} to be 1 to 512 visible ASCII characters.")
    return value
