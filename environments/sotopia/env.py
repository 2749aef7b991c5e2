"""The SOTOPIA environment: puts profiles, rules and texts together behind the contract of `environments.base`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import Any

from environments.base import Action, ActionFormat, BaselineEntry, Environment, Metric, Play, Task
from environments.prompts import Prompt, load_prompt
from environments.sotopia import splits
from environments.sotopia.action_format import make_action_format
from environments.sotopia.options import SotopiaOptions
from environments.sotopia.own.store import own_splits
from environments.sotopia.play import SotopiaPlay, make_scene
from environments.sotopia.rules import LEAVE, PROTOCOLS, SPEAK, Rules
from harness.base.errors import BadInput

ROLES = ("actor", "strategist")


class SotopiaEnvironment(Environment):
    """Two seats; the score comes from a judge."""

    name = "sotopia"
    Options = SotopiaOptions
    options: SotopiaOptions
    seats = 2
    metric = Metric("goal", 0.0, 10.0, success_at=8.0)
    """SOTOPIA knows no success, only the judge's goal score. We count 8 and more as one: about where strong models'
    mean lies on all tasks, so that rates are far from 0 and 1."""
    measures_progress = False

    def __init__(self, options: Mapping[str, Any] | SotopiaOptions) -> None:
        super().__init__(options)
        options = self.options
        self.rules: Rules = PROTOCOLS[options.protocol]
        self.protocol: str = options.label
        self.action_format: ActionFormat = make_action_format(
            self.rules.kinds, options.reader, options.times_asked_again
        )
        self.baselines: Mapping[str, BaselineEntry] = BASELINES

    def splits(self) -> Mapping[str, str]:
        return splits.all_splits()

    def own_splits(self) -> Mapping[str, str]:
        return own_splits()

    def more_splits(self) -> str:
        return splits.MORE

    def tasks(self, split: str) -> Sequence[Task]:
        return splits.tasks(split)

    def reset(self, task: Task, seed: int) -> Play:
        """The start of an episode. Nothing here is random, so `seed` is not used. Raises `BadInput` for a task whose
        pairing is not in the data."""
        world = splits.world_of(task)
        combo = world.find(task.data["combo"])
        if combo is None:
            raise BadInput(f"task {task.id}: the {task.data['world']} data have no pairing {task.data['combo']!r}")
        scene = make_scene(world.scenarios[combo.scenario_id], world.cast(combo.character_ids))
        return SotopiaPlay(scene, self.rules, self.options.max_turns)

    def prompt(self, role: str) -> Prompt | None:
        return _prompt(role) if role in ROLES else None

    def data_hashes(self, split: str) -> Mapping[str, str]:
        return splits.data_hashes(split)


@cache
def _prompt(role: str) -> Prompt:
    return load_prompt("environments.sotopia", role)


_SMALL_TALK = (
    "Nice to see you here.",
    "What brings you here today?",
    "I see what you mean.",
    "How would you like to go on from here?",
    "That sounds fair to me.",
)


def small_talk(play: Play, seat: int, random: Random) -> Action:
    """A polite line that has nothing to do with any goal; leaves after six of its own."""
    if play.view(seat).turn // 2 >= 6:
        return Action("", LEAVE)
    return Action(random.choice(_SMALL_TALK), SPEAK)


BASELINES: Mapping[str, BaselineEntry] = {
    "small-talk": BaselineEntry(
        small_talk, "says polite nothings and leaves after six turns", reads_hidden_state=False
    ),
}
