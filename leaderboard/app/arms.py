"""Arms by name: what a person chooses in a list and what an address carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaderboard.board import Board


def arm_labels(board: Board, scripted: bool = True) -> dict[str, int]:
    """A name that no other arm has -> the arm's number, in the ranking's order."""
    several = len(board.runs) > 1
    found: dict[str, int] = {}
    for row in board.table.to_dict("records"):
        if scripted or not row["scripted"]:
            found[arm_label(row, several)] = int(row["arm"])
    return found


def arm_label(row: Mapping[Any, Any], several_runs: bool) -> str:
    """Strategist and actor, where they played, and the run where there are several."""
    parts = [f"{row['strategist']} + {row['actor']}", f"{row['environment']} {row['split']}", str(row["pairing"])]
    return " · ".join(parts + ([str(row["run"])] if several_runs else []))
