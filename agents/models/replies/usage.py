"""Tokens and price as endpoints tell them. A count that cannot be one is unknown, never an error."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from agents.models.base import ChatReply

MOST = 2**53
"""Counts are below it."""
COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")
"""Those of a reply."""
_REASONING = re.compile(r"reasoning|think|thought", re.IGNORECASE)
_CACHED = re.compile(r"cached_tokens|cache_hit|cache_read", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens a call used."""

    prompt: int | None = None
    cached: int | None = None
    """Those of `prompt` that were read from the endpoint's cache."""
    completion: int | None = None
    """Reasoning included."""
    reasoning: int | None = None
    usd: float | None = None
    """The price, where the endpoint tells it."""


def count(value: Any) -> int | None:
    """A natural number, or None for anything else that an endpoint may send in its place."""
    if type(value) not in (int, float) or not 0 <= value < MOST:
        return None
    return int(value) if value == int(value) else None


def checked(reply: ChatReply) -> ChatReply:
    """The reply with every count and price that cannot be one left unknown, whichever model (a plug-in's, too) gave it."""
    told = {name: getattr(reply, name) for name in COUNTS}
    found: dict[str, Any] = {name: count(value) for name, value in told.items()}
    told["usd"], found["usd"] = reply.usd, amount(reply.usd)
    latency = amount(reply.latency_s)
    told["latency_s"], found["latency_s"] = reply.latency_s, 0.0 if latency is None else latency
    same = all(found[name] is told[name] or found[name] == told[name] for name in told)
    return reply if same else replace(reply, **found)


def usage_of(usage: Any) -> Usage:
    """Read a reply's `usage`, in OpenAI's names or those of its kin."""
    if not isinstance(usage, dict):
        return Usage()
    prompt = _first(usage, "prompt_tokens", "input_tokens")
    completion = _first(usage, "completion_tokens", "output_tokens")
    total = count(usage.get("total_tokens"))
    reasoning = _matching(usage, _REASONING)
    if prompt is not None and total is not None and total > prompt:
        # Some leave reasoning out of the completion, but not out of the total.
        completion = max(completion or 0, total - prompt)
    if completion is not None and reasoning is not None and reasoning > completion:
        completion += reasoning
    return Usage(prompt, _matching(usage, _CACHED), completion, reasoning, _price(usage))


def _first(usage: Mapping[str, Any], *keys: str) -> int | None:
    return next((found for key in keys if (found := count(usage.get(key))) is not None), None)


def _matching(usage: Mapping[str, Any], pattern: re.Pattern[str]) -> int | None:
    """The first count whose name fits, here or in a part that gives details."""
    fitting = (value for key, value in _flat(usage) if _fits(pattern, key))
    return next((found for value in fitting if (found := count(value)) is not None), None)


@lru_cache(maxsize=1024)
def _fits(pattern: re.Pattern[str], key: str) -> bool:
    return bool(pattern.search(key))


def _flat(usage: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in usage.items():
        if isinstance(value, dict) and "detail" in str(key):
            yield from ((str(name), part) for name, part in value.items())
        else:
            yield str(key), value


def _price(usage: Mapping[str, Any]) -> float | None:
    """The price in USD. OpenRouter's `cost` leaves out what a key of one's own pays to the vendor."""
    cost = usage.get("cost")
    if isinstance(cost, dict):
        cost = cost.get("total_cost", cost.get("total"))
    told = [
        amount(value) for value in (cost, *(usage.get(key) for key in ("total_cost", "cost_usd", "estimated_cost")))
    ]
    price = next((found for found in told if found is not None), None)
    details = usage.get("cost_details")
    if usage.get("is_byok") is True and isinstance(details, dict) and price is not None:
        price += amount(details.get("upstream_inference_cost")) or 0.0
    return price


def amount(value: Any) -> float | None:
    """A sum of money: finite and not negative, else None."""
    if type(value) not in (int, float) or not 0 <= value < MOST:
        return None
    return float(value) if math.isfinite(value) else None
