"""Lines that a person types in each environment, and the answers that an agent would have written for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agents.models.base import ChatRequest
from environments.alfworld.actions import parse_answer as alfworld_command
from environments.base import Unreadable
from environments.sotopia.rules import LEAVE, NONE, SPEAK
from environments.webshop.action_format import parse_answer as webshop_action


@dataclass(frozen=True, slots=True)
class Writing:
    """The way a person writes in one environment."""

    hint: str
    """Tells a person how to write, at the beginning and where a line cannot be read."""
    answer: Callable[[str, ChatRequest], str]
    """(line, what was asked) -> the answer; raises `Unreadable` with what was expected."""


def _alfworld(line: str, request: ChatRequest) -> str:
    answer = line if line.lower().startswith(("action:", "thought:", "{")) else f"Action: {line}"
    command = alfworld_command(answer).action.text
    return answer if request.schema is None else json.dumps({"command": command}, ensure_ascii=False)


def _webshop(line: str, request: ChatRequest) -> str:
    buttons = {action.removeprefix("click[").removesuffix("]"): action for action in request.available}
    word, _, rest = line.partition(" ")
    if line.lower() in buttons:
        line = buttons[line.lower()]
    elif word.lower() in ("search", "click") and rest.strip() and "[" not in word:
        line = f"{word.lower()}[{rest.strip()}]"
    answer = line if line.lower().startswith(("action:", "thought:")) else f"Action: {line}"
    webshop_action(answer)
    return answer


_DEEDS: Mapping[str, str] = {
    "/do": "action",
    "/show": "non-verbal communication",
    "/leave": LEAVE,
    "/none": NONE,
}


def _sotopia(line: str, request: ChatRequest) -> str:
    word, _, rest = line.partition(" ")
    kind = _DEEDS.get(word.lower(), SPEAK)
    text = rest.strip() if kind != SPEAK else line
    if word.startswith("/") and kind == SPEAK:
        raise Unreadable(f"{word} is no command")
    if kind not in request.available:
        raise Unreadable(f"{kind} is not possible now; possible: {', '.join(request.available)}")
    if kind not in (LEAVE, NONE) and not text:
        raise Unreadable(f"{word} needs a text behind it")
    return json.dumps({"action_type": kind, "argument": "" if kind in (LEAVE, NONE) else text}, ensure_ascii=False)


def _as_typed(line: str, request: ChatRequest) -> str:
    return line


WRITINGS: Mapping[str, Writing] = {
    "alfworld": Writing("Type a command of the game, for example: go to shelf 1", _alfworld),
    "webshop": Writing("Type the text of a button or a product's number to click it, or: search red shoes", _webshop),
    "sotopia": Writing(
        "Type what you say. /do TEXT: do something; /show TEXT: a look or a gesture; /none: stay silent; /leave: leave",
        _sotopia,
    ),
}
AS_TYPED = Writing("Type the answer as an agent would write it.", _as_typed)
"""The way of an environment that is not among `WRITINGS`: nothing is added."""
