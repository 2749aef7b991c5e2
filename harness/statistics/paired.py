"""The paired difference of two arms: its interval, its p values, and wins, ties and losses.

All of it counts groups of tasks: the episodes of a group are summed first. Interval and p are one procedure, the sign-flip
test (harness.statistics.signflips); with one 0/1 pair per group it is McNemar's exact test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.base.frame import coded
from harness.statistics.crossed import Clusters, Crossing, crossing
from harness.statistics.distributions import fair_coin_p
from harness.statistics.guard import Guard, guard
from harness.statistics.means import Estimate, summarise, task_sums
from harness.statistics.missing import Bounds
from harness.statistics.outcomes import Pairs
from harness.statistics.signflips import ROUNDING, sign_flips
from harness.statistics.unseen import unseen_interval

Floats = NDArray[np.float64]

SPARSE = 0.5
"""If fewer than this share of the groups differ at all, the interval allows for unlike groups that stayed unseen."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """Pairs in which just one arm succeeded, and the exact two-sided p."""

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Arm b minus arm a."""

    estimate: Estimate
    """The mean difference over the complete pairs."""
    p: float
    """Two-sided sign-flip p over tasks; 1 when nothing differs; NaN without pairs."""
    exact: bool
    """True if p was counted out exactly; False when it was estimated from 10,000 random sign patterns."""
    guard: Guard | None
    """The guard: what would undo a difference with p below its level; None where nothing would, or there is none."""
    by_group: tuple[tuple[str, float], ...]
    """Each group's mean difference, by the group's name."""
    mcnemar: McNemar | None
    """McNemar's test, for 0/1 outcomes with one pair per task; with repeats its pairs are not independent and p above is the
    test."""
    wins: int
    """Tasks on which b is better."""
    ties: int
    losses: int
    missing: int
    """Pairs that lack a value."""
    bounds: Bounds | None
    """The difference if the missing values were the worst or the best for b; None without known bounds."""


def paired_difference(
    pairs: Pairs, low: float | None = None, high: float | None = None, confidence: float = 0.95
) -> PairedDifference:
    """Compare arm b with arm a; `low` and `high` are the bounds of the metric itself, not of the difference."""
    whole = pairs.complete
    a, b, tasks = pairs.a[whole], pairs.b[whole], pairs.tasks[whole]
    crossed = None if pairs.crossed is None else pairs.crossed[whole]
    tested = difference_test(b - a, tasks, low, high, confidence, crossed)
    bounds = None
    if low is not None and high is not None and pairs.missing:
        bounds = _bounds(pairs, low, high, confidence)
    binary = a.size > 0 and all(bool(((side == 0.0) | (side == 1.0)).all()) for side in (a, b))
    sums, found = tested.sums, tested.p < 1 - confidence
    return PairedDifference(
        estimate=tested.estimate,
        p=tested.p,
        exact=tested.exact,
        guard=_guard(tested, _span(low, high)) if found else None,
        by_group=tuple(zip(tested.labels, (sums / tested.sizes).tolist(), strict=True)),
        mcnemar=mcnemar(a, b) if binary and sums.size == a.size and not _widens(tested) else None,
        wins=int((sums > 0).sum()),
        ties=int((sums == 0).sum()),
        losses=int((sums < 0).sum()),
        missing=pairs.missing,
        bounds=bounds,
    )


@dataclass(frozen=True, slots=True)
class DifferenceTest:
    """The mean of paired differences, its sign-flip test over groups, and the interval that inverts the test."""

    estimate: Estimate
    p: float
    exact: bool
    labels: tuple[str, ...]
    """The groups' names, sorted, with the sums and numbers of their differences."""
    sums: Floats
    sizes: Floats
    stretched: Floats
    """The sums as they were tested: where clusters cross the groups, as far from the mean as those ask for."""


def difference_test(
    differences: Floats,
    tasks: NDArray[np.generic],
    low: float | None,
    high: float | None,
    confidence: float = 0.95,
    crossed: Clusters | None = None,
) -> DifferenceTest:
    """Test and estimate a mean of paired differences, clustered by `tasks`; `low` and `high` are the metric's bounds. The
    interval leaves out 0 exactly where p is below 1 - confidence. `crossed`: what else each difference shares with others; the
    groups' means are stretched about their mean by what that adds to its standard error, and then tested."""
    d, span = np.asarray(differences, dtype=float), _span(low, high)
    if d.size == 0:
        none = np.zeros(0)
        return DifferenceTest(
            Estimate(float("nan"), -span, span, 0, 0, "no data"), float("nan"), True, (), none, none, none
        )
    if np.abs(d).max() > span * (1 + 1e-9):
        raise ValueError(f"a difference of {np.abs(d).max()} between values from {low} to {high}: check the bounds")
    labels, groups = coded(tasks)
    sums, sizes = task_sums(d, groups)
    mean, across = float(d.mean()), _crossing_of_sums(d, groups, crossed, sums, sizes, confidence)
    sums = np.where(np.abs(sums) < 1e-9, 0.0, sums)
    stretched = stretched_sums(sums, sizes, across)
    flips = sign_flips(stretched, sizes, confidence)
    ends = max(flips.low, -span), min(flips.high, span)
    if np.isfinite(span) and np.isfinite(flips.low) and _sparse(sums / sizes):
        unseen = unseen_interval(d, groups, low, high, confidence)
        wider = 1.0 if across is None else across.stretch
        rare = max(mean + wider * (unseen.low - mean), -span), min(mean + wider * (unseen.high - mean), span)
        ends = _widened(ends, rare, flips.p < 1 - confidence, span)
    estimate = Estimate(mean, min(ends[0], mean), max(ends[1], mean), d.size, sums.size, "sign flips", across)
    return DifferenceTest(estimate, flips.p, flips.exact, tuple(map(str, labels)), sums, sizes, stretched)


