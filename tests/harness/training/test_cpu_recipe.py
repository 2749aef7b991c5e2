"""The CPU recipe ranks on tasks that were fixed beforehand and that nothing learnt from."""

from __future__ import annotations

import hashlib
import re

import pandas as pd
import yaml

import environments
from environments.alfworld import builtin
from harness.experiment.experiment import load_experiment
from harness.runs.worlds import choose_tasks
from harness.training.loop.config import load_train_config
from harness.training.loop.experiments import find_tasks, held_out_experiment, play_experiment
from tests.shared_data import ROOT
from tools.learnt import TABLES_OF_THE_RECIPE, with_tables

FOLDER = ROOT / "recipes" / "cpu"
HELD_OUT = "90107367ab361f98b10bef253da108fde921668a3370039b0a2467c14b5a5c78"
"""SHA-256 of held-out.txt, fixed before the first training run."""


def held_out() -> list[str]:
    return (FOLDER / "held-out.txt").read_text().split()


def test_the_held_out_list_is_the_one_that_was_fixed() -> None:
    assert hashlib.sha256((FOLDER / "held-out.txt").read_bytes()).hexdigest() == HELD_OUT
    assert len(set(held_out())) == 300


def test_training_and_rows_are_ranked_on_that_list_with_one_seed() -> None:
    config = load_train_config(FOLDER / "learn.yaml", [])
    [tasks] = find_tasks(config)
    assert [task.id for task in tasks.held_out] == held_out()
    for seed in (1, 2):
        ranked = held_out_experiment(config.model_copy(update={"seed": seed}), [tasks], 1, config.start)
        assert ranked.seed == 0, "whatever the training's seed"
    assert ranked.actors[0].script == "follow"
    rows = load_experiment(None, (FOLDER / "rows.yaml").read_text(), [])
    [environment] = rows.environments
    assert rows.seed == 0
    assert dict(environment.options) == dict(config.environments[0].options)
    played = choose_tasks(environments.make("alfworld", environment.options).tasks(environment.split), environment)
    assert [task.id for task in played] == held_out()


def test_warm_start_and_self_play_learn_on_other_scenes_and_other_sentences() -> None:
    config = load_train_config(FOLDER / "learn.yaml", [])
    [tasks] = find_tasks(config)
    explore = load_experiment(None, (FOLDER / "explore.yaml").read_text(), [])
    [explored] = explore.environments
    assert dict(explored.options) == dict(config.environments[0].options)
    made = environments.make("alfworld", explored.options)
    learnt = [*tasks.train, *choose_tasks(made.tasks(explored.split), explored)]
    assert not {task.id for task in learnt} & set(held_out())
    ranked = [task for task in made.tasks("builtin-test-many") if task.id in set(held_out())]
    assert not {task.group for task in learnt} & {task.group for task in ranked}
    sentences = [{builtin.world_of(task).task for task in part} for part in (learnt, ranked)]
    assert not sentences[0] & sentences[1]


def test_every_iteration_plays_other_training_tasks_by_seed() -> None:
    config = load_train_config(FOLDER / "learn.yaml", [])
    [tasks] = find_tasks(config)

    def played(seed: int, iteration: int) -> set[str]:
        seeded = config.model_copy(update={"seed": seed})
        [environment] = play_experiment(seeded, tasks, iteration, config.start).environments
        assert isinstance(environment.tasks, list)
        return set(environment.tasks)

    assert len(played(1, 1)) == 160
    assert not played(1, 1) & played(1, 2)
    assert played(1, 1) != played(2, 1)


def test_the_readme_names_every_file_and_its_tables_are_those_of_the_committed_outcomes() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    for path in sorted(FOLDER.glob("*.yaml")):
        assert yaml.safe_load(path.read_text())["name"].startswith("cpu-")
        assert f"`{path.name}`" in readme
    assert with_tables(readme) == readme


def test_the_committed_outcomes_are_of_every_held_out_task_and_of_no_other() -> None:
    outcomes = pd.read_csv(FOLDER / "outcomes.csv").set_index("task")
    games = outcomes[outcomes.index.str.startswith("builtin-test/")]
    assert sorted(games.index) == sorted(held_out())
    [learning, *_] = TABLES_OF_THE_RECIPE
    for row in learning.rows:
        for run in row.runs:
            assert games[row.column(run)].isin([0.0, 1.0]).all()


def test_the_script_makes_every_run_that_the_tables_are_made_of() -> None:
    script = (FOLDER / "learn.sh").read_text("utf-8")
    made = set(re.findall(r"--name \"?(cpu-[\w-]+)(?![\w$-])", script))
    made |= {f"cpu-rows-{name}" for name in re.findall(r"^ablation (\w+) ", script, flags=re.MULTILINE)}
    wanted = {run for table in TABLES_OF_THE_RECIPE for row in table.rows for run in row.runs}
    assert wanted <= made
    for recipe in re.findall(r"\$here/([\w-]+\.yaml)", script):
        assert (FOLDER / recipe).is_file()
