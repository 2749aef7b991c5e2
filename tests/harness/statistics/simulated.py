"""Experiments with a known truth, shaped like ours: tasks that differ, a few repeats of each, 0/1 and 0..10 scores.

All seeds were written down here before any figure was looked at and are not tuned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.statistics import Outcomes, Pairs, pair

Floats = NDArray[np.float64]

COVERAGE_SEED = 60_001
PAIRED_SEED = 60_002
GATE_SEED = 60_003
RANK_SEED = 60_004


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of experiment."""

    kind: str
    """`success` (0/1), `score` (whole 0..10), `narrow` (score of little spread), `partial` (1, 1/2 or 0)."""
    tasks: int
    repeats: int
    rate: float
    """True mean over the range."""
    likeness: float = 0.3
    """How alike the episodes of one task are (intraclass correlation of the 0/1 kind)."""

    @property
    def high(self) -> float:
        return 10.0 if self.kind in ("score", "narrow") else 1.0

    @property
    def truth(self) -> float:
        """The true mean."""
        return self.high * self.rate


def task_rates(shape: Shape, rng: np.random.Generator, rate: float | None = None) -> Floats:
    """Each task's own rate, from a beta distribution around the true one."""
    concentration = 25.0 if shape.kind == "narrow" else (1 - shape.likeness) / shape.likeness
    mean = shape.rate if rate is None else rate
    return rng.beta(mean * concentration, (1 - mean) * concentration, shape.tasks)


def play(shape: Shape, rates: Floats, rng: np.random.Generator) -> Floats:
    """Values, tasks x repeats."""
    chances = np.repeat(rates[:, None], shape.repeats, axis=1)
    if shape.kind == "success":
        return (rng.random(chances.shape) < chances).astype(float)
    if shape.kind == "score":
        return rng.binomial(10, chances).astype(float)
    if shape.kind == "narrow":
        return 10 * rng.beta(10 * chances + 1e-9, 10 * (1 - chances) + 1e-9)
    if shape.kind == "partial":  # 2/3 of the rate by full successes would not stay in 0..1, so: two half points
        return rng.binomial(2, chances) / 2.0
    raise ValueError(shape.kind)


def flat(shape: Shape, values: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The values as rows with their task labels."""
    return values.ravel(), np.repeat(np.arange(shape.tasks), shape.repeats)


def as_pairs(shape: Shape, a: Floats, b: Floats) -> Pairs:
    """Two arms, tasks x repeats, as pairs."""
    tasks = np.repeat(np.arange(shape.tasks), shape.repeats)
    seeds = np.tile(np.arange(shape.repeats), shape.tasks)
    return pair(Outcomes.of(tasks, seeds, a.ravel()), Outcomes.of(tasks, seeds, b.ravel()))


def two_runs(shape: Shape, coupling: str, drop: float, rng: np.random.Generator) -> Pairs:
    """A baseline and a candidate whose true mean is lower by `drop` (in points).

    `independent`: both sample anew, as at temperature 0.7. `coupled`: the candidate's 0/1 episodes are the baseline's
    but for 4 % of the seeds, as with small prompt changes at temperature 0. `same`: not even those. `copies`: as
    `same`, and the repeats of a task are copies that break together.
    """
    rates = task_rates(shape, rng)
    baseline = play(shape, rates, rng)
    if coupling == "independent":
        candidate = play(shape, rates, rng)
    elif coupling == "coupled":
        candidate = np.where(rng.random(baseline.shape) < 0.04, play(shape, rates, rng), baseline)
    else:
        if coupling == "copies":
            baseline = np.repeat(baseline[:, :1], shape.repeats, axis=1)
        candidate = baseline.copy()
    lost = rng.random(baseline.shape) < drop / shape.truth
    if coupling == "copies":
        lost = np.repeat(lost[:, :1], shape.repeats, axis=1)
    return as_pairs(shape, baseline, np.where(lost, 0.0, candidate))
