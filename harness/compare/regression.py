"""`harness check`: a candidate run against a baseline, cell by cell, for CI. The rule is harness.statistics.gate's.

All goals are scaled to 0..1 by their metric's range, so that one `max_drop` and one `tolerance` fit every environment.

The family: with k cells, k chances to raise a false alarm. So a cell counts as regressed only at the level 5 % / k
(Bonferroni: whatever the cells have in common, the whole check alarms falsely at most 1 time in 20). Passing needs no
correction: the check passes only if every cell does, and a true regression in any one cell has to get past that cell's
own 5 % (an intersection-union test, Berger 1982, Technometrics 24:295).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from harness.base.errors import BadInput
from harness.compare.arms import Arm, Arms, align, arm_differences
from harness.compare.comparability import differences, reader_note, refuse_differences
from harness.compare.conclusions import interface_sentences
from harness.results.ledger import Ledger
from harness.runs.failures import FailureGroup, grouped_failures
from harness.statistics import GateResult, Pairs, Verdict, gate

LEVEL = 0.05
"""Rate of false alarms of the whole check, and of each cell's passing wrongly."""
METRICS = ("goal", "success")
EXIT: dict[Verdict, int] = {"pass": 0, "regressed": 1, "too few": 3}


@dataclass(frozen=True, slots=True)
class CellCheck:
    """One cell's verdict."""

    cell: str
    verdict: Verdict
    baseline: float
    """Mean of the pairs that both have, scaled to 0..1."""
    candidate: float
    result: GateResult
    confidence: float
    """Confidence of the result's interval: 0.9, or more for an alarm that is corrected for the family."""
    reason: str
    interface: tuple[Ledger | None, Ledger | None] = (None, None)
    """Counts of how the replies of the baseline's and the candidate's arm were read; None in older baselines."""
    warnings: tuple[str, ...] = ()
    """Sentences on large differences between the two ledgers, on which the verdict may hang."""


@dataclass(frozen=True, slots=True)
class Check:
    """Result of `harness check`: verdicts of all cells and the whole."""

    verdict: Verdict
    """regressed when any cell is; else too few when any cell is; else pass."""
    metric: str
    max_drop: float
    tolerance: float
    baseline: str
    candidate: str
    cells: tuple[CellCheck, ...]
    reported: tuple[str, ...]
    """Prompts, code and what else differs and is no obstacle."""
    added: tuple[str, ...]
    """Cells of the candidate that the baseline does not know."""
    failures: tuple[FailureGroup, ...] = ()
    """Failures in the candidate, grouped by reason."""

    @property
    def exit_code(self) -> int:
        return EXIT[self.verdict]


def check(
    baseline: Arms,
    candidate: Arms,
    metric: str = "goal",
    max_drop: float = 0.0,
    tolerance: float = 0.05,
    allow: Collection[str] = (),
) -> Check:
    """Judge every cell of the baseline. `max_drop` and `tolerance` are shares of the metric's range.

    Raises `BadInput` for arms that cannot be compared, for a cell that the candidate lacks, and for amounts outside
    0..1.
    """
    if metric not in METRICS:
        raise BadInput(f"--metric {metric!r}: the gate knows {' and '.join(METRICS)}")
    if not 0 <= max_drop < 1 or not 0 < tolerance <= 1:
        raise BadInput("--max-drop (from 0) and --tolerance (above 0) are shares of the metric's range, up to 1")
    if baseline.fingerprint == candidate.fingerprint:
        raise BadInput(
            f"{candidate.path} is the run the baseline was made from; a run compared with itself shows nothing"
        )
    lacking = [cell for cell in baseline.arms if cell not in candidate.arms]
    if lacking:
        raise BadInput(
            f"{candidate.path} lacks cells of the baseline:\n  " + "\n  ".join(lacking) + "\n"
            "Play them, or make a new baseline (`harness check --make-baseline RUN --out FILE`)."
        )
    couples = [(arm, candidate.arms[cell]) for cell, arm in baseline.arms.items()]
    for a, b in couples:
        refuse_differences(arm_differences(a, b), allow, f"baseline and candidate, in {a.cell},")
    common = bool({"tasks", "seeds"} & set(allow))
    cells = tuple(_cell(a, b, metric, max_drop, tolerance, len(couples), common) for a, b in couples)
    return Check(
        verdict=_overall(cell.verdict for cell in cells),
        metric=metric,
        max_drop=max_drop,
        tolerance=tolerance,
        baseline=baseline.name,
        candidate=candidate.name,
        cells=cells,
        reported=_reported(couples, allow),
        added=tuple(cell for cell in candidate.arms if cell not in baseline.arms),
        failures=tuple(grouped_failures(candidate.path)) if candidate.path.is_dir() else (),
    )


