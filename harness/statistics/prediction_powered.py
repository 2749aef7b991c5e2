"""Prediction-powered means: a few labels by people, and a judge's scores of everything.

The estimate is the labels' mean, moved by what the judge's scores say about the episodes without labels:
mean(labels) - weight * (mean judge, labelled - mean judge, all). It is right whatever the judge is like, for the judge's error is
measured where there are labels; the better the judge, the narrower it is. Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023
(Science 382:669); the weight that makes it narrowest is PPI++'s (Angelopoulos, Duchi and Zrnic 2023, arXiv:2311.01453). Both take
episodes as independent. Here sums over clusters (scenarios) are, as in Miller 2024 (arXiv:2411.00640), section 2.2: the
estimate is linear in the episodes, so its variance is that of the clusters' parts of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.statistics.crossed import Clusters, Crossing, crossing_of_parts
from harness.statistics.distributions import student_below

Floats = NDArray[np.float64]
FEWEST = 6
"""Clusters with labels below which no interval is given: Student's would rest on four degrees of freedom or fewer."""


@dataclass(frozen=True, slots=True)
class Powered:
    """A mean by labels and scores together, beside the labels' own."""

    mean: float
    low: float
    high: float
    alone: float
    """The labels' mean."""
    alone_low: float
    alone_high: float
    weight: float
    """Share to which the judge's scores count: 0 not at all, 1 like labels that are all off by the same."""
    labelled: int
    clusters: int
    """Clusters with labels."""
    crossed: Crossing | None = None
    """Marks that cross the clusters of the labels, which the intervals count; None where there are none."""


def prediction_powered(
    labels: Sequence[float | None] | NDArray[Any],
    scores: Sequence[float] | NDArray[Any],
    clusters: Sequence[Any] | NDArray[Any],
    low: float = -np.inf,
    high: float = np.inf,
    confidence: float = 0.95,
    crossed: Clusters | None = None,
) -> Powered:
    """The mean label over all episodes. `labels`: one per episode, None or NaN where there is none, of a sample that was drawn
    at random; `scores`: the judge's, of every episode. `low`, `high`: the range of a label, to which intervals are cut.
    `crossed`: what else each episode shares with others beyond its cluster, as tuples of names.

    Raises `ValueError` for lists of unequal length, or a score that is missing."""
    y, f = np.asarray(labels, dtype=float), np.asarray(scores, dtype=float)
    names = np.asarray(clusters)
    if not y.shape == f.shape == names.shape or y.ndim != 1:
        raise ValueError("labels, scores and clusters must be three lists of one length")
    if np.isnan(f).any():
        raise ValueError("a score is missing; leave out episodes without one")
    known = ~np.isnan(y)
    if not known.any():
        return Powered(np.nan, low, high, np.nan, low, high, 0.0, 0, 0)
    index = np.unique(names, return_inverse=True)[1]
    sizes = np.bincount(index[known])
    sizes = sizes[sizes > 0]
    marked, even = int(sizes.size), float(sizes.sum() ** 2 / (sizes**2).sum())
    alone, told = float(y[known].mean()), _parts(np.where(known, y, 0.0), known)
    judged = _parts(f, known) - _parts(f, np.ones_like(known))
    shift = float(f[known].mean() - f.mean())
    weight = _weight(_sums(told, index), _sums(judged, index))

    def interval(mean: float, parts: Floats, estimated: int) -> tuple[float, float, Crossing | None]:
        free = max(1.0, even - estimated)
        sums = _sums(parts, index)
        variance = float(sums @ sums) * even / free
        across = crossing_of_parts(parts, known.astype(float), names, crossed, free, variance, confidence)
        half = student_below((1 + confidence) / 2, free) * variance**0.5 * (1.0 if across is None else across.stretch)
        half = np.inf if marked < FEWEST else half
        return mean - half, mean + half, across

    ends = interval(alone, told, 1)
    powered = interval(alone - weight * shift, told - weight * judged, 2)
    if not powered[1] - powered[0] < ends[1] - ends[0]:
        weight, powered = 0.0, ends
    mean = alone - weight * shift
    cut = [float(np.clip(end, low, high)) for end in (mean, *powered[:2], *ends[:2])]
    labelled = int(known.sum())
    return Powered(cut[0], cut[1], cut[2], alone, cut[3], cut[4], weight, labelled, marked, powered[2])


def _sums(parts: Floats, index: NDArray[np.intp]) -> Floats:
    """Each cluster's part."""
    return np.asarray(np.bincount(index, parts), dtype=float)


def _parts(values: Floats, mask: NDArray[np.bool_]) -> Floats:
    """Each episode's part of the error of the mean over `mask`: its difference from that mean, over the count."""
    return np.asarray(np.where(mask, values - values[mask].mean(), 0.0) / mask.sum())


def _weight(own: Floats, judged: Floats) -> float:
    """The weight that makes the variance smallest (a regression over clusters), kept between 0 and 1."""
    squares = float(judged @ judged)
    return 0.0 if squares <= 0 else float(np.clip((own @ judged) / squares, 0.0, 1.0))
