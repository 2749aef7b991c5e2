"""A model is not evaluated on tasks it was trained on, unless the user says so, and then the manifest says it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import environments
from environments.base import Task
from environments.webshop.env import WebShopEnvironment, WebShopOptions
from environments.webshop.splits import EPO_LISTS, epo_indices
from harness.errors import BadInput
from harness.leaks import CARD, card_of, overlap, read_training_tasks, task_hash, write_training_tasks
from harness.plan import Plan
from harness.run import Run
from harness.store import read_manifest
from tests.harness.builders import experiment
from tests.shared_data import shared_data


def test_a_hash_belongs_to_the_environment_and_the_id() -> None:
    assert task_hash("webshop", "1") == task_hash("webshop", "1")
    assert len({task_hash("webshop", "1"), task_hash("alfworld", "1"), task_hash("webshop", "2")}) == 3


def test_the_21_tasks_of_epos_published_train_and_test_lists_are_caught() -> None:
    lists = json.loads((shared_data("webshop") / "epo_indices.json").read_text())
    trained = [task_hash("webshop", str(index)) for index in lists["train_indices"]]
    shared = set(lists["train_indices"]) & set(lists["test_indices"])
    met = overlap(trained, [("webshop", str(index)) for index in lists["test_indices"]])
    assert len(shared) == 21
    assert {int(task) for _, task in met} == shared
    assert overlap(trained, [("webshop", str(index)) for index in lists["test_indices_500"]]) == []


class Listed(WebShopEnvironment):
    """WebShop with the paper's index lists as tasks; the full catalogue is not needed to plan them."""

    def tasks(self, split: str) -> Sequence[Task]:
        ids = epo_indices(EPO_LISTS[split])
        return [Task(id=f"goal {index}", split=split, group=str(index), data={}) for index in ids]

    def data_hashes(self, split: str) -> dict[str, str]:
        return {}


def epo_test(split: str, model: dict[str, Any]) -> Any:
    scripted = {"provider": "scripted", "function": "tests.harness.builders:speak", **model}
    return experiment(environments=[{"name": "webshop", "split": split}], models={"m": scripted})


def test_a_checkpoint_trained_on_epos_list_is_refused_on_its_test_split_naming_the_21(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "make", lambda name, options=None: Listed(WebShopOptions()))
    trained = [("webshop", f"goal {index}") for index in epo_indices("train_indices")]
    card = write_training_tasks(tmp_path, trained, "EPO's list")
    with pytest.raises(BadInput) as refused:
        Run(epo_test("epo-test", {"trained_on": str(card)}), tmp_path / "run").__enter__()
    shared = sorted(set(epo_indices("train_indices")) & set(epo_indices("test_indices")))
    assert "trained on 21 of this experiment's webshop tasks" in str(refused.value)
    assert all(f"goal {index}" in str(refused.value) for index in shared)
    assert "--allow-leak" in str(refused.value)
    assert not (tmp_path / "run").exists()
    with Run(epo_test("epo-test-500", {"trained_on": str(card)}), tmp_path / "other"):
        assert read_manifest(tmp_path / "other")["leaks"] == []


def test_an_allowed_leak_goes_on_and_stands_in_the_manifest(tmp_path: Path) -> None:
    plan = Plan(experiment())
    ids = [task for _, task in plan.played_by()["m"]]
    card = write_training_tasks(tmp_path, [("sotopia", ids[1])])
    leaking = experiment(
        models={"m": {"provider": "scripted", "function": "tests.harness.builders:speak", "trained_on": str(card)}}
    )
    with Run(leaking, tmp_path / "run", allow_leak=True):
        pass
    assert read_manifest(tmp_path / "run")["leaks"] == [{"model": "m", "environment": "sotopia", "tasks": [ids[1]]}]
    with pytest.raises(BadInput, match="--allow-leak"):
        Run(leaking, tmp_path / "run").__enter__()


def test_the_card_in_or_beside_a_local_checkpoint_counts(tmp_path: Path) -> None:
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"")
    assert card_of({"model": str(weights)}) is None
    card = write_training_tasks(tmp_path, [("sotopia", "x")])
    assert card_of({"model": str(weights)}) == card_of({"model": str(tmp_path)}) == card == tmp_path / CARD
    assert card_of({"model": "gpt-4o"}) is None


def test_what_a_model_was_trained_on_changes_no_output_and_no_run_name() -> None:
    plain = {"provider": "scripted", "function": "tests.harness.builders:speak"}
    assert experiment(models={"m": plain}).identity == experiment(models={"m": {**plain, "trained_on": "x"}}).identity


def test_the_manifest_keeps_the_hashes_of_the_planned_tasks(tmp_path: Path) -> None:
    with Run(experiment(), tmp_path / "run") as run:
        ids = list(next(iter(run.plan.worlds.values())).by_id)
    hashes = read_manifest(tmp_path / "run")["tasks"]
    assert hashes == {"sotopia | builtin-test": [task_hash("sotopia", task) for task in ids]}


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "not JSON"), ('{"format": 1}', "tasks"), ('{"format": 2, "tasks": []}', "format"), ("[]", "training_tasks")],
)
def test_a_card_that_can_not_be_read_is_refused_not_taken_for_clean(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / CARD).write_text(text)
    with pytest.raises(BadInput, match=says):
        read_training_tasks(tmp_path / CARD)
    with pytest.raises(BadInput):
        read_training_tasks(tmp_path / "absent.json")
