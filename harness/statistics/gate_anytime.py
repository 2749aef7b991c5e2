"""The gate for a candidate that grows: verdicts that hold at every look (harness.statistics.anytime).

Groups of tasks come in the order in which the candidate completed them; one counts when all its pairs, in all cells that share
it, were played. Each end of the interval is an e-process of its own: bets on a loss refute every mean above the upper end, and
reach 1 / level with a chance of at most `level` however often one looks; so do bets on "no such loss" for the lower end. Each
group counts once, and the difference is the mean of the groups' means.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.statistics.anytime import anytime_ends
from harness.statistics.gate import LEVEL, GateResult, Verdict
from harness.statistics.gate_cells import GatedCell
from harness.statistics.luck import Luck
from harness.statistics.means import Estimate
from harness.statistics.outcomes import Pairs

Floats = NDArray[np.float64]


def completed(cell: GatedCell) -> GatedCell:
    """The pairs of the groups that were played whole. `cell.ended` is NaN for a pair that was not played yet."""
    assert cell.ended is not None
    open_ = set(cell.pairs.tasks[np.isnan(cell.ended)].tolist())
    kept = np.array([task not in open_ for task in cell.pairs.tasks.tolist()], dtype=bool)
    pairs = cell.pairs
    return GatedCell(
        Pairs(pairs.tasks[kept], pairs.seeds[kept], pairs.a[kept], pairs.b[kept]),
        cell.tasks_of,
        None if cell.runs is None else cell.runs[:, kept],
        cell.ended[kept],
    )


def gate_anytime(cell: GatedCell, max_drop: float, level: float, luck: Luck | None) -> GateResult:
    """Judge the complete groups of one cell, values in 0..1, as `harness.statistics.gate` does at one look. Missing outcomes
    count as the best for *regressed* and as the worst for *pass*."""
    found = completed(cell)
    assert found.ended is not None
    allowed = (0.0, 0.0) if luck is None else (luck.allowance(LEVEL), luck.allowance(level))
    seen = _ends(found.pairs, found.ended, level, None)
    missing = found.pairs.missing
    fills = ((1.0, 0.0), (0.0, 1.0)) if missing else ()
    worst, best = [_ends(found.pairs, found.ended, level, fill) for fill in fills] or (seen, seen)
    verdict: Verdict = "too few"
    if seen.clusters >= 2:
        if best.high + allowed[1] < -max_drop:
            verdict = "regressed"
        elif worst.low - allowed[0] > -max_drop:
            verdict = "pass"
    difference = Estimate(
        seen.mean,
        max(seen.low - allowed[0], -1.0),
        min(seen.high + allowed[1], 1.0),
        seen.n,
        seen.clusters,
        "anytime",
    )
    doubtful = _ends(found.pairs, found.ended, LEVEL, (1.0, 0.0)).high + allowed[1] < -max_drop
    unknown = float("inf")
    return GateResult(
        verdict, difference, 1 - LEVEL - level, max_drop, unknown, unknown, None, missing, doubtful, allowed[1]
    )


def _ends(pairs: Pairs, ended: Floats, level: float, fill: tuple[float, float] | None) -> Estimate:
    """The mean of the groups' means with both ends, missing values left out, or filled in (of the baseline, of the candidate)."""
    a, b, tasks, last = pairs.a, pairs.b, pairs.tasks, ended
    if fill is None:
        whole = pairs.complete
        a, b, tasks, last = a[whole], b[whole], tasks[whole], ended[whole]
    else:
        a, b = np.where(np.isnan(a), fill[0], a), np.where(np.isnan(b), fill[1], b)
    if not a.size:
        return Estimate(float("nan"), -1.0, 1.0, 0, 0, "anytime")
    labels, index = np.unique(tasks, return_inverse=True)
    means = np.bincount(index, b - a, labels.size) / np.bincount(index, minlength=labels.size)
    order = np.full(labels.size, -np.inf)
    np.maximum.at(order, index, last)
    means = means[np.argsort(order, kind="stable")]
    low, high = anytime_ends(means, 1.0, LEVEL, level)
    return Estimate(float(means.mean()), low, high, int(a.size), labels.size, "anytime")
