"""The rule of `harness check`: has the candidate lost more than the allowed drop, has it not, or are there too few episodes?

One interval of the paired difference, candidate minus baseline, decides: *regressed* when it lies below the allowed drop,
*pass* when it lies above, else *too few*. Its two ends guard against two errors:

- The upper end (a false alarm) inverts a sign-flip test over groups of tasks, which is exact for equal candidates.
- The lower end (a wrong pass) is that of the pseudo-task interval, which leaves room for groups unlike any that were seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.statistics.crossed import Clusters
from harness.statistics.luck import Luck
from harness.statistics.means import Estimate, task_sums
from harness.statistics.outcomes import Pairs
from harness.statistics.paired import crossing_of_groups, stretched_sums
from harness.statistics.power import (
    PLANNED,
    Noise,
    episodes_needed,
    groups_to_lose,
    noise_in_groups,
    noise_of,
    noise_of_passing,
    smallest_visible_drop,
)
from harness.statistics.signflips import sign_flips
from harness.statistics.unseen import unseen_interval

Verdict = Literal["regressed", "pass", "too few"]
LEVEL = 0.05
"""Chance of passing wrongly, and of a false alarm where no other level is asked for."""
MAX_DROP = 0.05
"""The allowed drop where none is given, as a share of the metric's range."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """The gate's verdict, and the smallest drops it could have seen."""

    verdict: Verdict
    difference: Estimate
    """Candidate minus baseline over the pairs that both have, with the interval that decided."""
    confidence: float
    """Confidence of that interval: 95 % less the chance of a false alarm."""
    max_drop: float
    visible_drop: float
    """The smallest true drop, spread over the episodes, that would be called regressed with a chance of 80 %; inf when none
    would be."""
    visible_in_groups: float
    """The same for a drop that takes whole groups of tasks to the lowest value; never below `visible_drop`."""
    episodes_needed: int | None
    """Episodes per arm on which a candidate that lost nothing would pass with a chance of 80 %, for *too few*; None when no
    number up to ten million tasks would do."""
    missing: int
    """Pairs without a value; the verdict holds whatever they would have been."""
    doubtful: bool
    """True if the interval at 90 %, missing values at their worst, lies below the allowed drop: alone it would speak against the
    candidate, even where a corrected level does not call it regressed."""
    allowance: float = 0.0
    """Amount by which the upper end was moved outward for the baseline's own luck (`Luck.allowance`)."""

    @property
    def episodes(self) -> int:
        """Pairs that both arms have."""
        return self.difference.n

    @property
    def anytime(self) -> bool:
        """True if the verdict holds at every look at a growing candidate."""
        return self.difference.method == "anytime"

    @property
    def dropped(self) -> bool:
        """True if a drop, however small, is shown: the interval lies below zero."""
        return self.difference.high < 0


def gate(
    pairs: Pairs,
    max_drop: float = MAX_DROP,
    low: float | None = 0.0,
    high: float | None = 1.0,
    level: float = LEVEL,
    luck: Luck | None = None,
    power: bool = True,
) -> GateResult:
    """Judge arm b (candidate) against arm a (baseline) on a metric with bounds `low` and `high` (None: unbounded).

    `level`: chance of a false alarm; passing is judged at 5 %. `luck`: noise of a baseline of several runs; both levels then
    hold for 99 of 100 such baselines, not on average over them. Missing values count as the best for *regressed* and as
    the worst for *pass*. All amounts are in points of the metric. `power`: False leaves out what could have been seen, which
    takes longer than the verdict. Raises ValueError for a negative max_drop.
    """
    if max_drop < 0:
        raise ValueError(f"max_drop is {max_drop}, expected 0 or more")
    data = _Differences.of(pairs, low, high, luck)
    worst, best = (data.filled(pairs, side) for side in ("worst", "best"))
    difference = replace(data.interval, low=data.lower(), high=data.upper(level))
    verdict: Verdict = "too few"
    if difference.clusters >= 2:
        verdict = "regressed" if best.upper(level) < -max_drop else "pass" if worst.lower() > -max_drop else verdict
    found = GateResult(
        verdict,
        difference=difference,
        confidence=1 - LEVEL - level,
        max_drop=max_drop,
        visible_drop=float("inf"),
        visible_in_groups=float("inf"),
        episodes_needed=None,
        missing=pairs.missing,
        doubtful=worst.upper(LEVEL) < -max_drop,
        allowance=data.allowance(level),
    )
    return _with_power(found, pairs, data, level) if power and difference.clusters >= 2 else found


