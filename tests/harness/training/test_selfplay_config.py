"""What a training's config says, and what is refused before anything is played."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.training.loop.config import TrainConfig, load_train_config
from harness.training.loop.experiments import (
    arm_name,
    find_tasks,
    held_out_experiment,
    iteration_tasks,
    play_experiment,
)
from harness.training.loop.report import goal_lines
from harness.training.loop.selfplay import SelfPlay, TooManyUnfinished
from tests.harness.training.configs import SCRIPTS, empty_weights, training, write_training
from tests.task_cards import write_training_tasks


@pytest.fixture
def start(tmp_path: Path) -> Path:
    return empty_weights(tmp_path / "start")


def config(start: Path, **changes: Any) -> TrainConfig:
    return TrainConfig.model_validate(training(start, **changes))


def alfworld(train: dict[str, Any], held_out: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "alfworld", "train": train, "held_out": held_out, **more}


PROGRESS = [{"method": "progress"}]
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"iteration": 3}, r"unknown key `iteration`; known here: .*Did you mean 'iterations'"),
    "an unknown key of a part": (
        {"play": {"temperatur": 1.0}},
        r"unknown key `play.temperatur`; known here: .*Did you mean 'temperature'",
    ),
    "an unknown training option": (
        {"fit": {"learning_rat": 1e-3}},
        r"unknown key `fit.learning_rat`; known here: .*Did you mean 'learning_rate'",
    ),
    "an option's value": ({"fit": {"learning_rate": -1}}, r"`fit.learning_rate`: .*greater than 0"),
    "a missing model": ({"strategist": {"model": "stat"}}, r"no model 'stat' in `models`.*Did you mean 'start'"),
    "weights behind an endpoint": (
        {"strategist": {"model": "actor"}},
        r"'actor' is served by 'scripted'; weights can be trained that one of transformers, vllm serves",
    ),
    "an environment without rewards": (
        {"process": [{"method": "progress", "environments": ["alfworld"]}]},
        r"environment 'sotopia' has 0 methods \(none\); training needs exactly one",
    ),
    "an environment with two": ({"process": ["progress", "progress"]}, r"'alfworld' has 2 methods"),
    "an environment that is not there": (
        {"process": [{"method": "progress", "environments": ["alfwrld"]}]},
        r"no environment 'alfwrld' here; there are alfworld, sotopia. Did you mean 'alfworld'",
    ),
    "what the training sets itself": ({"data": {"held_out": ["x"]}}, r"`data.held_out` is set by the training itself"),
    "a start with an adapter": (
        {"models": {"start": {"provider": "transformers", "model": "x", "adapter": "a"}}},
        r"the adapter of `models.start`: training moves the weights below an adapter",
    ),
    "an adapter that cannot be served": ({"fit": {"lora": {"merge": False}}}, r"`fit.lora.merge: false`"),
}


@pytest.mark.parametrize("case", WRONG, ids=list(WRONG))
def test_wrong_input_names_file_key_and_what_was_expected(tmp_path: Path, start: Path, case: str) -> None:
    changes, said = WRONG[case]
    path = write_training(tmp_path / "t.yaml", start, **changes)
    with pytest.raises(BadInput, match=said) as refused:
        load_train_config(path, [])
    assert str(path) in str(refused.value)


def test_set_changes_one_value_and_the_identity_with_it(tmp_path: Path, start: Path) -> None:
    path = write_training(tmp_path / "t.yaml", start)
    plain, changed = load_train_config(path, []), load_train_config(path, ["fit.learning_rate=0.5"])
    assert changed.fit.learning_rate == 0.5
    assert changed.folder_name != plain.folder_name
    assert load_train_config(path, ["limits.episodes_at_once=2"]).folder_name == plain.folder_name
    assert load_train_config(path, ["description=other"]).folder_name == plain.folder_name


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no training file"):
        load_train_config(tmp_path / "none.yaml", [])


def test_a_task_both_trained_on_and_ranked_on_is_refused_by_name_before_anything_is_written(
    tmp_path: Path, start: Path
) -> None:
    split = {"split": "builtin-train-mini", "tasks": 4}
    shared = alfworld(split, {**split, "tasks": 2})
    folder = tmp_path / "results" / "t"
    with pytest.raises(
        BadInput, match=r"2 tasks are both trained on and ranked on: alfworld builtin-train/mini/"
    ) as no:
        SelfPlay(config(start, environments=[shared], process=PROGRESS), folder)
    names = [task.id for task in find_tasks(config(start, process=training(start)["process"]))[0].train[:2]]
    assert all(name in str(no.value) for name in names)
    assert not folder.exists()


UNPLAYABLE: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown method": ({"process": ["progres"]}, r"'progres'; known: .*Did you mean 'progress'"),
    "a method's option": ({"process": [{"method": "progress", "options": {"x": 1}}]}, "unknown option 'x'"),
    "a method its world does not give": ({"process": ["progress"]}, "sotopia does not measure progress"),
    "an unknown strategist beside": ({"held_out": {"beside": ["vanila"]}}, "Did you mean 'vanilla'"),
    "a model's config": ({"models": training(Path())["models"]}, "unknown key 'arg'"),
}


@pytest.mark.parametrize("case", UNPLAYABLE, ids=list(UNPLAYABLE))
def test_what_can_not_be_played_is_said_before_anything_is(tmp_path: Path, start: Path, case: str) -> None:
    changes, said = UNPLAYABLE[case]
    if "models" in changes:
        served = {"provider": "transformers", "model": str(start), "arg": {}}
        changes = {"models": {**changes["models"], "start": served}}
    with pytest.raises(BadInput, match=said):
        SelfPlay(config(start, **changes), tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_two_entries_of_one_environment_do_not_hide_a_shared_task(tmp_path: Path, start: Path) -> None:
    one, two = {"split": "builtin-train-mini", "tasks": 2}, {"split": "builtin-test-mini", "tasks": 2}
    crossed = [
        alfworld(one, two, label="a"),
        alfworld({**two, "tasks": 1}, {"split": "builtin-test-small", "tasks": 1}),
    ]
    with pytest.raises(BadInput, match=r"1 task is both trained on and ranked on: alfworld builtin-test/mini/"):
        SelfPlay(config(start, environments=crossed, process=PROGRESS), tmp_path / "t")


def test_start_weights_that_learnt_from_a_held_out_task_are_refused_by_name(tmp_path: Path, start: Path) -> None:
    task = find_tasks(config(start))[0].held_out[1].id
    write_training_tasks(start, [("alfworld", task), ("alfworld", "another")])
    with pytest.raises(BadInput, match=rf"were trained on 1 of the held-out tasks: alfworld {task}\."):
        SelfPlay(config(start), tmp_path / "t")


def test_start_weights_that_are_not_there_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"model 'start': .*nowhere"):
        SelfPlay(config(tmp_path / "nowhere"), tmp_path / "t")


def test_every_strategist_is_ranked_on_the_same_tasks_and_seeds(start: Path) -> None:
    checked = config(start)
    tasks = find_tasks(checked)
    start_run, last_run = (held_out_experiment(checked, tasks, k, checked.start) for k in (0, 2))
    assert start_run.environments == last_run.environments
    assert start_run.seed == last_run.seed
    assert start_run.actors == last_run.actors
    assert [each.label for each in start_run.strategists] == ["vanilla", "react", "epo"]
    assert [each.label for each in last_run.strategists] == ["epo-rl@2"]
    untrained, trained = start_run.strategists[2], last_run.strategists[0]
    alike = {"temperature", "max_tokens", "history", "answer_chars"}
    assert untrained.model_dump(include=alike) == trained.model_dump(include=alike)


def test_training_a_strategist_leaves_an_actor_that_is_an_adapter_on_the_same_base(tmp_path: Path, start: Path) -> None:
    """In every experiment that the training plays the actor is what the file says, whatever the strategist's weights are."""
    actor = {"provider": "transformers", "model": str(start), "adapter": str(tmp_path / "actor")}
    models = {**training(start)["models"], "actor": actor}
    checked = config(start, models=models, actor={"model": "actor"})
    tasks = find_tasks(checked)
    trained = {"provider": "transformers", "model": str(tmp_path / "iteration-1")}
    for weights, number in ((checked.start, 1), (trained, 2)):
        played = play_experiment(checked, tasks[0], number, weights)
        assert played.models["actor"] == actor
        assert played.models[str(played.strategists[0].model)] == weights
    assert held_out_experiment(checked, tasks, 2, trained).models["actor"] == actor


