"""The bridges whose libraries have an environment of their own, each against the real library."""

from __future__ import annotations

import pytest

from tests.harness.bridges.own_environments import CHECKS, check

pytestmark = pytest.mark.slow


def test_openenv_serves_and_plays_our_games() -> None:
    check("bridges", CHECKS / "openenv_checks.py")


def test_verifiers_plays_our_games_turn_by_turn() -> None:
    check("verifiers", CHECKS / "verifiers_checks.py")


def test_skyrl_gym_and_pettingzoo_play_in_our_environments() -> None:
    check("bridges", CHECKS / "zoo_checks.py")
