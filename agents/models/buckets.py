"""Keeping below a known limit of so many requests, or tokens, a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 60.0
SLACK = 1e-6
"""Amount that sums of fractions may lack."""
BURSTS = 240
"""A minute's worth is spread over so many bursts, so that the calls of a quarter of a second may come together."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests and tokens an endpoint takes in a minute, where that is known; None: nobody said."""

    requests: float | None = None
    tokens: float | None = None


class Bucket:
    """Fills by `per_minute` a minute. What is taken may be more than is in it: the next then waits longer, so that a call
    that is larger than the bucket is not kept out for good."""

    def __init__(self, per_minute: float, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._most = max(1.0, per_minute / BURSTS)
        self._level = self._most
        self._at = clock()

    def wait(self, count: float) -> float:
        """Seconds until so many may be taken."""
        self._fill()
        lacking = min(count, self._most) - self._level
        return lacking * WINDOW_S / self.per_minute if lacking > SLACK else 0.0

    def take(self, count: float) -> None:
        """Take so many out; a negative count puts them back."""
        self._fill()
        self._level = min(self._most, self._level - count)

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(self._most, self._level + (now - self._at) * self.per_minute / WINDOW_S)
        self._at = now
