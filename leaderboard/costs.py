"""Costs of a goal: money, tokens, calls and model seconds per episode beside the goal, and the frontier of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaderboard.board import Board, Filters

if TYPE_CHECKING:
    import pandas as pd

FRONTIER = "Filled: no arm's mean is as high for less. That is by the means alone; the ranking says which differences are shown."
"""The key to the marks of a chart of goal against cost."""
COSTS = ("usd", "tokens", "calls", "latency_s")
SUMMED = ("usd", "tokens", "calls", "reasoning_tokens")


def cost_table(board: Board, cost: str = "tokens", filters: Filters | None = None) -> pd.DataFrame:
    """One row per arm with a goal: run, environment, split, pairing, part, partner, actor, strategist, goal, low, high, and per
    finished episode usd, usd_known (as far as it is known; usd_unknown_calls of all its calls are not), tokens, calls,
    reasoning_tokens and latency_s of playing it (judging left out), `cost` (the one chosen), `pareto` (no arm of the same
    environment, split, pairing and part has a goal at least as high for less, or a higher one for as much; missing where the cost
    is not known and for scripted arms, which are left out), arm. Sorted by cost."""
    import pandas as pd

    if cost not in COSTS:
        raise ValueError(f"unknown cost {cost!r}; known: {', '.join(COSTS)}")
    kept = (filters or Filters()).keep(board.table)
    kept = kept[kept["goal"].notna()]
    played = (kept["finished"] + kept["failed"]).astype(float)
    each = {name: kept[name].astype(float) / played for name in (*SUMMED, "usd_known")}
    each["usd_unknown_calls"] = kept["usd_unknown_calls"].astype(float)
    head = [
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
        "interval_note",
        "high",
        "arm",
    ]
    table = kept[head].assign(**each, latency_s=kept["latency_s"].astype(float))
    table["cost"] = table[cost]
    table["pareto"] = pd.array([None] * len(table), dtype="boolean")
    for _, group in table.groupby(["environment", "split", "pairing", "part"], observed=True, sort=False, dropna=False):
        # a script that costs nothing would leave no model on the frontier
        known = group[group["cost"].notna() & ~group["scripted"].astype(bool)]
        for index, row in known.iterrows():
            better = (known["cost"] <= row["cost"]) & (known["goal"] >= row["goal"])
            strictly = (known["cost"] < row["cost"]) | (known["goal"] > row["goal"])
            table.loc[index, "pareto"] = not bool((better & strictly).any())
    return table.sort_values("cost", kind="stable", na_position="last").reset_index(drop=True)
