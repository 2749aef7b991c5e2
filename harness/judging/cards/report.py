"""The judges' report card: numbers that say whether a judge can be believed, each with its interval and a verdict.

Every number counts task groups, not episodes. A bias is called one when a two-sided sign-flip test over task groups
(Fisher 1935), corrected over the card's three (Holm), gives p < 0.05 and it is at least 2.5 % of the goal's range.
A figure that was not measured says which command measures it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from harness.judging.cards.agreement import auroc, krippendorff_alpha
from harness.judging.cards.cards import Card, Finding, cost, flagged, unscored
from harness.judging.cards.evidence import Evidence, OutcomeEvidence, ProcessEvidence, Unit, read_evidence, shared_units
from harness.results.index import Row
from harness.results.judge_kinds import kind_in
from harness.statistics import clustered_mean, holm, sign_flip
from harness.statistics.means import task_sums
from harness.statistics.paired import difference_interval

SEEN_AT = 0.05
"""p below which a bias is called one."""
FEWEST_GROUPS = 6
"""With fewer differing task groups no sign-flip test can reach p < 0.05 (2 / 2**5 > 0.05)."""
SMALLEST = 0.025
"""A bias below this share of the goal's range (0.25 of 10 points) is seen, but not held against a judge."""
MOST_FLIPS = 0.10
"""Share of verdicts that may change when a judge is asked again."""
MOST_SAME = 0.8
"""Share of scores that may be one and the same number, given at least `FEWEST_SCORES` of them."""
FEWEST_SCORES = 12
GOOD_ALPHA, TENTATIVE_ALPHA = 0.8, 0.667
"""Krippendorff's customary limits (Content Analysis, 2004, p. 241)."""
DRAWS = 1000
"""Bootstrap draws of task groups behind an AUROC's interval."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of two judges' scores."""

    one: str
    other: str
    n: int
    """Scores both gave (episodes times seats)."""
    alpha: float | None
    equal: float
    """Share of equal scores."""
    distance: float
    """Mean absolute difference, in points of the goal."""


@dataclass(frozen=True, slots=True)
class Report:
    outcome: tuple[Card, ...]
    process: tuple[Card, ...]
    pairs: tuple[Agreement, ...]
    alpha_ordinal: float | None
    """Ordinal alpha of all judges together; None with fewer than two."""
    alpha_interval: float | None


def judge_report(runs: Sequence[Path]) -> Report:
    """The report card of every judge in the runs. Raises `BadInput` for a folder that is no run."""
    evidence = read_evidence(runs)
    judges = [evidence.judges[label] for label in sorted(evidence.judges)]
    units = list(shared_units(judges))
    pairs = tuple(_pair(one, other) for one, other in combinations(judges, 2))
    table = [_row(judge, units) for judge in judges]
    several = len(judges) > 1
    return Report(
        outcome=(
            *(_outcome_card(evidence, judge, pairs) for judge in judges),
            *(_unknown_card(label, rows) for label, rows in sorted(evidence.unknown.items())),
        ),
        process=tuple(
            _process_card(evidence, method) for _, method in sorted(evidence.process.items()) if method.asks_judge
        ),
        pairs=pairs,
        alpha_ordinal=krippendorff_alpha(table, "ordinal") if several else None,
        alpha_interval=krippendorff_alpha(table, "interval") if several else None,
    )


def _unknown_card(label: str, rows: Sequence[Row]) -> Card:
    """The card of a judge whose kind is not installed here: its scales are not known."""
    note = f"the kind of judge {kind_in(label)!r} is not installed here; install the package that brings it"
    return Card(label, (unscored(rows), Finding("scores", None, note=note), flagged(rows), *cost(rows)))


def _row(judge: OutcomeEvidence, units: Sequence[Unit]) -> list[float | None]:
    """The judge's goal scores over units and both seats."""
    return [score for unit in units for score in judge.scores.get(unit, [None, None])]


