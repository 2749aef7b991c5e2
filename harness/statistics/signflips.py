"""The sign-flip test of a mean difference over groups, and the interval that is its inverse.

If the arms are alike, each group's difference could as well have had the other sign (Fisher 1935). For a true difference
of x the same holds for what is left after x is taken off, so p is a function of x, and the interval holds every x with
p of at least 1 - confidence: interval and p cannot disagree. (For one group of values: Maritz 1979, Biometrika 66:163.)

Which x a pattern of signs counts for has a closed form. A pattern splits the groups into those it flips and the rest; the
sum over the one with its sign changed is at least as far from 0 as the sum over all if, and only if, x lies between the
two parts' own means. So every split gives one stretch around the mean, p at x is the share of splits whose stretch holds
x, and the interval's ends are quantiles of the stretches' ends. The split that leaves one part empty counts for every x.

Dividing by a standard error would change nothing with groups of one size: the sum of squares stays the same whatever the
signs are, so Student's ratio orders the patterns as the sum does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_LISTED = 20
"""So many groups are counted out by listing their splits: 2 ** 19 take some 50 ms."""
MOST_CELLS = 4_000_000
"""Largest table of (values, sum), times the groups, by which whole-numbered differences are counted out: it takes some 15 ms."""
FLIPS = 10_000
"""Splits drawn where they cannot be counted: the standard error of a p of 0.05 is 0.002."""
ROUNDING = 1e-9
"""Sums this close, as a share of the largest, count as equal."""


@dataclass(frozen=True, slots=True)
class SignFlips:
    """A sign-flip test and the interval that belongs to it."""

    p: float
    """Two-sided p of "no difference"; 1 when nothing differs, NaN without groups."""
    low: float
    """Lower end of the interval: the smallest difference that is not rejected; -inf with too few groups."""
    high: float
    exact: bool
    """True if every split was counted; False when `FLIPS` of them were drawn (with a fixed seed)."""


@dataclass(frozen=True, slots=True)
class _Splits:
    """The lower and upper ends of the splits' stretches, with what share of all splits each stands for."""

    lows: Floats
    highs: Floats
    shares: Floats | float
    """One for each, or the same for all."""
    exact: bool


def fewest_groups(confidence: float = 0.95) -> int:
    """The fewest groups from which a claim can be made: the two patterns in which all signs agree have p 2 / 2**groups."""
    groups = 1
    while 2.0 ** (1 - groups) >= 1 - confidence - ROUNDING:
        groups += 1
    return groups


def sign_flips(sums: Floats, sizes: Floats | None = None, confidence: float = 0.95) -> SignFlips:
    """Test that the mean difference is 0, and invert the test. `sums`, `sizes`: each group's sum of differences and number
    of pairs (one each where not given). All splits are counted for up to 20 groups, and for any number of groups whose
    sums are multiples of one step (0/1 outcomes, whole scores) as long as the table of sums stays small; else `FLIPS` are
    drawn, and p is (hits + 1) / (flips + 1), which is never too small (Phipson and Smyth 2010)."""
    if sums.size == 0:
        return SignFlips(float("nan"), -np.inf, np.inf, True)
    sizes = np.ones(sums.size) if sizes is None else sizes.astype(np.float64)
    return _flipped(sums.astype(np.float64).tobytes(), sizes.tobytes(), confidence)


@lru_cache(256)
def _flipped(sums_as_bytes: bytes, sizes_as_bytes: bytes, confidence: float) -> SignFlips:
    """The test of sums and sizes; kept, as intervals and their power ask for the same one."""
    sums, sizes = np.frombuffer(sums_as_bytes), np.frombuffer(sizes_as_bytes)
    scale = float(np.abs(sums / sizes).max())
    if scale == 0:
        return SignFlips(1.0, *((0.0, 0.0) if sums.size >= fewest_groups(confidence) else (-np.inf, np.inf)), True)
    order = np.lexsort((sizes, np.abs(sums)))  # the same draws whatever the groups are called, and for both directions
    splits = _splits(sums[order], sizes[order])
    near, alpha = ROUNDING * scale, 1 - confidence
    up = float(sums.sum()) > 0
    counted = splits.lows <= near if up else splits.highs >= -near
    p = float((counted * splits.shares).sum())
    low = _end(splits.lows, splits.shares, alpha, near)
    return SignFlips(min(p, 1.0), low, -_end(-splits.highs, splits.shares, alpha, near), splits.exact)


