"""A number that no reader could use is never written: it is the environment's, the judge's or the method's failure, and a
count or price that cannot be one is unknown."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.models.base import ChatReply, ChatRequest
from environments.base import Metric, Outcome, StepResult
from harness.base.errors import ErrorKind
from harness.experiment.specs import ProcessSpec
from harness.judging import judged, judgement_id
from harness.judging.rewards.process import rewarded
from harness.play.episode import play_episode
from harness.results.ranges import checked_outcome
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord, StrategyReward
from harness.runs.metering import Meter, MeteredModel
from tests.harness.builders import Watched, plan_with, speak

METRIC = Metric("score", 0.0, 1.0, 1.0)
STRATEGISTS = [{"kind": "epo", "model": "m"}]


def play(monkeypatch: pytest.MonkeyPatch | None = None, what: str = "", value: Any = None) -> EpisodeRecord:
    """An episode in a world whose method `what` returns `value`."""
    plan = plan_with(strategists=STRATEGISTS)
    episode = plan.episode(plan.units[0])
    if monkeypatch is not None:
        start = episode.environment.reset(episode.task, episode.seed)
        monkeypatch.setattr(type(start), what, lambda *_: value)
    return asyncio.run(play_episode(episode))


EPISODE = play()
BAD_OUTCOMES = [
    Outcome(11.0, True),
    Outcome(-6.0, False),
    Outcome(math.nan, False),
    Outcome(math.inf, True),
    Outcome("7", True),  # type: ignore[arg-type]
    Outcome(None, True),  # type: ignore[arg-type]
    Outcome(True, True),
    Outcome(7.0, "yes"),  # type: ignore[arg-type]
    Outcome(7.0, True, {"parts": math.nan}),
    Outcome(7.0, True, {"parts": {1, 2}}),
]


@pytest.mark.parametrize("outcome", BAD_OUTCOMES, ids=str)
def test_an_outcome_that_no_reader_could_use_is_the_environments_failure(
    outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = play(monkeypatch, "outcome", outcome)
    assert (record.status, record.outcome) == ("failed", None)
    assert record.error is not None
    assert record.error.kind == "environment"
    assert len(record.turns) == 4, "what was played and paid for stays in the record"
    assert EpisodeRecord.model_validate_json(record.model_dump_json()) == record


def test_an_outcome_in_range_is_kept_as_plain_numbers() -> None:
    told = Outcome(np.float64(0.5), np.bool_(False), {"parts": 0.25})  # type: ignore[arg-type]
    found = checked_outcome(told, METRIC)
    assert found == Outcome(0.5, False, {"parts": 0.25})
    assert (type(found.score), type(found.success)) == (float, bool)
    rounded = checked_outcome(Outcome(1.0 + 1e-13, True), METRIC)
    assert rounded is not None
    assert rounded.score == 1.0


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("step", StepResult(rendered=7)),  # type: ignore[arg-type]
        ("step", StepResult("said", reward=math.nan)),
        ("step", StepResult("said", reward="much")),  # type: ignore[arg-type]
        ("step", StepResult("said", info={"value": math.inf})),
        ("step", StepResult("said", info={"value": object()})),
        ("judge_background", 7),
        ("end_reason", None),
    ],
)
def test_a_wrong_type_out_of_a_world_is_its_failure(what: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "end_reason":
        value = property(lambda self: None)
        start = plan_with().episode(plan_with().units[0])
        monkeypatch.setattr(type(start.environment.reset(start.task, start.seed)), what, value)
        record = play()
    else:
        record = play(monkeypatch, what, value)
    assert record.error is not None
    assert (record.status, record.error.kind) == ("failed", "environment")
    assert EpisodeRecord.model_validate_json(record.model_dump_json()) == record


class Gives:
    """A judge that gives these scores."""

    def __init__(self, scores: Any, label: str = "sotopia/j/1") -> None:
        self.scores, self.label = scores, label

    async def judge(self, episode: EpisodeRecord) -> JudgementRecord:
        whole = JudgementRecord(
            judgement_id=judgement_id(episode.episode_id, self.label),
            episode_id=episode.episode_id,
            episode_attempt=1,
            judge=self.label,
            status="scored",
            scores=[],
            reasons=None,
            calls=episode.calls[:1],
            judged_at="",
            duration_s=0.0,
        )
        return whole.model_copy(update={"scores": self.scores})


GOOD = {"goal": 7.0, "overall": 1.0}


@pytest.mark.parametrize(
    "scores",
    [
        [GOOD, GOOD | {"goal": 11.0}],
        [GOOD, GOOD | {"goal": -1.0}],
        [GOOD, GOOD | {"goal": math.inf}],
        [GOOD, GOOD | {"goal": math.nan}],
        [GOOD, GOOD | {"overall": math.inf}],
        [GOOD, GOOD | {"another": math.inf}],
        [GOOD, GOOD | {"goal": "7"}],
        [GOOD, {"overall": 1.0}],
        [GOOD],
        None,
        7,
    ],
    ids=str,
)
def test_a_score_outside_its_scale_is_no_score(scores: Any) -> None:
    judgement = asyncio.run(judged(Gives(scores), EPISODE))
    assert (judgement.status, judgement.scores) == ("unscored", None)
    assert judgement.error is not None
    assert (judgement.error.kind, judgement.error.reason) == ("judge", "bad-score")
    assert judgement.calls == EPISODE.calls[:1], "what it cost is kept"


def test_a_plug_ins_judge_may_have_dimensions_that_nobody_here_knows() -> None:
    assert asyncio.run(judged(Gives([{"charm": 99.0}] * 2, "mine/j/1"), EPISODE)).status == "scored"
    assert asyncio.run(judged(Gives([{"charm": math.inf}] * 2, "mine/j/1"), EPISODE)).status == "unscored"
    assert asyncio.run(judged(Gives([GOOD, GOOD]), EPISODE)).status == "scored"


class Rewards:
    """A process method that gives these rewards."""

    label = "mine/1"

    def __init__(self, *rewards: Any) -> None:
        self.given = list(rewards)

    async def rewards(self, work: Any) -> list[StrategyReward]:
        return self.given


def reward(**changes: Any) -> StrategyReward:
    return StrategyReward(turn=0, seat=0, reward=0.5, credit=0.5).model_copy(update=changes)


def give(*rewards: Any) -> ProcessRewardRecord:
    spec = ProcessSpec(method="progress")
    return asyncio.run(rewarded(Rewards(*rewards), spec, EPISODE, None))


@pytest.mark.parametrize(
    "changes",
    [{"reward": math.inf}, {"credit": math.nan}, {"details": {"before": math.inf}}, {"turn": 99}, {"seat": 1}],
    ids=str,
)
def test_a_process_reward_that_is_no_number_or_of_no_strategy_is_none(changes: dict[str, Any]) -> None:
    assert give(reward()).status == "scored"
    record = give(reward(), reward(**changes))
    assert (record.status, record.rewards) == ("unscored", None)
    assert record.error is not None
    assert (record.error.kind, record.error.reason) == ("judge", "bad-score")


@pytest.mark.parametrize("tokens", [-1, 2**53, 0.5, math.nan, math.inf, True, "12", 10**30, [1]], ids=str)
def test_a_count_that_cannot_be_one_is_unknown_whichever_model_gave_it(tokens: Any) -> None:
    def odd(request: ChatRequest) -> ChatReply:
        reply = ChatReply(text=speak(request), model="m", finish_reason="stop", prompt_tokens=3, completion_tokens=2)
        return replace(reply, prompt_tokens=tokens, cached_tokens=tokens, reasoning_tokens=tokens, usd=math.inf)

    meter = Meter()
    model: Any = MeteredModel(Watched("m", odd), meter)
    plan = plan_with({"m": model})
    record = asyncio.run(play_episode(plan.episode(plan.units[0])))
    assert record.status == "finished"
    call = record.calls[0]
    assert (call.prompt_tokens, call.completion_tokens, call.cached_tokens, call.usd) == (None, 2, None, None)
    assert (meter.prompt_tokens, meter.uncounted, meter.unpriced, meter.usd) == (0, 4, 4, 0.0)


def test_an_internal_error_keeps_its_traceback() -> None:
    def broken(request: ChatRequest) -> str:
        values: list[str] = []
        return values[3] + "sk-abcdefghijklmnop"

    plan = plan_with({"m": Watched("m", broken)})
    record = asyncio.run(play_episode(plan.episode(plan.units[0])))
    assert record.error is not None
    assert record.error.kind == "bug"
    assert record.error.traceback is not None
    assert "in take_turn" in record.error.traceback
    assert record.error.traceback.endswith("IndexError: list index out of range")
    assert "sk-abcdefghijklmnop" not in record.error.traceback
    stored = json.loads(record.model_dump_json())["error"]
    assert set(stored) == {"kind", "message", "traceback"}


@pytest.mark.parametrize(("module", "kind"), [("harness.judging.judges.sotopia", "bug"), ("plugin", "judge")])
def test_a_judge_of_ours_that_crashes_is_a_bug_and_a_plug_ins_is_its_own(module: str, kind: ErrorKind) -> None:
    class Broken(Gives):
        async def judge(self, episode: EpisodeRecord) -> JudgementRecord:
            raise IndexError("list index out of range")

    Broken.__module__ = module
    judgement = asyncio.run(judged(Broken(None), EPISODE))
    assert judgement.error is not None
    assert (judgement.status, judgement.error.kind) == ("unscored", kind)
    assert (judgement.error.traceback is not None) == (kind == "bug")
