"""Judge and people together, beside what the judge says: what `leaderboard --labels` and `compare --labels` print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from harness.commands.printing import Grid, Look, print_grids, say
from harness.compare.comparison import Family
from harness.compare.labelled import LabelledDifference, labelled_difference, labelled_runs
from harness.compare.people import goals_by_people
from harness.compare.people_words import NOTE, Cells, cells_of, sentences
from harness.compare.ranks import Loaded
from harness.compare.sources import select
from harness.statistics.prediction_powered import Powered

WORDS = ("arm", "B against A", "dimension", "finding", "finding of the judge")
"""Columns of words."""


def print_labelled(loaded: Sequence[Loaded], judge: str | None, console: Console) -> None:
    """Print results of people's labels, for arms, questions and the judge, of every run that has some. Raises `BadInput`
    where none has."""
    runs = {each.arms.name: each.arms.path for each in loaded}
    arms = [arm for each in loaded for arm in each.arms.arms.values()]
    for found in labelled_runs(runs, arms, judge):
        print_cells(cells_of(found), console)
        for line in sentences(found):
            say(console, line)
    say(console, NOTE)


def print_cells(cells: Sequence[Cells], console: Console) -> None:
    """Tables below each other."""
    for each in cells:
        print_grids(console, [Grid(f"\n{each.caption}", each.columns, each.rows)], Look(words=WORDS))


def labelled_differences(family: Family, first: str, second: str | None) -> list[LabelledDifference]:
    """Every comparison of the family with what judge and people say together. Raises `BadInput` for a run without labels."""
    of_a = goals_by_people(select(first)[0].path)
    of_b = of_a if second is None else goals_by_people(select(second)[0].path)
    return [labelled_difference(row, of_a, of_b) for row in family.rows]


def labelled_json(found: Sequence[LabelledDifference]) -> list[dict[str, Any]]:
    """The differences as plain JSON, in the order of the comparisons; null for what is not bounded."""
    return [_as_json(each) for each in found]


def _as_json(each: LabelledDifference) -> dict[str, Any]:
    crossed = each.powered.crossed
    numbers = {name: _bounded(getattr(each.powered, name)) for name in Powered.__slots__ if name != "crossed"}
    return numbers | {"crossed_by": crossed.clusters if crossed else None, "finding": each.finding}


def _bounded(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
