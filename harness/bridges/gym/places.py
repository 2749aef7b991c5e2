"""Several games side by side, each with its own random source and restarted by one rule. A vector environment has one such group
in its own process, or one in each of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.bridges.gym.episodes import Episodes, Info, Source, Stepped

NEXT_STEP, SAME_STEP, DISABLED = "NextStep", "SameStep", "Disabled"
"""When a finished game is followed by the next one: at the next step, which does no command; in the step that ends it; never
(values of gymnasium's `AutoresetMode`)."""
Begun = tuple[str, Info]


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """What a group needs to be made, in any process."""

    source: Source
    autoreset: str
    first: int
    """Place of its first game in the vector."""
    count: int
    """Games in the group."""
    every: int
    """Games in the whole vector."""


def random_source(seed: int | None) -> np.random.Generator:
    """The random source of a seed, the one that gymnasium makes of it."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))


class Places:
    """The games of a group."""

    def __init__(self, settings: PlaceSettings) -> None:
        """Raises `BadInput` for an unknown environment or split, and for missing data."""
        places = range(settings.first, settings.first + settings.count)
        self._games = [Episodes(settings.source, place, settings.every) for place in places]
        self._randoms = [random_source(None) for _ in self._games]
        self._ended = [False] * settings.count
        self._autoreset = settings.autoreset

    def reset(
        self, seeds: Sequence[int | None], tasks: Sequence[str | int | None], chosen: Sequence[bool]
    ) -> list[Begun | None]:
        """Begin games in the chosen places, None elsewhere. A place without a seed goes on with its random source."""
        begun: list[Begun | None] = []
        for place, game in enumerate(self._games):
            if not chosen[place]:
                begun.append(None)
                continue
            if seeds[place] is not None:
                self._randoms[place] = random_source(seeds[place])
            self._ended[place] = False
            begun.append(game.reset(self._randoms[place], tasks[place], again=seeds[place] is not None))
        return begun

    def step(self, commands: Sequence[str]) -> list[Stepped]:
        """Do a command in each place. In a place that was begun again in this very step, the observation is that of the new
        game, and its info has `final_obs` and `final_info` of the old one. Raises `ValueError` for a command to a game that
        has ended, where nothing begins the next one."""
        return [self._step(place, command) for place, command in enumerate(commands)]

    def _step(self, place: int, command: str) -> Stepped:
        game = self._games[place]
        if self._ended[place] and self._autoreset == NEXT_STEP:
            self._ended[place] = False
            observation, info = game.reset(self._randoms[place])
            return observation, 0.0, False, False, info
        observation, reward, terminated, truncated, info = game.step(command)
        self._ended[place] = terminated or truncated
        if self._ended[place] and self._autoreset == SAME_STEP:
            last = {"final_obs": observation, "final_info": info}
            observation, info = game.reset(self._randoms[place])
            info = {**last, **info}
        return observation, reward, terminated, truncated, info
