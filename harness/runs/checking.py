"""Asking the models before anything is played: one real short completion per model and way of asking, so that a wrong key,
name or address stops a command before it has written anything, and the room that a model needs for its reasoning is known
before the first arm plays.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.models.attempts import counting_broken_off
from agents.models.base import CallIdentity, ChatReply, ChatRequest, Message, Model
from harness.base.errors import BadInput, EpisodeError, Usage, nearest
from harness.base.seeds import call_seed
from harness.results.reasons import why
from harness.runs.metering import Meter
from harness.runs.plan import Plan, Way

EPISODE = "check"
"""Stands in the check's calls in place of an episode's id."""
QUESTION = "This is a connection test before an experiment. Answer with the one word ok, and nothing else."
QUESTION_JSON = (
    'This is a connection test before an experiment. Answer with this JSON object, and nothing else: {"answer": "ok"}'
)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "enum": ["ok"]}},
    "required": ["answer"],
    "additionalProperties": False,
}
SCRIPTED = "scripted"
"""The provider whose models are functions of this process: there is nothing to ask."""
SLOW_S = 10.0
"""After so long a person is told which models are being waited for."""
RESULTS = ("answer", "request")
"""Classes of failure that are a model's results: they say that endpoint, key and model are right."""
FATAL_RESULTS = ("output-limit", "context-too-long", "request-too-large")
"""Those of them that so short a question should never meet: every other request would meet them, too."""

Ways = Mapping[str, Sequence[Way]]
"""Model -> the ways in which it is asked, each once."""


@dataclass(slots=True)
class Checked:
    """Result of checking one model."""

    name: str
    asked: str
    """The model asked, as `provider:model`."""
    where: str
    """Its address; empty for a model in this process."""
    calls: list[tuple[ChatRequest, ChatReply]] = field(default_factory=list)
    problem: EpisodeError | None = None
    advice: str = ""
    """Advice on the problem."""
    room: int = 0
    """Tokens beyond `max_tokens` that it is given for reasoning."""
    scripted: bool = False
    """It is a function of this process, which was not asked."""

    @property
    def failed(self) -> bool:
        """True if nothing should be played with this model."""
        problem = self.problem
        if problem is None or problem.failure == "quota":
            return False
        return problem.failure not in RESULTS or problem.reason in FATAL_RESULTS

    @property
    def state(self) -> str:
        """`ok`, or the reason in the vendor's own words."""
        if self.problem is not None:
            return own_words(self)
        return "ok: a function in this process" if self.scripted else "ok"


class CheckFailed(BadInput):
    """Models that cannot be used as they are; the message is the table of all that were asked."""

    def __init__(self, checked: Sequence[Checked]) -> None:
        names = [repr(each.name) for each in checked if each.failed]
        models = f"model {names[0]}" if len(names) == 1 else f"models {', '.join(names)}"
        head = f"{models} cannot be used; the check asked every model, and nothing was written:"
        super().__init__("\n".join([head, *table(checked)]))
        self.checked = checked


def ways_of(plan: Plan, kinds: Iterable[tuple[str, bool]] | None = None) -> dict[str, list[Way]]:
    """Model -> the ways in which it is asked, of these kinds of work: a cell's id, and whether only scores are left to be
    given. None: of the whole plan."""
    found: dict[str, dict[Way, None]] = {name: {} for name in plan.model_names()}
    for cell, scores_only in dict.fromkeys(kinds if kinds is not None else ((cell, False) for cell in plan.cells)):
        for model, way in plan.models_needed(plan.cells[cell], scores_only):
            found.setdefault(model, {})[way] = None
    return {name: list(ways) for name, ways in found.items() if ways}


async def check_or_refuse(models: Mapping[str, Model], ways: Ways) -> list[Checked]:
    """The same, for a command that has no run. Raises `CheckFailed`."""
    checked = await check_models(models, ways)
    if any(each.failed for each in checked):
        raise CheckFailed(checked)
    return checked


async def check_models(models: Mapping[str, Model], ways: Ways, meter: Meter | None = None) -> list[Checked]:
    """Ask every model in each of its ways, all models at once. `meter` counts what that takes. Does not raise for what a
    model or its endpoint does."""
    meter = meter or Meter()
    asked = {name: asyncio.create_task(_check(models[name], each, meter)) for name, each in ways.items()}
    telling = asyncio.create_task(_tell_who_is_slow(asked))
    try:
        return list(await asyncio.gather(*asked.values()))
    finally:
        telling.cancel()


