"""`harness check`: a candidate run against a baseline, all cells together and then cell by cell, for CI. The rule is
`harness.statistics.gate_family`'s, the sentences are `harness.compare.check_words`'.

All goals are scaled to 0..1 by their metric's range, so that one `max_drop` fits every environment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.base.errors import BadInput
from harness.compare.anytime import completion
from harness.compare.arms import PLACE, Arm, Arms, align, arm_differences, leaves_out
from harness.compare.comparability import differences, reader_note, refuse_differences
from harness.compare.conclusions import interface_sentences
from harness.compare.doubts import difference_note
from harness.results.ledger import Ledger
from harness.runs.failures import FailureGroup, grouped_failures
from harness.statistics import GatedCell, GateResult, Pairs, Verdict, completed, pooled_cell
from harness.statistics.gate import MAX_DROP
from harness.statistics.gate_family import gate_family

METRICS = ("goal", "success")
EXIT: dict[Verdict, int] = {"pass": 0, "regressed": 1, "too few": 3}
TOGETHER = "all cells together"


@dataclass(frozen=True, slots=True)
class CellCheck:
    """The verdict on one cell, or on all of them together."""

    cell: str
    baseline: float
    """Mean of the pairs that both have, scaled to 0..1."""
    candidate: float
    result: GateResult
    interface: tuple[Ledger | None, Ledger | None] = (None, None)
    """Counts of how the replies of the baseline's and the candidate's arm were read; None in older baselines."""
    warnings: tuple[str, ...] = ()
    """Sentences on large differences between the two ledgers, on which the verdict may hang."""
    doubt: str = ""
    """Reason why its interval may be too narrow; empty where there is none."""

    @property
    def verdict(self) -> Verdict:
        return self.result.verdict


@dataclass(frozen=True, slots=True)
class Check:
    """Result of `harness check`: the pooled verdict and those of all cells."""

    verdict: Verdict
    """regressed when the pooled difference or any cell is; pass when the pooled one does and no cell speaks against it."""
    metric: str
    max_drop: float
    baseline: str
    candidate: str
    baseline_runs: int
    pooled: CellCheck
    """All pairs of all cells; the cell itself where there is one only."""
    cells: tuple[CellCheck, ...]
    reported: tuple[str, ...]
    """Prompts, code and what else differs and is no obstacle."""
    added: tuple[str, ...]
    """Cells of the candidate that the baseline does not know."""
    failures: tuple[FailureGroup, ...] = ()
    """Failures in the candidate, grouped by reason."""
    cautions: tuple[str, ...] = ()
    """Facts that a reader has to know of the candidate's scores: texts that instruct the judge, a judge related to the actor."""

    @property
    def anytime(self) -> bool:
        """True if the verdicts hold at every look at a growing candidate."""
        return self.pooled.result.anytime

    @property
    def exit_code(self) -> int:
        return EXIT[self.verdict]


def check(
    baseline: Arms,
    candidate: Arms,
    metric: str = "goal",
    max_drop: float = MAX_DROP,
    allow: Collection[str] = (),
    anytime: bool = False,
) -> Check:
    """Judge all cells of the baseline together, and each. `max_drop` is a share of the metric's range. `anytime`: by verdicts
    that hold at every look at a growing candidate; so is a candidate that was looked at to end it.

    Raises `BadInput` for arms that cannot be compared, for a cell that the candidate lacks, and for a drop outside 0..1.
    """
    if metric not in METRICS:
        raise BadInput(f"--metric {metric!r}: the gate knows {' and '.join(METRICS)}")
    if not 0 <= max_drop < 1:
        raise BadInput(f"--max-drop {max_drop:g}: expected a share of the metric's range, from 0 to below 1")
    couples = _couples(baseline, candidate)
    for a, b in couples:
        refuse_differences(arm_differences(a, b), allow, f"baseline and candidate, in {a.cell},")
    anytime = anytime or any(b.looks is not None for _, b in couples)
    gated = [_gated(a, b, metric, leaves_out(a, b, allow), anytime) for a, b in couples]
    found = gate_family(gated, max_drop, anytime=anytime)
    together = pooled_cell(gated)
    cells = tuple(
        replace(
            _told(a.cell, [(a, b)], cell, result),
            interface=(a.ledger, b.ledger),
            warnings=tuple(interface_sentences(a, b)),
        )
        for (a, b), cell, result in zip(couples, gated, found.cells, strict=True)
    )
    return Check(
        verdict=found.verdict,
        metric=metric,
        max_drop=max_drop,
        baseline=baseline.name,
        candidate=candidate.name,
        baseline_runs=max(len(a.runs) for a, _ in couples) or 1,
        pooled=cells[0] if len(cells) == 1 else _told(TOGETHER, couples, together, found.pooled),
        cells=cells,
        reported=_reported(couples, allow),
        added=tuple(cell for cell in candidate.arms if cell not in baseline.arms),
        failures=tuple(grouped_failures(candidate.path)) if candidate.path.is_dir() else (),
    )


