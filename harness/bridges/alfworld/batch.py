"""Counterpart of textworld's batch environment, which alfworld's `init_env` returns: several games side by side, each with its
step limit, in one process."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, NoReturn

import numpy as np

from environments.alfworld.engine import TextGame
from harness.base.errors import BadInput
from harness.bridges.alfworld.expert import Expert, Maker
from harness.bridges.alfworld.worlds import world_of

FIRST_SEED = 1234
"""Seed of the order of games until `seed` is called."""


class Infos(dict[str, list[Any]]):
    """The infos of a batch, by name. `facts` is refused in words: it is the one key of alfworld's that is not here."""

    def __missing__(self, name: str) -> NoReturn:
        raise KeyError(NO_FACTS if name == "facts" else name)


NO_FACTS = (
    "facts: the state of alfworld's planner is not kept here. Read what the agent may know from the observation and "
    "admissible_commands; a script that needs every fact plays with alfworld itself"
)
Seen = tuple[str, int, bool, dict[str, Any]]
"""Observation, score, done and infos of one game."""


@dataclass(frozen=True, slots=True)
class GameSettings:
    """How every game of a batch is played."""

    max_steps: int | None = None
    """Steps after which a game is done; None: only a win ends it."""
    shuffled_names: bool = False
    """Deal the numbers in names out anew whenever a game begins."""
    expert: Maker | None = None
    """Maker of the expert whose plan stands in the infos."""


class OneGame:
    """One place of the batch."""

    def __init__(self, path: str, settings: GameSettings) -> None:
        self.path = path
        self.game = TextGame(world_of(path, settings.shuffled_names), settings.max_steps)
        self.expert: Expert | None = settings.expert(self.game.world) if settings.expert else None
        self.last: Seen | None = None

    def begin(self) -> tuple[str, dict[str, Any]]:
        return self.game.observation, self._infos(self.path, None)

    def step(self, command: str) -> Seen:
        """Do a command; a finished game repeats what it said last."""
        if self.last is None or not self.last[2]:
            game = self.game
            observation = game.step(command)
            done = game.won or game.done
            self.last = (observation, game.score, done, self._infos(None, command))
        return self.last

    def _infos(self, path: str | None, command: str | None) -> dict[str, Any]:
        infos: dict[str, Any] = {"won": self.game.won, "admissible_commands": self.game.admissible_commands}
        infos["extra.gamefile"] = path
        if self.expert is not None:
            infos["extra.expert_plan"] = self.expert.plan(self.game, command)
        return infos


class BatchGame:
    """Plays the games of a list, `batch_size` at a time: `reset` takes the next ones, `step` does one command in each.

    A finished game is not begun again: it repeats its last observation, score and infos until the next `reset`."""

    def __init__(self, gamefiles: Sequence[str], batch_size: int = 1, settings: GameSettings | None = None) -> None:
        """Open the games. Raises `BadInput` where there are none."""
        if not gamefiles:
            raise BadInput("game_files is empty: there is nothing to play")
        self.gamefiles = list(gamefiles)
        self.batch_size = batch_size
        self.settings = settings or GameSettings()
        self.last_commands: Sequence[str | None] = [None] * batch_size
        self.obs: tuple[str, ...] = ()
        self._games: list[OneGame] = []
        self._order = _shuffled_for_ever(self.gamefiles, FIRST_SEED)

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Begin a new order of the games, which the seed alone determines."""
        self._order = _shuffled_for_ever(self.gamefiles, seed)
        return [seed]

    def reset(self) -> tuple[tuple[str, ...], Infos]:
        """Begin the next games of the order. Returns (observations, infos), the infos as a dict of lists."""
        self._games = [OneGame(next(self._order), self.settings) for _ in range(self.batch_size)]
        self.last_commands = [None] * self.batch_size
        begun = [game.begin() for game in self._games]
        self.obs = tuple(observation for observation, _ in begun)
        return self.obs, _by_name([infos for _, infos in begun])

    def skip(self, nb_games: int = 1) -> None:
        """Leave out the next games of the order."""
        for _ in range(nb_games):
            next(self._order)

    def step(self, commands: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...], tuple[bool, ...], Infos]:
        """Do one command in each game. Returns (observations, scores, dones, infos). Raises `AssertionError` for anything but
        a list or tuple of `batch_size` commands."""
        if not isinstance(commands, list | tuple):
            raise AssertionError("Expected a list of commands.")
        if len(commands) != len(self._games):
            raise AssertionError(f"Expected one action per environment: {len(self._games)}, got {len(commands)}.")
        self.last_commands = commands
        seen = [game.step(command) for game, command in zip(self._games, commands, strict=True)]
        self.obs, scores, dones, infos = zip(*seen, strict=True)
        return self.obs, scores, dones, _by_name(infos)

    def render(self, mode: str = "human") -> StringIO | str | None:
        """Print the last commands and observations ("human"), or return them as a text stream ("ansi") or a text ("text")."""
        shown = "\n-----\n".join(
            self._rendering(command, observation, mode)
            for command, observation in zip(self.last_commands, self.obs, strict=True)
        )
        if mode == "text":
            return f"{shown}\n"
        outfile = StringIO() if mode == "ansi" else sys.stdout
        outfile.write(f"{shown}\n")
        return outfile if isinstance(outfile, StringIO) else None

    def _rendering(self, command: str | None, observation: str, mode: str) -> str:
        text = observation.rstrip() + "\n"
        if command is not None:
            line = f"> {command}" if mode == "text" else f"\x1b[33m> {command}\x1b[0m"
            text = f"{line}\n{text}"
        if mode != "human":
            return text
        return "\n".join("\n".join(textwrap.wrap(paragraph, width=80)) for paragraph in text.split("\n"))

    def close(self) -> None:
        """Let go of the games."""
        self._games = []


def _shuffled_for_ever(games: Sequence[str], seed: int | None) -> Iterator[str]:
    """All games in a shuffled order, then all of them in another one, without end; the original's order for the seed."""
    random = np.random.RandomState(seed)
    order = list(games)
    random.shuffle(order)
    while True:
        yield from list(order)
        random.shuffle(order)


def _by_name(infos: Sequence[dict[str, Any]]) -> Infos:
    return Infos({name: [one[name] for one in infos] for name in infos[0]})
