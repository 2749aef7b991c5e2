"""Page 1: the answer, before any figure: does a strategist help, how sure is that, and how does it look in one task."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.app.dialogue import styled_bar
from leaderboard.app.frame import begin, progress_note
from leaderboard.app.pieces import empty, heading, link, note, show, whisker
from leaderboard.page.answer import QUESTION, answer_parts, pair_parts
from leaderboard.page.drawings import Dot, dot_text
from leaderboard.page.markup import Content, node


def render() -> None:
    board = begin("Answer", QUESTION)
    if board is None:
        return
    parts = answer_parts(board, styled_dots)
    if not parts:
        empty(
            "These runs ask no question: a question needs a strategist and the reference on the same tasks and actor. Add them "
            "to the experiment and go on with",
            "harness run",
        )
        note(progress_note(board))
        return
    show(*parts)
    note(progress_note(board))
    show(node("p", "The whole ranking: ", link("Leaderboard", "leaderboard"), class_="note"))
    show(heading("The same task with and without"), *pair_parts(board, styled_bar))


def styled_dots(title: str, marks: Sequence[Dot], reach: float, axis: str) -> Content:
    """Differences with their intervals, of styled elements: Streamlit takes no SVG in a page's own HTML."""
    rows = []
    for mark in marks:
        said = dot_text(mark, signed=True)
        drawn = whisker(
            mark.value, mark.low, mark.high, (-reach, reach), f"{mark.label}: {said}", mark.hollow, zero=0.0
        )
        cells = node("td", mark.label), node("td", drawn, class_="figure"), node("td", said, class_="n")
        rows.append(node("tr", *cells, class_="faded" if mark.faded else None))
    ends = f"{axis}, from {-reach:+.2f} to {reach:+.2f}"
    return node("table", node("caption", ends), node("tbody", *rows), class_="dots", aria_label=title)
