"""One list of columns draws the ranking: the same cells under the same headings in a terminal, on the page and in the viewer."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

import harness
from harness.cli import main
from harness.commands import printing
from harness.commands.ranking import print_leaderboard
from leaderboard import ranking_columns
from leaderboard.board import leaderboard, open_board, plain_rows
from leaderboard.cells import NOTHING
from leaderboard.page import render
from leaderboard.page.sections import places_of
from leaderboard.ranking_columns import MARKDOWN, RANKING, TERMINAL, Column, columns_of
from tests.leaderboard.app_runs import labelled_rows, open_page
from tests.leaderboard.test_page import Page
from tests.shared_data import THREE_ENVIRONMENTS

DRESSED = {"Strategist"}
"""Columns to whose texts the viewer adds words: the mark of scripted agents."""
Cells = dict[str, str]


def in_terminal(monkeypatch: pytest.MonkeyPatch) -> list[Cells]:
    """Per arm its cells by heading; what a table says once, above it, belongs to all its arms."""
    monkeypatch.setattr(printing, "FOLDED", 500)
    screen = io.StringIO()
    print_leaderboard(
        [THREE_ENVIRONMENTS], "table", None, Console(file=screen, width=1000, force_terminal=True, color_system=None)
    )
    found = []
    tables, notes = screen.getvalue().strip().rsplit("\n\n", 1)
    assert notes.startswith("An uplift is")
    for block in tables.strip().split("\n\n"):
        place, heads, *lines = block.splitlines()
        names = [name[0].upper() + name[1:] for name in re.split(" {2,}", heads.strip())]
        found += [{"": place} | dict(zip(names, re.split(" {2,}", line.strip()), strict=True)) for line in lines]
    return found


def on_page() -> list[Cells]:
    board = open_board([THREE_ENVIRONMENTS])
    page = Page(render(board))
    titles = [place.title for place in places_of(board, plain_rows(leaderboard(board)))]
    tables = [table for table in page.tables if any(f"{title}: mean " in table.caption for title in titles)]
    ranked = [table for table in tables if "95 % interval" in table.caption]
    return [
        dict(zip((text for text, _ in table.rows[0]), (text for text, _ in row), strict=True))
        for table in ranked
        for row in table.rows[1:]
    ]


def test_every_arm_has_the_same_cells_under_the_same_headings_on_every_surface(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page, terminal = on_page(), in_terminal(monkeypatch)
    viewer = labelled_rows(open_page("ranking", THREE_ENVIRONMENTS), "ranking")
    assert len(page) == len(terminal) == len(viewer) == 27
    for paged, printed, viewed in zip(page, terminal, viewer, strict=True):
        assert list(paged) == list(viewed), "the same columns in the same order"
        for heading, text in paged.items():
            same = viewed[heading].split() == text.split()
            assert same or (heading in DRESSED and text in viewed[heading])
            if heading == "Not told apart":
                assert bool(text.strip(f" {NOTHING}")) == bool(printed["Tied with"].strip(f" {NOTHING}"))
            elif heading in printed:
                assert printed[heading] == text
            else:
                above = f"{heading} {text}".lower() in printed[""].lower()
                assert above or text == NOTHING, f"{heading} is not in the terminal"


def test_the_headings_of_a_view_are_unambiguous() -> None:
    board = open_board([THREE_ENVIRONMENTS])
    for place in places_of(board, plain_rows(leaderboard(board))):
        for view in (TERMINAL, MARKDOWN, *ranking_columns.WEB):
            rows = ranking_columns.interface_rows(place.rows) if view == ranking_columns.INTERFACE else place.rows
            headings = [each.title for each in columns_of(view, rows, several_runs=True)]
            assert len(set(headings)) == len(headings)


def test_a_column_that_is_added_to_the_list_stands_on_every_surface(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    added = Column("latency_s", "speed", lambda row: "swift", (TERMINAL, MARKDOWN, RANKING), lambda row: 1.0)
    monkeypatch.setattr(ranking_columns, "COLUMNS", (*ranking_columns.COLUMNS, added))
    assert {row["Speed"] for row in in_terminal(monkeypatch)} == {"swift"}
    assert {row["Speed"] for row in on_page()} == {"swift"}
    assert {row["Speed"] for row in labelled_rows(open_page("ranking", THREE_ENVIRONMENTS), "ranking")} == {"swift"}
    assert str(harness.open(THREE_ENVIRONMENTS).ranking()).count("swift") == 27
    assert main(["leaderboard", str(THREE_ENVIRONMENTS), "--format", "markdown"]) == 0
    heads, _, *lines = capsys.readouterr().out.splitlines()
    assert heads.endswith("| speed |")
    assert all(line.endswith("| swift |") for line in lines if line.startswith("|"))


def test_markdown_keeps_its_headings_and_their_order(capsys: Any) -> None:
    assert main(["leaderboard", str(THREE_ENVIRONMENTS), "--format", "markdown"]) == 0
    heads = capsys.readouterr().out.splitlines()[0].strip("| ").split(" | ")
    assert ", ".join(heads[:23]) == (
        "environment, split, pairing, assisted, actor, strategist, rank, tied with, goal, 95 %, uplift over vanilla, "
        "verdict, overall, planned, finished, failed, unscored, tasks, groups, calls, tokens, USD, reward progress"
    )


def test_what_an_episode_costs_is_written_alike_on_the_page_and_in_the_viewer() -> None:
    page = Page(render(open_board([THREE_ENVIRONMENTS])))
    tables = [table for table in page.tables if "what playing one episode costs" in table.caption]
    paged = [
        dict(list(zip((text for text, _ in table.rows[0]), (text for text, _ in row), strict=True))[1:])
        for table in tables
        for row in table.rows[1:]
    ]
    viewed = labelled_rows(open_page("cost", THREE_ENVIRONMENTS), "cost")
    assert len(viewed) == 22
    assert {row["No higher mean for less"] for row in viewed} == {"yes", "no"}
    assert [row for row in viewed if row not in paged] == []
