"""Bounds for missing outcomes: a missing score could have been anything, so both extremes are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.statistics.crossed import Clusters
from harness.statistics.means import Estimate, clustered_mean


@dataclass(frozen=True, slots=True)
class Bounds:
    """The estimate if all missing values were the worst, and if they were the best (Manski 1990)."""

    worst: Estimate
    best: Estimate
    missing: int

    @property
    def low(self) -> float:
        """Lower end of the interval that holds whatever the missing values are."""
        return self.worst.low

    @property
    def high(self) -> float:
        """Upper end of the interval that holds whatever the missing values are."""
        return self.best.high


def bounded_mean(
    values: Sequence[float | None] | NDArray[Any],
    clusters: Sequence[Any] | NDArray[Any],
    low: float,
    high: float,
    confidence: float = 0.95,
    crossed: Clusters | None = None,
) -> Bounds:
    """The mean over all planned episodes, None or NaN standing for those without a score; the rest as in `clustered_mean`."""
    y = np.asarray(values, dtype=float)
    absent = np.isnan(y)
    return Bounds(
        worst=clustered_mean(np.where(absent, low, y), clusters, low, high, confidence, crossed=crossed),
        best=clustered_mean(np.where(absent, high, y), clusters, low, high, confidence, crossed=crossed),
        missing=int(absent.sum()),
    )
