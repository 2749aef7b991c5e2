"""Everything between a ChatRequest and a client library, shared by all providers spoken to over HTTP:
slots, deadlines, retries, what an endpoint refuses, prices. A provider adds a `Client` (`client`) and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from agents.models.asking import Call, CallContext, NoAnswer
from agents.models.attempts import attempt
from agents.models.base import ChatReply, ChatRequest
from agents.models.client import Answer, Client, Hosting
from agents.models.config import EndpointConfig, HttpConfig, ReasoningTags, RemoteConfig
from agents.models.effort import check_effort
from agents.models.errors.failures import CallFailed
from agents.models.errors.refusals import Refusals, RequestMode, sent, tell_all
from agents.models.errors.waits import moments
from agents.models.limits import Limit, Outcome
from agents.models.messages import taking_turns, without_empty, without_system
from agents.models.prices import price_of
from agents.models.quota import Closed
from agents.models.replies.reply import MISPLACED, Parted, parted
from agents.models.replies.structured import json_in, with_schema_in_prompt
from agents.models.room import GROWTH, LEAST_REASONING, Room, shared_room
from agents.models.secrets import hide, scrub
from harness.base.deadlines import allow, waiting
from harness.base.errors import EpisodeError

log = logging.getLogger(__name__)

TRY_OUT_WAIT_S = 60.0
"""Longest that the check before playing waits for a quota."""
CHARS_PER_TOKEN = 4
"""To guess what a prompt takes before the endpoint has counted it."""
_SAID = ("text", "reasoning", "refusal", "model")
"""The words of an `Answer` that are the endpoint's own."""


