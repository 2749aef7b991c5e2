"""The page's part with people's labels: arms, questions and the judge, as `harness leaderboard --labels` says."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from harness.compare.labelled import labelled_runs
from harness.compare.people_words import NOTE, Cells, cells_of, sentences
from leaderboard.board import Board
from leaderboard.cells import Row
from leaderboard.page.markup import Content, node
from leaderboard.page.sections import Column, table_of


def people(board: Board) -> list[Content]:
    """Tables and sentences of every run that has labels. Raises `BadInput` where none has."""
    parts: list[Content] = []
    for found in labelled_runs(board.names, board.arms, board.judge):
        lines = node("ul", *(node("li", line) for line in sentences(found)))
        parts += [node("h3", found.run), lines, *(_table(each) for each in cells_of(found))]
    return [*parts, node("p", NOTE, class_="note")]


def _table(cells: Cells) -> Element:
    rows: list[Row] = [dict(zip(cells.columns, row, strict=True)) for row in cells.rows]
    return table_of(rows, [Column(name, _text(name)) for name in cells.columns], cells.caption)


def _text(name: str) -> Callable[[Row], str]:
    return lambda row: str(row[name])
