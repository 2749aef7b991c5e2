"""Ranks with their uncertainty: which arms could be in which place, and which can not be told apart.

One bootstrap over tasks, joint for all arms, so that a hard task is hard for everyone. Every pair's difference is
divided by its standard error, and the largest over all pairs gives one critical value: with the chance asked for,
no false claim "i is better than j" is made at all. An arm's best possible rank is 1 + the arms significantly better
than it, its worst the number of arms not significantly worse (Mogstad, Romano, Shaikh and Wilhelm 2024, Review of
Economic Studies 91:476).

On few tasks a bootstrap sees too few outcomes to know its own tail (with two tasks there are three), and every pair's
standard error is off in its own way: below `ENOUGH_TASKS` the critical value is at least Student's, corrected for all
pairs (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.statistics.distributions import normal_tail, student_above

Floats = NDArray[np.float64]

ENOUGH_TASKS = 50
"""From so many on the bootstrap's own critical value holds what it promises (docs/statistics.md)."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One arm's place."""

    arm: str
    mean: float
    rank: int
    """By the mean alone, 1 is best; equal means share the better rank."""
    low: int
    """Best rank it could have."""
    high: int
    """Worst rank it could have."""
    tied_with: tuple[str, ...]
    """Arms that can not be told apart from it, in the order of the ranking."""


def rank_arms(
    arms: Sequence[str] | NDArray[Any],
    tasks: Sequence[Any] | NDArray[Any],
    values: Sequence[float] | NDArray[Any],
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> list[Rank]:
    """Rank arms (higher is better), best first, from one row per episode: arm, task, value.

    Tasks are drawn with all their episodes in all arms. Raises ValueError when a value is not finite or an arm
    lacks a task that another has (fill missing outcomes first: harness.statistics.missing).
    """
    y = np.asarray(values, dtype=float)
    if not np.isfinite(y).all():
        raise ValueError("a value is missing: rank on the worst and the best it could be")
    names, arm = np.unique(np.asarray(arms), return_inverse=True)
    labels, task = np.unique(np.asarray(tasks), return_inverse=True)
    shape = names.size, labels.size
    cell = arm * shape[1] + task
    order = np.lexsort((y, cell))  # the same sums to the last bit, whatever order the rows came in
    sums = np.bincount(cell[order], weights=y[order], minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    sizes = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    if y.size == 0 or (sizes == 0).any():
        lacking = [str(names[i]) for i in np.flatnonzero((sizes == 0).any(axis=1))] if y.size else []
        raise ValueError(f"arms without some of the tasks can not be ranked: {', '.join(lacking[:5]) or 'no data'}")
    return _ranked([str(name) for name in names], sums, sizes, confidence, draws, seed)


def _ranked(names: list[str], sums: Floats, sizes: Floats, confidence: float, draws: int, seed: int) -> list[Rank]:
    """Ranks from sums and counts, both arms x tasks."""
    means = sums.sum(axis=1) / sizes.sum(axis=1)
    better = _better(means, sums, sizes, confidence, draws, seed)
    ranks = 1 + (means[None, :] > means[:, None] + 1e-12).sum(axis=1)
    best_first = sorted(range(len(names)), key=lambda i: (int(ranks[i]), names[i]))
    return [
        Rank(
            names[i],
            float(means[i]),
            int(ranks[i]),
            1 + int(better[:, i].sum()),
            len(names) - int(better[i].sum()),
            tuple(names[j] for j in best_first if j != i and not better[i, j] and not better[j, i]),
        )
        for i in best_first
    ]


def _better(means: Floats, sums: Floats, sizes: Floats, confidence: float, draws: int, seed: int) -> NDArray[np.bool_]:
    """arms x arms: whether the row's arm is significantly better than the column's, all pairs together."""
    count = means.size
    tasks = sums.shape[1]
    first, second = np.triu_indices(count, 1)
    result = np.zeros((count, count), dtype=bool)
    if tasks < 2 or first.size == 0:
        return result
    weights = np.random.default_rng(seed).multinomial(tasks, np.full(tasks, 1 / tasks), size=draws).astype(float)
    drawn = (weights @ sums.T) / (weights @ sizes.T) - means
    observed = means[first] - means[second]
    errors = _errors(drawn, first, second) * np.sqrt(tasks / (tasks - 1))
    noisy = errors > 1e-6 * max(float(np.abs(drawn).max()), 1e-6)  # a variance of equal numbers is rounding, not 0
    critical = np.inf
    if noisy.any():
        largest = np.zeros(draws)
        for i in range(count - 1):  # one arm against all later ones: memory stays draws x arms
            pairs = (first == i) & noisy
            if pairs.any():
                largest = np.maximum(largest, (np.abs(drawn[:, [i]] - drawn[:, second[pairs]]) / errors[pairs]).max(1))
        critical = float(np.quantile(largest, confidence))
        critical = student_above(normal_tail(critical), tasks - 1)  # Student's tail: errors are estimated
        if tasks < ENOUGH_TASKS:
            critical = max(critical, student_above((1 - confidence) / 2 / first.size, tasks - 1))
    # arms whose difference never varies: only the sign test over tasks can speak
    constant = np.abs(observed) > 1e-12 if 2.0 ** (1 - tasks) * first.size <= 1 - confidence else np.False_
    told = np.where(noisy, np.abs(observed) > critical * np.where(noisy, errors, 1.0), constant)
    result[first, second] = told & (observed > 0)
    result[second, first] = told & (observed < 0)
    return result


def _errors(drawn: Floats, first: NDArray[np.intp], second: NDArray[np.intp]) -> Floats:
    """Standard deviation over the draws of every pair's difference."""
    covariance = np.atleast_2d(np.cov(drawn, rowvar=False, ddof=1))
    variance = covariance[first, first] + covariance[second, second] - 2 * covariance[first, second]
    return np.sqrt(np.maximum(variance, 0.0))
