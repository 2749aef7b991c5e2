"""Figures of an outcome judge that planted copies and repeats give. All are differences of two scores of the same episode, in
points of the goal, by the procedure with which arms are compared (`harness.statistics.paired`): task groups count, not
episodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.judging.cards.cards import Allowed, Finding, judged_by
from harness.judging.cards.evidence import Evidence, OutcomeEvidence, Unit
from harness.statistics import Outcomes, fewest_groups, pair, paired_difference
from harness.statistics.guard import Guard

FEWEST_GROUPS = fewest_groups()
"""With fewer groups no sign-flip test can reach p < 0.05."""
MOST_BIAS = 0.05
"""Share of the goal's range that what should not matter may move a score (half a point of ten)."""
WORTH = 0.3
"""Share of the goal's range that a character needs to have got, before it is asked whether a judge takes it away."""
FALL = 0.2
"""Share of the goal's range that a score falls by where a judge notices (two points of ten)."""
LEAST_NOTICED = 0.5
"""Share of the episodes in which a judge has to notice."""
MOST_FOR_NOTHING = 0.3
"""Share of the goal's range that a character may get for doing nothing; some goals are reached without it."""

Two = Mapping[Unit, tuple[float, float]]
"""Unit -> what is compared with what: (before, after)."""


@dataclass(frozen=True, slots=True)
class Measuring:
    """One judge, and everything that its figures are made of."""

    evidence: Evidence
    judge: OutcomeEvidence

    @property
    def span(self) -> float:
        return self.judge.high - self.judge.low

    def of_seat(self, copy: str) -> dict[Unit, tuple[int, float]]:
        """Unit -> the seat that a copy changes and its score there, of the episodes that were judged as played, too."""
        return {
            unit: (seat, scores[seat])
            for seat in (0, 1)
            for unit, scores in self.judge.copies.get(f"{copy}-{seat}", {}).items()
            if unit in self.judge.scores
        }

    def played(self, unit: Unit, seat: int) -> float:
        return self.judge.scores[unit][seat]

    def difference(self, name: str, two: Two, low: float, high: float, note: str) -> tuple[Finding, Guard | None]:
        """The mean of after - before with its interval, and what would undo it; `low` and `high` bound either value."""
        units = list(two)
        groups, ids = self.evidence.groups(units), [f"{run} {episode}" for run, episode in units]
        crossed = self.evidence.crossed(units)
        before, after = (Outcomes.of(groups, ids, [two[unit][side] for unit in units], crossed) for side in (0, 1))
        found = paired_difference(pair(before, after), low, high)
        estimate = found.estimate
        ends = estimate.low, estimate.high
        return Finding(name, estimate.mean, *ends, found.p, len(units), estimate.clusters, note=note), found.guard


def biases(measuring: Measuring) -> list[Finding]:
    """Everything that should not move a score, and what it does."""
    return [
        _position(measuring),
        _gain(measuring, "length bias", "padded", "points more for empty words"),
        _names(measuring),
        _gain(measuring, "obeys pleas", "pleading", "points more for asking the judge for ten points", above=True),
        _gain(
            measuring, "own style", "own-style", "points more for the same lines in the judge's own words", above=True
        ),
    ]


def _position(measuring: Measuring) -> Finding:
    """Advantage of being asked about first: per seat, the score as agent_1 minus the score as agent_2."""
    scores, copies = measuring.judge.scores, measuring.judge.copies.get("swapped", {})
    two = {
        unit: ((copy[0] + scores[unit][1]) / 2, (scores[unit][0] + copy[1]) / 2)
        for unit, copy in copies.items()
        if unit in scores
    }
    return _bias(measuring, "position bias", two, "points more for being asked about first", "--copies swapped")


def _gain(measuring: Measuring, name: str, copy: str, note: str, above: bool = False) -> Finding:
    """Points that a seat gains by a copy. `above`: only gains are held against a judge."""
    two = {unit: (measuring.played(unit, seat), score) for unit, (seat, score) in measuring.of_seat(copy).items()}
    return _bias(measuring, name, two, note, f"--copies {copy}", above)


def _names(measuring: Measuring) -> Finding:
    """Change of the scores when the two exchange names, beyond the change when the judge is merely asked again."""
    noise, scores = changes_when_asked_again(measuring.judge), measuring.judge.scores
    two = {
        unit: (noise[unit], float(np.abs(np.subtract(copy, scores[unit])).mean()))
        for unit, copy in measuring.judge.copies.get("renamed", {}).items()
        if unit in scores and unit in noise
    }
    note = "points the scores move when the two exchange names, beyond the retest change"
    return _bias(measuring, "name bias", two, note, "--copies renamed --again 1", above=True, low=0.0)


