"""The ALFWorld environment: puts games, rules and texts together behind the contract of `environments.base`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from random import Random
from typing import Any

from environments.alfworld import builtin, data
from environments.alfworld.actions import make_action_format, make_choice_format
from environments.alfworld.baselines import ADVISERS, BASELINES
from environments.alfworld.curriculum import begin_near_the_end, commands_left
from environments.alfworld.engine import KEPT, World, load_game
from environments.alfworld.options import AlfworldOptions
from environments.alfworld.play import PROTOCOLS, AlfworldPlay, Wording
from environments.base import ActionFormat, AdviserEntry, BaselineEntry, Environment, Metric, Play, Task
from environments.prompts import Prompt, load_prompt
from harness.base.errors import BadInput, nearest
from harness.base.seeds import seed_from
from harness.reading.parsing import VERSION_0_1

_PUBLISHED = {
    "train": "published training games (3,553 before the original's filters; the paper counts 3,321)",
    "valid_train": "published games in training scenes, held out for quick checks",
    "valid_seen": "140 published games, scenes known from training, new tasks",
    "valid_unseen": "134 published games in scenes unknown from training",
    "generated-train": "games written by `harness data generate alfworld`, train side",
    "generated-test": "the same, test side",
}

_NOTES_ROLES = ("actor", "strategist", "strategy", "reminder")
"""Roles whose prompts are other ones where they are made of notes."""


class AlfworldEnvironment(Environment):
    """One seat; the world itself tells whether the task is done."""

    name = "alfworld"
    Options = AlfworldOptions
    options: AlfworldOptions
    seats = 1
    metric = Metric("success", 0.0, 1.0, success_at=1.0)
    measures_progress = True

    def __init__(self, options: Mapping[str, Any] | AlfworldOptions) -> None:
        super().__init__(options)
        options = self.options
        self._rules = PROTOCOLS[options.protocol]
        self._max_steps = options.max_steps or self._rules.max_steps
        self.protocol: str = options.label
        self.action_format: ActionFormat = (
            make_choice_format(options.reader, options.times_asked_again)
            if options.answers == "choice"
            else make_action_format(
                self._rules.text, options.reader, options.times_asked_again, short=options.prompts == "notes"
            )
        )
        self.baselines: Mapping[str, BaselineEntry] = BASELINES
        self.advisers: Mapping[str, AdviserEntry] = ADVISERS

    def splits(self) -> Mapping[str, str]:
        return {**_PUBLISHED, **{split: builtin.describe(split) for split in builtin.NAMES}}

    def tasks(self, split: str) -> Sequence[Task]:
        """The tasks in their stable order. Raises `BadInput` for an unknown split or missing games."""
        options = self.options
        if split in builtin.NAMES:
            games = builtin.tasks(split)
            if options.task_types is not None:
                games = games.of_types(options.task_types)
            return games.in_order(self._places(split, len(games)))
        found = _published_tasks(split)
        if options.task_types is not None:
            found = [task for task in found if task.data["task_type"] in options.task_types]
        return [found[place] for place in self._places(split, len(found))]

    def notes(self, split: str) -> Sequence[str]:
        """Name the games that were left out of a split, and the number it is short of."""
        return () if split in builtin.NAMES else data.notes_of(data.read_split(_folder(split)))

    def _places(self, split: str, count: int) -> list[int]:
        """The order of a split's tasks."""
        places = list(range(count))
        if self.options.order == "seeded":
            Random(seed_from("alfworld order", self.options.order_seed, split)).shuffle(places)
        return places

    def reset(self, task: Task, seed: int) -> Play:
        """The start of an episode. Nothing here is random, so `seed` is not used."""
        world = _published_world(task) if "path" in task.data else builtin.world_of(task)
        world = world.with_text(self._rules.text)
        wording = Wording(self.options.other_put_form == "accept", self.options.reader == VERSION_0_1)
        brief, notes = (self.options.prompts == style for style in ("brief", "notes"))
        if self.options.steps_left is None:
            return AlfworldPlay(world, self._rules, self._max_steps, wording, brief=brief, notes=notes)
        near, story = begin_near_the_end(world, commands_left(task.id, self.options.steps_left))
        return AlfworldPlay(near, self._rules, self._max_steps, wording, (world, story), brief, notes)

    def prompt(self, role: str) -> Prompt | None:
        if self.options.prompts == "notes" and role in _NOTES_ROLES:
            return _prompt(f"{role}_notes", self.options.protocol)
        if role not in ("actor", "strategist"):
            return None
        if role == "actor" and self.options.answers == "choice":
            return _prompt("actor_choice", self.options.protocol)
        brief = self.options.prompts == "brief"
        return _prompt(f"{role}_brief" if brief else role, self.options.protocol)

    def data_hashes(self, split: str) -> Mapping[str, str]:
        if split in builtin.NAMES:
            return {"generator": builtin.GAMES_VERSION}
        return {split: data.split_hash(data.read_split(_folder(split)).games)}


def _folder(split: str) -> Path:
    if split not in _PUBLISHED:
        known = [*_PUBLISHED, *builtin.NAMES]
        raise BadInput(f"alfworld: unknown split {split!r}; known: {', '.join(known)}.{nearest(split, known)}")
    return data.split_folder(split)


def _published_tasks(split: str) -> list[Task]:
    return [
        Task(
            id=game.path,
            split=split,
            group=f"scene-{game.scene}",
            data={"task_type": game.task_type, "path": game.path, "sha256": game.sha256},
        )
        for game in data.read_split(_folder(split)).games
    ]


def _published_world(task: Task) -> World:
    return _load(task.data["path"], task.data.get("sha256"), str(_folder(task.split).parent))


@lru_cache(maxsize=KEPT)
def _load(path: str, sha256: str | None, root: str) -> World:
    games = {game.path: game for game in data.read_split(Path(root) / path.split("/", 1)[0]).games}
    if path not in games:
        raise BadInput(f"alfworld: the game {path!r} is not below {root}")
    if sha256 not in (None, games[path].sha256):
        raise BadInput(f"alfworld: the game {path!r} is another than the task names (sha256 {games[path].sha256})")
    return load_game(Path(root) / path / data.GAME)


@cache
def _prompt(role: str, protocol: str) -> Prompt:
    return load_prompt("environments.alfworld", "actor_epo" if (role, protocol) == ("actor", "epo") else role)
