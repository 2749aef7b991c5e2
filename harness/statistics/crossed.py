"""The width that an interval over groups has to grow by where other clusters cross the groups.

Groups are what is counted. Where the same characters come again in many scenarios, episodes of two groups are alike as well, and
an interval over groups alone is too narrow. The variance that counts every pair of episodes that share a group or any other
cluster (Cameron, Gelbach and Miller 2011, Journal of Business and Economic Statistics 29:238; for pairs of characters: Aronow,
Samii and Assenova 2015, Political Analysis 23:564) says by how much. The correction for small samples and the coverage that it
reaches are in docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.statistics.distributions import student_below

Floats = NDArray[np.float64]
Clusters = NDArray[Any]
"""Per value a tuple with the names of the clusters beside its group; empty for none."""

MOST = 4
"""The most clusters of one value: the variance is summed over all their subsets."""
FEW = 2.0
"""An interval is not trusted where the clusters are worth no more than this many independent ones (`Crossing.worth`)."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Clusters that cross the groups, and what that does to an interval over groups."""

    stretch: float
    """Times as far as over groups alone an end lies from the mean; at least 1."""
    clusters: int
    """Number of clusters that were counted."""
    worth: float
    """Number of independent ones they are worth: as many of equal size (Kish 1965), over the number that a value has."""

    @property
    def few(self) -> bool:
        """True if they are too few to say how much they matter."""
        return self.worth <= FEW


@dataclass(frozen=True, slots=True)
class _Cells:
    """The values that have group and clusters in common, as one."""

    marks: list[tuple[int, ...]]
    """Numbers of each cell's group and clusters."""
    residuals: Floats
    """Sum of what its values differ from the mean."""
    sizes: Floats


def crossing(
    values: Floats, groups: NDArray[Any], clusters: Clusters | None, df: float, variance: float, confidence: float
) -> Crossing | None:
    """Find how much clusters that cross the groups widen the interval of a mean. `df` and `variance`: degrees of freedom and
    variance of the mean over groups alone. None where no cluster reaches beyond a group. Raises ValueError for
    more than `MOST` clusters of one value."""
    named = _told(groups, clusters)
    if named is None:
        return None
    cells = _cells(values - values.mean(), groups, named)
    total = float(cells.sizes.sum())
    shared, pairs = _sums_of_pairs(cells)
    independent = 1 - pairs / total**2  # share of the pairs of values that have nothing in common
    sizes = np.array(list(_sizes(cells, len(np.unique(groups))).values()))
    worth = float(sizes.sum() * total / (sizes**2).sum())
    if independent <= 0:
        return Crossing(1.0, sizes.size, 0.0)
    if not variance > 0:
        return Crossing(1.0, sizes.size, worth)
    ratio = max(shared, 0.0) / total**2 / independent / variance
    tail = (1 + confidence) / 2
    wider = student_below(tail, max(min(df, worth), 1.0)) / student_below(tail, df)
    return Crossing(max(1.0, wider * ratio**0.5), sizes.size, worth)


def _told(groups: NDArray[Any], clusters: Clusters | None) -> list[tuple[str, ...]] | None:
    """Each value's clusters, but for those that every value has; None where none reaches beyond a group."""
    if clusters is None or not clusters.size:
        return None
    every = [tuple(dict.fromkeys(each or ())) for each in clusters]
    if (most := max(map(len, every))) > MOST:
        raise ValueError(f"{most} clusters of one value; expected at most {MOST}")
    common = set(every[0]).intersection(*every)
    named = [tuple(name for name in each if name not in common) for each in every]
    met: dict[str, Any] = {}
    beyond = any(
        met.setdefault(name, group) != group for group, names in zip(groups, named, strict=True) for name in names
    )
    return named if beyond else None


def _cells(residuals: Floats, groups: NDArray[Any], named: Sequence[tuple[str, ...]]) -> _Cells:
    """Sum the values by group and clusters."""
    found, numbers = np.unique(groups, return_inverse=True)
    names: dict[str, int] = {}
    places: dict[tuple[int, ...], int] = {}
    codes = np.empty(residuals.size, dtype=np.intp)
    for row, (group, each) in enumerate(zip(numbers.tolist(), named, strict=True)):
        mark = (group, *sorted(found.size + names.setdefault(name, len(names)) for name in each))
        codes[row] = places.setdefault(mark, len(places))
    return _Cells(
        list(places), np.asarray(np.bincount(codes, residuals), dtype=np.float64), np.bincount(codes).astype(np.float64)
    )


def _sums_of_pairs(cells: _Cells) -> tuple[float, float]:
    """Sum over all pairs of values that share a group or a cluster: of the products of their residuals, and of 1. By inclusion
    and exclusion over the sets of marks that both have."""
    shared, pairs = 0.0, 0.0
    for size in range(1, max(map(len, cells.marks)) + 1):
        sums: dict[tuple[int, ...], list[float]] = {}
        for mark, residual, count in zip(cells.marks, cells.residuals.tolist(), cells.sizes.tolist(), strict=True):
            for part in combinations(mark, size):
                both = sums.setdefault(part, [0.0, 0.0])
                both[0] += residual
                both[1] += count
        sign = 1.0 if size % 2 else -1.0
        shared += sign * sum(residual**2 for residual, _ in sums.values())
        pairs += sign * sum(count**2 for _, count in sums.values())
    return shared, pairs


def _sizes(cells: _Cells, groups: int) -> Mapping[int, float]:
    """The number of values of each cluster beside the groups."""
    found: dict[int, float] = {}
    for mark, count in zip(cells.marks, cells.sizes.tolist(), strict=True):
        for number in mark:
            if number >= groups:
                found[number] = found.get(number, 0.0) + count
    return found