def _pair(one: OutcomeEvidence, other: OutcomeEvidence) -> Agreement:
    units = sorted(set(one.scores) & set(other.scores))
    a = [score for unit in units for score in one.scores[unit]]
    b = [score for unit in units for score in other.scores[unit]]
    apart = np.abs(np.array(a) - np.array(b))
    return Agreement(
        one=one.judge,
        other=other.judge,
        n=len(a),
        alpha=krippendorff_alpha([a, b]) if a else None,
        equal=float((apart == 0).mean()) if a else float("nan"),
        distance=float(apart.mean()) if a else float("nan"),
    )


def _outcome_card(evidence: Evidence, judge: OutcomeEvidence, pairs: Sequence[Agreement]) -> Card:
    measured = [_position(evidence, judge), _length(evidence, judge), _names(evidence, judge)]
    biases = _corrected(measured, SMALLEST * (judge.high - judge.low))
    mine = [pair for pair in pairs if judge.judge in (pair.one, pair.other)]
    return Card(
        judge.judge,
        (
            unscored(judge.rows),
            _attention(evidence, judge),
            _sameness(judge),
            _agreement(mine),
            _flips(evidence, judge),
            _retest(evidence, judge),
            *biases,
            flagged(judge.rows),
            *cost(judge.rows),
        ),
    )


def _agreement(pairs: Sequence[Agreement]) -> Finding:
    """With the judge it agrees with most: beside bad judges a good one must not look bad. Of two that disagree it cannot
    be said which is wrong."""
    known = [pair.alpha for pair in pairs if pair.alpha is not None]
    if not known:
        return Finding("agreement", None, note="needs another judge: harness judge RUN --judge OTHER")
    alpha = max(known)
    verdict = "ok" if alpha >= GOOD_ALPHA else "unsure" if alpha >= TENTATIVE_ALPHA or len(known) == 1 else "BAD"
    note = "Krippendorff's ordinal alpha with the judge it agrees with most"
    if len(known) == 1 and alpha < TENTATIVE_ALPHA:
        note += "; two judges disagree, a third one would tell which is wrong"
    return Finding("agreement", alpha, n=max(pair.n for pair in pairs), verdict=verdict, note=note)


def _attention(evidence: Evidence, judge: OutcomeEvidence) -> Finding:
    """Points a seat loses when it did nothing at all: a judge that reads what it judges takes points off."""
    losses = {}
    for seat in (0, 1):
        for unit, scores in judge.copies.get(f"silenced-{seat}", {}).items():
            if unit in judge.scores:
                losses[unit] = judge.scores[unit][seat] - scores[seat]
    note = "points a character loses when all it did is replaced by doing nothing"
    found = _bias("attention", evidence, judge, losses, note, "--copies silenced", only_above=True)
    if found.p is None:
        return found
    if found.p < SEEN_AT:
        return found
    if found.groups < FEWEST_GROUPS:
        return _replaced(found, found.p, "unsure", f"{note}; too few task groups ({found.groups}) to tell")
    return _replaced(found, found.p, "BAD", f"{note}: none can be seen")


def _sameness(judge: OutcomeEvidence) -> Finding:
    """A judge that always says the same has no bias, never changes its mind, and is worth nothing."""
    scores = [score for seats in judge.scores.values() for score in seats]
    if not scores:
        return Finding("sameness", None, note="no episode was scored")
    share = max(scores.count(value) for value in set(scores)) / len(scores)
    verdict = "unsure" if len(scores) < FEWEST_SCORES else "BAD" if share > MOST_SAME else "ok"
    return Finding("sameness", share, n=len(judge.scores), verdict=verdict, note="share of its most frequent score")


def _flips(evidence: Evidence, judge: OutcomeEvidence) -> Finding:
    shares = {
        unit: float(np.mean([_verdicts_differ(judge, judge.scores[unit], again) for again in repeats]))
        for unit, repeats in judge.again.items()
        if unit in judge.scores
    }
    if not shares:
        return Finding("flips", None, note="harness judge RUN --judge M --again 2")
    groups = evidence.groups(list(shares))
    rate = clustered_mean(np.array(list(shares.values())), groups, 0.0, 1.0)
    enough = rate.clusters >= FEWEST_GROUPS
    verdict = "BAD" if rate.mean > MOST_FLIPS else "ok" if enough else "unsure"
    note = f"share of verdicts (goal >= {judge.success_at:g}) that change when asked again"
    return Finding("flips", rate.mean, rate.low, rate.high, None, len(shares), rate.clusters, verdict, note)


