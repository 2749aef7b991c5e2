"""The built-in splits: generated games, made in memory when they are played, so that no file is shipped.

A task's id says everything the game is a function of: side, grade, task type, scene and index.
"""

from __future__ import annotations

from functools import cache, lru_cache

from environments.alfworld.engine.world import World
from environments.alfworld.generator import GRADES, TASK_TYPES, GameSpec, make_game
from environments.alfworld.generator.games import choose_spec
from environments.alfworld.generator.house import Grade
from environments.alfworld.generator.scenes import Side, describe_number
from environments.base import Task
from harness.base.errors import BadInput

SIZES: dict[Side, int] = {"train": 600, "test": 120}
"""Games per grade."""
MANY: dict[Side, int] = {"train": 2400, "test": 400}
"""Mini games of the splits `builtin-train-many` and `builtin-test-many`: others than those of the grade's own splits."""
GAMES_VERSION = "2c799a5dbbb5a8f2b0cc8a92edfc0452bc4a7cd4bfb43db6c3a498f9038cfce9"
"""Stands for the generated games in a run's identity: any other text will do when they change. It began as the hash of the
generator's sources, and stays what it was for as long as the games do, so that runs of then are continued."""


def _names() -> dict[str, tuple[Side, tuple[Grade, ...]]]:
    named: dict[str, tuple[Side, tuple[Grade, ...]]] = {"builtin": ("test", GRADES)}
    for side in SIZES:
        named[f"builtin-{side}"] = (side, GRADES)
        for grade in GRADES:
            named[f"builtin-{side}-{grade}"] = (side, (grade,))
    return named


SPLITS = _names()
"""Split name -> its side and grades."""
_MANY_SPLITS: dict[str, Side] = {f"builtin-{side}-many": side for side in MANY}
NAMES = (*SPLITS, *_MANY_SPLITS)
"""All built-in splits."""


def describe(split: str) -> str:
    """One line about a built-in split."""
    if split in _MANY_SPLITS:
        side = _MANY_SPLITS[split]
        return f"{MANY[side]} generated games, {side} side, mini, none of them in builtin-{side}-mini"
    side, grades = SPLITS[split]
    same = "the same as builtin-test: " if split == "builtin" else ""
    return f"{same}{SIZES[side] * len(grades)} generated games, {side} side, {', '.join(grades)}"


@cache
def tasks(split: str) -> tuple[Task, ...]:
    """The tasks of a built-in split, by grade and index."""
    if split in _MANY_SPLITS:
        side = _MANY_SPLITS[split]
        first = SIZES[side]
        return tuple(_task(split, choose_spec(side, "mini", first + index)) for index in range(MANY[side]))
    side, grades = SPLITS[split]
    return tuple(_task(split, choose_spec(side, grade, index)) for grade in grades for index in range(SIZES[side]))


def _task(split: str, spec: GameSpec) -> Task:
    return Task(
        id=f"builtin-{spec.side}/{spec.grade}/{spec.task_type}/{spec.scene}/{spec.index:04d}",
        split=split,
        group=f"scene-{spec.scene}",
        data={"task_type": spec.task_type, "scene": spec.scene, "index": spec.index, "seed": spec.seed},
    )


def world_of(task: Task) -> World:
    """The game of a built-in task. Raises `BadInput` for a task that is none."""
    try:
        spec = GameSpec(**task.data)
        describe_number(spec.scene)
        if spec.task_type not in TASK_TYPES or not isinstance(spec.index, int) or not isinstance(spec.seed, int):
            raise ValueError("unknown task type, or an index or seed that is no number")
    except (TypeError, ValueError) as error:
        raise BadInput(f"task {task.id!r}: its data {dict(task.data)} name no built-in game ({error})") from error
    return _world(spec)


@lru_cache(maxsize=64)
def _world(spec: GameSpec) -> World:
    return make_game(spec).world
