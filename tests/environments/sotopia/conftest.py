"""Profiles for the tests: a small invented cast, and a data home that holds the real ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from environments.sotopia.play import SotopiaPlay, make_scene
from environments.sotopia.profiles import WORLD_FILES, Character, Scenario
from environments.sotopia.rules import PROTOCOLS
from tests.shared_data import shared_data

ANN = Character(
    "ann", "Ann", "Ash", 30, "Baker", "Woman", "She/her", "Ann bakes at night.", "Ann is calm.", "Hates bread"
)
BEN = Character("ben", "Ben", "Birch", 41, "Tailor", "Man", "He/him", "Ben sings.", "Ben is loud.", "Cannot sew")
MARKET = Scenario(
    "market",
    'Two people meet at a market. <p viewer="environment">It will rain.</p>',
    (
        "Sell a cake (<extra_info>Info: it is stale</extra_info>)",
        "Buy no cake (<strategy_hint>Hint: smile</strategy_hint>)",
    ),
    relationship=2,
)


def new_play(protocol: str = "sotopia-0.1.4", max_turns: int = 20, scenario: Scenario = MARKET) -> SotopiaPlay:
    """A dialogue between Ann (seat 0) and Ben (seat 1) about to begin."""
    return SotopiaPlay(make_scene(scenario, (ANN, BEN)), PROTOCOLS[protocol], max_turns)


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(home))
    return home


@pytest.fixture
def real_home(empty_home: Path) -> Path:
    """A data home with the published profiles."""
    (empty_home / "sotopia").mkdir(parents=True)
    for name in WORLD_FILES:
        shutil.copy(shared_data("sotopia", name), empty_home / "sotopia" / name)
    return empty_home
