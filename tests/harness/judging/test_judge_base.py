"""The base of judges: a prompt and a `parse` are a judge; record, repair, frame and failure are the base's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

import harness
from harness.experiment.specs import JudgeSpec
from harness.judging import judged
from harness.judging.judges.asking import form_of
from harness.play.episode import play_episode
from harness.results.judge_kinds import REGISTRY, JudgeKind, judge_kind
from tests.harness.builders import Watched, plan_with, speak


class Rubric(harness.Judge):
    """how polite everybody was"""

    prompt = "Rate how polite they are, from 0 to 10. Answer with the number only."

    def parse(self, answer: str) -> Any:
        return float(answer)


class PerSeat(Rubric):
    def parse(self, answer: str) -> Any:
        return [harness.Score(3, "curt"), {"goal": 4.0, "charm": 1.0}]


PLAN = plan_with({"m": Watched("m", speak)})
EPISODE = asyncio.run(play_episode(PLAN.episode(PLAN.units[0])))


def judgement(kind: type[harness.Judge], *answers: str) -> tuple[harness.JudgementRecord, Watched]:
    given = list(answers)
    model = Watched("j", lambda request: given.pop(0))
    return asyncio.run(judged(kind(JudgeSpec(kind="rubric", model="j"), model), EPISODE)), model


def test_the_form_of_an_answer_is_made_once_and_what_is_done_to_it_stays_with_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Answer(BaseModel):
        mark: int

    whole = Answer.model_json_schema()
    form_of(Answer)["properties"].clear()
    monkeypatch.setattr(Answer, "model_json_schema", lambda: pytest.fail("made again"))
    assert form_of(Answer) == whole


def test_a_number_is_the_goal_of_every_seat() -> None:
    record, model = judgement(Rubric, "7")
    assert (record.status, record.scores) == ("scored", [{"goal": 7.0}, {"goal": 7.0}])
    assert record.judge.startswith("rubric/j/")
    asked = model.last_texts()[0]
    assert asked.startswith("Rate how polite") and EPISODE.turns[0].action in asked and "<<<MATERIAL " in asked
    assert [call.read for call in record.calls] == ["ok"]


def test_an_answer_that_cannot_be_read_is_asked_for_once_more_and_is_then_no_score() -> None:
    record, model = judgement(Rubric, "seven", "7")
    assert (record.status, len(record.calls), [call.read for call in record.calls]) == (
        "scored",
        2,
        ["unreadable", "ok"],
    )
    assert "could not convert" in model.last_texts()[1] and "JSON" not in model.last_texts()[1]
    record, _ = judgement(Rubric, "seven", "eight")
    assert (record.status, record.scores) == ("unscored", None)
    assert record.error is not None and record.error.kind == "judge"


def test_seats_can_have_scores_and_reasons_of_their_own() -> None:
    record, _ = judgement(PerSeat, "x")
    assert record.scores == [{"goal": 3.0}, {"goal": 4.0, "charm": 1.0}]
    assert record.reasons == [{"goal": "curt"}, {}]


def test_the_registry_takes_a_class_and_the_kinds_of_version_0_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY.builtin, "rubric", f"{__name__}:Rubric")
    monkeypatch.setitem(REGISTRY.builtin, "earlier", f"{__name__}:EARLIER")
    kind = judge_kind("rubric")
    assert (kind.make, kind.description, kind.metric) == (Rubric, "how polite everybody was", "goal")
    assert judge_kind("earlier") is EARLIER


EARLIER = JudgeKind(make=Rubric, description="as before", dimensions=(("goal", 0.0, 10.0),), metric="goal")


def test_a_prompt_with_an_unknown_field_is_refused() -> None:
    class Wrong(Rubric):
        prompt = "Rate $someone."

    with pytest.raises(harness.BadInput, match=r"judge 'rubric': its prompt: unknown field `\$someone`"):
        judgement(Wrong, "7")
