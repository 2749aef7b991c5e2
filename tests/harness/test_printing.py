"""Tables of commands where nobody sees a terminal: the same lines as in one with all the room it wants."""

from __future__ import annotations

import io
from random import Random

import pytest
from rich.console import Console

from harness.commands.printing import Grid, Look, _lines, _table, print_grids

GRIDS = {
    "words and numbers": Grid("", ["arm", "goal", "95 %"], [["vanilla + m", "1.5", "0.1 to 2"], ["epo", "10.25", "–"]]),
    "headings of two lines": Grid("", ["arm", "a heading\nin two", "x"], [["a", "1", "2"], ["b", "", "3"]]),
    "a cell of two lines": Grid("", ["arm", "n"], [["one\nother", "1"], ["x", "22"]]),
    "wide letters, blanks and control characters": Grid("", ["arm", "n"], [["東京", " 1 "], ["e\u0301\x07", "[b]"]]),
    "no rows": Grid("", ["arm", "n"], []),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_table_in_a_file_has_the_lines_of_rich(name: str) -> None:
    look, mine, theirs = Look(words=("arm",)), io.StringIO(), io.StringIO()
    print_grids(Console(file=mine, width=80), [GRIDS[name]], look)
    wide = Console(file=theirs, width=280)
    wide.print(_table(wide, GRIDS[name], look, []))
    assert mine.getvalue() == theirs.getvalue()


def test_a_table_wider_than_a_file_is_folded() -> None:
    out = io.StringIO()
    print_grids(Console(file=out), [Grid("", ["arm", "n"], [["word " * 100, "1"]])], Look(words=("arm",)))
    assert max(map(len, out.getvalue().splitlines())) == 280


def test_tables_too_wide_for_a_file_have_the_lines_of_rich() -> None:
    random = Random(1)
    for _ in range(150):
        columns = [f"{number} {_words(random)}" for number in range(random.randint(1, 8))]
        grid = Grid("", columns, [[_words(random) for _ in columns] for _ in range(random.randint(0, 4))])
        look = Look(words=columns[::2], lists=columns[1::3])
        theirs = io.StringIO()
        console = Console(file=theirs, width=random.choice([60, 100, 280]))
        console.print(_table(console, grid, look, []))
        assert "".join(f"{line}\n" for line in _lines(console, grid, look)) == theirs.getvalue()


def _words(random: Random) -> str:
    return "".join(random.choices(["a", "bc", "d\u0301", "東", " ", "  ", "\n", "long-word"], k=random.randint(0, 25)))
