"""Asking a judge's model for a structured answer: one question, one repair, every call written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.models.base import CallIdentity, ChatRequest, Message, Model
from environments.prompts import Prompt, load_prompt
from harness.calls import CallLedger, recorded_call
from harness.errors import EpisodeError
from harness.jsontext import only_object, with_text_limit
from harness.records import EpisodeRecord, ErrorInfo
from harness.seeds import call_seed
from harness.specs import JudgingSpec

T = TypeVar("T")
AnswerT = TypeVar("AnswerT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Question:
    prompt: Prompt
    """The template that `text` was made from."""
    text: str
    schema: Mapping[str, Any]
    seat: int = 0
    """Whose question it is, where a judge asks one per seat."""
    role: str = "judge"


async def ask(
    model: Model,
    spec: JudgingSpec,
    episode: EpisodeRecord,
    question: Question,
    read: Callable[[str], T],
    ledger: CallLedger,
) -> T:
    """The answer, read by `read`, which raises `ValueError` saying what is wrong; then the model is told and asked once
    more. Raises `EpisodeError` of kind `judge` when the second answer can not be read either."""
    messages = [Message("user", question.text)]
    problem = ""
    for _ in range(2):
        ordinal = ledger.ordinal(question.seat, question.role)
        request = ChatRequest(
            messages=tuple(messages),
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
            reasoning_effort=spec.reasoning_effort,
            seed=call_seed(episode.seed, question.seat, question.role, ordinal),
            schema=with_text_limit(question.schema, spec.answer_chars),
            identity=CallIdentity(episode.episode_id, episode.repeat, question.seat, question.role, ordinal),
        )
        reply = await recorded_call(model, request, ledger, None, question.prompt)
        try:
            return read(reply.text)
        except ValueError as error:
            problem = str(error)
            repair = load_prompt("harness.judging", "repair").fill(problem=problem).strip("\n")
            messages += [Message("assistant", reply.text), Message("user", repair)]
    raise EpisodeError("judge", f"the judge's answer could not be read, twice: {problem}")


def read_answer(kind: type[AnswerT], text: str) -> AnswerT:
    """The one JSON object in an answer, checked. Raises `ValueError` saying what is wrong."""
    try:
        return kind.model_validate(only_object(text))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


async def within(seconds: float | None, work: Coroutine[Any, Any, T]) -> tuple[T | None, ErrorInfo | None]:
    """The result, or why there is none: what the judge or its endpoint did wrong, or that the deadline passed
    (None: there is none)."""
    try:
        async with asyncio.timeout(seconds):
            return await work, None
    except EpisodeError as problem:
        return None, ErrorInfo.of(problem)
    except TimeoutError:
        return None, ErrorInfo(kind="infrastructure", message=f"the judge's deadline of {seconds:g} s passed")
