"""A mean and an interval that respects clustering by task and stays honest when tasks are few.

Why not mean +- 1.96 standard errors: below a few hundred values it is too narrow, most of all near the bounds
(Bowyer, Aitchison and Ivanova 2025, arXiv:2503.01747), and repeats of one task are not independent (Miller 2024,
arXiv:2411.00640). The candidates that were tried, and the grid they were chosen on, are in docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.base.frame import coded
from harness.statistics.crossed import Clusters, Crossing, crossing
from harness.statistics.dirichlet import pseudo_task_interval
from harness.statistics.distributions import normal_below, student_below

Floats = NDArray[np.float64]


CLOSE = 0.1
"""Share of the range within which of a bound a mean of values that scatter little may owe itself to what was not drawn."""
EVEN = 0.5
"""Groups are of unlike sizes if as many equal ones as would be worth as much are fewer than this share of them."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval."""

    mean: float
    """The plain mean of the values; NaN when there are none."""
    low: float
    """Lower end of the interval; -inf when nothing bounds it."""
    high: float
    """Upper end of the interval; inf when nothing bounds it."""
    n: int
    """Number of values."""
    clusters: int
    """Number of clusters (tasks) they come from; this, not n, is what makes an interval narrow."""
    method: str
    """`pseudo-task` (bounded metrics), `student` (others), `all equal`, `one cluster` or `no data`."""
    crossed: Crossing | None = None
    """The clusters that cross the groups, which the interval counts; None where there are none."""


@dataclass(frozen=True, slots=True)
class Clustered:
    """The parts of the data that an interval needs: sums by task, never the single values."""

    sums: Floats
    sizes: Floats
    mean: float
    variance: float
    """Variance of the mean, by CR2: unbiased when the values are independent, sound when those of a task are not."""
    df: float
    """Bell and McCaffrey's degrees of freedom; tasks - 1 when all tasks have equally many values."""


def clustered_mean(
    values: Sequence[float] | NDArray[Any],
    clusters: Sequence[Any] | NDArray[Any],
    low: float | None = None,
    high: float | None = None,
    confidence: float = 0.95,
    episodes: Sequence[Any] | NDArray[Any] | None = None,
    crossed: Clusters | None = None,
) -> Estimate:
    """The mean of `values` with an interval clustered by `clusters` (one label per value, e.g. the task id).

    Give `low` and `high`, the metric's bounds, whenever it has them: then the interval stays inside, keeps a
    width when all values are equal, and holds near the bounds. Without both, Student's interval is used.
    `episodes`: optional ids, which must all differ; a run that was counted twice is refused by them. `crossed`: what else each
    value shares with others, as tuples of names (SOTOPIA: its characters): the interval is widened by what that adds.
    Raises ValueError for unequal lengths, repeated ids, values that are not finite or that leave the bounds.
    """
    y, labels = _checked(values, clusters, episodes)
    floor = -np.inf if low is None else float(low)
    ceiling = np.inf if high is None else float(high)
    if y.size == 0:
        return Estimate(float("nan"), floor, ceiling, 0, 0, "no data")
    if y.min() < floor or y.max() > ceiling:
        raise ValueError(f"values from {y.min()} to {y.max()} leave the bounds {floor} to {ceiling}")
    sums, sizes = task_sums(y, labels)
    found = mean_of_sums(sums, sizes, floor, ceiling, confidence, y)
    if crossed is None or sums.size < 2:
        return found
    data = summarise(sums, sizes)
    return _widened(found, crossing(y, labels, crossed, data.df, data.variance, confidence), floor, ceiling, confidence)


def _widened(found: Estimate, crossed: Crossing | None, floor: float, ceiling: float, confidence: float) -> Estimate:
    """The estimate with its interval as wide as clusters that cross the groups ask for, within the bounds."""
    if crossed is None:
        return found
    low, high = (found.mean + crossed.stretch * (end - found.mean) for end in (found.low, found.high))
    if found.method == "all equal" and np.isfinite(ceiling - floor):
        independent = max(1.0, min(float(found.clusters), crossed.worth))
        low, high = _all_equal(found.mean, independent, floor, ceiling, confidence)
    return replace(found, low=max(low, floor), high=min(high, ceiling), crossed=crossed)


def mean_of_sums(
    sums: Floats, sizes: Floats, floor: float, ceiling: float, confidence: float, values: Floats
) -> Estimate:
    """The estimate from task sums; `values` settle exactly whether all are equal."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, expected a number between 0 and 1, such as 0.95")
    n, groups = int(sizes.sum()), sums.size
    bounded = bool(np.isfinite(floor) and np.isfinite(ceiling))
    least, most = float(values.min()), float(values.max())
    if most - least <= (1e-9 * (ceiling - floor) if bounded else 0.0):
        mean = (least + most) / 2
        if bounded:
            return Estimate(mean, *_all_equal(mean, groups, floor, ceiling, confidence), n, groups, "all equal")
        if groups == 1:
            return Estimate(mean, floor, ceiling, n, groups, "one cluster")
        return Estimate(mean, mean, mean, n, groups, "all equal")
    if groups == 1:
        return Estimate(float(sums[0] / sizes[0]), floor, ceiling, n, groups, "one cluster")
    if not bounded:
        data = summarise(sums, sizes)
        half = student_below((1 + confidence) / 2, data.df) * data.variance**0.5
        ends = max(data.mean - half, floor), min(data.mean + half, ceiling)
        return Estimate(data.mean, *ends, n, groups, "student")
    span = ceiling - floor
    data = summarise((sums - floor * sizes) / span, sizes)
    ends = bounded_interval(data, confidence)
    mean = floor + span * data.mean
    return Estimate(
        mean, min(floor + span * ends[0], mean), max(floor + span * ends[1], mean), n, groups, "pseudo-task"
    )


def task_sums(values: Floats, labels: NDArray[Any]) -> tuple[Floats, Floats]:
    """Sum and number of values of each task, in an order that does not depend on the rows'."""
    index = coded(labels)[1]
    order = np.lexsort((values, index))  # equal sums to the last bit, whatever order the rows came in
    sums: Floats = np.asarray(np.bincount(index[order], weights=values[order]), dtype=np.float64)
    return sums, np.bincount(index).astype(np.float64)


