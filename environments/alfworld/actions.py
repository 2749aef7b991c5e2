"""Form in which an actor writes a command, and its reading: "Action: ..." after an optional "Thought: ...", or, where it only
chooses, a JSON object that is held to the possible commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

from environments.alfworld.engine.world import TextFormat
from environments.base import Action, ActionFormat, ParsedAnswer, Unreadable, View
from harness.base.patterns import pattern
from harness.reading import version_0_1 as reading_0_1
from harness.reading.answers import read_command
from harness.reading.parsing import EXACT, LENIENT, VERSION_0_1

ANSWER = "answer"
"""The kind of a whole answer in which the original's wrapper found no action: never done, whatever it says."""

_EXPECTED = 'no line "Action: <command>" with a command of the game in the answer'
_COMMANDS = (
    "Commands: go to R; open R; close R; take O from R; {put}; clean O with R; heat O with R; cool O with R; use O; "
    "slice O with O; examine R; look; inventory. R is a receptacle and O an object, always with its number, for "
    "example: take mug 2 from desk 1."
)
_PLAIN = "Answer with one line and nothing else:\nAction: <command>"
_WITH_THOUGHT = "Answer with two lines and nothing else:\nThought: <one short sentence>\nAction: <command>"

_ARTICLE = r"(?:(?:the|a|an|some|my|your|that|this) )?"
_THING = rf"{_ARTICLE}[a-z]+(?: [a-z]+)? \d{{1,3}}"
"""An object or a receptacle with its number."""
_LOOSE_THING = rf"{_ARTICLE}[a-z]+(?: [a-z]+)?(?: \d{{1,3}})?"
_FORMS = (
    "(?:go|walk|move) to {0}",
    "(?:open|close|examine|use|turn on|toggle|look at) {0}",
    "(?:take|get|grab|pick up) {0} from {0}",
    "(?:put|place|move|put down|drop) {0} (?:in/on|in|on|into|onto|to|inside|upon|at) {0}",
    "(?:clean|heat|cool|slice|cut) {0} (?:with|using|in) {0}",
)
_STRICT = pattern("|".join(form.format(_THING) for form in _FORMS))
_LOOSE = pattern("|".join(form.format(_LOOSE_THING) for form in _FORMS))
_ALONE = pattern(r"look|inventory|help|(?:check|view|show) (?:my )?inventory")
_POLITE = pattern(
    r"(?:(?:i will|i'll|i’ll|i am going to|i'm going to|let me|let's|let’s|please|now|then|first|to)[ ,]{1,2})*"
)
_REASON = pattern(
    r"$| ?[^\w\s?]| (?:because|since|as|so|and|then|to|in order)\b"
    r"| (?:now|next|first|please)(?=$| ?[^\w\s?])"
)
_AFTER_ALONE = pattern(r"$| ?[^\w\s?]| (?:because|since|so|and|then)\b")
_PUT = pattern(
    r"(?:put|place|move|drop|put down) (?P<object>.+?) (?:in/on|in|on|into|onto|to|inside|upon) (?P<receptacle>.+)"
)


def in_lower_case(command: str) -> str:
    """A command in lower case, with one blank between its words and none before a final period, which goes."""
    command = re.sub(r"\s+", " ", re.sub(r"[*`]", "", command.lower())).strip(" .!;,`*\"'“”‘’")
    return re.sub(r"(?<=[a-z])(\d{1,3})\b", r" \1", command)


def grammar(line: str, marked: bool) -> str | None:
    """A command of the game, in any case and spacing, at the beginning of a line. Where no mark stood before it, things
    need their numbers and nothing may follow."""
    command = in_lower_case(line)
    if marked and (polite := _POLITE.match(command)):
        command = command[polite.end() :]
    if _ALONE.fullmatch(command) or _STRICT.fullmatch(command) or (marked and _LOOSE.fullmatch(command)):
        return command
    found = _STRICT.match(command) if marked else None
    if found and _REASON.match(command, found.end()):
        return found.group()
    found = _ALONE.match(command) if marked else None
    return found.group() if found and _AFTER_ALONE.match(command, found.end()) else None


def parse_answer(text: str) -> ParsedAnswer:
    """The command of an answer, whatever stands around it, and the thought before it. Raises `Unreadable`."""
    return _parsed(text, reading_0_1.alfworld(text))