class EndpointModel:
    """A `Model` (see `base`) on top of a client."""

    def __init__(
        self,
        name: str,
        config: EndpointConfig,
        client: Client,
        limit: Limit,
        *,
        base_url: str | None,
        refusals: Refusals,
        shown: str | None = None,
    ) -> None:
        """`shown`: the address as records may have it, where that is not `base_url`."""
        self.name = name
        self.provider = config.provider
        self.model = config.model
        self.revision = config.revision
        self.base_url = shown or base_url
        self._address = base_url
        self.limit = limit
        self.reasoning = config.reasoning
        """Marks of reasoning in its texts; False: they are taken as they are."""
        self.options: Mapping[str, Any] = {
            "structured": config.structured,
            "max_tokens": config.max_tokens,
            "extra_body": config.extra_body if isinstance(config, HttpConfig) else {},
            **_set_options(config),
        }
        """Other options of the config that change a reply; part of the cache key."""
        check_effort(name, config, base_url, config.reasoning_effort)
        self._config = config
        self._client = client
        self._refusals = refusals
        self._price = price_of(config.provider, config.model, config.price, base_url)
        self._room = _room_of(config, self.base_url or "", name)
        self._context = CallContext(config, refusals, self._room)
        self._said_misplaced = False
        self._template_opens = False
        self._quota_said = ""
        """Words of the endpoint when its quota was last used up."""

    @property
    def room(self) -> int:
        """Tokens that requests ask for beyond their `max_tokens`, for reasoning."""
        return self._room.tokens

    @property
    def room_known(self) -> bool:
        """True if the model was asked how much it takes, or a record says it."""
        return self._room.known

    @property
    def room_settled(self) -> bool:
        """True if the room is known: a call that uses it up before it answers is not asked again."""
        return self._room.settled

    def set_room(self, tokens: int, settled: bool = True) -> None:
        """Take over a room that was recorded; one that the config gives stays."""
        self._room.set(tokens, settled)

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `Model.complete`. A refusal of a request parameter or of structured output is no failure: it is
        remembered, said once in the log, and the call is made without."""
        return await self._ask(self._prepared(request), trying_out=False)

    async def try_out(self, request: ChatRequest) -> ChatReply:
        """Complete a chat before anything is played, with fewer attempts and no long wait, and find the room that the model
        needs for its reasoning. Raises `EpisodeError`."""
        reply = await self._ask(self._prepared(request), trying_out=True)
        if not self._room.fixed:
            room, reasons = self._room.tokens, bool(reply.reasoning or reply.reasoning_tokens)
            if reasons:
                most = min(self._config.reasoning_cap, self._config.max_tokens or self._config.reasoning_cap)
                room = max(room, min(max(GROWTH * request.max_tokens, LEAST_REASONING), most) - request.max_tokens)
            # One that did not reason over so short a question may do so over a longer one.
            self._room.set(room, settled=reasons or room > 0)
        return reply

    def _prepared(self, request: ChatRequest) -> ChatRequest:
        messages = without_empty(request.messages)
        if messages is not request.messages:
            request = replace(request, messages=messages)
        if self._config.tokens and not request.want_tokens:
            request = replace(request, want_tokens=True)
        if request.reasoning_effort is None and self._config.reasoning_effort is not None:
            request = replace(request, reasoning_effort=self._config.reasoning_effort)
        return request

    async def _ask(self, request: ChatRequest, *, trying_out: bool) -> ChatReply:
        call = Call(self._context, request, trying_out=trying_out)

        async def send(sized: ChatRequest, mode: RequestMode) -> ChatReply:
            return await self._attempt(sized, mode, call, trying_out)

        try:
            reply = await call.run(lambda: self._mode(request), send)
        except CallFailed as error:
            failure = error
        else:
            if call.refusal is not None:
                self._say_learnt(call)
            return reply
        # Raised out here so that it does not carry the failed attempt, and with it the request, as its context.
        raise self._error(call, failure)

    def _error(self, call: Call, failure: CallFailed) -> EpisodeError:
        said = call.used_up() if failure.name == "output-limit" else failure.said
        if failure.retry and call.attempts > 1:
            said += f"; gave up after {call.attempts} attempts"
        message = f"{self.name} ({self.model} at {self.base_url or 'this machine'}): {said}"
        return EpisodeError(failure.kind, message, failure=failure.failure, reason=failure.name, spent=call.spent)

    def _say_learnt(self, call: Call) -> None:
        said = call.refusal.said if call.refusal else ""
        for change in call.learnt():
            log.warning("model %s (%s) does not take %s (%s)", self.name, self.model, change, said)

    async def _attempt(self, request: ChatRequest, mode: RequestMode, call: Call, trying_out: bool) -> ChatReply:
        asked = with_schema_in_prompt(request) if mode.schema == "prompt" else request
        if "system_role" in mode.without:
            asked = replace(asked, messages=without_system(asked.messages))
        if "repeated_roles" in mode.without:
            asked = replace(asked, messages=taking_turns(asked.messages))
        await self._client.ready()
        expected = self._expected(asked)
        await self._slot(expected, trying_out)
        call.attempts += 1
        # A turn's deadline that nobody set must not cut what the endpoint's own one allows.
        allow(self._config.deadlines.call + self._config.deadlines.connect)
        begun, today = time.perf_counter(), time.strftime("%Y-%m-%d")
        outcome: Outcome = "lost"
        wait: float | None = None
        surplus = 0.0
        try:
            answer = self._without_keys(await self._answer(asked, mode))
            outcome = "ok"
            surplus = _surplus(answer, expected)
        except CallFailed as error:
            outcome, wait = error.outcome, error.retry_after
            self._quota_said = error.said if error.failure == "quota" else self._quota_said
            raise
        finally:
            self.limit.release(outcome, wait, surplus)
        reply = self._reply(answer, request, mode, time.perf_counter() - begun, call.attempts)
        if reply.template is not None:
            reply = replace(reply, rendered_on=today)
        if not reply.text.strip():
            raise _no_answer(answer, reply)
        return reply

    async def _slot(self, tokens: float, trying_out: bool) -> None:
        """Wait for permission to call, on nobody's time. Raises `CallFailed` where the quota is not waited for."""
        try:
            if self.limit.take(tokens):
                return
            with waiting():
                async with asyncio.timeout(TRY_OUT_WAIT_S if trying_out else None):
                    await self.limit.acquire(tokens)
            return
        except Closed as closed:
            left = closed.until - time.time()
        except TimeoutError:
            left = TRY_OUT_WAIT_S
        clock, duration = moments(max(0.0, left))
        said = f"{self._quota_said}; " if self._quota_said else "the quota is used up; "
        raise CallFailed(f"{said}ask again after {clock}, in {duration}", "quota", retry=False)

    def _expected(self, request: ChatRequest) -> float:
        """Tokens that a request is expected to use, where they are limited."""
        if self._config.tokens_per_minute is None:
            return 0.0
        chars = sum(len(message.content) for message in request.messages)
        return chars / CHARS_PER_TOKEN + request.max_tokens

    async def _answer(self, request: ChatRequest, mode: RequestMode) -> Answer:
        """The endpoint's answer; also one that it wrote but did not take as JSON: whoever reads it says what is wrong."""
        try:
            return await self._in_time(request, mode)
        except CallFailed as error:
            text = error.body.failed_generation if error.body and error.name == "unreadable-answer" else None
            if not text or not text.strip():
                raise
        return Answer(text, self.model, "stop", None, None, None)

    def _without_keys(self, answer: Answer) -> Answer:
        """The answer without keys that the endpoint sent back."""
        secrets = getattr(self._client, "hidden", ())
        said = {name: getattr(answer, name) or "" for name in _SAID}
        changed: dict[str, Any] = {
            name: found for name, text in said.items() if (found := hide(text, secrets)) is not text
        }
        # Its tokens would spell the key.
        return replace(answer, **changed, token_ids=None, logprobs=None, logprobs_at=None) if changed else answer

    async def _in_time(self, request: ChatRequest, mode: RequestMode) -> Answer:
        seconds = self._config.deadlines.call
        try:
            with attempt(free=self._price is not None and self._price.free):
                async with asyncio.timeout(seconds):
                    return await self._client.send(request, mode)
        except TimeoutError:
            failure = CallFailed(f"no whole answer within {seconds:g} s", "timeout")
        raise failure  # out here for the reason in `_ask`

    def _reply(
        self, answer: Answer, request: ChatRequest, mode: RequestMode, latency: float, attempts: int
    ) -> ChatReply:
        parts = self._parted(answer, request)
        text = cut_at(parts.answer, request.stop if "stop" in mode.without else answer.cut_at)
        if mode.schema == "prompt":
            text = json_in(text, request.schema)
        if parts.misplaced:
            self._say_misplaced()
        price = self._price
        counted = price.usd(answer.prompt_tokens, answer.cached_tokens, answer.completion_tokens) if price else None
        return ChatReply(
            text=text,
            model=answer.model or self.model,
            finish_reason=answer.finish_reason,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            cached_tokens=answer.cached_tokens,
            reasoning_tokens=answer.reasoning_tokens,
            reasoning=parts.reasoning,
            notes=(*answer.notes, *([MISPLACED] if parts.misplaced else [])),
            usd=counted if answer.usd is None else answer.usd,
            structured=mode.schema,
            latency_s=latency,
            attempts=attempts,
            token_ids=answer.token_ids,
            logprobs=answer.logprobs,
            logprobs_at=answer.logprobs_at,
            template=answer.template,
            prompt_ids=answer.prompt_ids,
            dropped=tuple(sorted(mode.without & sent(request, self._config))),
        )

    def _parted(self, answer: Answer, request: ChatRequest) -> Parted:
        """The answer apart from the reasoning. Whether the model's chat template opens its reasoning is remembered: a text
        that is cut before it closes has no mark."""
        opened = self._template_opens and request.reasoning_effort != "none"
        parts = parted(
            *(answer.text, answer.reasoning, answer.finish_reason, self._config.reasoning),
            field=answer.field,
            opened=opened,
        )
        self._template_opens = self._template_opens or parts.opened_before
        return parts

    def check_effort(self, effort: str | None) -> None:
        """Raise `BadInput` where the `reasoning_effort` of a role has no meaning for this model."""
        check_effort(self.name, self._config, self._address, effort)

    def _say_misplaced(self) -> None:
        if not self._said_misplaced:
            self._said_misplaced = True
            log.warning(
                "model %s (%s): its server puts answers into the field for reasoning (content is empty); they are taken "
                "from there. Check the server's reasoning parser.",
                *(self.name, self.model),
            )

    def _mode(self, request: ChatRequest) -> RequestMode:
        schema: Literal["native", "prompt"] | None = None
        known = self._refusals
        if request.schema is not None:
            wanted = self._config.structured
            schema = "prompt" if wanted == "prompt" or (wanted == "auto" and known.schema) else "native"
        named = getattr(self._client, "completion_tokens", None)
        limit = known.max_tokens if named is not None and known.max_tokens is not None else named
        return RequestMode(schema, self._client.never | known.parameters, limit, known.added)

    async def start(self) -> None:
        """Load the library, or start the server that answers for the model, without asking it anything."""
        await self._client.ready()

    async def probe_models(self) -> list[str] | None:
        """The names that the endpoint's /models lists; None where it does not."""
        names: list[str] | None = await self._looked_up("models", None)
        return names and [hide(name, getattr(self._client, "hidden", ())) for name in names]

    async def probe_weights(self) -> str | None:
        """Look up what the endpoint tells of the weights behind the model's name; None where it tells nothing, or does not
        answer."""
        told: str | None = await self._looked_up("weights", None)
        return told

    async def answers_at_v1(self) -> bool:
        """True if `ADDRESS/v1/models` answers, where the address itself does not end in /v1."""
        return bool(await self._looked_up("answers_at_v1", False))

    async def _looked_up(self, what: str, otherwise: Any) -> Any:
        look: Callable[[], Awaitable[Any]] | None = getattr(self._client, what, None)
        if look is None or self.base_url is None:
            return otherwise
        try:
            async with asyncio.timeout(self._config.deadlines.connect + 10):
                return await look()
        except (CallFailed, TimeoutError):
            return otherwise

    @property
    def hosted(self) -> bool:
        """True if a server of ours on this machine answers for it."""
        return isinstance(self._client, Hosting)

    @property
    def relayed(self) -> bool:
        """True if only this process can ask it: it has no address, and no server that others could attach to."""
        return self.base_url is None and not self.hosted

    async def address(self) -> str | None:
        """Address of the server that this process runs for the model, started if it is not; None for an endpoint that is
        nobody's child. Raises `CallFailed`."""
        found: str | None = await self._client.address() if isinstance(self._client, Hosting) else None
        return found

    def attach(self, ask: Callable[[], Awaitable[str]]) -> None:
        """Use the server of another process, whose address `ask` gives, instead of starting one."""
        if isinstance(self._client, Hosting):
            self._client.attach(ask)

    async def close(self) -> None:
        await self._client.close()


