"""Prices of calls: the price table `prices.toml`, and its arithmetic. Unknown is None, never 0.

The table holds at the vendors' own addresses only: whoever serves a model of the same name elsewhere (Azure, a gateway, this
machine) asks a price of their own. What runs in or under the harness costs nothing."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from agents.models.config import VENDORS, PriceConfig

FREE = ("llamacpp", "scripted", "transformers", "vllm")
"""Providers that run in or under the harness."""

_DATE = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens."""

    prompt: float
    cached: float
    completion: float

    @property
    def free(self) -> bool:
        """True if no call costs anything, counted or not."""
        return not (self.prompt or self.cached or self.completion)

    def usd(self, prompt: int | None, cached: int | None, completion: int | None) -> float | None:
        """The price of a call; None when the endpoint did not count its tokens. `cached` are those of the
        `prompt` tokens that came from the endpoint's cache (0 where it does not say)."""
        if self.free:
            return 0.0
        if prompt is None or completion is None:
            return None
        from_cache = min(cached or 0, prompt)
        fresh = prompt - from_cache
        return (fresh * self.prompt + from_cache * self.cached + completion * self.completion) / 1e6


def price_of(
    provider: str, model: str, override: PriceConfig | None = None, base_url: str | None = None
) -> Price | None:
    """The price from the config; 0 for what runs in or under the harness; at the vendor's own address (`base_url`, which
    None stands for) the table's; else None. A dated snapshot (`-2024-08-06`, `-20250929`) costs what its undated name
    costs unless the table lists it."""
    if override is not None:
        cached = override.prompt if override.cached is None else override.cached
        return Price(override.prompt, cached, override.completion)
    if provider in FREE:
        return Price(0.0, 0.0, 0.0)
    if base_url is not None and not _is_own(provider, base_url):
        return None
    models = _table().get(provider, {})
    entry = models.get(model) or models.get(_DATE.sub("", model))
    if entry is None:
        return None
    return Price(entry["prompt"], entry.get("cached", entry["prompt"]), entry["completion"])


def configured_price(config: Mapping[str, Any]) -> Price | None:
    """The price that a model's config and the table tell before anybody is asked."""
    provider = str(config.get("provider"))
    override = PriceConfig.model_validate(config["price"]) if config.get("price") else None
    variable, own, _ = VENDORS.get(provider, ("", "", ""))
    given = config.get("base_url")
    given = os.environ.get(str(given.get("env")), "-") if isinstance(given, Mapping) else given
    base_url = given or os.environ.get(variable) or own
    return price_of(provider, str(config.get("model", "")), override, base_url or None)


def _is_own(provider: str, base_url: str) -> bool:
    own = VENDORS.get(provider)
    return own is not None and urlsplit(base_url).hostname == urlsplit(own.address).hostname


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(files("agents.models").joinpath("prices.toml").read_text(encoding="utf-8"))