def _end(ends: Floats, shares: Floats | float, alpha: float, near: float) -> float:
    """The smallest difference that at least a share `alpha` of the splits hold."""
    if isinstance(shares, float):
        place = min(math.ceil(alpha / shares - ROUNDING), ends.size) - 1
        end = float(np.partition(ends, place)[place])
    else:
        order = np.argsort(ends, kind="stable")
        place = min(int(np.searchsorted(np.cumsum(shares[order]), alpha - ROUNDING)), ends.size - 1)
        end = float(ends[order[place]])
    return 0.0 if abs(end) <= near else end


def _splits(sums: Floats, sizes: Floats) -> _Splits:
    table = _table(sums, sizes)
    if table is not None:
        return table
    exact = sums.size <= MOST_LISTED
    parts = (_listed(sums), _listed(sizes)) if exact else _drawn(sums, sizes)
    lows, highs = _stretches(*parts, float(sums.sum()), float(sizes.sum()))
    return _Splits(lows, highs, 1.0 / lows.size, exact)


def _listed(values: Floats) -> Floats:
    """Sums over every choice of groups that leaves the last one out; the first is over none."""
    found = np.zeros(1)
    for value in values[:-1]:
        found = np.concatenate([found, found + value])
    return found


def _drawn(sums: Floats, sizes: Floats) -> tuple[Floats, Floats]:
    """Sums and sizes of the choice of no group, and of `FLIPS` random ones."""
    random, both = np.random.default_rng(FLIPS), np.stack([sums, sizes], axis=1)
    found = [np.zeros((1, 2))]
    for _ in range(10):
        bits = random.integers(0, 256, (FLIPS // 10, -(-sums.size // 8)), dtype=np.uint8)
        found.append(np.unpackbits(bits, axis=1)[:, : sums.size].astype(np.float64) @ both)
    drawn: Floats = np.concatenate(found)
    return drawn[:, 0], drawn[:, 1]


def _stretches(part: Floats, count: Floats, total: float, size: float) -> tuple[Floats, Floats]:
    """Ends of the stretch between the means of a part and of the rest; unlimited where one of them is empty."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = part / count, (total - part) / (size - count)
    empty = (count == 0) | (count == size)
    lows, highs = np.minimum(one, other), np.maximum(one, other)
    return np.where(empty, -np.inf, lows), np.where(empty, np.inf, highs)


def _table(sums: Floats, sizes: Floats) -> _Splits | None:
    """All splits, those with equal size and sum taken together; None where the sums have no common step or the table would
    be larger than listing or drawing is."""
    found = _in_steps(sums)
    if found is None:
        return None
    steps, parts = found
    unit = int(np.gcd.reduce(sizes.astype(np.int64)))
    counts = (sizes.astype(np.int64)) // unit
    below, width = int(-steps[steps < 0].sum()), int(np.abs(steps).sum()) + 1
    cells = (int(counts.sum()) + 1) * width
    if cells * sums.size > MOST_CELLS or (sums.size <= MOST_LISTED and cells * sums.size > 2.0**sums.size):
        return None
    chances = _chances(steps, counts, below, width)
    rows, columns = np.nonzero(chances)
    lows, highs = _stretches(
        np.asarray((columns - below) / parts),
        np.asarray(rows * float(unit), dtype=np.float64),
        float(steps.sum()) / parts,
        float(counts.sum() * unit),
    )
    return _Splits(lows, highs, chances[rows, columns], True)


def _chances(steps: NDArray[np.int64], counts: NDArray[np.int64], below: int, width: int) -> Floats:
    """The chance of every (number of values, sum) of a random choice of groups."""
    table = np.zeros((int(counts.sum()) + 1, width))
    table[0, below] = 1.0
    reach = 0
    for step, count in zip(steps.tolist(), counts.tolist(), strict=True):
        kept = 0.5 * table[: reach + 1]
        table[: reach + 1] = kept
        moved = kept[:, max(0, -step) : width - max(0, step)]
        table[count : reach + count + 1, max(0, step) : width - max(0, -step)] += moved
        reach += count
    return table


def _in_steps(sums: Floats) -> tuple[NDArray[np.int64], int] | None:
    """The sums as whole multiples of 1 / parts, and parts, for the first simple one that fits; else None."""
    for parts in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 20, 100):
        scaled = sums * parts
        near = np.rint(scaled)
        if np.abs(scaled - near).max() < 1e-6 * parts and np.abs(near).sum() < MOST_CELLS:
            return near.astype(np.int64), parts
    return None
