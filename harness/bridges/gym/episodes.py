"""Games one after the other, each as text, command, text: what a single environment and each place of a vector plays.

Nothing here needs gymnasium; the random source is numpy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from environments.base import Action, Outcome, Play, Progress, Task, View
from harness.base.errors import BadInput
from harness.bridges.credit import replay
from harness.bridges.games import world

Reward = Literal["outcome", "progress", "replay"]
Order = Literal["random", "listed"]
Info = dict[str, Any]
Stepped = tuple[str, float, bool, bool, Info]
"""Observation, reward, terminated, truncated, info."""
UNKNOWN = -1
"""The number of remaining actions where it is not known."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which games are played, and what their steps are worth."""

    environment: str = "alfworld"
    split: str = "builtin-test"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the environment, as in an experiment's file."""
    reward: Reward = "outcome"
    """`outcome`: the environment's own reward. Credit for the step: `progress`, its change, which adds up to the progress that an
    episode made; or `replay`, counterfactual (`harness.bridges.credit`)."""
    order: Order = "random"
    """The next game is drawn, or the next one of the split."""
    progress: bool = True
    """Put progress into the infos. Without it (and with `reward: outcome`) a step needs no plan and is faster."""

    def __post_init__(self) -> None:
        """Raises `BadInput` for an unknown reward or order."""
        for name, known in (("reward", get_args(Reward)), ("order", get_args(Order))):
            if (given := getattr(self, name)) not in known:
                raise BadInput(f"{name}: {given!r}; expected one of {', '.join(known)}")


class Episodes:
    """One game at a time. `reset` begins the next one, `step` does a command."""

    def __init__(self, source: Source, first: int = 0, every: int = 1) -> None:
        """`first`, `every`: with `order: listed` this place plays the tasks first, first + every, … of the split. Raises
        `BadInput` for an unknown environment or split, and for missing data."""
        self.source = source
        self._world = world(source.environment, source.split, source.options)
        if not len(self._world.tasks):
            raise BadInput(f"{source.environment}: the split {source.split!r} has no tasks here")
        self._replay = replay(self._world.environment) if source.reward == "replay" else None
        self._first, self._every = first, every
        self._next = first
        self._play: Play | None = None
        self._measured: Progress | None = None
        self.task: Task | None = None

    def reset(
        self, random: np.random.Generator, task: str | int | None = None, again: bool = False
    ) -> tuple[str, Info]:
        """Begin a game: that of a task's id or place in the split, or the next one. `again`: begin the listed order again.
        Raises `BadInput` for a task that is not there."""
        if again:
            self._next = self._first
        seed = int(random.integers(2**31))
        self.task = self._choose(random, task)
        play = self._play = self._world.environment.reset(self.task, seed)
        self._measured = self._measure(play)
        view = play.view(0)
        return view.background, self._info(play, view, play.outcome(), {})

    def _choose(self, random: np.random.Generator, task: str | int | None) -> Task:
        tasks = self._world.tasks
        if isinstance(task, str):
            return self._world.task(task)
        if task is not None:
            if not 0 <= task < len(tasks):
                raise BadInput(f"task {task}: {self.source.split!r} has the places 0 to {len(tasks) - 1}")
            return tasks[task]
        if self.source.order == "random":
            return tasks[int(random.integers(len(tasks)))]
        place, self._next = self._next % len(tasks), self._next + self._every
        return tasks[place]

    def step(self, command: str) -> Stepped:
        """Do a command. Raises `ValueError` where no game is running."""
        play = self._play
        if play is None or play.done:
            raise ValueError("no game is running: call reset()")
        start = play.copy() if self._replay else None
        result = play.step(0, Action(command))
        before, self._measured = self._measured, self._measure(play)
        reward = result.reward or 0.0
        if self.source.reward == "progress":
            reward = _value(self._measured) - _value(before)
        elif self._replay and start:
            reward = self._replay(start, play)
        view, outcome, done = play.view(0), play.outcome(), play.done
        ended = done and not _out_of_steps(view, outcome)
        info = self._info(play, view, outcome, result.info)
        return view.events[-1].text, reward, ended, done and not ended, info

    @property
    def done(self) -> bool:
        """True after the last step of a game, and before the first game."""
        return self._play is None or self._play.done

    def _measure(self, play: Play) -> Progress | None:
        return play.progress() if self.source.progress or self.source.reward == "progress" else None

    def _info(self, play: Play, view: View, outcome: Outcome | None, noted: Mapping[str, Any]) -> Info:
        info: Info = {
            "task": self.task.id if self.task else "",
            "available": [] if play.done else list(view.available),
            "cost": view.turn,
            "left": view.max_turns - view.turn,
            "score": float(outcome.score) if outcome else 0.0,
            "won": bool(outcome and outcome.success),
            "no_effect": bool(noted.get("no_effect", False)),
            "end": play.end_reason,
        }
        if self.source.progress:
            remaining = self._measured.remaining if self._measured else None
            info["progress"] = _value(self._measured)
            info["remaining"] = UNKNOWN if remaining is None else remaining
        return info


def _value(progress: Progress | None) -> float:
    return progress.value if progress is not None else 0.0


def _out_of_steps(view: View, outcome: Outcome | None) -> bool:
    """True for a finished game that its step limit alone has ended."""
    by_itself = outcome is not None and (outcome.success or bool(outcome.details.get("bought")))
    return view.turn >= view.max_turns and not by_itself
