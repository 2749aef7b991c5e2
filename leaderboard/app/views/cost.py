"""Page 7: what a goal costs, and which arms no cheaper arm's mean reaches."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from leaderboard.app.frame import begin, filters
from leaderboard.app.pieces import Column, Row, downloads, draw, empty, heading, note, of_ranking, show, table, texts
from leaderboard.board import plain_rows
from leaderboard.charts import cost_frontier, names_of
from leaderboard.costs import COSTS, FRONTIER, cost_table
from leaderboard.page.sections import arm_marks, is_open
from leaderboard.ranking_columns import EPISODE, columns_of, place_columns

AXES = ("environment", "split", "partner", "actor", "run")
NAMES = {"usd": "USD", "tokens": "tokens", "calls": "model calls", "latency_s": "model seconds"}
WHAT = "Goal against what playing one episode costs; judging is left out."


def render() -> None:
    board = begin("Cost", WHAT)
    if board is None:
        return
    chosen = filters(board, AXES)
    cost = st.segmented_control(
        "Cost",
        list(COSTS),
        default="tokens",
        required=True,
        key="cost",
        bind="query-params",
        format_func=lambda name: NAMES[name],
    )
    whole = cost_table(board, str(cost), chosen)
    whole = whole[~whole["scripted"]]
    if whole.empty:
        empty("No arm with a goal fits these filters.")
        return
    note(f"{FRONTIER} An arm whose price is not known is in the table only.")
    unit = f"{NAMES[str(cost)]} per episode"
    several = len(board.runs) > 1
    every = arm_marks(board)
    everything: list[Row] = []
    for number, (place, group) in enumerate(
        whole.groupby(["environment", "split", "pairing"], sort=False, observed=True)
    ):
        metric = board.arms[int(group["arm"].iloc[0])].metric
        bounds = (float(metric["low"]), float(metric["high"]))
        rows = plain_rows(group)
        everything += rows
        title = " · ".join(map(str, place))
        show(heading(title))
        if group["cost"].notna().any():
            marks = [every.of(str(row["strategist"]), str(row["actor"])) for row in rows]
            hollow = [is_open(row, board) for row in rows]
            chart = cost_frontier(group, unit, f"mean {metric['name']}", bounds, names_of(rows, several), marks, hollow)
            draw(chart, f"cost-{number}")
        else:
            note(f"Not known here: {unit}. Prices of models are set with price: in an experiment.")
        show(table(rows, _columns(rows, several), f"{title}: cost per episode", "cost"))
    head = [of_ranking(each) for each in place_columns(everything)]
    downloads(texts(everything, [*head, *_columns(everything, several)]), "cost", "cost")


def _columns(rows: Sequence[Row], several_runs: bool) -> list[Column]:
    return [of_ranking(each) for each in columns_of(EPISODE, rows, several_runs)]
