"""The face of WebShop's own environment (`harness.bridges.web_agent_site`), driven by recordings: the replay steps it and
compares.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from environments.webshop.catalogue.importer import Import, find_files
from environments.webshop.catalogue.nouns import from_table, read_tagged_titles
from environments.webshop.catalogue.store import Catalogue, open_store
from environments.webshop.goals.goals import GoalTable, goal_table
from environments.webshop.shop.simulator import Session
from harness.base.errors import BadInput
from harness.bridges.web_agent_site.envs import WebAgentTextEnv
from harness.bridges.web_agent_site.server import SimServer

Row = Mapping[str, Any]
"""One recorded row."""


class Reference:
    """Catalogues and goals as the recordings' settings ask for them, each made once."""

    def __init__(self, items: Path, scratch: Path) -> None:
        self.items = items
        self.scratch = scratch
        self._catalogues: dict[int | None, Catalogue] = {}

    def catalogue(self, limit: int | None = None) -> Catalogue:
        """The catalogue of the first `limit` products."""
        if limit not in self._catalogues:
            files = find_files(self.items)
            if files.nouns is None:
                raise BadInput(f"{self.items}: no title_pos.jsonl.gz; the replay takes the nouns of titles from it.")
            place = self.scratch / f"catalogue-{limit}"
            Import(files, from_table(read_tagged_titles(files.nouns)), limit).run(place)
            self._catalogues[limit] = open_store(place)
        return self._catalogues[limit]

    def goals(self, limit: int | None, human: bool, seed: int) -> GoalTable:
        return goal_table(self.catalogue(limit), "human" if human else "synthetic", seed)


class Player:
    """An environment with one recorded setting."""

    def __init__(self, reference: Reference, config: Row) -> None:
        self.env = WebAgentTextEnv(
            observation_mode="text",
            server=SimServer(
                reference.catalogue(config.get("num_products")),
                human_goals=bool(config.get("human_goals")),
                show_attrs=bool(config.get("show_attrs")),
                seed=config.get("seed", 0),
            ),
            session_prefix=config.get("session_prefix"),
            num_prev_obs=config.get("num_prev_obs", 0),
            num_prev_actions=config.get("num_prev_actions", 0),
        )

    @property
    def session(self) -> Session:
        return self.env.shopper

    def reset(self, argument: Any, seed: Any, fresh: bool) -> str:
        """Begin a session, Python's random state seeded just before, as it was recorded; a `fresh` one is forgotten first."""
        if fresh:
            self.env.server.user_sessions.pop(f"{self.env.session_prefix or ''}{argument}")
        random.seed(seed)
        observation, info = self.env.reset(argument)
        assert info is None
        table = self.env.server.goals.table
        self.goal_index = argument if isinstance(argument, int) else table.find(self.session.goal.id)
        return observation

    def final(self) -> dict[str, Any]:
        """The session as the recordings write it at the end."""
        row = self.env.server.user_sessions[self.env.session]
        names = ("done", "reward", "keywords", "page", "asin", "options", "actions")
        return {**{name: row.get(name) for name in names}, "asins": sorted(row["asins"])}
