"""Games that begin near their end: as many commands are left as asked for, and the agent is told what was done."""

from __future__ import annotations

from random import Random

import pytest

import environments
from environments.alfworld.baselines import expert
from environments.base import Action, Progress


@pytest.mark.parametrize("left", [1, 2, 3])
def test_the_expert_needs_as_many_commands_as_are_left(left: int) -> None:
    world, whole = environments.make("alfworld", {"steps_left": left}), environments.make("alfworld", {})
    for task in world.tasks("builtin-test-mini")[:20]:
        play, long = world.reset(task, 0), whole.reset(task, 0)
        start = long.progress()
        assert start is not None
        assert start.remaining is not None
        for _ in range(min(left, start.remaining)):
            assert not play.done
            play.step(0, expert(play, 0, Random(0)))
        outcome = play.outcome()
        assert outcome is not None
        assert outcome.success


def test_what_was_done_is_told_and_leads_to_the_same_place() -> None:
    near, whole = environments.make("alfworld", {"steps_left": 1}), environments.make("alfworld", {})
    for task in near.tasks("builtin-test-mini")[:20]:
        play, long = near.reset(task, 0), whole.reset(task, 0)
        told = play.view(0).background
        assert told.startswith(long.view(0).background), "the whole room is described as at the beginning"
        if "You have done: " not in told:
            continue  # a plan of one command
        done = told.split("You have done: ")[1].split(".\n")[0].split(", ")
        for command in done:
            answer = long.step(0, Action(command))
            assert "malformed" not in answer.info
        assert told.endswith(long.view(0).events[-1].text)
        assert play.view(0).available == long.view(0).available


def test_a_game_with_a_shorter_plan_begins_at_its_start() -> None:
    near, whole = environments.make("alfworld", {"steps_left": 40}), environments.make("alfworld", {})
    task = near.tasks("builtin-test-mini")[0]
    assert near.reset(task, 0).view(0) == whole.reset(task, 0).view(0)


def test_progress_counts_from_there_and_the_protocol_says_so() -> None:
    near = environments.make("alfworld", {"steps_left": 2, "max_steps": 5})
    progress = near.reset(near.tasks("builtin-test-mini")[0], 0).progress()
    assert progress is not None
    assert (progress.value, progress.remaining) == (0.0, 2)
    assert near.protocol == "alfworld-0.4.2+max_steps=5+steps_left=2+lenient"


def test_several_numbers_give_each_task_one_of_them_by_its_id() -> None:
    mixed = environments.make("alfworld", {"steps_left": [1, 1, 1, 2]})
    tasks = mixed.tasks("builtin-test-many")[:200]
    left = {task.id: (mixed.reset(task, 0).progress() or Progress(0.0, 0)).remaining for task in tasks}
    again = mixed.reset(tasks[0], 7).progress()
    assert again is not None
    assert again.remaining == left[tasks[0].id]
    ones = sum(remaining == 1 for remaining in left.values())
    assert set(left.values()) == {1, 2}
    assert 130 <= ones <= 170
    assert mixed.protocol.endswith("+steps_left=1/1/1/2+lenient")


def test_brief_prompts_tell_the_task_and_what_was_done_and_no_more() -> None:
    full, brief = (environments.make("alfworld", {"steps_left": 1, "prompts": p}) for p in ("full", "brief"))
    for task in full.tasks("builtin-test-mini")[:10]:
        whole, short = full.reset(task, 0).view(0), brief.reset(task, 0).view(0)
        assert short.available == whole.available
        lines = short.background.splitlines()
        assert [line for line in whole.background.splitlines() if line in lines] == lines
        assert lines[0].startswith("Your task is to: ")
        assert [line.startswith("You have done: ") for line in lines[1:]] in ([], [True])


def test_the_splits_for_learning_share_no_game_scene_or_sentence() -> None:
    world = environments.make("alfworld", {})
    own = {side: world.tasks(f"builtin-{side}-many") for side in ("train", "test")}
    assert (len(own["train"]), len(own["test"])) == (2400, 400)
    scenes = {side: {task.group for task in tasks} for side, tasks in own.items()}
    assert not scenes["train"] & scenes["test"]
    sentences = {
        side: {world.reset(task, 0).view(0).background.split("Your task is to: ")[1] for task in tasks[:400]}
        for side, tasks in own.items()
    }
    assert not sentences["train"] & sentences["test"]
    for side, tasks in own.items():
        assert not {task.id for task in tasks} & {task.id for task in world.tasks(f"builtin-{side}-mini")}
