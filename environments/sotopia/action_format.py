"""How an actor writes an action: one JSON object, optionally with its own thought first (ReAct)."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from environments.base import Action, ActionFormat, ParsedAnswer, Unreadable, View
from environments.sotopia.rules import LEAVE, NONE, SPEAK

_MEANING = {
    NONE: "stay silent this turn",
    SPEAK: "say something; the argument is what you say, without your name and without outer quotation marks",
    "non-verbal communication": "a look, a gesture or an expression; the argument describes it",
    "action": "do something physical; the argument describes it",
    LEAVE: "end the conversation by leaving",
}


def make_action_format(kinds: tuple[str, ...]) -> ActionFormat:
    """The format for these action types. An unreadable answer is asked for once more, then fails the episode."""
    return ActionFormat(
        instructions=_instructions(kinds, with_thought=False),
        instructions_with_thought=_instructions(kinds, with_thought=True),
        parse=partial(parse_answer, kinds),
        schema=answer_schema,
        reasks=1,
        unreadable="fail",
    )


def _instructions(kinds: tuple[str, ...], with_thought: bool) -> str:
    example = '{"action_type": "...", "argument": "..."}'
    lines = ["Answer with one JSON object and nothing else:"]
    if with_thought:
        example = '{"thought": "...", ' + example[1:]
    lines.append(example)
    if with_thought:
        lines.append('"thought": first think, in one or two sentences, about what helps you now; nobody else reads it.')
    lines.append('"action_type": one of')
    lines += [f'- "{kind}": {_MEANING[kind]}' for kind in kinds]
    lines.append(f'"argument": a text; leave it empty ("") for "{NONE}" and "{LEAVE}".')
    return "\n".join(lines)


def answer_schema(view: View, with_thought: bool) -> dict[str, Any]:
    """The JSON schema of an answer, with the action types that the seat can choose from now."""
    properties: dict[str, Any] = {"thought": {"type": "string"}} if with_thought else {}
    properties["action_type"] = {"type": "string", "enum": list(view.available)}
    properties["argument"] = {"type": "string"}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def parse_answer(kinds: tuple[str, ...], answer: str) -> ParsedAnswer:
    """Read an answer. Prose and code fences around the object are passed over, keys we do not know are ignored as
    in the original; everything else that is not exactly one action raises `Unreadable`."""
    found = [value for value in _outer_objects(_without_reasoning(answer)) if "action_type" in value]
    if not found:
        raise Unreadable('expected one JSON object with "action_type" and "argument"')
    if len(found) > 1:
        raise Unreadable(f"expected one action, found {len(found)}")
    return _read_action(kinds, found[0])


def _read_action(kinds: tuple[str, ...], value: dict[str, Any]) -> ParsedAnswer:
    kind, argument, thought = value["action_type"], value.get("argument"), value.get("thought")
    if not isinstance(kind, str) or kind.strip().lower() not in kinds:
        raise Unreadable(f'"action_type" must be one of {", ".join(kinds)}, not {_short(kind)}')
    kind = kind.strip().lower()
    if argument is None and kind in (NONE, LEAVE):
        argument = ""
    if not isinstance(argument, str):
        raise Unreadable(f'"argument" must be a text, not {_short(argument)}')
    if thought is not None and not isinstance(thought, str):
        raise Unreadable(f'"thought" must be a text, not {_short(thought)}')
    for text in (argument, thought or ""):
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise Unreadable("the text holds half a character (a lone surrogate), which can not be stored")
    return ParsedAnswer(Action(argument, kind), thought)


def _without_reasoning(answer: str) -> str:
    """The answer after a leading <think> block, which some models write before it."""
    if not answer.lstrip().startswith("<think>"):
        return answer
    return answer.partition("</think>")[2]


def _outer_objects(text: str) -> list[dict[str, Any]]:
    """All JSON objects that do not lie inside another one, in their order."""
    # strict=False: models put raw line breaks into strings, and it is clear what they mean.
    decoder = json.JSONDecoder(strict=False)
    found: list[dict[str, Any]] = []
    position = text.find("{")
    while position != -1:
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError:
            end = position + 1
        except RecursionError as error:  # looking on inside it would take quadratic time
            raise Unreadable("the JSON is nested too deeply") from error
        else:
            found.append(value)
        position = text.find("{", end)
    return found


def _short(value: object) -> str:
    return repr(value)[:60]
