"""Figures of an outcome judge's answers themselves: how often they are the same, and how far they move when it is asked
again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.judging.cards.biases import Measuring, changes_when_asked_again, not_measured
from harness.judging.cards.cards import Allowed, Finding, judged_by
from harness.judging.cards.evidence import OutcomeEvidence

MOST_FLIPS = 0.10
"""Share of verdicts that may change when a judge is asked again."""
MOST_RETEST = 0.2
"""Share of the goal's range that scores may move by when a judge is asked again (two points of ten)."""
MOST_SAME = 0.8
"""Share of scores that may be one and the same number."""
MOST_LOWEST = 0.95
"""The same where that number is the lowest score: where nearly nobody gets anywhere, a good judge says so."""


def steadiness(measuring: Measuring) -> list[Finding]:
    """Sameness, flips and retest change."""
    return [_sameness(measuring), _flips(measuring), _retest(measuring)]


def _sameness(measuring: Measuring) -> Finding:
    """A judge that always says the same has no bias, never changes its mind, and is worth nothing. Where all reached their
    goals a good judge says the same, too: so characters that did nothing count with the others."""
    judge = measuring.judge
    scores = [(unit, score) for unit, seats in judge.scores.items() for score in seats]
    if not scores:
        return Finding("sameness", None, note="no episode was scored")
    silenced = [(unit, score) for unit, (_, score) in measuring.of_seat("silenced").items()]
    every = [*scores, *silenced]
    values = [score for _, score in every]
    usual = max(set(values), key=values.count)
    rate = measuring.evidence.mean([unit for unit, _ in every], [float(value == usual) for value in values], 0.0, 1.0)
    note = "share of its most frequent score, over what was played and what was silenced"
    found = Finding("sameness", rate.mean, rate.low, rate.high, n=len(every), groups=rate.clusters, note=note)
    found = judged_by(found, Allowed(high=MOST_LOWEST if usual == judge.low else MOST_SAME))
    if silenced or found.verdict != "BAD":
        return found
    more = "; all may have done equally well: --copies silenced tells"
    return replace(found, verdict="too few to tell", note=note + more)


def _flips(measuring: Measuring) -> Finding:
    judge = measuring.judge
    shares = {
        unit: float(np.mean([_verdicts_differ(judge, judge.scores[unit], again) for again in repeats]))
        for unit, repeats in judge.again.items()
        if unit in judge.scores
    }
    if not shares:
        return not_measured("flips", "--again 2")
    rate = measuring.evidence.mean(list(shares), list(shares.values()), 0.0, 1.0)
    note = f"share of verdicts (goal >= {judge.success_at:g}) that change when asked again"
    found = Finding("flips", rate.mean, rate.low, rate.high, n=len(shares), groups=rate.clusters, note=note)
    return judged_by(found, Allowed(high=MOST_FLIPS))


def _verdicts_differ(judge: OutcomeEvidence, one: Sequence[float], other: Sequence[float]) -> float:
    pairs = list(zip(one, other, strict=True))
    return sum((a >= judge.success_at) != (b >= judge.success_at) for a, b in pairs) / len(pairs)


def _retest(measuring: Measuring) -> Finding:
    changes = changes_when_asked_again(measuring.judge)
    if not changes:
        return not_measured("retest change", "--again 2")
    mean = measuring.evidence.mean(list(changes), list(changes.values()), 0.0, measuring.span)
    note = "mean absolute change of the goal score when asked again, points"
    found = Finding("retest change", mean.mean, mean.low, mean.high, n=len(changes), groups=mean.clusters, note=note)
    return judged_by(found, Allowed(high=MOST_RETEST * measuring.span))
