"""The outcome judge of SOTOPIA: seven dimensions for both seats in one structured call, overall = their plain mean.

Dimensions and ranges are those of SOTOPIA (Zhou et al. 2024, `SotopiaDimensions`); the wording is ours. What others
wrote (names included) goes into the prompt as `harness.judging.judges.frame` says: no text can leave its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, create_model

from environments.prompts import load_prompt
from harness.judging.judges.asking import read_answer
from harness.judging.judges.base import Judge, Score
from harness.judging.judges.frame import background_of, document, turns_of
from harness.results.records import EpisodeRecord
from harness.results.scales import SCALES, SOTOPIA

SEATS = ("agent_1", "agent_2")


def _answer_model() -> type[BaseModel]:
    strict = ConfigDict(extra="forbid")
    fields: dict[str, Any] = {}
    for name, low, high in SOTOPIA:
        score = create_model(
            f"{name.title()}Score",
            __config__=strict,
            reasoning=(str, ...),
            score=(StrictInt, Field(ge=low, le=high)),
        )
        fields[name] = (score, ...)
    seat = create_model("SeatEvaluation", __config__=strict, **fields)
    return create_model("Evaluation", __config__=strict, agent_1=(seat, ...), agent_2=(seat, ...))


ANSWER = _answer_model()


class SotopiaJudge(Judge):
    description = "7 dimensions for both seats in one call; overall = plain mean of the 7"
    prompt = load_prompt("harness.judging", "sotopia")
    dimensions = SCALES["sotopia"]
    answer = ANSWER

    def material(self, episode: EpisodeRecord) -> str:
        return material(episode)

    def parse(self, answer: str) -> list[Score]:
        evaluation = read_evaluation(answer)
        return [Score(_scores(evaluation[seat]), _reasons(evaluation[seat])) for seat in SEATS]


def material(episode: EpisodeRecord) -> str:
    """The JSON document the judge reads: names, background and turns, every text whole inside its own string."""
    names = {agent: seat.name for agent, seat in zip(SEATS, episode.seats, strict=True)}
    return document({"agents": names, "background": background_of(episode, 0)}, turns_of(episode))


def read_evaluation(text: str) -> dict[str, Any]:
    """The evaluation in an answer. Raises `ValueError` saying what is wrong."""
    return read_answer(ANSWER, text).model_dump()


def _scores(seat: Mapping[str, Any]) -> dict[str, float]:
    scores = {name: float(seat[name]["score"]) for name, _, _ in SOTOPIA}
    return {**scores, "overall": sum(scores.values()) / len(SOTOPIA)}


def _reasons(seat: Mapping[str, Any]) -> dict[str, str]:
    return {name: seat[name]["reasoning"] for name, _, _ in SOTOPIA}
