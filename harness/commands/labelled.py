"""Judge and people together, beside what the judge says: tables of `leaderboard --labels` and `compare --labels`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.commands.printing import Grid, Look, print_grids, say
from harness.compare.arms import Arm, load_run
from harness.compare.comparison import Comparison, Family
from harness.compare.people import (
    Goals,
    Placed,
    arm_name,
    difference_sentence,
    goals_by_people,
    powered_difference,
    ranked_with_labels,
)
from harness.compare.sources import select
from harness.statistics.prediction_powered import FEWEST, Powered

HEADS = ("arm", "judge", "with labels", "95 %", "labels alone", "95 % alone", "labelled", "groups", "rank")


def print_labelled(runs: Sequence[Path], judge: str | None, console: Console) -> None:
    """A table per run: every labelled arm's mean by the judge, by both together, and by the labels alone. Raises `BadInput` for a
    run without labels."""
    for run in runs:
        arms = load_run(run, judge).arms
        rows = [_texts(arms[each.cell], each) for each in ranked_with_labels(run, judge)]
        head = f"\n{run.name}: the goal by the judge and people together"
        print_grids(console, [Grid(head, HEADS, rows)], Look(words=("arm",)))
    say(
        console,
        "With labels: people's mean, moved by the judge's scores of what they did not label (prediction-powered inference). "
        "It holds whatever the judge is like, for labels that were drawn at random (`harness labels sample`).",
    )


def _texts(arm: Arm, placed: Placed) -> tuple[str, ...]:
    goals, both = arm.outcomes["goal"], placed.powered
    known = [float(goal) for goal in goals if not math.isnan(goal)]
    place = f"{placed.rank} ({placed.rank_low} to {placed.rank_high})"
    ends = _ends(both.low, both.high, both), _ends(both.alone_low, both.alone_high, both)
    numbers = f"{sum(known) / len(known):.2f}", f"{both.mean:.2f}", ends[0], f"{both.alone:.2f}", ends[1]
    return (arm_name(arm), *numbers, str(both.labelled), str(both.clusters), place)


def _ends(low: float, high: float, powered: Powered) -> str:
    return f"{low:.2f} … {high:.2f}" if powered.clusters >= FEWEST else "too few scenarios"


def labelled_differences(family: Family, first: str, second: str | None) -> list[tuple[Comparison, Powered]]:
    """Every comparison of the family with what judge and people say together. Raises `BadInput` for a run without labels."""
    of_a = goals_by_people(select(first)[0].path)
    of_b = of_a if second is None else goals_by_people(select(second)[0].path)
    return [(row, _difference(row, of_a, of_b)) for row in family.rows]


def _difference(row: Comparison, of_a: Goals, of_b: Goals) -> Powered:
    return powered_difference(row.a, row.b, of_a, of_b)


def labelled_lines(found: Sequence[tuple[Comparison, Powered]]) -> list[str]:
    """A sentence for each comparison."""
    return [
        f"{arm_name(row.b)} against {arm_name(row.a)}: {difference_sentence(powered, row.result.estimate.mean)}."
        for row, powered in found
    ]


def labelled_json(found: Sequence[tuple[Comparison, Powered]]) -> list[dict[str, Any]]:
    """The same as plain JSON, in the order of the comparisons; null for what is not bounded."""
    names = Powered.__slots__
    return [
        {name: None if _unbounded(value) else value for name in names for value in [getattr(powered, name)]}
        for _, powered in found
    ]


def _unbounded(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
