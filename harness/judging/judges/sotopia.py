"""The outcome judge of SOTOPIA: seven dimensions for both seats in one structured call, overall = their plain mean.

Dimensions and ranges are those of SOTOPIA (Zhou et al. 2024, `SotopiaDimensions`); the wording is ours. What others
wrote (names included) goes into the prompt as `harness.judging.judges.frame` says: no text can leave its place.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, create_model

from agents.models.base import Model
from environments.prompts import load_prompt
from harness.experiment.specs import JudgeSpec
from harness.judging import judgement_id
from harness.judging.judges.asking import Question, ask, read_answer, within
from harness.judging.judges.frame import FRAME_FIELDS, background_of, document, frame, parts_of, turns_of
from harness.judging.judges.injections import flags
from harness.play.calls import CallLedger
from harness.results.judge_kinds import JudgeKind
from harness.results.records import EpisodeRecord, JudgementRecord

DIMENSIONS: tuple[tuple[str, int, int], ...] = (
    ("believability", 0, 10),
    ("relationship", -5, 5),
    ("knowledge", 0, 10),
    ("secret", -10, 0),
    ("social_rules", -10, 0),
    ("financial_and_material_benefits", -5, 5),
    ("goal", 0, 10),
)
SEATS = ("agent_1", "agent_2")
OVERALL = (-30 / 7, 40 / 7)
"""Range of the plain mean of the seven."""


def _answer_model() -> type[BaseModel]:
    strict = ConfigDict(extra="forbid")
    fields: dict[str, Any] = {}
    for name, low, high in DIMENSIONS:
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
SCHEMA = ANSWER.model_json_schema()


class SotopiaJudge:
    def __init__(self, spec: JudgeSpec, model: Model) -> None:
        self._spec, self._model = spec, model
        self._prompt = (
            spec.prompt.named("judge", "sotopia") if spec.prompt else load_prompt("harness.judging", "sotopia")
        )
        self.label = f"sotopia/{model.name}/{self._prompt.version}"

    async def judge(self, episode: EpisodeRecord) -> JudgementRecord:
        """One call for both seats, one repair. Unreadable twice, or an endpoint that does not answer: unscored."""
        ledger, started, clock = CallLedger(), datetime.now(UTC), time.monotonic()
        question = Question(self._prompt, self._fill(episode), SCHEMA)
        asked = ask(self._model, self._spec, episode, question, read_evaluation, ledger)
        evaluation, error = await within(self._spec, asked)
        return JudgementRecord(
            judgement_id=judgement_id(episode.episode_id, self.label),
            episode_id=episode.episode_id,
            episode_attempt=episode.attempt,
            judge=self.label,
            status="unscored" if evaluation is None else "scored",
            error=error,
            scores=None if evaluation is None else [_scores(evaluation[seat]) for seat in SEATS],
            reasons=None if evaluation is None else [_reasons(evaluation[seat]) for seat in SEATS],
            calls=ledger.calls,
            flags=flags(parts_of(episode)),
            judged_at=started.isoformat(timespec="milliseconds"),
            duration_s=round(time.monotonic() - clock, 4),
        )

    def _fill(self, episode: EpisodeRecord) -> str:
        return self._prompt.fill(**frame(material(episode))).strip("\n")


def material(episode: EpisodeRecord) -> str:
    """The JSON document the judge reads: names, background and turns, every text whole inside its own string."""
    names = {agent: seat.name for agent, seat in zip(SEATS, episode.seats, strict=True)}
    return document({"agents": names, "background": background_of(episode, 0)}, turns_of(episode))


def read_evaluation(text: str) -> dict[str, Any]:
    """The evaluation in an answer. Raises `ValueError` saying what is wrong."""
    return read_answer(ANSWER, text).model_dump()


def _scores(seat: Mapping[str, Any]) -> dict[str, float]:
    scores = {name: float(seat[name]["score"]) for name, _, _ in DIMENSIONS}
    return {**scores, "overall": sum(scores.values()) / len(DIMENSIONS)}


def _reasons(seat: Mapping[str, Any]) -> dict[str, str]:
    return {name: seat[name]["reasoning"] for name, _, _ in DIMENSIONS}


KIND = JudgeKind(
    make=SotopiaJudge,
    description="7 dimensions for both seats in one call; overall = plain mean of the 7",
    dimensions=(*((name, float(low), float(high)) for name, low, high in DIMENSIONS), ("overall", *OVERALL)),
    metric="goal",
    prompt_fields=FRAME_FIELDS,
)
