"""Measures of how far judges agree, and of how well a number tells two classes apart. Pure functions over plain lists.

Krippendorff's alpha after K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): 1 - D_observed / D_expected
over all pairs of values that were given to the same unit; 1 = agreement, 0 = what chance gives, below 0 = systematic
disagreement. It takes any number of judges and missing values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["nominal", "ordinal", "interval"]
Ratings = Sequence[Sequence[float | None]]
"""One row per judge, one column per unit; None = not rated."""
Floats = NDArray[np.float64]


def krippendorff_alpha(ratings: Ratings, level: Level = "ordinal") -> float | None:
    """Alpha, or None where it is not defined: no unit was rated twice, or every value given is the same. Raises
    `ValueError` for rows of unequal length."""
    table = _table(ratings)
    table = table[:, (~np.isnan(table)).sum(axis=0) >= 2]
    if table.size == 0:
        return None
    values = np.unique(table[~np.isnan(table)])
    if values.size < 2:
        return None
    counts = np.stack([(table == value).sum(axis=0) for value in values]).astype(float)
    pairable = counts.sum(axis=0)
    coincidences = (counts / (pairable - 1)) @ counts.T - np.diag((counts / (pairable - 1)).sum(axis=1))
    totals = coincidences.sum(axis=1)
    distance = _distances(values, totals, level)
    expected = np.outer(totals, totals) - np.diag(totals)
    observed, by_chance = float((coincidences * distance).sum()), float((expected * distance).sum())
    return 1.0 - (totals.sum() - 1) * observed / by_chance


def _table(ratings: Ratings) -> Floats:
    if len({len(row) for row in ratings}) > 1:
        raise ValueError("every judge needs one entry per unit (None where it gave none)")
    return np.array([[np.nan if value is None else value for value in row] for row in ratings], dtype=float)


def _distances(values: Floats, totals: Floats, level: Level) -> Floats:
    """The squared difference of every two values (Krippendorff 2011, section E)."""
    if level == "nominal":
        return 1.0 - np.eye(values.size)
    if level == "interval":
        return (values[:, None] - values[None, :]) ** 2
    # Ordinal: how many values lie between the two, both counted half.
    middle = np.cumsum(totals) - totals / 2
    return (middle[:, None] - middle[None, :]) ** 2


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """The chance that a positive scores higher than a negative, ties counting half (Mann-Whitney U / (n+ n-)); None
    when one of the classes is empty."""
    truth = np.asarray(positive, dtype=bool)
    above, below = int(truth.sum()), int((~truth).sum())
    if above == 0 or below == 0:
        return None
    values = np.asarray(scores, dtype=float)
    positives, negatives = values[truth], np.sort(values[~truth])
    beaten = sum(int(np.searchsorted(negatives, positives, side).sum()) for side in ("left", "right"))
    return beaten / (2 * above * below)
