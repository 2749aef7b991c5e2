"""The built-in splits: generated games, made in memory when they are played, so that no file is shipped.

A task's id says everything the game is a function of: side, grade, task type, scene and index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import overload

from environments.alfworld.engine import KEPT
from environments.alfworld.engine.world import World
from environments.alfworld.generator import GRADES, TASK_TYPES, GameSpec, make_game
from environments.alfworld.generator.games import choose_spec, task_type_of
from environments.alfworld.generator.house import Grade
from environments.alfworld.generator.scenes import Side, describe_number
from environments.alfworld.options import TaskType
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


class BuiltinTasks(Sequence[Task]):
    """The tasks of a built-in split, made when asked for: which scenes have a task of a type is found by drawing them."""

    def __init__(self, split: str, games: Sequence[tuple[Side, Grade, int]]) -> None:
        self._split = split
        self._games = games

    def __len__(self) -> int:
        return len(self._games)

    @overload
    def __getitem__(self, place: int) -> Task: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Task]: ...

    def __getitem__(self, place: int | slice) -> Task | Sequence[Task]:
        if isinstance(place, slice):
            return BuiltinTasks(self._split, self._games[place])
        return _task(self._split, _spec(*self._games[place]))

    def of_types(self, wanted: Collection[TaskType]) -> BuiltinTasks:
        """Those of some task types."""
        return BuiltinTasks(self._split, [game for game in self._games if task_type_of(game[2]) in wanted])

    def in_order(self, places: Iterable[int]) -> BuiltinTasks:
        """The tasks at these places."""
        return BuiltinTasks(self._split, [self._games[place] for place in places])


def tasks(split: str) -> BuiltinTasks:
    """The tasks of a built-in split, by grade and index."""
    if split in _MANY_SPLITS:
        side = _MANY_SPLITS[split]
        return BuiltinTasks(split, [(side, "mini", SIZES[side] + index) for index in range(MANY[side])])
    side, grades = SPLITS[split]
    return BuiltinTasks(split, [(side, grade, index) for grade in grades for index in range(SIZES[side])])


@lru_cache(maxsize=16384)
def _spec(side: Side, grade: Grade, index: int) -> GameSpec:
    return choose_spec(side, grade, index)


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


@lru_cache(maxsize=KEPT)
def _world(spec: GameSpec) -> World:
    return make_game(spec).world
