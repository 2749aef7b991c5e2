"""The worlds of a plan: each environment of an experiment, made once, with the tasks that its entry asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import environments
from environments.base import Environment, Task
from harness.base.counts import counted
from harness.base.errors import BadInput, nearest
from harness.base.seeds import stable_hash
from harness.experiment.specs import EnvironmentSpec
from harness.reading.parsing import VERSION_0_1
from harness.reading.readers import EARLIER


@dataclass(slots=True)
class World:
    """An environment of the experiment, and the tasks of it that are played."""

    environment: Environment
    tasks: tuple[Task, ...]
    all_tasks: Sequence[Task]
    by_id: dict[str, Task] = field(default_factory=dict)


def world_key(spec: EnvironmentSpec) -> str:
    """Hash of the spec: equal specs share one world."""
    return stable_hash(spec.model_dump(mode="json"))


def open_world(spec: EnvironmentSpec, readers: int) -> World:
    """An environment with the tasks that a config asks for, as runs with these readers play it. Raises `BadInput`."""
    earlier = readers == EARLIER and spec.name in environments.REGISTRY.builtin
    environment = environments.make(spec.name, {**spec.options, "parsing": VERSION_0_1} if earlier else spec.options)
    _check_seats(environment)
    every = environments.tasks_of(environment, spec.split)
    if not every:
        raise BadInput(_nothing_to_play(spec, environment))
    tasks = choose_tasks(every, spec)
    if not tasks:
        raise BadInput(_nothing_to_play(spec, environment))
    return World(environment, tasks, every, {task.id: task for task in tasks})


def _nothing_to_play(spec: EnvironmentSpec, environment: Environment) -> str:
    """The refusal of an environment without a task, with what may have left none."""
    given = ", ".join(f"{key}: {value}" for key, value in spec.options.items())
    notes = "".join(f". {line}" for line in environment.notes(spec.split))
    return (
        f"{spec.name} split {spec.split!r} has no tasks{f' with the options {given}' if given else ''}, so nothing would be "
        "played; take another split (`harness list` shows them), leave out options that choose tasks, or import the data again"
        f"{notes}"
    )


def _check_seats(environment: Environment) -> None:
    """Raise `BadInput` for an environment with a number of seats that nobody can be seated in."""
    if environment.seats not in (1, 2):
        raise BadInput(
            f"environment {environment.name!r} has {environment.seats} seats; expected 1 or 2: a pairing seats the tested agent "
            "and at most one partner. Leave the environment out, or let it play the other seats itself."
        )


def choose_tasks(every: Sequence[Task], spec: EnvironmentSpec) -> tuple[Task, ...]:
    """The tasks a config asks for. Raises `BadInput` for an id that is not in the split."""
    if spec.tasks is None:
        return tuple(every)
    if isinstance(spec.tasks, int):
        if spec.tasks > len(every):
            raise BadInput(
                f"{spec.name} split {spec.split!r} has {counted(len(every), 'task')}, `tasks: {spec.tasks}` asks for more"
            )
        return tuple(every[: spec.tasks])
    known: Mapping[str, Task] = {task.id: task for task in every}
    for task_id in spec.tasks:
        if task_id not in known:
            raise BadInput(f"{spec.name} split {spec.split!r} has no task {task_id!r}.{nearest(task_id, known)}")
    return tuple(known[task_id] for task_id in dict.fromkeys(spec.tasks))
