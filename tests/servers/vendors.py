"""Every vendor's dialect in one server: a case says, in data, what its address answers.

The address of a case is `url_of(case, end)`; `odd` misbehaves as the case says, `good` behaves. OpenAI's chat and Responses
APIs and Anthropic's messages are told apart by the path. What a case may say stands in tests/conformance/README.md.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from tests.servers.replies import words_in
from tests.servers.roles import answer_to
from tests.servers.wire import Response, WireServer

Json = dict[str, Any]
THINKING = 'PONDERED\nAction: click[Buy Now]\nor a Strategy: lie? No. {"action_type": "leave", "argument": ""} Hm.'
"""The thinking of all models here: it holds drafts, and a word by which it is found where it has no place."""
_TOKEN = re.compile(r"\{(answer|model|thinking|key)\}|\{(date|ms|s)\+(\d+(?:\.\d+)?)\}")


class VendorServer(WireServer):
    """The server in a thread. `cases` may be changed while it serves."""

    def __init__(self) -> None:
        super().__init__(self._respond, keep=1)
        self.cases: dict[str, Mapping[str, Any]] = {}
        self.asked: dict[str, list[Json]] = defaultdict(list)
        """Case -> the bodies of the completions that its `odd` end was asked for."""
        self.sent: dict[str, list[dict[str, str]]] = defaultdict(list)
        """Case -> the headers that came with them, the path under `path`."""

    def url_of(self, case: str, end: str, base: str) -> str:
        """The address of one end of a case, for a model's `base_url`."""
        return f"{self.root}/c/{case}/{end}{base}"

    def _respond(self, method: str, path: str, headers: dict[str, str], body: Json) -> Response:
        _, _, name, end, rest = path.split("/", 4)
        case = self.cases.get(name, {})
        rest, _, query = rest.partition("?")
        if end != "odd":
            return good(rest, body, headers)
        if not f"/{rest}".startswith(case.get("only_under", "/")):
            return made(case["elsewhere"], rest, body, headers)
        if method == "GET":
            return made(case["models"], rest, body, headers) if "models" in case else _models(body, case)
        number = len(self.asked[name])
        self.asked[name].append(body)
        self.sent[name].append(headers | {"path": path, "query": query})
        return made(reply_of(case, number, body), rest, body, headers)


def reply_of(case: Mapping[str, Any], number: int, body: Json) -> Json:
    """What a case answers to its request of that number."""
    refused = [reply for name, reply in case.get("refuse", {}).items() if _has(body, name)]
    if refused:
        return refused[0]
    if number < len(case.get("first", [])):
        return case["first"][number]
    if "thinks" in case:
        return _thought_over(case["thinks"], body)
    return case.get("always", {})


def _has(body: Json, name: str) -> bool:
    key, _, value = name.partition("=")
    return key in body and (not value or str(body[key]) == value)


def _thought_over(thinks: Json, body: Json) -> Json:
    """A model that needs `tokens` before it answers; its thinking is in the answer (`tags`), cut off there (`open`), beside
    it (`field`) or only counted (`hidden`)."""
    given = next(body[name] for name in ("max_completion_tokens", "max_output_tokens", "max_tokens") if name in body)
    need, form = thinks["tokens"], thinks["form"]
    spent = min(given, need)
    details = {} if form == "tags" else {"completion_tokens_details": {"reasoning_tokens": spent}}
    usage = {"prompt_tokens": 50, "completion_tokens": min(given, need + 10)} | details
    if given <= need and form == "refused":
        said = "Could not finish the message because max_tokens or model output limit was reached."
        return {"status": 400, "body": {"error": {"message": said, "type": "invalid_request_error", "code": None}}}
    if given > need:
        inside = {"text": "<think>\n{thinking}\n</think>\n\n{answer}"} if form == "tags" else {}
        beside = {"message": {"reasoning_content": "{thinking}"}} if form == "field" else {}
        return {"usage": usage} | inside | beside
    cut = {"tags": "<think>\n{thinking}", "field": "", "hidden": ""}[form]
    beside = {"message": {"reasoning_content": "{thinking}"}} if form == "field" else {}
    return {"text": cut, "finish": "length", "usage": usage} | beside


