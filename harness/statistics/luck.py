"""The luck of a baseline: the distance of its stored mean from what the same experiment reaches on average.

A baseline is drawn once and held against many candidates. The interval of a difference errs in 5 % on average over
baselines; a baseline that happened to be lucky makes every equal candidate look worse, up to half of them so much that
the gate alarms. One run cannot know its luck. Several runs of one experiment under other seeds differ by nothing but
luck, so they measure it, and the gate can stand back by as much as 99 of 100 such baselines can be off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.statistics.distributions import student_below
from harness.statistics.means import task_sums

Floats = NDArray[np.float64]
BASELINES = 0.99
"""Share of the baselines for which the gate's levels hold."""


@dataclass(frozen=True, slots=True)
class Luck:
    """Noise of the mean of one run, estimated from several runs on the same tasks."""

    error: float
    """Standard deviation of one run's mean around what the experiment reaches on these very tasks, in points."""
    df: float
    """Degrees of freedom of that estimate."""
    runs: int

    def allowance(self, level: float) -> float:
        """The amount to move each end of an interval outward, so that its sides err at `level` for 99 of 100 baselines.

        The mean of N runs is off by error / sqrt(N) times a normal value, of which the 99 % quantile is allowed for.
        The interval of the difference already counts the baseline's noise on average: for candidates that are
        only as noisy as a run it is wider than they need by z * error * (sqrt(1 + 1/N) - 1), which is given back.
        """
        if not self.error:
            return 0.0
        off = student_below(BASELINES, self.df) / self.runs**0.5
        counted = student_below(1 - level, self.df) * ((1 + 1 / self.runs) ** 0.5 - 1)
        return max(self.error * (off - counted), 0.0)


def luck_of(runs: Floats, tasks: NDArray[Any]) -> Luck:
    """The luck of a baseline from the values of its runs (runs x episodes, no NaN), with the task of every episode.

    Episodes of a task in one run may move together. Raises ValueError for fewer than two runs.
    """
    if runs.ndim != 2 or runs.shape[0] < 2:
        raise ValueError(f"the values have the shape {runs.shape}, expected two runs or more x episodes")
    sums = np.stack([task_sums(run, tasks)[0] for run in runs])
    each = sums.var(axis=0, ddof=1)  # of a task's sum, from run to run
    total = float(each.sum())
    if total <= 0:
        return Luck(0.0, float("inf"), runs.shape[0])
    df = (runs.shape[0] - 1) * total**2 / float((each**2).sum())
    return Luck(total**0.5 / runs.shape[1], df, runs.shape[0])