def _verdicts_differ(judge: OutcomeEvidence, one: Sequence[float], other: Sequence[float]) -> float:
    pairs = list(zip(one, other, strict=True))
    return sum((a >= judge.success_at) != (b >= judge.success_at) for a, b in pairs) / len(pairs)


def _retest(evidence: Evidence, judge: OutcomeEvidence) -> Finding:
    changes = _changes_when_asked_again(judge)
    if not changes:
        return Finding("retest change", None, note="harness judge RUN --judge M --again 2")
    change = clustered_mean(
        np.array(list(changes.values())), evidence.groups(list(changes)), 0.0, judge.high - judge.low
    )
    note = "mean absolute change of the goal score when asked again, points"
    return Finding(
        "retest change", change.mean, change.low, change.high, None, len(changes), change.clusters, "ok", note
    )


def _changes_when_asked_again(judge: OutcomeEvidence) -> dict[Unit, float]:
    return {
        unit: float(np.mean([np.abs(np.subtract(judge.scores[unit], again)).mean() for again in repeats]))
        for unit, repeats in judge.again.items()
        if unit in judge.scores
    }


def _position(evidence: Evidence, judge: OutcomeEvidence) -> Finding:
    """Advantage of being asked about first: per seat, the score as agent_1 minus the score as agent_2."""
    swapped = judge.copies.get("swapped", {})
    gains = {
        unit: ((judge.scores[unit][0] - scores[0]) + (scores[1] - judge.scores[unit][1])) / 2
        for unit, scores in swapped.items()
        if unit in judge.scores
    }
    note = "points more for being asked about first"
    return _bias("position bias", evidence, judge, gains, note, "--copies swapped")


def _length(evidence: Evidence, judge: OutcomeEvidence) -> Finding:
    """Points that empty words gain for the seat that says them."""
    gains = {}
    for seat in (0, 1):
        for unit, scores in judge.copies.get(f"padded-{seat}", {}).items():
            if unit in judge.scores:
                gains[unit] = scores[seat] - judge.scores[unit][seat]
    return _bias("length bias", evidence, judge, gains, "points more for empty words", "--copies padded")


def _names(evidence: Evidence, judge: OutcomeEvidence) -> Finding:
    """Change in the scores when the two exchange names, beyond the change when the judge is merely asked again."""
    noise = _changes_when_asked_again(judge)
    gains = {
        unit: float(np.abs(np.subtract(scores, judge.scores[unit])).mean()) - noise.get(unit, 0.0)
        for unit, scores in judge.copies.get("renamed", {}).items()
        if unit in judge.scores
    }
    note = "points the scores move when the two exchange names, beyond the retest change"
    if gains and not noise:
        note += " (taken as 0: never asked again)"
    return _bias("name bias", evidence, judge, gains, note, "--copies renamed --again 1", only_above=True)


def _bias(
    name: str,
    evidence: Evidence,
    judge: OutcomeEvidence,
    gains: Mapping[Unit, float],
    note: str,
    how: str,
    only_above: bool = False,
) -> Finding:
    if not gains:
        return Finding(name, None, note=f"harness judge RUN --judge M {how}")
    values, groups = np.array(list(gains.values())), np.array(evidence.groups(list(gains)))
    estimate = difference_interval(values, groups, judge.low, judge.high, 0.95)
    sums, _ = task_sums(values, groups)
    p, _ = sign_flip(np.where(np.abs(sums) < 1e-9, 0.0, sums))
    if only_above and estimate.mean <= 0:
        p = 1.0
    return Finding(name, estimate.mean, estimate.low, estimate.high, p, len(gains), int(sums.size), "ok", note)


