"""A Python function in place of a model: for tests and baselines.

Token counts are whitespace words of the messages and of the answer: made up, but the same every time.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from agents.models.base import ChatReply, ChatRequest
from agents.models.config import ScriptedConfig
from agents.models.provider import Provider
from harness.base.errors import BadInput

MOVED = {"harness.judging.planted": "examples.planted_judges"}
"""Modules of functions under their former names, which experiments of earlier versions give."""
Script = Callable[[ChatRequest], "str | ChatReply | Awaitable[str | ChatReply]"]


class ScriptedModel(Provider):
    """Calls the function for every request. A function that raises `EpisodeError` ends the episode with it; any other
    exception is a fault of the script and goes through."""

    Options = ScriptedConfig

    def __init__(self, name: str, config: Mapping[str, Any] | ScriptedConfig, script: Script | None = None) -> None:
        """Read the config, and find its function where no `script` is given. Raises `BadInput`."""
        super().__init__(name, config)
        self._script = script or _find(name, self.config.function)

    async def answer(self, request: ChatRequest) -> str | ChatReply:
        """The function's answer."""
        answer = self._script(request)
        return await answer if inspect.isawaitable(answer) else answer

    def check_effort(self, effort: str | None) -> None:
        """Raise `BadInput` for a `reasoning_effort`: a function does not think."""
        if effort is not None:
            raise BadInput(
                f"model {self.name!r} is scripted: reasoning_effort {effort!r} has no meaning. Leave it out."
            )


def _find(name: str, target: str) -> Script:
    module, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(MOVED.get(module, module))
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
