"""A model is not evaluated on tasks it was trained on, unless the user says so, and then the manifest says it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

import environments
from environments.base import Task
from environments.webshop.env import WebShopEnvironment
from environments.webshop.goals.splits import EPO_LISTS, epo_indices
from environments.webshop.options import WebShopOptions
from environments.webshop.shop.play import WebShopPlay
from harness.base.errors import BadInput
from harness.cli import main
from harness.results.leaks import CARD, card_of, overlap, read_training_tasks, task_hash
from harness.results.store import read_manifest
from harness.runs.plan import Plan
from harness.runs.run import Run
from tests.harness.builders import config, experiment
from tests.shared_data import shared_data
from tests.task_cards import write_training_tasks


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

    def reset(self, task: Task, seed: int) -> WebShopPlay:
        """A goal of the built-in shop: the listed ones' products are not here."""
        shop = WebShopEnvironment(WebShopOptions())
        return shop.reset(shop.tasks("builtin-test")[0], seed)

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
    assert "trained on 21 of the webshop tasks" in str(refused.value)
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


# --- models that judge, forecasts, and what is done to a run that is there


def leaking(card: Path, role: str) -> dict[str, Any]:
    """A run as it would be written, whose model in that role was trained on what the card says."""
    play = {"provider": "scripted", "function": "tests.harness.builders:play_or_judge"}
    changes: dict[str, Any] = {"models": {"m": play, "other": {**play, "trained_on": str(card)}}}
    if role == "judge":
        return changes | {"judge": "other"}
    if role == "panel":
        return changes | {"judge": ["m", "other"]}
    return changes | {
        "strategists": [{"kind": "epo", "model": "m"}],
        "judge": "m",
        "process": [{"method": role, "model": "other"}],
    }


def first_task() -> tuple[str, str]:
    return Plan(experiment()).played_by()["m"][0]


@pytest.mark.parametrize("role", ["judge", "panel", "critical", "utterance"])
def test_a_model_does_not_judge_what_it_was_trained_on(tmp_path: Path, role: str) -> None:
    card = write_training_tasks(tmp_path, [first_task()])
    with pytest.raises(BadInput, match="model 'other' was trained on 1 of the sotopia tasks"):
        Run(experiment(**leaking(card, role)), tmp_path / "run").__enter__()
    with Run(experiment(**leaking(card, role)), tmp_path / "run", allow_leak=True):
        pass
    assert [leak["model"] for leak in read_manifest(tmp_path / "run")["leaks"]] == ["other"]


def test_a_judge_has_nothing_to_do_with_tasks_whose_outcome_the_world_tells(tmp_path: Path) -> None:
    household = {"name": "alfworld", "split": "builtin-test-mini", "tasks": 2}
    plan = Plan(experiment(environments=[household]))
    card = write_training_tasks(tmp_path, plan.played_by()["m"])
    assert "other" not in Plan(experiment(environments=[household], **leaking(card, "judge"))).played_by()
    rewarded = experiment(environments=[household], **(leaking(card, "critical") | {"judge": None}))
    assert len(Plan(rewarded).played_by()["other"]) == 2


def written(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(config(**changes)))
    return path


def test_the_dry_run_is_refused_what_the_run_would_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment, task = first_task()
    file = str(written(tmp_path, **leaking(write_training_tasks(tmp_path, [(environment, task)]), "judge")))
    command = ["run", file, "--results", str(tmp_path / "results"), "--dry-run"]
    assert main(command) == 2
    assert task in capsys.readouterr().err
    assert main([*command, "--allow-leak"]) == 0


@pytest.fixture
def played(tmp_path: Path) -> Path:
    """A run whose second model is not asked by it, and whose card comes later."""
    card = tmp_path / CARD
    file = str(written(tmp_path, **(leaking(card, "critical") | {"process": []})))
    write_training_tasks(tmp_path, [])
    assert main(["run", file, "--results", str(tmp_path / "results"), "--name", "run"]) == 0
    return tmp_path / "results" / "run"


JUDGED_BY_OTHER = [["--judge", "other"], ["--process", "critical", "--judge", "other"]]


@pytest.mark.parametrize("how", JUDGED_BY_OTHER)
def test_a_stored_run_is_not_judged_by_a_model_that_was_trained_on_it(
    played: Path, tmp_path: Path, how: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    environment, task = first_task()
    write_training_tasks(tmp_path, [(environment, task)])
    assert main(["judge", str(played), *how]) == 2
    assert task in capsys.readouterr().err
    assert "later_leaks" not in read_manifest(played)
    assert main(["judge", str(played), *how, "--allow-leak"]) != 2
    told = [{"model": "other", "environment": environment, "tasks": [task]}]
    assert read_manifest(played)["later_leaks"] == told
    assert main(["judge", str(played), *how]) != 2, "it was allowed once"
    assert read_manifest(played)["later_leaks"] == told


def test_replay_is_refused_when_a_player_was_trained_on_the_tasks_since(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = write_training_tasks(tmp_path, [])
    play = {"provider": "scripted", "function": "tests.harness.builders:play_or_judge", "trained_on": str(card)}
    changes = {"models": {"m": play}, "strategists": [{"kind": "epo", "model": "m"}], "judge": "m"}
    assert main(["run", str(written(tmp_path, **changes)), "--results", str(tmp_path), "--name", "run"]) == 0
    environment, task = first_task()
    write_training_tasks(tmp_path, [(environment, task)])
    command = ["judge", str(tmp_path / "run"), "--process", "replay", "--option", "n=1", "--option", "turns=1"]
    assert main(command) == 2
    assert "--allow-leak" in capsys.readouterr().err
    assert main([*command, "--allow-leak"]) == 0
    assert read_manifest(tmp_path / "run")["later_leaks"][0]["tasks"] == [task]
    assert main(["judge", str(tmp_path / "run"), "--process", "progress"]) == 2, "refused for another reason"
    assert "--allow-leak" not in capsys.readouterr().err
