"""Checks that a run's folder can be read and used, before anybody counts on it: its manifest, every line of its records, and
that what they say is possible.

Lines are looked at once, when they are indexed (`harness.results.index`); what the index holds is checked every time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.base.columns import Columns
from harness.base.errors import BadInput, Damaged
from harness.experiment.manifest_form import SEPARATOR
from harness.results.index import index_columns
from harness.results.judge_kinds import kind_in, scale_of
from harness.results.scalars import KINDS
from harness.results.scales import SLACK
from harness.results.store import EPISODES, JUDGEMENTS, read_manifest, unreadable

DAMAGED = (BadInput, OSError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError)
"""Errors that reading a run with damaged files can raise."""


def check_run(folder: Path) -> dict[str, Any]:
    """The manifest of a run that can be read. Raises `Damaged` naming the file, the line and what to do; `BadInput` where
    there is no run."""
    manifest = read_manifest(folder)
    for name in KINDS:
        columns = index_columns(folder / name)
        for row, problem in problems_of(name, columns, manifest):
            offset = int(columns.numbers("offset")[row])
            raise unreadable(folder / name, offset, problem)
    return manifest


def readable(runs: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The runs that can be read, and why each of the others is left out."""
    good, problems = [], []
    for run in runs:
        try:
            check_run(run)
            good.append(run)
        except DAMAGED as error:
            problems.append(left_out(run, error))
    return good, problems


def damaged(run: Path, error: Exception) -> BadInput:
    """The error itself where it says what is wrong, else one that names the run."""
    if isinstance(error, BadInput):
        return error
    return Damaged(f"{run} cannot be read: {type(error).__name__}: {error}. `harness repair {run}` checks its records.")


def left_out(run: Path, error: Exception) -> str:
    """One sentence on a run that is left out."""
    return f"{run} is left out: {damaged(run, error)}"


def problems_of(file: str, columns: Columns, manifest: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """(row, what is wrong with it), of the index's columns."""
    for name, kind in columns.schema.items():
        if kind == "text":
            yield from _no_texts(columns, name)
        elif kind == "number":
            yield from _where(np.isinf(columns.numbers(name)), f"{name} is infinite")
    if file == EPISODES:
        yield from _outcomes_out_of_range(columns, manifest)
    elif file == JUDGEMENTS:
        yield from _scores_out_of_scale(columns)


def _no_texts(columns: Columns, name: str) -> Iterator[tuple[int, str]]:
    texts = columns.texts(name)
    for code, value in enumerate(texts.values):
        if not isinstance(value, str):
            yield from _where(texts.codes == code, f"{name} is {value!r:.100}; expected a text")


def _outcomes_out_of_range(columns: Columns, manifest: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    scores, cells = columns.numbers("score"), columns.texts("cell")
    for code, cell in enumerate(cells.values):
        world = manifest["environments"].get(cell.split(SEPARATOR)[0])
        if world is not None:
            low, high = float(world["metric"]["low"]), float(world["metric"]["high"])
            problem = f"its outcome's score lies outside {low:g} to {high:g}"
            yield from _where((cells.codes == code) & _outside(scores, low, high), problem)


def _scores_out_of_scale(columns: Columns) -> Iterator[tuple[int, str]]:
    judges = columns.texts("judge")
    for name in columns.score_names():
        yield from _where(np.isinf(columns.numbers(name)), f"a score for {name[2:]!r} is infinite")
    for code, label in enumerate(judges.values):
        try:
            scale = scale_of(kind_in(label))
        except BadInput:
            continue  # a plug-in's judge that is not installed here
        for dimension, low, high in scale:
            for name in (each for each in columns.score_names() if each[2:] == dimension):
                problem = f"a score for {dimension!r} lies outside {low:g} to {high:g}"
                yield from _where((judges.codes == code) & _outside(columns.numbers(name), low, high), problem)


def _outside(values: Any, low: float, high: float) -> Any:
    slack = SLACK * max(1.0, high - low)
    return (values < low - slack) | (values > high + slack)


def _where(bad: Any, problem: str) -> Iterator[tuple[int, str]]:
    yield from ((int(row), problem) for row in np.flatnonzero(bad))
