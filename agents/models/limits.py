"""How many calls may run at once against one endpoint and key: a limit that adapts.

Each "too many" (429) takes one slot away, a burst of them at most half within one cooldown, and every new
call is held back for as long as the endpoint asks. A server error stops growth for one round (as many good
calls as the limit). It grows only while nearly full: doubling per round until the first 429, by a twentieth
per round (by one at least) after it. The habit is that of inspect_ai's adaptive concurrency. All models of a process that share
an endpoint and a key share one limit; a worker process gets its permits from the process it works for
(`take_permits_from`), so that workers do not multiply a limit.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol

Outcome = Literal["ok", "throttled", "server_error", "lost"]
"""What became of a call, as far as the limit is concerned; "lost": it says nothing about the endpoint."""

NEARLY_FULL = 0.9
GROWTH = 0.05
"""Per round, once there was a 429. By one per round, a limit of 256 that a burst has halved would take 128 rounds to
come back: with answers of 2 s four minutes, and 14 rounds so."""
COOLDOWN_S = 1.0
"""How long a burst of 429s counts as one, and how long growth waits after it."""
MAX_PAUSE_S = 60.0
"""Longest that one Retry-After may hold back every call."""


class Limit(Protocol):
    """Who may call now."""

    async def acquire(self) -> None:
        """Wait for a slot."""

    def release(self, outcome: Outcome, retry_after: float | None = None) -> None:
        """Hand the slot back, saying what became of the call; `retry_after` in seconds, of a 429."""


class AdaptiveLimit:
    """`limit` is the number in force, a float between 1 and `most`; `running` the calls that hold a slot."""

    def __init__(self, most: int, start: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.limit = float(min(most, start or most))
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self._clock = clock
        self._doubling = True
        self._paused_until = 0.0
        self._cooldown_until = 0.0
        self._floor = 1.0
        """The limit does not fall below this before the cooldown is over."""
        self._good_calls_owed = 0.0
        """Good calls that have to come before the limit grows again."""
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self) -> None:
        """Wait for a slot, first come, first served."""
        if self.waiting or not self._free():
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiting.append(future)
            self._wake()
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._give_back()
                else:
                    self._forget(future)
                raise
        else:
            self.running += 1

    def release(self, outcome: Outcome, retry_after: float | None = None) -> None:
        """Hand the slot back and learn from what became of the call. `retry_after` in seconds, of a 429."""
        if outcome == "throttled":
            self._shrink(retry_after or 0.0)
        elif outcome == "server_error":
            self._good_calls_owed = self.limit
        elif outcome == "ok":
            self._grow()
        self._give_back()

    def _grow(self) -> None:
        if self._good_calls_owed > 0:
            self._good_calls_owed -= 1
        elif self.running >= NEARLY_FULL * self.limit and self._clock() >= self._cooldown_until:
            self.limit = min(self.most, self.limit + (1.0 if self._doubling else max(GROWTH, 1.0 / self.limit)))

    def _shrink(self, retry_after: float) -> None:
        now = self._clock()
        pause = min(retry_after, MAX_PAUSE_S)
        self._paused_until = max(self._paused_until, now + pause)
        if now >= self._cooldown_until:
            self._floor = max(1.0, self.limit / 2)
            self._cooldown_until = now + max(COOLDOWN_S, pause)
        self.limit = max(self._floor, self.limit - 1)
        self._doubling = False

    def _free(self) -> bool:
        return self.running < int(self.limit) and self._clock() >= self._paused_until

    def _give_back(self) -> None:
        self.running -= 1
        self._wake()

    def _forget(self, future: asyncio.Future[None]) -> None:
        if future in self.waiting:
            self.waiting.remove(future)

    def _wake(self) -> None:
        """Give free slots to those who wait; while paused, come back when the pause is over."""
        while self.waiting and self._free():
            future = self.waiting.popleft()
            if not future.done():
                self.running += 1
                future.set_result(None)
        pause = self._paused_until - self._clock()
        if self.waiting and pause > 0:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(pause, self._wake)


_LIMITS: dict[tuple[str, str], AdaptiveLimit] = {}
LimitMaker = Callable[[str, str, int, int], Limit]
_elsewhere: LimitMaker | None = None


def take_permits_from(make: LimitMaker | None) -> None:
    """From now on the process's limits are those that `make(endpoint, key, most, start)` gives."""
    global _elsewhere
    _elsewhere = make


def shared_limit(endpoint: str, key: str, most: int, start: int) -> Limit:
    """The limit for an endpoint and a key's fingerprint: this process's, or another's that hands out permits to it."""
    return _elsewhere(endpoint, key, most, start) if _elsewhere else own_limit(endpoint, key, most, start)


def own_limit(endpoint: str, key: str, most: int, start: int) -> AdaptiveLimit:
    """This process's limit for an endpoint and a key's fingerprint; the lowest `most` asked for holds."""
    limit = _LIMITS.get((endpoint, key))
    if limit is None:
        limit = _LIMITS[(endpoint, key)] = AdaptiveLimit(most, start)
    limit.most = min(limit.most, most)
    limit.limit = min(limit.limit, limit.most)
    return limit
