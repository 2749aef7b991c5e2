"""People's labels in the viewer, as `harness leaderboard --labels` says it."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import streamlit as st

from harness.base.errors import BadInput
from harness.compare.comparison import Comparison
from harness.compare.labelled import LabelledRun, has_labels, labelled_difference, labelled_runs
from harness.compare.people import goals_by_people
from harness.compare.people_words import (
    NOTE,
    Cells,
    cells_of,
    difference_sentence,
    judge_cells,
    report_sentences,
    sentences,
)
from leaderboard.app.pieces import Column, Row, heading, note, notice, show, table
from leaderboard.board import Board, Stamp, stamp
from leaderboard.page.markup import node

WORDS = ("finding", "finding of the judge")


def show_people(board: Board, of_judges_alone: bool = False) -> None:
    """Tables and sentences of every run that has labels. `of_judges_alone`: the judge against people, and nothing else."""
    try:
        found = _labelled(board, board.judge, stamp(board.runs))
    except BadInput as error:
        notice(f"The labels cannot be read: {error}", "warning")
        return
    for each in found:
        cells = judge_cells(each.report) if of_judges_alone else cells_of(each)
        lines = report_sentences(each.report) if of_judges_alone else sentences(each)
        show(
            heading(f"{each.run}: with people's labels"),
            node("ul", *(node("li", line) for line in lines)),
            *(_table(one) for one in cells if one.rows),
        )
    note(NOTE)


def labelled_sentence(board: Board, row: Comparison) -> str:
    """Say what people's labels and the judge show of two arms together."""
    sources = {row.a.source, row.b.source}
    people = {name: goals_by_people(board.names[name]) for name in sources if has_labels(board.names[name])}
    return difference_sentence(labelled_difference(row, people.get(row.a.source, {}), people.get(row.b.source, {})))


@st.cache_resource(max_entries=2, show_spinner="Reading the labels …")
def _labelled(_board: Board, judge: str | None, when: Stamp) -> Sequence[LabelledRun]:
    return labelled_runs(_board.names, _board.arms, judge)


def _table(cells: Cells) -> Element:
    rows: list[Row] = [dict(zip(cells.columns, row, strict=True)) for row in cells.rows]
    columns = [_column(name, number > 0 and name not in WORDS) for number, name in enumerate(cells.columns)]
    return table(rows, columns, cells.caption, "people")


def _column(name: str, number: bool) -> Column:
    return Column(name, lambda row: str(row[name]), number=number, wide=not number)
