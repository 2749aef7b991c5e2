"""Repeats of a task: the chance that all of k succeed (pass^k) and that at least one does (pass@k)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.statistics.crossed import Clusters
from harness.statistics.means import Estimate, clustered_mean

Labels = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Alike:
    """The rows that an interval takes to be alike."""

    groups: Labels
    """Group of each row's task."""
    crossed: Clusters | None = None
    """Marks that each row's task shares with those of other groups, as tuples of names."""


def pass_hat_k(
    successes: Labels, tasks: Labels, k: int, confidence: float = 0.95, alike: Alike | None = None
) -> Estimate:
    """pass^k: that k fresh tries all succeed; per task C(c, k) / C(n, k) for c successes in n repeats, unbiased
    (Yao et al. 2024, tau-bench, arXiv:2406.12045), then the mean over tasks. `alike`: what tasks have in common; where it is left
    out, each is a group of its own."""
    won, tried, first = _counts(successes, tasks, k)
    return _mean(_ways(won, k) / _ways(tried, k), first, confidence, alike or Alike(tasks))


def pass_at_k(
    successes: Labels, tasks: Labels, k: int, confidence: float = 0.95, alike: Alike | None = None
) -> Estimate:
    """pass@k: that at least one of k fresh tries succeeds; per task 1 - C(n - c, k) / C(n, k), unbiased (Chen et al.
    2021, arXiv:2107.03374), then the mean over tasks."""
    won, tried, first = _counts(successes, tasks, k)
    return _mean(1 - _ways(tried - won, k) / _ways(tried, k), first, confidence, alike or Alike(tasks))


def _mean(values: NDArray[np.float64], first: NDArray[np.intp], confidence: float, alike: Alike) -> Estimate:
    """The mean over tasks. `first`: the first row of each."""
    crossed = None if alike.crossed is None else alike.crossed[first]
    return clustered_mean(values, np.asarray(alike.groups)[first], 0.0, 1.0, confidence, crossed=crossed)


def _ways(of: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Binomial coefficients C(n, k) for every n of an array."""
    return np.array([math.comb(int(n), k) for n in of], dtype=float)


def _counts(successes: Labels, tasks: Labels, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp]]:
    """Successes and tries by task, and each task's first row. Raises ValueError for outcomes other than 0 or 1 and for tasks with
    fewer than k."""
    won = np.asarray(successes, dtype=float)
    if k < 1:
        raise ValueError(f"k is {k}, expected 1 or more")
    if not np.isin(won, (0.0, 1.0)).all():
        raise ValueError("pass^k and pass@k need successes that are 0 or 1, and every planned repeat finished")
    names, first, index = np.unique(np.asarray(tasks), return_index=True, return_inverse=True)
    tried = np.bincount(index, minlength=names.size)
    if names.size and tried.min() < k:
        short = [str(name) for name in names[tried < k]]
        raise ValueError(f"tasks with fewer than {k} repeats: {', '.join(short[:5])}{', …' * (len(short) > 5)}")
    return np.bincount(index, weights=won, minlength=names.size).astype(np.int64), tried, first
