"""Components of the scores' variance: actor, strategist, partner, judge, scenario, and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESIDUAL = "residual"


@dataclass(frozen=True, slots=True)
class Component:
    """One factor's part of the variance."""

    variance: float
    """In squared points, not below 0."""
    share: float
    """Share of the sum of all components; NaN when nothing varies."""
    levels: int
    """Different values of the factor in the data; a variance from 2 or 3 levels is hardly known."""


def variance_split(
    values: Sequence[float] | NDArray[np.float64], factors: Mapping[str, Sequence[Any] | NDArray[Any]]
) -> dict[str, Component]:
    """Split the variance of `values` into crossed random factors and a `residual` (seed, sampling, interactions).

    Method of moments: the sum of squares within the levels of each factor is set equal to its expectation, which
    is linear in the variances (Henderson 1953; in this form Gao and Owen 2017, Electronic J. of Statistics
    11:1235). It needs neither balance nor normality, and one pass over the rows for each pair of factors. An
    estimate below 0 becomes 0. For an interaction, give it as a factor of its own (labels joined).
    Raises ValueError for factors that cannot be told apart (each level of one goes with one level of another)
    and for values that are not finite.
    """
    y = np.asarray(values, dtype=float)
    if RESIDUAL in factors:
        raise ValueError(f"{RESIDUAL!r} is the name of the rest, give the factor another")
    if y.size < 2 or not np.isfinite(y).all():
        raise ValueError("a variance split needs 2 values or more, all finite")
    import pandas as pd  # not at the top: a forecast needs none, and its import takes long

    codes = {name: pd.factorize(np.asarray(labels), sort=True)[0] for name, labels in factors.items()}
    varied = [name for name, code in codes.items() if code.max() > 0]
    grids = [codes[name] for name in varied] + [np.zeros(y.size, dtype=np.int64)]
    within = np.array([_within(y, code) for code in grids])
    system = np.array([[_expected(rows, effect) for effect in [*grids[:-1], np.arange(y.size)]] for rows in grids])
    if np.linalg.matrix_rank(system / np.abs(system).max()) < len(grids):
        raise ValueError(f"the factors {', '.join(varied)} cannot be told apart in these data (or leave no residual)")
    solved = np.maximum(np.linalg.solve(system, within), 0.0)
    total = float(solved.sum())
    found = dict(zip([*varied, RESIDUAL], solved.tolist(), strict=True))
    levels = {name: int(code.max()) + 1 for name, code in codes.items()} | {RESIDUAL: y.size}
    return {
        name: Component(found.get(name, 0.0), found.get(name, 0.0) / total if total > 0 else float("nan"), levels[name])
        for name in [*codes, RESIDUAL]
    }


def _within(y: NDArray[np.float64], rows: NDArray[np.int64]) -> float:
    """Sum of squares around the means of the levels."""
    means = np.bincount(rows, weights=y) / np.bincount(rows)
    return float(((y - means[rows]) ** 2).sum())


def _expected(rows: NDArray[np.int64], effect: NDArray[np.int64]) -> float:
    """Contribution that a variance of 1 of `effect` makes to the sum of squares within `rows`: N - sum over rows of sum n**2 /
    n."""
    sizes = np.bincount(rows)
    joint = rows.astype(np.int64) * (int(effect.max()) + 1) + effect
    cells, counts = np.unique(joint, return_counts=True)
    owner = cells // (int(effect.max()) + 1)
    return float(rows.size - (counts.astype(float) ** 2 / sizes[owner]).sum())
