"""The expert of `general.training_method: dagger` on training games: what it would do next.

The original's `init_env` always takes its hand-written expert, also where the config says `expert_type: planner`. That expert
is the original's own code, draws from the global `random` and reads `traj_data.json`; so it is taken from the package alfworld
where that is installed, and fed with our engine's state. Elsewhere, and with `expert_type: shortest`, a shortest plan stands in
its place (`environments.alfworld.planner`), and that is logged once.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, Protocol

from environments.alfworld.engine import TextGame
from environments.alfworld.engine.world import bits
from environments.alfworld.planner import shortest_plan
from harness.base.errors import BadInput
from harness.bridges.alfworld.collecting import TRAJECTORY

log = logging.getLogger(__name__)

TYPES = ("handcoded", "planner", "shortest")
"""Values of `env.expert_type`; the third is ours."""


class Expert(Protocol):
    """Tells what to do next in one game."""

    def plan(self, game: TextGame, command: str | None) -> list[str]:
        """Commands from here on; `command` is the last one done, None at the start."""


Maker = Callable[[str], Expert]
"""Path of a game -> an expert for it."""


def maker_of(expert_type: str) -> Maker:
    """How to make the expert of a config. Raises `BadInput` for an unknown type."""
    if expert_type not in TYPES:
        raise BadInput(f"env.expert_type {expert_type!r}: expected one of {', '.join(TYPES)}")
    return _shortest if expert_type == "shortest" else _handcoded


def _shortest(path: str) -> Expert:
    return ShortestPlan(whole=True)


def _handcoded(path: str) -> Expert:
    missing = _reason_against_handcoded(os.path.exists(os.path.join(os.path.dirname(path), TRAJECTORY)))
    return ShortestPlan(whole=False) if missing else HandWritten(path)


@cache
def _reason_against_handcoded(has_trajectory: bool) -> str | None:
    """Reason the original's expert cannot be asked, logged once; None if it can."""
    reason = None
    if importlib.util.find_spec("alfworld") is None:
        reason = "the package alfworld, whose expert it is, is not installed (extra `alfworld`)"
    elif not has_trajectory:
        reason = f"a game has no {TRAJECTORY} beside it, which the original's expert reads"
    if reason:
        log.warning("extra.expert_plan is the first command of a shortest plan: %s", reason)
    return reason


class ShortestPlan:
    """A shortest plan from every state; empty where none leads to the goal."""

    def __init__(self, whole: bool) -> None:
        """`whole`: all of the plan, else its first command, or "look" where there is none."""
        self.whole = whole

    def plan(self, game: TextGame, command: str | None) -> list[str]:
        found = shortest_plan(game.world, game.state) or []
        return found if self.whole else found[:1] or ["look"]


class Fact(NamedTuple):
    """A fact as the original's expert reads it."""

    name: str
    names: tuple[str, ...]


class HandWritten:
    """The original's hand-written expert, told what our engine knows."""

    def __init__(self, path: str) -> None:
        """Raises `OSError` without the game's `traj_data.json`."""
        from alfworld.agents.expert import HandCodedAgentTimeout, HandCodedTWAgent

        self._timeout: type[Exception] = HandCodedAgentTimeout
        self._agent: Any = HandCodedTWAgent(max_steps=200)
        self._agent.reset(path)

    def plan(self, game: TextGame, command: str | None) -> list[str]:
        """One command; "look" at the start, and where the expert has none that is possible. Raises what the original raises
        when the expert gives up."""
        if not command:
            self._agent.observe(game.observation)
            return ["look"]
        commands = game.admissible_commands
        state = {"feedback": game.observation, "admissible_commands": commands, "facts": facts(game)}
        try:
            next_ = self._agent.act(state, 0, game.won, command)
        except self._timeout as error:
            raise Exception("Timeout") from error
        return [next_] if next_ in commands else ["look"]


def facts(game: TextGame) -> list[Fact]:
    """The facts that the original's expert asks for: what is held, hot, cool or clean, and what is where."""
    world, state = game.world, game.state
    found = [Fact("holds", ("agent1", world.objects[state.held]))] if state.held >= 0 else []
    for name, mask in (("ishot", state.hot), ("iscool", state.cool), ("isclean", state.clean)):
        found += [Fact(name, (world.objects[o],)) for o in bits(mask)]
    for r, inside in enumerate(state.contents):
        found += [Fact("inreceptacle", (world.objects[o], world.receptacles[r])) for o in bits(inside)]
    return found
