"""Everything between a ChatRequest and a client library, shared by all providers spoken to over HTTP:
slots, deadlines, retries, what an endpoint refuses, prices. A provider adds a `Client` and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from agents.models.attempts import attempt
from agents.models.base import ChatReply, ChatRequest
from agents.models.config import EndpointConfig, HttpConfig, ReasoningTags
from agents.models.effort import check_effort
from agents.models.failures import Backoff, CallFailed
from agents.models.limits import Limit, Outcome
from agents.models.prices import price_of
from agents.models.reply import MISPLACED, Parted, parted
from agents.models.structured import json_in, with_schema_in_prompt
from harness.errors import BadInput, EpisodeError

log = logging.getLogger(__name__)

DEFAULT_CONCURRENCY = 256
REMOTE_START = 64
"""Calls at once that a remote endpoint is met with when nobody said how many it takes."""


def concurrency_of(config: EndpointConfig, local: bool) -> tuple[int, int]:
    """The most calls at once, and with how many to begin: with all of them where the user gave a number or the endpoint
    is local, for 429s take them back within seconds; else with fewer, doubled per round (`limits`)."""
    if config.concurrency is not None or local:
        most = config.concurrency or DEFAULT_CONCURRENCY
        return most, most
    return DEFAULT_CONCURRENCY, REMOTE_START


@dataclass(slots=True)
class Refusals:
    """What an endpoint has refused for a model, remembered by the process so that it is not asked again."""

    schema: bool = False
    """It has no structured output, or not for such schemas: the schema goes into the prompt."""
    parameters: set[str] = field(default_factory=set)
    """Request parameters it does not take for this model; replies name those that were left out."""
    max_tokens: bool = False
    """It wants `max_completion_tokens` instead."""
    on_change: Callable[[Refusals], None] = field(default=lambda refusals: None, repr=False)

    def merge(self, other: Mapping[str, Any]) -> None:
        """Take over what another process learnt (`plain`)."""
        self.schema |= other["schema"]
        self.max_tokens |= other["max_tokens"]
        self.parameters |= set(other["parameters"])

    def plain(self) -> dict[str, Any]:
        return {"schema": self.schema, "max_tokens": self.max_tokens, "parameters": sorted(self.parameters)}


@dataclass(frozen=True, slots=True)
class How:
    """How one attempt asks."""

    schema: Literal["native", "prompt"] | None
    without: frozenset[str]
    completion_tokens: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client read from the endpoint."""

    text: str
    """The content, reasoning that stands in it included."""
    model: str
    finish_reason: str
    """stop | length | filter | refusal | unknown (`reply.finish_of`)."""
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None = None
    usd: float | None = None
    """The price that the endpoint told."""
    reasoning: str | None = None
    """What came beside the content."""
    field: bool = False
    """Whether `reasoning` came in a field that the server fills by parsing the model's text: an answer can get lost there."""
    refusal: str = ""
    """What the endpoint says of a refusal; it is no answer."""
    cut_at: tuple[str, ...] = ()
    """Stop sequences that the endpoint was not given: the answer is cut at them here."""
    notes: tuple[str, ...] = ()
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None


class Client(Protocol):
    """One provider's wire. Its calls raise `CallFailed` and nothing else."""

    never: frozenset[str]
    """Parameters the protocol does not have ("seed")."""

    async def ready(self) -> None:
        """Whatever has to happen once before a request (load the library, start the server): it counts against
        no deadline of a call. Costs next to nothing when it has happened."""

    async def send(self, request: ChatRequest, how: How) -> Answer: ...

    async def probe(self) -> None:
        """A free request that shows whether the endpoint answers, takes the key and has the model."""

    async def close(self) -> None: ...


