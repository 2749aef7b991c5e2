"""The gate over all cells of an experiment: one verdict for all of them together, and one for each.

With k cells there are k + 1 chances of a false alarm: the pooled difference, which sees a small loss that all cells share,
and every cell, which sees a loss that one cell alone has. The pooled one gets half of the 5 % and the cells share the other
half (Bonferroni, which holds whatever the cells have in common): all together at most 5 % of the checks of equal candidates
alarm. Passing needs no correction: a wrong pass has to get past the pooled interval, at 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.statistics.gate import LEVEL, MAX_DROP, GateResult, Verdict, gate
from harness.statistics.luck import Luck, luck_of
from harness.statistics.outcomes import Pairs

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GatedCell:
    """The pairs of one cell, values scaled to 0..1."""

    pairs: Pairs
    tasks_of: str = ""
    """Name of the set of tasks: in cells with the same name, tasks (groups) of equal labels are the same and count once."""
    runs: Floats | None = None
    """Values of every run of the baseline (runs x pairs), in the order of the pairs; None for a baseline of one run."""


@dataclass(frozen=True, slots=True)
class FamilyResult:
    """The verdict on all cells, what it rests on, and the verdict on each cell."""

    verdict: Verdict
    """*regressed*: the pooled result or a cell is. *pass*: the pooled result is, and no single cell speaks against it."""
    pooled: GateResult
    cells: tuple[GateResult, ...]


def gate_family(cells: Sequence[GatedCell], max_drop: float = MAX_DROP, power: bool = True) -> FamilyResult:
    """Judge all cells together and each alone; `max_drop` is a share of the range, `power` as in `gate`. Raises ValueError
    without a cell."""
    if not cells:
        raise ValueError("there is no cell to judge")
    if len(cells) == 1:
        alone = _gate(cells[0], max_drop, LEVEL, power)
        return FamilyResult(alone.verdict, alone, (alone,))
    each = tuple(_gate(cell, max_drop, LEVEL / 2 / len(cells), power) for cell in cells)
    pooled = _gate(pooled_cell(cells), max_drop, LEVEL / 2, power)
    return FamilyResult(_overall(pooled, each), pooled, each)


def _overall(pooled: GateResult, cells: Sequence[GateResult]) -> Verdict:
    if any(result.verdict == "regressed" for result in (pooled, *cells)):
        return "regressed"
    return "too few" if any(cell.doubtful for cell in cells) else pooled.verdict


def _gate(cell: GatedCell, max_drop: float, level: float, power: bool) -> GateResult:
    return gate(cell.pairs, max_drop, level=level, luck=_luck(cell), power=power)


def _luck(cell: GatedCell) -> Luck | None:
    whole = cell.pairs.complete
    if cell.runs is None or not whole.any():
        return None
    return luck_of(cell.runs[:, whole], cell.pairs.tasks[whole])


def pooled_cell(cells: Sequence[GatedCell]) -> GatedCell:
    """All pairs of all cells as one; every pair weighs the same. Groups of tasks stay whole across the cells that share them."""
    names = [(cell.tasks_of, str(task)) for cell in cells for task in cell.pairs.tasks.tolist()]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    pairs = Pairs(
        tasks=np.array([places[name] for name in names], dtype=np.int64),
        seeds=np.arange(len(names)),
        a=np.concatenate([cell.pairs.a for cell in cells]),
        b=np.concatenate([cell.pairs.b for cell in cells]),
    )
    runs = [cell.runs for cell in cells if cell.runs is not None]
    return GatedCell(pairs, "", np.concatenate(runs, axis=1) if len(runs) == len(cells) else None)
