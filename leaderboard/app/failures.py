"""Failures by reason, on the viewer's first page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import streamlit as st

from harness.runs.failures import grouped_failures
from leaderboard.app.pieces import Column, Row, downloads, heading, show, table, texts
from leaderboard.board import Board, stamp

EXAMPLE = 300
"""Most characters of a message that stand in the table."""


def show_failures(board: Board, runs: Sequence[str] = ()) -> None:
    """A table of what failed in the runs of these names (none: all); nothing where nothing did."""
    names = [name for name in board.names if not runs or name in runs]
    rows = _failures(tuple((name, str(board.names[name])) for name in names), stamp(board.runs))
    if rows:
        columns = _columns(len(board.runs) > 1)
        show(
            heading("What failed, and why"),
            table(rows, columns, "What failed in its last attempt, by reason", "failures"),
        )
        downloads(texts(rows, columns), "failures", "failures", "Failures as")


@st.cache_data(max_entries=20, show_spinner=False)
def _failures(runs: tuple[tuple[str, str], ...], when: Any) -> list[Row]:
    return [{**asdict(group), "run": name} for name, folder in runs for group in grouped_failures(Path(folder))]


def _columns(several: bool) -> list[Column]:
    return [
        *([Column("Run", lambda row: str(row["run"]))] if several else []),
        Column("Reason", lambda row: str(row["reason"])),
        Column("Class", lambda row: str(row["failure"] or row["kind"])),
        Column("What failed", lambda row: f"{row['count']} × {row['what']}"),
        Column("Arms", lambda row: ", ".join(row["arms"]), wide=True),
        Column("Meaning", lambda row: row["meaning"], wide=True),
        Column("For example", lambda row: " ".join(row["example"].split())[:EXAMPLE], wide=True),
        Column("What to do", lambda row: row["advice"], wide=True),
    ]
