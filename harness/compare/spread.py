"""Reliability of single arms' numbers, and the parts that their variance comes from, over one run or several.

`harness compare` says what differs between two arms; this says of each arm what its missing outcomes could change and how
reliably it succeeds when tried again, and of each environment how much of the variance of its scores is the actor's, the
strategist's, the partner's, the judge's and the scenario's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.base.errors import BadInput
from harness.compare.arms import Arm, clusters_in, load_run, refuse_copies
from harness.compare.doubts import interval_note
from harness.results.index import latest_judgements
from harness.statistics import (
    Bounds,
    Component,
    Estimate,
    bounded_mean,
    pass_at_k,
    pass_hat_k,
    split_with_intervals,
    variance_split,
)
from harness.statistics.passk import Alike

FACTORS = ("actor", "strategist", "partner", "judge", "scenario")


@dataclass(frozen=True, slots=True)
class Reliability:
    """The reliability of one arm's outcomes."""

    run: str
    cell: str
    planned: int
    bounds: Bounds | None
    """Bounds of the goal; the ends are equal where nothing is missing. None: no episode was played."""
    again: tuple[tuple[int, Estimate, Estimate], ...]
    """(k, pass^k, pass@k) for every k up to the number of repeats."""
    note: str
    """Reason why `again` is empty."""
    doubt: str = ""
    """Reason why the intervals may be too narrow; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Split:
    """The variance of the goal in one environment."""

    environment: str
    scores: int
    parts: dict[str, Component]
    """Factors of `FACTORS` that vary, and the residual; empty where `note` says why."""
    constant: tuple[str, ...]
    """Factors with one level only: nothing is known of them."""
    note: str


def reliabilities(runs: Sequence[Path], judge: str | None = None) -> list[Reliability]:
    """Every arm of the runs. Raises `BadInput` when a run is given twice."""
    refuse_copies(list(runs))
    return [_reliability(arm) for run in runs for arm in load_run(run, judge).arms.values()]


def _reliability(arm: Arm) -> Reliability:
    rows = arm.rows
    if rows.empty:
        return Reliability(arm.source, arm.cell, arm.planned, None, (), "no episode was played")
    low, high = arm.bounds("goal")
    assert low is not None and high is not None
    unplayed = max(0, arm.planned - len(rows))
    # Episodes without a row belong to no known task: each stands for itself.
    values = [*rows["goal"], *[None] * unplayed]
    groups = [*rows["group"].astype(str), *(f"unplayed {number}" for number in range(unplayed))]
    clusters = clusters_in(arm)
    again, note = _again(rows, Alike(rows["group"].astype(str).to_numpy(dtype=object), clusters))
    if clusters is not None:
        clusters = np.concatenate([clusters, np.full(unplayed, None, dtype=object)])
    bounds = bounded_mean(values, groups, low, high, crossed=clusters)
    return Reliability(arm.source, arm.cell, arm.planned, bounds, again, note, interval_note(arm) or "")


def _again(rows: pd.DataFrame, alike: Alike) -> tuple[tuple[tuple[int, Estimate, Estimate], ...], str]:
    tasks = (rows["task_id"].astype(str) + " | " + rows["order"].astype(str)).to_numpy(dtype=object)
    most = int(pd.Series(tasks).value_counts().min())
    if most < 2:
        return (), "tasks were played once"
    if rows["success"].isna().any():
        return (), "outcomes are missing"
    wins = rows["success"].to_numpy(dtype=float)
    found = [
        (k, pass_hat_k(wins, tasks, k, alike=alike), pass_at_k(wins, tasks, k, alike=alike)) for k in range(1, most + 1)
    ]
    return tuple(found), ""


def splits(runs: Sequence[Path]) -> list[Split]:
    """One split per environment, over all runs and all judges whose scores are stored. Raises `BadInput` when a run is
    given twice, and when there is no score at all."""
    refuse_copies(list(runs))
    table = pd.concat([frame for run in runs for frame in _frames(run)], ignore_index=True)
    if table.empty:
        raise BadInput(f"no episode in {', '.join(map(str, runs))} has a score yet")
    return [_split(str(name), rows) for name, rows in table.groupby("environment", sort=True)]


def _frames(run: Path) -> list[pd.DataFrame]:
    """The run's scores with their factors, once per judge; what the world verified, once."""
    labels = sorted({row["judge"] for row in latest_judgements(run).values() if row["status"] == "scored"})
    frames = [pd.DataFrame({name: [] for name in ("environment", "goal", *FACTORS)})]
    for number, label in enumerate(labels or [None]):
        for arm in load_run(run, label).arms.values():
            judged = arm.facts["judge"] is not None
            if judged or number == 0:
                frames.append(_frame(arm, str(label) if judged else "the world"))
    return frames


def _frame(arm: Arm, judge: str) -> pd.DataFrame:
    rows = arm.rows[arm.rows["goal"].notna()]
    axes = arm.axes
    return pd.DataFrame(
        {
            "environment": axes["environment"],
            "goal": rows["goal"].astype(float),
            "actor": axes["actor"],
            "strategist": axes["strategist"],
            "partner": axes["pairing"],
            "judge": judge,
            "scenario": rows["group"].astype(str),
        }
    )


ARM_BY_SCENARIO = "arm × scenario"
"""The component of what an arm (actor, strategist and partner) makes of a scenario beyond what either does everywhere."""


def _parts(rows: pd.DataFrame, varied: Sequence[str]) -> tuple[dict[str, Component], str]:
    """The components, arm × scenario among them where arms met scenarios more than once; and what is to be said of it."""
    goal, factors = rows["goal"].to_numpy(), {name: rows[name].tolist() for name in varied}
    if "scenario" not in varied:
        return variance_split(goal, factors), ""
    arms = [name for name in ("actor", "strategist", "partner") if name in varied]
    if not arms:
        return split_with_intervals(goal, factors, "scenario"), ""
    both = list(zip(*(factors[name] for name in arms), factors["scenario"], strict=True))
    try:
        return split_with_intervals(goal, {**factors, ARM_BY_SCENARIO: both}, "scenario"), ""
    except ValueError:
        return split_with_intervals(goal, factors, "scenario"), (
            f"{ARM_BY_SCENARIO} is part of the residual: it needs repeats of the same arm in the same scenario"
        )


def _split(environment: str, rows: pd.DataFrame) -> Split:
    varied = [name for name in FACTORS if rows[name].nunique() > 1]
    constant = tuple(name for name in FACTORS if name not in varied)
    note = ""
    parts: dict[str, Component] = {}
    if not varied:
        note = "nothing but the seed varies"
    else:
        try:
            parts, note = _parts(rows, varied)
        except ValueError as problem:
            note = str(problem)
    return Split(environment, len(rows), parts, constant, note)
