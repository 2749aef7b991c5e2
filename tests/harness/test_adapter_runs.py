"""What a run does with a model's LoRA adapter before anything is played; nothing is loaded here."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

import pytest
import yaml

from harness.cli import main
from harness.compare.comparability import facts_of
from harness.experiment.identity import model_identity
from harness.results.leaks import card_beside, card_of, cards_of
from harness.results.store import read_manifest
from harness.runs.plan import Plan
from harness.runs.run import Run
from leaderboard.page.provenance import provenance
from tests.agents.models.lora import peft_folder
from tests.harness.builders import config, experiment
from tests.task_cards import write_training_tasks

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("safetensors") is None and os.environ.get("STRICT") != "1",
    reason="safetensors is not installed (extra `train`)",
)
SHAPES = {f"model.layers.0.self_attn.{name}_proj.weight": (8, 8) for name in "qkvo"}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder that looks like a small model's."""
    import numpy as np
    from safetensors.numpy import save_file

    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    save_file({name: np.zeros(shape, "float32") for name, shape in SHAPES.items()}, folder / "model.safetensors")
    return folder


def changes(base: Path, adapter: Path) -> dict[str, Any]:
    return {"models": {"m": {"provider": "transformers", "model": str(base), "adapter": str(adapter)}}}


def made(folder: Path, base: Path, seed: int, **more: Any) -> Path:
    return peft_folder(folder, seed=seed, shapes=SHAPES, base_model_name_or_path=str(base), **more)


@pytest.fixture
def played(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """Begin a run with an adapter, as far as its manifest."""

    def begin(adapter: Path) -> Path:
        with Run(experiment(**changes(base, adapter)), tmp_path / "results" / "run", check=False) as run:
            return run.folder

    return begin


def test_a_run_is_not_continued_with_another_adapter_in_the_same_place(
    tmp_path: Path, base: Path, played: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = made(tmp_path / "adapter", base, 0)
    folder = played(adapter)
    (before,) = read_manifest(folder)["adapters"].values()
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(config(**changes(base, adapter))))
    command = ["run", str(file), "--results", str(folder.parent), "--name", "run"]
    assert main([*command, "--dry-run"]) == 0
    made(adapter, base, 1)
    for more in ([], ["--dry-run"]):
        assert main([*command, *more]) == 2
        said = capsys.readouterr().err
        assert f"the adapter of model 'm', {adapter}: its content was {before} and is" in said and "--name" in said


def test_a_missing_or_strange_adapter_is_refused_by_the_dry_run_as_by_the_run(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = peft_folder(tmp_path / "strange", shapes=dict.fromkeys(SHAPES, (16, 8)))
    for adapter, expected in ((tmp_path / "none", "holds no adapter_config.json"), (strange, "made for another base")):
        file = tmp_path / "small.yaml"
        file.write_text(yaml.safe_dump(config(**changes(base, adapter))))
        for more in ([], ["--dry-run"]):
            assert main(["run", str(file), "--results", str(tmp_path / "results"), *more]) == 2
            said = capsys.readouterr().err
            assert expected in said and str(adapter) in said
    assert not (tmp_path / "results").exists()


def test_an_adapter_counts_by_content_where_runs_are_compared_and_is_named_on_the_page(
    tmp_path: Path, base: Path, played: Callable[[Path], Path]
) -> None:
    folder = played(made(tmp_path / "adapter", base, 0))
    manifest = read_manifest(folder)
    (cell,) = manifest["cells"]
    (digest,) = manifest["adapters"].values()
    actor = facts_of(manifest, cell, None)["actor"]
    moved = {**manifest, "config": {**manifest["config"], **changes(base, tmp_path / "elsewhere")}}
    assert facts_of(moved, cell, None)["actor"] == actor
    assert facts_of({**manifest, "adapters": {"m": "other"}}, cell, None)["actor"] != actor
    shown = "".join(tostring(each, "unicode") for each in provenance({"run": folder}) if isinstance(each, Element))
    assert f"adapter adapter ({digest})" in shown


def test_the_tasks_an_adapter_was_trained_on_are_found_beside_it(tmp_path: Path, base: Path) -> None:
    adapter = made(tmp_path / "adapter", base, 0)
    ids = [task for _, task in Plan(experiment()).played_by()["m"]]
    card = write_training_tasks(adapter, [("sotopia", ids[1])])
    model = changes(base, adapter)["models"]["m"]
    assert cards_of(model) == [card] and card_of(model) is None
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(config(**changes(base, adapter))))
    assert main(["run", str(file), "--results", str(tmp_path / "results"), "--dry-run"]) == 2
    gguf = tmp_path / "one.gguf"
    gguf.write_bytes(b"")
    card.rename(card_beside(gguf))
    assert cards_of({"provider": "llamacpp", "model": "x", "adapter": str(gguf)}) == [card_beside(gguf)]


def test_old_and_new_words_for_an_adapter_are_one_experiment() -> None:
    old = {"provider": "transformers", "model": "x", "args": {"adapter": "a/"}}
    assert model_identity(old) == model_identity({"provider": "transformers", "model": "x", "adapter": "a"})
    assert model_identity(old) != model_identity({"provider": "transformers", "model": "x", "adapter": "b"})
