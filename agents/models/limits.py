"""Adaptive limit on calls at once, one for each endpoint and key. Each "too many" (429) takes one slot away, a burst of them at
most half within one cooldown, and every new call is held back for as long as the endpoint asks (`quota`). A server error stops
growth for one round (as many good calls as the limit). It grows only while nearly full: doubling per round until the first 429,
by a twentieth per round (by one at least) after it. The habit is that of inspect_ai's adaptive concurrency. Where it is known
how much the endpoint takes in a minute, calls keep below that (`buckets`). All models of a process that share an endpoint and a
key share one limit; a worker process gets its permits from the process it works for (`use_remote_limits`), so that workers do
not multiply a limit."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

from agents.models.buckets import Bucket, Rates
from agents.models.config import EndpointConfig
from agents.models.quota import Closed, Quota

Outcome = Literal["ok", "throttled", "server_error", "lost"]
"""Outcome of a call, as far as the limit is concerned; "lost": it says nothing about the endpoint."""

DEFAULT_CONCURRENCY = 256
REMOTE_START = 64
"""The first concurrency at a remote endpoint when the config names none."""
NEARLY_FULL = 0.9
GROWTH = 0.05
"""Per round, once there was a 429. By one per round, a limit of 256 that a burst has halved would take 128 rounds to
come back: with answers of 2 s four minutes, and 14 rounds so."""
COOLDOWN_S = 1.0
"""Seconds in which a burst of 429s counts as one, and for which growth waits after it."""


def concurrency_of(config: EndpointConfig, local: bool) -> tuple[int, int, Rates]:
    """(maximum concurrency, initial concurrency, limits per minute). Local endpoints and explicit settings start at the
    maximum, since 429s lower it within seconds; others start at 64 and ramp up."""
    rates = Rates(config.requests_per_minute, config.tokens_per_minute)
    if config.concurrency is not None or local:
        most = config.concurrency or DEFAULT_CONCURRENCY
        return most, most, rates
    return DEFAULT_CONCURRENCY, REMOTE_START, rates


class Limit(Protocol):
    """Grants permission to make a model call."""

    def take(self, tokens: float = 0.0) -> bool:
        """Take a slot where one is free at once. Raises `Closed` where the endpoint's quota is not waited for."""

    async def acquire(self, tokens: float = 0.0) -> None:
        """Wait for a slot. `tokens`: how many the call is expected to use, where tokens per minute are limited. Raises
        `Closed`."""

    def release(self, outcome: Outcome, retry_after: float | None = None, surplus: float = 0.0) -> None:
        """Hand the slot back, saying what became of the call. `retry_after` in seconds, of a 429; `surplus`: how many
        tokens more than expected it used."""