@runtime_checkable
class Hosting(Protocol):
    """A client whose server is started by us. Several processes can share one: the first has its address, the others
    attach to it."""

    async def address(self) -> str: ...

    def attach(self, ask: Callable[[], Awaitable[str]]) -> None: ...


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
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.provider = config.provider
        self.model = config.model
        self.revision = config.revision
        self.base_url = base_url
        self.limit = limit
        self.reasoning = config.reasoning
        """How reasoning is marked in its texts; False: they are taken as they are."""
        self.options: Mapping[str, Any] = {
            "structured": config.structured,
            "max_tokens": config.max_tokens,
            "extra_body": config.extra_body if isinstance(config, HttpConfig) else {},
            **_set_options(config),
        }
        """What else of the config changes a reply; part of the cache key."""
        check_effort(name, config, base_url, config.reasoning_effort)
        self._config = config
        self._client = client
        self._refusals = refusals
        self._price = price_of(config.provider, config.model, config.price, base_url)
        self._sleep = sleep
        self._said_misplaced = False
        self._template_opens = False
        self._where = base_url or "this machine"

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `Model.complete`. A refusal of a request parameter or of structured output is no failure: it is
        remembered, said once in the log, and the call is made without."""
        cap = self._config.max_tokens
        if cap is not None and request.max_tokens > cap:
            request = replace(request, max_tokens=cap)
        if self._config.tokens and not request.want_tokens:
            request = replace(request, want_tokens=True)
        if request.reasoning_effort is None:
            request = replace(request, reasoning_effort=self._config.reasoning_effort)
        tally = [0]
        while True:
            how = self._how(request)
            try:
                return await self._retrying(request)(self._attempt, request, how, tally)
            except CallFailed as error:
                failure = error
            # Each round learns something new or ends, and there is only so much to learn.
            if not self._learn(failure, request, how):
                break
        reason = f"{self.name} ({self.model} at {self._where}): {failure.said}"
        if failure.retry:
            reason += f"; gave up after {tally[0]} attempts"
        # Raised out here so that it does not carry the failed attempt, and with it the request, as its context.
        raise EpisodeError(failure.kind, reason, failure=failure.failure, reason=failure.name)

    def _retrying(self, request: ChatRequest) -> AsyncRetrying:
        # A new one per call: a shared AsyncRetrying mixes up calls that run at the same time.
        return AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, CallFailed) and error.retry),
            stop=stop_after_attempt(self._config.retries + 1),
            wait=Backoff(request.identity),
            sleep=self._sleep,
            reraise=True,
        )

    async def _attempt(self, request: ChatRequest, how: How, tally: list[int]) -> ChatReply:
        asked = with_schema_in_prompt(request) if how.schema == "prompt" else request
        await self._client.ready()
        await self.limit.acquire()
        tally[0] += 1
        begun = time.perf_counter()
        outcome: Outcome = "lost"
        failure: CallFailed | None = None
        try:
            answer = await self._in_time(asked, how)
            outcome = "ok"
        except CallFailed as error:
            failure = error
            outcome = error.outcome
            raise
        finally:
            self.limit.release(outcome, failure.retry_after if failure else None)
        return self._reply(answer, request, how, time.perf_counter() - begun, tally[0])

    async def _in_time(self, request: ChatRequest, how: How) -> Answer:
        seconds = self._config.deadlines.call
        try:
            with attempt(free=self._price is not None and self._price.free):
                async with asyncio.timeout(seconds):
                    return await self._client.send(request, how)
        except TimeoutError:
            failure = CallFailed(f"no whole answer within {seconds:g} s", "timeout")
        raise failure

    def _reply(self, answer: Answer, request: ChatRequest, how: How, latency: float, attempts: int) -> ChatReply:
        parts = self._parted(answer, request)
        text = cut_at(parts.answer, request.stop if "stop" in how.without else answer.cut_at)
        if how.schema == "prompt":
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
            structured=how.schema,
            latency_s=latency,
            attempts=attempts,
            token_ids=answer.token_ids,
            logprobs=answer.logprobs,
            dropped=tuple(sorted(how.without & _sent(request))),
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
        check_effort(self.name, self._config, self.base_url, effort)

    def _say_misplaced(self) -> None:
        if not self._said_misplaced:
            self._said_misplaced = True
            log.warning(
                "model %s (%s): its server puts answers into the field for reasoning (content is empty); they are taken "
                "from there. Check the server's reasoning parser.",
                *(self.name, self.model),
            )

    def _how(self, request: ChatRequest) -> How:
        schema: Literal["native", "prompt"] | None = None
        if request.schema is not None:
            mode = self._config.structured
            schema = "prompt" if mode == "prompt" or (mode == "auto" and self._refusals.schema) else "native"
        return How(schema, self._client.never | self._refusals.parameters, self._refusals.max_tokens)

    def _learn(self, failure: CallFailed, request: ChatRequest, how: How) -> bool:
        """True when the failure was a refusal that the next try can go around."""
        learnt = self._learnt(failure, request, how)
        if learnt:
            self._refusals.on_change(self._refusals)
        return learnt

    def _learnt(self, failure: CallFailed, request: ChatRequest, how: How) -> bool:
        if failure.status not in (400, 404, 415, 422, 501):
            return False
        said = failure.said.lower()
        if how.schema == "native" and self._config.structured == "auto" and any(w in said for w in _SCHEMA_WORDS):
            self._refusals.schema = True
            self._say_once("structured output; the schema goes into the prompt instead", failure)
            return True
        if not how.completion_tokens and "max_completion_tokens" in said:
            self._refusals.max_tokens = True
            return True
        if not any(word in said for word in _REFUSING_WORDS):
            return False
        named = {parameter for parameter in _sent(request) - how.without if parameter in said}
        if {"temperature", "top_p"} <= named:
            named = {"top_p"} if "both" in said else named
        self._refusals.parameters |= named
        if named:
            self._say_once(f"{', '.join(sorted(named))}; left out from now on, as its replies' records say", failure)
        return bool(named)

    def _say_once(self, what: str, failure: CallFailed) -> None:
        log.warning("model %s (%s) does not take %s (%s)", self.name, self.model, what, failure.said)

    async def check(self) -> None:
        """See `Model.check`: a few tries at a request that costs nothing."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, CallFailed) and error.retry),
            stop=stop_after_attempt(min(3, self._config.retries + 1)),
            wait=lambda state: 0.5 * state.attempt_number,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            await retrying(self._probe_in_time)
            return
        except CallFailed as error:
            failure = error
        advice = _advice(failure) if self.base_url else ""
        raise BadInput(f"model {self.name!r}: {self._where} can not be used: {failure.said}{advice}")

    async def _probe_in_time(self) -> None:
        seconds = self._config.deadlines.connect + 10
        await self._client.ready()
        try:
            async with asyncio.timeout(seconds):
                await self._client.probe()
                return
        except TimeoutError:
            failure = CallFailed(f"no answer within {seconds:g} s", "timeout")
        raise failure

    @property
    def hosted(self) -> bool:
        """Whether a server of ours on this machine answers for it."""
        return isinstance(self._client, Hosting)

    @property
    def relayed(self) -> bool:
        """Whether only this process can ask it: it has no address, and no server that others could attach to."""
        return self.base_url is None and not self.hosted

    async def address(self) -> str | None:
        """Where the server listens that this process runs for the model, started if it is not; None for an endpoint
        that is nobody's child. Raises `CallFailed`."""
        found: str | None = await self._client.address() if isinstance(self._client, Hosting) else None
        return found

    def attach(self, ask: Callable[[], Awaitable[str]]) -> None:
        """Use the server of another process, whose address `ask` gives, instead of starting one."""
        if isinstance(self._client, Hosting):
            self._client.attach(ask)

    async def close(self) -> None:
        await self._client.close()


