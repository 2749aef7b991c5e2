"""The Anthropic messages API, through the official library.

Sampling: API version 2026-10-21, which the library sends by default, takes no temperature at all; version
2023-06-01 does, for the models that still have one. So a request with sampling parameters names the older
version; where the model refuses them (Claude 4.7 and later), they are left out from then on and every
reply says so in `dropped`. There is no seed in this protocol.
Prefilled answers: a last message of the assistant is sent as it is; newer models refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from agents.models.access import access_of, omits_key, secrets_of, without_variables
from agents.models.base import ChatRequest, Message
from agents.models.client import Answer
from agents.models.client_library import client_library
from agents.models.config import AnthropicConfig
from agents.models.effort import anthropic_effort, merged
from agents.models.errors.failures import broken_answer
from agents.models.errors.refusals import RequestMode, extra_of
from agents.models.messages import taking_turns, without_system
from agents.models.providers.openai_provider import missing_key
from agents.models.remote import RemoteProvider
from agents.models.replies.reply import Content, content_of, finish_of
from agents.models.replies.told import broken_off, told_error
from agents.models.replies.usage import count, usage_of
from agents.models.secrets import hide, key_from
from agents.models.transport import Hidden, PerLoop, exchange, http_client

SAMPLING_VERSION = "2023-06-01"


class AnthropicClient:
    """Speaks `POST /v1/messages` (https://platform.claude.com/docs/en/api/messages)."""

    never: frozenset[str] = frozenset({"seed", "logprobs"})

    def __init__(self, config: AnthropicConfig, base_url: str, key_variable: str, needs_key: bool) -> None:
        self.config = config
        self.base_url = base_url
        self.key_variable = key_variable
        self.needs_key = needs_key
        self.secret = key_from(key_variable)
        self.hidden = (*([self.secret] if self.secret else []), *secrets_of(config))
        self._without_key = self.secret is None and omits_key(config)
        self._sdk = PerLoop(self._make)

    def _make(self) -> Any:
        anthropic = client_library("anthropic")
        if self.secret is None and self.needs_key:
            raise missing_key(self.key_variable, hide(self.base_url, self.hidden))
        access = access_of(self.config)
        client = anthropic.AsyncAnthropic(
            base_url=self.base_url,
            api_key=self.secret.reveal() if self.secret else "none",
            max_retries=0,
            **access.options,
            http_client=http_client(anthropic, self.config, self.base_url),
        )
        return without_variables(client, "anthropic", self.base_url, access)

    async def ready(self) -> None:
        self._sdk.get()

    async def send(self, request: ChatRequest, mode: RequestMode) -> Answer:
        body = payload(self.config, request, mode)
        headers = {"anthropic-version": SAMPLING_VERSION} if "temperature" in body or "top_p" in body else {}
        got = await self._exchange("post", "/v1/messages", headers, body=body)
        return read_message(got, request, self.hidden)

    async def _exchange(self, method: str, path: str, headers: dict[str, Any], **options: Any) -> Any:
        anthropic = client_library("anthropic")
        if self._without_key:
            headers = {**headers, "Authorization": anthropic.Omit()}
        if headers:
            options["options"] = {"headers": headers}
        return await exchange(anthropic, self._sdk.get(), self.hidden, method, path, **options)

    async def models(self) -> list[str] | None:
        """The names that the endpoint lists; None where it lists none. Raises `CallFailed`."""
        got = await self._exchange("get", "/v1/models", {})
        found = got.get("data") if isinstance(got, dict) else None
        return [str(each.get("id")) for each in found if isinstance(each, dict)] if isinstance(found, list) else None

    async def close(self) -> None:
        client = self._sdk.take()
        if client is not None:
            await client.close()


def payload(config: AnthropicConfig, request: ChatRequest, mode: RequestMode) -> dict[str, Any]:
    """The JSON body of a request."""
    system, turns = conversation(request.messages)
    # A stop sequence of blanks only is refused there; the answer is cut at it here instead.
    stops = [stop for stop in request.stop if stop.strip()]
    optional: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": stops or None,
    }
    body: dict[str, Any] = {"model": config.model, "max_tokens": request.max_tokens, "messages": turns}
    if system:
        body["system"] = system
    for name, value in optional.items():
        if value is not None and name not in mode.without:
            body["stop_sequences" if name == "stop" else name] = value
    if mode.schema == "native" and request.schema is not None:
        # What their SDK does for a schema: constraints that are not enforced there become descriptions.
        schema = client_library("anthropic").transform_schema(dict(request.schema))
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if request.reasoning_effort is not None and "reasoning_effort" not in mode.without:
        body = merged(body, anthropic_effort(config.model, request.reasoning_effort, request.max_tokens))
    return merged(merged(body, extra_of(config, mode)), mode.added)


def conversation(messages: Sequence[Message]) -> tuple[str, list[dict[str, str]]]:
    """The system text and the turns, as the protocol wants them: system messages at the start become the
    system text, later ones part of a user turn; turns alternate, begin with the user and are not empty."""
    system = list(takewhile(lambda message: message.role == "system", messages))
    said = [message for message in messages[len(system) :] if message.content.strip()]
    instructions = "\n\n".join(message.content for message in system)
    turns = [{"role": turn.role, "content": turn.content} for turn in taking_turns(without_system(said))]
    if not turns:
        # Instructions only: they are what the user says.
        return "", [{"role": "user", "content": instructions}]
    if turns[-1]["role"] == "assistant":
        # A prefilled answer must not end in blanks.
        turns[-1]["content"] = turns[-1]["content"].rstrip()
    return instructions, turns


def read_message(got: Any, request: ChatRequest, secret: Hidden) -> Answer:
    """The answer in a message's JSON. Raises `CallFailed` when it is not one."""
    if not isinstance(got, dict):
        raise broken_answer(f"a JSON {type(got).__name__} instead of an object")
    content = content_of(got.get("content")) if isinstance(got.get("content"), list) else None
    if content is None:
        raise told_error(got, secret) or broken_answer("no content")
    reason = got.get("stop_reason")
    if not reason:
        raise broken_answer("no stop_reason")
    finish = finish_of(reason)
    if finish == "error":
        raise broken_off(reason, secret)
    usage = usage_of(got.get("usage"))
    return Answer(
        text="" if finish == "refusal" else content.text,
        model=str(got.get("model") or ""),
        finish_reason=finish,
        prompt_tokens=_prompt_tokens(got.get("usage")),
        completion_tokens=usage.completion,
        cached_tokens=usage.cached,
        reasoning_tokens=usage.reasoning,
        usd=usage.usd,
        reasoning=content.reasoning,
        refusal=_refusal_of(got, content) if finish == "refusal" else "",
        cut_at=tuple(stop for stop in request.stop if not stop.strip()),
    )


def _refusal_of(got: Mapping[str, Any], content: Content) -> str:
    """The words of a refusal: the model's, or the endpoint's explanation."""
    details = got.get("stop_details")
    explained = str(details.get("explanation") or details.get("category") or "") if isinstance(details, dict) else ""
    return content.text.strip() or explained


def _prompt_tokens(usage: Any) -> int | None:
    """All of the prompt: `input_tokens` leaves out what was read from, or written to, the cache."""
    used = usage if isinstance(usage, dict) else {}
    fresh = count(used.get("input_tokens"))
    cached = (count(used.get(f"cache_{how}_input_tokens")) or 0 for how in ("read", "creation"))
    return None if fresh is None else fresh + sum(cached)


make = RemoteProvider(AnthropicConfig, AnthropicClient)
