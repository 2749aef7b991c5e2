"""The recipe with a model in both seats ranks on games that were fixed beforehand and that nothing learnt from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence

import environments
from environments.base import Task
from harness.experiment.experiment import load_experiment
from harness.results.store import read_manifest
from harness.runs.worlds import choose_tasks
from harness.training.loop.config import load_train_config
from harness.training.loop.experiments import find_tasks, held_out_experiment, play_experiment
from tests.shared_data import DEMO, ROOT

FOLDER = ROOT / "recipes" / "two-models"
HELD_OUT = "044441808298cc12a093c3086d2a475a6c547efc40f50962d59b0b191196fdbf"
"""SHA-256 of held-out.txt."""


def held_out() -> list[str]:
    return (FOLDER / "held-out.txt").read_text().split()


def tasks_of(file: str) -> Sequence[Task]:
    [environment] = load_experiment(None, (FOLDER / file).read_text(), []).environments
    made = environments.make("alfworld", environment.options)
    return choose_tasks(made.tasks(environment.split), environment)


def test_the_held_out_list_is_fixed_and_its_first_games_are_ranked() -> None:
    assert hashlib.sha256((FOLDER / "held-out.txt").read_bytes()).hexdigest() == HELD_OUT
    assert len(set(held_out())) == 200
    ranked = [task.id for task in tasks_of("rows.yaml")]
    assert ranked == held_out()[: len(ranked)]
    [tasks] = find_tasks(load_train_config(FOLDER / "learn.yaml", []))
    assert [task.id for task in tasks.held_out] == ranked


def test_actor_warm_start_and_self_play_learn_on_other_scenes_and_other_sentences() -> None:
    [tasks] = find_tasks(load_train_config(FOLDER / "learn.yaml", []))
    learnt = [*tasks.train, *tasks_of("teach.yaml"), *tasks_of("seen.yaml")]
    ranked = tasks_of("rows.yaml")
    assert not {task.group for task in learnt} & {task.group for task in ranked}
    assert not {task.id for task in learnt} & set(held_out())


def test_every_seed_learns_on_other_games_and_is_ranked_with_the_same_draws() -> None:
    config = load_train_config(FOLDER / "learn.yaml", [])
    [tasks] = find_tasks(config)
    seeds = [config.model_copy(update={"seed": seed}) for seed in (1, 2)]
    [first], [second] = (play_experiment(each, tasks, 1, config.start).environments for each in seeds)
    assert isinstance(first.tasks, list) and isinstance(second.tasks, list)
    assert len(set(first.tasks)) == len(set(second.tasks)) == 80 and set(first.tasks) != set(second.tasks)
    assert {held_out_experiment(each, [tasks], 1, config.start).seed for each in seeds} == {0}


def test_the_script_trains_the_layers_that_the_self_play_trains() -> None:
    script = (FOLDER / "common.sh").read_text()
    first, last = re.search(r"seq (\d+) (\d+)", script).groups()  # type: ignore[union-attr]
    lora = load_train_config(FOLDER / "learn.yaml", []).fit.lora
    assert lora is not None
    layers = {int(name.split(".")[1]) for name in lora.target_modules}
    assert layers == set(range(int(first), int(last) + 1))
    assert f"r: {lora.r}, alpha: {lora.alpha:g}," in script


def test_the_table_has_the_figures_of_the_committed_run() -> None:
    won: dict[str, list[int]] = {}
    for line in (DEMO / "episodes.jsonl").read_text("utf-8").splitlines():
        episode = json.loads(line)
        found = won.setdefault(episode["strategist"], [])
        if episode["outcome"] is not None:
            found.append(int(episode["outcome"]["success"]))
    table = (FOLDER / "README.md").read_text("utf-8").partition("## Can it be trained?")[0]
    assert set(won) == {cell.split(" | ")[4] for cell in read_manifest(DEMO)["cells"]}
    for strategist, outcomes in won.items():
        (row,) = re.findall(rf"^\|[^|]*`{strategist}`[^|]*\|([^|]*)\|", table, re.MULTILINE)
        assert f"{sum(outcomes)} of {len(outcomes)}" in row, strategist
    said = " ".join((ROOT / "README.md").read_text("utf-8").split())
    for strategist in (name for name in won if name == "vanilla" or name.startswith("epo-rl")):
        assert f"{sum(won[strategist])} of {len(won[strategist])}" in said, strategist
