"""The most that an experiment's episodes can take, from turn limits, answer limits and known prices, before anything was
played. Needs neither pandas nor scipy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents.models import REGISTRY
from agents.models.config import EndpointConfig, ModelConfig
from agents.models.prices import configured_price
from agents.strategists import kind_of
from harness.base.errors import BadInput
from harness.base.money import price_text
from harness.experiment.experiment import Cell
from harness.experiment.specs import ProcessSpec
from harness.judging.rewards.process import process_kind
from harness.runs.budget import Budget
from harness.runs.checking import SCRIPTED
from harness.runs.plan import Plan, model_config

CHARACTERS_PER_TOKEN = 4.0
"""Rough, for English text."""
INSTRUCTIONS = 500
"""Tokens of a prompt beside the background: roughly."""

Rooms = Mapping[str, int]
"""Model -> tokens beyond `max_tokens` that it is given for reasoning, where a run has settled it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Calls that one episode makes to a model in one role, at most, while no answer is asked for again."""

    model: str
    calls: float
    prompt: float
    """Tokens of one call."""
    answer: float
    """Tokens of one call's answer, without reasoning."""
    room: float
    """Tokens of one call's reasoning."""
    usd: float | None
    """Money for one call; None where the model's price is not known."""

    @property
    def largest(self) -> float:
        """Tokens of one call."""
        return self.prompt + self.answer + self.room


@dataclass(frozen=True, slots=True)
class Bound:
    """A sum of `Asked`."""

    calls: float
    tokens: float
    reasoning: float
    """Those of `tokens` that are room for reasoning."""
    usd: float
    """As far as prices are known."""
    unpriced: frozenset[str]
    """Models whose price is not known."""


def bound(asked: Iterable[Asked]) -> Bound:
    """The sum."""
    each = list(asked)
    return Bound(
        calls=sum(one.calls for one in each),
        tokens=sum(one.calls * one.largest for one in each),
        reasoning=sum(one.calls * one.room for one in each),
        usd=sum(one.calls * (one.usd or 0.0) for one in each),
        unpriced=frozenset(one.model for one in each if one.usd is None and one.calls),
    )


def room_of(config: Mapping[str, Any], max_tokens: int, settled: int | None = None) -> int:
    """Tokens that a request asks for beyond `max_tokens` at most: those `settled` by a run, else those of the model's
    config, else (`auto`) up to its cap."""
    given = config.get("reasoning_tokens", "auto")
    if not _asks_for_room(str(config.get("provider"))):
        return 0
    if given != "auto":
        room = int(given)
    else:
        room = max(0, config.get("reasoning_cap", 8192) - max_tokens) if settled is None else settled
    most = config.get("max_tokens")
    return room if most is None else max(0, min(room, most - max_tokens))


def _asks_for_room(provider: str) -> bool:
    """True if a provider is spoken to as an endpoint. Of another package's this is known where it says its options."""
    if provider in REGISTRY.builtin:
        return provider != SCRIPTED
    try:
        return issubclass(getattr(REGISTRY.load(provider), "Options", ModelConfig), EndpointConfig)
    except BadInput:  # what cannot be loaded is refused by whoever opens it
        return False


def asked_of(plan: Plan, cell: Cell, rooms: Rooms | None = None, episodes: int | None = None) -> list[Asked]:
    """The requests one episode of a cell makes to its models: every turn is played, every answer is as long as allowed.
    Reasoning is not sent back, so that prompts grow by answers alone. With a number of `episodes`: those of one among so
    many, where a process reward looks at a part of them (`max_episodes`)."""
    return list(_Asking(plan, cell, rooms or {}).all(episodes))


def rewards_of(plan: Plan, cell: Cell, spec: ProcessSpec, rooms: Rooms | None = None) -> list[Asked]:
    """The requests that one process reward makes for one episode of a cell; none where it does not look at the cell."""
    asking = _Asking(plan, cell, rooms or {})
    return list(asking.rewards(spec)) if spec in asking.process() else []


