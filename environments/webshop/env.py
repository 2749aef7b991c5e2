"""The WebShop environment on the common contract: options, tasks, prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from environments.base import ActionFormat, BaselineEntry, Environment, Metric, Task
from environments.prompts import Prompt, load_prompt
from environments.webshop.action_format import make_action_format
from environments.webshop.catalogue.catalogues import open_builtin, open_imported
from environments.webshop.catalogue.store import Catalogue
from environments.webshop.goals.goals import GoalTable, Kind, goal_table
from environments.webshop.goals.marking import BROKEN, BROKEN_SOUND
from environments.webshop.goals.splits import BUILTIN, SPLITS, GoalTasks, Overlap, indices
from environments.webshop.shop.baselines import BASELINES
from environments.webshop.shop.play import ObservationMode, PlaySettings, WebShopPlay
from environments.webshop.shop.simulator import Shop, open_session
from harness.base.errors import BadInput, nearest
from harness.reading.answers import label_with_reader, reader_of, reasks_of

ROLES = ("actor", "strategist")


class WebShopOptions(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    protocol: Literal["original", "sound"] = "original"
    """`original` keeps the original's quirks, `sound` mends those that are plainly faults; the README lists them."""
    observation: ObservationMode = "text"
    """Which of the original's observation texts the agent gets."""
    observation_limit: int | None = Field(default=None, ge=200)
    """Cut observations to this many characters (for models with a short memory); None, as the original: never."""
    max_steps: int = Field(default=10, ge=1, le=1000)
    """Actions in an episode; the paper's setting."""
    goals: Kind = "human"
    """Instructions that people wrote, or those made from products and all their options."""
    seed: int = 0
    """Seed of the prices inside price ranges and of the price limits in instructions, which the original leaves to chance."""
    skip_broken: bool = False
    """Leave out goals that cannot score 1 even with the wanted product and options."""
    overlap: Overlap = "refuse"
    """The 21 training goals of the paper that are test goals too: refuse the split, drop them, or allow them."""
    show_attributes: bool = False
    """Offer the page that shows a product's attributes, category and query (a help; off in the original's default)."""
    prompts: Literal["full", "brief"] = "full"
    """`brief`: a short prompt for the strategist, for small models."""
    parsing: Literal["lenient", "exact", "0.1"] | None = None
    """Rule for reading answers: `lenient` (None), or `exact`, as the paper's wrapper does; the record's protocol says which.
    `0.1` is for going on with a run that was begun under that version."""
    reasks: int | None = Field(default=None, ge=0, le=10)
    """Number of times an unreadable answer is asked for again; None: once under `lenient`, else never, as in the paper."""
    catalogue: str | None = None
    """Name of an imported catalogue; None: the full one, or the only one."""
    builtin_products: int = Field(default=1000, ge=50, le=2_000_000)
    builtin_seed: int = 0
    """Size and seed of the built-in catalogue."""


class WebShopEnvironment(Environment):
    """One seat; the shop itself gives the score."""

    name = "webshop"
    Options = WebShopOptions
    options: WebShopOptions
    seats = 1
    metric = Metric("reward", 0.0, 1.0, success_at=1.0)

    def __init__(self, options: Mapping[str, Any] | WebShopOptions) -> None:
        super().__init__(options)
        options = self.options
        parsing = reader_of(options.parsing, like_the_paper=False)
        self.protocol: str = label_with_reader(options.protocol, parsing)
        self.action_format: ActionFormat = make_action_format(parsing, reasks_of(options.reasks, parsing, earlier=0))
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
