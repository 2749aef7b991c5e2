"""Servers that speak OpenAI's chat protocol as Ollama and vLLM do: their lists of models, fields beside the answer, errors, and
what answers at an address that lacks `/v1`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from tests.servers.openai_server import Handler, completion, default_handler
from tests.servers.wire import Response, WireServer

THINKING = "Action: click[back to search]\nor maybe Strategy: buy nothing? No."
"""Reasoning beside an answer; it holds drafts that are no answer."""


class LocalLLM(WireServer, ABC):
    """The server in a thread. `models`: name -> what its weights are told by; `usage`: False leaves token counts out."""

    def __init__(self, handler: Handler = default_handler, models: dict[str, str] | None = None, key: str = "") -> None:
        super().__init__(self._respond)
        self.handler, self.key, self.usage = handler, key, True
        self.models = {"base": "b", "trained": "t"} if models is None else models

    @property
    def url(self) -> str:
        """The address for clients, ending in /v1."""
        return f"{self.root}/v1"

    def _respond(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Response:
        if path.startswith("/v1/") and self.key and headers.get("authorization") != f"Bearer {self.key}":
            return self.no_key()
        if path == "/v1/models":
            return Response({"object": "list", "data": [self.listed(name) for name in self.models]})
        if path == "/v1/chat/completions":
            return self.answered(body) if body["model"] in self.known else self.no_model(body["model"])
        return self.elsewhere(path)

    def answered(self, body: dict[str, Any]) -> Response:
        """A chat completion with this server's fields around it."""
        answer = self.handler(body)
        if isinstance(answer, Response):
            return answer
        made = completion(body, answer)
        made["choices"][0]["message"] |= self.message_fields
        made |= self.fields
        return Response(made if self.usage else {**made, "usage": None})

    known: Any
    """Names by which a model may be asked."""
    fields: dict[str, Any]
    message_fields: dict[str, Any]

    @abstractmethod
    def listed(self, name: str) -> dict[str, Any]:
        """The entry of a model in the list of models."""

    def no_key(self) -> Response:
        return Response({"error": "Unauthorized"}, 401)

    @abstractmethod
    def no_model(self, name: str) -> Response:
        """The answer to a request for an unknown model."""

    @abstractmethod
    def elsewhere(self, path: str) -> Response:
        """The answer at any other path."""


class Ollama(LocalLLM):
    """Ollama: names have a tag, which a request may leave out."""

    fields = {"system_fingerprint": "fp_ollama"}
    message_fields = {"reasoning": THINKING}

    @property
    def known(self) -> set[str]:
        return {*self.models, *(name.removesuffix(":latest") for name in self.models)}

    def listed(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 1_730_000_000, "owned_by": "library"}

    def no_model(self, name: str) -> Response:
        said = f'model "{name}" not found, try pulling it first'
        return Response({"error": {"message": said, "type": "not_found_error", "param": None, "code": None}}, 404)

    def elsewhere(self, path: str) -> Response:
        if path == "/":
            return Response(b"Ollama is running", 200, {"content-type": "text/plain; charset=utf-8"})
        if path == "/api/tags":
            listed = [{"name": name, "model": name, "digest": told} for name, told in self.models.items()]
            return Response({"models": listed})
        return Response(b"404 page not found", 404, {"content-type": "text/plain"})


class Vllm(LocalLLM):
    """vLLM: a key is wanted below /v1 only; `root` is the folder of the weights, or of an adapter whose base is `parent`."""

    fields = {"service_tier": None, "system_fingerprint": None, "prompt_logprobs": None, "kv_transfer_params": None}
    message_fields = {"refusal": None, "annotations": None, "audio": None, "function_call": None, "tool_calls": []}
    message_fields |= {"reasoning_content": THINKING}

    @property
    def known(self) -> dict[str, str]:
        return self.models

    def listed(self, name: str) -> dict[str, Any]:
        served = {"id": name, "object": "model", "created": sum(self.counts.values()), "owned_by": "vllm"}
        adapter = {"root": self.models[name], "parent": None if name == "base" else "base"}
        return {**served, **adapter, "max_model_len": 4096, "permission": []}

    def no_model(self, name: str) -> Response:
        said = {"message": f"The model `{name}` does not exist.", "type": "NotFoundError", "param": "model"}
        return Response({"error": {**said, "code": 404}}, 404)

    def elsewhere(self, path: str) -> Response:
        return Response({"detail": "Not Found"}, 404)
