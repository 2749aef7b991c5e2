"""Any OpenAI-compatible chat endpoint, through the official library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models.base import ChatRequest, Model
from agents.models.config import EndpointConfig, OpenAIConfig, base_url_for, is_local, read_config
from agents.models.endpoint import (
    Answer,
    EndpointModel,
    How,
    concurrency_of,
    shared_refusals,
)
from agents.models.failures import CallFailed, broken_answer, by_status
from agents.models.limits import shared_limit
from agents.models.secrets import Secret, key_from, scrub
from agents.models.structured import is_strict
from agents.models.transport import PerLoop, exchange, http_client

DEFAULT_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"


class OpenAIClient:
    """Speaks `POST /chat/completions` (https://platform.openai.com/docs/api-reference/chat)."""

    never: frozenset[str] = frozenset()

    def __init__(self, config: EndpointConfig, base_url: str, key_variable: str, needs_key: bool) -> None:
        self.config = config
        self.base_url = base_url
        self.key_variable = key_variable
        self.needs_key = needs_key
        self.secret = key_from(key_variable)
        self._sdk = PerLoop(self._make)

    def _make(self) -> Any:
        import openai

        if self.secret is None and self.needs_key:
            raise missing_key(self.key_variable, self.base_url)
        return openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self.secret.reveal() if self.secret else "none",
            max_retries=0,
            http_client=http_client(openai, self.config, self.base_url),
        )

    async def ready(self) -> None:
        self._sdk.get()

    async def send(self, request: ChatRequest, how: How) -> Answer:
        import openai

        body = payload(self.config, request, how, self.base_url) | self.body_additions(request)
        got = await exchange(openai, self._sdk.get(), self.secret, "post", "/chat/completions", body=body)
        return read_completion(got, self.secret)

    def body_additions(self, request: ChatRequest) -> dict[str, Any]:
        """What an endpoint's own dialect adds to a request's body."""
        return {}

    async def probe(self) -> None:
        import openai

        official = self.base_url == DEFAULT_URL
        path = f"/models/{self.config.model}" if official else "/models"
        try:
            await exchange(openai, self._sdk.get(), self.secret, "get", path)
        except CallFailed as failure:
            # Elsewhere the list of models is optional; a 404 still shows that something answers.
            if official or failure.status is None or failure.status in (401, 403) or failure.status >= 429:
                raise

    async def close(self) -> None:
        client = self._sdk.take()
        if client is not None:
            await client.close()


def payload(config: EndpointConfig, request: ChatRequest, how: How, base_url: str) -> dict[str, Any]:
    """The JSON body of a request."""
    fewer = how.completion_tokens or base_url == DEFAULT_URL
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
        "max_completion_tokens" if fewer else "max_tokens": request.max_tokens,
    }
    body |= {name: value for name, value in optional.items() if value is not None and name not in how.without}
    if how.schema == "native" and request.schema is not None:
        described = {"name": "answer", "schema": dict(request.schema), "strict": is_strict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    return body | config.extra_body


def read_completion(got: Any, secret: Secret | None) -> Answer:
    """The answer in a chat completion's JSON. Raises `CallFailed` when it is not one."""
    if not isinstance(got, dict):
        raise broken_answer(f"a JSON {type(got).__name__} instead of an object")
    if isinstance(got.get("error"), dict) and not got.get("choices"):
        # Some gateways answer 200 and put the upstream's error into the body.
        error = got["error"]
        code = error.get("code")
        raise by_status(code if isinstance(code, int) else 502, scrub(str(error.get("message")), secret), {})
    choices = got.get("choices")
    if not isinstance(choices, list) or not choices:
        raise broken_answer("no choices")
    choice = choices[0]
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise broken_answer("a choice without a message")
    text, reason = _text_of(message), choice.get("finish_reason")
    if not text and isinstance(message.get("refusal"), str):
        text, reason = message["refusal"], "refusal"
    usage: dict[str, Any] = got["usage"] if isinstance(got.get("usage"), dict) else {}
    details = usage.get("prompt_tokens_details")
    ids, logprobs = _tokens_of(choice)
    return Answer(
        text=text,
        model=str(got.get("model") or ""),
        finish_reason=str(reason or "unknown"),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, dict) else None,
        token_ids=ids,
        logprobs=logprobs,
    )


def _text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    raise broken_answer(f"content is a {type(content).__name__}")


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
    if isinstance(ids, list) and all(isinstance(token, int) for token in ids):
        return tuple(ids), logprobs
    return None, logprobs


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def missing_key(variable: str, base_url: str) -> CallFailed:
    """The failure of a call for which there is no key."""
    return CallFailed(
        f"the environment variable {variable} is not set; it has to hold the key for {base_url}", "bad-key", status=401
    )


def make(name: str, config: Mapping[str, Any]) -> Model:
    """The model of that name. Connects to nothing; raises `BadInput` for a bad config."""
    checked = read_config(OpenAIConfig, name, config)
    base_url = base_url_for(checked, name, "OPENAI_BASE_URL", DEFAULT_URL)
    local = is_local(base_url)
    # A local server gets no key that was meant for someone else, unless the config says so.
    variable = checked.api_key_env or (KEY_VARIABLE if not local else "")
    client = OpenAIClient(checked, base_url, variable, needs_key=bool(variable))
    key = client.secret.fingerprint() if client.secret else ""
    limit = shared_limit(base_url, key, *concurrency_of(checked, local))
    return EndpointModel(
        name, checked, client, limit, base_url=base_url, refusals=shared_refusals(base_url, checked.model)
    )
