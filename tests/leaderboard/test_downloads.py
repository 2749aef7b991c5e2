"""Tables as files: whatever a text holds, it comes back as it was (in CSV a formula with an apostrophe)."""

from __future__ import annotations

import csv
import io
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.downloads import escape_latex, to_csv, to_latex, to_markdown

NASTY = [
    "a|b",
    "<img src=x>",
    "$x^2$ & 50 % #1 _y_ {z} ~ \\cmd",
    "![i](http://x) **b** `c`",
    "…–·±",
    "=1+1",
    'say "hi", no',
]
TABLE = pd.DataFrame({"Name | x": NASTY, "n": [str(n) for n in range(len(NASTY))]})

lines_of_text = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30)


def from_markdown(text: str) -> list[list[str]]:
    rows = []
    for number, line in enumerate(text.splitlines()):
        if number != 1:
            cells = _cells(line)
            rows.append([re.sub(r"\\([\\`*_\[\]<>|$~&])", r"\1", cell.strip()) for cell in cells[1:-1]])
    return rows


def _cells(line: str) -> list[str]:
    found, current, escaped = [], "", False
    for char in line:
        if char == "|" and not escaped:
            found.append(current)
            current = ""
        else:
            current += char
        escaped = char == "\\" and not escaped
    return [*found, current]


def test_csv_holds_the_texts_and_no_formula() -> None:
    read = list(csv.reader(io.StringIO(to_csv(TABLE))))
    assert read == [list(TABLE.columns), *TABLE.replace("=1+1", "'=1+1").to_numpy().tolist()]


def test_markdown_holds_the_texts() -> None:
    assert from_markdown(to_markdown(TABLE)) == [list(TABLE.columns), *TABLE.to_numpy().tolist()]


@given(lines_of_text)
def test_no_text_breaks_a_markdown_row(text: str) -> None:
    (row,) = [_cells(line) for line in to_markdown(pd.DataFrame({"a": [text]})).splitlines()[2:]]
    assert re.sub(r"\\([\\`*_\[\]<>|$~&])", r"\1", row[1][1:-1]) == " ".join(text.splitlines())


def test_latex_has_a_row_per_row_and_nothing_of_a_text_is_a_command() -> None:
    text = to_latex(TABLE)
    assert text.count(r"\\") == len(TABLE) + 1
    assert r"\textbackslash{}cmd" in text
    assert r"\$x\textasciicircum{}2\$ \& 50 \% \#1 \_y\_ \{z\} \textasciitilde{}" in text


@pytest.mark.parametrize("char", list("\\{}$&#%_^~"))
def test_every_special_character_of_latex_is_escaped(char: str) -> None:
    assert escape_latex(char) != char
