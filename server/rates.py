"""Rates: how much one user, and one client, may ask for in a while; each process counts for itself.

The generic cell rate algorithm: of each of them only the moment is kept at which all that it asked
for would be paid, so that asking takes the same time whatever the rate.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from resolvers.viewer import Viewer
from server.errors import RequestError

RATE = re.compile(r"([1-9][0-9]{0,11})/(second|minute|hour|day)")
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
MOST_KEPT = 100_000
"""Of those who asked for something; the ones that asked longest ago are forgotten first."""


class Rate(NamedTuple):
    """So much in so many seconds."""

    amount: int
    seconds: int


def parse_rate(text: str) -> Rate:
    """The rate of a text like `1000/minute`. Raises: ValueError."""
    match = RATE.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a number per {', '.join(SECONDS)}, as in 1000/minute")
    return Rate(int(match[1]), SECONDS[match[2]])


class RateLimit:
    """A rate for each of many; one who asked for nothing in a while may ask for `amount` at once.

    What costs more than the whole rate is let through to one who has all of it left: otherwise it
    could never be.
    """

    def __init__(self, rate: Rate, now: Callable[[], float] = time.monotonic) -> None:
        self._seconds_each = rate.seconds / rate.amount
        self._seconds = float(rate.seconds)
        self._now = now
        self._paid_at: OrderedDict[str, float] = OrderedDict()

    def take(self, name: str, cost: float) -> None:
        """Counts what somebody asks for. Raises: RequestError, when it is too much."""
        now = self._now()
        price = min(cost * self._seconds_each, self._seconds)
        # Not `paid_at - now`, which rounding may make more than the price of somebody's first.
        owed = max(self._paid_at.get(name, now) - now, 0.0) + price
        if owed > self._seconds:
            raise _too_much(owed - self._seconds)
        self._paid_at[name] = now + owed
        self._paid_at.move_to_end(name)
        if len(self._paid_at) > MOST_KEPT:
            self._paid_at.popitem(last=False)


class RateLimits:
    """What users and clients may ask for; without a rate, whatever they like."""

    def __init__(self, per_user: str | None = None, per_client: str | None = None) -> None:
        self._per_user = RateLimit(parse_rate(per_user)) if per_user else None
        self._per_client = RateLimit(parse_rate(per_client)) if per_client else None

    @property
    def are_set(self) -> bool:
        """Whether anything is counted."""
        return self._per_user is not None or self._per_client is not None

    def take(self, viewer: Viewer | None, client: str, cost: float) -> None:
        """Counts an operation. Raises: RequestError, when it is too much.

        `client` names the one that the token was given to, or where an anonymous request is from.
        """
        if self._per_user is not None and viewer is not None and viewer.user_id is not None:
            self._per_user.take(viewer.user_id, cost)
        if self._per_client is not None:
            self._per_client.take(client, cost)


def _too_much(seconds: float) -> RequestError:
    return RequestError(
        429,
        "RATE_LIMITED",
        "Too much was asked for in a short time; try again later.",
        {"Retry-After": str(ceil(seconds))},
    )
