"""One way to write money: what is known, of what kind it is, and what it leaves out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.models.attempts import attempt
from agents.models.base import ChatReply, ChatRequest
from harness.base.errors import EpisodeError, Usage
from harness.base.money import Kind, price_text
from harness.runs.budget import Budget, BudgetWatch, Spent, unseen_text
from harness.runs.metering import Meter, MeteredModel


@pytest.mark.parametrize(
    ("known", "kind", "unpriced", "of", "text"),
    [
        (12.3, "most", 4, "arm", "≤ 12.30 + 4 arms without a price"),
        (12.3, "most", 0, "arm", "≤ 12.30"),
        (8.1, "about", 0, "arm", "≈ 8.10"),
        (1.09, "spent", 1, "call", "≥ 1.09 + 1 call without a price"),
        (1.09, "spent", 0, "call", "1.09"),
        (0.01234, "spent", 0, "call", "0.0123"),
        (1234.5, "spent", 0, "call", "1,234.50"),
        (0.0, "spent", 0, "call", "0.00"),
        (0.0, "most", 2, "arm", "unknown"),
        (None, "about", 0, "arm", "unknown"),
        (float("nan"), "spent", 3, "call", "unknown"),
    ],
)
def test_money_is_written_one_way(known: float | None, kind: Kind, unpriced: int, of: str, text: str) -> None:
    assert price_text(known, kind, unpriced, of) == text


class Endpoint:
    """A model whose calls do what the test says."""

    name, provider, model = "m", "openai", "m"
    revision: str | None = None
    base_url: str | None = "http://127.0.0.1:9"

    def __init__(self, *answers: Any, free: bool = False) -> None:
        self.answers, self.free = list(answers), free

    async def complete(self, request: ChatRequest) -> ChatReply:
        answer = self.answers.pop(0)
        if answer == "wait":
            await asyncio.sleep(3600)
        if answer == "hang":
            with attempt(free=self.free):
                await asyncio.sleep(3600)
        if isinstance(answer, EpisodeError):
            raise answer
        return ChatReply(**{"text": "x", "model": "m", "finish_reason": "stop", **answer})

    async def check(self) -> None: ...

    async def close(self) -> None: ...


def metered(*answers: Any, free: bool = False) -> Meter:
    """The meter after one call per answer, each broken off after a moment."""
    meter = Meter()
    model = MeteredModel(Endpoint(*answers, free=free), meter)

    async def go() -> None:
        for _ in answers:
            try:
                async with asyncio.timeout(0.05):
                    await model.complete(ChatRequest(()))
            except (EpisodeError, TimeoutError):
                pass

    asyncio.run(go())
    return meter


FULL: dict[str, Any] = {"prompt_tokens": 100, "completion_tokens": 20, "reasoning_tokens": 15, "usd": 0.5}
UNPRICED = FULL | {"usd": None}
UNCOUNTED: dict[str, Any] = {"prompt_tokens": None, "completion_tokens": None, "usd": None}
TOLD = UNCOUNTED | {"usd": 0.25}


def test_a_meter_counts_what_is_known_and_how_much_is_not() -> None:
    meter = metered(FULL, UNPRICED, UNCOUNTED, TOLD)
    assert (meter.calls, meter.prompt_tokens, meter.completion_tokens, meter.reasoning_tokens) == (4, 200, 40, 30)
    assert (meter.usd, meter.unpriced, meter.uncounted) == (0.75, 2, 2)
    assert meter.money_text() == "≥ 0.7500 + 2 calls without a price"


def test_a_call_that_was_broken_off_costs_an_unknown_sum_and_one_that_was_not_sent_nothing() -> None:
    assert metered(FULL, "hang").money_text() == "≥ 0.5000 + 1 call without a price"
    assert metered("hang").money_text() == "unknown"
    assert metered(FULL, "wait").money_text() == "0.5000"
    assert metered("hang", free=True).money_text() == "0.00"


def test_a_failed_call_costs_what_its_endpoint_says_it_took() -> None:
    empty = EpisodeError("model", "used all tokens", spent=Usage(100, 256, 256, 0.5))
    meter = metered(empty, EpisodeError("infrastructure", "refused"))
    assert (meter.calls, meter.usd, meter.prompt_tokens, meter.completion_tokens) == (0, 0.5, 100, 256)
    assert (meter.unpriced, meter.uncounted, meter.broken_off) == (0, 0, 0)


@pytest.mark.parametrize(
    ("budget", "answers", "text"),
    [
        (Budget(usd=5), [UNCOUNTED] * 12, "12 calls without a count: the budget could not see them"),
        (Budget(tokens=5), [UNCOUNTED], "1 call without a count: the budget could not see them"),
        (Budget(tokens=5), [TOLD], "1 call without a count: the budget could not see them"),
        (Budget(usd=5), [TOLD], ""),
        (Budget(tokens=5), [UNPRICED], ""),
        (Budget(usd=5), [UNPRICED, UNCOUNTED], "1 call without a count, 1 call without a price: the budget could not see them"),
        (Budget(usd=5, tokens=5), [UNCOUNTED, TOLD], "2 calls without a count: the budget could not see them"),
        (Budget(usd=5), ["hang"], "1 call broken off: the budget could not see them"),
        (Budget(hours=5), [UNCOUNTED, "hang"], ""),
        (Budget(), [UNCOUNTED], ""),
    ],
)  # fmt: skip
def test_what_a_budget_can_not_see_is_told(budget: Budget, answers: list[Any], text: str) -> None:
    assert unseen_text(budget, metered(*answers)) == text


def test_a_call_without_a_count_is_said_once_while_the_budget_runs() -> None:
    said: list[str] = []
    meter = Meter()
    watch = BudgetWatch(Budget(tokens=1000), meter, Spent(), said.append)
    assert watch.exceeded() is None
    assert said == []
    for number in (1, 2, 3):
        meter.count(ChatReply("x", "m", "stop", None, None))
        assert watch.exceeded() is None
        assert (len(said), f"{meter.uncounted}") == (1, f"{number}")
    assert "1 call without a count" in said[0]