def crossing_of_groups(
    d: Floats, tasks: NDArray[np.generic], crossed: Clusters | None, confidence: float
) -> Crossing | None:
    """The clusters that cross the groups of differences; None where there are none."""
    if crossed is None:
        return None
    groups = coded(tasks)[1]
    return _crossing_of_sums(d, groups, crossed, *task_sums(d, groups), confidence)


def _crossing_of_sums(
    d: Floats, groups: NDArray[np.intp], crossed: Clusters | None, sums: Floats, sizes: Floats, confidence: float
) -> Crossing | None:
    """The same, with the groups' sums and sizes at hand."""
    if crossed is None or sums.size < 2:
        return None
    data = summarise(sums, sizes)
    return crossing(d, groups, crossed, data.df, data.variance, confidence)


def stretched_sums(sums: Floats, sizes: Floats, across: Crossing | None) -> Floats:
    """The groups' sums, their means as far from the mean of all as clusters that cross the groups ask for."""
    if across is None:
        return sums
    mean = float(sums.sum() / sizes.sum())
    return mean * sizes + across.stretch * (sums - mean * sizes)


def _widens(tested: DifferenceTest) -> bool:
    """True if clusters that cross the groups say that the pairs are not independent."""
    return tested.estimate.crossed is not None and tested.estimate.crossed.stretch > 1


def _guard(tested: DifferenceTest, span: float) -> Guard | None:
    """The guard of what was tested; its group with the mean that it has."""
    found = guard(tested.labels, tested.stretched, tested.sizes, span)
    if found is None or tested.estimate.crossed is None:
        return found
    means = dict(zip(tested.labels, (tested.sums / tested.sizes).tolist(), strict=True))
    return replace(found, value=means[found.group])


def difference_interval(
    differences: Floats,
    tasks: NDArray[np.generic],
    low: float | None,
    high: float | None,
    confidence: float,
    crossed: Clusters | None = None,
) -> Estimate:
    """The mean of paired differences with its interval, as `difference_test` gives it."""
    return difference_test(differences, tasks, low, high, confidence, crossed).estimate


def _span(low: float | None, high: float | None) -> float:
    return np.inf if low is None or high is None else float(high) - float(low)


def _sparse(means: Floats) -> bool:
    """True if groups that differ are so few, or so alike, that those seen do not say how unlike others may be."""
    return bool((means != 0).mean() < SPARSE or np.ptp(means) < 1e-12)


def _widened(
    ends: tuple[float, float], unseen: tuple[float, float], significant: bool, span: float
) -> tuple[float, float]:
    """The interval that holds both, but stops short of 0 on its own side where the test rejects 0."""
    least = ROUNDING * span
    low, high = min(ends[0], unseen[0]), max(ends[1], unseen[1])
    if not significant:
        return low, high
    return (max(low, min(ends[0], least)), high) if ends[0] > 0 else (low, min(high, max(ends[1], -least)))


def _bounds(pairs: Pairs, low: float, high: float, confidence: float) -> Bounds:
    """The difference when every missing value is the worst, and the best, for b."""
    ends = []
    for in_a, in_b in ((high, low), (low, high)):
        a = np.where(np.isnan(pairs.a), in_a, pairs.a)
        b = np.where(np.isnan(pairs.b), in_b, pairs.b)
        ends.append(difference_interval(b - a, pairs.tasks, low, high, confidence, pairs.crossed))
    return Bounds(worst=ends[0], best=ends[1], missing=pairs.missing)


def mcnemar(a: Floats, b: Floats) -> McNemar:
    """McNemar's exact test on 0/1 pairs: the pairs that differ are fair coin throws if the arms are alike."""
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    if only_a + only_b == 0:
        return McNemar(0, 0, 1.0)
    return McNemar(only_a, only_b, fair_coin_p(only_a, only_b))