def test_the_strategist_sits_in_both_seats_and_draws_anew_in_every_iteration(start: Path) -> None:
    checked = config(start, play={"temperature": 1.0, "repeats": 3})
    tasks = find_tasks(checked)
    first, second = (play_experiment(checked, tasks[1], k, checked.start) for k in (1, 2))
    assert first.pairings == ["self-play"]
    assert first.repeats == 3
    assert first.strategists[0].temperature == 1.0
    assert (first.strategists[0].label, second.strategists[0].label) == ("epo", "epo-rl@1")
    assert first.seed != second.seed
    again = config(start, play={"again": True})
    assert (
        play_experiment(again, tasks[1], 1, again.start).seed == play_experiment(again, tasks[1], 2, again.start).seed
    )


def test_tasks_take_turns_over_iterations(start: Path) -> None:
    train = {"split": "builtin-train-mini", "tasks": 5}
    part = alfworld(train, {"split": "builtin-test-mini", "tasks": 2})
    checked = config(start, environments=[part], process=PROGRESS, play={"tasks_per_iteration": 2})
    tasks = find_tasks(checked)[0]
    played = [[task.id for task in iteration_tasks(checked, tasks, k)] for k in (1, 2, 3)]
    assert [len(each) for each in played] == [2, 2, 2]
    assert len({name for each in played for name in each}) == 5
    assert played[0] != played[1]


