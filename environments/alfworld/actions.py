"""How an actor writes a command, and how it is read: "Action: ..." after an optional "Thought: ..."."""

from __future__ import annotations

import re
from typing import Any

from environments.alfworld.engine.world import TextFormat
from environments.base import Action, ActionFormat, ParsedAnswer, Unreadable, View

_ACTION = re.compile(r"(?:^|(?<=[\s*]))action[ \t]*\d*[ \t]*:[ \t*]*\s*(?P<command>\S[^\n]*)", re.IGNORECASE)
_THOUGHT = re.compile(r"^\W*thought[ \t]*\d*[ \t]*:[ \t*]*", re.IGNORECASE)
_LABEL = re.compile(r"^\W*(?:thought|action)[ \t]*\d*[ \t]*:", re.IGNORECASE)
_MARKS = " \t`*"
_PUT = re.compile(r"put (?P<object>.+?) (?:in/on|in|on|into) (?P<receptacle>.+)")
_MOVE = re.compile(r"move (?P<object>.+?) to (?P<receptacle>.+)")

_COMMANDS = (
    "Commands: go to R; open R; close R; take O from R; {put}; clean O with R; heat O with R; cool O with R; use O; "
    "slice O with O; examine R; look; inventory. R is a receptacle and O an object, always with its number, for "
    "example: take mug 2 from desk 1."
)
_PLAIN = "Answer with one line and nothing else:\nAction: <command>"
_WITH_THOUGHT = "Answer with two lines and nothing else:\nThought: <one short sentence>\nAction: <command>"


def make_action_format(text: TextFormat, reasks: int) -> ActionFormat:
    """The format under a text format. An unreadable answer goes to the game as it is, which answers "Nothing
    happens." and counts the step, as the original does."""
    commands = _COMMANDS.format(put=f"{text.put_verb} O {text.put_preposition} R")
    return ActionFormat(
        instructions=f"{_PLAIN}\n{commands}",
        instructions_with_thought=f"{_WITH_THOUGHT}\n{commands}",
        parse=parse_answer,
        schema=_no_schema,
        reasks=reasks,
        unreadable="pass",
    )


def _no_schema(view: View, with_thought: bool) -> dict[str, Any] | None:
    return None


def parse_answer(text: str) -> ParsedAnswer:
    """The command of an answer: the first line after the first "Action:", or the whole answer when it is a single
    line without any label. Only white space and markdown marks around it are taken off; the words stay.
    Raises `Unreadable`."""
    found = _ACTION.search(text)
    if found:
        command = found["command"].strip(_MARKS)
        thought = _THOUGHT.sub("", text[: found.start()].strip()).strip(_MARKS + "\n") or None
        if command:
            return ParsedAnswer(Action(command), thought)
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if len(lines) == 1 and not found and not _LABEL.match(lines[0]):
        command = lines[0].removeprefix(">").strip(_MARKS)
        if command:
            return ParsedAnswer(Action(command))
    raise Unreadable('no line "Action: <command>" in the answer')


def in_other_format(command: str, text: TextFormat) -> str | None:
    """A command for putting something down in the other text format's words, translated into this one; None when it
    is none. The two formats differ in this one command (`put O in/on R`, `move O to R`)."""
    pattern = _PUT if text.put_verb == "move" else _MOVE
    found = pattern.fullmatch(command.strip())
    return f"{text.put_verb} {found['object']} {text.put_preposition} {found['receptacle']}" if found else None
