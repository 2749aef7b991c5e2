"""An interval for the mean of a bounded metric from few tasks: the Bayesian bootstrap with a pseudo-task at the bound.

Each task gets a random gamma weight; the mean under these weights is a random number whose quantiles are the
interval (Rubin 1981, The Bayesian Bootstrap). What no sample can show, tasks worse or better than any seen, is
stood in for by a pseudo-task of weight `unseen` that lies at the lower bound for the lower end and at the upper
bound for the upper end. With one 0/1 episode per task, `unseen` = 1 gives Clopper and Pearson's interval exactly and
`unseen` = 1/2 one between theirs and that of Jeffreys; for any bounded values `unseen` = 1 is Gaffke's bound
(Gaffke 2005; Learned-Miller and Thomas 2019, arXiv:1905.06208), for which no distribution with too little coverage
is known. Nothing is drawn here: the distribution function is computed, so the order of the data cannot matter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from harness.statistics.distributions import normal_below
from harness.statistics.roots import crossing

Floats = NDArray[np.float64]

_NEGLIGIBLE = -21.0
"""Logarithm of what is left out of an integral."""
_LOG_STEP = 0.2
"""Step of the trapezoid rule over log u: the integrand is analytic, so its error falls exponentially with 1 / step."""
_LEAST = 1e-9
"""The least chance that is told from 0, a little above the integrals' error."""
_MANY = 500
"""More points than this of Davies' evenly spaced sum say that the tail is long and the logarithmic axis better."""


def chance_not_positive(shapes: Floats, factors: Floats) -> float:
    """P(sum of factor * G <= 0) for independent gamma variables G of the given shapes (all > 0) and scale 1.

    The characteristic function is inverted numerically (Gil-Pelaez 1951): with many tasks by Davies' sum (Davies
    1980, Applied Statistics 29:323, there for chi-square), where its tail is long on a logarithmic axis.
    """
    used = factors != 0
    shapes, factors = shapes[used], factors[used]
    if factors.size == 0 or factors.max() < 0:
        return 1.0
    if factors.min() > 0:
        return 0.0
    factors = factors / np.sqrt((shapes * factors**2).sum())
    last = _last(shapes, factors)
    # Davies' error is the chance of lying more than pi / step from 0, here over 12 deviations away
    step = np.pi / (12.0 + 2 * abs(float(shapes @ factors)))
    if last / step <= _MANY:
        points: Floats = step * (np.arange(int(last / step) + 1, dtype=np.float64) + 0.5)
        integral = step * float((_imaginary(points, shapes, factors) / points).sum())
    else:
        axis = np.arange(_NEGLIGIBLE - 2, np.log(last), _LOG_STEP)
        integral = _LOG_STEP * float(_imaginary(np.exp(axis), shapes, factors).sum())
    return float(np.clip(0.5 - integral / np.pi, 0.0, 1.0))


def _imaginary(points: Floats, shapes: Floats, factors: Floats) -> Floats:
    """Imaginary part of the product of (1 - i * point * factor) ** -shape, at every point."""
    scaled = points[:, None] * factors
    return np.sin(np.arctan(scaled) @ shapes) * np.exp(-0.5 * (np.log1p(scaled**2) @ shapes))


def _last(shapes: Floats, factors: Floats) -> float:
    """A point beyond which the characteristic function is negligible."""
    end = 4.0
    while end < 1e120 and -0.5 * float(np.log1p((end * factors) ** 2) @ shapes) > _NEGLIGIBLE:
        end *= 1.5 if end < 100 else end
    return end


def pseudo_task_interval(
    sums: Floats,
    sizes: Floats,
    unseen: float,
    shape: float,
    confidence: float,
    at: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Lower and upper end for the mean of values scaled to 0 .. 1.

    `sums` and `sizes`: each task's sum and number of values. `unseen`: weight of the pseudo-task (of average
    size). `shape`: the gamma shape of each task's weight, 1 for the Bayesian bootstrap, less to widen it. `at`:
    where the pseudo-task lies for the lower and for the upper end.
    """
    pairs, counts = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)
    shapes = np.append(shape * counts, max(unseen, 1e-6))
    width = float(sizes.mean())

    def below(mean: float, bound: float) -> float:
        """Probability that the weighted mean is at most `mean`, with the pseudo-task at `bound`."""
        factors = np.append(pairs[:, 0] - mean * pairs[:, 1], (bound - mean) * width)
        return chance_not_positive(shapes, factors)

    tail = (1 - confidence) / 2
    mean = float(sums.sum() / sizes.sum())
    deviation = float(np.sqrt(((sums - mean * sizes) ** 2).sum() / shape)) / float(sizes.sum())
    reach = 1.2 * deviation * normal_below(1 - tail) + 1e-9
    return (
        _crossing(lambda x: below(x, at[0]), tail, mean, 0.0, reach),
        _crossing(lambda x: below(x, at[1]), 1 - tail, mean, 1.0, reach),
    )


def _crossing(below: Callable[[float], float], chance: float, start: float, bound: float, reach: float) -> float:
    """The point between `start` and `bound` at which `below` is `chance`, tried `reach` from `start` first: far points cost
    more. It is sought on the scale of normal values, where a chance is nearly a straight line: a few points do."""
    wanted = normal_below(chance)

    @cache
    def distance(x: float) -> float:
        return normal_below(min(max(below(x), _LEAST), 1 - _LEAST)) - wanted

    side = 1.0 if bound > start else -1.0
    near, inner, end = start, distance(start), start
    while True:
        end = start + side * min(reach, abs(bound - start))
        outer = distance(end)
        if inner * outer <= 0:
            return crossing(distance, min(near, end), max(near, end), xtol=1e-6, rtol=1e-6)
        if end == bound:
            return bound
        near, inner, reach = end, outer, reach * 2
