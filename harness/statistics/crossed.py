"""The width that an interval over groups has to grow by where other clusters cross the groups.

Groups are what is counted. Where the same characters come again in many scenarios, episodes of two groups are alike as well, and
an interval over groups alone is too narrow. The variance that counts every pair of episodes that share a group or any other
cluster (Cameron, Gelbach and Miller 2011, Journal of Business and Economic Statistics 29:238; for pairs of characters: Aronow,
Samii and Assenova 2015, Political Analysis 23:564) says by how much. The correction for small samples and the coverage that it
reaches are in docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
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
ROUNDING = 1e-12
"""Groups do not differ where the variance of their mean is a smaller share than this of the single values'."""
FEW = 2.0
"""An interval is not trusted where the clusters are worth no more than this many independent ones (`Crossing.worth`)."""

DOUBT = "†"
"""The mark of an interval that may be too narrow; a note says why."""
UNTOLD = "records do not say who met in an episode, and the same ones may come again in several groups"
"""The note on what crosses the groups, where two meet in an episode and nothing says who; after whose records they are."""


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
    """Numbers of each cell's group and clusters; groups have the lowest."""
    groups: int
    """Number of groups."""
    code: NDArray[np.intp]
    """Each value's cell."""

    def sums(self, values: Floats) -> Floats:
        """Sum of the values of each cell."""
        return np.asarray(np.bincount(self.code, values, len(self.marks)), dtype=np.float64)

    def cluster_sizes(self, sizes: Floats) -> Floats:
        """Number of values of each cluster beside the groups, from the cells' numbers of values."""
        found: dict[int, float] = {}
        for mark, count in zip(self.marks, sizes.tolist(), strict=True):
            for number in mark:
                if number >= self.groups:
                    found[number] = found.get(number, 0.0) + count
        return np.array([size for size in found.values() if size])


def crossing(
    values: Floats, groups: NDArray[Any], clusters: Clusters | None, df: float, variance: float, confidence: float
) -> Crossing | None:
    """Find how much clusters that cross the groups widen the interval of a mean. `df` and `variance`: degrees of freedom and
    variance of the mean over groups alone. None where no cluster reaches beyond a group. Raises ValueError for
    more than `MOST` clusters of one value."""
    counted = np.ones(values.size)
    return crossing_of_parts(
        (values - values.mean()) / values.size, counted, groups, clusters, df, variance, confidence
    )


def crossing_of_parts(
    parts: Floats,
    counted: Floats,
    groups: NDArray[Any],
    clusters: Clusters | None,
    df: float,
    variance: float,
    confidence: float,
) -> Crossing | None:
    """`crossing` for an estimate that is linear in the values. `parts`: each value's part of its error; they add up to 0.
    `counted`: 1 for the values that it rests on, else 0."""
    named = _told(groups, clusters)
    if named is None:
        return None
    cells = _cells(groups, named)
    sizes, total = cells.sums(counted), float(counted.sum())
    products = _products_of_pairs(cells.marks, np.stack([cells.sums(parts), sizes]))
    independent = 1 - float(products[1, 1]) / total**2  # share of the pairs of values that have nothing in common
    each = cells.cluster_sizes(sizes)
    worth = float(each.sum() * total / (each**2).sum())
    if independent <= 0:
        return Crossing(1.0, each.size, 0.0)
    if not variance > ROUNDING * float(parts @ parts):
        return Crossing(1.0, each.size, worth)
    ratio = max(float(products[0, 0]), 0.0) / independent / variance
    return Crossing(max(1.0, _wider(df, worth, (1 + confidence) / 2) * ratio**0.5), each.size, worth)


