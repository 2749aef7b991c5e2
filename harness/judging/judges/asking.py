"""Asking a judge's model for a structured answer: one question, repairs of its answer, every call written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agents.asking_again import Unread, ask_until_read
from agents.base import Reading
from agents.models.base import CallIdentity, ChatReply, ChatRequest, Message, Model
from environments.base import Unreadable
from environments.prompts import Prompt, load_prompt
from harness.base.deadlines import Deadline
from harness.base.errors import EpisodeError
from harness.base.jsontext import Found, distinct, objects_in, with_text_limit
from harness.base.seeds import call_seed
from harness.experiment.specs import JUDGING_SECONDS, JudgingSpec
from harness.play.calls import CallLedger, recorded_call
from harness.reading import version_0_1 as reading_0_1
from harness.reading.parsing import named_reader
from harness.results.records import EpisodeRecord, ErrorInfo

BUILT_IN = ("alfworld", "sotopia", "webshop")
"""Environments whose protocol label names the reader, unless it was that of version 0.1."""

T = TypeVar("T")
AnswerT = TypeVar("AnswerT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Question:
    prompt: Prompt
    """The template that `text` was made from."""
    text: str
    schema: Mapping[str, Any] | None
    """The form of a structured answer; None: plain text."""
    seat: int = 0
    """Whose question it is, where a judge asks one per seat."""
    role: str = "judge"


def form_of(answer: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of an answer, one's own copy. Pydantic takes some 10 ms to make it, so it is made once per form."""
    form: dict[str, Any] = json.loads(_form_text(answer))
    return form


@lru_cache(maxsize=256)
def _form_text(answer: type[BaseModel]) -> str:
    return json.dumps(answer.model_json_schema())


async def ask(
    model: Model,
    spec: JudgingSpec,
    episode: EpisodeRecord,
    question: Question,
    read: Callable[[str], T],
    ledger: CallLedger,
) -> T:
    """The answer, read by `read`, which raises `ValueError` saying what is wrong; then the model is told and asked
    again. Raises `EpisodeError` of kind `judge` when no answer can be read."""
    form = with_text_limit(question.schema, spec.answer_chars)

    async def send(messages: list[Message]) -> ChatReply:
        ordinal = ledger.ordinal(question.seat, question.role)
        request = ChatRequest(
            messages=tuple(messages),
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
            reasoning_effort=spec.reasoning_effort,
            top_p=spec.top_p,
            stop=spec.stop or (),
            seed=call_seed(episode.seed, question.seat, question.role, ordinal),
            schema=form,
            identity=CallIdentity(episode.episode_id, episode.repeat, question.seat, question.role, ordinal),
        )
        return await recorded_call(model, request, ledger, None, question.prompt)

    repair = "repair" if question.schema else "repair_text"
    asked = await ask_until_read(
        send,
        [Message("user", question.text)],
        lambda text: _read(read, text, episode, question),
        lambda problem: load_prompt("harness.judging", repair).fill(problem=problem),
        partial(ledger.mark, question.seat, question.role),
    )
    if isinstance(asked, Unread):
        said = f"the judge's answer could not be read, {asked.times}: {asked.problem}"
        raise EpisodeError("judge", said, failure="answer", reason="unreadable-answer")
    return asked.value


def _read(read: Callable[[str], T], text: str, episode: EpisodeRecord, question: Question) -> tuple[T, Reading]:
    """The value in an answer, and how it was read. Answers about an episode that was played under the readers of version
    0.1 are read as they were then. Raises `Unreadable`."""
    try:
        if question.schema and episode.environment in BUILT_IN and named_reader(episode.protocol) is None:
            reading_0_1.only_object(text)
        value = read(text)
    except ValueError as error:
        raise Unreadable(str(error)) from None
    return value, "ok" if question.schema is None or _one_object(text) else "mended"


def _one_object(text: str) -> bool:
    """True if an answer holds one whole JSON object, nothing of which had to be mended."""
    try:
        reading_0_1.only_object(text)
    except ValueError:
        return False
    return True


def read_answer(kind: type[AnswerT], text: str) -> AnswerT:
    """The one JSON object of this kind in an answer, whatever stands around it. Wrong JSON is mended where that is clear; a
    value that the form does not allow, and an object that is cut off, are not. Raises `ValueError` saying what is wrong."""
    objects = objects_in(text)
    whole = [each for each in objects.found if not (each.mended and objects.cut_off)]
    for candidates in ([each for each in whole if not each.mended], whole):
        valid = distinct(tuple(each for each in candidates if _problem(kind, each) is None))
        if len(valid) == 1:
            return kind.model_validate(valid[0].value)
    different = distinct(tuple(whole))
    if len(different) == 1 and (problem := _problem(kind, different[0])) is not None:
        raise ValueError(problem)
    if different:
        raise ValueError(f"{len(different)} different JSON objects in the answer, one expected")
    raise ValueError("no whole JSON object in the answer" if objects.cut_off else "no JSON object in the answer")


def _problem(kind: type[BaseModel], found: Found) -> str | None:
    """First thing that is wrong with an object, or None."""
    try:
        kind.model_validate(found.value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}" if place else str(first["msg"])
    return None


async def within(
    spec: JudgingSpec, work: Coroutine[Any, Any, T], what: str = "judge"
) -> tuple[T | None, ErrorInfo | None]:
    """The result, or why there is none: what the judge (`what`) or its endpoint did wrong, or that the deadline passed."""
    limit = Deadline(JUDGING_SECONDS if spec.seconds is None else spec.seconds, grows=spec.seconds is None)
    try:
        async with limit:
            return await work, None
    except EpisodeError as problem:
        return None, ErrorInfo.of(problem)
    except TimeoutError:
        if not limit.passed:
            raise
        return None, _too_late(what, limit.seconds)


def _too_late(what: str, seconds: float) -> ErrorInfo:
    message = (
        f"deadline passed: the {what} took longer than {seconds:g} s; what its broken-off call cost is not known; where the "
        f"model is that slow, raise `seconds` of the {what}"
    )
    return ErrorInfo(kind="infrastructure", message=message, failure="transient", reason="judge-deadline")