def _corrected(biases: Sequence[Finding], smallest: float) -> list[Finding]:
    """The biases with their p corrected over those that were measured, and their verdicts."""
    measured = [finding for finding in biases if finding.p is not None]
    corrected = iter(holm([finding.p for finding in measured if finding.p is not None]))
    found = []
    for finding in biases:
        if finding.p is None:
            found.append(finding)
            continue
        p, note = float(next(corrected)), finding.note
        if p < SEEN_AT:
            small = abs(finding.value or 0.0) < smallest
            verdict = "ok" if small else "BAD"
            note += f"; there, but below {smallest:g} points" if small else ""
        elif finding.groups < FEWEST_GROUPS:
            verdict, note = "unsure", f"{note}; too few task groups ({finding.groups}) to tell"
        else:
            verdict = "ok"
        found.append(_replaced(finding, p, verdict, note))
    return found


def _replaced(finding: Finding, p: float, verdict: str, note: str) -> Finding:
    return Finding(finding.name, finding.value, finding.low, finding.high, p, finding.n, finding.groups, verdict, note)


def _process_card(evidence: Evidence, method: ProcessEvidence) -> Card:
    success = {unit: row["success"] for unit, row in evidence.episodes.items() if row["success"] is not None}
    findings = [
        unscored(method.rows),
        _credit(
            evidence,
            method,
            "AUROC outcome",
            lambda unit, turn: success.get(unit),
            "credit of strategies in episodes that succeeded against those that failed (verified outcomes)",
        ),
    ]
    for reference in ("progress", "replay"):
        truth = _truth(evidence, reference)
        note = f"credit of strategies whose {reference} credit is above 0 against the others"
        findings.append(_credit(evidence, method, f"AUROC {reference}", lambda u, t, k=truth: k.get((u, t)), note))  # type: ignore[misc]
    mean = [step.credit for step in method.steps]
    if mean:
        share = sum(mean) / len(mean)
        findings.append(Finding("mean credit", share, n=len(mean), verdict="ok", note="0..1, per strategy"))
    return Card(method.label, (*findings, flagged(method.rows), *cost(method.rows)))


def _truth(evidence: Evidence, method: str) -> dict[tuple[Unit, int], bool]:
    """Strategy -> whether a method that asks no judge credits it."""
    return {
        (step.unit, step.turn): step.credit > 0
        for each in evidence.process.values()
        if each.method == method
        for step in each.steps
    }


def _credit(
    evidence: Evidence,
    method: ProcessEvidence,
    name: str,
    truth: Callable[[Unit, int], bool | None],
    note: str,
) -> Finding:
    steps = [(step, known) for step in method.steps if (known := truth(step.unit, step.turn)) is not None]
    credits = np.array([step.credit for step, _ in steps])
    positive = np.array([known for _, known in steps], dtype=bool)
    value = auroc(credits.tolist(), positive.tolist()) if steps else None
    if value is None:
        return Finding(name, None, n=len(steps), note=note + "; needs strategies of both kinds")
    groups = np.array(evidence.groups([step.unit for step, _ in steps]))
    low, high = _auroc_interval(credits, positive, groups)
    verdict = "ok" if low > 0.5 else "BAD" if high < 0.5 or high - low < 0.3 else "unsure"
    return Finding(name, value, low, high, None, len(steps), int(np.unique(groups).size), verdict, note)


def _auroc_interval(
    credits: np.ndarray, positive: np.ndarray, groups: np.ndarray, draws: int = DRAWS
) -> tuple[float, float]:
    """95 % percentile interval from drawing task groups again (fixed seed); (0, 1) with fewer than two groups."""
    names, index = np.unique(groups, return_inverse=True)
    if names.size < 2:
        return 0.0, 1.0
    members = [np.flatnonzero(index == number) for number in range(names.size)]
    rng = np.random.default_rng(DRAWS)
    values = []
    for _ in range(draws):
        rows = np.concatenate([members[number] for number in rng.integers(0, names.size, names.size)])
        value = auroc(credits[rows].tolist(), positive[rows].tolist())
        if value is not None and not math.isnan(value):
            values.append(value)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
