"""A game being played: the public face of the engine.

Without a limit it is the original's raw environment: it goes on after a win, and a win can be undone. With a
limit it is the original's gym environment: every step counts, `done` comes with the win or with the last
allowed step, and from then on a step changes nothing and repeats the last answer.
"""

from __future__ import annotations

from pathlib import Path

from environments.alfworld.engine import rules, texts
from environments.alfworld.engine.gamefile import load_game
from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import TextFormat, World


class TextGame:
    """One game with its state. `reset()` begins it, `step(command)` plays it; the attributes tell the result."""

    __slots__ = ("admissible", "done", "max_steps", "observation", "score", "state", "steps", "won", "world")

    def __init__(self, world: World, max_steps: int | None = None) -> None:
        self.world = world
        self.max_steps = max_steps
        self.reset()

    @classmethod
    def load(cls, path: Path | str, max_steps: int | None = None, text: TextFormat | None = None) -> TextGame:
        """The game of a `game.tw-pddl` file, at its start. Raises `BadInput` for a file that is none."""
        return cls(load_game(path, text), max_steps)

    def reset(self) -> str:
        """Begin (again); returns the first observation, the same every time."""
        self.state: State = self.world.start.copy()
        self.observation: str = texts.intro(self.world, self.state)
        self.admissible: bool = True
        self.steps: int = 0
        self._judge()
        return self.observation

    def step(self, command: str) -> str:
        """Do a command; returns the observation. Any text is allowed: what is no admissible command is answered
        "Nothing happens." and `admissible` is then False."""
        if self.done and self.max_steps is not None:
            return self.observation
        if self.attempt(command) is None:
            self.observation = texts.NOTHING_HAPPENS
            self.skip()
        return self.observation

    def attempt(self, command: str) -> str | None:
        """Do a command if it is admissible; returns the observation. None for any other text, which counts as nothing. The game
        must not be over."""
        answer = rules.apply(self.world, self.state, command)
        if answer is None:
            return None
        self.admissible = True
        self.observation = answer
        self.steps += 1
        self._judge()
        return answer

    def _judge(self) -> None:
        begun = self.steps > 0
        self.won: bool = rules.is_won(self.world, self.state)
        self.score: int = int(self.won and begun)
        self.done: bool = begun and (self.won or (self.max_steps is not None and self.steps >= self.max_steps))

    def skip(self) -> None:
        """Count a step in which nothing is done."""
        self.admissible = False
        self.steps += 1
        self._judge()

    @property
    def admissible_commands(self) -> list[str]:
        """All commands that do something now, sorted; a new list."""
        return list(rules.admissible_commands(self.world, self.state))

    def copy(self) -> TextGame:
        """An independent copy, sharing only what never changes."""
        other = TextGame.__new__(TextGame)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other.state = self.state.copy()
        return other
