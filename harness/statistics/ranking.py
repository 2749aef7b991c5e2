"""Ranks with their uncertainty: which arms could be in which place, and which cannot be told apart.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.statistics.crossed import Clusters, crossings_of_arms
from harness.statistics.distributions import normal_tail, student_above

Floats = NDArray[np.float64]

ENOUGH_TASKS = 50
"""From so many on the bootstrap's own critical value holds what it promises (docs/statistics.md)."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One arm's place in the ranking, and the places it could have."""

    arm: str
    mean: float
    rank: int
    """By the mean alone, 1 is best; equal means share the better rank."""
    low: int
    """Best rank it could have."""
    high: int
    """Worst rank it could have."""
    tied_with: tuple[str, ...]
    """Arms that cannot be told apart from it, in the order of the ranking."""


def rank_arms(
    arms: Sequence[str] | NDArray[Any],
    tasks: Sequence[Any] | NDArray[Any],
    values: Sequence[float] | NDArray[Any],
    confidence: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
    settled: Mapping[tuple[str, str], bool] | None = None,
    crossed: Clusters | None = None,
) -> list[Rank]:
    """Rank arms (higher is better), best first, from one row per episode: arm, task, value.

    `settled`: for pairs that another test has answered, whether the first is better than the second; both orders of a pair are
    given, and that answer is taken. `crossed`: what else each episode shares with others, as tuples of names; two arms then have
    to be as much further apart as those ask for.

    Tasks are drawn with all their episodes in all arms. A value that is missing (NaN) could be anything from 0 to 1, the
    range that the others have to be scaled to then: its arm's mean stands for it in the ranking, and an arm is better than
    another only where it is so with its own missing values at 0 and the other's at 1. Raises ValueError when a value is
    infinite, an arm has none at all, or lacks a task that another has, and for missing values among unscaled ones.
    """
    y = np.asarray(values, dtype=float)
    gap = np.isnan(y)
    known = np.where(gap, 0.0, y)
    if not np.isfinite(known).all():
        raise ValueError("a value is infinite")
    if gap.any() and not ((known >= 0) & (known <= 1)).all():
        raise ValueError("a value is missing, and the others are not scaled to 0 .. 1, from which it could be anything")
    names, arm = np.unique(np.asarray(arms), return_inverse=True)
    labels, task = np.unique(np.asarray(tasks), return_inverse=True)
    shape = names.size, labels.size
    cell = arm * shape[1] + task
    order = np.lexsort((known, cell))  # the same sums to the last bit, whatever order the rows came in
    sums = _by_cell(cell[order], known[order], shape)
    sizes, gaps = _by_cell(cell, np.ones(y.size), shape), _by_cell(cell, gap.astype(float), shape)
    if y.size == 0 or (sizes == 0).any():
        lacking = [str(names[i]) for i in np.flatnonzero((sizes == 0).any(axis=1))] if y.size else []
        raise ValueError(f"arms without some of the tasks cannot be ranked: {', '.join(lacking[:5]) or 'no data'}")
    if (gaps.sum(axis=1) == sizes.sum(axis=1)).any():
        raise ValueError("an arm without a single value cannot be ranked")
    own = np.bincount(arm, known, names.size) / (sizes - gaps).sum(axis=1)
    filled = np.where(gap, own[arm], known)
    stretch = crossings_of_arms(arm, filled, np.asarray(tasks), crossed, confidence)
    drawn = _Draws(sizes, confidence, draws, seed, 1.0 if stretch is None else stretch)
    return _ranked([str(name) for name in names], sums, gaps, drawn, settled or {})


def _by_cell(cell: NDArray[np.intp], values: Floats, shape: tuple[int, int]) -> Floats:
    """Sums by arm and task."""
    return np.bincount(cell, weights=values, minlength=shape[0] * shape[1]).reshape(shape).astype(float)


def _ranked(
    names: list[str], sums: Floats, gaps: Floats, drawn: _Draws, settled: Mapping[tuple[str, str], bool]
) -> list[Rank]:
    """Ranks from the sums of known values and the numbers of missing ones, both arms x tasks."""
    counts = drawn.sizes.sum(axis=1)
    own = (sums.sum(axis=1) / (counts - gaps.sum(axis=1)))[:, None]
    plain = drawn.means_of(sums + gaps * own if gaps.any() else sums)
    better = _better(plain, plain, drawn, drawn.critical(plain))
    if gaps.any():
        worst, best = drawn.means_of(sums), drawn.means_of(sums + gaps)
        critical = max(drawn.critical(each) for each in (plain, worst, best))
        better &= _better(worst, best, drawn, critical)
    place = {name: number for number, name in enumerate(names)}
    for (one, other), is_better in settled.items():
        better[place[one], place[other]] = is_better
    means = plain.observed
    # Means that differ by rounding alone are equal.
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


@dataclass(frozen=True, slots=True)
class _Means:
    """The arms' means, as they are and in every draw less that."""

    observed: Floats
    drawn: Floats
    """Means of each draw minus the observed ones: draws x arms."""