def good(path: str, body: Json, headers: Mapping[str, str]) -> Response:
    """What a well-behaved endpoint answers."""
    return made({}, path, body, headers) if body else _models(body, {})


def _models(body: Json, case: Mapping[str, Any]) -> Response:
    names = [case.get("config", {}).get("model", "local")]
    return Response({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


def made(reply: Json, path: str, body: Json, headers: Mapping[str, str]) -> Response:
    """The response that a reply in a case stands for. `body`: sent as it is; else a completion in the path's protocol."""
    key = headers.get("authorization", headers.get("x-api-key", "")).removeprefix("Bearer ")
    values = {"answer": answer_to(body), "model": str(body.get("model")), "thinking": THINKING, "key": key}
    if "body" in reply:
        shape = _filled(reply["body"], values)
        raw = shape.encode() if isinstance(shape, str) else shape
    elif path.endswith("messages"):
        raw = _filled(_message(reply, body), values)
    elif path.endswith("responses"):
        raw = _filled(_responses(reply, body), values)
    else:
        raw = _filled(_completion(reply, body), values)
    return Response(raw, reply.get("status", 200), _filled(reply.get("headers", {}), values))


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _TOKEN.sub(lambda found: _value(found, values), value)
    if isinstance(value, dict):
        return {key: _filled(item, values) for key, item in value.items()}
    return [_filled(item, values) for item in value] if isinstance(value, list) else value


def _value(found: re.Match[str], values: Mapping[str, str]) -> str:
    if found[1]:
        return values[found[1]]
    then = time.time() + float(found[3]) * (0.001 if found[2] == "ms" else 1)
    return {"date": formatdate(then, usegmt=True), "ms": f"{then * 1000:.0f}", "s": f"{then:.0f}"}[found[2]]


def _usage(reply: Json, body: Json, names: tuple[str, str, str | None]) -> Any:
    if "usage" in reply:
        return reply["usage"]
    prompt, answer = words_in(body.get("messages") or []) or 20, 12
    total = {names[2]: prompt + answer} if names[2] else {}
    return {names[0]: prompt, names[1]: answer} | total


def _completion(reply: Json, body: Json) -> Json:
    message = {"role": "assistant", "content": reply.get("text", "{answer}")} | reply.get("message", {})
    choice = {"index": 0, "message": message, "finish_reason": reply.get("finish", "stop")} | reply.get("choice", {})
    usage = _usage(reply, body, ("prompt_tokens", "completion_tokens", "total_tokens"))
    plain = {"id": "chatcmpl-local", "object": "chat.completion", "created": 0, "model": "{model}"}
    return plain | {"choices": [choice], "usage": usage} | reply.get("more", {})


def _message(reply: Json, body: Json) -> Json:
    content = reply.get("content", [{"type": "text", "text": reply.get("text", "{answer}")}])
    usage = _usage(reply, body, ("input_tokens", "output_tokens", None))
    plain = {"id": "msg_local", "type": "message", "role": "assistant", "model": "{model}", "content": content}
    return plain | {"stop_reason": reply.get("finish", "end_turn"), "usage": usage} | reply.get("more", {})


def _responses(reply: Json, body: Json) -> Json:
    said = {"type": "output_text", "text": reply.get("text", "{answer}"), "annotations": []}
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [said]}
    usage = _usage(reply, body, ("input_tokens", "output_tokens", "total_tokens"))
    plain = {"id": "resp_local", "object": "response", "created_at": 0, "status": "completed", "model": "{model}"}
    rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "incomplete_details": None}
    return plain | rest | {"output": reply.get("output", [message]), "usage": usage} | reply.get("more", {})