def _couples(baseline: Arms, candidate: Arms) -> list[tuple[Arm, Arm]]:
    """The arms of every cell of the baseline."""
    if candidate.fingerprint in (baseline.fingerprint, *baseline.more_fingerprints):
        raise BadInput(
            f"{candidate.path} is the run the baseline was made from; a run compared with itself shows nothing. Play the "
            "experiment again under another --name."
        )
    lacking = [cell for cell in baseline.arms if cell not in candidate.arms]
    if lacking:
        raise BadInput(
            f"{candidate.path} lacks cells of the baseline:\n  " + "\n  ".join(lacking) + "\n"
            "Play them, or make a new baseline without them (`harness check --make-baseline RUN --out FILE`)."
        )
    return [(arm, candidate.arms[cell]) for cell, arm in baseline.arms.items()]


def _gated(a: Arm, b: Arm, metric: str, common: bool, anytime: bool) -> GatedCell:
    """The pairs of one cell, what every run of its baseline has there, and, if asked for, when the candidate completed them."""
    low, high = a.bounds(metric)
    assert low is not None
    assert high is not None
    pairs = scaled(align(a, b, metric, common), low, high)
    runs = [scaled(align(run, b, metric, common), low, high).a for run in a.each_run()]
    if anytime and PLACE not in b.outcomes:
        raise BadInput(f"--anytime needs a run: {b.source} is a baseline, which does not say what was played first")
    ended = completion(a, b, metric, common) if anytime else None
    return GatedCell(pairs, f"{a.axes['environment']} | {a.axes['split']}", np.stack(runs) if runs else None, ended)


def _told(name: str, couples: Sequence[tuple[Arm, Arm]], cell: GatedCell, result: GateResult) -> CellCheck:
    pairs = (cell if cell.ended is None else completed(cell)).pairs
    whole = pairs.complete
    means = [float(arm[whole].mean()) if whole.any() else float("nan") for arm in (pairs.a, pairs.b)]
    notes = (difference_note(both, pairs, result.difference, result.anytime) for both in couples)
    return CellCheck(name, means[0], means[1], result, doubt=next(filter(None, notes), ""))


def scaled(pairs: Pairs, low: float, high: float) -> Pairs:
    """The pairs with values scaled to 0..1."""
    span = high - low
    return replace(pairs, a=(pairs.a - low) / span, b=(pairs.b - low) / span)


def _reported(couples: Iterable[tuple[Arm, Arm]], allow: Collection[str]) -> tuple[str, ...]:
    """Differences that are no obstacle, each line once."""
    lines: dict[str, None] = {}
    for a, b in couples:
        note = reader_note(a.facts, b.facts, ("the baseline", "the candidate"))
        lines.update({note: None} if note else {})
        for what in ("strategist", "prompts", "code"):
            lines.update(dict.fromkeys(differences(a.tested[what], b.tested[what], what)))
        for category, found in arm_differences(a, b).items():
            if category in allow:
                lines.update(dict.fromkeys(found[:5]))
    return tuple(lines)
