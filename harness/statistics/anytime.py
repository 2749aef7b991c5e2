"""Tests and intervals of a mean difference that stay valid however often one looks, and whenever one stops.

The method is betting (Waudby-Smith and Ramdas 2024, Journal of the Royal Statistical Society B 86:1, "Estimating means of
bounded random variables by betting"). Groups of tasks come one by one; x is a group's mean difference, moved from -span .. span
to 0 .. 1. Against "the mean is m" a capital of 1 is bet on each group: a bet g (0 < g < 1) that the mean is higher multiplies
it by 1 + g (x - m) / m, one that it is lower by 1 + g (m - x) / (1 - m). Neither can be lost below 0, and if the mean is m,
given all groups before, neither gains on average: the capital is a nonnegative martingale, and by Ville's (1939) inequality it
ever reaches 1 / alpha with a chance of at most alpha. As the right bet is not known, the capital is spread over a grid of bets,
half of it on each side (their "hedged" capital with a grid of bets): the mean of martingales is one. Nothing else is assumed:
neither symmetry, nor a variance, nor a number of groups.

The capital on "higher" falls with m and that on "lower" rises, so the means that were never refuted are an interval, and each
end is found by bisection. It is the interval of everything seen up to now (the confidence sequence's running intersection), and
p is one over the largest capital so far against a mean of 0, so the interval leaves out 0 exactly where p < 1 - confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BETS: Floats = np.arange(1, 13) / 12.5
"""The grid: 0.08 to 0.96. Twice as many bets, or bets that halve, end no sooner (`python -m benchmarks.anytime bets`)."""
_STEPS = 45
"""Bisections: each end is known to some 1e-13 of the range."""


@dataclass(frozen=True, slots=True)
class Anytime:
    """The mean of group means, with what holds at every look."""

    mean: float
    """Mean of the group means, each group counting once, however many pairs it has."""
    low: float
    high: float
    p: float
    """Anytime-valid p of a mean of 0; NaN without groups."""
    groups: int


def anytime_mean(differences: Floats, span: float, confidence: float = 0.95) -> Anytime:
    """Estimate and test a mean of bounded differences, one per group, in the order in which the groups were completed.

    `differences`: shape (groups,), each in -span .. span. What is estimated is the mean that a further group is expected to have,
    given those before it: for groups drawn from one population, that population's mean of group means. The order may not be
    chosen by looking at the differences. Raises ValueError for a difference beyond the span.
    """
    d = np.asarray(differences, dtype=float)
    if not d.size:
        return Anytime(float("nan"), -span, span, float("nan"), 0)
    if np.abs(d).max() > span * (1 + 1e-9):
        raise ValueError(
            f"a difference of {np.abs(d).max():g} is beyond the span of {span:g}: check the metric's bounds"
        )
    x = np.clip((d / span + 1) / 2, 0.0, 1.0)
    wanted = np.log(2 / (1 - confidence))
    low, high = _lower_end(x, wanted), 1 - _lower_end(1 - x, wanted)
    low, high = (
        min(low, high),
        max(low, high),
    )  # where both cross, the groups changed on the way: all between is left open
    both = _log_capital(x, 0.5), _log_capital(1 - x, 0.5)
    refuted = min(both) >= wanted  # 0 lies between ends that crossed
    p = 1.0 if refuted else min(1.0, 2 * float(np.exp(-max(both))))
    return Anytime(float(d.mean()), span * (2 * low - 1), span * (2 * high - 1), p, d.size)


def anytime_ends(differences: Floats, span: float, level_low: float, level_high: float) -> tuple[float, float]:
    """Both ends for a mean of bounded differences, one per group, in the order in which the groups were completed. The lower end
    is ever above the true mean with a chance of at most `level_low`, the upper end ever below it with at most `level_high`."""
    x = np.clip((np.asarray(differences, dtype=float) / span + 1) / 2, 0.0, 1.0)
    low, high = _lower_end(x, np.log(1 / level_low)), 1 - _lower_end(1 - x, np.log(1 / level_high))
    return span * (2 * min(low, high) - 1), span * (2 * max(low, high) - 1)


def first_claim(differences: Floats, span: float, confidence: float = 0.95, bets: Floats = BETS) -> NDArray[np.int64]:
    """The number of groups after which a mean of 0 is first refuted, per experiment; 0 where it never is.

    `differences`: shape (experiments, groups). For simulations: the same capital as in `anytime_mean`.
    """
    x = np.clip((np.asarray(differences, dtype=float) / span + 1) / 2, 0.0, 1.0)
    claimed = np.zeros(x.shape, bool)
    for side in (x, 1 - x):
        claimed |= _log_capitals(side, 0.5, bets) >= np.log(2 / (1 - confidence))
    return np.where(claimed.any(axis=-1), claimed.argmax(axis=-1) + 1, 0)


def _log_capital(x: Floats, mean: float) -> float:
    """Log of the largest capital that bets on more than `mean` ever reached, from 1."""
    return max(0.0, float(_log_capitals(x, mean).max()))


def _log_capitals(x: Floats, mean: float, bets: Floats = BETS) -> Floats:
    """Log of the capital that bets on more than `mean` have after each group (the last axis)."""
    grown = np.stack([np.cumsum(np.log1p(bet * (x / mean - 1)), axis=-1) for bet in bets])
    top = grown.max(axis=0)
    return np.asarray(top + np.log(np.exp(grown - top).mean(axis=0)))


def _lower_end(x: Floats, wanted: float) -> float:
    """The largest mean that bets on more than it have refuted (log capital of `wanted`); 0 where none is."""
    refuted, open_ = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (refuted + open_) / 2
        if _log_capital(x, middle) >= wanted:
            refuted = middle
        else:
            open_ = middle
    return refuted
