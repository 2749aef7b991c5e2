"""Learning curves of the trainings that belong to a board's runs: goal on held-out tasks by iteration, one line for each training
of a recipe and one for their mean. The static page and the viewer's first page draw the same curves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.compare.pooled import recipe_of
from harness.compare.trained import trained_parts
from harness.results.training_curve import CURVE, TRAINING, CurveRow, find_trainings, read_curve
from leaderboard.board import Board
from leaderboard.cells import amount

HELD_OUT = "held-out"
"""The folder of a training that its ranking lies in."""
Place = tuple[str, str, str]
"""Environment, split, pairing."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The goal that an iteration reached on held-out tasks, in the environment's own metric; with its 95 % interval, where it has
    one."""

    iteration: int
    goal: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """The curves of one recipe in one environment, split and pairing."""

    title: str
    trainings: Mapping[str, tuple[CurvePoint, ...]]
    """Name of a training -> its line."""
    mean: tuple[CurvePoint, ...]
    """The mean over the trainings at the iterations that all of them have; a single training's own line."""
    metric: str
    """Name of the metric in the environment; `goal` where no run here says."""
    beside: Mapping[str, float]
    """Goal of each strategist that was not trained (vanilla, react …), the mean over the trainings' rankings."""

    @property
    def iterations(self) -> int:
        """The last iteration of any line."""
        return max(point.iteration for points in self.trainings.values() for point in points)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value that is drawn."""
        points = [point for line in self.trainings.values() for point in line]
        drawn = self.mean if len(self.trainings) == 1 else ()
        ends = [end for point in drawn for end in (point.low, point.high) if end is not None]
        values = [*(point.goal for point in points), *ends, *self.beside.values()]
        return min(values), max(values)


def learning_curves(board: Board) -> tuple[list[LearningCurve], list[str]]:
    """The curves of a board's trainings, and a sentence for each training whose curve cannot be read."""
    read: dict[Path, list[CurveRow]] = {}
    problems = []
    for folder in trainings_of(board):
        try:
            read[folder] = read_curve(folder)
        except BadInput as error:
            problems.append(str(error))
    metrics = {arm.axes["environment"]: str(arm.metric["name"]) for arm in board.arms}
    return [curve for group in _by_recipe(read) for curve in _curves(group, read, metrics)], problems


def trainings_of(board: Board) -> list[Path]:
    """The folders of the trainings that a board's runs belong to: those whose ranking a run is, those whose weights a run played
    with, and those of the same recipe beside them."""
    own = dict.fromkeys(folder for run in board.runs for folder in _of_run(run, board))
    kin = [other for folder in own for other in _of_one_recipe(folder)]
    return list(dict.fromkeys([*own, *kin]))


def _of_run(run: Path, board: Board) -> Iterator[Path]:
    place = run.resolve().parent
    if place.name == HELD_OUT and _is_training(place.parent):
        yield place.parent
    named = {path for arm in board.arms if board.names[arm.source] == run for path in trained_parts(arm).values()}
    for weights in sorted(named):
        if len(Path(weights).parts) > 3:
            folder = Path(weights).parents[2]
            found = next(filter(_is_training, (place / folder.name, folder)), None)
            if found:
                yield found.resolve()


def _is_training(folder: Path) -> bool:
    return (folder / TRAINING).is_file() and (folder / CURVE).is_file()


def _of_one_recipe(folder: Path) -> list[Path]:
    """The trainings beside one that differ from it by their seed alone."""
    wanted = _recipe(folder)
    return [
        each
        for each in find_trainings(folder.parent)
        if each != folder and _is_training(each) and _recipe(each) == wanted
    ]


def _recipe(folder: Path) -> str:
    """A text that trainings of one recipe share."""
    try:
        return json.dumps(recipe_of(folder), sort_keys=True)
    except BadInput:
        return str(folder)


def _by_recipe(folders: Iterable[Path]) -> list[list[Path]]:
    groups: dict[str, list[Path]] = {}
    for folder in folders:
        groups.setdefault(_recipe(folder), []).append(folder)
    return list(groups.values())


def _curves(
    group: Sequence[Path], read: Mapping[Path, Sequence[CurveRow]], metrics: Mapping[str, str]
) -> list[LearningCurve]:
    """A curve for each place in which the trainings of one recipe were ranked."""
    lines: dict[Place, dict[str, tuple[CurvePoint, ...]]] = {}
    beside: dict[Place, dict[str, list[float]]] = {}
    for folder in group:
        for place, points in _lines(read[folder]).items():
            lines.setdefault(place, {})[folder.name] = points
        for place, name, goal in _beside(read[folder]):
            beside.setdefault(place, {}).setdefault(name, []).append(goal)
    return [
        LearningCurve(
            " · ".join(place),
            found,
            _mean(list(found.values())),
            metrics.get(place[0], "goal"),
            {n: _average(g) for n, g in beside.get(place, {}).items()},
        )
        for place, found in lines.items()
    ]


def _lines(rows: Sequence[CurveRow]) -> dict[Place, tuple[CurvePoint, ...]]:
    """The trained strategist's goal by place and iteration; iterations that were not ranked are left out."""
    found: dict[Place, list[CurvePoint]] = {}
    for row in rows:
        for result in row.held_out or []:
            if result.get("strategist") == row.strategist and (goal := _known(result.get("goal"))) is not None:
                point = CurvePoint(row.iteration, goal, _known(result.get("low")), _known(result.get("high")))
                found.setdefault(_place(result), []).append(point)
    return {place: tuple(points) for place, points in found.items()}


def _beside(rows: Sequence[CurveRow]) -> Iterator[tuple[Place, str, float]]:
    for row in rows[:1]:
        for result in row.held_out or []:
            goal = _known(result.get("goal"))
            if result.get("strategist") != row.strategist and goal is not None:
                yield _place(result), str(result.get("strategist")), goal


def _place(result: Mapping[str, Any]) -> Place:
    return str(result.get("environment")), str(result.get("split")), str(result.get("pairing"))


def _known(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _mean(lines: Sequence[Sequence[CurvePoint]]) -> tuple[CurvePoint, ...]:
    if len(lines) == 1:
        return tuple(lines[0])
    every = [{point.iteration: point.goal for point in line} for line in lines]
    shared = sorted(set.intersection(*(set(line) for line in every)))
    return tuple(CurvePoint(iteration, _average([line[iteration] for line in every])) for iteration in shared)


def _average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def curve_text(curve: LearningCurve) -> str:
    """Say what a curve shows, with the number of trainings: it is drawn without a claim."""
    count = len(curve.trainings)
    who = "One training" if count == 1 else f"{count} trainings of one recipe"
    if not curve.mean:
        return f"{who}. No iteration was ranked in all of them yet."
    first, last = curve.mean[0], curve.mean[-1]
    text = f"{who}: mean {curve.metric} on held-out tasks {amount(first.goal)} " + _after(first)
    if last is not first:
        text += f", {amount(last.goal)} {_after(last)}"
    if count > 1:
        ends = [point.goal for line in curve.trainings.values() for point in line if point.iteration == last.iteration]
        text += f" ({amount(min(ends))} to {amount(max(ends))} by training)"
    beside = "; ".join(f"{name} {amount(goal)}" for name, goal in curve.beside.items())
    return text + (f". Not trained: {beside}." if beside else ".")


def _after(point: CurvePoint) -> str:
    return "before training" if point.iteration == 0 else f"after iteration {point.iteration}"