def crossings_of_arms(
    arms: NDArray[np.intp], values: Floats, groups: NDArray[Any], clusters: Clusters | None, confidence: float
) -> Floats | None:
    """The stretch of the difference of every two arms: arms x arms, from one row per episode (number of its arm, value, group,
    clusters). `confidence`: of all pairs together. None where no cluster reaches beyond a group."""
    named = _told(groups, clusters)
    if named is None:
        return None
    cells, count = _cells(groups, named), int(arms.max()) + 1
    numbers = np.bincount(arms).astype(np.float64)
    parts = (values - (np.bincount(arms, values) / numbers)[arms]) / numbers[arms]
    rows = np.stack([cells.sums(np.where(arms == arm, parts, 0.0)) for arm in range(count)])
    shares = np.stack([cells.sums((arms == arm) / numbers[arm]) for arm in range(count)])
    shared = _products_of_pairs(cells.marks, np.concatenate([rows, shares]))
    own = np.diag(shared)[count:]  # share of the pairs of an arm's episodes that have something in common
    first = np.array([mark[0] for mark in cells.marks])
    by_group: Floats = np.stack([np.bincount(first, row, cells.groups).astype(np.float64) for row in rows])
    alone = _of_differences(by_group @ by_group.T) * cells.groups / max(cells.groups - 1, 1)
    together = np.maximum(_of_differences(shared[:count, :count]), 0.0)
    independent = 1 - np.maximum(own[:, None], own[None, :])
    each = [cells.cluster_sizes(row) for row in shares]
    worth = min(float(sizes.sum() / (sizes**2).sum()) for sizes in each)
    tail = 1 - (1 - confidence) / 2 / max(1, count * (count - 1) // 2)
    squares = np.bincount(arms, parts * parts)
    known = (alone > ROUNDING * (squares[:, None] + squares[None, :])) & (independent > 0)
    ratio = np.where(known, together, 1.0) / np.where(known, independent * alone, 1.0)
    wider = _wider(max(cells.groups - 1, 1), worth, tail)
    return np.asarray(np.where(known, np.maximum(1.0, wider * np.sqrt(ratio)), 1.0))


def _of_differences(products: Floats) -> Floats:
    """The square of the difference of every two rows, from the products of every two."""
    squares = np.diag(products)
    return np.asarray(squares[:, None] + squares[None, :] - 2 * products)


def _wider(df: float, worth: float, tail: float) -> float:
    """Student's quantile at what the clusters are worth over that at the groups' degrees of freedom."""
    return student_below(tail, max(min(df, worth), 1.0)) / student_below(tail, df)


def _told(groups: NDArray[Any], clusters: Clusters | None) -> list[tuple[str, ...]] | None:
    """Each value's clusters, but for those that every value has; None where none reaches beyond a group."""
    if clusters is None or not clusters.size:
        return None
    every = {each: dict.fromkeys(each or ()) for each in set(clusters)}  # many values have the same ones
    if (most := max(map(len, every.values()))) > MOST:
        raise ValueError(f"{most} clusters of one value; expected at most {MOST}")
    common = set.intersection(*map(set, every.values()))
    kept = {each: tuple(name for name in names if name not in common) for each, names in every.items()}
    if not any(kept.values()):
        return None
    named = [kept[each] for each in clusters]
    met: dict[str, Any] = {}
    beyond = any(
        met.setdefault(name, group) != group
        for group, names in zip(groups.tolist(), named, strict=True)
        for name in names
    )
    return named if beyond else None


def _cells(groups: NDArray[Any], named: Sequence[tuple[str, ...]]) -> _Cells:
    """Find the values that have group and clusters in common."""
    found, numbers = np.unique(groups, return_inverse=True)
    names: dict[str, int] = {}
    places: dict[tuple[int, ...], int] = {}
    codes = np.empty(len(named), dtype=np.intp)
    for row, (group, each) in enumerate(zip(numbers.tolist(), named, strict=True)):
        mark = (group, *sorted(found.size + names.setdefault(name, len(names)) for name in each))
        codes[row] = places.setdefault(mark, len(places))
    return _Cells(list(places), found.size, codes)


def _products_of_pairs(marks: Sequence[tuple[int, ...]], rows: Floats) -> Floats:
    """Sum over all pairs of cells that share a mark, each pair once, of the products of every two rows: rows x rows. By inclusion
    and exclusion over the sets of marks that both have. `rows`: rows x cells."""
    found = np.zeros((len(rows), len(rows)))
    for size in range(1, max(map(len, marks)) + 1):
        numbers: dict[tuple[int, ...], int] = {}
        both = [
            (cell, numbers.setdefault(part, len(numbers)))
            for cell, mark in enumerate(marks)
            for part in combinations(mark, size)
        ]
        cells, parts = np.array(both, dtype=np.intp).T
        sums = np.stack([np.bincount(parts, row[cells], len(numbers)) for row in rows])
        found += (1.0 if size % 2 else -1.0) * (sums @ sums.T)
    return found
