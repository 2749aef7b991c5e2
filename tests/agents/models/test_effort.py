"""`reasoning_effort` in each vendor's words, and where it has no meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.models import check_effort, make_model
from agents.models.config import AnthropicConfig, LlamaCppConfig, OpenAIConfig, VllmConfig
from agents.models.effort import anthropic_effort, chat_effort, template_of
from harness.base.errors import BadInput
from tests.agents.models.conftest import ask, complete
from tests.servers.anthropic_server import AnthropicServer
from tests.servers.openai_server import OpenAIServer

LOCAL = "http://127.0.0.1:8000/v1"
QWEN = "{%- if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>{% endif %}"


@pytest.mark.parametrize(
    ("model", "url", "effort", "sent"),
    [
        ("gpt-5.2", "https://api.openai.com/v1", "low", {"reasoning_effort": "low"}),
        ("some-model", LOCAL, "high", {"reasoning_effort": "high"}),
        ("Qwen/Qwen3-8B", LOCAL, "none", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("qwen3.5-4b", LOCAL, "medium", {"chat_template_kwargs": {"enable_thinking": True}}),
        ("deepseek-ai/DeepSeek-V3.1", LOCAL, "none", {"chat_template_kwargs": {"thinking": False}}),
        ("qwen3:8b", "http://127.0.0.1:11434/v1", "none", {"reasoning_effort": "none"}),
        ("qwen/qwen3-8b", "https://openrouter.ai/api/v1", "low", {"reasoning": {"effort": "low"}}),
        ("qwen3-max", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "none", {"enable_thinking": False}),
        ("deepseek-chat", "https://api.deepseek.com/v1", "high", {"thinking": {"type": "enabled"}}),
    ],
)
def test_an_openai_compatible_endpoint_gets_it_in_its_own_words(
    model: str, url: str, effort: str, sent: dict[str, Any]
) -> None:
    assert chat_effort(OpenAIConfig(model=model, base_url=url), url, effort) == sent


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        (VllmConfig(model="Qwen/Qwen3-8B"), {"chat_template_kwargs": {"enable_thinking": False}}),
        (VllmConfig(model="openai/gpt-oss-20b"), {"reasoning_effort": "none"}),
        (LlamaCppConfig(model="qwen3.gguf"), {"chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
def test_servers_of_ours_get_it_for_the_chat_template(config: Any, sent: dict[str, Any]) -> None:
    assert chat_effort(config, LOCAL, "none") == sent


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("claude-opus-4-8", "high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("claude-sonnet-5", "none", {"thinking": {"type": "disabled"}}),
        (
            "claude-haiku-4-5-20251001",
            "low",
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 1280},
        ),
    ],
)
def test_anthropic_gets_an_effort_or_for_older_models_a_budget(model: str, effort: str, sent: dict[str, Any]) -> None:
    assert anthropic_effort(model, effort, 256) == sent


def test_the_role_wins_over_the_model_and_both_reach_the_endpoint() -> None:
    with OpenAIServer() as server:
        config = {"provider": "openai", "model": "local", "base_url": server.url, "reasoning_effort": "low"}
        complete(config, ask(), ask("b", reasoning_effort="high"))
        assert [body["reasoning_effort"] for body in server.requests] == ["low", "high"]


def test_anthropic_keeps_the_schema_beside_the_effort() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    with AnthropicServer() as server:
        config = {"provider": "anthropic", "model": "local", "base_url": server.url, "reasoning_effort": "low"}
        complete(config, ask(schema=schema))
        sent = server.requests[0]
    assert sent["output_config"]["effort"] == "low" and "format" in sent["output_config"]
    assert sent["thinking"] == {"type": "adaptive"}


def test_options_for_the_chat_template_in_extra_body_stand_beside_it() -> None:
    with OpenAIServer() as server:
        extra = {"chat_template_kwargs": {"preserve_thinking": True}}
        config = {"provider": "openai", "model": "qwen3", "base_url": server.url, "extra_body": extra}
        complete(config, ask(reasoning_effort="none"))
        assert server.requests[0]["chat_template_kwargs"] == {"enable_thinking": False, "preserve_thinking": True}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"provider": "openai", "model": "gpt-5", "reasoning_effort": "hgih"}, "known: none, minimal.*'high'"),
        ({"provider": "openai", "model": "gpt-4o-mini", "reasoning_effort": "low"}, "does not think"),
        ({"provider": "anthropic", "model": "claude-opus-5", "reasoning_effort": "minimal"}, "known: none, low"),
        ({"provider": "anthropic", "model": "claude-3-5-haiku-latest", "reasoning_effort": "low"}, "does not think"),
        ({"provider": "llamacpp", "reasoning_effort": "none"}, "does not think"),
        (
            {"provider": "scripted", "function": "tests.agents.models.test_scripted:shout", "reasoning_effort": "low"},
            "no meaning",
        ),
    ],
)
def test_where_it_has_no_meaning_the_config_is_refused_with_a_reason(config: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        make_model("m", config)
    asked = config.pop("reasoning_effort")
    with pytest.raises(BadInput, match=said):
        check_effort(make_model("m", config), asked)


def test_a_chat_template_without_a_switch_is_found_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    template = tmp_path / "chat_template.jinja"
    config = {"provider": "transformers", "model": str(tmp_path), "reasoning_effort": "none"}
    template.write_text("{{ messages }}")
    with pytest.raises(BadInput, match="no switch for thinking"):
        make_model("m", config)
    template.write_text(QWEN)
    make_model("m", config)
    template.unlink()
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": QWEN}))
    make_model("m", config)


def test_a_chat_template_is_found_in_a_gguf_file(tmp_path: Path) -> None:
    key, text = b"tokenizer.chat_template", QWEN.encode()
    size = (8).to_bytes(4, "little") + len(text).to_bytes(8, "little")
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + bytes(90) + key + size + text + bytes(50))
    assert template_of(str(path)) == QWEN


def test_an_effort_that_is_not_set_changes_neither_the_body_nor_the_record_key() -> None:
    with OpenAIServer() as server:
        complete({"provider": "openai", "model": "qwen3", "base_url": server.url}, ask())
        assert not {"reasoning_effort", "chat_template_kwargs"} & server.requests[0].keys()
    assert "reasoning_effort" not in make_model("m", {"provider": "openai", "model": "x"}).options  # type: ignore[attr-defined]
    assert AnthropicConfig(model="claude-opus-5").reasoning_effort is None
