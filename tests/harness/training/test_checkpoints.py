"""Weights are known by what is in them, served as the start is, and how far they moved is measured."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.base.errors import BadInput
from harness.results.leaks import read_training_tasks, write_training_tasks
from harness.training.fit.checkpoint import relative_change, start_weights, trained_weights, weights_hash
from tests.extras import required

torch = required("torch")
safetensors = required("safetensors.torch")


def model(folder: Path, **tensors: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    safetensors.save_file(tensors, folder / "model.safetensors")
    return folder


def test_the_relative_change_is_that_of_all_parameters_together(tmp_path: Path) -> None:
    old = model(tmp_path / "old", a=torch.tensor([3.0, 0.0]), b=torch.tensor([[4.0]]), tied=torch.ones(5))
    new = model(tmp_path / "new", a=torch.tensor([3.0, 1.0]), b=torch.tensor([[4.0]]))
    assert relative_change(old, new) == pytest.approx(math.sqrt(1 / 25))
    assert relative_change(old, old) == 0


def test_half_precision_weights_are_summed_in_full_precision(tmp_path: Path) -> None:
    tensor = torch.ones(1001, dtype=torch.bfloat16)
    old = model(tmp_path / "old", a=tensor)
    tensor[0] = 1.0078125
    new = model(tmp_path / "new", a=tensor)
    assert relative_change(old, new) == pytest.approx(0.0078125 / math.sqrt(1001))


def test_the_hash_is_of_the_weights_and_not_of_what_is_written_about_them(tmp_path: Path) -> None:
    folder = model(tmp_path / "m", a=torch.ones(2))
    before = weights_hash(folder)
    (folder / "README.md").write_text("a card")
    assert weights_hash(folder) == before
    assert weights_hash(model(tmp_path / "copy", a=torch.ones(2))) == before
    model(folder, a=torch.zeros(2))
    assert weights_hash(folder) != before


def test_a_checkpoint_is_served_as_the_start_is_but_for_its_folder(tmp_path: Path) -> None:
    config = {"provider": "transformers", "args": {"dtype": "float32"}, "tokens": True, "trained_on": "card.json"}
    start = start_weights("start", {**config, "model": str(model(tmp_path / "start", a=torch.ones(2)))})
    checkpoint = model(tmp_path / "t", a=torch.zeros(2))
    made = trained_weights(start, checkpoint)
    place = {"model": str(checkpoint), "revision": f"weights-{made.hash}"}
    assert {**made.config, "trained_on": "card.json"} == {**start.config, **place}
    assert "trained_on" not in made.config, "its own card counts, not the start's"
    assert made.hash != start.hash


def test_a_start_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="model 'start'"):
        start_weights("start", {"provider": "transformers", "model": str(tmp_path / "none")})


def test_what_weights_learnt_from_is_written_beside_them(tmp_path: Path) -> None:
    write_training_tasks(tmp_path, ["b", "a", "b"], "t")
    assert read_training_tasks(tmp_path / "training_tasks.json") == {"a", "b"}
