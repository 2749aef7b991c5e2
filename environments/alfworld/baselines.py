"""Scripted agents: the expert that wins always, and one that does anything that is possible."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from environments.alfworld.advice import follow_advice, look, mixture, plan
from environments.alfworld.following import follow, wait
from environments.alfworld.planner import shortest_plan
from environments.alfworld.play import AlfworldPlay
from environments.base import Action, AdviserEntry, BaselineEntry, Play


def expert(play: Play, seat: int, random: Random) -> Action:
    """The first command of a shortest plan from the present state; "look" where no plan exists."""
    assert isinstance(play, AlfworldPlay)
    plan = shortest_plan(play.world, play.state)
    return Action(plan[0] if plan else "look")


def random_admissible(play: Play, seat: int, random: Random) -> Action:
    """Any admissible command, all equally likely."""
    return Action(random.choice(play.view(seat).available))


def ignore(play: Play, seat: int, random: Random, strategy: str) -> Action:
    """Any admissible command, whatever the strategy says."""
    return random_admissible(play, seat, random)


BASELINES: Mapping[str, BaselineEntry] = {
    "expert": BaselineEntry(expert, "follows a shortest plan from the present state", reads_hidden_state=True),
    "random": BaselineEntry(random_admissible, "any admissible command, uniformly", reads_hidden_state=False),
    "follow": BaselineEntry(
        wait, "the admissible command most like the strategy, word by word", reads_hidden_state=False, follow=follow
    ),
    "follow-nothing": BaselineEntry(
        random_admissible,
        "control: hears the strategy and does any admissible command",
        reads_hidden_state=False,
        follow=ignore,
    ),
    "follow-advice": BaselineEntry(
        expert,
        "the next command towards the stop that the strategy names; without a strategy the expert's",
        reads_hidden_state=True,
        follow=follow_advice,
    ),
}
ADVISERS: Mapping[str, AdviserEntry] = {
    "plan": AdviserEntry(plan, "names the next stop of a shortest plan, in varied words", reads_hidden_state=True),
    "look": AdviserEntry(look, "names a random place to look in", reads_hidden_state=False),
    "mixture": AdviserEntry(
        mixture,
        "nothing (30 %), a random place to look in (25 %), or as `plan` (45 %), for tuning",
        reads_hidden_state=True,
    ),
}
