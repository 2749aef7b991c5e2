"""The task lists on the real profiles and on our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import environments
from environments.sotopia import hard, splits
from environments.sotopia.builtin import builtin_world, scenarios
from harness.base.errors import BadInput
from tests.shared_data import shared_data


def test_all_has_the_450_combos_in_canonical_order(real_home: Path) -> None:
    tasks = splits.tasks("all")
    published = [json.loads(line) for line in shared_data("sotopia", "combos.jsonl").read_text().splitlines()]
    assert [task.id for task in tasks] == [f"sotopia:{row['pk']}" for row in published]
    assert [task.group for task in tasks] == [row["env_id"] for row in published]
    assert len(tasks) == 450
    assert len({task.group for task in tasks}) == 90


def test_hard_is_the_published_list(real_home: Path) -> None:
    published = json.loads(shared_data("sotopia", "hard.json").read_text())
    assert list(hard.HARD_INDICES) == published["indices"]
    assert list(hard.HARD_ENTRIES) == published["tasks_20"]["environments"]
    tasks = splits.tasks("hard")
    assert [task.id for task in tasks] == [f"sotopia:{pk}" for pk in published["combo_pks"]]
    assert {task.group for task in tasks} == set(published["environments"])


def test_hard_env_role_adds_up_to_the_hundred_scores_of_the_20_entries(real_home: Path) -> None:
    published = json.loads(shared_data("sotopia", "hard.json").read_text())
    tasks = splits.tasks("hard-env-role")
    assert [task.id for task in tasks] == [task.id for task in splits.tasks("hard")]
    assert sum(task.data["seat_weight"] * len(task.data["tested_seats"]) for task in tasks) == 100
    both = {task.group for task in tasks if task.data["role"] == "both"}
    assert both == set(published["tasks_20"]["twice"])
    unknown = {task.group for task in tasks if task.data["role"] == "unknown"}
    assert len(both) * 2 + len(unknown) == 20
    assert {task.data["label"] for task in tasks} == {"listed for both roles", "role unknown, both played"}


@pytest.mark.parametrize("split", ["all", "hard", "hard-env-role"])
def test_profiles_that_are_not_imported_are_bad_input(split: str, empty_home: Path) -> None:
    for ask in (splits.tasks, splits.data_hashes):
        with pytest.raises(BadInput, match=r"`harness data fetch sotopia`, or `harness data import PATH`"):
            ask(split)


def test_combos_in_another_order_give_no_hard_split(real_home: Path) -> None:
    path = real_home / "sotopia/combos.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    shifted = [{**row, "index": (row["index"] + 1) % 450} for row in rows]  # as if the indices were 1-based
    path.write_text("".join(json.dumps(row) + "\n" for row in shifted))
    with pytest.raises(BadInput, match="not in the canonical order"):
        splits.tasks("hard")


def test_a_new_import_is_noticed(real_home: Path) -> None:
    assert len(splits.tasks("all")) == 450
    path = real_home / "sotopia/combos.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:10]))
    assert len(splits.tasks("all")) == 10


def test_an_unknown_split_names_the_nearest() -> None:
    with pytest.raises(BadInput, match=r"no split 'hrd'.*Did you mean 'hard'"):
        splits.tasks("hrd")


def test_training_and_test_of_our_own_are_disjoint_and_together_everything(empty_home: Path) -> None:
    train, test, both = (splits.tasks(f"builtin{part}") for part in ("-train", "-test", ""))
    assert {task.group for task in train}.isdisjoint(task.group for task in test)
    assert sorted([task.id for task in train] + [task.id for task in test]) == sorted(task.id for task in both)
    assert train
    assert test
    assert len({task.id for task in both}) == len(both)
    assert all(task.id == f"builtin:{task.data['combo']}" for task in both)
    assert {task.group for task in both} == set(scenarios())


def test_nobody_of_our_own_plays_with_themselves() -> None:
    assert all(len(set(combo.character_ids)) == 2 for combo in builtin_world().combos)


def test_every_task_can_be_begun(real_home: Path) -> None:
    env = environments.make("sotopia")
    for split in env.splits():
        tasks = env.tasks(split)
        assert all(not env.reset(task, seed=1).done for task in tasks)
        assert all(len(digest) == 64 for digest in env.data_hashes(split).values())


def test_the_data_hashes_change_with_the_data(real_home: Path) -> None:
    before = splits.data_hashes("hard")
    with (real_home / "sotopia/agents.jsonl").open("a") as file:
        file.write("\n")
    after = splits.data_hashes("hard")
    assert [name for name in before if before[name] != after[name]] == ["agents.jsonl"]


def test_a_task_of_other_data_is_bad_input(real_home: Path) -> None:
    env = environments.make("sotopia")
    task = env.tasks("all")[0]
    path = real_home / "sotopia/combos.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[1:]))
    with pytest.raises(BadInput, match="have no pairing"):
        env.reset(task, seed=1)
