"""A mean and an interval that respects clustering by task and stays honest when tasks are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


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
    """How many values."""
    clusters: int
    """How many clusters (tasks) they come from; this, not n, is what makes an interval narrow."""
    method: str
    """Which interval: see docs/statistics.md."""


def clustered_mean(
    values: Sequence[float] | np.ndarray,
    clusters: Sequence[Any] | np.ndarray,
    low: float | None = None,
    high: float | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """The mean of `values` with an interval clustered by `clusters` (one label per value, e.g. the task id).

    Give `low` and `high`, the metric's bounds, whenever it has them.
    Raises ValueError for unequal lengths, values that are not finite, or values outside the bounds.
    """
    y = np.asarray(values, dtype=float)
    labels = np.asarray(clusters)
    if y.shape != labels.shape or y.ndim != 1:
        raise ValueError(f"values {y.shape} and clusters {labels.shape} must be two lists of one length")
    if not np.isfinite(y).all():
        raise ValueError("a value is missing or not finite: see harness.statistics.missing for bounds")
    bounded = low is not None and high is not None
    floor, ceiling = (float(low), float(high)) if low is not None and high is not None else (-np.inf, np.inf)
    if y.size == 0:
        return Estimate(float("nan"), floor, ceiling, 0, 0, "no data")
    if y.min() < floor or y.max() > ceiling:
        raise ValueError(f"values from {y.min()} to {y.max()} leave the bounds {floor} to {ceiling}")
    _, index = np.unique(labels, return_inverse=True)
    sizes = np.bincount(index)
    groups = sizes.size
    mean = float(y.mean())
    alpha = 1 - confidence
    residual = np.bincount(index, weights=y - mean)
    variance = float((residual**2).sum()) / y.size**2 * groups / max(groups - 1, 1)
    if bounded and (groups == 1 or variance <= 0):
        unseen = 1 - (alpha / 2) ** (1 / groups)
        ends = mean - unseen * (mean - floor), mean + unseen * (ceiling - mean)
        return Estimate(mean, *ends, y.size, groups, "all-equal")
    if groups == 1:
        return Estimate(mean, floor, ceiling, y.size, groups, "one cluster")
    t = float(stats.t.ppf(1 - alpha / 2, groups - 1))
    if not bounded:
        half = t * variance**0.5
        return Estimate(mean, mean - half, mean + half, y.size, groups, "student")
    rate = (mean - floor) / (ceiling - floor)
    effective = rate * (1 - rate) * (ceiling - floor) ** 2 / variance * (stats.norm.ppf(1 - alpha / 2) / t) ** 2
    ends = stats.beta.ppf(
        [alpha / 2, 1 - alpha / 2],
        [effective * rate, effective * rate + 1],
        [effective * (1 - rate) + 1, effective * (1 - rate)],
    )
    ends = floor + (ceiling - floor) * ends
    return Estimate(mean, float(ends[0]), float(ends[1]), y.size, groups, "korn-graubard")
