"""Page 2: the ranking with its uncertainty, per environment, split and pairing; published figures apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.etree.ElementTree import Element

import pandas as pd
import streamlit as st

from harness.base.counts import counted
from harness.compare.conclusions import SIGNS, trust_sentences
from leaderboard.app.failures import show_failures
from leaderboard.app.frame import begin, filters, labels_wanted, progress_note
from leaderboard.app.people import show_people
from leaderboard.app.pieces import (
    Column,
    Row,
    downloads,
    empty,
    heading,
    link,
    note,
    notice,
    of_ranking,
    show,
    table,
    texts,
    whisker,
)
from leaderboard.app.published_rows import show_published
from leaderboard.board import Board, leaderboard, plain_rows
from leaderboard.cells import amount
from leaderboard.page.markup import Content, node
from leaderboard.page.sections import Place, arm_marks, brackets, is_open, mark_of, measured, places_of
from leaderboard.ranking_columns import (
    BRACKETS,
    COST,
    DIMENSIONS,
    INTERFACE,
    RANKING,
    columns_of,
    interface_rows,
    interval_text,
    notes_of,
    place_columns,
    scripts_note,
    uplift_text,
)

AXES = ("environment", "split", "partner", "actor", "run")
WIDE = ("interval", "uplift", "verdict")
"""Columns that may take the whole width of a narrow screen."""
Drawing = Callable[[Row], Content]
WHAT = "Which agent reaches its goal more often, and how sure that is. Means with 95 % intervals over groups of tasks."


def render() -> None:
    board = begin("Leaderboard", WHAT)
    if board is None:
        return
    chosen = filters(board, AXES)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "Columns",
            [RANKING, DIMENSIONS, COST, INTERFACE],
            default=RANKING,
            required=True,
            key="columns",
            bind="query-params",
        )
        references = st.toggle(
            "Reference agents",
            value=True,
            key="scripted",
            bind="query-params",
            help="Floor and ceiling: no model plays, or a rule advises one; they are not ranked.",
        )
        others = st.toggle(
            "Published figures",
            value=True,
            key="published",
            bind="query-params",
            help="What others have published, in a table of its own; never ranked.",
        )
    shown = leaderboard(board, chosen, references)
    if shown.empty:
        empty("No arm fits these filters. Take one away in the sidebar.")
        return
    places = places_of(board, plain_rows(shown))
    for place in places:
        columns = _columns(str(view), place, board)
        show(
            heading(place.title),
            node("p", _said(place, board), class_="note"),
            table(_rows(str(view), place), columns, f"{place.title}: {str(view).lower()}", "ranking", _mark),
            _notes(str(view), place),
        )
    if labels_wanted(board):
        show_people(board)
    for line in trust_sentences(board.arms[int(number)] for number in shown["arm"]):
        notice(line, "warning")
    show_failures(board, chosen.run)
    note(
        progress_note(board)
        + " Rank 2 (1 to 3): second by its mean, but by these data it could be first to third. Arms that a bracket "
        "joins cannot be told apart."
    )
    downloads(download_table(places, str(view), board), "leaderboard", "leaderboard")
    if others:
        show_published(list({str(board.arms[number].facts["protocol"]["name"]): None for number in shown["arm"]}))


def _notes(view: str, place: Place) -> Content:
    """Sentences under a place's table; none in the views that need none."""
    if view == RANKING:
        lines = notes_of(place.rows)
        return node(
            "ul", *(node("li", line, class_="wide" if line == BRACKETS else None) for line in lines), class_="note"
        )
    said = scripts_note(place.rows) if view == INTERFACE else ""
    return node("p", said, class_="note") if said else None


def _said(place: Place, board: Board) -> str:
    ranked = max((row["ranked"] or 0 for row in place.rows), default=0)
    axis = f"intervals are drawn from {place.axis[0]:.3g} to {place.axis[1]:.3g}"
    return f"{measured(place, board)}; {counted(ranked, 'arm')} ranked together; {axis}"


def download_table(places: list[Place], view: str, board: Board) -> pd.DataFrame:
    """All places' rows under each other, with the place before them. Where their metrics have several names, the column is that
    of the goal."""
    head = [of_ranking(each) for each in place_columns([row for place in places for row in place.rows])]
    found = [texts(_rows(view, place), [*head, *_columns(view, place, board)]) for place in places]
    metrics = {place.metric.capitalize() for place in places}
    if len(metrics) > 1:
        found = [each.rename(columns=dict.fromkeys(metrics, "Goal")) for each in found]
    return pd.concat(found, ignore_index=True).fillna("")


def _rows(view: str, place: Place) -> list[Row]:
    """One per arm; in the ledger of the interface one per arm and role."""
    return interface_rows(place.rows) if view == INTERFACE else list(place.rows)


def _columns(view: str, place: Place, board: Board) -> list[Column]:
    """The ranking's columns in this view, dressed for the page."""
    drawn: Mapping[str, Drawing] = {
        "strategist": _name,
        "ties": lambda row: brackets(row, place.rows),
        "uplift": _uplift,
        "interval": lambda row: _drawn_interval(row, place, board),
    }
    shown = columns_of(view, _rows(view, place), len(board.runs) > 1)
    return [of_ranking(each, drawn.get(each.key), each.key in WIDE) for each in shown]


def _name(row: Row) -> Element:
    where = link(
        str(row["strategist"]),
        "episodes",
        run=str(row["run"]),
        environment=str(row["environment"]),
        split=str(row["split"]),
        pairing=str(row["pairing"]),
        actor=str(row["actor"]),
        strategist=str(row["strategist"]),
    )
    chip = node("span", "scripted", class_="chip") if row["scripted"] else None
    return node("span", where, " " if chip is not None else None, chip)


def _drawn_interval(row: Row, place: Place, board: Board) -> Content:
    """The interval with a whisker below it, and a dot for the mean."""
    said = interval_text(row)
    drawn = whisker(
        row["goal"],
        row["low"],
        row["high"],
        place.axis,
        f"{amount(row['goal'])} ({said}), on an axis from {place.axis[0]:g} to {place.axis[1]:g}",
        hollow=is_open(row, board),
        mark=mark_of(row, arm_marks(board)),
    )
    return node("div", node("span", said), drawn, class_="figure")


def _uplift(row: Row) -> Content:
    said = uplift_text(row)
    if row["finding"] not in SIGNS:
        return said
    return node("span", said, class_="up" if row["finding"] == "higher" else "down")


def _mark(row: Row) -> str | None:
    return "reference" if row["reference"] else None