def summarise(sums: Floats, sizes: Floats) -> Clustered:
    """Mean, CR2 variance and Bell-McCaffrey degrees of freedom of a plain mean, from the sums of 2 tasks or more.

    Bell and McCaffrey 2002 (Survey Methodology 28:169), as advised by Imbens and Kolesar 2016 (Review of
    Economics and Statistics 98:701); for a mean alone their matrices reduce to these sums.
    """
    total = float(sizes.sum())
    mean = float(sums.sum()) / total
    share = sizes / total
    variance = float(((sums - mean * sizes) ** 2 / (1 - share)).sum()) / total**2
    cross = sizes * share / (1 - share)
    off_diagonal = float(cross.sum() ** 2 - (cross**2).sum())
    return Clustered(sums, sizes, mean, variance, total**2 / (float((sizes**2).sum()) + off_diagonal))


def bounded_interval(data: Clustered, confidence: float) -> tuple[float, float]:
    """The interval for values scaled to 0 .. 1.

    Two numbers adapt the pseudo-task method to the data. `coarse` is the variance between task means over the
    largest it could be, mean * (1 - mean): 1 for single 0/1 episodes, small for scores that vary little. Coarse
    data get the full half pseudo-task and unwidened weights (close to Jeffreys' interval); fine data get weights
    widened to match Student's quantile and little pseudo-task, for with them the bound is far from anything likely.
    But when the mean lies so near a bound that the shorter side holds only a task's worth or two (`short`; some
    more when tasks are few), the sample may have missed the rare ones however fine it looks, and the half
    pseudo-task returns, and with it unwidened weights. The constants were chosen on the grid in docs/statistics.md.
    Fine data whose mean is within `CLOSE` of a bound (fading out to twice that) get a whole pseudo-task, Gaffke's bound: a rare
    catastrophe may lie at the other end. Where few groups hold most values it weighs as much as the largest of them.
    """
    room = data.mean * (1 - data.mean)
    tasks = data.df + 1
    coarse = min(1.0, data.variance * tasks / room)
    short = tasks * min(data.mean, 1 - data.mean)
    near = float(np.exp(-((short / (0.9 + 8 / tasks)) ** 2)))
    tail = (1 + confidence) / 2
    student = (normal_below(tail) / student_below(tail, data.df)) ** 2 * data.df / tasks
    shape = max(1 - (1 - student) * (1 - coarse) * (1 - near), 0.4)
    close = float(np.exp(-((max(min(data.mean, 1 - data.mean) - CLOSE, 0.0) / 0.05) ** 2)))
    unseen = max(0.5 * max(coarse, near), close * (1 - coarse) ** 3)
    unequal = worth(data.sizes) < EVEN * data.sizes.size
    return pseudo_task_interval(
        data.sums, data.sizes, unseen * (data.sizes.max() / data.sizes.mean() if unequal else 1.0), shape, confidence
    )


def worth(sizes: Floats) -> float:
    """The number of groups of one size that would be worth as much as groups of these sizes (Kish 1965)."""
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def _all_equal(mean: float, groups: float, floor: float, ceiling: float, confidence: float) -> tuple[float, float]:
    """The interval when every value is the same: a share of unlike tasks may have stayed unseen in all draws.

    The share is Clopper and Pearson's limit for 0 of `groups` (near 3.7 / groups at 95 %), and the unseen tasks
    may lie at a bound, so all successes give Clopper and Pearson's interval.
    """
    unseen = 1 - ((1 - confidence) / 2) ** (1 / groups)
    return mean - unseen * (mean - floor), mean + unseen * (ceiling - mean)


def _checked(
    values: Sequence[float] | NDArray[Any],
    clusters: Sequence[Any] | NDArray[Any],
    episodes: Sequence[Any] | NDArray[Any] | None,
) -> tuple[Floats, NDArray[Any]]:
    """The values and labels as arrays of one length."""
    y, labels = np.asarray(values, dtype=float), np.asarray(clusters)
    if y.ndim != 1 or y.shape != labels.shape:
        raise ValueError(f"values {y.shape} and clusters {labels.shape} must be two lists of one length")
    if not np.isfinite(y).all():
        raise ValueError("a value is missing or not finite: harness.statistics.missing gives bounds for such data")
    if episodes is not None:
        ids = np.asarray(episodes)
        if ids.shape != y.shape or np.unique(ids).size != y.size:
            raise ValueError("an episode is counted more than once (ids repeat), or ids and values differ in number")
    return y, labels
