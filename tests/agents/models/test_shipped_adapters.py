"""The adapters in the package: small, as their card says, found by name, and not ranked on what they learnt from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agents.models.local.adapters import SHIPPED, adapter_path, gguf_adapter, shipped_path
from harness.base.errors import BadInput
from harness.base.seeds import sha256_of
from harness.experiment.experiment import load_experiment
from harness.results.leaks import cards_of, find_leaks, read_training_tasks
from harness.runs.plan import Plan
from tests.shared_data import ROOT

FILES = [Path(shipped_path(name)) for name in SHIPPED]
MOST_BYTES = 8_000_000


def test_together_they_are_small_and_are_the_files_of_their_card() -> None:
    assert sum(path.stat().st_size for path in FILES) <= MOST_BYTES
    card = (FILES[0].parent / "README.md").read_text()
    for name, path in zip(SHIPPED, FILES, strict=True):
        assert f"## {name}" in card and f"| `{path.name}` | `{sha256_of(path)}` |" in card


@pytest.mark.parametrize("name", SHIPPED)
def test_each_is_found_by_its_name_and_says_what_it_learnt_from(name: str) -> None:
    config = {"provider": "llamacpp", "model": "smollm2-135m-instruct-q8_0", "adapter": name}
    found = gguf_adapter(adapter_path(config) or "", "mine")
    assert found.rank == 16
    [card] = cards_of(config)
    assert len(read_training_tasks(card)) > 50
    assert re.search(r"\bsha256 [0-9a-f]{64}$", json.loads(card.read_text("utf-8"))["description"])


def test_the_quick_start_plays_no_game_that_they_learnt_from() -> None:
    experiment = load_experiment(None, (ROOT / "harness" / "quickstart.yaml").read_text(), [])
    playing = Plan(experiment).played_by()
    assert list(find_leaks(playing, experiment.models)) == []
    taught = load_experiment(None, (ROOT / "recipes" / "two-models" / "teach.yaml").read_text(), [])
    [world] = Plan(taught).worlds.values()
    leaks = find_leaks({"actor": [("alfworld", task.id) for task in world.tasks]}, experiment.models)
    assert [leak.model for leak in leaks] == ["actor"]


def test_a_name_that_is_almost_one_is_refused_with_the_right_one() -> None:
    with pytest.raises(BadInput, match=r"alfworld-acto.*Did you mean 'alfworld-actor'"):
        gguf_adapter("alfworld-acto", "mine")
