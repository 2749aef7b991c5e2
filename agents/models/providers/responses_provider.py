"""OpenAI's Responses API, through the official library: `api: responses` in a model's config.

Nothing is stored at the vendor (`store: false`), and every request carries the whole conversation. This API has no seed and
no stop sequences; the answer is cut at them here. Summaries of reasoning are not asked for: the vendor gives them only to
organisations that it has verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agents.models.base import ChatRequest
from agents.models.client import Answer
from agents.models.effort import merged, responses_effort
from agents.models.errors.failures import broken_answer
from agents.models.errors.refusals import RequestMode, extra_of
from agents.models.providers.openai_provider import OpenAIClient
from agents.models.replies.reply import content_of, finish_of, joined, text_of
from agents.models.replies.structured import is_strict
from agents.models.replies.told import broken_off, told_error
from agents.models.replies.usage import usage_of
from agents.models.transport import Hidden


class ResponsesClient(OpenAIClient):
    """Speaks `POST /responses` (https://platform.openai.com/docs/api-reference/responses)."""

    never: frozenset[str] = frozenset({"seed", "stop", "logprobs"})
    token_limits = 1

    async def send(self, request: ChatRequest, mode: RequestMode) -> Answer:
        got = await self._exchange("post", "/responses", body=self.payload(request, mode))
        return read_response(got, self.hidden)

    def payload(self, request: ChatRequest, mode: RequestMode) -> dict[str, Any]:
        """The JSON body of a request."""
        turns = list(request.messages)
        instructions: list[str] = []
        while len(turns) > 1 and turns[0].role == "system":
            instructions.append(turns.pop(0).content)
        body: dict[str, Any] = {
            "model": self.config.model,
            "input": [{"role": turn.role, "content": turn.content} for turn in turns],
            "max_output_tokens": request.max_tokens,
            "store": False,
        }
        if instructions:
            body["instructions"] = "\n\n".join(instructions)
        optional = {"temperature": request.temperature, "top_p": request.top_p}
        body |= {name: value for name, value in optional.items() if value is not None and name not in mode.without}
        if request.reasoning_effort is not None and "reasoning_effort" not in mode.without:
            body |= responses_effort(request.reasoning_effort)
        if mode.schema == "native" and request.schema is not None:
            described = {"name": "answer", "schema": dict(request.schema), "strict": is_strict(request.schema)}
            body["text"] = {"format": {"type": "json_schema", **described}}
        return merged(merged(body, extra_of(self.config, mode)), mode.added)


def read_response(got: Any, secret: Hidden) -> Answer:
    """The answer in a response's JSON. Raises `CallFailed` when it is not one."""
    if not isinstance(got, dict):
        raise broken_answer(f"a JSON {type(got).__name__} instead of an object")
    if got.get("error") or got.get("status") in ("failed", "cancelled"):
        raise broken_off(got.get("error") or f"the response's status is {got['status']}", secret)
    if not isinstance(got.get("output"), list):
        raise told_error(got, secret) or broken_answer("no output")
    contents = [content_of(item.get("content")) for item in _items(got, "message")]
    texts = [content for content in contents if content is not None]
    refused = " ".join(content.refusal for content in texts if content.refusal)
    text = "".join(content.text for content in texts)
    usage = usage_of(got.get("usage"))
    return Answer(
        text=text,
        model=str(got.get("model") or ""),
        finish_reason="refusal" if refused and not text.strip() else _finish_of(got),
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        cached_tokens=usage.cached,
        reasoning_tokens=usage.reasoning,
        usd=usage.usd,
        reasoning=joined([*(_thought_in(item) for item in _items(got, "reasoning")), *(c.reasoning for c in texts)]),
        refusal="" if text.strip() else refused,
    )


def _items(got: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    return (item for item in got["output"] if isinstance(item, dict) and item.get("type") == kind)


def _thought_in(item: Mapping[str, Any]) -> str:
    return text_of(item.get("content")) or text_of(item.get("summary"))


def _finish_of(got: Mapping[str, Any]) -> str:
    if got.get("status") != "incomplete":
        return finish_of(got.get("status"))
    details = got.get("incomplete_details")
    return finish_of(details.get("reason") if isinstance(details, dict) else None)