async def _tell_who_is_slow(asked: Mapping[str, asyncio.Task[Checked]]) -> None:
    """A model can take minutes to load or to answer: say, now and then, who is being waited for."""
    while True:
        await asyncio.sleep(SLOW_S)
        names = ", ".join(name for name, task in asked.items() if not task.done())
        print(f"The check before playing waits for an answer of: {names}", file=sys.stderr, flush=True)


async def _check(model: Model, ways: Sequence[Way], meter: Meter) -> Checked:
    checked = Checked(model.name, f"{model.provider}:{model.model}", model.base_url or "")
    if model.provider == SCRIPTED:
        checked.scripted = True
        return checked
    for ordinal, way in enumerate(ways):
        asked = request(way, ordinal)
        try:
            checked.calls.append((asked, await _answer(model, asked, meter)))
        except EpisodeError as problem:
            checked.problem = problem
        if checked.failed:
            checked.advice = await _advice(model, checked)
            break
    checked.room = getattr(model, "room", 0)
    return checked


async def _answer(model: Model, asked: ChatRequest, meter: Meter) -> ChatReply:
    ask: Callable[[ChatRequest], Awaitable[ChatReply]] = getattr(model, "try_out", model.complete)
    spent: Usage | None = None
    with counting_broken_off() as broken_off:
        try:
            reply = await ask(asked)
            meter.count(reply)
            return reply
        except EpisodeError as problem:
            spent = problem.spent
            raise
        finally:
            meter.count_unanswered(spent, broken_off.attempts)


def request(way: Way, ordinal: int) -> ChatRequest:
    """The check's request in a way of asking."""
    return ChatRequest(
        messages=(Message("user", QUESTION_JSON if way.schema else QUESTION),),
        temperature=way.temperature,
        max_tokens=way.max_tokens,
        reasoning_effort=way.reasoning_effort,
        top_p=way.top_p,
        stop=way.stop or (),
        seed=call_seed(0, 0, EPISODE, ordinal),
        schema=SCHEMA if way.schema else None,
        identity=CallIdentity(EPISODE, role=way.role, ordinal=ordinal),
    )


async def _advice(model: Model, checked: Checked) -> str:
    """Advice on the problem: the one that belongs to its short name, and the hint of the endpoint itself."""
    assert checked.problem is not None
    reason = checked.problem.reason or checked.problem.kind
    said = [why(reason).advice]
    if reason in ("unknown-model", "no-access", "wrong-address", "wrong-api"):
        said.append(await _nearest_model(model))
    if reason in ("wrong-address", "gateway-page", "unknown-model", "broken-answer", "unknown-refusal"):
        answers: Callable[[], Any] | None = getattr(model, "answers_at_v1", None)
        if answers is not None and await answers():
            said.insert(0, f"{checked.where.rstrip('/')}/v1 answers: set `base_url` to it.")
    return " ".join(filter(None, said))


async def _nearest_model(model: Model) -> str:
    """The model's names at the endpoint that are nearest, where it lists them."""
    probe: Callable[[], Any] | None = getattr(model, "probe_models", None)
    names = await probe() if probe is not None else None
    if not names or model.model in names:
        return ""
    close = nearest(model.model, names).strip()
    listed = ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "")
    return f"The endpoint lists: {listed}. {close}".strip()


def own_words(checked: Checked) -> str:
    """The problem without the model's name and address, which stand beside it in the table."""
    assert checked.problem is not None
    message = checked.problem.message
    start = f"{checked.name} ("
    head, colon, rest = message.partition("): ")
    said = rest if colon and head.startswith(start) else message
    return said if len(said) <= 300 else said[:300] + "…"


def said(checked: Sequence[Checked]) -> list[str]:
    """Lines for a person about a check that found nothing wrong: one line, or the table where there is more to say."""
    if any(each.room or each.problem for each in checked):
        return ["Models:", *table(checked)]
    return [f"Models: {', '.join(f'{each.name} ({each.asked}) {each.state}' for each in checked)}."] if checked else []


def table(checked: Sequence[Checked]) -> list[str]:
    """A line per model (name, what is asked, address, state, room), and under it what to do. It holds words of endpoints:
    print it as plain text."""
    rows = [(each.name, each.asked, each.where or "this machine") for each in checked]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = []
    for row, each in zip(rows, checked, strict=True):
        cells = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        room = f"; room for reasoning: {each.room:,} tokens beyond max_tokens" if each.room else ""
        lines.append(f"  {cells}  {each.state}{room}")
        if each.advice:
            lines.append(f"      what to do: {each.advice}")
    return lines
