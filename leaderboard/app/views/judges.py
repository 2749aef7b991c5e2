"""Page 8: how far the judges can be believed: the report card and their agreement."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import pandas as pd
import streamlit as st

from harness.base.invocation import as_called
from harness.judging.cards.report import Report
from harness.results.soundness import DAMAGED
from leaderboard.app.frame import begin, labels_wanted
from leaderboard.app.people import show_people
from leaderboard.app.pieces import Column, Row, downloads, empty, heading, note, notice, show, table, texts
from leaderboard.board import plain_rows, stamp
from leaderboard.cells import NOTHING, p_text
from leaderboard.judges import agreement_matrix, agreement_sentences, cards, read_report
from leaderboard.page.markup import Content, node

WHAT = "Numbers that say whether a judge can be believed. A clean card says that nothing bad was seen, not that a judge is right."
FIGURES = {
    "alpha": "Krippendorff's α",
    "equal": "Share of equal scores",
    "distance": "Points apart",
    "n": "Scores both gave",
}


def render() -> None:
    board = begin("Judges", WHAT)
    if board is None:
        return
    try:
        report = _report(board.runs, stamp(board.runs))
    except DAMAGED as error:
        notice(f"The judgements cannot be read: {error}", "warning")
        return
    found = cards(report)
    if not found:
        empty(
            "Nothing was judged in these runs. A judge scores stored episodes with", "harness judge RUN --judge MODEL"
        )
        return
    if len(report.outcome) > 1:
        _agreement(report)
    else:
        note("Agreement needs a second judge: harness judge RUN --judge OTHER")
    for judge, sentence, figures in found:
        rows = plain_rows(figures)
        show(heading(judge), node("p", sentence + "."), table(rows, COLUMNS, f"Report card of {judge}", "card"))
    if labels_wanted(board):
        show_people(board, of_judges_alone=True)
    downloads(_all(found), "judges", "judges")


@st.cache_resource(max_entries=2, show_spinner="Reading the judgements …")
def _report(_runs: Any, when: Any) -> Report:
    return read_report(list(_runs))


def _agreement(report: Report) -> None:
    show(heading("Agreement"))
    figure = st.segmented_control(
        "Figure",
        list(FIGURES),
        default="alpha",
        required=True,
        key="figure",
        bind="query-params",
        format_func=lambda name: FIGURES[name],
    )
    values = agreement_matrix(report, str(figure))
    show(_grid(values, str(figure)), node("ul", *(node("li", line) for line in agreement_sentences(report))))


def _grid(values: pd.DataFrame, figure: str) -> Element:
    head = node("tr", node("th", "Judge", scope="col"), *(node("th", name, scope="col") for name in values.columns))
    body = node("tbody")
    for one in values.index:
        cells = (_cell(values.loc[one, other], figure, one == other) for other in values.columns)
        body.append(node("tr", node("th", one, scope="row"), *cells))
    caption = f"{FIGURES[figure]} between judges"
    whole = node("table", node("caption", caption), node("thead", head), body, class_="grid")
    return node("div", whole, class_="scroll agreement", tabindex=0, role="region", aria_label=caption)


def _cell(value: Any, figure: str, same: bool) -> Element:
    if pd.isna(value):
        return node("td", NOTHING, class_="k0")
    text = f"{value:.0f}" if figure == "n" else f"{value:.2f}"
    if same or figure in ("n", "distance"):
        return node("td", text, class_="k0")
    step = sum(float(value) >= edge for edge in (0.2, 0.4, 0.667, 0.8))
    return node("td", text, class_=f"k{step}")


def _value(row: Row) -> str:
    return NOTHING if row["value"] is None else f"{row['value']:.4g}"


def _verdict(row: Row) -> Content:
    """A badge; figures without a verdict, such as seconds, have none."""
    said = str(row["verdict"])
    if not said:
        return ""
    look = "chip warn" if said == "BAD" else "chip good" if said.startswith("fine") else "chip"
    return node("span", said, class_=look)


COLUMNS = [
    Column("Figure", lambda row: str(row["figure"])),
    Column("Value", _value, number=True),
    Column("95 % interval", lambda row: str(row["interval"]), number=True),
    Column("p", lambda row: "" if row["p"] is None else p_text(row["p"]), number=True),
    Column("n", lambda row: str(row["n"] or ""), number=True),
    Column("Groups", lambda row: str(row["groups"] or ""), number=True),
    Column("Verdict", lambda row: str(row["verdict"]), _verdict),
    Column("What it is", lambda row: as_called(str(row["note"])), wide=True),
]


def _all(found: list[tuple[str, str, pd.DataFrame]]) -> pd.DataFrame:
    parts = []
    for judge, _, figures in found:
        part = texts(plain_rows(figures), COLUMNS)
        part.insert(0, "Judge", judge)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
