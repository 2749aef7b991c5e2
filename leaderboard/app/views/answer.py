"""Page 1: the answer, before any figure: does a strategist help, how sure is that, and how does it look in one task."""

from __future__ import annotations

from collections.abc import Sequence

from harness.base.invocation import as_called, from_here
from leaderboard.app.dialogue import styled_bar
from leaderboard.app.frame import begin, progress_note
from leaderboard.app.pieces import draw, empty, heading, link, note, notice, scale_of, show, whisker
from leaderboard.board import Board
from leaderboard.learning import curve_text, learning_curves
from leaderboard.page.again import NAME as AGAIN
from leaderboard.page.again import SAID, again_commands
from leaderboard.page.answer import NOT_ASKED, QUESTION, answer_parts, pair_parts
from leaderboard.page.curves import KEY, NAME
from leaderboard.page.drawings import Dot, dot_text
from leaderboard.page.markup import Content, node
from leaderboard.page.sections import arm_marks


def render() -> None:
    board = begin("Answer", QUESTION)
    if board is None:
        return
    parts = answer_parts(board, styled_dots)
    if not parts:
        empty(NOT_ASKED, "harness run")
        note(progress_note(board))
        return
    show(*parts)
    note(progress_note(board))
    show(node("p", "The whole ranking: ", link("Leaderboard", "leaderboard"), class_="note"))
    _learning(board)
    show(heading("The same task with and without"), *pair_parts(board, styled_bar))
    _again(board)


def _again(board: Board) -> None:
    """The commands that play and verify each run again."""
    show(heading(AGAIN), node("p", SAID))
    for name, folder in board.names.items():
        lines = as_called("\n".join(again_commands(folder, from_here(folder))))
        show(heading(name, 3) if len(board.names) > 1 else None, node("pre", lines))


def _learning(board: Board) -> None:
    """The curves of the trainings that belong to the runs; nothing where there are none."""
    curves, problems = learning_curves(board)
    for problem in problems:
        notice(problem, "warning")
    if not curves:
        return
    from leaderboard.charts import learning  # plotly takes a second to import, and few runs have a training

    show(heading(NAME))
    for number, curve in enumerate(curves):
        show(heading(curve.title, 3), node("p", curve_text(curve)))
        draw(learning(curve, arm_marks(board)), f"learning-{number}")
    show(node("p", KEY, " All of it: ", link("Training", "training"), class_="note"))


def styled_dots(title: str, marks: Sequence[Dot], low: float, high: float, axis: str) -> Content:
    """Differences with their intervals, of styled elements: Streamlit takes no SVG in a page's own HTML."""
    rows = []
    for mark in marks:
        said = dot_text(mark, signed=True)
        drawn = whisker(
            mark.value, mark.low, mark.high, (low, high), f"{mark.label}: {said}", mark.hollow, zero=0.0, mark=mark.mark
        )
        value, gap, rest = said.partition("  ")  # on a phone the interval stands below the value
        figures = node("td", node("span", value), gap, node("span", rest) if rest else None, class_="n")
        cells = node("td", mark.label), node("td", drawn, class_="figure"), figures
        rows.append(node("tr", *cells, class_="faded" if mark.faded else None))
    scale = node("td", scale_of(low, high), class_="figure")
    foot = node("tfoot", node("tr", node("td"), scale, node("td"), aria_hidden="true"))
    return node("table", node("caption", axis), node("tbody", *rows), foot, class_="dots", aria_label=title)
