"""Outcomes of one arm by (task, seed), and two arms laid side by side. A pair is the same task with the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import BadInput
from harness.base.frame import ranks_of
from harness.statistics.crossed import Clusters

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The outcomes of one arm. A missing value (failed or unscored episode) is NaN, never left out, never 0."""

    tasks: NDArray[Any]
    seeds: NDArray[Any]
    values: Floats
    crossed: Clusters | None = None
    """Marks that each shares with others beyond its task, as tuples of names (`harness.statistics.crossed`)."""

    @classmethod
    def of(
        cls,
        tasks: Sequence[Any] | NDArray[Any],
        seeds: Sequence[Any] | NDArray[Any],
        values: Sequence[float | None] | NDArray[Any],
        crossed: Clusters | None = None,
    ) -> Outcomes:
        """Check and keep. Raises BadInput when a (task, seed) comes twice: a run counted double would look certain."""
        kept = cls(np.asarray(tasks), np.asarray(seeds), np.asarray(values, dtype=float), crossed)
        if not kept.tasks.shape == kept.seeds.shape == kept.values.shape or kept.values.ndim != 1:
            raise BadInput("tasks, seeds and values must be three lists of one length")
        if np.isinf(kept.values).any():
            raise BadInput("a value is infinite; give None for an episode without a score")
        seen: set[tuple[Any, Any]] = set()
        keys = list(zip(kept.tasks.tolist(), kept.seeds.tolist(), strict=True))
        double = []
        for place, key in enumerate(keys):
            if key in seen:
                double.append(place)
            seen.add(key)
        if double:
            task, run = kept.tasks[double[0]], kept.seeds[double[0]]
            raise BadInput(
                f"task {task!s} with seed {run!s} comes more than once in one arm "
                f"({len(double)} such rows); count every episode once: was a run given twice?"
            )
        return kept


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two arms on the same (task, seed) keys, sorted by them; NaN where an arm has no value."""

    tasks: NDArray[Any]
    seeds: NDArray[Any]
    a: Floats
    b: Floats
    crossed: Clusters | None = None
    """Marks that each key shares with others beyond its task, as tuples of names; None where nothing is told."""

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Mask of the keys for which both arms have a value."""
        return ~(np.isnan(self.a) | np.isnan(self.b))

    @property
    def missing(self) -> int:
        """Number of keys that lack a value in one arm or both."""
        return int((~self.complete).sum())


def pair(a: Outcomes, b: Outcomes) -> Pairs:
    """Lay two arms side by side. A key that only one of them has is kept, with NaN for the other."""
    if np.array_equal(a.seeds, b.seeds) and np.array_equal(a.tasks, b.tasks):
        order = _order(a.tasks, a.seeds)
        crossed = a.crossed if a.crossed is not None else b.crossed
        told = None if crossed is None else crossed[order]
        return Pairs(a.tasks[order], a.seeds[order], a.values[order], b.values[order], told)
    rows: dict[tuple[Any, Any], int] = {}
    places = [
        np.array(
            [rows.setdefault(key, len(rows)) for key in zip(arm.tasks.tolist(), arm.seeds.tolist(), strict=True)], int
        )
        for arm in (a, b)
    ]
    tasks, seeds = (np.array(values, dtype=object) for values in (zip(*rows, strict=True) if rows else ([], [])))
    sides = [np.full(len(rows), np.nan) for _ in places]
    for side, place, arm in zip(sides, places, (a, b), strict=True):
        side[place] = arm.values
    order = _order(tasks, seeds)
    told = _crossed(places, (a, b), len(rows))
    return Pairs(tasks[order], seeds[order], sides[0][order], sides[1][order], None if told is None else told[order])


def _crossed(places: Sequence[NDArray[np.intp]], arms: Sequence[Outcomes], rows: int) -> Clusters | None:
    """Marks that each key shares with others, as the arm says that has it; None where no arm says anything."""
    if all(arm.crossed is None for arm in arms):
        return None
    found = np.empty(rows, dtype=object)
    found[:] = [()] * rows
    for place, arm in zip(places, arms, strict=True):
        if arm.crossed is not None:
            found[place] = arm.crossed
    return found


def _order(tasks: NDArray[Any], seeds: NDArray[Any]) -> NDArray[np.intp]:
    """The rows by task, then by seed."""
    return np.lexsort((ranks_of(seeds), ranks_of(tasks)))
