"""The gate over all cells of an experiment: one verdict for all of them together, and one for each.

With k cells there are k + 1 chances of a false alarm: the pooled difference, which sees a small loss that all cells share,
and every cell, which sees a loss that one cell alone has. The pooled one gets four fifths of the 5 %, and the cells share the
last fifth (Bonferroni, which holds whatever the cells have in common): all together at most 5 % of the checks of equal
candidates alarm. A loss that all cells share is small in each and needs the level; one cell that is broken is far off and can
spare it. Where all cells together are regressed, their level is free again (the fallback procedure of Wiens 2003), and the
cells that explain it share all of the 5 %. Passing needs no correction: a wrong pass has to get past the pooled interval, at 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics.gate import LEVEL, MAX_DROP, GateResult, Verdict, gate
from harness.statistics.gate_anytime import completed, gate_anytime
from harness.statistics.gate_cells import GatedCell, pooled_cell
from harness.statistics.luck import Luck, luck_of

POOLED_SHARE = 0.8
"""Share of the level that the pooled difference gets; the cells share the rest (docs/statistics.md has what it costs them)."""


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """The verdict on all cells, what it rests on, and the verdict on each cell."""

    verdict: Verdict
    """*regressed*: the pooled result or a cell is. *pass*: the pooled result is, and no single cell speaks against it."""
    pooled: GateResult
    cells: tuple[GateResult, ...]


def gate_family(
    cells: Sequence[GatedCell], max_drop: float = MAX_DROP, power: bool = True, anytime: bool = False
) -> FamilyResult:
    """Judge all cells together and each alone; `max_drop` is a share of the range, `power` as in `gate`. `anytime`: by verdicts
    that hold at every look at a growing candidate. Raises ValueError without a cell."""
    if not cells:
        raise ValueError("there is no cell to judge")
    if len(cells) == 1:
        alone = _gate(cells[0], max_drop, LEVEL, power, anytime)
        return FamilyResult(alone.verdict, alone, (alone,))
    pooled = _gate(pooled_cell(cells), max_drop, LEVEL * POOLED_SHARE, power, anytime)
    left = LEVEL if pooled.verdict == "regressed" else LEVEL * (1 - POOLED_SHARE)
    each = tuple(_gate(cell, max_drop, left / len(cells), power, anytime) for cell in cells)
    return FamilyResult(_overall(pooled, each), pooled, each)


def _overall(pooled: GateResult, cells: Sequence[GateResult]) -> Verdict:
    if any(result.verdict == "regressed" for result in (pooled, *cells)):
        return "regressed"
    return "too few" if any(cell.doubtful for cell in cells) else pooled.verdict


def _gate(cell: GatedCell, max_drop: float, level: float, power: bool, anytime: bool) -> GateResult:
    if anytime:
        return gate_anytime(cell, max_drop, level, _luck(completed(cell)))
    return gate(cell.pairs, max_drop, level=level, luck=_luck(cell), power=power)


def _luck(cell: GatedCell) -> Luck | None:
    whole = cell.pairs.complete
    if cell.runs is None or not whole.any():
        return None
    return luck_of(cell.runs[:, whole], cell.pairs.tasks[whole])
