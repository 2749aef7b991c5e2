"""`reasoning_effort`: how much a model should think before it answers, in the words of whoever serves it.

Vendors have a scale of their own, a switch (`enable_thinking` of Qwen3's chat template), or nothing; where there is nothing,
or not this word, `check_effort` says so before a run begins.
"""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents.models.config import EndpointConfig
from agents.models.local.gguf import PACKAGED
from harness.base.errors import BadInput, nearest

WORDS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""OpenAI's scale (https://platform.openai.com/docs/guides/reasoning); others have a part of it."""
ANTHROPIC_WORDS = ("none", "low", "medium", "high", "xhigh", "max")
_SWITCHED = {"thinking": {"type": "disabled"}}, {"thinking": {"type": "enabled"}}
_SWITCH_HOSTS = ("deepseek.com", "z.ai", "bigmodel.cn", "moonshot.ai", "moonshot.cn", "volces.com")
"""Vendors with a switch in the body: `thinking: {type: disabled}`."""
_ENABLE_HOSTS = ("aliyuncs.com", "siliconflow.cn", "siliconflow.com")
"""Vendors with Qwen's switch in the body itself."""
_HYBRID = re.compile(
    r"qwen-?3|glm-?4\.[5-9]|deepseek-v3\.[1-9]|granite-3\.[2-9]|hunyuan|smollm3|exaone-?4|nemotron", re.I
)
"""Models whose chat template has a switch, as open servers (vLLM, SGLang, llama.cpp) serve them."""
_WITHOUT = re.compile(
    r"(^|/)(gpt-3|gpt-4|chatgpt-4|claude-(instant|2|3-(opus|sonnet|haiku|5)))|smollm2|qwen-?3.*(coder|instruct)", re.I
)
"""Models that do not think."""
_BUDGETED = re.compile(r"claude-(3-7|(opus|sonnet|haiku)-4(-[015])?(-?\d{8}|-latest)?$)")
"""Anthropic's models before `adaptive` thinking: they take a number of tokens."""
BUDGETS = {"low": 1024, "medium": 4096, "high": 8192, "xhigh": 16384, "max": 24576}
"""Thinking tokens for those."""


def check_effort(name: str, config: EndpointConfig, base_url: str | None, effort: str | None) -> None:
    """Raise `BadInput` where the effort has no meaning for a model, or none that its vendor knows."""
    if effort is None:
        return
    problem = _problem(config, base_url, effort)
    if problem:
        raise BadInput(f"model {name!r}: reasoning_effort {effort!r} {problem}")


def _problem(config: EndpointConfig, base_url: str | None, effort: str) -> str:
    words = ANTHROPIC_WORDS if config.provider == "anthropic" else WORDS
    if effort not in words:
        own = "" if config.provider == "transformers" else " A word of the endpoint's own goes under `extra_body`."
        return f"is not known; known: {', '.join(words)}.{nearest(effort, words)}{own}"
    if _WITHOUT.search(config.model):
        return f"has no meaning for {config.model}: it does not think before it answers. Leave it out."
    template = template_of(config.model) if config.provider in ("transformers", "vllm", "llamacpp") else None
    if template is not None and _switch_in(template) is None:
        return f"has no meaning for {config.model}: its chat template has no switch for thinking. Leave it out."
    return ""


def chat_effort(config: EndpointConfig, base_url: str, effort: str) -> dict[str, Any]:
    """Additions to a chat completion's body for an effort."""
    host, on = urlsplit(base_url).hostname or "", effort != "none"
    if config.provider in ("vllm", "llamacpp"):
        kwargs = template_kwargs(config.model, effort)
        # vLLM renders gpt-oss's prompts itself, without the template.
        return (
            kwargs if config.provider == "vllm" and "reasoning_effort" in kwargs else {"chat_template_kwargs": kwargs}
        )
    if _is_at(host, ("openrouter.ai",)):
        return {"reasoning": {"effort": effort}}
    if _is_at(host, _SWITCH_HOSTS):
        return dict(_SWITCHED[on])
    if _is_at(host, _ENABLE_HOSTS):
        return {"enable_thinking": on}
    if _is_at(host, ("groq.com",)) and "qwen" in config.model:
        return {"reasoning_effort": "default" if on else "none"}
    # A name with a colon (qwen3:8b) is Ollama's, which takes the effort itself.
    if _HYBRID.search(config.model) and ":" not in config.model:
        return {"chat_template_kwargs": template_kwargs(config.model, effort)}
    return {"reasoning_effort": effort}


def responses_effort(effort: str) -> dict[str, Any]:
    """Additions to a request of the Responses API for an effort."""
    return {"reasoning": {"effort": effort}}


def anthropic_effort(model: str, effort: str, max_tokens: int) -> dict[str, Any]:
    """Additions to a request of the messages API for an effort (https://platform.claude.com/docs/en/build-with-claude/effort).
    A budget comes on top of `max_tokens`, which is meant for the answer."""
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if _BUDGETED.search(model):
        budget = BUDGETS[effort]
        return {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": max_tokens + budget}
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


def template_kwargs(model: str, effort: str, template: str | None = None) -> dict[str, Any]:
    """The variables of a chat template that say it: by the template where it is known or lies on this machine, else by the
    model's name."""
    template = template_of(model) if template is None else template
    switch = _switch_in(template) if template else None
    if switch is None:
        name = model.lower()
        by_name = "thinking" if re.search("deepseek|granite|kimi", name) else "enable_thinking"
        switch = "reasoning_effort" if "gpt-oss" in name else by_name
    return {switch: effort if switch == "reasoning_effort" else effort != "none"}


def merged(body: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """The body with more keys; those that both have as mappings of options are put together, `more` winning."""
    found = {**body, **more}
    for key in ("chat_template_kwargs", "output_config", "reasoning"):
        if isinstance(body.get(key), Mapping) and isinstance(more.get(key), Mapping):
            found[key] = {**body[key], **more[key]}
    return found


def template_of(model: str) -> str | None:
    """The chat template of weights on this machine (a folder or a GGUF file); None where it does not lie here."""
    if model in PACKAGED:
        return ""
    path = Path(model).expanduser()
    try:
        if path.is_dir():
            return _template_in(path)
        return _template_in_gguf(path) if path.suffix == ".gguf" else None
    except (OSError, ValueError):
        return None


def _template_in(folder: Path) -> str | None:
    alone = folder / "chat_template.jinja"
    if alone.is_file():
        return alone.read_text(encoding="utf-8")
    template = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
    return json.dumps(template) if template else None


def _template_in_gguf(path: Path) -> str | None:
    """The text behind the key: a type of 4 bytes, a length of 8, the text."""
    key = b"tokenizer.chat_template"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(key, 0, 64 << 20)
        if at < 0:
            return None
        begin = at + len(key) + 12
        size = int.from_bytes(data[begin - 8 : begin], "little")
        return data[begin : begin + min(size, 1 << 20)].decode("utf-8", "replace")


def _switch_in(template: str) -> str | None:
    """The variable of a template that turns thinking on and off, or says how much of it."""
    for name in ("enable_thinking", "reasoning_effort"):
        if name in template:
            return name
    return "thinking" if re.search(r"\b(if|not|and|or|set) \(?thinking\b", template) else None


def _is_at(host: str, hosts: tuple[str, ...]) -> bool:
    return any(host == known or host.endswith(f".{known}") for known in hosts)
