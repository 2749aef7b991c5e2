"""The judges' report card: numbers that say whether a judge can be believed, each with its interval and a verdict of three
(`harness.judging.cards.cards`). Every number counts task groups, not episodes. A figure that was not measured says which
command measures it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from harness.judging.cards.agreement import krippendorff_alpha
from harness.judging.cards.biases import Measuring, biases, noticed
from harness.judging.cards.camps import Camp, camps
from harness.judging.cards.cards import Card, Finding, cost, flagged, unscored
from harness.judging.cards.critics import process_card
from harness.judging.cards.evidence import Evidence, OutcomeEvidence, Unit, read_evidence, shared_units
from harness.judging.cards.steadiness import steadiness
from harness.results.index import Row
from harness.results.judge_kinds import kind_in
from harness.statistics.crossed import UNTOLD


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
    camps: tuple[Camp, ...] = ()
    """Judges that agree among themselves and not with the others."""


def judge_report(runs: Sequence[Path]) -> Report:
    """The report card of every judge in the runs. Raises `BadInput` for a folder that is no run."""
    evidence = read_evidence(runs)
    judges = [evidence.judges[label] for label in sorted(evidence.judges)]
    units = list(shared_units(judges))
    pairs = tuple(_pair(one, other) for one, other in combinations(judges, 2))
    table = [_row(judge, units) for judge in judges]
    alphas = {frozenset((pair.one, pair.other)): pair.alpha for pair in pairs}
    doubt = f"its {UNTOLD}: its intervals may be too narrow" if evidence.untold else ""
    found = camps([judge.judge for judge in judges], alphas)
    several = len(judges) > 1
    return Report(
        outcome=(
            *(replace(_outcome_card(evidence, judge, pairs, found), doubt=doubt) for judge in judges),
            *(replace(_unknown_card(label, rows), doubt=doubt) for label, rows in sorted(evidence.unknown.items())),
        ),
        process=tuple(
            replace(process_card(evidence, method), doubt=doubt)
            for _, method in sorted(evidence.process.items())
            if method.asks_judge
        ),
        pairs=pairs,
        alpha_ordinal=krippendorff_alpha(table, "ordinal") if several else None,
        alpha_interval=krippendorff_alpha(table, "interval") if several else None,
        camps=found,
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


def _outcome_card(
    evidence: Evidence, judge: OutcomeEvidence, pairs: Sequence[Agreement], found: Sequence[Camp]
) -> Card:
    measuring = Measuring(evidence, judge)
    mine = [pair for pair in pairs if judge.judge in (pair.one, pair.other)]
    return Card(
        judge.judge,
        (
            unscored(judge.rows),
            *noticed(measuring),
            *steadiness(measuring),
            *biases(measuring),
            _agreement(judge.judge, mine, found),
            flagged(judge.rows),
            *cost(judge.rows),
        ),
    )


def _agreement(judge: str, pairs: Sequence[Agreement], found: Sequence[Camp]) -> Finding:
    """With the judge it agrees with most. Held against nobody: like-minded bad judges agree, and a good one beside them
    does not."""
    known = [pair.alpha for pair in pairs if pair.alpha is not None]
    if not known:
        return Finding("agreement", None, note="needs another judge: harness judge RUN --judge OTHER")
    note = "Krippendorff's ordinal alpha with the judge it agrees with most"
    others = next((camp.judges for camp in found if judge in camp.judges), ())
    like = [other for other in others if other != judge]
    note += f"; of one mind with {', '.join(like)}" if like else "; of a mind of its own"
    return Finding("agreement", max(known), n=max(pair.n for pair in pairs), verdict="", note=note)
