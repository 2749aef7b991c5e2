"""A Python function in place of a model: for tests and baselines.

Token counts are whitespace words of the messages and of the answer: made up, but the same every time.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agents.models.base import ChatReply, ChatRequest, Model
from agents.models.config import ScriptedConfig, read_config
from agents.models.prices import price_of
from agents.models.replies.reply import separated
from harness.base.errors import BadInput, EpisodeError

Script = Callable[[ChatRequest], "str | ChatReply | Awaitable[str | ChatReply]"]


class ScriptedModel:
    """Calls the function for every request. A text that it returns is read like a model's, reasoning apart; a `ChatReply` is
    taken as it is. A function that raises `EpisodeError` ends the episode with it; any
    other exception is a fault of the script and goes through."""

    provider = "scripted"
    base_url: str | None = None

    def __init__(self, name: str, config: ScriptedConfig, script: Script) -> None:
        self.name = name
        self.model = config.model
        self.revision = config.revision
        self.options: Mapping[str, Any] = {"function": config.function, "max_tokens": config.max_tokens}
        self._script = script
        self.reasoning = config.reasoning
        self._price = price_of(config.provider, config.model, config.price)

    async def complete(self, request: ChatRequest) -> ChatReply:
        answer = self._script(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, ChatReply):
            return answer
        if not isinstance(answer, str):
            raise EpisodeError(
                "model",
                f"the script of model {self.name!r} returned {type(answer).__name__}, not a str or a ChatReply",
            )
        prompt = sum(len(message.content.split()) for message in request.messages)
        completion = len(answer.split())
        text, reasoning = separated(answer, self.reasoning)
        return ChatReply(
            text=text,
            reasoning=reasoning,
            model=self.model,
            finish_reason="stop",
            prompt_tokens=prompt,
            completion_tokens=completion,
            usd=self._price.usd(prompt, 0, completion) if self._price else None,
            structured="native" if request.schema is not None else None,
        )

    def check_effort(self, effort: str | None) -> None:
        """Raise `BadInput` for a `reasoning_effort`: a function does not think."""
        if effort is not None:
            raise BadInput(
                f"model {self.name!r} is scripted: reasoning_effort {effort!r} has no meaning. Leave it out."
            )

    async def close(self) -> None:
        """Nothing to close."""


def make(name: str, config: Mapping[str, Any]) -> Model:
    """The scripted model of that name. Raises `BadInput` when the function cannot be imported."""
    checked = read_config(ScriptedConfig, name, config)
    return ScriptedModel(name, checked, _find(name, checked.function))


def _find(name: str, target: str) -> Script:
    module, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise BadInput(
            f"model {name!r}: function {target!r} cannot be imported: {error}. "
            "PYTHONPATH has to name the folder that its module lies in."
        ) from error
    if not callable(found):
        raise BadInput(f"model {name!r}: {target!r} is a {type(found).__name__}, not a function of a ChatRequest.")
    script: Script = found
    return script
