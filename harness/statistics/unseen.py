"""The interval of a paired difference if unlike groups may have stayed unseen, by the pseudo-task method of single means.

The sign-flip test takes it that a difference moves all groups alike. Where most groups do not differ at all that is no help, and
passing the gate must not rest on it: there the interval allows for groups that no sample of this size need contain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.statistics.dirichlet import pseudo_task_interval
from harness.statistics.distributions import normal_below, student_below
from harness.statistics.means import Estimate, summarise, task_sums

Floats = NDArray[np.float64]


def unseen_interval(
    differences: Floats, tasks: NDArray[np.generic], low: float | None, high: float | None, confidence: float
) -> Estimate:
    """The mean of paired differences with an interval clustered by task that allows for unlike tasks nobody saw.

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