FLOOR = (
    " Its baseline lies on the floor, from where nothing can drop: this cell guards nothing, leave it out of the gate's "
    "matrix."
)


def _overall(verdicts: Iterable[Verdict]) -> Verdict:
    found = set(verdicts)
    return "regressed" if "regressed" in found else "too few" if "too few" in found else "pass"


def _cell(a: Arm, b: Arm, metric: str, max_drop: float, tolerance: float, family: int, common: bool) -> CellCheck:
    pairs = scaled(align(a, b, metric, common), *_range(a, metric))
    result, confidence = check_pairs(pairs, max_drop, tolerance, family)
    whole = pairs.complete
    means = [float(arm[whole].mean()) if whole.any() else float("nan") for arm in (pairs.a, pairs.b)]
    reason = _reason(result, confidence) + (FLOOR if means[0] == 0 and result.verdict == "too few" else "")
    return CellCheck(
        *(a.cell, result.verdict, means[0], means[1], result, confidence, reason),
        interface=(a.ledger, b.ledger),
        warnings=tuple(interface_sentences(a, b)),
    )


def check_pairs(pairs: Pairs, max_drop: float, tolerance: float, family: int = 1) -> tuple[GateResult, float]:
    """The verdict on one of `family` cells, values within 0..1, and the confidence of its interval: regressed at the
    corrected level, pass at the plain one (or at the corrected one, by what it could have seen)."""
    corrected, plainly = 1 - 2 * LEVEL / family, 1 - 2 * LEVEL
    strict = gate(pairs, max_drop, tolerance, confidence=corrected)
    if family == 1 or strict.verdict != "too few":
        return strict, corrected
    plain = gate(pairs, max_drop, tolerance, confidence=plainly)
    # with max_drop 0 the plain gate may also pass by its power, which the corrected alarm does not have
    by_interval = max_drop > 0 or (plain.difference.low > 0 and not plain.missing)
    if plain.verdict == "pass" and by_interval:
        return replace(plain, visible_drop=strict.visible_drop), plainly
    return strict, corrected


def _reason(result: GateResult, confidence: float) -> str:
    """The verdict in words; amounts are shares of the metric's range."""
    d = result.difference
    seen = f"difference {d.mean:+.3f}, {100 * confidence:.3g} % interval {d.low:+.3f} to {d.high:+.3f}"
    if result.missing:
        seen += f", {result.missing} pairs without a value"
    if result.verdict == "regressed":
        return f"Regressed by more than {result.max_drop:g}: {seen}."
    could = "No drop could have been seen reliably"
    if result.visible_drop <= 1:
        could = f"A drop of {result.visible_drop:.3f} would have been seen with a chance of 80 %"
    if result.verdict == "pass":
        return f"Pass: {seen}. {could}."
    episodes = result.episodes_needed
    wanted = f"{result.max_drop or result.tolerance:g}"
    needed = (
        f"About {episodes} episodes per arm would do for {wanted}" if episodes else f"No number will do for {wanted}"
    )
    return f"Too few episodes to tell: {seen}. {could} on these {d.n} ({d.clusters} groups of tasks). {needed}."


def _range(arm: Arm, metric: str) -> tuple[float, float]:
    low, high = arm.bounds(metric)
    assert low is not None
    assert high is not None
    return low, high


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