@dataclass(frozen=True, slots=True)
class _Differences:
    """Differences by episode, with the bounds of the metric, and the ends of their mean's interval."""

    values: NDArray[np.float64]
    tasks: NDArray[Any]
    low: float | None
    high: float | None
    luck: Luck | None
    interval: Estimate
    """The mean with its pseudo-task interval (Student's without bounds), whose sides err at `LEVEL`."""
    crossed: Clusters | None = None
    """Marks that each pair shares with those of other groups."""
    known: tuple[float, float] | None = None
    """Both ends where the values do not settle them: values are missing and nothing bounds them."""

    @classmethod
    def of(cls, pairs: Pairs, low: float | None, high: float | None, luck: Luck | None) -> _Differences:
        """Those of the complete pairs."""
        whole = pairs.complete
        values, tasks = (pairs.b - pairs.a)[whole], pairs.tasks[whole]
        crossed = None if pairs.crossed is None else pairs.crossed[whole]
        return cls(values, tasks, low, high, luck, _unseen(values, tasks, low, high, crossed), crossed)

    def filled(self, pairs: Pairs, side: Literal["worst", "best"]) -> _Differences:
        """The differences with every missing value at its worst, or at its best, for the candidate."""
        if not pairs.missing:
            return self
        if self.low is None or self.high is None:
            end = float("-inf") if side == "worst" else float("inf")
            return replace(self, known=(end, end))
        in_a, in_b = (self.high, self.low) if side == "worst" else (self.low, self.high)
        a = np.where(np.isnan(pairs.a), in_a, pairs.a)
        b = np.where(np.isnan(pairs.b), in_b, pairs.b)
        interval = _unseen(b - a, pairs.tasks, self.low, self.high, pairs.crossed)
        return replace(self, values=b - a, tasks=pairs.tasks, crossed=pairs.crossed, interval=interval)

    @property
    def span(self) -> float:
        return float("inf") if self.low is None or self.high is None else self.high - self.low

    def allowance(self, level: float) -> float:
        return 0.0 if self.luck is None else self.luck.allowance(level)

    def lower(self) -> float:
        return self.known[0] if self.known else max(self.interval.low - self.allowance(LEVEL), -self.span)

    def upper(self, level: float) -> float:
        if self.known or not self.values.size:
            return self.known[1] if self.known else self.span
        sums, sizes = task_sums(self.values, self.tasks)
        across = crossing_of_groups(self.values, self.tasks, self.crossed, 1 - 2 * level)
        end = sign_flips(stretched_sums(sums, sizes, across), sizes, 1 - 2 * level).high
        return min(end + self.allowance(level), self.span)


def _unseen(
    values: NDArray[np.float64], tasks: NDArray[Any], low: float | None, high: float | None, crossed: Clusters | None
) -> Estimate:
    """The pseudo-task interval (Student's without bounds), as wide as clusters that cross the groups ask for."""
    found = unseen_interval(values, tasks, low, high, 1 - 2 * LEVEL)
    across = crossing_of_groups(values, tasks, crossed, 1 - 2 * LEVEL)
    if across is None:
        return found
    span = float("inf") if low is None or high is None else high - low
    ends = [found.mean + across.stretch * (end - found.mean) for end in (found.low, found.high)]
    return replace(found, low=max(ends[0], -span), high=min(ends[1], span), crossed=across)


def _with_power(result: GateResult, pairs: Pairs, data: _Differences, level: float) -> GateResult:
    """The result with what could have been seen, and how many episodes would do."""
    low, high, difference = data.low, data.high, result.difference
    allowed = result.max_drop + result.allowance
    noise = noise_of(pairs, low, high, 1 - 2 * level)
    caution = difference.high - result.allowance - difference.mean - noise.student(level)
    noise = replace(noise, caution=max(caution, 0.0) * noise.tasks)

    def visible(noise: Noise, alike: float) -> float:
        """The smallest drop that is seen if it takes `alike` pairs at a time."""
        span = None if low is None else data.span
        if allowed >= data.span:
            return float("inf")
        fewest = allowed + groups_to_lose(level) * noise.loss * alike / difference.n
        found = max(smallest_visible_drop(noise, level, PLANNED, span, allowed), fewest)
        return found if span is None or found <= span else float("inf")

    spread = visible(noise, 1.0)
    whole_groups = noise_in_groups(noise, pairs, low, high)
    in_groups = spread if whole_groups is noise else visible(whole_groups, noise.pairs_per_task)
    needed = None
    if result.verdict == "too few" and result.max_drop:
        quiet = noise_of_passing(noise, data.interval, LEVEL)
        needed = episodes_needed(result.max_drop, quiet, LEVEL, PLANNED, data.allowance(LEVEL))
    return replace(result, visible_drop=spread, visible_in_groups=max(spread, in_groups), episodes_needed=needed)
