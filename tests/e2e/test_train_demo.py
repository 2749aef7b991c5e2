"""The short form of `make train-demo`: recipes/cpu-mini.yaml with fewer and shorter episodes, every part real. Asserts the
mechanics: the loss falls on a fixed batch, the weights move, the checkpoint is served and plays, its row appears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.results.training_curve import read_curve
from tests.e2e.processes import lines
from tests.e2e.training import NAME, Training, leaderboard
from tests.extras import required
from tests.shared_data import ROOT

required("torch")
required("trl")
required("xllamacpp")

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp]

SHORTER = {
    "iterations": "1",
    "environments.0.options.max_steps": "3",
    "environments.0.train.tasks": "3",
    "environments.0.held_out.tasks": "2",
    "environments.1.options.max_turns": "2",
    "environments.1.train.tasks": "1",
    "environments.1.held_out.tasks": "1",
    "fit.accumulation": "8",
    "fit.learning_rate": "1e-4",
    "fit.schedule": "constant",
    "fit.epochs": "4",
    "owed_share": "1.0",
}
"""Eight rows a step are the whole data set, so that every step sees the same batch."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Training:
    changes = [part for key, value in SHORTER.items() for part in ("--set", f"{key}={value}")]
    made = Training(tmp_path_factory.mktemp("demo"), ROOT / "recipes" / "cpu-mini.yaml", *changes)
    ended = made.run(seconds=900)
    assert ended.returncode == 0, ended.stderr
    assert "epo-rl@1" in ended.stdout
    return made


def test_the_loss_falls_on_a_fixed_batch(demo: Training) -> None:
    [_, row] = read_curve(demo.folder)
    assert row.fit is not None
    loss = [value for _, value in row.fit["loss"]]
    assert row.fit["steps"] == len(loss) == 4, "every step saw all rows"
    assert loss[-1] < loss[0]


def test_the_weights_move(demo: Training) -> None:
    [_, row] = read_curve(demo.folder)
    assert row.fit is not None and 1e-6 < row.fit["changed"] < 0.1


def test_the_checkpoint_is_served_and_plays(demo: Training) -> None:
    episodes = lines(demo.folder / f"held-out/{NAME}@1" / "episodes.jsonl")
    assert {episode["environment"] for episode in episodes} == {"alfworld", "sotopia"}
    asked = [call for episode in episodes for call in episode["calls"] if call["role"] == "strategist"]
    assert asked and all(call["text"] for call in asked)
    assert {call["model"] for call in asked} == {"strategist@1"}
    start = lines(demo.folder / f"held-out/{NAME}@0" / "episodes.jsonl")
    assert {call["model"] for episode in start for call in episode["calls"]} == {"strategist", "smollm2"}


def test_its_row_appears_beside_vanilla_react_and_the_untrained_strategist(demo: Training) -> None:
    rows = leaderboard(demo.home / "results")
    for environment in ("alfworld", "sotopia"):
        strategists = {row["strategist"] for row in rows if row["environment"] == environment}
        assert strategists == {"vanilla", "react", "epo", "epo-rl@1"}


def test_what_was_learnt_from_is_what_was_played(demo: Training) -> None:
    [_, row] = read_curve(demo.folder)
    played = [line for name in ("alfworld", "sotopia") for line in _played(demo.folder, name)]
    assert row.data is not None
    assert row.data["strategies"] <= sum(line["strategy"] is not None for each in played for line in each["turns"])
    assert row.data["sequences"] >= 3


def _played(folder: Path, environment: str) -> list[dict[str, Any]]:
    return lines(folder / f"play/iteration-1/{environment}/episodes.jsonl")
