"""Components of the scores' variance: actor, strategist, partner, judge, scenario, and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESIDUAL = "residual"
DRAWS = 200
"""Draws of clusters behind a component's interval."""
FEWEST_CLUSTERS = 6
"""With fewer clusters no interval is given."""


@dataclass(frozen=True, slots=True)
class Component:
    """One factor's part of the variance."""

    variance: float
    """In squared points, not below 0."""
    share: float
    """Share of the sum of all components; NaN when nothing varies."""
    levels: int
    """Different values of the factor in the data; a variance from 2 or 3 levels is hardly known."""
    low: float = float("nan")
    """Lower end of the variance's 95 % interval; NaN where none was asked for, or there are too few clusters."""
    high: float = float("nan")


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

    codes = {name: pd.factorize(_plain(labels), sort=True)[0] for name, labels in factors.items()}
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


def _plain(labels: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    """Labels in one dimension; those of an interaction, tuples, as texts."""
    tuples = len(labels) > 0 and isinstance(labels[0], tuple)
    return np.asarray([repr(label) for label in labels] if tuples else labels)


def split_with_intervals(
    values: Sequence[float] | NDArray[np.float64],
    factors: Mapping[str, Sequence[Any] | NDArray[Any]],
    cluster: str,
    draws: int = DRAWS,
) -> dict[str, Component]:
    """Split the variance as `variance_split` does, with 95 % intervals from drawing the levels of the factor `cluster` again
    (fixed seed); a level that is drawn twice counts as two. They say what other scenarios could change, with the same actors,
    strategists and judges. Labels of an interaction with the cluster have to be tuples that end with the cluster's label.
    Raises ValueError as `variance_split` does."""
    split = variance_split(values, factors)
    y, names = np.asarray(values, dtype=float), np.asarray(factors[cluster], dtype=object)
    members = [np.flatnonzero(names == name) for name in sorted(set(names.tolist()))]
    if len(members) < FEWEST_CLUSTERS:
        return split
    codes = {name: _codes(labels, names) for name, labels in factors.items() if name != cluster}
    random = np.random.default_rng(draws)
    found: dict[str, list[float]] = {name: [] for name in split}
    for _ in range(draws):
        chosen = random.integers(0, len(members), len(members))
        rows = np.concatenate([members[place] for place in chosen])
        place = np.repeat(np.arange(len(chosen)), [members[number].size for number in chosen])
        again: dict[str, NDArray[Any]] = {cluster: place}
        for name, (code, crossed) in codes.items():
            again[name] = code[rows] * len(chosen) + place if crossed else code[rows]
        try:
            drawn = variance_split(y[rows], again)
        except ValueError:  # a draw in which two factors always go together
            continue
        for name, part in drawn.items():
            found[name].append(part.variance)
    return {name: _between(part, found[name]) for name, part in split.items()}


def _between(part: Component, drawn: list[float]) -> Component:
    if not drawn:
        return part
    low, high = np.quantile(drawn, [0.025, 0.975])
    return replace(part, low=float(min(low, part.variance)), high=float(max(high, part.variance)))


def _codes(labels: Sequence[Any] | NDArray[Any], cluster: NDArray[Any]) -> tuple[NDArray[np.int64], bool]:
    """Whole numbers for a factor's levels, and whether it is an interaction with the cluster: then for the other side of it."""
    plain = list(labels)
    crossed = all(isinstance(label, tuple) and label[-1] == own for label, own in zip(plain, cluster, strict=True))
    kept = [label[:-1] if crossed else label for label in plain]
    places = {label: number for number, label in enumerate(dict.fromkeys(kept))}
    return np.array([places[label] for label in kept], dtype=np.int64), crossed


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
