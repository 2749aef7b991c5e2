"""Form in which an actor writes an action (one JSON object, optionally with its own thought first), and its reading."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from environments.base import Action, ActionFormat, ParsedAnswer, Unreadable, View
from environments.sotopia.rules import LEAVE, NONE, SPEAK
from harness.base.jsontext import Found, objects_in
from harness.base.patterns import pattern
from harness.reading import version_0_1 as reading_0_1
from harness.reading.answers import next_turn, plain_key, thought_before, tool_arguments, value_under
from harness.reading.parsing import EXACT, LENIENT, VERSION_0_1

_MEANING = {
    NONE: "stay silent this turn",
    SPEAK: "say something; the argument is what you say, without your name and without outer quotation marks",
    "non-verbal communication": "a look, a gesture or an expression; the argument describes it",
    "action": "do something physical; the argument describes it",
    LEAVE: "end the conversation by leaving",
}


_EXPECTED = 'expected one JSON object with "action_type" and "argument"'
_TYPE_KEYS = frozenset(("actiontype", "type", "kind", "actionkind"))
_ARGUMENT_KEYS = frozenset(
    ("argument", "arguments", "arg", "args", "content", "text", "utterance", "message", "speech", "value")
)
_KEYS = frozenset(("action_type", "argument", "thought"))
"""As they are asked for."""
_THOUGHT_KEYS = frozenset(("thought", "thoughts", "thinking", "think", "reasoning", "rationale", "reason"))

_CALL_NAMES = frozenset(("name", "function", "tool", "toolname"))
"""Keys under which a tool call names the tool."""
_SPEAKS = pattern(
    r"^[*_ \t]{0,4}(?:[A-Z][\w.’'-]*(?: [A-Z][\w.’'-]*){1,3}(?: said)?[*_]{0,3}:[*_]{0,3}[ \t]+(?=[^\s{])"
    r"|[A-Z][\w.’'-]*(?: said)?[*_]{0,3}:[*_]{0,3}[ \t]+(?=[\"“]))",
    re.MULTILINE,
)
"""A line that a character speaks, by its whole name or in quotes: a model that should have stopped plays the partner."""
_WITHOUT_BRACES = pattern(r"\s*[\"'“]?(?:thought|action.?type)[\"'”]?\s*:", re.IGNORECASE)

Kinds = tuple[str, ...]


def make_action_format(kinds: Kinds, parsing: str, reasks: int) -> ActionFormat:
    """The format for these action types under a reader. An unreadable answer is asked for again `reasks` times, then it
    fails the episode."""
    return ActionFormat(
        instructions=_instructions(kinds, with_thought=False),
        instructions_with_thought=_instructions(kinds, with_thought=True),
        parse=partial(_READERS[parsing], kinds),
        schema=answer_schema,
        reasks=reasks,
        unreadable="fail",
        parsing=parsing,
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


def parse_answer(kinds: Kinds, answer: str) -> ParsedAnswer:
    """Read an answer: what stands around the object is passed over, its JSON is mended where that is clear, keys may be
    spelt otherwise and the object may lie in another one. What is not exactly one action raises `Unreadable`."""
    return _as_asked_for(kinds, answer) or _found_in(kinds, answer)


def _as_asked_for(kinds: Kinds, answer: str) -> ParsedAnswer | None:
    """The action of an answer that is nothing but the object, keys and type as they were asked for, as most are."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not value.keys() <= _KEYS or value.get("action_type") not in kinds:
        return None
    try:
        return _read_action(kinds, value)
    except Unreadable:
        return None


def _found_in(kinds: Kinds, answer: str) -> ParsedAnswer:
    if "{" not in answer and _WITHOUT_BRACES.match(answer):
        answer = f"{{{answer.strip().strip(',')}}}"
    objects = objects_in(answer)
    found = [(each, value) for each in objects.found if (value := _action_in(each.value, kinds)) is not None]
    if not found:
        raise Unreadable(f"{_EXPECTED}; the JSON is cut off" if objects.cut_off else _EXPECTED)
    first, action = found[0]
    partner = _SPEAKS.search(answer, first.end)
    end = min(next_turn(answer, first.end), partner.start() if partner else len(answer))
    meant = [value for each, value in found if each.start < end]
    if any(_normal(value, kinds) != _normal(action, kinds) for value in meant):
        raise Unreadable(f"expected one action, found {len(meant)}")
    parsed = _read_action(kinds, _normal(action, kinds))
    thought = _thought_around(first, answer) if parsed.thought is None else parsed.thought
    kept = answer[:end].rstrip() if end < len(answer) else None
    return ParsedAnswer(parsed.action, thought, _mended(kinds, answer, parsed.action), kept)


