"""The example loops: they run over our engine, and, with one import line put back, over the original, word for word alike."""

from __future__ import annotations

import importlib.util
import random
import re
import runpy
import sys
from pathlib import Path

import pytest

from environments.alfworld.generator.files import numbered_game, write_game
from tests.extras import required
from tests.shared_data import ROOT, missing

REACT = ROOT / "examples" / "bridges" / "react_alfworld.py"
REFLEXION = ROOT / "examples" / "bridges" / "reflexion_webshop.py"
CREDIT = ROOT / "examples" / "bridges" / "gymnasium_credit.py"
OUR_LINE = "from harness.bridges.alfworld.agents.environment import get_environment"


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("games")
    for index in range(6):
        write_game(numbered_game(index, seed=0), folder)
    return folder


def printed(
    script: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    monkeypatch.setattr(sys, "argv", [str(script), *arguments])
    runpy.run_path(str(script), run_name="__main__")
    return capsys.readouterr().out


def test_the_react_loop_wins_games(
    games: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed(REACT, [str(games), "--episodes", "6"], monkeypatch, capsys)
    assert "think: I will look everywhere" in shown
    assert 1 <= int(shown.splitlines()[-1].split()[0]) < 6


@pytest.mark.slow
def test_one_line_makes_the_react_loop_one_of_the_original(
    games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if importlib.util.find_spec("alfworld") is None:
        missing("the package alfworld is not installed; install the extra: pip install '.[alfworld]'")
    source = REACT.read_text("utf-8")
    assert source.count(OUR_LINE) == 1
    original = tmp_path / "react_alfworld.py"
    original.write_text(source.replace(OUR_LINE, OUR_LINE.replace("harness.bridges.", "")), "utf-8")
    arguments = [str(games), "--episodes", "2", "--limit", "12"]
    mine = printed(REACT, arguments, monkeypatch, capsys)
    theirs = printed(original, arguments, monkeypatch, capsys)
    assert theirs[theirs.index("--- episode 1") :] == mine


def test_the_reflexion_loop_learns_from_trial_to_trial(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = random.getstate()
    shown = printed(REFLEXION, ["--goals", "6"], monkeypatch, capsys)
    random.setstate(before)
    first, best = map(float, re.findall(r"trial (\d\.\d+)", shown.splitlines()[-1]))
    assert 0 < first < best


def test_credit_a_turn_teaches_the_gymnasium_loop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    required("gymnasium")
    shown = printed(CREDIT, ["--episodes", "160"], monkeypatch, capsys)
    before, after = map(int, re.findall(r"(\d+) of", shown))
    assert after > 2 * before