def _room_of(config: EndpointConfig, base_url: str, name: str) -> Room:
    if config.reasoning_tokens != "auto":
        return Room(config.reasoning_tokens, settled=True, fixed=True)
    return shared_room(base_url, config.model, name, tell_all)


def _surplus(answer: Answer, expected: float) -> float:
    """Tokens more than expected that an answer took."""
    if not expected or answer.prompt_tokens is None or answer.completion_tokens is None:
        return 0.0
    return answer.prompt_tokens + answer.completion_tokens - expected


def _no_answer(answer: Answer, reply: ChatReply) -> NoAnswer:
    """The failure that an empty answer stands for."""
    if answer.finish_reason == "length":
        return NoAnswer("used all its tokens before it answered", "output-limit", reply)
    if answer.finish_reason == "refusal" or answer.refusal:
        said = f": {scrub(answer.refusal, None)}" if answer.refusal else ""
        return NoAnswer(f"the model refused{said}", "refused", reply)
    if answer.finish_reason in ("filter", "content_filter"):
        return NoAnswer("a content filter stopped the answer", "filtered", reply)
    return NoAnswer(f"the answer is empty (it ended by {answer.finish_reason!r})", "empty-answer", reply)


def _set_options(config: EndpointConfig) -> dict[str, Any]:
    """Options that came later and change a reply, and a remote provider's own: left out where they are not set, so that older
    records still fit."""
    tags = config.reasoning.model_dump() if isinstance(config.reasoning, ReasoningTags) else None
    options = {"reasoning": tags, "reasoning_effort": config.reasoning_effort}
    told = {name: value for name, value in options.items() if value is not None}
    if isinstance(config, RemoteConfig):
        own = set(type(config).model_fields) - set(RemoteConfig.model_fields)
        told |= config.model_dump(mode="json", include=own, exclude_defaults=True)
    return told


def cut_at(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the first stop sequence: what the endpoint would have returned had it known them."""
    ends = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text
