"""The paired difference of two arms: its interval, its p values, and wins, ties and losses.

All of it counts tasks: the episodes of a task are summed first. The sign-flip test needs no distribution: if the
arms are alike, a task's difference could as well have had the other sign (Fisher 1935). With one 0/1 pair per task
it is McNemar's exact test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.statistics.dirichlet import pseudo_task_interval
from harness.statistics.distributions import fair_coin_p, normal_below, student_below
from harness.statistics.means import Estimate, summarise, task_sums
from harness.statistics.missing import Bounds
from harness.statistics.outcomes import Pairs

Floats = NDArray[np.float64]

_EXACT_SPAN = 200_000
"""Largest sum of absolute task differences, in units of their common step, that is counted out exactly."""
_FLIPS = 10_000
"""Random sign patterns when it cannot be exact."""


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
    estimate = difference_interval(b - a, tasks, low, high, confidence)
    bounds = None
    if low is not None and high is not None and pairs.missing:
        bounds = _bounds(pairs, low, high, confidence)
    sums = task_sums(b - a, tasks)[0] if a.size else np.zeros(0)
    sums = np.where(np.abs(sums) < 1e-9, 0.0, sums)
    p, exact = sign_flip(sums)
    binary = a.size > 0 and bool(np.isin(np.concatenate([a, b]), (0.0, 1.0)).all())
    return PairedDifference(
        estimate=estimate,
        p=p,
        exact=exact,
        mcnemar=mcnemar(a, b) if binary and sums.size == a.size else None,
        wins=int((sums > 0).sum()),
        ties=int((sums == 0).sum()),
        losses=int((sums < 0).sum()),
        missing=pairs.missing,
        bounds=bounds,
    )


def difference_interval(
    differences: Floats, tasks: NDArray[np.generic], low: float | None, high: float | None, confidence: float
) -> Estimate:
    """The mean of paired differences with an interval clustered by task.

    Unbounded metrics: Student's, with CR2 variance. Bounded ones: the pseudo-task method, as in
    harness.statistics.means. What makes a sample of differences treacherous is not a mean near the bound but that
    few tasks differ at all, so here the half pseudo-task fades with the number of `telling` tasks,
    sum(|d|)**2 / sum(d**2), and lies three times as far out as a telling task usually does, if the range allows.
    With one 0/1 pair per task and few that differ the interval then leaves zero about when a mid-p McNemar test
    rejects (advised by Fagerland, Lydersen and Laake 2013, BMC Medical Research Methodology 13:91), and equal arms
    get a width that says how many unlike tasks may have stayed unseen.
    """
    d = np.asarray(differences, dtype=float)
    span = np.inf if low is None or high is None else float(high) - float(low)
    if d.size == 0:
        return Estimate(float("nan"), -span, span, 0, 0, "no data")
    if np.abs(d).max() > span * (1 + 1e-9):
        raise ValueError(f"a difference of {np.abs(d).max()} between values from {low} to {high}: check the bounds")
    sums, sizes = task_sums(d, tasks)
    groups, mean, n = sums.size, float(d.mean()), d.size
    tail = (1 + confidence) / 2
    if not np.isfinite(span):
        if groups == 1:
            return Estimate(mean, -np.inf, np.inf, n, 1, "one cluster")
        data = summarise(sums, sizes)
        half = student_below(tail, data.df) * data.variance**0.5
        return Estimate(mean, mean - half, mean + half, n, groups, "student")
    if groups == 1 or np.ptp(sums / sizes) < 1e-12:
        unseen = 1 - (1 - tail) ** (1 / groups)
        return Estimate(mean, mean - unseen * (mean + span), mean + unseen * (span - mean), n, groups, "all equal")
    scaled = summarise((sums / span + sizes) / 2, sizes)
    student = (normal_below(tail) / student_below(tail, scaled.df)) ** 2 * scaled.df / (scaled.df + 1)
    unseen, reach = _pseudo_task(sums / sizes / span)
    at = (1 - reach) / 2, (1 + reach) / 2
    ends = pseudo_task_interval(scaled.sums, sizes, unseen, max(student, 0.4), confidence, at)
    return Estimate(
        mean, min(span * (2 * ends[0] - 1), mean), max(span * (2 * ends[1] - 1), mean), n, groups, "pseudo-task"
    )


def _pseudo_task(means: Floats) -> tuple[float, float]:
    """Weight of the pseudo-task, and its distance from zero, from the tasks' mean differences over the range."""
    sizes = np.abs(means)
    total, squares = float(sizes.sum()), float((sizes**2).sum())
    if squares == 0:
        return 0.5, 1.0
    telling = total**2 / squares
    return 0.5 * float(np.exp(-((telling / 10.0) ** 2))), min(1.0, 3 * squares / total)


