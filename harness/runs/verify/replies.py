"""Playing and judging again with the recorded answers: the prompts have to be the recorded ones, and the answers have to be
read as they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from agents.models.base import ChatReply, ChatRequest
from harness.base.counts import counted
from harness.base.errors import EpisodeError
from harness.judging import judged
from harness.play.calls import full_messages
from harness.play.episode import EpisodePlan, play_episode
from harness.results.judge_kinds import AnyJudge
from harness.results.records import CallRecord, EpisodeRecord, ErrorInfo, JudgementRecord

READ = ("strategy", "strategy_source", "action_kind", "action", "parse", "raw", "answer")
"""Fields of a turn that say how answers were read."""
SETTINGS = ("temperature", "max_tokens", "seed")


class RecordedCalls:
    """The calls of one record, to be answered again in the order in which each seat and role made them."""

    def __init__(self, calls: Sequence[CallRecord], error: ErrorInfo | None) -> None:
        """`error`: that of the record, which says of what kind a failed call was."""
        self._calls = {(call.seat, call.role, call.ordinal): number for number, call in enumerate(calls)}
        self._all, self._error = calls, error
        self.differences: list[str] = []
        """Prompts and settings that were made otherwise now."""

    def answer(self, model: str, request: ChatRequest) -> ChatReply:
        """The recorded reply to a call. Raises `EpisodeError` for a call that failed, or that is not in the record."""
        who = request.identity
        what = f"call {who.ordinal} of the {who.role} of seat {who.seat}"
        number = self._calls.get((who.seat, who.role, who.ordinal))
        if number is None:
            self.differences.append(f"{what} is made now, and is not in the record")
            raise EpisodeError("infrastructure", f"{what} is not in the record", reason="replay-missing")
        call = self._all[number]
        self.differences += _call_differences(what, model, request, call, full_messages(self._all, number))
        if call.text is None:
            kind = self._error.kind if self._error else "infrastructure"
            raise EpisodeError(kind, call.error or "", failure=call.error_class, reason=call.error_reason)
        return _reply(call)


class RecordedModel:
    """In place of a model of the run: answers with what was recorded, and asks nobody."""

    provider, model = "recorded", ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.revision: str | None = None
        self.base_url: str | None = None
        self.calls = RecordedCalls([], None)

    async def complete(self, request: ChatRequest) -> ChatReply:
        return self.calls.answer(self.name, request)

    async def close(self) -> None:
        pass


async def episode_difference(
    plan: EpisodePlan, record: EpisodeRecord, models: Mapping[str, RecordedModel], earlier: bool = False
) -> str | None:
    """The first thing in which the episode, played again with its recorded answers, differs from its record. `models`:
    those of the plan. `earlier`: version 0.1 played it, which did not keep answers that could not be read."""
    calls = _given(record.calls, record.error, models)
    again = await play_episode(plan, record.attempt)
    if calls.differences:
        return calls.differences[0]
    for before, now in zip(record.turns, again.turns, strict=False):
        for name in READ[:-2] if earlier else READ:
            if (old := getattr(before, name)) != (new := getattr(now, name)):
                return f"turn {before.index}: {name} is read as {new!r:.200}, recorded {old!r:.200}"
    if len(again.turns) != len(record.turns) or len(again.calls) != len(record.calls):
        turns, made = len(again.turns), len(again.calls)
        now_made = f"{counted(turns, 'turn')} and {counted(made, 'call')}"
        return f"{now_made} are made, recorded {len(record.turns)} and {len(record.calls)}"
    if (again.status, _kind(again)) != (record.status, _kind(record)):
        return f"it ends as {again.status} ({_said(again)}), recorded {record.status} ({_said(record)})"
    return None


async def judgement_difference(
    judge: AnyJudge, episode: EpisodeRecord, record: JudgementRecord, models: Mapping[str, RecordedModel]
) -> str | None:
    """The first thing in which a judgement, made again from its recorded answers, differs from its record."""
    calls = _given(record.calls, record.error, models)
    again = await judged(judge, episode)
    if calls.differences:
        return calls.differences[0]
    if again.scores != record.scores:
        return f"the scores are read as {again.scores!r:.300}, recorded {record.scores!r:.300}"
    return None


def _given(calls: Sequence[CallRecord], error: ErrorInfo | None, models: Mapping[str, RecordedModel]) -> RecordedCalls:
    recorded = RecordedCalls(calls, error)
    for model in models.values():
        model.calls = recorded
    return recorded


def _call_differences(
    what: str, model: str, request: ChatRequest, call: CallRecord, messages: Sequence[Any]
) -> list[str]:
    found = []
    if call.model != model:
        found.append(f"{what} goes to the model {model!r}, recorded {call.model!r}")
    made = [(message.role, message.content) for message in request.messages]
    sent = [(message.role, message.content) for message in messages]
    if made != sent:
        found.append(f"{what}: the prompt differs: {_first_difference(made, sent)} (recorded with {call.prompt})")
    for name in SETTINGS:
        if (new := getattr(request, name)) != (old := getattr(call, name)):
            found.append(f"{what}: {name} is {new}, recorded {old}")
    return found


def _first_difference(made: Sequence[tuple[str, str]], sent: Sequence[tuple[str, str]]) -> str:
    if len(made) != len(sent):
        return f"{counted(len(made), 'message')}, recorded {len(sent)}"
    number = next(place for place, pair in enumerate(zip(made, sent, strict=True)) if pair[0] != pair[1])
    (_, new), (_, old) = made[number], sent[number]
    place = next(
        (at for at, pair in enumerate(zip(new, old, strict=False)) if pair[0] != pair[1]), min(len(new), len(old))
    )
    start = max(0, place - 20)
    return f"message {number} at character {place}: {new[start : place + 40]!r}, recorded {old[start : place + 40]!r}"


def _reply(call: CallRecord) -> ChatReply:
    return ChatReply(
        text=call.text or "",
        model=call.served_model or "",
        finish_reason=call.finish_reason or "unknown",
        prompt_tokens=call.prompt_tokens,
        completion_tokens=call.completion_tokens,
        reasoning=call.reasoning,
        reasoning_tokens=call.reasoning_tokens,
        structured=cast(Any, call.structured),
        usd=call.usd,
        notes=tuple(call.notes),
        room=call.room,
        dropped=tuple(call.dropped),
    )


def _kind(record: EpisodeRecord) -> str | None:
    return record.error.kind if record.error else None


def _said(record: EpisodeRecord) -> str:
    return record.error.message[:200] if record.error else record.end_reason
