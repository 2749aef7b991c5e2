"""The server of vendors' dialects: what a case says is what its address answers, in the protocol of the path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.servers.roles import ADVICE
from tests.servers.vendors import THINKING, VendorServer

ASKED = "Answer with one line:\nStrategy: <the strategy>"


def ask(server: VendorServer, case: Mapping[str, Any], path: str, **body: Any) -> tuple[Any, Mapping[str, str]]:
    server.cases["a"] = case
    whole = {"model": "m", "messages": [{"role": "user", "content": ASKED}]} | body
    request = Request(server.url_of("a", "odd", path), json.dumps(whole).encode(), {"authorization": "Bearer k"})
    with urlopen(request, timeout=120) as reply:
        return json.load(reply), dict(reply.headers)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/v1/chat/completions", lambda reply: reply["choices"][0]["message"]["content"]),
        ("/v1/messages", lambda reply: reply["content"][0]["text"]),
        ("/v1/responses", lambda reply: reply["output"][0]["content"][0]["text"]),
    ],
)
def test_the_path_says_which_protocol_is_spoken(path: str, text: Any) -> None:
    with VendorServer() as server:
        reply, _ = ask(server, {}, path)
        asked, _ = ask(server, {}, path, messages=None, input=ASKED) if path.endswith("responses") else (reply, None)
    assert text(reply) == text(asked) == f"Strategy: {ADVICE}"
    assert reply["model"] == "m"


def test_answers_come_in_their_order_and_templates_are_filled_in() -> None:
    case = {
        "first": [{"status": 429, "body": {"said": "{key}"}, "headers": {"x-reset": "{ms+0}"}}],
        "always": {"text": "<think>{thinking}</think>{answer}", "usage": None},
    }
    with VendorServer() as server:
        with pytest.raises(HTTPError) as caught:
            ask(server, case, "/v1/chat/completions")
        reply, _ = ask(server, case, "/v1/chat/completions")
    assert json.loads(caught.value.read()) == {"said": "k"}
    assert len(caught.value.headers["x-reset"]) == 13
    assert reply["choices"][0]["message"]["content"] == f"<think>{THINKING}</think>Strategy: {ADVICE}"
    assert reply["usage"] is None


def test_a_parameter_is_refused_only_while_it_is_sent() -> None:
    case = {"refuse": {"temperature=0.5": {"body": {"refused": True}}}}
    with VendorServer() as server:
        assert ask(server, case, "/v1/chat/completions", temperature=0.5)[0] == {"refused": True}
        assert "choices" in ask(server, case, "/v1/chat/completions", temperature=0.7)[0]


@pytest.mark.parametrize("form", ["tags", "field", "hidden"])
def test_a_model_that_thinks_answers_only_with_room(form: str) -> None:
    case = {"thinks": {"tokens": 900, "form": form}}
    with VendorServer() as server:
        cut, _ = ask(server, case, "/v1/chat/completions", max_tokens=256)
        whole, _ = ask(server, case, "/v1/chat/completions", max_completion_tokens=2048)
    assert cut["choices"][0]["finish_reason"] == "length"
    assert ADVICE not in cut["choices"][0]["message"]["content"]
    assert cut["usage"]["completion_tokens"] == 256
    assert whole["choices"][0]["message"]["content"].endswith(ADVICE)
