"""Any OpenAI-compatible chat endpoint, through the official library."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agents.models.access import access_of, omits_key, secrets_of, without_variables
from agents.models.base import ChatRequest
from agents.models.client import Answer
from agents.models.client_library import client_library
from agents.models.config import HttpConfig, OpenAIConfig
from agents.models.effort import chat_effort, merged
from agents.models.errors.failures import CallFailed, broken_answer
from agents.models.errors.refusals import RequestMode, extra_of
from agents.models.replies.reply import Content, content_of, finish_of, joined, reasoning_beside
from agents.models.replies.structured import is_strict
from agents.models.replies.told import broken_off, told_error
from agents.models.replies.usage import usage_of
from agents.models.secrets import Secret, hide, key_from
from agents.models.transport import Hidden, PerLoop, exchange, http_client


class OpenAIClient:
    """Speaks `POST /chat/completions` (https://platform.openai.com/docs/api-reference/chat)."""

    never: frozenset[str] = frozenset()
    token_limits = 2
    """Number of names the protocol has for the token limit."""

    def __init__(
        self, config: HttpConfig, base_url: str, key_variable: str, needs_key: bool, secret: Secret | None = None
    ) -> None:
        """`secret`: the key itself, where no variable holds it."""
        self.config = config
        self.base_url = base_url
        self.key_variable = key_variable
        self.needs_key = needs_key
        self.secret = secret or key_from(key_variable)
        self.hidden = (*([self.secret] if self.secret else []), *secrets_of(config))
        self._without_key = self.secret is None and omits_key(config)
        self.completion_tokens = base_url == OpenAIConfig.vendor.address if self.token_limits == 2 else None
        """Which of them is used until the endpoint wants the other (`RequestMode.completion_tokens`)."""
        self._sdk = PerLoop(self._make)

    def _make(self) -> Any:
        openai = client_library("openai")
        if self.secret is None and self.needs_key:
            raise missing_key(self.key_variable, hide(self.base_url, self.hidden))
        access = access_of(self.config)
        client = openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self.secret.reveal() if self.secret else "none",
            max_retries=0,
            **access.options,
            http_client=http_client(openai, self.config, self.base_url),
        )
        return without_variables(client, "openai", self.base_url, access)

    async def ready(self) -> None:
        self._sdk.get()

    async def send(self, request: ChatRequest, mode: RequestMode) -> Answer:
        body = payload(self.config, request, mode, self.base_url) | self.body_additions(request)
        got = await self._exchange("post", "/chat/completions", body=body)
        answer = read_completion(got, self.hidden)
        if self.base_url == OpenAIConfig.vendor.address:
            return answer
        at = self.logprobs_at(request) if answer.logprobs is not None else None
        return replace(answer, template=self.template_defaults() | template_arguments(body), logprobs_at=at)

    def template_defaults(self) -> dict[str, Any]:
        """Arguments that the server gives to the chat template where a request names none."""
        return {}

    def logprobs_at(self, request: ChatRequest) -> float | None:
        """Temperature at which the log-probabilities of an answer hold; None where the server does not say."""
        return None

    async def _exchange(self, method: str, path: str, **options: Any) -> Any:
        openai = client_library("openai")
        if self._without_key:
            options["options"] = {"headers": {"Authorization": openai.Omit()}}
        return await exchange(openai, self._sdk.get(), self.hidden, method, path, **options)

    async def models(self) -> list[str] | None:
        """The names that the endpoint lists; None where it lists none. Raises `CallFailed`."""
        return _listed(await self._exchange("get", "/models"))

    async def weights(self) -> str | None:
        """Look up what the endpoint tells of the weights behind the model's name: their folder (vLLM, SGLang), their size
        (llama.cpp), their digest (Ollama). None where it tells nothing. Raises `CallFailed` where it lists no models."""
        told = _told_of(self.config.model, await self._exchange("get", "/models"))
        with contextlib.suppress(CallFailed):  # only Ollama has this list
            listed = await self._exchange("get", f"{self.base_url.removesuffix('/v1')}/api/tags")
            told |= _told_of(self.config.model, listed)
        return json.dumps(told, sort_keys=True) if told else None

    async def answers_at_v1(self) -> bool:
        """True if an API answers at `/v1` below the address. Raises `CallFailed`."""
        if self.base_url.endswith("/v1"):
            return False
        try:
            return _listed(await self._exchange("get", f"{self.base_url}/v1/models")) is not None
        except CallFailed as failure:
            return failure.name in ("bad-key", "no-access")

    def body_additions(self, request: ChatRequest) -> dict[str, Any]:
        """Additions of an endpoint's own dialect to a request's body."""
        return {}

    async def close(self) -> None:
        client = self._sdk.take()
        if client is not None:
            await client.close()


