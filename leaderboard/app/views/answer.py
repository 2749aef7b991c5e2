"""Page 1: the answer, before any figure: does a strategist help, how sure is that, and how does it look in one task."""

from __future__ import annotations

from leaderboard.app.frame import begin, progress_note
from leaderboard.app.pieces import empty, heading, link, note, show
from leaderboard.page.answer import QUESTION, answer_parts, pair_parts
from leaderboard.page.markup import node


def render() -> None:
    board = begin("Answer", QUESTION)
    if board is None:
        return
    parts = answer_parts(board)
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
    show(heading("The same task with and without"), *pair_parts(board))
