"""How an actor writes a command, and how it is read: "Action: ..." after an optional "Thought: ...", or, where it only
chooses, a JSON object that is held to the possible commands."""

from __future__ import annotations

import json
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


def make_choice_format(reasks: int) -> ActionFormat:
    """The actor chooses among the possible commands: structured output lets nothing else through. What a model without
    structured output writes instead is read as in the free format."""
    answer = "Answer with one of the possible commands, as JSON"
    return ActionFormat(
        instructions=f'{answer}: {{"command": "..."}}',
        instructions_with_thought=f'{answer}, after one short sentence of thought: {{"thought": "...", "command": "..."}}',
        parse=parse_choice,
        schema=choice_schema,
        reasks=reasks,
        unreadable="pass",
    )


def choice_schema(view: View, with_thought: bool) -> dict[str, Any]:
    """The JSON schema of an answer that can only be a possible command."""
    properties: dict[str, Any] = {"thought": {"type": "string"}} if with_thought else {}
    properties["command"] = {"type": "string", "enum": list(view.available)}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def parse_choice(text: str) -> ParsedAnswer:
    """The command of a JSON object, or of the free format. Raises `Unreadable`."""
    try:
        value = json.loads(text)
    except ValueError:
        return parse_answer(text)
    if not isinstance(value, dict) or not isinstance(value.get("command"), str) or not value["command"].strip():
        raise Unreadable('no {"command": "..."} in the answer')
    thought = value.get("thought")
    return ParsedAnswer(Action(value["command"].strip()), thought if isinstance(thought, str) and thought else None)


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
