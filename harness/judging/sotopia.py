"""The outcome judge of SOTOPIA: seven dimensions for both seats in one structured call, overall = their plain mean.

Dimensions and ranges are those of SOTOPIA (Zhou et al. 2024, `SotopiaDimensions`); the wording is ours. What characters
wrote goes into the prompt as one JSON document between two marker lines whose mark is a hash of that document, so no
text can close the frame or its own string.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, create_model

from agents.models.base import CallIdentity, ChatRequest, Message, Model
from environments.prompts import load_prompt
from harness.calls import CallLedger, recorded_call
from harness.errors import EpisodeError
from harness.experiment import JudgeSpec
from harness.jsontext import only_object, with_text_limit
from harness.judging import JudgeKind, judgement_id
from harness.records import EpisodeRecord, ErrorInfo, JudgementRecord
from harness.seeds import call_seed, stable_hash

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


class SotopiaJudge:
    def __init__(self, spec: JudgeSpec, model: Model) -> None:
        self._spec, self._model = spec, model
        self._prompt = load_prompt("harness.judging", "sotopia")
        self._repair = load_prompt("harness.judging", "repair")
        self._schema = with_text_limit(ANSWER.model_json_schema(), spec.answer_chars)
        self.label = f"sotopia/{model.name}/{self._prompt.version}"

    async def judge(self, episode: EpisodeRecord) -> JudgementRecord:
        """One call for both seats, one repair. Unreadable twice, or an endpoint that does not answer: unscored."""
        ledger, started, clock = CallLedger(), datetime.now(UTC), time.monotonic()
        evaluation, error = None, None
        try:
            async with asyncio.timeout(self._spec.seconds):
                evaluation = await self._evaluate(episode, ledger)
        except EpisodeError as problem:
            error = ErrorInfo(kind=problem.kind, message=problem.message)
        except TimeoutError:
            error = ErrorInfo(kind="infrastructure", message=f"the judge's deadline of {self._spec.seconds:g} s passed")
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
            judged_at=started.isoformat(timespec="milliseconds"),
            duration_s=round(time.monotonic() - clock, 4),
        )

    async def _evaluate(self, episode: EpisodeRecord, ledger: CallLedger) -> dict[str, Any]:
        messages = [Message("user", self._fill(episode))]
        problem = ""
        for ordinal in range(2):
            request = ChatRequest(
                messages=tuple(messages),
                temperature=self._spec.temperature,
                max_tokens=self._spec.max_tokens,
                seed=call_seed(episode.seed, 0, "judge", ordinal),
                schema=self._schema,
                identity=CallIdentity(episode.episode_id, episode.repeat, 0, "judge", ordinal),
            )
            reply = await recorded_call(self._model, request, ledger, None, self._prompt)
            try:
                return read_evaluation(reply.text)
            except ValueError as error:
                problem = str(error)
                repair = self._repair.fill(problem=problem).strip("\n")
                messages += [Message("assistant", reply.text), Message("user", repair)]
        raise EpisodeError("judge", f"the judge's answer could not be read, twice: {problem}")

    def _fill(self, episode: EpisodeRecord) -> str:
        document = material(episode)
        names = [seat.name for seat in episode.seats]
        mark = stable_hash(document)[:12]
        return self._prompt.fill(mark=mark, material=document, agent_1=names[0], agent_2=names[1]).strip("\n")


def material(episode: EpisodeRecord) -> str:
    """The JSON document the judge reads: background and turns, every agent text whole inside its own string."""
    turns = [
        {"turn": turn.index + 1, "who": episode.seats[turn.seat].name, "did": turn.rendered} for turn in episode.turns
    ]
    background = (episode.judge_background or "").strip("\n")
    lines = ",\n".join("  " + json.dumps(turn, ensure_ascii=False) for turn in turns)
    return f'{{"background": {json.dumps(background, ensure_ascii=False)},\n"turns": [\n{lines}\n]}}'


def read_evaluation(text: str) -> dict[str, Any]:
    """The evaluation in an answer. Raises `ValueError` saying what is wrong."""
    try:
        return ANSWER.model_validate(only_object(text)).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}") from None


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
)
