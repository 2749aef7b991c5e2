"""Counterpart of WebShop's `SimServer`: the products, the goals in the original's order, and the sessions by name.

Like the original it takes chance from Python's global `random`: price limits while it is made, after which that is seeded with
233 and shuffled; then the goal of each session that is not given as a number.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from environments.webshop.catalogue.catalogues import imported, open_builtin, open_imported
from environments.webshop.catalogue.store import Catalogue, open_store
from environments.webshop.goals.goals import SHUFFLE_SEED, GoalTable, Seed, WeightedDraw, goal_table
from environments.webshop.goals.reward import Goal
from environments.webshop.shop.simulator import BASE_URL, Session, Shop, open_session
from harness.base.errors import BadInput

BUILTIN = "builtin"
BUILTIN_PRODUCTS = 1000
GoalRow = dict[str, Any]
"""A goal with the original's field names."""


def open_catalogue(file_path: str | Path | None, num_products: int | None) -> Catalogue:
    """The products that the original's options name, of those that `harness data` brought. Raises `BadInput`.

    `file_path`: the product file; its name without the ending is that of the catalogue. "builtin": a generated one of
    `num_products`. Without it: the catalogue of `num_products` products, or the full one, or the only one.
    """
    if file_path == BUILTIN:
        return open_builtin(num_products or BUILTIN_PRODUCTS, 0)
    if file_path is None and num_products is not None:
        sizes = {open_store(folder).size: folder for folder in imported().values()}
        if num_products in sizes:
            return open_store(sizes[num_products])
        known = ", ".join(f"{size:,}" for size in sizes) or "none"
        raise BadInput(
            f"num_products={num_products}: no catalogue of that size is imported (sizes: {known}); `harness data fetch "
            'webshop-1000` brings 1,000 products, `harness data import PATH` other files; file_path="builtin" makes them up'
        )
    catalogue = open_imported(None if file_path is None else Path(file_path).stem)
    if num_products is not None and catalogue.size > num_products:
        raise BadInput(
            f"num_products={num_products}: {catalogue.folder.name} has {catalogue.size:,}; cut the product file to the "
            "first ones and import that"
        )
    return catalogue


class Goals(Sequence[GoalRow]):
    """Goals in their order, as dicts that are made when asked for."""

    def __init__(self, table: GoalTable, chosen: Sequence[int]) -> None:
        self.table = table
        self.chosen = chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Goals(self.table, self.chosen[index])
        return goal_row(self.goal(index))

    def __iter__(self) -> Iterator[GoalRow]:
        return (self[index] for index in range(len(self)))

    def goal(self, index: int) -> Goal:
        """The goal itself; negative numbers count from the end. Raises `IndexError`."""
        return self.table.goal(self.chosen[index])


class Sessions(Mapping[str, dict[str, Any]]):
    """Sessions by name, as the original's dicts, made when asked for; `pop`, `del` and `clear` forget them."""

    def __init__(self) -> None:
        self.open: dict[str, Session] = {}

    def __getitem__(self, name: str) -> dict[str, Any]:
        return session_row(self.open[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.open)

    def __len__(self) -> int:
        return len(self.open)

    def __delitem__(self, name: str) -> None:
        del self.open[name]

    def pop(self, name: str, default: Any = None) -> Any:
        """Forget a session; returns what it held."""
        return session_row(self.open.pop(name)) if name in self.open else default

    def clear(self) -> None:
        """Forget all sessions."""
        self.open.clear()


class SimServer:
    """Products, goals and sessions. Several environments may share one (`server=`)."""

    def __init__(
        self,
        catalogue: Catalogue,
        human_goals: bool = False,
        filter_goals: Callable[[int, GoalRow], Any] | None = None,
        limit_goals: int = -1,
        show_attrs: bool = False,
        seed: int | None = None,
    ) -> None:
        """`seed` draws the price limits instead of the global `random`. Raises `BadInput` without goals of the kind."""
        kind = "human" if human_goals else "synthetic"
        chance: Seed = random.getstate() if seed is None else seed
        table = goal_table(catalogue, kind, chance)
        if not len(table):
            other = "synthetic ones are played with human_goals=0" if human_goals else "try human_goals=1"
            raise BadInput(f"{catalogue.folder.name} has no {kind} goals; {other}")
        random.setstate(_state_after_shuffling(len(table)))
        chosen: Sequence[int] = range(len(table))
        if filter_goals is not None:
            chosen = [index for index, goal in enumerate(Goals(table, chosen)) if filter_goals(index, goal)]
        self.base_url = BASE_URL
        self.show_attrs = show_attrs
        self.user_sessions = Sessions()
        self.assigned_instruction_text: str | None = None
        """Instruction put in place of every goal's own."""
        self._weights = table.weights()
        if limit_goals != -1 and limit_goals < len(chosen):
            chosen = _limited(chosen, self._weights[chosen], limit_goals)
        self.goals = Goals(table, chosen)
        self.shop = Shop(table, show_attributes=show_attrs)
        self._draw = WeightedDraw(self._weights[chosen])

    @property
    def weights(self) -> list[float]:
        """The drawing weight of each goal."""
        return [float(weight) for weight in self._weights[self.goals.chosen]]

    @property
    def cum_weights(self) -> list[float]:
        """Running sums of the weights, beginning with 0."""
        return [0.0, *np.cumsum(self.weights).tolist()]

    @property
    def product_prices(self) -> Mapping[str, float]:
        """Product id -> the price in dollars that rewards compare."""
        catalogue = self.shop.catalogue
        return {catalogue.card(number)[0]: float(price) for number, price in enumerate(self.goals.table.prices)}

    def enter(self, name: str, index: int | None) -> Session:
        """The session of a name on its search page: begun with the goal at `index`, or with one drawn by weight; a known one
        keeps its goal and its score. Raises `IndexError` for a goal that is not there."""
        known = self.user_sessions.open.get(name)
        if known is None:
            index = self._draw(cast(random.Random, random)) if index is None else index
            known = open_session(self.shop, self._assigned(self.goals.goal(index)), name)
            known.rng = cast(random.Random, random)  # the search for random products draws from there, too
            self.user_sessions.open[name] = known
        else:
            known.goal = self._assigned(known.goal)
            known.restart()
        return known

    def _assigned(self, goal: Goal) -> Goal:
        text = self.assigned_instruction_text
        return goal if text is None else replace(goal, instruction=text)


def _limited(chosen: Sequence[int], weights: Any, limit: int) -> list[int]:
    """So many different goals, drawn by weight."""
    draw = WeightedDraw(weights)
    places: dict[int, None] = {}
    while len(places) < limit:
        places[draw(cast(random.Random, random))] = None
    return [chosen[place] for place in places]


@lru_cache(maxsize=8)
def _state_after_shuffling(number: int) -> tuple[Any, ...]:
    """The state of the random source once it has shuffled so many goals, as the original leaves it."""
    source = random.Random(SHUFFLE_SEED)
    source.shuffle(list(range(number)))
    return source.getstate()


def goal_row(goal: Goal) -> GoalRow:
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


def session_row(session: Session) -> dict[str, Any]:
    """A session with the original's field names."""
    row: dict[str, Any] = {"goal": goal_row(session.goal), "done": session.done}
    if session.score is not None:
        row |= {"verbose_info": session.score.parts(), "reward": session.score.reward}
    return row | {
        "keywords": session.keywords,
        "page": session.page_number,
        "asin": session.asin,
        "asins": set(session.asins),
        "options": dict(session.options),
        "actions": dict(session.actions),
    }
