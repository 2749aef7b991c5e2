"""The upper end of a mean difference by sign flips, without a distribution: a quantile of the means of random subsets.

If a hypothesised mean lies at the centre of symmetric differences, each group's difference could as well have had the other
sign (Fisher 1935). The means that this test does not reject are bounded by the means of subsets of the groups (Hartigan 1969,
Journal of the American Statistical Association 64:1303, "typical values"): the sum of signs is as low as the observed one
just when the flipped groups have a mean above the hypothesis. So the test is inverted by one quantile. Under equal arms it is
exact for any number of groups, however skewed a single run is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_COUNTED_OUT = 14
"""Most groups whose subsets are all counted."""
_DRAWS = 20_000
_LEAST_DRAWS = 4_000
_PRODUCTS = 4_000_000
"""Draws times different groups that one quantile may take."""


def upper_end(sums: Floats, sizes: Floats, level: float) -> float:
    """The smallest mean that the one-sided sign-flip test at `level` rejects as too high; inf where so few groups can reject
    nothing (below 5 at 5 %). `sums` and `sizes`: sum and number of each group's differences."""
    groups = sums.size
    if 0.5**groups > level:
        return float("inf")
    if np.ptp(sums / sizes) == 0:
        return float(sums[0] / sizes[0])
    chosen, total = _means_of_subsets(sums.tobytes(), sizes.tobytes())
    rejected_from = int(np.floor(level * total + 1e-9)) - 1  # the empty subset is never below
    if rejected_from < 0:
        return float("inf")
    # of all subsets at most so many may lie at or above the end: it lies just above the next one
    return float(np.partition(chosen, chosen.size - rejected_from - 1)[chosen.size - rejected_from - 1])


@lru_cache(4)
def _means_of_subsets(sums: bytes, sizes: bytes) -> tuple[Floats, int]:
    """The means of subsets, kept for the next level that is asked for."""
    ordered = np.frombuffer(sums), np.frombuffer(sizes)
    return _all_subsets(*ordered) if ordered[0].size <= _COUNTED_OUT else _random_subsets(*ordered)


def _all_subsets(sums: Floats, sizes: Floats) -> tuple[Floats, int]:
    """The means of all subsets but the empty one, and the number of subsets."""
    members = _members(sums.size)
    return (members @ sums) / (members @ sizes), members.shape[0] + 1


@lru_cache(16)
def _members(groups: int) -> Floats:
    """A row of 0 and 1 for every subset that is not empty."""
    numbers = np.arange(1, 2**groups)[:, None]
    return ((numbers >> np.arange(groups)) & 1).astype(np.float64)


def _random_subsets(sums: Floats, sizes: Floats) -> tuple[Floats, int]:
    """The means of random subsets from a fixed seed, and their number with the empty one (Phipson and Smyth 2010). Equal groups
    are drawn together."""
    alike, counts = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)
    draws = int(np.clip(_PRODUCTS // counts.size, _LEAST_DRAWS, _DRAWS))
    rng = np.random.default_rng(_DRAWS)
    total, number = np.zeros(draws), np.zeros(draws)
    for start in range(0, counts.size, 256):
        part = slice(start, start + 256)
        shape = draws, counts[part].size
        single = bool((counts[part] == 1).all())  # many times faster, and the common case
        drawn = rng.integers(0, 2, shape, dtype=np.int8) if single else rng.binomial(counts[part], 0.5, shape)
        taken = drawn.astype(np.float64)
        total, number = total + taken @ alike[part, 0], number + taken @ alike[part, 1]
    means = np.where(number > 0, total / np.maximum(number, 1e-300), np.inf)
    return means, draws + 1
