"""The SOTOPIA environment: puts profiles, rules and texts together behind the contract of `environments.base`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from environments.base import Action, ActionFormat, BaselineEntry, Environment, Metric, Play, Task
from environments.prompts import Prompt, load_prompt
from environments.sotopia import splits
from environments.sotopia.action_format import make_action_format
from environments.sotopia.play import SotopiaPlay, make_scene
from environments.sotopia.rules import LEAVE, PROTOCOLS, SPEAK, Rules
from harness.base.errors import BadInput
from harness.reading.answers import label_with_reader, reader_of, reasks_of

ROLES = ("actor", "strategist")


class SotopiaOptions(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    protocol: Literal["sotopia-0.1.4", "epo", "strict"] = "sotopia-0.1.4"
    """Which variant of the rules is played; the README has the table."""
    max_turns: int = Field(default=20, ge=1, le=1000)
    """The original's setting. Under `epo`, as in its code, one action more is possible."""
    parsing: Literal["lenient", "exact", "0.1"] | None = None
    """Rule for reading answers: `lenient`, or `exact`, as the originals do. None: `lenient`, and `exact` under `protocol: epo`;
    the record's protocol says which. `0.1` is for going on with a run that was begun under that version."""
    reasks: int | None = Field(default=None, ge=0, le=5)
    """Number of times an unreadable answer is asked for again before it fails the episode; None: once, never under `exact`."""


class SotopiaEnvironment(Environment):
    """Two seats; the score comes from a judge."""

    name = "sotopia"
    Options = SotopiaOptions
    options: SotopiaOptions
    seats = 2
    metric = Metric("goal", 0.0, 10.0, success_at=8.0)
    """SOTOPIA knows no success, only the judge's goal score. We count 8 and more as one: about where strong models'
    mean lies on all tasks, so that rates are far from 0 and 1."""

    def __init__(self, options: Mapping[str, Any] | SotopiaOptions) -> None:
        super().__init__(options)
        options = self.options
        self.rules: Rules = PROTOCOLS[options.protocol]
        parsing = reader_of(options.parsing, like_the_paper=options.protocol == "epo")
        self.protocol: str = label_with_reader(options.protocol, parsing)
        reasks = reasks_of(options.reasks, parsing, earlier=1)
        self.action_format: ActionFormat = make_action_format(self.rules.kinds, parsing, reasks)
        self.baselines: Mapping[str, BaselineEntry] = BASELINES

    def splits(self) -> Mapping[str, str]:
        return splits.SPLITS

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
