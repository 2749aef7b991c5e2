"""Page 1: the answer, before any figure: does a strategist help, how sure is that, and how does it look in one task. The parts
are the static page's, in its order (`leaderboard.page.headings`)."""

from __future__ import annotations

from functools import partial

import streamlit as st

from harness.base.invocation import as_called, from_here
from leaderboard.app.dialogue import styled_bar
from leaderboard.app.drawings import styled_dots, styled_scatter, styled_uplifts
from leaderboard.app.frame import begin, progress_note
from leaderboard.app.pieces import address, draw, empty, heading, link, note, notice, show
from leaderboard.board import Board, rows_of
from leaderboard.costs import cost_rows
from leaderboard.learning import curve_text, learning_curves
from leaderboard.page.again import SAID, again_commands, needed
from leaderboard.page.answer import NOT_ASKED, QUESTION, Episode, answer_parts, pair_parts
from leaderboard.page.curves import KEY
from leaderboard.page.headings import HEADINGS
from leaderboard.page.markup import Content, node
from leaderboard.page.sections import arm_marks, compared, cost, interface, left_out, over, places_of, ranking, scope
from leaderboard.page.words import word_parts


def render() -> None:
    board = begin("Answer", QUESTION)
    if board is None:
        return
    parts = answer_parts(board, styled_uplifts)
    if not parts:
        empty(NOT_ASKED, "harness run")
        note(progress_note(board))
        return
    show(*parts)
    below = st.container()
    note(progress_note(board))
    rows = rows_of(board)
    places = places_of(board, rows)
    _part("ranking", node("p", *scope(board), class_="note"), *over(partial(ranking, draw=styled_dots), places, board))
    show(node("p", "With filters and downloads: ", link("Leaderboard", "leaderboard"), class_="note"))
    _learning(board)
    _part("dialogues", *pair_parts(board, styled_bar, _whole))
    _part("cost", *over(partial(cost, draw=styled_scatter), places_of(board, cost_rows(rows)), board))
    show(node("p", "In money, calls or seconds: ", link("Cost", "cost"), class_="note"))
    _part("interface", *over(interface, places, board))
    _part("left-out", *left_out(places, board))
    _again(board)
    _part("compared", *compared(places, board))
    with below:  # last: a split's line takes the import of its environment
        show(*word_parts(board))


def _part(name: str, *parts: Content) -> None:
    """A part under its heading; nothing where the runs have nothing for it."""
    if parts:
        show(heading(HEADINGS[name]), *parts)


def _whole(episode: Episode) -> str:
    return address("episodes", run=episode[0], episode=episode[1])


def _again(board: Board) -> None:
    """The commands that play and verify each run again."""
    _part("again", node("p", SAID))
    for name, folder in board.names.items():
        lines = as_called("\n".join(again_commands(folder, from_here(folder))))
        show(heading(name, 3) if len(board.names) > 1 else None, node("pre", lines), needed(folder))


def _learning(board: Board) -> None:
    """The curves of the trainings that belong to the runs; nothing where there are none."""
    curves, problems = learning_curves(board)
    for problem in problems:
        notice(problem, "warning")
    if not curves:
        return
    from leaderboard.charts import learning  # plotly takes a second to import, and few runs have a training

    show(heading(HEADINGS["learning"]))
    for number, curve in enumerate(curves):
        show(heading(curve.title, 3), node("p", curve_text(curve)))
        draw(learning(curve, arm_marks(board)), f"learning-{number}")
    show(node("p", KEY, " All of it: ", link("Training", "training"), class_="note"))