class AdaptiveLimit:
    """`limit` is the number in force, a float between 1 and `most`; `running` the calls that hold a slot."""

    def __init__(self, most: int, start: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.limit = float(min(most, start or most))
        self.running = 0
        self.waiting: deque[tuple[asyncio.Future[None], float]] = deque()
        """Those who wait, each with the tokens it expects to use."""
        self.quota = Quota(lambda: self._clock())
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self._clock = clock
        self._doubling = True
        self._cooldown_until = 0.0
        self._floor = 1.0
        """The limit does not fall below this before the cooldown is over."""
        self._good_calls_owed = 0.0
        """Good calls that have to come before the limit grows again."""
        self._timer: asyncio.TimerHandle | None = None

    def keep_below(self, rates: Rates) -> None:
        """Keep below so much a minute; of several numbers the lowest holds."""
        self.requests = _lower(self.requests, rates.requests, self._clock)
        self.tokens = _lower(self.tokens, rates.tokens, self._clock)

    def take(self, tokens: float = 0.0) -> bool:
        """Take a slot where one is free at once, and nobody waits for it. Raises `Closed`."""
        # `_wait` comes first: it raises where the endpoint is closed.
        if self._wait(tokens) > 0 or self.waiting or self.running >= int(self.limit):
            return False
        self._admit(tokens)
        return True

    async def acquire(self, tokens: float = 0.0) -> None:
        """Wait for a slot, first come, first served. Raises `Closed`."""
        if self.take(tokens):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((future, tokens))
        self._wake()
        try:
            await future
        except asyncio.CancelledError:
            # It may have been given the slot in the moment in which it was cancelled.
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_back()
            else:
                self._forget(future)
            raise

    def release(self, outcome: Outcome, retry_after: float | None = None, surplus: float = 0.0) -> None:
        """Hand the slot back and learn from what became of the call."""
        if outcome == "throttled":
            self._shrink(retry_after)
        elif outcome == "server_error":
            self._good_calls_owed = self.limit
        elif outcome == "ok":
            self.quota.succeeded()
            self._grow()
        if surplus and self.tokens is not None:
            self.tokens.take(surplus)
        self._give_back()

    def _grow(self) -> None:
        if self._good_calls_owed > 0:
            self._good_calls_owed -= 1
        elif self.running >= NEARLY_FULL * self.limit and self._clock() >= self._cooldown_until:
            self.limit = min(self.most, self.limit + (1.0 if self._doubling else max(GROWTH, 1.0 / self.limit)))

    def _shrink(self, retry_after: float | None) -> None:
        now = self._clock()
        pause = self.quota.throttled(retry_after)
        if now >= self._cooldown_until:
            self._floor = max(1.0, self.limit / 2)
            self._cooldown_until = now + max(COOLDOWN_S, pause)
        self.limit = max(self._floor, self.limit - 1)
        self._doubling = False

    def _wait(self, tokens: float) -> float:
        """Seconds until time alone stands no longer in the way. Raises `Closed`."""
        wait = self.quota.wait()
        if self.requests is not None:
            wait = max(wait, self.requests.wait(1.0))
        if self.tokens is not None:
            wait = max(wait, self.tokens.wait(tokens))
        return wait

    def _admit(self, tokens: float) -> None:
        self.running += 1
        self.quota.admitted()
        if self.requests is not None:
            self.requests.take(1.0)
        if self.tokens is not None:
            self.tokens.take(tokens)

    def _give_back(self) -> None:
        self.running -= 1
        self._wake()

    def _forget(self, future: asyncio.Future[None]) -> None:
        self.waiting = deque(each for each in self.waiting if each[0] is not future)

    def _wake(self) -> None:
        """Give free slots to those who wait; where time stands in the way, come back when it is over."""
        try:
            wait = self._let_in()
        except Closed as closed:
            self._turn_away(closed)
            return
        if wait > 0:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(wait, self._wake)

    def _let_in(self) -> float:
        """Let in whom the limit allows. Returns the seconds after which time alone lets more in; 0 where it lets none in."""
        while self.waiting:
            future, tokens = self.waiting[0]
            if not future.done():
                wait = self._wait(tokens)
                if wait > 0 or self.running >= int(self.limit):
                    return wait
                self._admit(tokens)
                future.set_result(None)
            self.waiting.popleft()
        return 0.0

    def _turn_away(self, closed: Closed) -> None:
        while self.waiting:
            future, _ = self.waiting.popleft()
            if not future.done():
                future.set_exception(Closed(closed.until))
                future.exception()  # whoever was cancelled does not look


def _lower(bucket: Bucket | None, per_minute: float | None, clock: Callable[[], float]) -> Bucket | None:
    if per_minute is None or (bucket is not None and bucket.per_minute <= per_minute):
        return bucket
    return Bucket(per_minute, clock)


_LIMITS: dict[tuple[str, str], AdaptiveLimit] = {}
LimitMaker = Callable[[str, str, int, int, Rates], Limit]
_elsewhere: LimitMaker | None = None


def use_remote_limits(make: LimitMaker | None) -> None:
    """From now on the process's limits are those that `make(endpoint, key, most, start, rates)` gives."""
    global _elsewhere
    _elsewhere = make


def shared_limit(endpoint: str, key: str, most: int, start: int, rates: Rates | None = None) -> Limit:
    """The limit for an endpoint and a key's fingerprint: this process's, or another's that hands out permits to it."""
    return (_elsewhere or own_limit)(endpoint, key, most, start, rates or Rates())


def own_limit(endpoint: str, key: str, most: int, start: int, rates: Rates | None = None) -> AdaptiveLimit:
    """This process's limit for an endpoint and a key's fingerprint; the lowest `most` and rates asked for hold."""
    limit = _LIMITS.get((endpoint, key))
    if limit is None:
        limit = _LIMITS[(endpoint, key)] = AdaptiveLimit(most, start)
    limit.most = min(limit.most, most)
    limit.limit = min(limit.limit, limit.most)
    limit.keep_below(rates or Rates())
    return limit


def closed_until(endpoint: str) -> float | None:
    """Time at which an endpoint whose quota is not waited for may be asked again, in seconds since 1970; None where it may be
    now."""
    times = [limit.quota.closed_until() for (where, _), limit in _LIMITS.items() if where == endpoint]
    return max((time for time in times if time is not None), default=None)


def closed_endpoints() -> dict[str, float]:
    """The endpoints whose quota is not waited for, each with when it may be asked again (seconds since 1970)."""
    return {endpoint: until for endpoint, _ in _LIMITS if (until := closed_until(endpoint)) is not None}


def paused_endpoints() -> list[tuple[str, float]]:
    """The endpoints whose quota is being waited for, each with the seconds left."""
    paused = []
    for (endpoint, _), limit in _LIMITS.items():
        left = limit.quota.paused_until - limit.quota.now
        if left > 0 and limit.waiting and limit.quota.closed_until() is None:
            paused.append((endpoint, left))
    return paused