def payload(config: HttpConfig, request: ChatRequest, mode: RequestMode, base_url: str) -> dict[str, Any]:
    """The JSON body of a request."""
    optional: dict[str, Any] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop": list(request.stop) or None,
        "seed": request.seed,
        "logprobs": True if request.want_tokens else None,
    }
    body: dict[str, Any] = {
        "model": config.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "max_completion_tokens" if mode.completion_tokens else "max_tokens": request.max_tokens,
    }
    body |= {name: value for name, value in optional.items() if value is not None and name not in mode.without}
    if mode.schema == "native" and request.schema is not None:
        described = {"name": "answer", "schema": dict(request.schema), "strict": is_strict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    if request.reasoning_effort is not None and "reasoning_effort" not in mode.without:
        body |= chat_effort(config, base_url, request.reasoning_effort)
    return merged(merged(body, extra_of(config, mode)), mode.added)


TEMPLATE_KEYS = (
    "reasoning_effort",
    "add_generation_prompt",
    "continue_final_message",
    "chat_template",
    "documents",
    "tools",
)
"""Keys of a body that open servers hand to the chat template."""


def template_arguments(body: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a body that open servers give to the chat template beside the messages."""
    given = body.get("chat_template_kwargs")
    named = {key: body[key] for key in TEMPLATE_KEYS if key in body}
    return named | (dict(given) if isinstance(given, Mapping) else {})


WEIGHT_PLACES = ("root", "parent", "digest")
WEIGHT_SIZES = ("size", "n_params", "n_vocab", "n_embd")
"""Keys in a list of models that say something of a model's weights; a server's own time and settings do not."""


def _told_of(model: str, got: Any) -> dict[str, Any]:
    """Facts in a list of models that tell a model's weights from others of the same name."""
    names = (model, f"{model}:latest")
    for each in _entries(got) or []:
        if isinstance(each, dict) and (each.get("id") or each.get("name")) in names:
            meta = each.get("meta")
            told = {**each, **({key: meta.get(key) for key in WEIGHT_SIZES} if isinstance(meta, dict) else {})}
            return {key: told[key] for key in (*WEIGHT_PLACES, *WEIGHT_SIZES) if told.get(key) is not None}
    return {}


def _entries(got: Any) -> list[Any] | None:
    found = got.get("data", got.get("models")) if isinstance(got, dict) else got
    return found if isinstance(found, list) else None


def _listed(got: Any) -> list[str] | None:
    """The ids in a list of models, as OpenAI, or others, write it."""
    found = _entries(got)
    if found is None:
        return None
    names = [each.get("id") or each.get("name") if isinstance(each, dict) else each for each in found]
    return [str(name) for name in names if name]


def read_completion(got: Any, secret: Hidden) -> Answer:
    """The answer in a chat completion's JSON. Raises `CallFailed` when it is not one."""
    choice = _choice_of(got, secret)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise broken_answer("a choice without a message")
    content = content_of(message.get("content"))
    if content is None:
        raise broken_answer(f"content is a {type(message['content']).__name__}")
    refused = _refusal_of(message, content)
    beside = joined([content.reasoning, reasoning_beside(message)])
    usage = usage_of(got.get("usage"))
    ids, logprobs = _tokens_of(choice)
    return Answer(
        text=content.text,
        model=str(got.get("model") or ""),
        finish_reason="refusal" if refused else finish_of(choice.get("finish_reason")),
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        cached_tokens=usage.cached,
        reasoning_tokens=usage.reasoning,
        usd=usage.usd,
        reasoning=beside,
        # A call of a tool is what the model wanted; its thoughts before it are no answer.
        field=beside is not None and not content.reasoning and not message.get("tool_calls"),
        refusal=refused,
        token_ids=ids,
        logprobs=logprobs,
        prompt_ids=_ids(got.get("prompt_token_ids")),
    )


def _choice_of(got: Any, secret: Hidden) -> dict[str, Any]:
    """The first choice. Raises `CallFailed` for an error that came with status 200, in the body or in the choice."""
    if not isinstance(got, dict):
        raise broken_answer(f"a JSON {type(got).__name__} instead of an object")
    choices = got.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise told_error(got, secret) or broken_answer("no choices")
    choice: dict[str, Any] = choices[0]
    if choice.get("error") or finish_of(choice.get("finish_reason")) == "error":
        raise broken_off(choice.get("error") or choice.get("finish_reason"), secret)
    return choice


def _refusal_of(message: Mapping[str, Any], content: Content) -> str:
    """Text of a refusal that the model wrote instead of an answer; empty where it answered."""
    said = message.get("refusal")
    refused = content.refusal or (said if isinstance(said, str) else "")
    return "" if content.text.strip() else refused.strip()


def _tokens_of(choice: Mapping[str, Any]) -> tuple[tuple[int, ...] | None, tuple[float, ...] | None]:
    """Token ids (llama.cpp puts them beside the log-probabilities, vLLM into `token_ids`) and log-probabilities."""
    holder = choice.get("logprobs")
    entries = holder.get("content") if isinstance(holder, dict) else None
    logprobs: tuple[float, ...] | None = None
    ids = choice.get("token_ids")
    if isinstance(entries, list) and all(isinstance(e, dict) and "logprob" in e for e in entries):
        logprobs = tuple(float(entry["logprob"]) for entry in entries)
        if ids is None and all(isinstance(entry.get("id"), int) for entry in entries):
            ids = [entry["id"] for entry in entries]
    return _ids(ids), logprobs


def _ids(found: Any) -> tuple[int, ...] | None:
    """Token ids as vLLM gives them (`prompt_token_ids`, `token_ids`); None where there are none."""
    if isinstance(found, list) and all(isinstance(token, int) for token in found):
        return tuple(found)
    return None


def missing_key(variable: str, base_url: str) -> CallFailed:
    """The failure of a call for which there is no key."""
    return CallFailed(
        f"the environment variable {variable} is not set; it has to hold the key for {base_url}", "bad-key", status=401
    )
