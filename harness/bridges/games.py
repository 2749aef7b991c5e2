"""One game of one of our environments as other libraries want it: a text, then a command, then a text, with what each turn was
worth. The bridges to trainers stand on this; it needs no library beside our own.

Only environments with one seat are games here, since their world itself says how far a player is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from environments import make, tasks_of
from environments.base import Action, Environment, Play, Task, Unreadable, do
from harness.base.errors import BadInput, nearest
from harness.bridges.credit import Credit, of_progress
from harness.reading.parsing import UNREADABLE


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn and what the world answered."""

    command: str
    observation: str
    """What the player sees next."""
    credit: float
    """What the turn was worth, by the game's measure (`harness.bridges.credit`)."""
    reward: float
    """The environment's own reward of this step."""
    done: bool
    info: Mapping[str, Any] = field(default_factory=dict)
    """What the environment noted: `malformed`, `no_effect`, …"""


class Game:
    """A game in progress."""

    def __init__(self, environment: Environment, task: Task, seed: int = 0, credit: Credit = of_progress) -> None:
        self.task = task
        self.environment = environment
        self.turns: list[Turn] = []
        self._play: Play = environment.reset(task, seed)
        self._credit = credit
        self.observation = self._play.view(0).background
        """The text that the player sees now."""

    @property
    def available(self) -> tuple[str, ...]:
        """Commands that can be given now, as far as the world can list them."""
        return () if self.done else self._play.view(0).available

    @property
    def done(self) -> bool:
        return self._play.done

    @property
    def end_reason(self) -> str:
        return self._play.end_reason

    @property
    def score(self) -> float:
        """The outcome so far, in the environment's own metric."""
        outcome = self._play.outcome()
        return outcome.score if outcome is not None else 0.0

    @property
    def won(self) -> bool:
        outcome = self._play.outcome()
        return outcome is not None and outcome.success

    @property
    def progress(self) -> float:
        """How far the goal is reached: 0 to 1."""
        progress = self._play.progress()
        return progress.value if progress is not None else self.score

    def act(self, command: str) -> Turn:
        """Give a command. Raises `ValueError` when the game is over."""
        return self._do(Action(command), command)

    def answer(self, text: str) -> Turn:
        """Give what a model wrote, read as in a run (`instructions`); where no command can be read, the step is spent. Raises
        `ValueError` when the game is over."""
        try:
            action = self.environment.action_format.parse(text).action
        except Unreadable:
            return self._do(Action(text, UNREADABLE), "")
        return self._do(action, action.text)

    @property
    def instructions(self) -> str:
        """How a model has to write its answers."""
        return self.environment.action_format.instructions

    @property
    def prompt(self) -> str:
        """The text that the player sees now, with the possible commands under it."""
        possible = self.available
        return f"{self.observation}\n\nPossible commands: {', '.join(possible)}" if possible else self.observation

    def _do(self, action: Action, command: str) -> Turn:
        before = self._play.copy()
        result = do(self._play, 0, action)
        self.observation = self._play.view(0).events[-1].text
        credit = self._credit(before, self._play)
        turn = Turn(command, self.observation, credit, result.reward or 0.0, self.done, result.info)
        self.turns.append(turn)
        return turn

    def state(self) -> dict[str, Any]:
        """What a trainer wants to know beside the text, as plain JSON."""
        return {
            "task": self.task.id,
            "turn": len(self.turns),
            "available": list(self.available),
            "progress": self.progress,
            "score": self.score,
            "won": self.won,
            "end_reason": self.end_reason,
        }


class World:
    """An environment and one of its splits: where games come from. Made once a process by `world`."""

    def __init__(self, name: str, split: str, options: Mapping[str, Any]) -> None:
        self.name, self.split = name, split
        self.environment = make(name, options)
        if self.environment.seats != 1:
            raise BadInput(
                f"{name} has {self.environment.seats} seats; a game for one player has one: alfworld, webshop"
            )
        self.tasks = tasks_of(self.environment, split)
        self._places: dict[str, int] = {}

    def task(self, id: str) -> Task:
        """The task of that id. Raises `BadInput`."""
        if not self._places:
            self._places = {task.id: place for place, task in enumerate(self.tasks)}
        if id not in self._places:
            known = list(self._places)[:10_000]
            raise BadInput(f"{self.name}/{self.split} has no task {id!r}, but {known[0]!r}, ….{nearest(id, known)}")
        return self.tasks[self._places[id]]

    def begin(self, task: str, seed: int = 0, credit: Credit = of_progress) -> Game:
        """A game of the task with that id. Raises `BadInput`."""
        return Game(self.environment, self.task(task), seed, credit)


def world(name: str, split: str, options: Mapping[str, Any] | None = None) -> World:
    """The world of an environment (`alfworld`, `webshop`, a plug-in of one seat), its split and options; shared by all who
    ask for the same. Raises `BadInput`."""
    return _world(name, split, json.dumps(options or {}, sort_keys=True))


@lru_cache(maxsize=16)
def _world(name: str, split: str, options: str) -> World:
    return World(name, split, json.loads(options))