def _action_in(value: dict[str, Any], kinds: Kinds) -> dict[str, Any] | None:
    """The object itself, or the one it wraps, where that is an action."""
    if _kind_of(value, kinds) is not None or any(plain_key(key) == "actiontype" for key in value):
        return value
    inside = [item for item in _unlisted(value.values()) if isinstance(item, dict)]
    actions = [item for item in inside if _kind_of(item, kinds) is not None]
    if len(inside) != 1 or len(actions) != 1:
        return _called(value, kinds)
    thought = value_under(value, _THOUGHT_KEYS)
    return {"thought": thought, **actions[0]} if isinstance(thought, str) else actions[0]


def _called(value: dict[str, Any], kinds: Kinds) -> dict[str, Any] | None:
    """The action of a tool call that is named like an action type and says no other."""
    name, arguments = value_under(value, _CALL_NAMES), tool_arguments(value)
    if arguments is None or value_under(arguments, _TYPE_KEYS) is not None:
        return None
    called = {**arguments, "action_type": name}
    return called if _kind_of(called, kinds) is not None else None


def _unlisted(values: Iterable[Any]) -> list[Any]:
    return [value[0] if isinstance(value, list) and len(value) == 1 else value for value in values]


def _kind_of(value: dict[str, Any], kinds: Kinds) -> str | None:
    """The action type an object names, spelt as the protocol does."""
    named = [value_under(value, _TYPE_KEYS), value_under(value, frozenset(("action",)))]
    spelt = {plain_key(kind): kind for kind in kinds}
    return next((spelt[plain_key(name)] for name in named if isinstance(name, str) and plain_key(name) in spelt), None)


def _normal(value: dict[str, Any], kinds: Kinds) -> dict[str, Any]:
    """The object with the keys and the action type as they should have been written."""
    kind = _kind_of(value, kinds)
    (argument,) = _unlisted([value_under(value, _ARGUMENT_KEYS)])
    if isinstance(argument, dict):
        argument = value_under(argument, _ARGUMENT_KEYS)
    if isinstance(argument, int | float) and not isinstance(argument, bool):
        argument = str(argument)
    return {
        "action_type": value_under(value, _TYPE_KEYS) if kind is None else kind,
        "argument": argument,
        "thought": value_under(value, _THOUGHT_KEYS),
    }


def _thought_around(found: Found, answer: str) -> str | None:
    """Text before the object, if it is a thought."""
    before = answer[: found.start]
    return None if "{" in before else thought_before(before)


def _mended(kinds: Kinds, answer: str, action: Action) -> bool:
    try:
        return parse_as_before(kinds, answer).action != action
    except Unreadable:
        return True


def _read_action(kinds: Kinds, value: dict[str, Any]) -> ParsedAnswer:
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
            raise Unreadable("the text holds half a character (a lone surrogate), which cannot be stored")
    return ParsedAnswer(Action(argument, kind), thought)


_FENCE = pattern(r"```(?:json)?(.*?)(?:```|\Z)", re.DOTALL)


def parse_exactly(kinds: Kinds, answer: str) -> ParsedAnswer:
    """Read an answer as the originals do, without the second model that they ask to rewrite a wrong answer: the whole
    answer, or what stands in its first code fence, is the object, every key and type as asked for. Raises `Unreadable`."""
    fence = _FENCE.search(answer)
    for text in (answer, fence.group(1) if fence else ""):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and value.get("action_type") in kinds:
            return _read_action(kinds, value)
    raise Unreadable(_EXPECTED)


def parse_as_before(kinds: Kinds, answer: str) -> ParsedAnswer:
    """Read an answer as version 0.1 did. Raises `Unreadable`."""
    try:
        found = reading_0_1.sotopia_objects(answer)
    except RecursionError as error:
        raise Unreadable("the JSON is nested too deeply") from error
    if len(found) != 1:
        raise Unreadable(f"expected one action, found {len(found)}" if found else _EXPECTED)
    return _read_action(kinds, found[0])


_READERS: dict[str, Callable[[Kinds, str], ParsedAnswer]] = {
    LENIENT: parse_answer,
    EXACT: parse_exactly,
    VERSION_0_1: parse_as_before,
}


def _short(value: object) -> str:
    return repr(value)[:60]
