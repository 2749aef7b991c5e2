"""Games that begin near their end: graded tasks out of any game. The expert has done the first commands of a shortest plan,
and the rest is left to the agent (a reverse curriculum, as in Florensa et al. 2017, "Reverse Curriculum Generation for
Reinforcement Learning")."""

from __future__ import annotations

from dataclasses import replace

from environments.alfworld.engine import rules
from environments.alfworld.engine.world import World
from environments.alfworld.planner import shortest_plan
from harness.base.seeds import seed_from


def commands_left(task: str, choices: int | tuple[int, ...]) -> int:
    """Number of commands left in the task of this id: the number given, or one of several, drawn by the id."""
    if isinstance(choices, int):
        return choices
    return choices[seed_from("alfworld steps left", task) % len(choices)]


def begin_near_the_end(world: World, left: int) -> tuple[World, str]:
    """The world with a start from which a shortest plan has `left` commands, and what was done before as the agent is told
    it after the first observation of the whole game. A game whose plan is no longer than that begins at its own start, with
    nothing told."""
    plan = shortest_plan(world, world.start) or []
    if len(plan) <= left:
        return world, ""
    done = plan[: len(plan) - left]
    state = world.start.copy()
    answer: str | None = None
    for command in done:
        answer = rules.apply(world, state, command)
    return replace(world, start=state), f"You have done: {', '.join(done)}.\n{answer}"
