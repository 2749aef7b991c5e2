"""Arms of simulated runs, so that simulations go through the product's own comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.compare.arms import CLUSTERS, EPISODE, Arm
from harness.experiment.manifest_form import SEPARATOR


def simulated_arm(name: str, groups: NDArray[np.intp], goals: NDArray[np.float64], low: float, high: float,
                  episodes: Sequence[str] = (), clusters: NDArray[np.object_] | None = None) -> Arm:  # fmt: skip
    """An arm with one episode of each task. `groups`: the group of each task; `episodes`: ids, where they are asked for;
    `clusters`: the marks that each task shares with others beyond its group."""
    count = groups.size
    zeros, unknown = np.zeros(count, dtype=int), np.full(count, np.nan)
    outcomes = {
        "task_id": np.arange(count),
        "group": groups,
        "order": zeros,
        "repeat": zeros,
        "goal": goals,
        "missing": np.full(count, None, dtype=object),
        "tokens": unknown,
        "usd": unknown,
    }
    if episodes:
        outcomes[EPISODE] = np.array(episodes)
    if clusters is not None:
        outcomes[CLUSTERS] = clusters
    cell = SEPARATOR.join(["simulated", "all", "solo", "m", name])
    return Arm(
        "run", cell, count, {"name": "goal", "low": low, "high": high}, {}, {"strategist": {"kind": name}}, outcomes
    )
