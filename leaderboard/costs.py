"""Costs of a goal: money, tokens, calls and model seconds per episode beside the goal, and the frontier of both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from leaderboard.board import Board, Filters, plain_rows
from leaderboard.cells import Row

if TYPE_CHECKING:
    import pandas as pd

FRONTIER = "Ringed: no arm's mean is as high for less. That is by the means alone; the ranking says which differences are shown."
"""The key to the marks of a chart of goal against cost."""
COSTS = ("usd", "tokens", "calls", "latency_s")
SUMMED = ("usd", "tokens", "calls", "reasoning_tokens")


HEAD = (
    *(
        "run",
        "environment",
        "split",
        "pairing",
        "part",
        "partner",
        "actor",
        "strategist",
        "scripted",
        "metric",
        "goal",
        "low",
    ),
    *("interval_note", "high", "arm"),
)
"""Columns that stand as the ranking has them."""
PLACE = ("environment", "split", "pairing", "part")
FIGURES = ("usd", "tokens", "calls", "reasoning_tokens", "usd_known", "usd_unknown_calls", "latency_s", "cost")


def cost_table(board: Board, cost: str = "tokens", filters: Filters | None = None) -> pd.DataFrame:
    """Return one row for each arm that has a goal, sorted by cost.

    Each row names the run, environment, split, pairing, part, partner, actor, strategist and arm, and has goal, low and high.
    Costs are means over finished episodes, of playing alone (judging is left out): usd, usd_known (the part that is known),
    usd_unknown_calls (calls of unknown price), tokens, calls, reasoning_tokens and latency_s. `cost` is the one that was
    chosen. `pareto` is true where no arm of the same environment, split, pairing and part has a goal as high for less, or a
    higher one for as much. It is missing where the cost is not known, and for scripted arms.
    """
    import pandas as pd

    rows = cost_rows(plain_rows((filters or Filters()).keep(board.table)), cost)
    table = pd.DataFrame(rows, columns=[*HEAD, *FIGURES, "pareto"])
    kinds = dict.fromkeys(FIGURES, "float64") | {"pareto": "boolean", "scripted": "bool"}
    return table.astype(kinds)


def cost_rows(rows: Iterable[Row], cost: str = "tokens") -> list[Row]:
    """The rows of `cost_table`, made from those of the ranking without pandas."""
    if cost not in COSTS:
        raise ValueError(f"unknown cost {cost!r}; known: {', '.join(COSTS)}")
    found = [_cost_row(row, cost) for row in rows if row["goal"] is not None]
    # a script that costs nothing would leave no model on the frontier
    drawn = [row for row in found if row["cost"] is not None and not row["scripted"]]
    for row in drawn:
        row["pareto"] = not any(_beats(other, row) for other in drawn)
    return sorted(found, key=lambda row: (row["cost"] is None, row["cost"] or 0.0))


def _cost_row(row: Row, cost: str) -> dict[str, Any]:
    played = float(row["finished"] + row["failed"])
    figures = {name: _each(row[name], played) for name in (*SUMMED, "usd_known")}
    figures |= {name: None if row[name] is None else float(row[name]) for name in ("usd_unknown_calls", "latency_s")}
    return {name: row[name] for name in HEAD} | figures | {"cost": figures[cost], "pareto": None}


def _each(total: float | None, played: float) -> float | None:
    return None if total is None or not played else float(total) / played


def _beats(other: Row, row: Row) -> bool:
    """True if another arm of the same place is at least as good in both, and better in one."""
    if any(other[name] != row[name] for name in PLACE):
        return False
    better = other["cost"] <= row["cost"] and other["goal"] >= row["goal"]
    return bool(better and (other["cost"] < row["cost"] or other["goal"] > row["goal"]))
