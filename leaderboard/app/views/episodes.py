"""Page 5: the episodes, searched and filtered, and one of them as a conversation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pandas as pd
import streamlit as st

from harness.base.errors import BadInput
from leaderboard.app.dialogue import conversation_elements
from leaderboard.app.frame import begin, filters
from leaderboard.app.pieces import Column, Row, downloads, empty, link, note, notice, show, table, texts
from leaderboard.board import Board, Filters, plain_rows, stamp
from leaderboard.cells import NOTHING, amount, count
from leaderboard.episodes import Conversation, conversation, episode_list
from leaderboard.page.markup import node
from leaderboard.textsearch import MOST, Hits, records_with

AXES = ("run", "environment", "split", "pairing", "partner", "actor", "strategist")
EACH = 25
"""Episodes on one page of the list."""
SORTS = {
    "As played": (None, False),
    "Lowest goal": ("goal", False),
    "Highest goal": ("goal", True),
    "Most turns": ("n_turns", True),
    "Most tokens": ("tokens", True),
    "Slowest": ("latency_s", True),
}
WHAT = "What was said and done, turn by turn. Everything agents wrote is shown as plain text."


def render() -> None:
    board = begin("Episodes", WHAT)
    if board is None or board.episodes.empty:
        return
    chosen = filters(board, AXES)
    wanted = st.query_params.get("episode", "")
    if wanted:
        _one(board, chosen, wanted)
    else:
        _list(board, chosen)


def _list(board: Board, chosen: Filters) -> None:
    kinds = _kinds(board.episodes)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search", key="search", bind="query-params", placeholder="task, arm, id, ending …", width=250
        )
        status = st.multiselect("Status", kinds, key="status", bind="query-params", placeholder="all", width=170)
        goal = _goal_range(board)
        sort = st.selectbox("Order", list(SORTS), key="order", bind="query-params", width=150)
    second = st.container(horizontal=True, vertical_alignment="bottom")
    with second:
        said = st.text_input(
            "Holds the phrase",
            key="phrase",
            bind="query-params",
            placeholder="as it was written",
            width=250,
            help="Searches the whole records: what was said, thought, proposed and shown. Upper and lower case differ.",
        )
    if said:
        board = holding(board, str(said))
    column, descending = SORTS[str(sort)]
    found, total = episode_list(board, chosen, str(search or ""), status, goal, column, descending)
    if not total:
        empty("No episode fits. Take a filter away in the sidebar, or search for something else.")
        return
    pages = (total + EACH - 1) // EACH
    page = 1
    if pages > 1:
        with second:
            chosen_page = st.number_input(f"Page (of {pages:,})", 1, pages, key="page", bind="query-params", width=170)
        page = int(chosen_page or 1)
    page = min(page, pages)
    rows = plain_rows(found.iloc[(page - 1) * EACH : page * EACH])
    several = len(board.runs) > 1
    show(
        table(
            rows,
            _columns(several),
            f"Episodes {(page - 1) * EACH + 1:,} to {min(page * EACH, total):,} of {total:,}",
            "episodes",
        )
    )
    downloads(texts(rows, _columns(several)), "episodes", "episodes")
    note("The download holds the rows shown here; every episode stands in the run's own episodes.jsonl.")


def holding(board: Board, phrase: str) -> Board:
    """The board with the episodes alone whose records hold the phrase."""
    hits = _search(tuple((name, str(folder)) for name, folder in board.names.items()), stamp(board.runs), phrase)
    if hits.cut:
        note(f"More than {MOST:,} episodes of a run hold this phrase; the first ones are shown.")
    table = board.episodes
    kept = pd.Series(False, index=table.index)
    for name, offsets in hits.offsets.items():
        kept |= (table["run"].astype(str) == name) & table["offset"].isin(offsets)
    return replace(board, played=board.played.only(kept))


@st.cache_data(max_entries=20, show_spinner="Searching the records …")
def _search(runs: tuple[tuple[str, str], ...], when: Any, phrase: str) -> Hits:
    return records_with({name: Path(folder) for name, folder in runs}, phrase)


def _kinds(episodes: pd.DataFrame) -> list[str]:
    missing = episodes["missing"].astype(object)
    return sorted(str(each) for each in missing.where(missing.notna(), "finished").unique())


def _goal_range(board: Board) -> tuple[float, float] | None:
    """The goals to show; None: all, those without one, too."""
    known = board.episodes["goal"].dropna()
    if known.empty:
        return None
    low, high = float(known.min()), float(known.max())
    if high - low < 1e-9:
        return None
    step = 0.5 if high - low > 2 else 0.05
    found = st.slider("Goal", low, high, (low, high), step=step, key="goal", bind="query-params", width=170)
    return None if tuple(found) == (low, high) else (float(found[0]), float(found[1]))


def _columns(several_runs: bool) -> list[Column]:
    return [
        Column("Episode", lambda row: str(row["episode_id"]), _linked),
        Column("Task", lambda row: str(row["task_id"]), wide=True),
        Column("Strategist", lambda row: str(row["strategist"])),
        Column("Actor", lambda row: str(row["actor"])),
        Column("Where", lambda row: f"{row['environment']} {row['split']}, {row['pairing']}", wide=True),
        *([Column("Run", lambda row: str(row["run"]))] if several_runs else []),
        Column("Goal", lambda row: amount(row["goal"]), number=True),
        Column("Status", _status, _status_chip),
        Column("Turns", lambda row: count(row["n_turns"]), number=True),
        Column("Tokens", lambda row: count(row["tokens"]), number=True),
        Column("Seconds", lambda row: amount(row["latency_s"]), number=True),
    ]


def _linked(row: Row) -> Element:
    shown = str(row["episode_id"])
    return link(shown[:10], "episodes", run=str(row["run"]), episode=shown)


def _status(row: Row) -> str:
    return str(row["missing"]) if row["missing"] is not None else "finished"


def _status_chip(row: Row) -> Element:
    said = _status(row)
    return node("span", said, class_="chip" if said == "finished" else "chip warn")


def find(board: Board, runs: tuple[str, ...], wanted: str) -> Conversation:
    """The episode of that id in one of the runs (none: any). Raises `BadInput` when there is none, or several."""
    names = [name for name in board.names if not runs or name in runs]
    if len(names) > 1:
        table = board.episodes
        ids = table["episode_id"].astype(str)
        names = [str(name) for name in table.loc[ids == wanted, "run"].unique() if not runs or name in runs]
        if not names:
            raise BadInput(f"no episode {wanted!r} in these runs")
        if len(names) > 1:
            raise BadInput(f"the episode {wanted!r} is in several runs ({', '.join(names)}); choose one in the sidebar")
    return conversation(board, names[0], wanted)


def _one(board: Board, chosen: Filters, wanted: str) -> None:
    if st.button("All episodes", icon=":material/arrow_back:", key="back"):
        del st.query_params["episode"]
        st.rerun()
    try:
        shown = find(board, chosen.run, wanted)
    except BadInput as error:
        notice(str(error), "error")
        return
    _neighbours(board, shown)
    show(*conversation_elements(shown))
    if st.toggle("Raw record (JSON)", key="raw", bind="query-params"):
        st.code(shown.raw, language="json", height=480, wrap_lines=True)
        st.download_button(
            "Download JSON",
            shown.raw,
            "episode.json",
            "application/json",
            key="raw-json",
            on_click="ignore",
            type="tertiary",
        )


def _neighbours(board: Board, shown: Conversation) -> None:
    """Links to what other arms did on the same task with the same seed."""
    record = shown.record
    table = board.episodes
    same: Any = (
        (table["run"].astype(str) == shown.run)
        & (table["task_id"].astype(str) == record.task_id)
        & (table["environment"].astype(str) == shown.head["cell"].split(" | ")[0])
        & (table["split"].astype(str) == record.split)
        & (table["pairing"].astype(str) == record.pairing)
        & (table["order"] == record.order)
        & (table["repeat"] == record.repeat)
        & (table["episode_id"].astype(str) != record.episode_id)
    )
    others = plain_rows(table[same].head(12))
    if others:
        parts = node("p", "Same task and seed: ", class_="note")
        for number, row in enumerate(others):
            name = (
                f"{row['strategist']} + {row['actor']} ({amount(row['goal']) if row['goal'] is not None else NOTHING})"
            )
            parts.append(link(name, "episodes", run=shown.run, episode=str(row["episode_id"])))
            if number < len(others) - 1:
                parts[-1].tail = " · "
        show(parts)