class _Draws:
    """One bootstrap over tasks, whatever values stand for the missing ones."""

    def __init__(self, sizes: Floats, confidence: float, draws: int, seed: int, stretch: Floats | float) -> None:
        """`sizes`: episodes, arms x tasks. `stretch`: times as far as over tasks alone two arms have to be apart."""
        self.sizes, self.confidence, self.stretch = sizes, confidence, stretch
        self.arms, self.tasks = sizes.shape
        self._weights = drawn_weights(self.tasks, draws, seed)

    def means_of(self, sums: Floats) -> _Means:
        means = sums.sum(axis=1) / self.sizes.sum(axis=1)
        return _Means(means, (self._weights @ sums.T) / (self._weights @ self.sizes.T) - means)

    def critical(self, means: _Means) -> float:
        """Number of standard errors that separates two arms, for all pairs together."""
        count = self.arms
        first, second = np.triu_indices(count, 1)
        if self.tasks < 2 or first.size == 0:
            return np.inf
        errors = self.errors(means, means)[first, second]
        noisy = self.noisy(errors, means)
        if not noisy.any():
            return np.inf
        largest = np.zeros(len(means.drawn))
        for i in range(count - 1):  # one arm against all later ones: memory stays draws x arms
            pairs = (first == i) & noisy
            if pairs.any():
                apart = np.abs(means.drawn[:, [i]] - means.drawn[:, second[pairs]])
                largest = np.maximum(largest, (apart / errors[pairs]).max(1))
        critical = float(np.quantile(largest, self.confidence))
        critical = student_above(normal_tail(critical), self.tasks - 1)  # Student's tail: errors are estimated
        if self.tasks < ENOUGH_TASKS:
            critical = max(critical, student_above((1 - self.confidence) / 2 / first.size, self.tasks - 1))
        return critical

    def errors(self, a: _Means, b: _Means) -> Floats:
        """arms x arms: the standard error of the row's mean in `a` less the column's in `b`."""
        together = a.drawn if a is b else np.hstack([a.drawn, b.drawn])
        covariance = np.atleast_2d(np.cov(together, rowvar=False, ddof=1))
        variances, own = np.diag(covariance), slice(0, self.arms)
        other = own if a is b else slice(self.arms, 2 * self.arms)
        variance = variances[own][:, None] + variances[other][None, :] - 2 * covariance[own, other]
        # A bootstrap's variance is too small by (tasks - 1) / tasks.
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)) * np.sqrt(self.tasks / (self.tasks - 1)))

    def noisy(self, errors: Floats, means: _Means) -> NDArray[np.bool_]:
        """Which differences vary at all: a variance of equal numbers is rounding, not 0."""
        return np.asarray(errors > 1e-6 * max(float(np.abs(means.drawn).max()), 1e-6))

    @property
    def constant_speaks(self) -> bool:
        """True if a difference that never varies counts: only the sign test over tasks can judge it."""
        return 2.0 ** (1 - self.tasks) * (self.arms * (self.arms - 1) // 2) <= 1 - self.confidence


def drawn_weights(tasks: int, draws: int, seed: int) -> Floats:
    """Number of times each draw holds each task: draws x tasks."""
    random = np.random.default_rng(seed)
    return random.multinomial(tasks, np.full(tasks, 1 / tasks), size=draws).astype(float)


def _better(a: _Means, b: _Means, draws: _Draws, critical: float) -> NDArray[np.bool_]:
    """arms x arms: whether the row's arm in `a` is significantly better than the column's in `b`, all pairs together."""
    if draws.tasks < 2 or draws.arms < 2:
        return np.zeros((draws.arms, draws.arms), dtype=bool)
    observed = a.observed[:, None] - b.observed[None, :]
    errors = draws.errors(a, b)
    noisy = draws.noisy(errors, a)
    constant = np.abs(observed) > 1e-12 if draws.constant_speaks else np.False_
    told = np.where(noisy, np.abs(observed) > critical * draws.stretch * np.where(noisy, errors, 1.0), constant)
    told = np.asarray(told & (observed > 0))
    np.fill_diagonal(told, False)
    return told
