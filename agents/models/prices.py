"""What a call costs: the price table `prices.toml`, and its arithmetic. Unknown is None, never 0."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from agents.models.config import PriceConfig

_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    prompt: float
    cached: float
    completion: float

    def usd(self, prompt: int | None, cached: int | None, completion: int | None) -> float | None:
        """The price of a call; None when the endpoint did not count its tokens. `cached` are those of the
        `prompt` tokens that came from the endpoint's cache (0 where it does not say)."""
        if prompt is None or completion is None:
            return None
        from_cache = min(cached or 0, prompt)
        fresh = prompt - from_cache
        return (fresh * self.prompt + from_cache * self.cached + completion * self.completion) / 1e6


def price_of(provider: str, model: str, override: PriceConfig | None = None) -> Price | None:
    """The price from the config, else from the table, else None. A dated snapshot (`-2024-08-06`, `-20250929`)
    costs what its undated name costs unless the table lists it."""
    if override is not None:
        cached = override.prompt if override.cached is None else override.cached
        return Price(override.prompt, cached, override.completion)
    models = _table().get(provider, {})
    entry = models.get(model) or models.get(_DATE.sub("", model))
    if entry is None:
        return None
    return Price(entry["prompt"], entry.get("cached", entry["prompt"]), entry["completion"])


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(files("agents.models").joinpath("prices.toml").read_text(encoding="utf-8"))
