"""Runs of the viewer: those among the paths it was started with, read once and kept until a file changes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from harness.base.errors import BadInput
from harness.compare.arms import fingerprint
from harness.results.soundness import DAMAGED, check_run, left_out
from harness.results.tables import find_runs
from leaderboard.app import LABELS
from leaderboard.board import Board, Stamp, open_board, stamp


@dataclass(frozen=True, slots=True)
class Opened:
    """Result of opening the runs."""

    board: Board | None
    problems: tuple[str, ...]
    """Per run that is left out: why, and what to do."""
    when: Stamp = ()
    """The files as they were when this was read, those of runs that are left out among them."""


def shown_paths() -> list[Path]:
    """The folders the viewer was started with."""
    return [Path(argument) for argument in sys.argv[1:] if argument != LABELS] or [Path("results")]


def labels_asked() -> bool:
    """True if the viewer was started with people's labels shown."""
    return LABELS in sys.argv[1:]


def runs_in(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The run folders among the paths, and what is wrong with the others. No run is no error here."""
    found: list[Path] = []
    problems = []
    for path in paths:
        if not path.is_dir():
            problems.append(f"{path} does not exist any more.")
            continue
        try:
            found += find_runs([path])
        except BadInput as error:
            if any(path.iterdir()) and not str(error).startswith("no run in"):
                problems.append(str(error))
    return list(dict.fromkeys(found)), problems


def opened(judge: str | None = None) -> Opened:
    """The board of all runs that can be read. The same object until a file changes: nobody may change it."""
    runs, problems = runs_in(shown_paths())
    if not runs:
        return Opened(None, tuple(problems))
    board = _open(tuple(map(str, runs)), stamp(runs), judge)
    return Opened(board.board, (*problems, *board.problems), board.when)


def now() -> Stamp:
    """The files as they are now."""
    runs, _ = runs_in(shown_paths())
    return stamp(runs) if runs else ()


@st.cache_resource(max_entries=2, show_spinner="Reading the runs …")
def _open(runs: tuple[str, ...], when: Stamp, judge: str | None) -> Opened:
    folders = [Path(run) for run in runs]
    try:
        for folder in folders:
            check_run(folder)
        return Opened(open_board(folders, judge), (), when)
    except DAMAGED:
        pass  # one of them cannot be read: find out which
    good, problems = readable(folders, judge)
    return Opened(open_board(good, judge) if good else None, tuple(problems), when)


def readable(folders: Sequence[Path], judge: str | None) -> tuple[list[Path], list[str]]:
    """The runs that can be shown together, and why the others cannot: damaged, or a copy."""
    good: list[Path] = []
    problems = []
    marks: dict[str, Path] = {}
    for folder in folders:
        try:
            mark = fingerprint(folder)
            if mark in marks:
                problems.append(f"{folder} is a copy of {marks[mark]} and is left out; every run counts once.")
            else:
                check_run(folder)
                open_board([folder], judge)
                good.append(folder)
                marks[mark] = folder
        except DAMAGED as error:
            problems.append(left_out(folder, error))
    return good, problems