def _bias(
    measuring: Measuring, name: str, two: Two, note: str, how: str, above: bool = False, low: float | None = None
) -> Finding:
    if not two:
        return not_measured(name, how)
    bottom = measuring.judge.low if low is None else low
    found, guard = measuring.difference(name, two, bottom, bottom + measuring.span, note)
    most = MOST_BIAS * measuring.span
    judged = judged_by(found, Allowed(high=most) if above else Allowed(-most, most), FEWEST_GROUPS)
    if guard is None or judged.verdict != "BAD":
        return judged
    return replace(judged, verdict="too few to tell", note=f"{note}; one more group like {guard.group} could undo it")


def not_measured(name: str, how: str) -> Finding:
    """A figure that the evidence is missing for, with the options that give it."""
    return Finding(name, None, note=f"harness judge RUN --judge M {how}")


def changes_when_asked_again(judge: OutcomeEvidence) -> dict[Unit, float]:
    """Unit -> mean absolute change of its scores."""
    return {
        unit: float(np.mean([np.abs(np.subtract(judge.scores[unit], again)).mean() for again in repeats]))
        for unit, repeats in judge.again.items()
        if unit in judge.scores
    }


# --- what has to move a score


def noticed(measuring: Measuring) -> list[Finding]:
    """Everything that has to move a score, and in what share of the episodes it does."""
    return [
        _falls(measuring, "attention", "silenced", "when all it did is taken away"),
        _earlier_lines(measuring),
        _falls(measuring, "other goal", "other-goal", "when its goal is another one"),
        _for_nothing(measuring),
    ]


def _falls(measuring: Measuring, name: str, copy: str, when: str) -> Finding:
    """The share of characters that fall by `FALL`, less the share that does when the judge is merely asked again."""
    judge, span = measuring.judge, measuring.span
    seats = {unit: each for unit, each in measuring.of_seat(copy).items() if unit in judge.again}
    if not seats:
        return not_measured(name, f"--copies {copy} --again 1")
    two = {}
    for unit, (seat, score) in seats.items():
        before = measuring.played(unit, seat)
        if before - judge.low >= WORTH * span:
            again = [float(before - scores[seat] >= FALL * span) for scores in judge.again[unit]]
            two[unit] = (float(np.mean(again)), float(before - score >= FALL * span))
    note = f"share of characters that lose {FALL * span:g} points or more {when}, beyond those that do when asked again"
    return _share(measuring, name, two, note)


def _earlier_lines(measuring: Measuring) -> Finding:
    """The share of characters that get more without their last line than for nothing at all."""
    silenced, cut = measuring.of_seat("silenced"), measuring.of_seat("last-line")
    units = [unit for unit in cut if unit in silenced]
    if not units:
        return not_measured("earlier lines", "--copies silenced,last-line")
    two = {}
    for unit in units:
        seat, nothing = silenced[unit]
        if measuring.played(unit, seat) - nothing >= WORTH * measuring.span:
            two[unit] = (0.0, float(cut[unit][1] - nothing >= MOST_BIAS * measuring.span))
    return _share(
        measuring, "earlier lines", two, "share of characters that get more without their last line than for nothing"
    )


def _share(measuring: Measuring, name: str, two: Two, note: str) -> Finding:
    if not two:
        points = measuring.judge.low + WORTH * measuring.span
        return Finding(name, None, note=f"{note}: no character had {points:g} points to lose")
    units = list(two)
    share = measuring.evidence.mean(units, [after - before for before, after in two.values()], -1.0, 1.0)
    found = Finding(name, share.mean, share.low, share.high, n=len(units), groups=share.clusters, note=note)
    return judged_by(found, Allowed(low=LEAST_NOTICED), FEWEST_GROUPS)


def _for_nothing(measuring: Measuring) -> Finding:
    silenced = measuring.of_seat("silenced")
    if not silenced:
        return not_measured("points for nothing", "--copies silenced")
    scores = [score - measuring.judge.low for _, score in silenced.values()]
    mean = measuring.evidence.mean(list(silenced), scores, 0.0, measuring.span)
    note = "points of a character that did nothing: high for a judge that is lenient, or does not look"
    found = Finding("points for nothing", mean.mean, mean.low, mean.high, n=mean.n, groups=mean.clusters, note=note)
    return judged_by(found, Allowed(high=MOST_FOR_NOTHING * measuring.span))