def parse_choice(text: str) -> ParsedAnswer:
    """The same where the answer should be a JSON object. Raises `Unreadable`."""
    return _parsed(text, reading_0_1.alfworld_choice(text))


def _parsed(text: str, earlier: tuple[str, str | None] | None) -> ParsedAnswer:
    found = read_command(text, grammar)
    if found is None:
        raise Unreadable(_EXPECTED)
    mended = earlier is None or earlier[0] != found.text
    return ParsedAnswer(Action(found.text), found.thought, mended, found.kept)


def parse_exactly(answer: str) -> ParsedAnswer:
    """The command as the paper's wrapper reads it: all that stands behind the first "Action:". Raises `Unreadable`."""
    found = re.search(r"Action:\s?(.*)", answer.strip(), re.DOTALL)
    if found is None:
        raise Unreadable(_EXPECTED)
    return ParsedAnswer(Action(found.group(1)), reading_0_1.thought_before_action(answer))


def parse_as_before(text: str) -> ParsedAnswer:
    """The command as version 0.1 read it. Raises `Unreadable`."""
    return _as_before(reading_0_1.alfworld(text))


def parse_choice_as_before(text: str) -> ParsedAnswer:
    """A choice as version 0.1 read it. Raises `Unreadable`."""
    return _as_before(reading_0_1.alfworld_choice(text))


def _as_before(found: tuple[str, str | None] | None) -> ParsedAnswer:
    if found is None:
        raise Unreadable('no line "Action: <command>" in the answer')
    return ParsedAnswer(Action(found[0]), found[1])


_Reader = Callable[[str], ParsedAnswer]
_READERS: dict[str, tuple[_Reader, _Reader, Literal["pass", "skip"], str]] = {
    LENIENT: (parse_answer, parse_choice, "skip", "act"),
    EXACT: (parse_exactly, parse_choice_as_before, "pass", ANSWER),
    VERSION_0_1: (parse_as_before, parse_choice_as_before, "pass", "act"),
}


def make_action_format(text: TextFormat, parsing: str, reasks: int, short: bool = False) -> ActionFormat:
    """The format under a text format and a reader. An unreadable answer is asked for again `reasks` times; then it costs
    a step: under `lenient` nothing is sent to the game. `short`: no word is said about it, but where a thought is asked for."""
    commands = _COMMANDS.format(put=f"{text.put_verb} O {text.put_preposition} R")
    parse, _, unreadable, passes_as = _READERS[parsing]
    return ActionFormat(
        instructions="" if short else f"{_PLAIN}\n{commands}",
        instructions_with_thought=_WITH_THOUGHT if short else f"{_WITH_THOUGHT}\n{commands}",
        parse=parse,
        schema=_no_schema,
        reasks=reasks,
        unreadable=unreadable,
        passes_as=passes_as,
        parsing=parsing,
    )


def make_choice_format(parsing: str, reasks: int) -> ActionFormat:
    """The actor chooses among the possible commands: structured output lets nothing else through. What a model without
    structured output writes instead is read as in the free format."""
    answer = "Answer with one of the possible commands, as JSON"
    _, parse, unreadable, passes_as = _READERS[parsing]
    return ActionFormat(
        instructions=f'{answer}: {{"command": "..."}}',
        instructions_with_thought=f'{answer}, after one short sentence of thought: {{"thought": "...", "command": "..."}}',
        parse=parse,
        schema=choice_schema,
        reasks=reasks,
        unreadable=unreadable,
        passes_as=passes_as,
        parsing=parsing,
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


def _no_schema(view: View, with_thought: bool) -> dict[str, Any] | None:
    return None


def in_other_words(command: str, text: TextFormat) -> str | None:
    """A command in the words of this text format, where it was written in others: with articles, in capitals, with a final
    period, `put O in R` or `put O onto R` for `move O to R` or `put O in/on R`. None where that changes nothing."""
    plain = re.sub(r"\b(?:the|a|an|some) (?=[a-z]+ \d)", "", in_lower_case(command))
    found = _PUT.fullmatch(plain)
    if found:
        plain = f"{text.put_verb} {found['object']} {text.put_preposition} {found['receptacle']}"
    return None if plain == command.strip() else plain
