"""A local server speaking the Anthropic messages protocol, with latency and faults.

In a test: `with AnthropicServer() as server: ... server.url ...`
By hand:   `python -m tests.servers.anthropic_server --port 8002 --fault-rate 0.2 --seed 1`
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable
from typing import Any

from tests.servers.replies import random_for, text_for, value_for, words_in
from tests.servers.wire import FAULT_KINDS, FaultPlan, Response, WireServer, serve_forever

Handler = Callable[[dict[str, Any]], "str | Response"]


def default_handler(body: dict[str, Any]) -> str:
    """Text by hash of the messages; where a JSON schema is asked for, a valid JSON text."""
    wanted = body.get("output_config", {}).get("format", {}).get("schema")
    if wanted is not None:
        return json.dumps(value_for(wanted, random_for(body["messages"])))
    return text_for(body["messages"])


def message(body: dict[str, Any], text: str, **extra: Any) -> dict[str, Any]:
    """The JSON of a message that says `text`; token counts are whitespace words."""
    prompt = words_in(body["messages"]) + len(str(body.get("system", "")).split())
    return {
        "id": "msg_local",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "local"),
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": prompt,
            "output_tokens": len(text.split()),
            "cache_read_input_tokens": 0,
            "cache_creation_input_tokens": 0,
        },
    } | extra


def error(status: int, said: str, kind: str = "invalid_request_error", **headers: str) -> Response:
    """An error body as the Anthropic API writes it."""
    return Response({"type": "error", "error": {"type": kind, "message": said}}, status, headers)


class AnthropicServer(WireServer):
    """The server in a thread. It is strict about what the real endpoint refuses: turns that do not alternate
    or start with the assistant, empty texts, blank stop sequences, a missing version or max_tokens, and
    sampling parameters under API version 2026-10-21 or (`sampling=False`) under any."""

    def __init__(
        self,
        handler: Handler = default_handler,
        *,
        latency: float = 0.0,
        faults: FaultPlan | None = None,
        api_key: str | None = None,
        sampling: bool = True,
        port: int = 0,
        keep: int = 1000,
    ) -> None:
        super().__init__(
            self._respond,
            latency=latency,
            faults=faults,
            port=port,
            keep=keep,
            empty_body=lambda: {"type": "message", "content": [], "stop_reason": None},
        )
        self.handler = handler
        self.api_key = api_key
        self.sampling = sampling

    @property
    def url(self) -> str:
        """The base URL for clients (the library adds /v1)."""
        return self.root

    def _respond(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Response:
        given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        if self.api_key is not None and given != self.api_key:
            return error(401, f"invalid x-api-key: {given}", "authentication_error")
        if method == "GET" and path.startswith("/v1/models"):
            return Response({"data": [{"type": "model", "id": "local"}], "has_more": False})
        if method != "POST" or path != "/v1/messages":
            return error(404, f"no such path: {path}", "not_found_error")
        problem = self._problem(headers, body)
        if problem:
            return error(400, problem)
        answer = self.handler(body)
        return answer if isinstance(answer, Response) else Response(message(body, answer))

    def _problem(self, headers: dict[str, str], body: dict[str, Any]) -> str | None:
        version = headers.get("anthropic-version")
        if version is None:
            return "anthropic-version: header is required"
        for name in ("temperature", "top_p", "top_k"):
            if name in body and version >= "2026-10-21":
                return f"{name}: Extra inputs are not permitted"
            if name in body and not self.sampling:
                return f"`{name}` is deprecated for this model."
        if not isinstance(body.get("max_tokens"), int):
            return "max_tokens: Field required"
        if any(not stop.strip() for stop in body.get("stop_sequences", [])):
            return "stop_sequences: each stop sequence must contain non-whitespace"
        unknown = set(body) - _KNOWN
        if unknown:
            return f"{sorted(unknown)[0]}: Extra inputs are not permitted"
        return _turns_problem(body["messages"])


_KNOWN = {"model", "max_tokens", "messages", "system", "temperature", "top_p", "stop_sequences", "output_config"} | {
    "thinking",
    "metadata",
}


def _turns_problem(turns: list[dict[str, Any]]) -> str | None:
    if not turns or turns[0]["role"] != "user":
        return "messages: first message must use the user role"
    for before, after in itertools.pairwise(turns):
        if before["role"] == after["role"]:
            return "messages: roles must alternate"
    if any(turn["role"] not in ("user", "assistant") for turn in turns):
        return "messages: unexpected role"
    if any(not turn["content"].strip() for turn in turns):
        return "messages: text content blocks must be non-empty"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="0..1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(FAULT_KINDS), help="comma separated")
    args = parser.parse_args()
    plan = FaultPlan(args.fault_rate, args.seed, args.kinds.split(","))
    serve_forever(AnthropicServer(latency=args.latency, faults=plan, port=args.port, keep=1))


if __name__ == "__main__":
    main()
