"""The model: something that completes a chat. Everything above the providers speaks only this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class CallIdentity:
    """Which call this is, in words that do not depend on order or time. Never sent to a provider; part of
    the response cache's key."""

    episode: str = ""
    """Episode id: the scope inside which a recorded reply may be used again."""
    repeat: int = 0
    seat: int = 0
    role: str = "actor"
    """actor | strategist | judge | ..."""
    ordinal: int = 0
    """Counts the calls of that seat and role in the episode, re-asks included, from 0."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    messages: tuple[Message, ...]
    temperature: float | None = 0.0
    """None: none is sent, the model's own default holds."""
    max_tokens: int = 256
    """Tokens the answer should need, without reasoning."""
    reasoning_effort: str | None = None
    """Effort to spend on thinking before answering ("none", "low", "medium", "high", …), as the role asks; None: as the model's
    config says. Providers translate it."""
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    schema: Mapping[str, Any] | None = None
    """JSON schema the answer has to follow. A provider uses its endpoint's structured output where it has
    one, else the stated fallback (the schema in the prompt, the JSON taken out of the answer)."""
    want_tokens: bool = False
    """Ask for token ids and log-probabilities, where the provider can give them."""
    available: tuple[str, ...] = ()
    """Actions that the asking seat's view lists: for a person, who may ask for them. Never sent to a provider, and no part of a
    call's key."""
    identity: CallIdentity = field(default_factory=CallIdentity)


@dataclass(frozen=True, slots=True)
class ChatReply:
    text: str
    """The answer, without the model's reasoning. Never empty where an endpoint gave it: no answer is an error."""
    model: str
    """The model as the endpoint names it."""
    finish_reason: str
    """Reason it ended: stop | length | filter | refusal; "unknown" where the endpoint does not say."""
    prompt_tokens: int | None
    completion_tokens: int | None
    """Reasoning included."""
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    """Those of `completion_tokens` that were reasoning, where the endpoint counts them."""
    reasoning: str | None = None
    """The reasoning's text, wherever the endpoint put it; None where there was none. Kept, never acted on."""
    notes: tuple[str, ...] = ()
    """Anything unusual: "answer-in-reasoning" (a server's parser put the answer into the reasoning field)."""
    room: int = 0
    """Tokens that were asked for beyond the request's `max_tokens`, for reasoning."""
    usd: float | None = None
    """Price of the call: what the endpoint told, else from the price table; None where it is unknown."""
    structured: Literal["native", "prompt"] | None = None
    """Means by which the schema was asked for; None when the request had none."""
    latency_s: float = 0.0
    """Seconds the last attempt took."""
    attempts: int = 1
    cache_hit: bool = False
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    logprobs_at: float | None = None
    """Temperature at which `logprobs` hold; None where there are none, and where the engine does not say."""
    template: Mapping[str, Any] | None = None
    """Arguments that the engine's chat template was given beside the messages; None where no chat template of an open
    model stands between the request and the tokens (vendors, functions)."""
    rendered_on: str | None = None
    """Day (YYYY-MM-DD, local time) on which that template was rendered: some write the date into the prompt."""
    prompt_ids: tuple[int, ...] | None = None
    """Tokens of the prompt, where they were asked for and the engine gives them."""
    dropped: tuple[str, ...] = ()
    """Request parameters that the endpoint does not take for this model and that were left out, so that the
    model's own default held ("temperature", "seed", ...)."""


class Model(Protocol):
    """One endpoint, model and set of credentials. Safe to share between all episodes of a process."""

    name: str
    """The name it has in the config."""
    provider: str
    model: str
    """Name that the endpoint is asked for."""
    revision: str | None
    base_url: str | None
    """Without credentials; part of records and of the cache key."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Complete the chat, retrying what deserves it. Raises `EpisodeError` of kind `infrastructure` when the
        endpoint does not answer, or of kind `model` when it refuses the request for good."""

    async def close(self) -> None: ...
