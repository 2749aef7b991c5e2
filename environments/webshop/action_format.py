"""Form in which an actor writes an action ("Action: …", with the thought before it where the answer has to begin with one),
and how it is read.

The paper's wrapper takes everything after the first "Action: " and answers "Invalid format" where there is none, at the price
of a step; it never asks again (`exact`). Leniently, what stands around the action is taken off first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from environments.base import Action, ActionFormat, ParsedAnswer, Unreadable, View
from harness.reading import version_0_1 as reading_0_1
from harness.reading.answers import read_command
from harness.reading.parsing import EXACT, LENIENT, VERSION_0_1

COMMAND = "command"
"""The kind of an action that was read from an answer: it goes to the shop whatever it says."""
ANSWER = "answer"
"""The kind of a whole answer in which the original's wrapper found no action: never done, whatever it says."""

INSTRUCTIONS = """Answer with one line:
Action: <your action>"""

INSTRUCTIONS_WITH_THOUGHT = """Answer with two lines:
Thought: <one or two sentences: what to do now, and why>
Action: <your action>"""

_EXPECTED = 'expected a line that begins with "Action:", then search[…] or click[…]'
_NAME = re.compile(
    r"(?:(?:i will|i'll|i’ll|let me|let's|let’s|please|now|then|first)[ ,]{1,3})*(search|click)[*_`]{0,3}[ \t]{0,3}\\?\[",
    re.IGNORECASE,
)
_ORIGINAL = re.compile(r"Action: (.*)", re.DOTALL)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`"}


def grammar(line: str, marked: bool) -> str | None:
    """`search[words]` or `click[button]` at the beginning of a line; words may follow it where a mark stood before it."""
    found = _NAME.match(line) if marked else _NAME.fullmatch(line[: line.find("[") + 1])
    end = _closing(line, found.end()) if found else None
    if found is None or end is None:
        return None
    behind = line[end + 1 :].lstrip(" \t*_`\"'”’)")
    if behind.startswith(("?", "or ", "/")) or (not marked and behind.strip(".!;,")):
        return None
    return f"{found[1].lower()}[{_argument(line[found.end() : end])}]"


def _closing(line: str, start: int) -> int | None:
    """Position of the bracket that closes the one opened before `start`; None if there is none."""
    depth = 1
    for place in range(start, len(line)):
        depth += {"[": 1, "]": -1}.get(line[place], 0)
        if depth == 0:
            return place
    return None


def _argument(text: str) -> str:
    """The argument without blanks and quotes around it."""
    text = text.removesuffix("\\").strip()
    while len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and not {text[0], text[-1]} & set(text[1:-1]):
        text = text[1:-1].strip()
    return text


def parse_answer(answer: str) -> ParsedAnswer:
    """The action of an answer, whatever stands around it, and the thought before it. Raises `Unreadable`."""
    found = read_command(answer, grammar)
    if found is None:
        raise Unreadable(_EXPECTED)
    return ParsedAnswer(Action(found.text, COMMAND), found.thought, _mended(answer, found.text), found.kept)


def _mended(answer: str, command: str) -> bool:
    earlier = reading_0_1.webshop(answer)
    return earlier is None or earlier[0] != command


def parse_exactly(answer: str) -> ParsedAnswer:
    """The action as the paper's wrapper reads it: all that stands behind the first "Action: ". Raises `Unreadable`."""
    found = _ORIGINAL.search(answer.strip())
    if found is None:
        raise Unreadable(_EXPECTED)
    return ParsedAnswer(Action(found.group(1), COMMAND), reading_0_1.thought_before_action(answer))


def parse_as_before(answer: str) -> ParsedAnswer:
    """The action as version 0.1 read it. Raises `Unreadable`."""
    found = reading_0_1.webshop(answer)
    if found is None:
        raise Unreadable(_EXPECTED)
    return ParsedAnswer(Action(found[0], COMMAND), found[1])


def no_schema(view: View, with_thought: bool) -> dict[str, Any] | None:
    """Answers are plain text."""
    return None


_READERS: dict[str, tuple[Callable[[str], ParsedAnswer], Literal["pass", "skip"], str]] = {
    LENIENT: (parse_answer, "skip", "act"),
    EXACT: (parse_exactly, "pass", ANSWER),
    VERSION_0_1: (parse_as_before, "pass", "act"),
}


def make_action_format(parsing: str, reasks: int) -> ActionFormat:
    """The format under a reader; unreadable answers are asked for again `reasks` times, then cost a step."""
    parse, unreadable, passes_as = _READERS[parsing]
    return ActionFormat(
        instructions=INSTRUCTIONS,
        instructions_with_thought=INSTRUCTIONS_WITH_THOUGHT,
        parse=parse,
        schema=no_schema,
        reasks=reasks,
        unreadable=unreadable,
        passes_as=passes_as,
        parsing=parsing,
    )
