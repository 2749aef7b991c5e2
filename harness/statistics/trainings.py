"""The paired difference of an arm that was trained several times, of the recipe and not of these trainings alone.

A training is a draw, as a group of tasks is: the next one lands elsewhere. Trainings and groups are crossed, so both are
random factors, and three trainings leave two degrees of freedom for theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.statistics.distributions import shifted_student_tail, student_below
from harness.statistics.means import Estimate
from harness.statistics.missing import Bounds
from harness.statistics.outcomes import Pairs
from harness.statistics.paired import PairedDifference, paired_difference

Floats = NDArray[np.float64]
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Spread:
    """The two parts of a mean's variance, with their degrees of freedom."""

    trainings: float
    groups: float
    df_trainings: int
    df_groups: int

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return float((self.trainings + self.groups) ** 0.5)

    def half(self, chance: float) -> float:
        """Half the width of the interval that leaves 1 - `chance` on each side."""
        of_trainings, of_groups = student_below(chance, self.df_trainings), student_below(chance, self.df_groups)
        return (self.trainings * of_trainings + self.groups * of_groups) / self.error

    def p(self, mean: float) -> float:
        """Two-sided p: twice what the interval that just reaches zero leaves on each side. Both quantiles' tails bracket it, and
        halving finds it between them."""
        ratio = abs(mean) / self.error
        low, high = sorted(shifted_student_tail(ratio, df, 0.0) for df in (self.df_trainings, self.df_groups))
        for _ in range(60):
            tail = (low + high) / 2
            low, high = (tail, high) if self.half(1 - tail) > abs(mean) else (low, tail)
        return min(1.0, low + high)


@dataclass(frozen=True, slots=True)
class TrainedDifference:
    """Several trainings of arm b minus arm a."""

    estimate: Estimate
    """The mean over trainings, each counting alike, with an interval for that of all trainings of the recipe on all groups."""
    means: tuple[float, ...]
    """The mean difference of each training."""
    spread: Spread | None
    """None where it cannot be told: one training, one group, or nothing that varies."""

    @property
    def p(self) -> float:
        """Two-sided; below 1 - confidence where the interval leaves zero out. 1 where nothing varies, as that shows nothing; NaN
        where there are too few trainings or groups."""
        if self.spread is None:
            return 1.0 if self.estimate.method == "all equal" else float("nan")
        return self.spread.p(self.estimate.mean)


def trained_difference(
    trainings: Sequence[Pairs], low: float | None = None, high: float | None = None, confidence: float = 0.95
) -> TrainedDifference:
    """Compare several trainings of arm b with arm a, a `Pairs` for each; `low` and `high` are the metric's bounds.

    The variance of the mean is that between trainings over their number plus that between groups over theirs, nothing taken
    off for what is counted in both; the quantile is Student's of each, weighted by its part of the variance (Cochran and Cox
    1950). Pairs without a value are left out. Raises ValueError without trainings."""
    if not trainings:
        raise ValueError("there is no training to compare")
    span = np.inf if low is None or high is None else float(high) - float(low)
    means, n, shares = _shares(trainings)
    mean = float(np.mean(means)) if n else float("nan")
    count, groups = shares.shape
    if count < 2 or groups < 2 or np.isnan(mean):
        few = "no data" if np.isnan(mean) else "one training" if count < 2 else "one cluster"
        return TrainedDifference(Estimate(mean, -span, span, n, groups, few), tuple(means), None)
    between = float(np.var(means, ddof=1)) / count
    among = float((shares.mean(axis=0) ** 2).sum()) * groups / (groups - 1)
    spread = Spread(between, among, count - 1, groups - 1)
    if spread.error < TINY * max(1.0, abs(mean)):
        return TrainedDifference(Estimate(mean, -span, span, n, groups, "all equal"), tuple(means), None)
    half = spread.half((1 + confidence) / 2)
    ends = max(mean - half, -span), min(mean + half, span)
    return TrainedDifference(Estimate(mean, *ends, n, groups, "trainings"), tuple(means), spread)


def trained_pairs(trainings: Sequence[Pairs], low: float | None = None, high: float | None = None) -> PairedDifference:
    """`trained_difference` in the form of other comparisons: wins, ties and losses are of groups over all trainings, and the
    bounds take every missing value as the worst and as the best."""
    found = trained_difference(trainings, low, high)
    keys = np.arange(sum(each.tasks.size for each in trainings))
    tasks, a, b = (np.concatenate([getattr(each, name) for each in trainings]) for name in ("tasks", "a", "b"))
    pooled = paired_difference(Pairs(tasks, keys, a, b), low, high)
    bounds = None
    if pooled.missing and low is not None and high is not None:
        worst, best = (
            trained_difference([_filled(each, *ends) for each in trainings], low, high).estimate
            for ends in ((high, low), (low, high))
        )
        bounds = Bounds(worst, best, pooled.missing)
    return replace(pooled, estimate=found.estimate, p=found.p, exact=False, guard=None, mcnemar=None, bounds=bounds)


def _filled(pairs: Pairs, in_a: float, in_b: float) -> Pairs:
    a, b = (np.where(np.isnan(side), value, side) for side, value in ((pairs.a, in_a), (pairs.b, in_b)))
    return Pairs(pairs.tasks, pairs.seeds, a, b)


def _shares(trainings: Sequence[Pairs]) -> tuple[list[float], int, Floats]:
    """Mean difference per training, the number of pairs, and per training and group what the group's differences from its
    training's mean bring to that mean."""
    labels = np.unique(np.concatenate([pairs.tasks[pairs.complete].astype(str) for pairs in trainings]))
    shares, means = np.zeros((len(trainings), labels.size)), []
    for number, pairs in enumerate(trainings):
        whole = pairs.complete
        d = pairs.b[whole] - pairs.a[whole]
        means.append(float(d.mean()) if d.size else float("nan"))
        if d.size:
            places = np.searchsorted(labels, pairs.tasks[whole].astype(str))
            shares[number] = np.bincount(places, weights=d - means[-1], minlength=labels.size) / d.size
    return means, sum(int(pairs.complete.sum()) for pairs in trainings), shares
