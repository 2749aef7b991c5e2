"""The WebShop environment on the common contract: options, tasks, prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from environments.base import ActionFormat, BaselineEntry, Environment, Metric, Task
from environments.prompts import Prompt, load_prompt
from environments.webshop.action_format import make_action_format
from environments.webshop.catalogue.catalogues import open_builtin, open_imported
from environments.webshop.catalogue.store import Catalogue
from environments.webshop.goals.goals import GoalTable, goal_table
from environments.webshop.goals.marking import BROKEN, BROKEN_SOUND
from environments.webshop.goals.splits import BUILTIN, SPLITS, GoalTasks, indices, shortage
from environments.webshop.options import Kind, WebShopOptions
from environments.webshop.shop.baselines import BASELINES
from environments.webshop.shop.play import PlaySettings, WebShopPlay
from environments.webshop.shop.simulator import Shop, open_session
from harness.base.errors import BadInput, nearest

ROLES = ("actor", "strategist")


class WebShopEnvironment(Environment):
    """One seat; the shop itself gives the score."""

    name = "webshop"
    Options = WebShopOptions
    options: WebShopOptions
    seats = 1
    metric = Metric("reward", 0.0, 1.0, success_at=1.0)
    measures_progress = True

    def __init__(self, options: Mapping[str, Any] | WebShopOptions) -> None:
        super().__init__(options)
        options = self.options
        self.protocol: str = options.label
        self.action_format: ActionFormat = make_action_format(options.reader, options.times_asked_again)
        self.baselines: Mapping[str, BaselineEntry] = BASELINES
        self._catalogues: dict[str, Catalogue] = {}

    def splits(self) -> Mapping[str, str]:
        return SPLITS

    def tasks(self, split: str) -> Sequence[Task]:
        """The goals of a split. Raises `BadInput` for an unknown split, missing products, and goals that do not fit
        it (too few, or the paper's lists on anything but the full human goals)."""
        catalogue = self._catalogue(split)
        table = goal_table(catalogue, self.options.goals, self.options.seed)
        tasks = GoalTasks(split, catalogue.folder.name, table, indices(split, table, self.options.overlap))
        if not self.options.skip_broken:
            return tasks
        bit = BROKEN_SOUND if self.options.protocol == "sound" else BROKEN
        return tasks.where(lambda index: not table.flag(index) & bit)

    def notes(self, split: str) -> Sequence[str]:
        """Name the goals that a split is short of."""
        if split in BUILTIN:
            return ()
        line = shortage(split, goal_table(self._catalogue(split), self.options.goals, self.options.seed))
        return () if line is None else (line,)

    def reset(self, task: Task, seed: int) -> WebShopPlay:
        """The start of an episode. `seed` serves the original's search for random products only. Raises `BadInput`
        for a goal that the catalogue does not have."""
        table = self._table(task)
        goal = table.goal(table.find(task.data.get("goal", task.id)))
        shop = _shop(table, self.options.protocol == "sound", self.options.show_attributes)
        settings = PlaySettings(self.options.observation, self.options.max_steps, self.options.observation_limit)
        return WebShopPlay(open_session(shop, goal, str(task.data.get("index", 0)), seed), settings)

    def prompt(self, role: str) -> Prompt | None:
        if role not in ROLES:
            return None
        return _prompt("strategist_brief" if (role, self.options.prompts) == ("strategist", "brief") else role)

    def data_hashes(self, split: str) -> Mapping[str, str]:
        catalogue = self._catalogue(split)
        return {f"webshop/{catalogue.folder.name}": catalogue.content, **catalogue.meta["sources"]}

    def _catalogue(self, split: str) -> Catalogue:
        """The products of a split, looked for once."""
        if split not in self._catalogues:
            self._catalogues[split] = self._find_catalogue(split)
        return self._catalogues[split]

    def _find_catalogue(self, split: str) -> Catalogue:
        if split not in SPLITS:
            raise BadInput(f"webshop: unknown split {split!r}; known: {', '.join(SPLITS)}.{nearest(split, SPLITS)}")
        if split in BUILTIN:
            return open_builtin(self.options.builtin_products, self.options.builtin_seed)
        return open_imported(self.options.catalogue)

    def _table(self, task: Task) -> GoalTable:
        """The goals a task belongs to: its id begins with their kind."""
        kind: Kind = "synthetic" if task.id.startswith("synthetic:") else "human"
        return goal_table(self._catalogue(task.split), kind, self.options.seed)


@lru_cache(maxsize=32)
def _shop(table: GoalTable, sound: bool, show_attributes: bool) -> Shop:
    return Shop(table, sound, show_attributes)


@cache
def _prompt(role: str) -> Prompt:
    return load_prompt("environments.webshop", role)
