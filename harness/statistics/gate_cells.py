"""The cells that the gate judges, and all of them as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.statistics.crossed import Clusters
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
    ended: Floats | None = None
    """Times at which the candidate completed each pair (any numbers that grow); NaN for what it has not played yet. Only for
    verdicts that hold at every look."""


def pooled_cell(cells: Sequence[GatedCell]) -> GatedCell:
    """All pairs of all cells as one; every pair weighs the same. Groups of tasks stay whole across the cells that share them."""
    names = [(cell.tasks_of, str(task)) for cell in cells for task in cell.pairs.tasks.tolist()]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    pairs = Pairs(
        tasks=np.array([places[name] for name in names], dtype=np.int64),
        seeds=np.arange(len(names)),
        a=np.concatenate([cell.pairs.a for cell in cells]),
        b=np.concatenate([cell.pairs.b for cell in cells]),
        crossed=_crossed(cells),
    )
    runs = [cell.runs for cell in cells if cell.runs is not None]
    ended = [cell.ended for cell in cells if cell.ended is not None]
    return GatedCell(
        pairs,
        "",
        np.concatenate(runs, axis=1) if len(runs) == len(cells) else None,
        np.concatenate(ended) if len(ended) == len(cells) else None,
    )


def _crossed(cells: Sequence[GatedCell]) -> Clusters | None:
    """Marks that each pair shares with those of other groups, of its own set of tasks; None where no cell says anything."""
    if all(cell.pairs.crossed is None for cell in cells):
        return None
    every = (
        (cell.tasks_of, told)
        for cell in cells
        for told in (cell.pairs.crossed if cell.pairs.crossed is not None else [None] * cell.pairs.tasks.size)
    )
    named = (None if told is None else tuple(f"{name} | {mark}" for mark in told) for name, told in every)
    return np.fromiter(named, dtype=object, count=sum(cell.pairs.tasks.size for cell in cells))