def test_what_is_owed_stops_the_stage_and_is_kept_for_the_same_command(tmp_path: Path, start: Path) -> None:
    sotopia = training(start)["environments"][1]
    models = training(start)["models"] | {"judge": {"provider": "scripted", "function": f"{SCRIPTS}:mumble"}}
    owing = config(
        start,
        environments=[sotopia],
        models=models,
        process=[{"method": "critical", "model": "actor"}],
        held_out={"beside": ["vanilla"]},
    )
    training_ = SelfPlay(owing, tmp_path / "t")
    with pytest.raises(
        TooManyUnfinished, match=r"held-out-0 is not done: 2 of 2 episodes finished, .*unscored: 2.*`owed_share`"
    ):
        training_.run()
    assert training_.stages.marker("held-out-0") is None
    assert len((tmp_path / "t/held-out/t@0/episodes.jsonl").read_text().splitlines()) == 2


def test_with_nothing_beside_the_iterations_are_ranked_alone(tmp_path: Path, start: Path) -> None:
    alone = SelfPlay(config(start, held_out={"beside": []}), tmp_path / "t")
    planned = {run.stage: run for run in alone.planned()}
    assert "held-out-0" not in planned
    ranked = planned["held-out-1"]
    assert ranked.like is None and ranked.experiment is not None
    assert [each.name for each in ranked.experiment.strategists] == [arm_name(alone.config, 1)]
    row = alone._start_row()
    assert (row.iteration, row.held_out) == (0, None)
    assert goal_lines(row, row) == []
    leaking = training(start)["models"]
    [world] = [each for each in alone.tasks if each.part.name == "alfworld"]
    write_training_tasks(tmp_path, [("alfworld", task.id) for task in world.held_out])
    leaking["actor"] = {**leaking["actor"], "trained_on": str(tmp_path / "training_tasks.json")}
    with pytest.raises(BadInput, match="trained on"):
        SelfPlay(config(start, held_out={"beside": []}, models=leaking), tmp_path / "t")


def test_a_training_is_read_and_planned_without_torch() -> None:
    look = "import sys, harness.training.loop.selfplay; print({'torch', 'transformers', 'trl'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
