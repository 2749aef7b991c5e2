"""Outcomes of one arm by (task, seed), and two arms laid side by side. A pair is the same task with the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import BadInput

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What one arm reached. A value that is owed (failed or unscored episode) is NaN, never left out, never 0."""

    tasks: NDArray[Any]
    seeds: NDArray[Any]
    values: Floats

    @classmethod
    def of(
        cls,
        tasks: Sequence[Any] | NDArray[Any],
        seeds: Sequence[Any] | NDArray[Any],
        values: Sequence[float | None] | NDArray[Any],
    ) -> Outcomes:
        """Check and keep. Raises BadInput when a (task, seed) comes twice: a run counted double would look certain."""
        kept = cls(np.asarray(tasks), np.asarray(seeds), np.asarray(values, dtype=float))
        if not kept.tasks.shape == kept.seeds.shape == kept.values.shape or kept.values.ndim != 1:
            raise BadInput("tasks, seeds and values must be three lists of one length")
        if np.isinf(kept.values).any():
            raise BadInput("a value is infinite; give None for an episode without a score")
        import pandas as pd  # not at the top: a forecast needs none, and its import takes long

        double = pd.MultiIndex.from_arrays([kept.tasks, kept.seeds]).duplicated()
        if double.any():
            first = int(np.flatnonzero(double)[0])
            raise BadInput(
                f"task {kept.tasks[first]!s} with seed {kept.seeds[first]!s} comes more than once in one arm "
                f"({int(double.sum())} such rows); count every episode once: was a run given twice?"
            )
        return kept


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two arms on the same (task, seed) keys, sorted by them; NaN where an arm has no value."""

    tasks: NDArray[Any]
    seeds: NDArray[Any]
    a: Floats
    b: Floats

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Where both arms have a value."""
        return ~(np.isnan(self.a) | np.isnan(self.b))

    @property
    def missing(self) -> int:
        """How many keys lack a value in one arm or both."""
        return int((~self.complete).sum())


def pair(a: Outcomes, b: Outcomes) -> Pairs:
    """Lay two arms side by side. A key that only one of them has is kept, with NaN for the other."""
    import pandas as pd

    if np.array_equal(a.seeds, b.seeds) and np.array_equal(a.tasks, b.tasks):
        order = pd.MultiIndex.from_arrays([a.tasks, a.seeds]).argsort()
        return Pairs(a.tasks[order], a.seeds[order], a.values[order], b.values[order])
    frames = [
        pd.DataFrame({"task": arm.tasks, "seed": arm.seeds, name: arm.values}) for arm, name in ((a, "a"), (b, "b"))
    ]
    both = frames[0].merge(frames[1], on=["task", "seed"], how="outer").sort_values(["task", "seed"])
    return Pairs(both["task"].to_numpy(), both["seed"].to_numpy(), both["a"].to_numpy(float), both["b"].to_numpy(float))
