"""Frame of every page: its title, what could not be read, how far a running run is, and the filters.

The state of a page stands in its address: every filter is bound to a query parameter of its name, so that an address can be
shared, and a value that nothing here has is dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from harness.base.counts import counted
from harness.compare.labelled import has_labels
from harness.results.holding import being_played
from leaderboard.app.loading import Opened, labels_asked, now, opened, shown_paths
from leaderboard.app.pieces import empty, note, notice, show, style
from leaderboard.board import Board, Filters, choices
from leaderboard.page.markup import node

EVERY = 5.0
"""Seconds between looks at the runs: is there something new?"""
OWN = "each run's own"
LABELS = {
    "run": "Run",
    "environment": "Environment",
    "split": "Split",
    "pairing": "Pairing",
    "partner": "Partner",
    "actor": "Actor",
    "strategist": "Strategist",
}


def begin(title: str, what: str) -> Board | None:
    """Title, messages and the board; None where there is nothing to show (then the page says what to run)."""
    style()
    st.title(title)
    note(what)
    first = opened()
    for problem in first.problems:
        notice(problem, "warning")
    if first.board is None:
        paths = ", ".join(map(str, shown_paths()))
        empty(
            f"No run in {paths} yet. Play the quick-start (a small local model, no key), or an experiment of your own; "
            "this page shows it as soon as it begins.",
            "harness run",
            "harness run my.yaml",
        )
        _live(first)
        return None
    chosen = _judge(first)
    shown = opened(chosen) if chosen else first
    board = shown.board
    if board is None:
        return None
    _live(shown)
    if not len(board.played):
        empty("The run has no episode yet. This command goes on with it:", "harness run")
    return board


def _judge(first: Opened) -> str | None:
    """The judge whose scores are shown, where there is a choice."""
    assert first.board is not None
    if len(first.board.judges) < 2:
        return None
    with st.sidebar:
        found = st.selectbox(
            "Judge",
            [OWN, *first.board.judges],
            key="judge",
            bind="query-params",
            help="Whose scores count. They are never mixed.",
        )
    return None if found in (None, OWN) else str(found)


def filters(board: Board, axes: Sequence[str]) -> Filters:
    """The filters among the axes for which there is a choice, in the sidebar; nothing chosen keeps everything."""
    offered = choices(board)
    chosen: dict[str, tuple[str, ...]] = {}
    with st.sidebar:
        for axis in axes:
            if len(offered[axis]) > 1:
                found = st.multiselect(LABELS[axis], offered[axis], key=axis, bind="query-params", placeholder="all")
                chosen[axis] = tuple(found)
    return Filters(**chosen)


def labels_wanted(board: Board) -> bool:
    """True if the reader wants to see what people's labels say; the switch is there where a run has labels."""
    if not any(has_labels(folder) for folder in board.runs):
        return False
    with st.sidebar:
        return bool(
            st.toggle(
                "People's labels",
                value=labels_asked(),
                key="labels",
                bind="query-params",
                help="What people's labels and the judge say together, beside what the judge says alone.",
            )
        )


def _live(shown: Opened) -> None:
    """Redraw the page as soon as a run is new or has something new; how far those are that are being played."""
    st.fragment(_watch, run_every=EVERY)(shown, _playing(shown.board))


def _watch(shown: Opened, playing: tuple[str, ...]) -> None:
    board = shown.board
    if now() != shown.when or _playing(board) != playing:
        st.rerun(scope="app")
    if board and playing:
        here = [row for row in board.rows if row["run"] in playing]
        done, planned = sum(row["finished"] + row["failed"] for row in here), sum(row["planned"] for row in here)
        text = f"{', '.join(playing)}: being played, {done} of {counted(planned, 'episode')}. This page follows it."
        show(node("div", text, class_="notice", role="status"))


def _playing(board: Board | None) -> tuple[str, ...]:
    return tuple(name for name, folder in board.names.items() if being_played(folder)) if board else ()


def running_note(folder: Path, files: Sequence[Path]) -> None:
    """Redraw the page when one of the files changes, as long as a process is working on the folder."""
    if being_played(folder):
        st.fragment(_watch_files, run_every=EVERY)(folder, tuple(files), _marks(files))


def _watch_files(folder: Path, files: Sequence[Path], seen: Sequence[tuple[int, int]]) -> None:
    if _marks(files) != seen or not being_played(folder):
        st.rerun(scope="app")
    show(node("div", f"{folder.name}: is going on. This page follows it.", class_="notice", role="status"))


def _marks(files: Sequence[Path]) -> list[tuple[int, int]]:
    return [(path.stat().st_size, path.stat().st_mtime_ns) if path.exists() else (0, 0) for path in files]


def progress_note(board: Board) -> str:
    """Amount that was read, in words."""
    count = len(board.played)
    return f"{counted(len(board.runs), 'run')}, {counted(len(board.arms), 'arm')}, {counted(count, 'episode')}."
