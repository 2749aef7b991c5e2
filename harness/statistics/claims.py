"""The chance that a true difference between two arms is claimed: found by the sign-flip test, and not undone by its guard.

Counted over simulated groups with a fixed seed. A group's difference lies within the metric's range, so a large one has a long
tail towards the range's other end; it is a normal value, bent to the skewness of a beta distribution over that range. What the
test needs of a draw are sums of powers, which are polynomials in the simulated normal values: their sums are made once for a
number of groups, and each difference costs some microseconds. The test's critical value comes from its first six cumulants.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.statistics.distributions import normal_below
from harness.statistics.guard import BOUND, LOST, MOST_FALSE, NEGLIGIBLE

Floats = NDArray[np.float64]
DRAWS, SEED = 2000, 19_311
FREE = 60
"""Groups from which on the guard undoes next to nothing, and the noncentral t distribution is all that is needed."""
UNSEEN = math.floor(math.log(MOST_FALSE) / math.log(1 - LOST))
"""Most groups of which the guard asks what stayed unseen: 18."""
MOST_SKEW = 1.2
"""Most skewness that a normal value is bent to: with more, large values would become small."""
MOST_COUNTED = 50
"""Groups up to which a level is rounded down to whole patterns of signs."""


def chance_to_claim(difference: float, spread: float, groups: int, span: float, alpha: float) -> float:
    """The chance that a true difference is claimed. `spread`: standard deviation of a group's mean difference; `span`: width of
    the metric's range, inf without one; `alpha`: level on each side."""
    moved, bend = abs(difference) / spread, skewness(abs(difference), spread, span) / 6
    scale = math.sqrt(1 + 2 * bend**2)
    draws, lowest, powers = _draws(groups)
    of_normal = np.array([moved - bend / scale, 1 / scale, bend / scale])  # value = a + b z + c z², by its powers of z
    sums = _sums(powers, of_normal)
    totals, worst = sums[0], np.polyval(of_normal[::-1], lowest)
    square = worst * worst
    one_more = sums + np.stack([worst, square, square * square, square * square * square])
    claimed = (totals > 0) & _rejected(sums, worst, groups, 2 * alpha)
    claimed &= _rejected(one_more, worst, groups + 1, MOST_FALSE)
    if groups <= UNSEEN and math.isfinite(span):
        small = np.flatnonzero(claimed & (totals / groups <= BOUND * span / spread))
        values = np.polyval(of_normal[::-1], draws[small])
        agreed = np.maximum(-values, 0.0).sum(axis=1) <= NEGLIGIBLE * np.abs(values).sum(axis=1)
        claimed[small[agreed]] = False
    return float(claimed.mean())


def skewness(difference: float, spread: float, span: float) -> float:
    """The skewness of a beta distribution over -span .. span with that mean and standard deviation: below 0 for a gain, as there
    is less room beyond it than before it; never below -`MOST_SKEW`."""
    if not math.isfinite(span) or difference <= 0:
        return 0.0
    mean, deviation = min((1 + difference / span) / 2, 1.0), spread / span / 2
    size = mean * (1 - mean) / deviation**2 - 1
    return max(2 * (1 - 2 * mean) / (deviation * (size + 2)), -MOST_SKEW) if size > 0 else -MOST_SKEW


@lru_cache(16)
def _draws(groups: int) -> tuple[Floats, Floats, Floats]:
    """Simulated normal values: (draws, groups); the lowest of each draw: (draws,); sums of their powers 0 to 12: (draws, 13)."""
    draws = np.random.default_rng([SEED, groups]).standard_normal((DRAWS, groups))
    sums, power = np.empty((DRAWS, 13)), np.ones_like(draws)
    for exponent in range(13):
        sums[:, exponent] = power.sum(axis=1)
        power *= draws
    return draws, draws.min(axis=1), sums


def _sums(powers: Floats, value: Floats) -> Floats:
    """Sums over the groups of each draw: of the values, and of their second, fourth and sixth powers: (4, draws)."""
    square = np.convolve(value, value)
    fourth = np.convolve(square, square)
    factors = np.zeros((13, 4))
    for column, each in enumerate((value, square, fourth, np.convolve(fourth, square))):
        factors[: each.size, column] = each
    return np.asarray((powers @ factors).T)


def _rejected(sums: Floats, worst: Floats, groups: int, level: float) -> NDArray[np.bool_]:
    """True where the two-sided sign-flip test rejects: where the total is beyond the quantile of the totals under all patterns of
    signs (Cornish and Fisher's expansion with their fourth and sixth cumulant)."""
    if groups <= MOST_COUNTED:
        patterns = math.floor(level * 2.0 ** (groups - 1) + 1e-9)
        if patterns < 2:  # only if all groups agree
            return np.asarray((worst > 0) & (patterns == 1))
        level = patterns / 2.0 ** (groups - 1)
    x = normal_below(1 - level / 2)
    total, two, four, six = sums
    square = two * two
    fourth, sixth = -2 * four / square, 16 * six / (square * two)
    critical = x + (x**3 - 3 * x) / 24 * fourth + (x**5 - 10 * x**3 + 15 * x) / 720 * sixth
    critical -= (3 * x**5 - 24 * x**3 + 29 * x) / 384 * fourth * fourth
    return np.asarray(total >= critical * np.sqrt(two))
