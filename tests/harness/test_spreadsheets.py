"""Names in CSV files: none of them is a formula to a spreadsheet."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pandas as pd
import pytest

from harness.base.spreadsheets import harmless, harmless_table
from harness.cli import main
from leaderboard.downloads import to_csv
from tests.shared_data import THREE_ENVIRONMENTS

FORMULA = '=HYPERLINK("http://evil.example","x")'


@pytest.mark.parametrize("text", [FORMULA, "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\x00", "＝1", "\ufeff=1", "-x"])
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize(
    "value",
    [
        *("gpt-4.1", "a=b", "", "-0.5", "+3", "-1e-9", "–", "+0.1 … +0.4", "-0.1 (-2 … +0.3), p < 0.001"),
        *("-1.50 … +1.19 †", -0.5, None, True),
    ],
)
def test_everything_else_stays(value: object) -> None:
    assert harmless(value) is value


def test_a_table_keeps_its_numbers_and_its_gaps() -> None:
    table = pd.DataFrame({"=name": ["@x", None, "y"], "mean": [-0.5, float("nan"), 1.0], "n": [1, 2, 3]})
    got = harmless_table(table)
    assert list(got) == ["'=name", "mean", "n"]
    assert list(got["'=name"].fillna("gap")) == ["'@x", "gap", "y"]
    assert got["mean"].equals(table["mean"]) and got["n"].equals(table["n"])
    assert list(table) == ["=name", "mean", "n"], "the table given is as it was"
    assert to_csv(table).splitlines()[:2] == ["'=name,mean,n", "'@x,-0.5,1"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run sent by somebody who named an actor after a formula."""
    folder = tmp_path / "run"
    shutil.copytree(THREE_ENVIRONMENTS, folder)
    for path in folder.glob("*.json*"):
        path.write_text(path.read_text().replace("script:follow", "=follow"))
    return folder


def cells_of(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text)) for cell in row]


@pytest.mark.parametrize("command", [["leaderboard"], ["compare"], ["export", "--to", "csv", "--out", "-"]])
def test_no_command_writes_a_formula_unless_it_is_asked_to(
    command: list[str], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    form = [] if command[0] == "export" else ["--format", "csv"]
    assert main([command[0], str(run), *command[1:], *form]) in (0, 4)
    careful = cells_of(capsys.readouterr().out)
    assert not [cell for cell in careful if cell.startswith("=")]
    assert main([command[0], str(run), *command[1:], *form, "--raw"]) in (0, 4)
    plain = cells_of(capsys.readouterr().out)
    assert careful == [harmless(cell) for cell in plain]
    if command[0] == "export":
        assert "'=follow" in careful and "=follow" in plain