def beyond_text(plan: Plan, cells: Iterable[str], at_once: int, budget: Budget, rooms: Rooms | None = None) -> str:
    """By how much a run can pass its budget, in a line: what is under way when it is used up is played to its end. Empty
    for a run without a budget of money or tokens."""
    each = [asked_of(plan, plan.cells[cell], rooms) for cell in dict.fromkeys(cells)]
    if (budget.usd is None and budget.tokens is None) or not any(each):
        return ""
    whole = [bound(asked) for asked in each]
    calls = [one for asked in each for one in asked]
    parts = []
    if budget.usd is not None:
        unpriced = frozenset[str]().union(*(most.unpriced for most in whole))
        dearest = at_once * max(most.usd for most in whole)
        call = at_once * max(one.usd or 0.0 for one in calls)
        parts.append(
            f"USD {price_text(dearest, 'most', len(unpriced), 'model')} (by their next calls alone: "
            f"{price_text(call, 'most', len(unpriced), 'model')})"
        )
    if budget.tokens is not None:
        most_tokens, largest = max(most.tokens for most in whole), max(one.largest for one in calls)
        parts.append(f"≤ {at_once * most_tokens:,.0f} tokens (by their next calls alone: ≤ {at_once * largest:,.0f})")
    return (
        f"Budget: episodes that are under way when it is used up, {at_once} at once, are played to their end. They can pass "
        f"it by {' and '.join(parts)}."
    )


class _Asking:
    """One episode of a cell."""

    def __init__(self, plan: Plan, cell: Cell, rooms: Rooms) -> None:
        self._plan, self._cell, self._rooms = plan, cell, rooms
        world = plan.world(cell)
        play = world.environment.reset(world.tasks[0], 0)
        view = play.view(0)
        self._seats = world.environment.seats
        self._most_turns = view.max_turns
        self._judged = play.judge_background() is not None
        self._opening = len(view.background) / CHARACTERS_PER_TOKEN + INSTRUCTIONS
        self._transcript = self._opening * 2 + view.max_turns * cell.actor.max_tokens

    def all(self, episodes: int | None) -> Iterator[Asked]:
        yield from self._players()
        yield from self._judges()
        for spec in self.process():
            share = 1.0 if spec.max_episodes is None or not episodes else min(1.0, spec.max_episodes / episodes)
            yield from (replace(one, calls=one.calls * share) for one in self.rewards(spec))

    def rewards(self, spec: ProcessSpec) -> Iterator[Asked]:
        """Requests of the method's judge, and of everybody for the plays it takes."""
        yield from self._rewards(spec)
        kind = process_kind(spec.method)
        again = kind.plays(spec, self._most_turns) if kind.plays else 0
        for one in (*self._players(), *self._judges()) if again else ():
            yield replace(one, calls=one.calls * again)

    def _players(self) -> Iterator[Asked]:
        turns = self._most_turns / self._seats
        for actor, strategist in self._plan.seated(self._cell):
            for role in (actor, strategist):
                asks = role is actor or kind_of(strategist.kind).needs_model
                if role.model is not None and asks:
                    prompt = self._opening + (turns + 1) * role.max_tokens
                    yield self._ask(role.model, turns, prompt, role.max_tokens)

    def _judges(self) -> Iterator[Asked]:
        for judge in self._plan.experiment.judges if self._judged else []:
            yield self._ask(judge.model, 1, self._transcript, judge.max_tokens)

    def process(self) -> Iterator[ProcessSpec]:
        """The process rewards that look at the cell's episodes."""
        if not kind_of(self._cell.strategist.kind).proposes:
            return
        for spec in self._plan.experiment.process:
            if spec.environments is None or self._cell.environment.shown in spec.environments:
                yield spec

    def _rewards(self, spec: ProcessSpec) -> Iterator[Asked]:
        if spec.model is not None:
            prompt = self._transcript + self._most_turns * self._cell.strategist.max_tokens
            yield self._ask(spec.model, self._seats, prompt, spec.max_tokens)

    def _ask(self, model: str, calls: float, prompt: float, max_tokens: int) -> Asked:
        config = model_config(self._plan.experiment, model)
        room = room_of(config, max_tokens, self._rooms.get(model))
        price = configured_price(config)
        usd = None if price is None else price.usd(int(prompt), 0, max_tokens + room)
        return Asked(model, calls, prompt, max_tokens, room, usd)
