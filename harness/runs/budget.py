"""Run-level budgets: how much money, how many tokens and how many hours a run may take.

Money and tokens count over the whole run, what it used before it was continued included; hours count from when this
command was started. A budget ends a run by draining it: running episodes end; the next command plays the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from agents.models.prices import configured_price
from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.runs.metering import Meter


@dataclass(frozen=True, slots=True)
class Budget:
    """None = no limit."""

    usd: float | None = None
    tokens: int | None = None
    hours: float | None = None

    def check(self) -> None:
        """Check the limits. Raises `BadInput` for one that is not above 0."""
        for flag, value in (("--max-usd", self.usd), ("--max-tokens", self.tokens), ("--max-hours", self.hours)):
            if value is not None and not value > 0:
                raise BadInput(f"{flag} {value:g}: a budget has to be above 0")


@dataclass(frozen=True, slots=True)
class Spent:
    """Money and tokens a run used before this command."""

    usd: float = 0.0
    tokens: int = 0


class BudgetWatch:
    """Says when a budget is used up, and once that it does not see all."""

    def __init__(
        self,
        budget: Budget,
        meter: Meter,
        before: Spent,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget, self._meter, self._before, self._clock, self._say = budget, meter, before, clock, say
        self._begun = clock()
        self._said = False

    def exceeded(self) -> str | None:
        """Which budget is used up, in a line, and what to do where the same command cannot go on; None while there is some
        left."""
        if not self._said and (unseen := unseen_text(self._budget, self._meter)):
            self._said = True
            self._say(f"Budget: so far {unseen}. How many there were in all stands at the end.")
        budget, meter = self._budget, self._meter
        usd = self._before.usd + meter.usd
        tokens = self._before.tokens + meter.prompt_tokens + meter.completion_tokens
        hours = (self._clock() - self._begun) / 3600
        if budget.usd is not None and usd >= budget.usd:
            return f"budget: ${usd:.4f} of ${budget.usd:g} are spent\nWhat to do: Raise --max-usd."
        if budget.tokens is not None and tokens >= budget.tokens:
            return f"budget: {tokens} of {budget.tokens} tokens are used\nWhat to do: Raise --max-tokens."
        if budget.hours is not None and hours >= budget.hours:
            return f"budget: {hours:.3g} of {budget.hours:g} hours have passed"
        return None


def unseen_text(budget: Budget, meter: Meter) -> str:
    """Sentence on calls that a budget of money or tokens cannot see; empty where it sees all, or there is none."""
    if budget.usd is None and budget.tokens is None:
        return ""
    uncounted = meter.uncounted if budget.tokens is not None else meter.unpriced - meter.untold
    parts = {
        "without a count": uncounted,
        "without a price": meter.untold if budget.usd is not None else 0,
        "broken off": meter.broken_off,
    }
    told = [f"{counted(number, 'call')} {what}" for what, number in parts.items() if number]
    return f"{', '.join(told)}: the budget could not see them" if told else ""


def unpriced(models: Mapping[str, Mapping[str, Any]], told: Collection[str] = ()) -> list[str]:
    """The models (name -> config) whose price neither their config nor the table tells, nor their endpoint, which has
    `told` the price of a call to these."""
    return [name for name, config in models.items() if name not in told and configured_price(config) is None]


def refuse_unpriced(models: Mapping[str, Mapping[str, Any]], told: Collection[str] = ()) -> None:
    """Raise `BadInput` when the price of a model is not known: a money budget could not be kept. `told`: models whose
    endpoint told the price of a call."""
    for name in unpriced(models, told):
        config = models[name]
        raise BadInput(
            f"--max-usd cannot be kept: the price of model {name!r} ({config['provider']}:{config.get('model')}) is "
            "not known, and its endpoint does not tell it. Add it to the model's config, in USD per million tokens: "
            "`price: {prompt: 2.5, cached: 1.25, completion: 10}` (0 for a model of your own)."
        )
