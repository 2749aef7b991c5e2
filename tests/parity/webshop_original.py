"""The original's environment object, driven by recordings: the replay steps it and compares.

It keeps what the environment of this project has no use for: session ids, resets of a known session, goals drawn by
weight, and observations that carry earlier ones.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from environments.webshop.catalogue.importer import Import, find_files
from environments.webshop.catalogue.nouns import from_table, read_tagged_titles
from environments.webshop.catalogue.store import Catalogue, open_store
from environments.webshop.goals.goals import GoalTable, WeightedDraw
from environments.webshop.goals.reward import Goal
from environments.webshop.options import Kind
from environments.webshop.shop.simulator import Session, Shop, open_session
from harness.base.errors import BadInput

Row = Mapping[str, Any]
"""One recorded row."""


class Reference:
    """Catalogues and goals as the recordings' settings ask for them, each made once."""

    def __init__(self, items: Path, scratch: Path) -> None:
        self.items = items
        self.scratch = scratch
        self._catalogues: dict[int | None, Catalogue] = {}
        self._tables: dict[tuple[int | None, Kind, int], tuple[GoalTable, WeightedDraw]] = {}

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

    def goals(self, limit: int | None, human: bool, seed: int) -> tuple[GoalTable, WeightedDraw]:
        kind: Kind = "human" if human else "synthetic"
        key = (limit, kind, seed)
        if key not in self._tables:
            table = GoalTable(self.catalogue(limit), kind, seed)
            self._tables[key] = (table, WeightedDraw(table.weights()))
        return self._tables[key]


class Player:
    """The original's environment object: settings, sessions by id, history. One per recorded setting."""

    def __init__(self, reference: Reference, config: Row) -> None:
        limit = config.get("num_products")
        self.table, self.draw = reference.goals(limit, bool(config.get("human_goals")), config.get("seed", 0))
        self.shop = Shop(self.table, show_attributes=bool(config.get("show_attrs")))
        self.prefix: str | None = config.get("session_prefix")
        self.kept_observations: int = config.get("num_prev_obs", 0)
        self.kept_actions: int = config.get("num_prev_actions", 0)
        self.sessions: dict[str, tuple[int, Session]] = {}

    def reset(self, argument: Any, seed: Any, fresh: bool) -> None:
        """The original's `reset`, its global random state seeded with `seed` just before."""
        rng = Random(seed)
        name = "".join(rng.choices(string.ascii_lowercase, k=10)) if argument is None else str(argument)
        name = (self.prefix or "") + name
        if fresh:
            self.sessions.pop(name, None)
        if name in self.sessions:
            self.goal_index, self.session = self.sessions[name]
            self.session.restart()
        else:
            self.goal_index = argument if isinstance(argument, int) else self.draw(rng)
            self.session = open_session(self.shop, self.table.goal(self.goal_index), name)
            self.sessions[name] = (self.goal_index, self.session)
        self.session.rng = rng
        self.observations = [self.session.page.text]
        self.actions: list[str] = []

    def step(self, action: str) -> tuple[str, float, bool]:
        """(observation, reward, done); raises `ShopFault` where the original raises."""
        moved = self.session.act(action)
        bought = moved and self.session.page.type == "done"
        text = self.session.page.text
        parts = [text]
        self.actions.append(action)
        for back in range(1, 1 + max(self.kept_observations, self.kept_actions)):
            if len(self.actions) >= back and self.kept_actions >= back:
                parts.append(self.actions[-back])
            if len(self.observations) >= back and self.kept_observations >= back:
                parts.append(self.observations[-back])
        self.observations.append(text)
        return " [SEP] ".join(parts[::-1]), (self.session.reward or 0.0) if bought else 0.0, bought

    def final(self) -> dict[str, Any]:
        session = self.session
        return {
            "done": session.done,
            "reward": session.reward,
            "keywords": session.keywords,
            "page": session.page_number,
            "asin": session.asin,
            "asins": sorted(session.asins),
            "options": session.options,
            "actions": session.actions,
        }


def goal_row(goal: Goal) -> dict[str, Any]:
    """A goal with the original's field names."""
    return {
        "asin": goal.asin,
        "category": goal.category,
        "query": goal.query,
        "name": goal.name,
        "product_category": goal.product_category,
        "instruction_text": goal.instruction,
        "attributes": list(goal.attributes),
        "price_upper": goal.price_upper,
        "goal_options": dict(goal.options) if isinstance(goal.options, Mapping) else list(goal.options),
        "weight": goal.weight,
    }
