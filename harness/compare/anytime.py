"""Differences of two arms that may be looked at while their runs grow, and again (harness.statistics.anytime).

A group counts once it is complete: every pair that is known of it was played by both arms. Groups stand in the order in which
they were completed, by the lines of the records. What is not played yet is no missing outcome; what was played and has none is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.compare.arms import PLACE, Arm, align
from harness.statistics import Bounds, Estimate, PairedDifference, Pairs, anytime_mean, paired_difference

Floats = NDArray[np.float64]


def anytime_difference(a: Arm, b: Arm, metric: str, common: bool = False) -> tuple[Pairs, PairedDifference]:
    """The pairs of the complete groups, and b minus a over them: interval and p hold at every look. Raises `BadInput` for a
    metric without bounds and for a baseline file, which does not say in which order it was played."""
    low, high = a.bounds(metric)
    if low is None or high is None:
        raise BadInput(f"--anytime needs a metric with known bounds: goal or success, not {metric}")
    for arm in (a, b):
        if PLACE not in arm.outcomes:
            raise BadInput(
                f"--anytime needs runs: {arm.source} is a baseline, which does not say what was played first"
            )
    pairs, ended = _complete(a, b, metric, common)
    plain = paired_difference(pairs, low, high)
    estimate, p = _estimate(pairs, ended, high - low)
    bounds = None
    if pairs.missing:
        ends = [_estimate(_filled(pairs, *fill), ended, high - low)[0] for fill in ((high, low), (low, high))]
        bounds = Bounds(worst=ends[0], best=ends[1], missing=pairs.missing)
    return pairs, replace(plain, estimate=estimate, p=p, exact=True, guard=None, mcnemar=None, bounds=bounds)


def looked_at(a: Arm, b: Arm, metric: str) -> bool:
    """True if one of the arms' runs was ended by looking at it: then only tests that hold at every look may be used, where there
    are any."""
    looks = a.looks is not None or b.looks is not None
    return looks and None not in a.bounds(metric) and all(PLACE in arm.outcomes for arm in (a, b))


def _complete(a: Arm, b: Arm, metric: str, common: bool) -> tuple[Pairs, Floats]:
    """The pairs of complete groups, and when each ended: the later of its places in the two arms' records."""
    pairs, places = align(a, b, metric, common), align(a, b, PLACE, common)
    ended = np.maximum(places.a, places.b)
    played = ~np.isnan(ended)
    open_ = set(pairs.tasks[~played].tolist()) | (set() if common else _short(a, b, pairs.tasks[played]))
    kept = np.array([group not in open_ for group in pairs.tasks.tolist()], dtype=bool)
    return Pairs(pairs.tasks[kept], pairs.seeds[kept], pairs.a[kept], pairs.b[kept]), ended[kept]


def completion(a: Arm, b: Arm, metric: str, common: bool = False) -> Floats:
    """Tell when arm b (a candidate that grows) completed each of the pairs of `align(a, b, metric)`: NaN for what it has not
    played, or what belongs to a group that lacks tasks or repeats. Arm a may be a baseline, which was played before."""
    before = replace(a, outcomes={**a.outcomes, PLACE: np.zeros(len(a))})
    pairs, places = align(a, b, metric, common), align(before, b, PLACE, common)
    ended = places.b.astype(float)
    open_ = set() if common else _short(a, b, pairs.tasks[~np.isnan(ended)])
    waiting = np.array([group in open_ for group in pairs.tasks.tolist()], dtype=bool)
    return np.where(waiting, np.nan, ended)


def _short(a: Arm, b: Arm, played: NDArray[np.generic]) -> set[str]:
    """The groups that lack repeats of a task, or tasks that the plan is known to have."""
    known: dict[str, set[tuple[str, int]]] = {}
    for arm in (a, b):
        columns = (arm.outcomes[name].tolist() for name in ("group", "task_id", "order"))
        for group, task, order in zip(*columns, strict=True):
            known.setdefault(group, set()).add((task, order))
    groups, counts = np.unique(played.astype(str), return_counts=True)
    there = dict(zip(groups.tolist(), counts.tolist(), strict=True))
    repeats = int(a.facts["seeds"]["repeats"])
    planned = a.looks or b.looks or {}
    begun = {group: len({task for task, _ in tasks}) for group, tasks in known.items()}
    return {
        group
        for group, tasks in known.items()
        if begun[group] < planned.get(group, 0) or there.get(str(group), 0) < len(tasks) * repeats
    }


def _estimate(pairs: Pairs, ended: Floats, span: float) -> tuple[Estimate, float]:
    """The mean of the groups' mean differences with its interval, and p."""
    whole = pairs.complete
    labels, index = np.unique(pairs.tasks[whole].astype(str), return_inverse=True)
    difference = pairs.b[whole] - pairs.a[whole]
    means = np.bincount(index, difference, labels.size) / np.bincount(index, minlength=labels.size)
    last = np.full(labels.size, -np.inf)
    np.maximum.at(last, index, ended[whole])
    found = anytime_mean(means[np.argsort(last, kind="stable")], span)
    return Estimate(found.mean, found.low, found.high, difference.size, labels.size, "anytime"), found.p


def _filled(pairs: Pairs, in_a: float, in_b: float) -> Pairs:
    """The pairs with these values where outcomes are missing."""
    a, b = np.where(np.isnan(pairs.a), in_a, pairs.a), np.where(np.isnan(pairs.b), in_b, pairs.b)
    return Pairs(pairs.tasks, pairs.seeds, a, b)
