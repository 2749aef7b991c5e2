"""What a single turn was worth, as the world itself tells it. No model is asked.

`of_progress` is how much nearer the goal the turn brought the world. `Replay` is counterfactual: what the outcome loses when the
turn is spent without its command and a scripted player plays on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal, cast, get_args

from environments.base import Baseline, Environment, Play, Skipping
from harness.base.errors import BadInput
from harness.base.seeds import seed_from

CreditName = Literal["progress", "replay", "outcome"]
"""How a turn is credited: by `of_progress`, by `Replay` with random plays, or by what it changed in the outcome alone."""
Credit = Callable[[Play, Play], float]
"""(the play before the turn, the play after it) -> what the turn was worth. Neither play may be changed."""


def of_progress(before: Play, after: Play) -> float:
    """Value of `Play.progress()` after the turn minus before it: -1 to 1, below 0 for a step away from the goal. 0 where the
    world measures no progress."""
    first, last = before.progress(), after.progress()
    return last.value - first.value if first is not None and last is not None else 0.0


def of_outcome(before: Play, after: Play) -> float:
    """The outcome after the turn minus before it: the environment's own reward, all of it at the end."""
    return _score(after) - _score(before)


def _score(play: Play) -> float:
    outcome = play.outcome()
    return outcome.score if outcome is not None else 0.0


@dataclass(frozen=True, slots=True)
class Replay:
    """Credit by playing on: mean outcome of `plays` games that a scripted player finishes from after the turn, minus that from
    before it with the step spent doing nothing. Games of the same number draw the same, so that what differs is the turn."""

    player: Baseline
    plays: int = 4
    seed: int = 0

    def __call__(self, before: Play, after: Play) -> float:
        without = before.copy()
        cast(Skipping, without).skip(0)
        return self._mean(after) - self._mean(without)

    def _mean(self, start: Play) -> float:
        return sum(self._outcome(start, number) for number in range(self.plays)) / self.plays

    def _outcome(self, start: Play, number: int) -> float:
        play, random = start.copy(), Random(seed_from("replay", self.seed, start.view(0).turn, number))
        while not play.done:
            play.step(0, self.player(play, 0, random))
        return _score(play)


def credit_by(name: str, environment: Environment) -> Credit:
    """The measure of that name, in an environment. Raises `BadInput` for another name."""
    if name not in get_args(CreditName):
        raise BadInput(f"credit {name!r}: expected one of {', '.join(get_args(CreditName))}")
    measures: dict[str, Credit] = {"progress": of_progress, "outcome": of_outcome}
    return measures.get(name) or replay(environment)


def replay(environment: Environment, player: str = "random", plays: int = 4, seed: int = 0) -> Replay:
    """Counterfactual credit by an environment's scripted player (`harness list`). Raises `BadInput` for an unknown one."""
    if player not in environment.baselines:
        raise BadInput(
            f"{environment.name} has no scripted player {player!r}; known: {', '.join(environment.baselines)}"
        )
    return Replay(environment.baselines[player].act, plays, seed)
