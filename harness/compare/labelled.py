"""Results of people's labels for a run, computed once for every surface: its arms, its questions, and its judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import BadInput
from harness.compare.arms import Arm
from harness.compare.comparison import Comparison
from harness.compare.conclusions import LEVEL, Finding
from harness.compare.people import (
    Goals,
    PeopleReport,
    Placed,
    goals_by_people,
    people_report,
    powered_difference,
    ranked_with_labels,
)
from harness.compare.questions import by_run, questions
from harness.results.labels import LABELS
from harness.statistics.prediction_powered import FEWEST, Powered


@dataclass(frozen=True, slots=True)
class LabelledDifference:
    """A comparison with people's labels beside what the judge alone says."""

    comparison: Comparison
    powered: Powered
    """Arm b minus arm a by people and judge together, with its own 95 % interval."""
    finding: Finding
    """`higher` and `lower` are shown at the level that all comparisons made together ask for (Bonferroni), `borderline` is found
    alone, `nothing` stands for too few labelled scenarios."""


@dataclass(frozen=True, slots=True)
class LabelledRun:
    """Results of one run's labels."""

    run: str
    placed: tuple[Placed, ...]
    differences: tuple[LabelledDifference, ...]
    """Those of the run's questions of which both arms were labelled on some task."""
    report: PeopleReport


def has_labels(run: Path) -> bool:
    """True for a run with labels by people."""
    return (run / LABELS).exists()


def labelled_runs(runs: Mapping[str, Path], arms: Iterable[Arm], judge: str | None = None) -> list[LabelledRun]:
    """Results of the labels of every run that has some. `runs`: name -> folder; `arms`: theirs, with the scores of `judge`, or
    of each run's own. Raises `BadInput` where none has."""
    labelled = {name: folder for name, folder in runs.items() if has_labels(folder)}
    if not labelled:
        first = next(iter(runs.values()))
        raise BadInput(f"{first} has no labels by people; draw episodes for them: harness labels sample {first}")
    people = {name: goals_by_people(folder) for name, folder in labelled.items()}
    every = by_run(arms)
    rows = questions(every).rows
    own = {here[0].source: here for here in every if here}
    return [_labelled_run(name, folder, own.get(name, []), rows, people, judge) for name, folder in labelled.items()]


def _labelled_run(
    name: str,
    folder: Path,
    arms: Sequence[Arm],
    rows: Sequence[Comparison],
    people: Mapping[str, Goals],
    judge: str | None,
) -> LabelledRun:
    asked = [row for row in rows if row.b.source == name and not row.trainings]
    found = [labelled_difference(row, people.get(row.a.source, {}), people[name]) for row in asked]
    return LabelledRun(
        name,
        tuple(ranked_with_labels(arms, people[name])),
        tuple(each for each in found if each.powered.labelled),
        people_report(folder, judge, arms),
    )


def labelled_difference(row: Comparison, of_a: Goals, of_b: Goals) -> LabelledDifference:
    """A comparison with the labels of its two arms' runs."""
    alone = powered_difference(row.a, row.b, of_a, of_b, 1 - LEVEL)
    together = alone if row.family < 2 else powered_difference(row.a, row.b, of_a, of_b, 1 - LEVEL / row.family)
    return LabelledDifference(row, alone, _finding(alone, together))


def _finding(alone: Powered, together: Powered) -> Finding:
    if alone.clusters < FEWEST:
        return "nothing"
    if together.low > 0 or together.high < 0:
        return "higher" if together.low > 0 else "lower"
    return "borderline" if alone.low > 0 or alone.high < 0 else "open"
