"""A local server speaking the OpenAI chat protocol, with latency and faults.

In a test: `with OpenAIServer(faults=FaultPlan(rate=0.2, seed=1)) as server: ... server.url ...`
By hand:   `python -m tests.servers.openai_server --port 8001 --fault-rate 0.2 --seed 1`
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from tests.servers.replies import random_for, text_for, value_for, words_in
from tests.servers.wire import FAULT_KINDS, FaultPlan, Response, WireServer, serve_forever

Handler = Callable[[dict[str, Any]], "str | Response"]
"""Request body -> the assistant's text, or a whole response (to answer with a status, say)."""


def default_handler(body: dict[str, Any]) -> str:
    """Text by hash of the messages; where a JSON schema is asked for, a valid JSON text."""
    schema = schema_of(body)
    if schema is not None:
        return json.dumps(value_for(schema, random_for(body["messages"])))
    return text_for(body["messages"])


def schema_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema of a request's response_format, if it has one."""
    response_format = body.get("response_format") or {}
    return response_format.get("json_schema", {}).get("schema")


def completion(body: dict[str, Any], text: str, **extra: Any) -> dict[str, Any]:
    """The JSON of a chat completion that says `text`; token counts are whitespace words."""
    prompt, answer = words_in(body["messages"]), len(text.split())
    return {
        "id": "chatcmpl-local",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model", "local"),
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer},
    } | extra


class OpenAIServer(WireServer):
    """The server in a thread. `handler` makes the texts; `api_key`, when set, is demanded (else 401)."""

    def __init__(
        self,
        handler: Handler = default_handler,
        *,
        latency: float = 0.0,
        faults: FaultPlan | None = None,
        api_key: str | None = None,
        models: tuple[str, ...] = ("local",),
        port: int = 0,
        keep: int = 1000,
        spans: int = 0,
    ) -> None:
        super().__init__(
            self._respond,
            latency=latency,
            faults=faults,
            port=port,
            keep=keep,
            spans=spans,
            empty_body=lambda: {"choices": []},
        )
        self.handler = handler
        self.api_key = api_key
        self.models = models

    @property
    def url(self) -> str:
        """The base URL for clients, ending in /v1."""
        return f"{self.root}/v1"

    def _respond(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Response:
        if self.api_key is not None and headers.get("authorization") != f"Bearer {self.api_key}":
            sent = headers.get("authorization", "")
            # Real endpoints quote the key back; ours does too, so that tests see whether it is scrubbed.
            return error(401, f"Incorrect API key provided: {sent}", "invalid_api_key")
        if method == "GET" and path.rstrip("/").endswith("/models"):
            return Response({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        if method == "POST" and path.endswith("/chat/completions"):
            answer = self.handler(body)
            return answer if isinstance(answer, Response) else Response(completion(body, answer))
        return error(404, f"no such path: {path}", "not_found")


def error(status: int, message: str, code: str = "invalid_request_error", **headers: str) -> Response:
    """An error body as the OpenAI API writes it."""
    return Response({"error": {"message": message, "type": code, "code": code}}, status, headers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="0..1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(FAULT_KINDS), help="comma separated")
    parser.add_argument("--hang", type=float, default=30.0, help="seconds a hang or a slow drip lasts")
    parser.add_argument("--retry-after", type=float, default=0.05, help="seconds a 429 asks for")
    args = parser.parse_args()
    plan = FaultPlan(
        args.fault_rate,
        args.seed,
        args.kinds.split(","),
        retry_after_s=args.retry_after,
        hang_s=args.hang,
        drip_s=args.hang,
    )
    serve_forever(OpenAIServer(latency=args.latency, faults=plan, port=args.port, keep=1))


if __name__ == "__main__":
    main()