_SCHEMA_WORDS = ("response_format", "json_schema", "schema", "output_config", "output_format", "structured", "grammar")
_REFUSING_WORDS = (
    "unsupported",
    "not support",
    "deprecated",
    "extra inputs",
    "not permitted",
    "unrecognized",
    "unknown",
    "only the default",
    "cannot both",
    "not allowed",
)


def _sent(request: ChatRequest) -> set[str]:
    """The optional parameters that this request would send, by their names in the protocols."""
    optional = {
        "temperature": True,
        "top_p": request.top_p is not None,
        "stop": bool(request.stop),
        "seed": request.seed is not None,
        "logprobs": request.want_tokens,
        "reasoning_effort": request.reasoning_effort is not None,
    }
    return {name for name, sent in optional.items() if sent}


def _set_options(config: EndpointConfig) -> dict[str, Any]:
    """Options that came later and change a reply: left out where they are not set, so that older records still fit."""
    tags = config.reasoning.model_dump() if isinstance(config.reasoning, ReasoningTags) else None
    options = {"reasoning": tags, "reasoning_effort": config.reasoning_effort}
    return {name: value for name, value in options.items() if value is not None}


def cut_at(text: str, stops: tuple[str, ...]) -> str:
    """The text up to the first stop sequence: what the endpoint would have returned had it known them."""
    ends = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def _advice(failure: CallFailed) -> str:
    if failure.status in (401, 403):
        return ". Check the key in the environment variable that `api_key_env` names."
    if failure.status == 404:
        return ". Check `model` and `base_url`."
    return ". Check `base_url`, and that the server runs and can be reached from here."


_REFUSALS: dict[tuple[str, str], Refusals] = {}
Learnt = dict[str, Any]
"""What was learnt about a model at an endpoint, as plain JSON: `base_url`, `model`, and the fields of `Refusals`."""
_told: list[Callable[[Learnt], None]] = []


def shared_refusals(base_url: str, model: str) -> Refusals:
    """What the process has learnt about a model at an endpoint."""

    def tell(refusals: Refusals) -> None:
        for told in _told:
            told({"base_url": base_url, "model": model, **refusals.plain()})

    return _REFUSALS.setdefault((base_url, model), Refusals(on_change=tell))


def tell_refusals(told: Callable[[Learnt], None]) -> None:
    """Call `told` whenever this process learns of a refusal."""
    _told.append(told)


def known_refusals() -> list[Learnt]:
    """All that the process has learnt."""
    return [{"base_url": url, "model": model, **known.plain()} for (url, model), known in _REFUSALS.items()]


def learn_refusals(learnt: Learnt) -> None:
    """Take over what another process learnt."""
    shared_refusals(learnt["base_url"], learnt["model"]).merge(learnt)
