"""The rule of `harness check`: has the candidate dropped below the baseline, passed, or been given too few episodes?

It reads the two-sided 90 % interval of the paired difference, so each side errs at most 5 % of the time: one in
twenty equal candidates is called regressed, and one in twenty that dropped by just the allowed amount passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.statistics.means import Estimate
from harness.statistics.outcomes import Pairs
from harness.statistics.paired import difference_interval
from harness.statistics.power import POWER, Noise, episodes_needed, noise_of, smallest_visible_drop

Verdict = Literal["regressed", "pass", "too few"]


@dataclass(frozen=True, slots=True)
class GateResult:
    """The gate's verdict, and the smallest drop it could have seen."""

    verdict: Verdict
    difference: Estimate
    """Candidate minus baseline over the pairs that both have."""
    max_drop: float
    tolerance: float
    visible_drop: float
    """The smallest true drop that would be called regressed with a chance of 80 %; inf when none would be."""
    episodes: int
    """Pairs that both arms have."""
    episodes_needed: int | None
    """Episodes per arm that would do: to see `tolerance` (or, with a max_drop, to pass when nothing dropped) with a
    chance of 80 %. None when no number up to ten million tasks would."""
    missing: int
    """Pairs without a value; the verdict holds whatever they would have been."""
    reason: str
    """One sentence for people."""


def gate(
    pairs: Pairs,
    max_drop: float = 0.0,
    tolerance: float = 0.05,
    low: float | None = 0.0,
    high: float | None = 1.0,
    confidence: float = 0.9,
) -> GateResult:
    """Judge arm b (candidate) against arm a (baseline) on a metric with bounds `low` and `high` (None: unbounded).

    *regressed*: the interval's upper end lies below -max_drop. *pass*: its lower end lies above -max_drop, or, with
    max_drop 0, the smallest visible drop is at most `tolerance` and none was seen. Else *too few*. Missing values
    count as the best for *regressed* and as the worst for *pass*. All amounts are in points of the metric.
    Raises ValueError for a negative max_drop or a tolerance that is not positive.
    """
    if max_drop < 0 or tolerance <= 0:
        raise ValueError("max_drop must be 0 or more, and tolerance more than 0")
    alpha = (1 - confidence) / 2
    span = None if low is None or high is None else high - low
    whole = pairs.complete
    differences, tasks = (pairs.b - pairs.a)[whole], pairs.tasks[whole]
    difference = difference_interval(differences, tasks, low, high, confidence)
    if difference.clusters < 2:
        return GateResult(
            "too few", difference, max_drop, tolerance, float("inf"), difference.n, None, pairs.missing,
            "Nothing can be told from fewer than 2 tasks.",
        )  # fmt: skip
    noise = noise_of(pairs, low, high, confidence)
    visible = smallest_visible_drop(noise, alpha, POWER, span, max_drop)
    worst, best = _extremes(pairs, difference, low, high, confidence)
    verdict = _verdict(worst, best, max_drop, tolerance, visible)
    needed = episodes_needed(max_drop or tolerance, noise, alpha, POWER)
    result = GateResult(verdict, difference, max_drop, tolerance, visible, difference.n, needed, pairs.missing, "")
    return replace(result, reason=_reason(result, noise, confidence))


def _verdict(worst: Estimate, best: Estimate, max_drop: float, tolerance: float, visible: float) -> Verdict:
    """The rule itself; `worst` and `best` differ only when values are missing."""
    if best.high < -max_drop:
        return "regressed"
    if worst.low > -max_drop:
        return "pass"
    if max_drop == 0 and visible <= tolerance and worst.high >= 0:
        return "pass"
    return "too few"


def _extremes(
    pairs: Pairs, observed: Estimate, low: float | None, high: float | None, confidence: float
) -> tuple[Estimate, Estimate]:
    """The difference with every missing value at its worst, and at its best, for the candidate."""
    if not pairs.missing:
        return observed, observed
    if low is None or high is None:
        at_worst = replace(observed, low=float("-inf"), high=float("-inf"))
        return at_worst, replace(observed, low=float("inf"), high=float("inf"))
    ends = []
    for in_a, in_b in ((high, low), (low, high)):
        a = np.where(np.isnan(pairs.a), in_a, pairs.a)
        b = np.where(np.isnan(pairs.b), in_b, pairs.b)
        ends.append(difference_interval(b - a, pairs.tasks, low, high, confidence))
    return ends[0], ends[1]


def _reason(result: GateResult, noise: Noise, confidence: float) -> str:
    """The verdict in words."""
    d = result.difference
    seen = f"the difference is {d.mean:+.3f} ({100 * confidence:g} % interval {d.low:+.3f} to {d.high:+.3f})"
    if d.n and result.missing:
        seen += f", {result.missing} pairs have no value"
    could = f"the smallest drop visible with a chance of 80 % is {result.visible_drop:.3f}"
    if result.verdict == "regressed":
        return f"Regressed: {seen}, all of it below {-result.max_drop:+.3f}."
    if result.verdict == "pass":
        return f"Pass: {seen}; {could}."
    needed = "no affordable number" if result.episodes_needed is None else f"about {result.episodes_needed}"
    return (
        f"Too few episodes to tell: {seen}; {could} on {d.n} episodes of {d.clusters} tasks. "
        f"{needed} episodes per arm ({noise.pairs_per_task:.3g} a task) would do."
    )
