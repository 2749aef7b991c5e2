"""No default limit of a turn, an episode or a judgement cuts a call that its endpoint allows; every limit that was set does,
and the message names it. On a clock that jumps."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agents.models.base import ChatReply, ChatRequest
from agents.models.cache import reply_json
from harness.base.deadlines import Deadline, allow, waiting
from harness.experiment.specs import JudgingSpec, Limits
from harness.judging.judges.asking import within
from harness.runs.executors.remote import RelayedModel, request_json
from tests.harness.virtual_time import run_virtually

REPLY = ChatReply("x", "m", "stop", 1, 1)


def relayed(seconds: float, cancelled: list[str] | None = None) -> RelayedModel:
    """A model of another process that takes so long."""

    async def ask(model: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if cancelled is not None:
                cancelled.append(model)
            raise
        return reply_json(REPLY)

    described: dict[str, Any] = {
        "name": "m",
        "provider": "transformers",
        "model": "m",
        "revision": None,
        "base_url": None,
        "options": {},
    }
    return RelayedModel(described | {"reasoning": None}, ask)


def test_a_call_relayed_to_another_process_is_not_cut_by_a_default_and_is_by_a_limit_that_was_set() -> None:
    async def turn(limit: Deadline, seconds: float) -> ChatReply:
        async with limit:
            return await relayed(seconds).complete(ChatRequest(()))

    assert run_virtually(turn(Deadline(300, grows=True), 599)).text == "x"
    assert run_virtually(turn(Deadline(300, grows=False), 299)).text == "x"
    with pytest.raises(TimeoutError):
        run_virtually(turn(Deadline(300, grows=False), 599))


def test_a_relayed_call_that_is_cut_is_cancelled_where_it_runs() -> None:
    cancelled: list[str] = []

    async def turn() -> None:
        with pytest.raises(TimeoutError):
            async with Deadline(300, grows=False):
                await relayed(599, cancelled).complete(ChatRequest(()))
        await asyncio.sleep(0)

    run_virtually(turn())
    assert cancelled == ["m"]
    assert json.dumps(request_json(ChatRequest(())))


async def calls(*seconds: float, deadline: float, pause: float = 0) -> str:
    """Calls as an endpoint makes them, each after waiting for a slot or quota."""
    for each in seconds:
        with waiting():
            await asyncio.sleep(pause)
        allow(deadline)
        await asyncio.sleep(each)
    return "done"


def test_a_judgement_has_time_for_its_repair_however_long_the_quota_is_waited_for() -> None:
    result, error = run_virtually(within(JudgingSpec(), calls(599, 599, deadline=600, pause=900)))
    assert (result, error) == ("done", None)


@pytest.mark.parametrize("what", ["judge", "process reward"])
def test_a_judges_limit_that_was_set_cuts_and_is_named(what: str) -> None:
    result, error = run_virtually(within(JudgingSpec(seconds=300), calls(599, deadline=600), what))
    assert result is None
    assert error is not None
    assert (error.kind, error.failure, error.reason) == ("infrastructure", "transient", "judge-deadline")
    assert f"the {what} took longer than 300 s" in error.message
    assert f"raise `seconds` of the {what}" in error.message
    assert "cost is not known" in error.message


def test_a_judge_that_asks_nobody_meets_the_default() -> None:
    _, error = run_virtually(within(JudgingSpec(), calls(10_000, deadline=1)))
    assert error is not None
    assert "600 s" in error.message


def test_a_timeout_of_the_judges_own_code_is_not_called_its_deadline() -> None:
    async def broken() -> str:
        raise TimeoutError("a socket")

    with pytest.raises(TimeoutError, match="a socket"):
        run_virtually(within(JudgingSpec(), broken()))


def test_defaults_are_told_apart_from_limits_that_are_set() -> None:
    assert (Limits().turn, Limits().episode) == (300, 3600)
    assert (Limits().turn_seconds, Limits().episode_seconds, JudgingSpec().seconds) == (None, None, None)
    assert Limits(turn_seconds=300).turn_seconds == 300
