"""The pauses of an endpoint whose quota is used up for now: how long everybody waits, how calls come back after it, and when
waiting is given up.

Everybody waits for as long as the endpoint asks, or, where it does not say, for 1, 2, 4 … 60 seconds. After a pause calls
come back one, two, four … per second until one succeeds. Waiting that adds up to more than `set_quota_wait` allows without
a success between closes the endpoint: calls fail at once until the time that it named.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.base.errors import HarnessError

LONGEST_PAUSE_S = 60.0
"""Longest pause in seconds when the endpoint does not name its length."""
TRUSTED = 10
"""After so many pauses in a row without a success, an endpoint gets twice the time it asks for, then four times, …"""

_longest_wait = 900.0


def set_quota_wait(seconds: float) -> None:
    """Wait so long for an endpoint's quota, all pauses without a success between taken together."""
    global _longest_wait
    _longest_wait = seconds


def quota_wait() -> float:
    """The seconds that `set_quota_wait` was given; 900 before."""
    return _longest_wait


class Closed(HarnessError):
    """The endpoint's quota is not waited for."""

    def __init__(self, until: float) -> None:
        """`until`: when it may be asked again, in seconds since 1970."""
        super().__init__("the endpoint's quota is used up")
        self.until = until


class Quota:
    """Times are those of `clock`, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.paused_until = float("-inf")
        self._closed_until = float("-inf")
        self._waited = 0.0
        """Seconds of pauses since the last success."""
        self._in_row = 0
        """Pauses since the last success."""
        self._coming_back = False
        self._admitted = 0
        """Calls since the last pause was over."""

    def throttled(self, asked: float | None) -> float:
        """A call was told to come later, in `asked` seconds where that was said. Returns the seconds of pause left."""
        now = self._clock()
        if now < self.paused_until:
            # It was sent before the pause began: the same burst.
            until = now + (asked or 0.0)
        else:
            self._in_row += 1
            until = now + self._pause(asked)
        self._extend(now, until)
        return self.paused_until - now

    def _pause(self, asked: float | None) -> float:
        if asked is None:
            return min(LONGEST_PAUSE_S, 2.0 ** min(self._in_row - 1, 10))
        grown = asked * 2.0 ** min(max(0, self._in_row - TRUSTED), 20)
        return max(asked, min(LONGEST_PAUSE_S, grown))

    def _extend(self, now: float, until: float) -> None:
        longer = until - max(now, self.paused_until)
        if longer <= 0:
            return
        self._waited += longer
        self.paused_until = until
        self._coming_back, self._admitted = True, 0
        if self._waited > quota_wait():
            self._closed_until = until

    def succeeded(self) -> None:
        """A call was answered."""
        if self._coming_back and self._clock() >= self.paused_until:
            self._coming_back, self._waited, self._in_row = False, 0.0, 0

    def admitted(self) -> None:
        """A call begins."""
        self._admitted += 1

    def wait(self) -> float:
        """Seconds until another call may begin. Raises `Closed` where that is not waited for."""
        if not self._coming_back:
            return 0.0
        now = self._clock()
        if now < self._closed_until:
            raise Closed(time.time() + self._closed_until - now)
        since = now - self.paused_until
        if since < 0:
            return -since
        return 0.0 if self._admitted < 2 ** min(int(since), 20) else int(since) + 1 - since

    @property
    def now(self) -> float:
        return self._clock()

    def closed_until(self) -> float | None:
        """Time at which the endpoint may be asked again, in seconds since 1970; None where it may be now."""
        left = self._closed_until - self._clock()
        return time.time() + left if left > 0 else None
