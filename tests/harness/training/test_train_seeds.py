"""`harness train --seeds N`: trainings of one recipe that differ by their seed alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cli import main
from harness.commands import train_loop
from harness.reading.readers import TODAY
from harness.training.loop.config import TrainConfig
from harness.training.loop.selfplay import Interrupted
from tests.harness.training.configs import empty_weights, write_training

Made = list[tuple[TrainConfig, Path]]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Trainings that were begun, in their order; none is really made."""
    found: Made = []

    class Begun(SimpleNamespace):
        readers = TODAY

        def __init__(self, config: TrainConfig, folder: Path, **_: Any) -> None:
            super().__init__(config=config, folder=folder)

        def run(self) -> list[Any]:
            found.append((self.config, self.folder))
            return []

    monkeypatch.setattr(train_loop, "SelfPlay", Begun)
    monkeypatch.setattr(train_loop, "print_curve", lambda config, rows, folder: None)
    return found


def train(tmp_path: Path, *arguments: str, **changes: Any) -> int:
    start = tmp_path / "weights"
    path = write_training(tmp_path / "t.yaml", start if start.exists() else empty_weights(start), **changes)
    return main(["train", str(path), "--results", str(tmp_path / "results"), *arguments])


def test_each_training_has_its_seed_and_folder_and_all_are_ranked_on_the_same_draws(
    tmp_path: Path, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "--seeds", "3", "--name", "mine", seed=7) == 0
    assert [folder.name for _, folder in made] == ["mine-seed1", "mine-seed2", "mine-seed3"]
    assert [(config.seed, config.fit.seed, config.held_out.seed) for config, _ in made] == [
        (1, 1, 7),
        (2, 2, 7),
        (3, 3, 7),
    ]
    without = [config.model_dump(exclude={"seed": True, "fit": {"seed"}}) for config, _ in made]
    assert without[0] == without[1] == without[2]
    said = capsys.readouterr()
    assert "training 2 of 3: seed 2" in said.err
    assert "mine-seed1@0#strategist=epo' " in said.out
    assert said.out.rstrip().endswith("mine-seed3/held-out/mine-seed3@2")


@pytest.mark.parametrize(
    ("named", "arm"),
    [
        ("[vanilla, epo]", "'{first}@0#strategist=epo'"),
        ('["null", vanilla]', "'{first}@0#strategist=null'"),
        ("[{kind: epo, name: start}]", "'{first}@0#strategist=start'"),
        ("[]", "{first}@1"),
    ],
)
def test_the_printed_comparison_is_with_an_arm_that_was_played(
    tmp_path: Path, made: Made, capsys: pytest.CaptureFixture[str], named: str, arm: str
) -> None:
    assert train(tmp_path, "--seeds", "2", "--name", "mine", "--set", f"held_out.beside={named}") == 0
    first = tmp_path / "results/mine-seed1/held-out/mine-seed1"
    assert f"harness compare {arm.format(first=first)} {first}@2 --trainings " in capsys.readouterr().out


def test_what_the_config_and_the_command_change_holds_for_every_training(tmp_path: Path, made: Made) -> None:
    changes = ("--set", "fit.learning_rate=0.5", "--set", "held_out.seed=11")
    assert train(tmp_path, "--seeds", "2", *changes) == 0
    assert {config.fit.learning_rate for config, _ in made} == {0.5}
    assert {config.held_out.seed for config, _ in made} == {11}
    names = [folder.name for _, folder in made]
    assert names[0].removesuffix("-seed1") == names[1].removesuffix("-seed2")
    assert train(tmp_path, "--seeds", "2", "--set", "fit.learning_rate=0.25") == 0
    assert len({folder for _, folder in made}) == 4, "another recipe has folders of its own"


def test_an_interrupted_training_is_the_last_that_is_begun(
    tmp_path: Path, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = train_loop.SelfPlay.run

    def stopped(self: Any) -> list[Any]:
        begun(self)
        raise Interrupted("stopped by you")

    monkeypatch.setattr(train_loop.SelfPlay, "run", stopped)
    assert train(tmp_path, "--seeds", "3", "--name", "mine") == 130
    assert [folder.name for _, folder in made] == ["mine-seed1"]


def test_no_training_at_all_is_refused(tmp_path: Path, made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "--seeds", "0") == 2
    assert "--seeds 0: expected a number of trainings from 1 on" in capsys.readouterr().err
    assert made == []


def test_a_dry_run_shows_the_stages_of_every_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "--seeds", "2", "--name", "mine", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "mine-seed1" in shown and "mine-seed2" in shown
    assert not (tmp_path / "results").exists()
