"""Writing model calls down, each message once, and putting a call's chat together again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from agents.models.attempts import counting_broken_off
from agents.models.base import ChatReply, ChatRequest, Message, Model
from agents.models.replies.usage import checked
from environments.prompts import Prompt
from harness.base.errors import EpisodeError, Usage
from harness.results.records import CallRecord, MessageRecord, Obtained, Reading


class CallLedger:
    """Collects an episode's calls and stores each message once."""

    def __init__(self) -> None:
        self.calls: list[CallRecord] = []
        self._counts: Counter[tuple[int, str]] = Counter()
        self._chains: dict[tuple[int, str], list[Message]] = {}
        self._tokens: dict[tuple[int, str], list[int]] = {}

    def ordinal(self, seat: int, role: str) -> int:
        """The ordinal of the next call of a seat and role."""
        return self._counts[seat, role]

    def mark(self, seat: int, role: str, read: Reading) -> None:
        """Say how the last answer of a seat and role was read."""
        for call in reversed(self.calls):
            if (call.seat, call.role) == (seat, role):
                call.read = read
                return

    def add(
        self,
        request: ChatRequest,
        reply: ChatReply | None,
        *,
        turn: int | None,
        model: str,
        prompt: str,
        error: EpisodeError | str | None = None,
        broken_off: int = 0,
    ) -> None:
        """Append one call, failed (`reply` None) or not. `broken_off`: attempts at it that were."""
        failed = error if isinstance(error, EpisodeError) else None
        took = reply or (failed and failed.spent) or Usage()
        who = request.identity
        self._counts[who.seat, who.role] += 1
        chain = self._chains.get((who.seat, who.role), [])
        prefix = _common_prefix(chain, request.messages)
        answer = [] if reply is None else [Message("assistant", reply.text)]
        self._chains[(who.seat, who.role)] = [*request.messages, *answer]
        shared, prompt_ids = self._new_tokens(reply, (who.seat, who.role))
        self.calls.append(
            CallRecord(
                turn=turn,
                seat=who.seat,
                role=who.role,
                ordinal=who.ordinal,
                model=model,
                served_model=reply.model if reply else None,
                prompt=prompt,
                prefix=prefix,
                messages=[MessageRecord(role=m.role, content=m.content) for m in request.messages[prefix:]],
                temperature=request.temperature,
                max_tokens=request.max_tokens,
                seed=request.seed,
                structured=reply.structured if reply else None,
                text=reply.text if reply else None,
                reasoning=reply.reasoning if reply else None,
                error=error.message if isinstance(error, EpisodeError) else error,
                error_class=failed.failure if failed else None,
                error_reason=failed.reason if failed else None,
                finish_reason=reply.finish_reason if reply else None,
                prompt_tokens=took.prompt_tokens,
                completion_tokens=took.completion_tokens,
                cached_tokens=reply.cached_tokens if reply else None,
                reasoning_tokens=took.reasoning_tokens,
                room=reply.room if reply else 0,
                usd=took.usd,
                broken_off=broken_off,
                obtained=Obtained(
                    latency_s=round(reply.latency_s, 4),
                    attempts=reply.attempts,
                    cache_hit=reply.cache_hit,
                    rendered_on=reply.rendered_on,
                )
                if reply
                else None,
                dropped=list(reply.dropped) if reply else [],
                notes=list(reply.notes) if reply else [],
                token_ids=list(reply.token_ids) if reply and reply.token_ids is not None else None,
                logprobs=list(reply.logprobs) if reply and reply.logprobs is not None else None,
                logprobs_at=reply.logprobs_at if reply else None,
                template=dict(reply.template) if reply and reply.template is not None else None,
                prompt_prefix=shared,
                prompt_ids=prompt_ids,
            )
        )

    def _new_tokens(self, reply: ChatReply | None, chain: tuple[int, str]) -> tuple[int, list[int] | None]:
        """Count the prompt's tokens that the chain's call before had, and give the others; (0, None) without tokens."""
        if reply is None or reply.prompt_ids is None:
            return 0, None
        shared = _common_prefix(self._tokens.get(chain, []), reply.prompt_ids)
        self._tokens[chain] = [*reply.prompt_ids, *(reply.token_ids or ())]
        return shared, list(reply.prompt_ids[shared:])


def _common_prefix(chain: Sequence[Any], messages: Sequence[Any]) -> int:
    count = 0
    for before, now in zip(chain, messages, strict=False):
        if before != now:
            break
        count += 1
    return count


def full_messages(calls: Sequence[CallRecord], number: int) -> list[MessageRecord]:
    """All messages that call `number` sent, put together from the calls before it."""
    linked = [calls[number]]
    for call in reversed(calls[:number]):
        if linked[-1].prefix == 0:
            break
        if (call.seat, call.role) == (linked[-1].seat, linked[-1].role):
            linked.append(call)
    chain: list[MessageRecord] = []
    for call in reversed(linked):
        sent = [*chain[: call.prefix], *call.messages]
        chain = sent if call.text is None else [*sent, MessageRecord(role="assistant", content=call.text)]
    return sent


def prompt_tokens_of(calls: Sequence[CallRecord], number: int) -> list[int] | None:
    """The tokens of the prompt of call `number`, put together from the calls before it; None where the engine gave none."""
    wanted = calls[number]
    if wanted.prompt_ids is None:
        return None
    chain: list[int] = []
    for call in calls[: number + 1]:
        if (call.seat, call.role) == (wanted.seat, wanted.role) and call.prompt_ids is not None:
            prompt = [*chain[: call.prompt_prefix], *call.prompt_ids]
            chain = [*prompt, *(call.token_ids or ())]
    return prompt


LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _storable(reply: ChatReply) -> ChatReply:
    texts = {name: text for name in ("text", "reasoning") if (text := getattr(reply, name))}
    cleaned: dict[str, Any] = {
        name: LONE_SURROGATE.sub("\ufffd", text) for name, text in texts.items() if LONE_SURROGATE.search(text)
    }
    return replace(reply, **cleaned) if cleaned else reply


async def recorded_call(
    model: Model, request: ChatRequest, ledger: CallLedger, turn: int | None, prompt: Prompt
) -> ChatReply:
    """Ask a model and write the call down, answered or not. Half a character in the reply (a lone surrogate, which JSON
    lets an endpoint send and nobody can store) becomes U+FFFD here, so that the record says what the agent heard."""
    reply: ChatReply | None = None
    error: EpisodeError | str = "cancelled, or a deadline passed"
    with counting_broken_off() as broken_off:
        try:
            reply = _storable(checked(await model.complete(request)))
        except EpisodeError as problem:
            error = problem
            raise
        finally:
            ledger.add(
                request,
                reply,
                turn=turn,
                model=model.name,
                prompt=prompt.label,
                error=None if reply is not None else error,
                broken_off=broken_off.attempts,
            )
    return reply
