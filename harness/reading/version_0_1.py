"""Version 0.1's readers of answers, kept unchanged for runs that were begun with it and are continued. Nothing new is read by
them. A leaf module."""

from __future__ import annotations

import json
import re
from typing import Any

from harness.base.patterns import pattern

MAX_STARTS = 200
"""Braces an answer may open in vain: reading on from each one costs time that grows with the answer's length."""

_WEBSHOP_ACTION = pattern(r"Action:(.*)", re.DOTALL)
_WEBSHOP_THOUGHT = pattern(r"Thought:(.*?)(?=Action:|\Z)", re.DOTALL)
_WEBSHOP_BARE = pattern(r"(?:search|click)\[[^\n]+\]")
_ACTION = pattern(r"(?:^|(?<=[\s*]))action[ \t]*\d*[ \t]*:[ \t*]*\s*(?P<command>\S[^\n]*)", re.IGNORECASE)
_THOUGHT = pattern(r"^\W*thought[ \t]*\d*[ \t]*:[ \t*]*", re.IGNORECASE)
_LABEL = pattern(r"^\W*(?:thought|action)[ \t]*\d*[ \t]*:", re.IGNORECASE)
_MARKS = " \t`*"
_PUT = pattern(r"put (?P<object>.+?) (?:in/on|in|on|into) (?P<receptacle>.+)")
_MOVE = pattern(r"move (?P<object>.+?) to (?P<receptacle>.+)")
_STRATEGY = pattern(r"(?:strategy|thought)\s*:\s*", re.IGNORECASE)


def webshop(answer: str) -> tuple[str, str | None] | None:
    """Action and thought: all that stands behind the first "Action:", or an answer that is nothing but an action."""
    found = _WEBSHOP_ACTION.search(answer)
    if found is not None:
        return found.group(1).strip(), thought_before_action(answer)
    return (answer.strip(), None) if _WEBSHOP_BARE.fullmatch(answer.strip()) else None


def thought_before_action(answer: str) -> str | None:
    """Text between "Thought:" and "Action:"."""
    thought = _WEBSHOP_THOUGHT.search(answer)
    return (thought.group(1).strip() or None) if thought else None


def alfworld(text: str) -> tuple[str, str | None] | None:
    """Command and thought: the first line behind the first "Action:", or the whole answer when it is a single line without
    any label."""
    found = _ACTION.search(text)
    if found:
        command = found["command"].strip(_MARKS)
        thought = _THOUGHT.sub("", text[: found.start()].strip()).strip(_MARKS + "\n") or None
        if command:
            return command, thought
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if len(lines) == 1 and not found and not _LABEL.match(lines[0]):
        command = lines[0].removeprefix(">").strip(_MARKS)
        if command:
            return command, None
    return None


def alfworld_choice(text: str) -> tuple[str, str | None] | None:
    """The command of a JSON object, or of the free format."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return alfworld(text)
    if not isinstance(value, dict) or not isinstance(value.get("command"), str) or not value["command"].strip():
        return None
    thought = value.get("thought")
    return value["command"].strip(), thought if isinstance(thought, str) and thought else None


def alfworld_put(command: str, verb: str, preposition: str) -> str | None:
    """A command for putting something down in the other text format's words, in those of this one."""
    found = (_PUT if verb == "move" else _MOVE).fullmatch(command.strip())
    return f"{verb} {found['object']} {preposition} {found['receptacle']}" if found else None


def sotopia_objects(answer: str) -> list[dict[str, Any]]:
    """The JSON objects with an "action_type", behind a leading <think> block. Raises `RecursionError` for one that is
    nested too deeply."""
    if answer.lstrip().startswith("<think>"):
        answer = answer.partition("</think>")[2]
    decoder = json.JSONDecoder(strict=False)
    found: list[dict[str, Any]] = []
    position = answer.find("{")
    while position != -1:
        try:
            value, end = decoder.raw_decode(answer, position)
        except json.JSONDecodeError:
            end = position + 1
        else:
            found.append(value)
        position = answer.find("{", end)
    return [value for value in found if "action_type" in value]


def strategy(text: str) -> str | None:
    """The first non-empty line after a "Strategy:" (or "Thought:") mark, else the first non-empty line."""
    match = _STRATEGY.search(text)
    body = text[match.end() :] if match else text
    for line in body.splitlines():
        line = line.strip().strip('"*').strip()
        if line:
            return line
    return None


def only_object(text: str) -> dict[str, Any]:
    """The one JSON object in a text that may carry prose or code fences around it. Raises `ValueError` when there is
    none, when it is cut off, when there are several different ones, or after `MAX_STARTS` braces that open none."""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    position, failed = text.find("{"), 0
    while position >= 0:
        if failed >= MAX_STARTS:
            raise ValueError(f"{failed} braces open no JSON object in the answer")
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            failed += 1
            position = text.find("{", position + 1)
            if not found and position < 0:
                raise ValueError("no whole JSON object in the answer") from None
            continue
        if isinstance(value, dict) and value not in found:
            found.append(value)
        position = text.find("{", end)
    if not found:
        raise ValueError("no JSON object in the answer")
    if len(found) > 1:
        raise ValueError(f"{len(found)} different JSON objects in the answer, one expected")
    return found[0]
