"""A training that version 0.1 began: found by the name it had, its finished stages passed over, its runs to come read as those
that are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.base.errors import BadInput
from harness.base.seeds import stable_hash
from harness.reading.readers import EARLIER, TODAY
from harness.results.training_curve import TRAINING
from harness.training.loop.config import TrainConfig, load_train_config
from harness.training.loop.experiments import experiment_identity, find_tasks, held_out_experiment, play_experiment
from harness.training.loop.folder import TrainingFolder, folder_name, folder_readers, open_folder
from tests.shared_data import ROOT

RECIPE = ROOT / "recipes" / "cpu-mini.yaml"
INPUTS = {
    "held-out-0": "48ec4e47b0487ea3698d9958f9cc20ca7149e653169300f72fa7d4156584f481",
    "play-1": "97ffe84b9a7591328fc1450ed2d7aa5410e357d1ed28bc2322edc296091b3bdc",
    "held-out-1": "d2b4cbd66ba9c8a1e103e43e08e5f145f2b32a0dbe1ce6d16f5c1436301d53a1",
}
"""Hashes of what version 0.1 wrote down of the recipe's experiments, in the markers of the stages that play them."""


@pytest.fixture
def config() -> TrainConfig:
    return load_train_config(RECIPE, [])


def begun_earlier(config: TrainConfig, results: Path) -> Path:
    """The folder of a training that version 0.1 began, as far as it is opened by."""
    folder = results / config.earlier_name
    folder.mkdir()
    stored = config.model_dump(mode="json")
    for role in ("strategist", "actor"):
        stored[role].pop("reasoning_effort")
    (folder / TRAINING).write_text(json.dumps({"schema_version": 1, "identity": "0" * 64, "config": stored}))
    return folder


def test_its_stages_have_the_inputs_that_their_markers_hold(config: TrainConfig) -> None:
    tasks = find_tasks(config)
    later = {**config.start, "revision": "weights-abc"}
    experiments = {
        "held-out-0": held_out_experiment(config, tasks, 0, config.start),
        "play-1": play_experiment(config, tasks[0], 1, config.start),
        "held-out-1": held_out_experiment(config, tasks, 1, {**config.start, "revision": "sha256:abc"}),
    }
    assert {name: stable_hash(experiment_identity(each, EARLIER)) for name, each in experiments.items()} == INPUTS
    (today,) = {
        stable_hash(experiment_identity(held_out_experiment(config, tasks, 1, at), TODAY)) for at in (later, later)
    }
    moved = held_out_experiment(config, tasks, 1, {**later, "model": "/elsewhere/"})
    assert stable_hash(experiment_identity(moved, TODAY)) == today, "where a checkpoint lies changes nothing"


def test_it_is_found_by_the_name_it_had_and_keeps_its_readers(config: TrainConfig, tmp_path: Path) -> None:
    assert folder_name(config, tmp_path) == config.folder_name
    folder = begun_earlier(config, tmp_path)
    assert folder_name(config, tmp_path) == folder.name
    assert (folder_readers(folder), folder_readers(tmp_path / "new")) == (EARLIER, TODAY)
    open_folder(TrainingFolder(folder), config, {})
    changed = load_train_config(RECIPE, ["fit.learning_rate=0.5"])
    with pytest.raises(BadInput, match="learning_rate"):
        open_folder(TrainingFolder(folder), changed, {})


def test_a_new_training_says_by_which_readers_it_plays(config: TrainConfig, tmp_path: Path) -> None:
    folder = tmp_path / config.folder_name
    folder.mkdir()
    open_folder(TrainingFolder(folder), config, {})
    assert folder_readers(folder) == TODAY
    open_folder(TrainingFolder(folder), load_train_config(RECIPE, ["strategist.reasoning_effort=null"]), {})