def _bounds(pairs: Pairs, low: float, high: float, confidence: float) -> Bounds:
    """The difference when every missing value is the worst, and the best, for b."""
    ends = []
    for in_a, in_b in ((high, low), (low, high)):
        a = np.where(np.isnan(pairs.a), in_a, pairs.a)
        b = np.where(np.isnan(pairs.b), in_b, pairs.b)
        ends.append(difference_interval(b - a, pairs.tasks, low, high, confidence))
    return Bounds(worst=ends[0], best=ends[1], missing=pairs.missing)


def sign_flip(sums: Floats) -> tuple[float, bool]:
    """Two-sided p of the sum of task differences under random signs, and whether it is exact.

    Exact for any number of tasks when the differences are multiples of a common step (0/1 outcomes, whole scores):
    the distribution is built by convolution. Else exact to 20 differing tasks, and beyond that (hits + 1) /
    (flips + 1) over random signs from a fixed seed (Phipson and Smyth 2010), which is never too small.
    """
    if sums.size == 0:
        return float("nan"), True
    sizes = np.sort(np.abs(sums[sums != 0]))
    if sizes.size == 0:
        return 1.0, True
    observed = abs(float(np.sort(sums).sum())) - 1e-9 * float(sizes.sum())  # equal sums count as reached
    whole = _in_steps(sizes)
    if whole is not None:
        return _convolved(whole, abs(round(float(sums.sum() / sizes[0] * whole[0])))), True
    if sizes.size <= 20:
        totals = np.zeros(1)
        for size in sizes:
            totals = np.concatenate([totals + size, totals - size])
        return float((np.abs(totals) >= observed).mean()), True
    rng, light = np.random.default_rng(_FLIPS), sizes.astype(np.float32)
    hits = 0
    for _ in range(20):
        plus = rng.integers(0, 2, (_FLIPS // 20, sizes.size), dtype=np.int8).astype(np.float32)
        hits += int((np.abs(2 * (plus @ light) - light.sum()) >= observed).sum())
    return (hits + 1) / (_FLIPS + 1), False


def _in_steps(sizes: Floats) -> NDArray[np.int64] | None:
    """The sizes as whole multiples of a common step, if there is a simple one; else None."""
    for parts in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 20, 100):
        scaled = sizes * parts
        near = np.rint(scaled)
        if np.abs(scaled - near).max() < 1e-6 * parts and near.sum() <= _EXACT_SPAN:
            return near.astype(np.int64)
    return None


def _convolved(sizes: NDArray[np.int64], observed: int) -> float:
    """P(|sum of +-size| >= observed), exact: the chance of every sum of the sizes that get a plus sign."""
    total = int(sizes.sum())
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    reach = 0
    for size in sizes.tolist():
        chance[size : reach + size + 1] = 0.5 * (chance[size : reach + size + 1] + chance[: reach + 1])
        chance[:size] *= 0.5
        reach += size
    sums = 2 * np.arange(total + 1) - total
    return float(min(1.0, chance[np.abs(sums) >= observed].sum()))


def mcnemar(a: Floats, b: Floats) -> McNemar:
    """McNemar's exact test on 0/1 pairs: the pairs that differ are fair coin throws if the arms are alike."""
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    if only_a + only_b == 0:
        return McNemar(0, 0, 1.0)
    return McNemar(only_a, only_b, fair_coin_p(only_a, only_b))
