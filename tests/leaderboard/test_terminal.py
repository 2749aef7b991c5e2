"""The ranking in a terminal: whatever its width, the places can be read, and what there is no room for is named."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from harness.commands.ranking import print_leaderboard
from leaderboard.board import leaderboard, open_board, plain_rows
from leaderboard.cells import amount, interval
from tests.shared_data import THREE_ENVIRONMENTS

NO_ROOM = "No room here for: "


def printed(width: int) -> str:
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=True, color_system=None)
    print_leaderboard([THREE_ENVIRONMENTS], "table", None, console)
    return screen.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 160])
def test_every_row_is_one_unbroken_line_and_what_has_no_room_is_named(width: int) -> None:
    text = printed(width)
    tables, _, missing = text.partition(NO_ROOM)
    lines = tables.splitlines()
    assert max(map(len, lines)) <= max(width, 110), "only the line above a table may be longer than the terminal"
    for row in plain_rows(leaderboard(open_board([THREE_ENVIRONMENTS]))):
        place = f"{row['rank']} ({row['rank_low']} to {row['rank_high']})" if row["rank"] else "–"
        wanted = [row["strategist"], place, amount(row["goal"]), interval(row["low"], row["high"])]
        assert any(all(f" {part} " in f" {line} " for part in wanted) for line in lines), wanted
    assert "tied with" in missing.splitlines()[0]


def test_a_table_has_its_place_above_it_with_what_all_its_rows_share() -> None:
    lines = printed(100).splitlines()
    heads = [line for line in lines if "builtin-test" in line]
    assert [line.split(":")[0] for line in heads] == [
        "alfworld builtin-test-many, solo",
        "sotopia builtin-test, self-play",
        "webshop builtin-test, solo",
    ]
    assert "actor smollm2" in heads[1]
    assert "scored / planned 40 / 40" in heads[0]
    assert "scored" not in heads[1], "two strategists have unscored dialogues: that stands in their rows"
    table = lines[lines.index(heads[1]) + 1 : lines.index(heads[2])]
    assert any("scored / planned" in line for line in table)
    assert "37 / 40 (1 failed, 2 unscored)" in next(line for line in table if "epo" in line.split())


def test_headings_are_shortened_before_columns_are_left_out() -> None:
    assert "95 % interval" in printed(400)
    assert "strategist empty or cut" in printed(400)
    short = printed(330)
    assert "95 %" in short
    assert "95 % interval" not in short
    assert NO_ROOM not in short
    assert "model calls" in printed(80).partition(NO_ROOM)[2], "what is left out is named in full"


def test_turns_without_effect_and_unusable_replies_stand_beside_the_ranking_where_they_are_many() -> None:
    sotopia = printed(330).split("sotopia builtin-test, self-play")[1].split("webshop builtin-test, solo")[0]
    shuffled = next(line for line in sotopia.splitlines() if "shuffled" in line.split())
    assert "80 %" in re.split(" {2,}", shuffled.rstrip())[-2:], "64 of its 80 turns did nothing"
    assert "without effect" in sotopia
    assert "unreadable" not in sotopia, "1 of 80 answers could not be read: below 5 %, and no other arm has more"
    assert "unreadable" in printed(330), "in WebShop nearly all"


def test_where_there_is_room_nothing_is_left_out() -> None:
    text = printed(330)
    assert NO_ROOM not in text
    for heading in ("tied with", "tokens", "reward progress", "reward critical", "overall"):
        assert heading in text
