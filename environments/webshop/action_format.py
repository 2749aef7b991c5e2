"""How an actor writes an action: "Action: …", with the thought before it where the answer has to begin with one.

The paper's wrapper takes everything after the first "Action:" and answers "Invalid format" where there is none, at
the price of a step; it never asks again. An answer that is nothing but an action is read as one.
"""

from __future__ import annotations

import re

from environments.base import Action, ActionFormat, ParsedAnswer, Unreadable, View

COMMAND = "command"
"""The kind of an action that was read from an answer: it goes to the shop whatever it says."""

INSTRUCTIONS = """Answer with one line:
Action: <your action>"""

INSTRUCTIONS_WITH_THOUGHT = """Answer with two lines:
Thought: <one or two sentences: what to do now, and why>
Action: <your action>"""

_ACTION = re.compile(r"Action:(.*)", re.DOTALL)
_THOUGHT = re.compile(r"Thought:(.*?)(?=Action:|\Z)", re.DOTALL)
_BARE = re.compile(r"(?:search|click)\[[^\n]+\]")


def parse_answer(answer: str) -> ParsedAnswer:
    """The action after the first "Action:", and the thought if there is one. Raises `Unreadable`."""
    found = _ACTION.search(answer)
    thought = _THOUGHT.search(answer)
    said = thought.group(1).strip() if thought else None
    if found is not None:
        return ParsedAnswer(Action(found.group(1).strip(), COMMAND), said or None)
    if _BARE.fullmatch(answer.strip()):
        return ParsedAnswer(Action(answer.strip(), COMMAND), None)
    raise Unreadable('expected a line that begins with "Action:", then search[…] or click[…]')


def no_schema(view: View, with_thought: bool) -> None:
    """Answers are plain text."""
    return None


ACTION_FORMAT = ActionFormat(
    instructions=INSTRUCTIONS,
    instructions_with_thought=INSTRUCTIONS_WITH_THOUGHT,
    parse=parse_answer,
    schema=no_schema,
    reasks=0,
    unreadable="pass",
)
