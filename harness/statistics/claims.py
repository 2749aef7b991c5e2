"""The chance that a true difference between two arms is claimed: found by the sign-flip test, and not undone by its guard.

Counted over simulated groups whose differences are normal, with a fixed seed. For up to `COUNTED` groups every pattern of signs
is counted; beyond, Student's test stands for the sign-flip test, which it is close to for such differences. From `FREE` groups
on the guard undoes next to nothing, and the noncentral t distribution (`harness.statistics.power`) is all that is needed.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.statistics.distributions import student_below
from harness.statistics.guard import BOUND, LOST, MOST_FALSE, NEGLIGIBLE

Floats = NDArray[np.float64]
DRAWS, SEED = 1000, 19_311
COUNTED, FREE = 8, 60


def chance_to_claim(difference: float, spread: float, groups: int, span: float, alpha: float) -> float:
    """The chance that a true difference is claimed. `spread`: standard deviation of a group's mean difference; `span`: width of
    the metric's range, inf without one; `alpha`: level on each side."""
    moved = difference / spread
    draws, wheres = _draws(groups)
    values = draws + moved
    totals = values.sum(axis=1)
    signs = np.where(totals < 0, -1.0, 1.0)
    along = signs[:, None] * values
    worst = along.min(axis=1)
    if groups <= COUNTED:
        p, again = _counted(wheres, groups, moved, totals, signs * worst)
        found, one_more = p <= 2 * alpha + 1e-9, again > MOST_FALSE
    else:
        found = _student(values) > student_below(1 - alpha, groups - 1)
        again = _student(np.column_stack([values, signs * worst]))
        one_more = again < student_below(1 - MOST_FALSE / 2, groups)
    agreed = np.maximum(-along, 0.0).sum(axis=1) <= NEGLIGIBLE * np.abs(along).sum(axis=1)
    unseen = agreed & (np.abs(totals) / groups <= BOUND * span / spread)
    if (1 - LOST) ** groups <= MOST_FALSE or np.isinf(span):
        unseen[:] = False
    right = signs == np.sign(difference or 1.0)
    return float(np.mean(found & right & ~one_more & ~unseen))


@lru_cache(16)
def _draws(groups: int) -> tuple[Floats, Floats]:
    """Simulated groups (draws, groups), and for few of them their totals under every pattern of signs (draws, patterns)."""
    draws = np.random.default_rng([SEED, groups]).standard_normal((DRAWS, groups))
    return draws, draws @ _patterns(groups) if groups <= COUNTED else np.empty((0, 0))


@lru_cache(16)
def _patterns(groups: int) -> Floats:
    """All patterns of signs but for those that are another's opposite: (groups, patterns)."""
    bits = np.arange(2 ** (groups - 1))[None, :] >> np.arange(groups)[:, None] & 1
    return np.asarray(1.0 - 2.0 * bits)


def _counted(totals_of: Floats, groups: int, moved: float, totals: Floats, worst: Floats) -> tuple[Floats, Floats]:
    """The sign-flip p of each draw, and p with one more group like its worst."""
    every = totals_of + moved * _patterns(groups).sum(axis=0)[None, :]
    p = (np.abs(every) >= np.abs(totals)[:, None] - 1e-9).mean(axis=1)
    least = np.abs(totals + worst)[:, None] - 1e-9
    again = (
        (np.abs(every + worst[:, None]) >= least).mean(axis=1) + (np.abs(every - worst[:, None]) >= least).mean(axis=1)
    ) / 2
    return p, again


def _student(values: Floats) -> Floats:
    """Student's t of each row, without its sign."""
    return np.asarray(np.abs(values.mean(axis=1)) / values.std(axis=1, ddof=1) * values.shape[1] ** 0.5)
